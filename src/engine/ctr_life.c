/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_life.c: what happens to a container after its start: its monitor's news, stop, kill, pause, wait, remove, and recovery. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/signame.h"
#include "base/str.h"
#include "codec/detach.h"
#include "engine/ctr_priv.h"
#include "engine/events.h"
#include "engine/exec_priv.h"
#include "engine/monlink.h"
#include "catalog/netmgr.h"
#include "catalog/volume.h"
#include "store/crashpoint.h"
#include "store/lease.h"
#include "store/snapshot.h"
#include "sys/pidfd.h"
#include "sys/uds.h"

#define EXIT_NO_MONITOR 137
#define KILL_WAIT_MS 1000 /* a frozen process dies when the runtime deletes the container */
#define RECORD_WAIT_NS (5 * CLOCK_NS_PER_S)

/* ---- waiting ---- */

struct ctr_wait {
	struct list link;
	struct ctr *c;
	enum { WAIT_NOT_RUNNING, WAIT_NEXT_EXIT, WAIT_REMOVED, WAIT_N } condition;
	ctr_wait_fn *fn;
	void *self;
	bool done;
};

static const char *const wait_names[WAIT_N] = { "not-running", "next-exit", "removed" };

void ctr_wake_waits(struct ctr *c, const char *met, int64_t code)
{
	LIST_EACH(at, &c->waits) {
		struct ctr_wait *w = LIST_ENTRY(at, struct ctr_wait, link);
		bool exit_met = strcmp(met, "removed") != 0;

		if (exit_met ? w->condition == WAIT_REMOVED : false)
			continue;
		list_remove(at);
		w->done = true;
		w->fn(w->self, code, NULL);
	}
}

es_err *ctr_wait_begin(struct engine *e, const char *ref, const char *condition, ctr_wait_fn *fn, void *self, struct ctr_wait **ret)
{
	es_autoctr *c = NULL;
	struct ctr_wait *w;
	size_t i = 0;

	if (str_empty(condition))
		condition = wait_names[0];
	while (i < WAIT_N && strcmp(wait_names[i], condition) != 0)
		i++;
	if (i == WAIT_N)
		return es_err_new(ES_E_INVALID, "invalid condition: \"%s\"", condition);
	ES_TRY(ctr_find(e, ref, &c));
	w = ES_NEW(struct ctr_wait);
	list_init(&w->link);
	w->condition = i;
	w->fn = fn;
	w->self = self;
	w->c = ctr_ref(c);
	*ret = w;
	(void)pthread_mutex_lock(&c->lock);
	if (c->gone || (i == WAIT_NOT_RUNNING && !ctr_is_up(c))) {
		w->done = true;
		fn(self, c->exit_code, NULL);
	} else {
		list_append(&c->waits, &w->link);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

void ctr_wait_end(struct engine *e, struct ctr_wait *w)
{
	struct ctr *c;

	(void)e;
	if (!w)
		return;
	c = w->c;
	(void)pthread_mutex_lock(&c->lock);
	list_remove(&w->link);
	(void)pthread_mutex_unlock(&c->lock);
	ctr_unref(c);
	free(w);
}

/* Until it is not up; false when TIMEOUT_NS (negative: for ever) passed first. */
static bool wait_down(struct ctr *c, int64_t timeout_ns)
{
	int64_t until = clock_now_ns() + timeout_ns;
	struct timespec ts = { until / CLOCK_NS_PER_S, until % CLOCK_NS_PER_S };
	bool down;
	int rc = 0;

	(void)pthread_mutex_lock(&c->lock);
	while (ctr_is_up(c) && rc == 0)
		rc = timeout_ns < 0 ? pthread_cond_wait(&c->changed, &c->lock) : pthread_cond_timedwait(&c->changed, &c->lock, &ts);
	down = !ctr_is_up(c);
	(void)pthread_mutex_unlock(&c->lock);
	return down;
}

/* The monitor tells the death first and deletes the container then; a new run, or a removal, has to come after that. */
void ctr_wait_monitor(struct ctr *c)
{
	int64_t until = clock_now_ns() + 30 * CLOCK_NS_PER_S;
	struct timespec ts = { until / CLOCK_NS_PER_S, until % CLOCK_NS_PER_S };
	int rc = 0;

	(void)pthread_mutex_lock(&c->lock);
	while (c->monitored && rc == 0)
		rc = pthread_cond_timedwait(&c->changed, &c->lock, &ts);
	(void)pthread_mutex_unlock(&c->lock);
	if (rc)
		log_line(LOG_L_WARN, "container %.12s: its monitor does not end", c->id);
}

/* ---- the end of a run ---- */

/* No record, no place in the table: gone for everybody but us. A second time does nothing. Its own volumes are without an owner from
 * here on: if we die before they are removed, the next open does it. */
static es_err *forget(struct ctr *c, bool keep_volumes)
{
	es_autotx *tx = record_tx_new();
	es_err *err = NULL;

	if (c->gone)
		return NULL;
	c->removal = lease_new(c->e->store);
	lease_removes(c->removal);
	ctr_delete_records(tx, c);
	if (keep_volumes)
		FIELD_LIST_EACH(struct ctr_mount, m, &c->rec->mounts)
			if (!err && m->anonymous)
				err = volume_tx_keep(c->e->volumes, tx, m->name);
	if (!err)
		err = record_commit(c->e->store, tx);
	if (err) {
		lease_end(ES_TAKE(c->removal));
		return err;
	}
	ctr_take_out(c->e, c);
	(void)pthread_mutex_lock(&c->lock);
	c->gone = true;
	ctr_wake_waits(c, "removed", c->exit_code);
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* With --rm whoever waits for the removal is told before the clean-up, unless a port is to be free by then. A start that was
 * faster has cleaned up: what there is now belongs to its run. */
static void finish(void *arg)
{
	struct ctr *c = arg;
	bool remove, has_ports, unclean;

	(void)pthread_mutex_lock(&c->op);
	(void)pthread_mutex_lock(&c->lock);
	unclean = c->unclean;
	remove = c->rec->host_config->auto_remove && !c->keep && !c->gone && !ctr_is_up(c);
	has_ports = c->ports && c->ports->n;
	(void)pthread_mutex_unlock(&c->lock);
	if (remove && !has_ports)
		log_err(forget(c, false), "container %.12s: remove", c->id);
	if (unclean)
		ctr_clean_up(c);
	if (remove)
		log_err(ctr_destroy(c, true), "container %.12s: remove", c->id);
	(void)pthread_mutex_unlock(&c->op);
	ctr_unref(c);
}

void ctr_finish_later(struct ctr *c)
{
	defer_add(c->e->defer, finish, ctr_ref(c));
}

static void die_event(struct ctr *c, int64_t time_ns, int64_t code, int64_t started_at)
{
	char code_text[24], duration[24];
	const char *extra[] = { "exitCode", code_text, "execDuration", duration, NULL };

	(void)snprintf(code_text, sizeof code_text, "%lld", (long long)code);
	(void)snprintf(duration, sizeof duration, "%lld",
		       (long long)(started_at == INT64_MIN ? 0 : (time_ns - started_at) / CLOCK_NS_PER_S));
	ctr_event_at(c, time_ns, "die", extra);
}

void ctr_ended(struct ctr *c, int64_t time_ns, int64_t exit_code, bool oom, const char *error)
{
	int64_t started_at;

	(void)pthread_mutex_lock(&c->lock);
	if (!ctr_is_up(c)) {
		(void)pthread_mutex_unlock(&c->lock);
		return;
	}
	started_at = c->started_at;
	c->pid = 0;
	c->exit_code = exit_code;
	c->oom_killed = oom;
	c->finished_at = time_ns;
	free(c->error);
	c->error = str_empty(error) ? NULL : es_xstrdup(error);
	(void)pthread_mutex_unlock(&c->lock);
	netmgr_ended(c->e->nets, c->id);
	die_event(c, time_ns, exit_code, started_at);
	(void)pthread_mutex_lock(&c->lock);
	c->status = CTR_EXITED;
	c->unclean = true;
	ctr_wake_waits(c, "next-exit", exit_code);
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
	ctr_save_run(c);
	ctr_finish_later(c);
}

/* ---- news from the monitor ---- */

static void on_start(struct ctr *c, const struct mon_record *r)
{
	ctr_event_at(c, r->time, "start", NULL); /* the first one was told by ctr_start, unless estibad died before that */
	(void)pthread_mutex_lock(&c->lock);
	if (r->restart_count > c->restart_count || c->status == CTR_RESTARTING || !ctr_is_up(c)) {
		c->status = CTR_RUNNING;
		c->pid = r->pid;
		c->start_ticks = r->start_ticks;
		c->started_at = r->time;
		c->restart_count = r->restart_count;
		(void)pthread_cond_broadcast(&c->changed);
	}
	(void)pthread_mutex_unlock(&c->lock);
}

static void on_die(struct ctr *c, const struct mon_record *r)
{
	int64_t started_at;

	if (r->final) {
		ctr_ended(c, r->time, r->exit_code, r->oom, r->error);
		return;
	}
	(void)pthread_mutex_lock(&c->lock);
	started_at = c->started_at;
	c->status = CTR_RESTARTING;
	c->pid = 0;
	c->exit_code = r->exit_code;
	c->oom_killed = r->oom;
	c->finished_at = r->time;
	ctr_wake_waits(c, "next-exit", r->exit_code);
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
	die_event(c, r->time, r->exit_code, started_at);
}

/* A restart by the monitor that did not work: the last exit was the last. Or a first start of which estibad could not tell. */
static void on_start_failed(struct ctr *c, const struct mon_record *r)
{
	bool first;

	(void)pthread_mutex_lock(&c->lock);
	first = !ctr_is_up(c);
	if (first) {
		free(c->error);
		c->error = es_xstrdup(r->error ? r->error : "");
		c->exit_code = r->exit_code;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (first)
		ctr_save_run(c);
	else
		ctr_ended(c, r->time, r->exit_code, false, r->error);
}

static void paused(struct ctr *c, const struct mon_record *r, enum ctr_status status)
{
	ctr_event_at(c, r->time, r->event, NULL);
	(void)pthread_mutex_lock(&c->lock);
	if (ctr_is_up(c))
		c->status = status;
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
}

static void on_pause(struct ctr *c, const struct mon_record *r)
{
	paused(c, r, CTR_PAUSED);
}

static void on_unpause(struct ctr *c, const struct mon_record *r)
{
	paused(c, r, CTR_RUNNING);
}

static void monitor_is_done(struct ctr *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->monitored = false;
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
}

/* Everything of the run is deleted. Between two starts a stop leads here without another death. */
static void on_end(struct ctr *c, const struct mon_record *r)
{
	int64_t finished_at;
	bool between, oom;

	(void)pthread_mutex_lock(&c->lock);
	between = c->status == CTR_RESTARTING;
	finished_at = c->finished_at;
	oom = c->oom_killed;
	(void)pthread_mutex_unlock(&c->lock);
	if (between)
		ctr_ended(c, finished_at, r->exit_code, oom, NULL);
	monitor_is_done(c);
}

static void on_oom(struct ctr *c, const struct mon_record *r)
{
	ctr_event_at(c, r->time, "oom", NULL);
}

static void on_health(struct ctr *c, const struct mon_record *r)
{
	es_autofree char *action = es_xasprintf("health_status: %s", r->health ? r->health : "");

	(void)pthread_mutex_lock(&c->lock);
	if (c->health && r->health)
		c->health->status = arena_strdup(c->health_arena, r->health);
	(void)pthread_mutex_unlock(&c->lock);
	ctr_event_at(c, r->time, action, NULL);
}

static void on_kill(struct ctr *c, const struct mon_record *r)
{
	char text[24];
	const char *extra[] = { "signal", text, NULL };

	(void)snprintf(text, sizeof text, "%lld", (long long)r->signal);
	ctr_event_at(c, r->time, "kill", extra);
}

static void on_record(struct ctr *c, const struct mon_record *r)
{
	static const struct {
		const char *event;
		void (*on)(struct ctr *c, const struct mon_record *r);
	} rows[] = {
		{ "start", on_start }, { "start_failed", on_start_failed }, { "die", on_die },   { "oom", on_oom },
		{ "kill", on_kill },   { "health_status", on_health },      { "end", on_end },   { "pause", on_pause },
		{ "unpause", on_unpause },
	};

	(void)pthread_mutex_lock(&c->lock);
	if ((int64_t)r->seq <= c->journal_seq) {
		(void)pthread_mutex_unlock(&c->lock);
		return;
	}
	c->journal_seq = (int64_t)r->seq;
	(void)pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < ES_N(rows); i++)
		if (strcmp(rows[i].event, r->event) == 0)
			rows[i].on(c, r);
	if (!r->final)
		ctr_save_live(c);
}

/* The monitor is gone: its journal has the truth; without a last word the container died with it. */
static void take_journal(struct ctr *c)
{
	es_autoarena *a = arena_new();
	struct mon_record *list = NULL;
	size_t n = 0;
	int dirfd, pidfd;
	int64_t pid;
	uint64_t ticks;
	es_err *err;

	(void)pthread_mutex_lock(&c->lock);
	dirfd = c->run_dirfd >= 0 ? fcntl(c->run_dirfd, F_DUPFD_CLOEXEC, 0) : -1;
	(void)pthread_mutex_unlock(&c->lock);
	if (dirfd >= 0) {
		log_err(monlink_journal(a, dirfd, &list, &n), "container %.12s: journal", c->id);
		es_close(dirfd);
	}
	for (size_t i = 0; i < n; i++)
		on_record(c, &list[i]);
	(void)pthread_mutex_lock(&c->lock);
	pid = ctr_is_up(c) ? c->pid : 0;
	ticks = c->start_ticks;
	(void)pthread_mutex_unlock(&c->lock);
	if (pid) {
		err = pidfd_of_proven((pid_t)pid, ticks, &pidfd);
		if (!err) {
			log_line(LOG_L_WARN, "container %.12s: its monitor is gone; ending what it ran", c->id);
			log_err(pidfd_signal(pidfd, SIGKILL), "container %.12s: kill", c->id);
			log_err(pidfd_wait_exit(pidfd, KILL_WAIT_MS), "container %.12s: kill", c->id);
			es_close(pidfd);
		}
		es_err_drop(err);
	}
	ctr_ended(c, clock_now_ns(), EXIT_NO_MONITOR, false, "the container's monitor was lost");
	monitor_is_done(c);
}

/* A link to the monitor of one run. */
struct follow {
	struct ctr *c; /* a reference, given back at the link's end */
	uint64_t run;
};

static void follow_free(struct follow *f)
{
	ctr_unref(f->c);
	free(f);
}

/* The end of a link whose monitor said "end" means nothing; the next run may have begun meanwhile. While the last word is missing
 * no start goes on (ctr_wait_monitor), so the journal is still that of the run. */
static void on_link(void *self, const struct mon_record *record)
{
	struct follow *f = self;
	bool missing;

	if (record) {
		on_record(f->c, record);
		return;
	}
	(void)pthread_mutex_lock(&f->c->lock);
	missing = f->c->run == f->run && f->c->monitored;
	(void)pthread_mutex_unlock(&f->c->lock);
	if (missing)
		take_journal(f->c);
	follow_free(f);
}

es_err *ctr_follow(struct ctr *c)
{
	struct follow *f = ES_NEW(struct follow);
	uint64_t from;
	es_err *err;
	int dirfd;

	(void)pthread_mutex_lock(&c->lock);
	dirfd = c->run_dirfd;
	from = (uint64_t)c->journal_seq + 1;
	c->monitored = true;
	*f = (struct follow){ .c = ctr_ref(c), .run = ++c->run };
	(void)pthread_mutex_unlock(&c->lock);
	err = monlink_watch(c->e, dirfd, from, on_link, f);
	if (!err)
		return NULL;
	if (es_err_class(err) != ES_E_NOT_FOUND)
		log_line(LOG_L_WARN, "container %.12s: %s", c->id, es_err_text(err));
	es_err_free(err);
	take_journal(c); /* so short a life that its monitor has left already */
	follow_free(f);
	return NULL;
}

/* ---- talking to the monitor ---- */

/* Whoever has seen a container's first output may ask at once, before its start was noted: that is waited for. */
void ctr_settle(struct ctr *c)
{
	bool up;

	(void)pthread_mutex_lock(&c->lock);
	up = ctr_is_up(c);
	(void)pthread_mutex_unlock(&c->lock);
	if (up)
		return;
	(void)pthread_mutex_lock(&c->op);
	(void)pthread_mutex_unlock(&c->op);
}

/* ES_E_CONFLICT with docker's text when it does not run. */
static es_err *ask(struct ctr *c, struct arena *a, const struct mon_request *req, int fd, struct mon_reply *ret)
{
	es_autoclose int dirfd = -1;
	struct mon_reply reply;
	bool up;

	(void)pthread_mutex_lock(&c->lock);
	up = ctr_is_up(c) && c->run_dirfd >= 0;
	dirfd = up ? fcntl(c->run_dirfd, F_DUPFD_CLOEXEC, 0) : -1;
	(void)pthread_mutex_unlock(&c->lock);
	if (!up)
		return es_err_new(ES_E_CONFLICT, "container %s is not running", c->id);
	return monlink_ask(a, dirfd, req, fd, ret ? ret : &reply);
}

static es_err *tell(struct ctr *c, const struct mon_request *req)
{
	es_autoarena *a = arena_new();

	return ask(c, a, req, -1, NULL);
}

es_err *ctr_start(struct engine *e, const char *ref)
{
	es_autoctr *c = NULL;
	enum ctr_status status;
	es_err *err;

	ES_TRY(ctr_find(e, ref, &c));
	(void)pthread_mutex_lock(&c->op);
	(void)pthread_mutex_lock(&c->lock);
	status = c->status;
	if (c->removing || c->gone)
		status = CTR_REMOVING;
	(void)pthread_mutex_unlock(&c->lock);
	if (status == CTR_PAUSED)
		err = es_err_new(ES_E_CONFLICT, "cannot start a paused container, try unpause instead");
	else if (status == CTR_REMOVING)
		err = es_err_new(ES_E_CONFLICT, "container is marked for removal and cannot be started");
	else if (status == CTR_RUNNING || status == CTR_RESTARTING)
		err = es_err_new(ES_E_NOT_MODIFIED, "container %s is already running", c->id);
	else
		err = ctr_start_locked(c);
	if (err && es_err_class(err) != ES_E_NOT_MODIFIED && status != CTR_REMOVING && status != CTR_PAUSED &&
	    c->rec->host_config->auto_remove)
		log_err(ctr_destroy(c, true), "container %.12s: remove", c->id);
	(void)pthread_mutex_unlock(&c->op);
	return err;
}

/* The stop itself; no event. True in *RET_WAS_UP if there was something to stop. */
static es_err *stop(struct ctr *c, const char *signal, int64_t timeout_s, bool *ret_was_up)
{
	struct mon_request req = { .op = "stop" };
	int64_t seconds = timeout_s;
	bool up;
	es_err *err;

	if (!str_empty(signal)) {
		int number;

		ES_TRY(signame_parse(signal, &number));
		req.signal = number;
	}
	if (seconds == INT64_MIN)
		seconds = c->rec->config->stop_timeout.set ? c->rec->config->stop_timeout.v : 10;
	req.timeout_ns = (struct field_opt_i64){ .set = true, .v = seconds < 0 ? -1 : seconds * CLOCK_NS_PER_S };
	ctr_settle(c);
	(void)pthread_mutex_lock(&c->lock);
	up = ctr_is_up(c);
	c->stopped_by_user = true;
	(void)pthread_mutex_unlock(&c->lock);
	*ret_was_up = up;
	if (!up)
		return NULL;
	err = monlink_stop(c->run_dirfd, &req);
	if (err && es_err_class(err) != ES_E_NOT_FOUND) /* gone already: its last record is on the way */
		return err;
	es_err_drop(err);
	if (!wait_down(c, seconds < 0 ? -1 : (seconds + 30) * CLOCK_NS_PER_S))
		return es_err_new(ES_E_TIMEOUT, "cannot stop container: %s: it does not end", c->id);
	return NULL;
}

es_err *ctr_stop(struct engine *e, const char *ref, const char *signal, int64_t timeout_s)
{
	es_autoctr *c = NULL;
	bool was_up;

	ES_TRY(ctr_find(e, ref, &c));
	ES_TRY(stop(c, signal, timeout_s, &was_up));
	if (!was_up)
		return es_err_new(ES_E_NOT_MODIFIED, "container %s is already stopped", c->id);
	ctr_event(c, "stop", NULL);
	return NULL;
}

es_err *ctr_restart(struct engine *e, const char *ref, const char *signal, int64_t timeout_s)
{
	es_autoctr *c = NULL;
	es_err *err;
	bool was_up;

	ES_TRY(ctr_find(e, ref, &c));
	(void)pthread_mutex_lock(&c->lock);
	c->keep = true;
	(void)pthread_mutex_unlock(&c->lock);
	err = stop(c, signal, timeout_s, &was_up);
	(void)pthread_mutex_lock(&c->op);
	if (!err)
		err = ctr_start_locked(c);
	(void)pthread_mutex_lock(&c->lock);
	c->keep = false;
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_mutex_unlock(&c->op);
	ES_TRY(es_err_in(err, "Cannot restart container %s", ref));
	ctr_event(c, "restart", NULL);
	return NULL;
}

static es_err *kill_one(struct engine *e, const char *ref, const char *signal)
{
	es_autoctr *c = NULL;
	struct mon_request req = { .op = "signal", .signal = SIGKILL };
	int number = SIGKILL, stop_signal = SIGTERM;
	bool up;

	if (!str_empty(signal))
		ES_TRY(signame_parse(signal, &number));
	ES_TRY(ctr_find(e, ref, &c));
	ctr_settle(c);
	if (!str_empty(c->rec->config->stop_signal))
		ES_TRY(signame_parse(c->rec->config->stop_signal, &stop_signal));
	req.signal = number;
	req.no_restart = number == SIGKILL || number == stop_signal;
	(void)pthread_mutex_lock(&c->lock);
	up = ctr_is_up(c);
	if (up && req.no_restart)
		c->stopped_by_user = true;
	(void)pthread_mutex_unlock(&c->lock);
	if (!up)
		return es_err_new(ES_E_CONFLICT, "container %s is not running", c->id);
	ES_TRY(tell(c, &req));
	if (number == SIGKILL)
		(void)wait_down(c, 10 * CLOCK_NS_PER_S);
	return NULL;
}

es_err *ctr_kill(struct engine *e, const char *ref, const char *signal)
{
	return es_err_in(kill_one(e, ref, signal), "cannot kill container: %s", ref);
}

/* ---- pause ---- */

/* State and event come with the monitor's record, which is on its way when the reply is there. */
static void wait_status(struct ctr *c, enum ctr_status status)
{
	int64_t until = clock_now_ns() + RECORD_WAIT_NS;
	struct timespec ts = { until / CLOCK_NS_PER_S, until % CLOCK_NS_PER_S };
	int rc = 0;

	(void)pthread_mutex_lock(&c->lock);
	while (ctr_is_up(c) && c->status != status && rc == 0)
		rc = pthread_cond_timedwait(&c->changed, &c->lock, &ts);
	(void)pthread_mutex_unlock(&c->lock);
}

static es_err *set_paused(struct engine *e, const char *ref, bool pause)
{
	es_autoctr *c = NULL;
	struct mon_request req = { .op = pause ? "pause" : "unpause" };
	enum ctr_status status;
	es_err *err = NULL;

	ES_TRY(ctr_find(e, ref, &c));
	(void)pthread_mutex_lock(&c->op);
	(void)pthread_mutex_lock(&c->lock);
	status = c->status;
	(void)pthread_mutex_unlock(&c->lock);
	if (pause && status == CTR_PAUSED)
		err = es_err_new(ES_E_CONFLICT, "Container %s is already paused", c->id);
	else if (pause && status == CTR_RESTARTING)
		err = es_err_new(ES_E_CONFLICT, "Container %s is restarting, wait until the container is running", c->id);
	else if (!pause && status != CTR_PAUSED && ctr_is_up(c))
		err = es_err_new(ES_E_INTERNAL, "Container %s is not paused", c->id);
	else if (status != CTR_RUNNING && status != CTR_PAUSED)
		err = es_err_new(ES_E_CONFLICT, "%s %s is not running", pause ? "container" : "Container", c->id);
	if (!err)
		err = tell(c, &req);
	if (!err)
		wait_status(c, pause ? CTR_PAUSED : CTR_RUNNING);
	(void)pthread_mutex_unlock(&c->op);
	return err;
}

es_err *ctr_pause(struct engine *e, const char *ref)
{
	return set_paused(e, ref, true);
}

es_err *ctr_unpause(struct engine *e, const char *ref)
{
	return set_paused(e, ref, false);
}

/* ---- attach ---- */

void ctr_pending_free(struct ctr_pending *p)
{
	es_close(p->fd);
	free(p->detach_keys);
	free(p->head);
	free(p);
}

es_err *ctr_attach_check(struct engine *e, const char *ref, const struct ctr_attach_opts *o, bool *ret_tty)
{
	es_autoctr *c = NULL;
	bool paused, restarting;
	struct detach keys;

	ES_TRY(ctr_find(e, ref, &c));
	ES_TRY(detach_parse(o->detach_keys, &keys));
	(void)pthread_mutex_lock(&c->lock);
	paused = c->status == CTR_PAUSED;
	restarting = c->status == CTR_RESTARTING;
	*ret_tty = c->rec->config->tty;
	c->attaching += !paused && !restarting;
	(void)pthread_mutex_unlock(&c->lock);
	if (paused)
		return es_err_new(ES_E_CONFLICT, "container %s is paused, unpause the container before attach", ref);
	if (restarting)
		return es_err_new(ES_E_CONFLICT, "container %s is restarting, wait until the container is running", ref);
	return NULL;
}

static es_err *attach_running(struct ctr *c, const struct ctr_attach_opts *o, int fd, const void *head, size_t len)
{
	es_autoarena *a = arena_new();
	const struct mon_request req = {
		.op = "attach",
		.attach = { .in = o->stdin_on, .out = o->stdout_on, .err = o->stderr_on, .detach_keys = o->detach_keys,
			    .head = { .p = head, .n = len } },
	};

	return ask(c, a, &req, fd, NULL);
}

/* Not started yet: true if C keeps the client (and FD) until it is. */
static bool attach_later(struct ctr *c, const struct ctr_attach_opts *o, int fd, const void *head, size_t len)
{
	struct ctr_pending *p = ES_NEW(struct ctr_pending);
	bool kept;

	p->opts = *o;
	p->opts.detach_keys = NULL;
	p->detach_keys = o->detach_keys ? es_xstrdup(o->detach_keys) : NULL;
	p->fd = fd;
	p->head = len ? es_xmemdup(head, len) : NULL;
	p->head_len = len;
	(void)pthread_mutex_lock(&c->lock);
	while (c->starting) /* with the clients that came before */
		(void)pthread_cond_wait(&c->changed, &c->lock);
	kept = !ctr_is_up(c) && !c->gone;
	if (kept)
		list_append(&c->pending, &p->link);
	(void)pthread_mutex_unlock(&c->lock);
	if (!kept) {
		p->fd = -1;
		ctr_pending_free(p);
	}
	return kept;
}

static void attach_done(struct ctr *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->attaching--;
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
}

void ctr_attach_cancel(struct engine *e, const char *ref)
{
	es_autoctr *c = NULL;
	es_err *err = ctr_find(e, ref, &c);

	if (!err)
		attach_done(c);
	es_err_drop(err);
}

void ctr_attach(struct engine *e, const char *ref, const struct ctr_attach_opts *o, int client_fd, const void *head, size_t head_len)
{
	es_autoctr *c = NULL;
	es_autoclose int fd = client_fd;
	es_err *err = ctr_find(e, ref, &c);

	if (!err) {
		ctr_event(c, "attach", NULL);
		if (o->logs)
			err = ctr_logs_to_client(c, o, fd);
		if (!err && o->stream && !attach_later(c, o, fd, head, head_len))
			err = attach_running(c, o, fd, head, head_len);
		else if (!err && o->stream)
			fd = -1; /* kept until the start */
		attach_done(c);
	}
	if (err) {
		(void)!write(fd, es_err_text(err), strlen(es_err_text(err)));
		es_err_free(err);
	}
}

es_err *ctr_resize(struct engine *e, const char *ref, uint16_t width, uint16_t height)
{
	const struct mon_request req = { .op = "resize", .w = width, .h = height };
	es_autoctr *c = NULL;

	ES_TRY(ctr_find(e, ref, &c));
	ctr_settle(c);
	return tell(c, &req);
}

/* ---- rename, update ---- */

es_err *ctr_rename(struct engine *e, const char *ref, const char *name)
{
	es_autofree char *old = NULL;
	es_autoctr *c = NULL;
	es_err *err;

	if (str_empty(name))
		return es_err_new(ES_E_INVALID, "Neither old nor new names may be empty");
	ES_TRY(ctr_find(e, ref, &c));
	ES_TRY(es_err_in(ctr_name_check(name), "Error when allocating new name"));
	if (*name == '/')
		name++;
	(void)pthread_mutex_lock(&c->op);
	old = es_xstrdup(c->rec->name);
	if (strcmp(old, name) == 0)
		err = es_err_new(ES_E_INVALID, "Renaming a container with the same name as its current name");
	else
		err = es_err_in(ctr_reindex(e, c, name), "Error when allocating new name");
	if (!err) {
		err = ctr_save(c);
		if (err) {
			es_err_drop(ctr_reindex(e, c, old));
		} else {
			es_autofree char *slashed = es_xasprintf("/%s", old);

			netmgr_rename(e->nets, c->id, name);
			ctr_event(c, "rename", "oldName", slashed, NULL);
		}
	}
	(void)pthread_mutex_unlock(&c->op);
	return err;
}

/* ---- remove ---- */

/* What is off the path of whoever waits for the removal. */
static void discard(void *arg)
{
	struct ctr *c = arg;
	es_autofree char *dir = ctr_dir(c);

	log_err(snapshot_remove(c->e->store, SNAPSHOT_CONTAINER, c->id), "container %.12s: remove its layer", c->id);
	log_err(store_discard(c->e->store, dir), "container %.12s: remove its directory", c->id);
	crash_point(c->e->store, CRASH_REMOVE_DISCARDED);
	lease_end(ES_TAKE(c->removal));
	ctr_unref(c);
}

/* On a disk so full that not even a record can be deleted, the files that are to go make the room for it. */
static es_err *forget_full(struct ctr *c, bool keep_volumes)
{
	es_autofree char *dir = ctr_dir(c), *upper = es_xasprintf("%s/upper", dir);
	es_err *err = forget(c, keep_volumes);

	if (!err || es_err_errno(err) != ENOSPC)
		return err;
	es_err_free(err);
	ES_TRY(file_remove_tree(store_root_fd(c->e->store), upper));
	return forget(c, keep_volumes);
}

es_err *ctr_destroy(struct ctr *c, bool volumes)
{
	struct engine *e = c->e;

	ES_TRY(forget_full(c, !volumes));
	crash_point(e->store, CRASH_REMOVE_FORGOTTEN);
	exec_forget_all(c);
	if (volumes)
		ctr_mounts_undo(e, c->id, &c->rec->mounts);
	crash_point(e->store, CRASH_REMOVE_VOLUMES);
	ctr_event(c, "destroy", NULL);
	defer_add(e->defer, discard, ctr_ref(c));
	return NULL;
}

static es_err *remove_locked(struct ctr *c, bool volumes)
{
	es_err *err;

	(void)pthread_mutex_lock(&c->op);
	if (c->gone) {
		err = NULL;
	} else {
		ctr_clean_up(c);
		crash_point(c->e->store, CRASH_REMOVE_CLEANED);
		err = ctr_destroy(c, volumes);
	}
	(void)pthread_mutex_unlock(&c->op);
	return err;
}

static es_err *remove_one(struct ctr *c, const char *ref, bool force, bool volumes)
{
	enum ctr_status status;
	bool busy, was_up;
	es_err *err = NULL;

	(void)pthread_mutex_lock(&c->lock);
	busy = c->removing;
	c->removing = true;
	status = c->status;
	(void)pthread_mutex_unlock(&c->lock);
	if (busy)
		return es_err_new(ES_E_CONFLICT, "removal of container %s is already in progress", ref);
	if ((status == CTR_RUNNING || status == CTR_PAUSED || status == CTR_RESTARTING) && !force)
		err = es_err_new(ES_E_CONFLICT,
				 status == CTR_PAUSED ? "cannot remove container \"/%s\": container is paused and must be unpaused first" :
							"cannot remove container \"/%s\": container is %s: stop the container before removing or "
							"force remove", c->rec->name, ctr_status_name[status]);
	if (!err && ctr_is_up(c)) {
		err = stop(c, "KILL", 10, &was_up);
		if (err)
			err = es_err_in(err, "cannot remove container \"/%s\": could not kill", c->rec->name);
	}
	if (!err)
		err = remove_locked(c, volumes);
	if (err) {
		(void)pthread_mutex_lock(&c->lock);
		c->removing = false;
		(void)pthread_mutex_unlock(&c->lock);
	}
	return err;
}

es_err *ctr_remove(struct engine *e, const char *ref, bool force, bool volumes, bool link)
{
	es_autoctr *c = NULL;

	ES_TRY(ctr_find(e, ref, &c));
	if (link) /* there are no legacy links here: a container's only name is the one it would be removed by */
		return es_err_new(ES_E_CONFLICT, "Conflict, cannot remove the default link name of the container");
	return remove_one(c, ref, force, volumes);
}

static es_err *before(const struct filters *f, int64_t *ret_until)
{
	char **v = filters_get(f, "until");

	*ret_until = INT64_MAX;
	if (!v || !*v)
		return NULL;
	return filters_time(*v, clock_now_ns(), ret_until);
}

static void prune_event(struct engine *e, uint64_t bytes)
{
	es_autoarena *a = arena_new();
	struct field_map *attributes = field_map_new(a);

	field_map_put(a, attributes, "reclaimed", arena_printf(a, "%llu", (unsigned long long)bytes));
	events_publish(e, "container", "prune", "", attributes);
}

es_err *ctr_prune(struct engine *e, struct arena *a, const struct filters *f, char ***ret_deleted, uint64_t *ret_reclaimed)
{
	static const char *const allowed[] = { "until", "label", "label!", NULL };
	size_t n;
	struct ctr **all;
	int64_t until;
	char **deleted = NULL;
	uint64_t bytes = 0;

	ES_TRY(filters_check(f, allowed));
	ES_TRY(before(f, &until));
	all = ctr_snapshot(e, &n);
	for (size_t i = 0; i < n; i++) {
		struct ctr *c = all[i];
		uint64_t size = 0;
		bool fits = !ctr_is_up(c) && c->created < until && filters_match_labels(f, "label", c->rec->config->labels) &&
			    filters_match_labels(f, "label!", c->rec->config->labels);
		es_err *err = NULL;

		if (fits) {
			es_err_drop(snapshot_size(e->store, SNAPSHOT_CONTAINER, c->id, &size));
			err = remove_one(c, c->id, false, false);
		}
		if (fits && !err) {
			crash_point(e->store, CRASH_CONTAINER_PRUNED);
			deleted = strv_arena_add(a, deleted, c->id);
			bytes += size;
		}
		log_err(err, "prune container %.12s", c->id);
		ctr_unref(c);
	}
	free(all);
	*ret_deleted = deleted;
	*ret_reclaimed = bytes;
	prune_event(e, bytes);
	return NULL;
}

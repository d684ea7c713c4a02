/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_recover.c: what an engine finds when it opens: runs that went on, that ended, that were cut short, and the last boot's.
 *
 * What is believed, in this order:
 * 1. A monitor is there if it holds the lock of its run directory. Its journal says what happened, from the first record that
 *    the container's own record does not know.
 * 2. Without a monitor the journal alone says it. Without a last word the run ended with the monitor.
 * 3. Of another boot nothing is believed but the records in the data root; nothing is signalled.
 * Events that were told before are recognised by their time (events.c). */
#include <fcntl.h>
#include <signal.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/ctr_priv.h"
#include "engine/monlink.h"
#include "catalog/netmgr.h"
#include "store/snapshot.h"
#include "sys/spawn.h"

#define EXIT_LOST 255 /* what docker shows for a container that a reboot ended */
#define EXIT_NO_DIRECTORY 137
#define STRANGER_WAIT_NS (15 * CLOCK_NS_PER_S)
#define FIRST_RECORD_WAIT_NS (10 * CLOCK_NS_PER_S)

/* ---- what a lost monitor leaves ---- */

static void runtime_delete(struct engine *e, const char *program, const char *id)
{
	es_autofree char *root = es_xasprintf("%s/run", e->cfg->exec_root);
	const char *const argv[] = { "estiba-run", "--root", root, "delete", "--force", id, NULL };
	int status = 0;
	es_err *err = spawn_wait(&(struct spawn){ .path = program, .argv = argv }, &status);

	if (!err && status)
		err = es_err_new(ES_E_SYSTEM, "wait status %d", status);
	log_err(err, "runtime: delete %.12s", id);
}

static void remove_cgroup(struct ctr *c)
{
	es_autoarena *a = arena_new();
	es_autocgroup *cg = NULL;
	es_err *err = cgroup_open(&c->e->cgroups, ctr_cgroup_path(a, c->e->cfg, c->rec->host_config, c->id), &cg);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return;
	}
	if (!err)
		err = cgroup_kill(cg);
	if (!err)
		err = cgroup_remove(cg);
	log_err(err, "container %.12s: cgroup", c->id);
}

void ctr_purge(struct engine *e, const char *id, struct ctr *c)
{
	es_autofree char *dir = es_xasprintf("run/%s", id);

	if (faccessat(e->exec_root_fd, dir, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	runtime_delete(e, c ? ctr_runtime_path(c) : e->run_program, id);
	log_err(file_remove_tree(e->exec_root_fd, dir), "remove %s", dir); /* of a runtime that was killed before it had a state */
	if (c)
		remove_cgroup(c);
}

/* ---- another boot ---- */

static void lost_with_boot(struct ctr *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->status = CTR_EXITED;
	c->pid = 0;
	c->exit_code = EXIT_LOST;
	if (c->finished_at < c->started_at)
		c->finished_at = clock_now_ns();
	(void)pthread_mutex_unlock(&c->lock);
	ctr_save_run(c);
}

static bool wants_restart(const struct ctr *c)
{
	const char *policy = c->rec->host_config->restart_policy.name;

	if (str_eq(policy, "always"))
		return true;
	if (c->stopped_by_user || c->status == CTR_CREATED)
		return false;
	return str_eq(policy, "unless-stopped") || (str_eq(policy, "on-failure") && c->exit_code != 0);
}

static void start_again(void *arg)
{
	struct ctr *c = arg;

	(void)pthread_mutex_lock(&c->op);
	if (!c->gone && !ctr_is_up(c))
		log_err(ctr_start_locked(c), "container %.12s: restart after boot", c->id);
	(void)pthread_mutex_unlock(&c->op);
	ctr_unref(c);
}

/* ---- the same boot ---- */

static int open_run_dir(struct ctr *c)
{
	es_autofree char *dir = ctr_run_dir(c);

	return openat(c->e->exec_root_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* What the record does not keep and the journal need not say again. */
static void take_health(struct ctr *c)
{
	const struct mon_request req = { .op = "status" };
	es_autoarena *a = arena_new();
	struct mon_reply reply;
	es_err *err = monlink_ask(a, c->run_dirfd, &req, -1, &reply);

	if (!err && reply.status && !str_empty(reply.status->health))
		c->health->status = arena_strdup(c->health_arena, reply.status->health);
	es_err_drop(err); /* it left: the journal is read next */
}

static void follow_again(struct ctr *c)
{
	bool alive = monlink_wait_ready(c->run_dirfd);

	if (c->rec->config->healthcheck) {
		c->health_arena = arena_new();
		c->health = ARENA_NEW(c->health_arena, struct docker_health);
		c->health->status = "starting";
		if (alive)
			take_health(c);
	}
	log_err(ctr_follow(c), "container %.12s: adopt", c->id);
}

static void adopt(struct ctr *c)
{
	c->run_dirfd = open_run_dir(c);
	if (c->run_dirfd < 0)
		ctr_ended(c, clock_now_ns(), EXIT_NO_DIRECTORY, false, "the container's run directory was lost");
	else
		follow_again(c);
}

/* Whether the journal of a run directory is of a run whose end the record has not seen. */
static bool has_news(const struct ctr *c)
{
	es_autoarena *a = arena_new();
	struct mon_record *list = NULL;
	int64_t last = INT64_MIN;
	size_t n = 0;
	es_err *err = monlink_journal(a, c->run_dirfd, &list, &n);

	log_err(err, "container %.12s: journal", c->id);
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i].event, "die") || str_eq(list[i].event, "start_failed") || str_eq(list[i].event, "start"))
			last = list[i].time;
	return n > 0 && last != c->finished_at;
}

/* Requests come as soon as the engine is open, and must not find a container that looks startable. */
static void wait_first_record(struct ctr *c)
{
	int64_t until = clock_now_ns() + FIRST_RECORD_WAIT_NS;
	struct timespec ts = { until / CLOCK_NS_PER_S, until % CLOCK_NS_PER_S };
	int rc = 0;

	(void)pthread_mutex_lock(&c->lock);
	while (c->monitored && c->journal_seq == 0 && rc == 0)
		rc = pthread_cond_timedwait(&c->changed, &c->lock, &ts);
	(void)pthread_mutex_unlock(&c->lock);
}

/* A run that had ended when estibad died: its clean-up may not have been done. */
static void finish_left_over(struct ctr *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->unclean = true;
	(void)pthread_mutex_unlock(&c->lock);
	ctr_finish_later(c);
}

/* The record knows no run, and there is a run directory: estibad died in a start, or between an end and its clean-up. */
static void look_for_run(struct ctr *c)
{
	int fd = open_run_dir(c);

	if (fd < 0)
		return;
	c->run_dirfd = fd;
	if (monlink_is_alive(fd) || has_news(c)) {
		c->journal_seq = 0;
		c->restart_count = 0;
		follow_again(c);
		wait_first_record(c);
	}
	if (!ctr_is_up(c))
		finish_left_over(c);
}

/* A commit was cut short; whether it had come to the pause is not known. */
static void go_on(void *arg)
{
	struct ctr *c = arg;

	wait_first_record(c);
	es_err_drop(ctr_unpause(c->e, c->id));
	(void)pthread_mutex_lock(&c->lock);
	c->committing = false;
	(void)pthread_mutex_unlock(&c->lock);
	ctr_save_live(c);
	ctr_unref(c);
}

static void recover(struct ctr *c, bool new_boot)
{
	bool was_up = ctr_is_up(c);

	if (was_up && new_boot)
		lost_with_boot(c);
	if (new_boot)
		return;
	if (was_up)
		adopt(c);
	else
		look_for_run(c);
	if (c->committing && ctr_is_up(c))
		defer_add(c->e->defer, go_on, ctr_ref(c));
	if (!was_up && !ctr_is_up(c) && c->rec->host_config->auto_remove && c->status == CTR_EXITED)
		finish_left_over(c);
}

/* ---- sweeps ---- */

static bool is_known(struct engine *e, const char *id, struct ctr **ret)
{
	es_err *err = ctr_find(e, id, ret);
	bool known = !err && strcmp((*ret)->id, id) == 0;

	es_err_drop(err);
	return known;
}

/* A run of this boot that no container knows. Its monitor ends it; whatever that one left, the runtime does. */
static void end_stranger(struct engine *e, const char *dir, const char *id)
{
	const struct mon_request req = { .op = "stop", .signal = SIGKILL, .timeout_ns = { .set = true } };
	es_autoclose int fd = openat(e->exec_root_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && monlink_wait_ready(fd)) {
		log_line(LOG_L_WARN, "run %.12s belongs to no container: ending it", id);
		es_err_drop(monlink_stop(fd, &req));
		log_err(monlink_wait_gone(fd, STRANGER_WAIT_NS), "run %.12s", id);
	}
	ctr_purge(e, id, NULL);
}

static void sweep_runs(struct engine *e, bool new_boot)
{
	es_autostrv names = NULL;
	es_err *err = file_names(e->exec_root_fd, "c", &names);

	log_err(err, "sweep");
	for (size_t i = 0; names && names[i]; i++) {
		es_autofree char *dir = es_xasprintf("c/%s", names[i]);
		es_autoctr *c = NULL;
		bool known = is_known(e, names[i], &c);

		if (known && !new_boot)
			continue; /* its own business: see recover() */
		if (!new_boot)
			end_stranger(e, dir, names[i]);
		log_err(file_remove_tree(e->exec_root_fd, dir), "sweep %s", dir);
	}
}

/* States of the runtime for which there is no run directory (any more). */
static void sweep_runtime(struct engine *e)
{
	es_autostrv names = NULL;
	es_err *err = file_names(e->exec_root_fd, "run", &names);

	log_err(err, "sweep");
	for (size_t i = 0; names && names[i]; i++) {
		es_autofree char *dir = es_xasprintf("c/%s", names[i]), *step = es_xasprintf("b/%s", names[i]);
		es_autoctr *c = NULL;

		if (faccessat(e->exec_root_fd, dir, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && faccessat(e->exec_root_fd, step, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			ctr_purge(e, names[i], is_known(e, names[i], &c) ? c : NULL);
	}
}

static void down_the_dead(struct engine *e)
{
	es_autoarena *a = arena_new();
	char **ids = netmgr_sandboxes(e->nets, a);

	for (; ids && *ids; ids++) {
		es_autoctr *c = NULL;

		if (!is_known(e, *ids, &c) || !ctr_is_up(c))
			netmgr_down(e->nets, *ids);
	}
}

/* Snapshots of containers without a record: of a create that was cut short before their directories were there. */
static void sweep_snapshots(struct engine *e)
{
	es_autoarena *a = arena_new();
	char **ids;
	es_err *err = snapshot_ids(e->store, a, SNAPSHOT_CONTAINER, &ids);

	log_err(err, "sweep");
	for (; ids && *ids; ids++) {
		struct record r;

		err = record_get(e->store, a, "container", *ids, &r);
		if (err && es_err_class(err) == ES_E_NOT_FOUND)
			log_err(snapshot_remove(e->store, SNAPSHOT_CONTAINER, *ids), "sweep snapshot %s", *ids);
		es_err_drop(err);
	}
}

/* Directories of containers without a record: of a create or a removal that was cut short. */
static void sweep_dirs(struct engine *e)
{
	es_autoarena *a = arena_new();
	es_autostrv names = NULL;
	es_err *err = file_names(store_root_fd(e->store), "containers", &names);

	log_err(err, "sweep");
	for (size_t i = 0; names && names[i]; i++) {
		es_autofree char *dir = es_xasprintf("containers/%s", names[i]);
		struct record r;

		err = record_get(e->store, a, "container", names[i], &r);
		if (err && es_err_class(err) == ES_E_NOT_FOUND) {
			es_err_drop(snapshot_remove(e->store, SNAPSHOT_CONTAINER, names[i])); /* refuses what is no id */
			log_err(store_discard(e->store, dir), "sweep %s", dir);
		}
		es_err_drop(err);
	}
}

void ctr_recover_all(struct engine *e, bool new_boot)
{
	size_t n;
	struct ctr **all = ctr_snapshot(e, &n);

	sweep_runs(e, new_boot);
	for (size_t i = n; i-- > 0;) /* oldest first */
		recover(all[i], new_boot);
	sweep_runtime(e);
	down_the_dead(e);
	sweep_snapshots(e);
	sweep_dirs(e);
	for (size_t i = n; i-- > 0;) { /* only now: a sweep must not meet what starts */
		if (new_boot && wants_restart(all[i]))
			defer_add(e->defer, start_again, ctr_ref(all[i]));
		ctr_unref(all[i]);
	}
	free(all);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* requests.c: what estibad asks of a running monitor; one function and one row per request. */
#include <signal.h>

#include "monitor/monitor_priv.h"

#include "base/str.h"

struct request {
	struct monitor *m;
	struct arena *a;
	const struct mon_request *req;
	int *fd;
	struct mon_reply *reply;
	bool *later;
};

static const char *const state_names[] = {
	[MONITOR_STARTING] = "starting", [MONITOR_RUNNING] = "running",       [MONITOR_PAUSED] = "paused",
	[MONITOR_DRAINING] = "running",  [MONITOR_RESTARTING] = "restarting", [MONITOR_EXITED] = "exited",
};
_Static_assert(ES_N(state_names) == MONITOR_STATE_N, "a state without a name");

static void add_probes(const struct health *h, struct arena *a, struct mon_status *s)
{
	struct mon_probe *probes = ARENA_ARRAY(a, struct mon_probe, h->n + 1);

	for (size_t i = 0; i < h->n; i++)
		probes[i] = (struct mon_probe){ h->entries[i].start, h->entries[i].end, h->entries[i].exit_code,
						health_output(h, i) };
	s->probes = (struct field_list){ .items = probes, .n = h->n, .set = true };
}

struct mon_status *requests_status(const struct monitor *m, struct arena *a)
{
	struct mon_status *s = ARENA_NEW(a, struct mon_status);

	*s = (struct mon_status){
		.state = state_names[m->state],
		.pid = m->pid,
		.start_ticks = m->pid ? m->start_ticks : 0,
		.started_at = m->started_at,
		.finished_at = m->finished_at,
		.exit_code = m->exit_code,
		.oom = m->oom,
		.error = m->error,
		.restart_count = m->restart.count,
		.stopped_by_user = m->by_user,
		.health = health_state_name(m->prober.health.state),
		.failing_streak = m->prober.health.streak,
		.log_dropped = (int64_t)m->relay.log.dropped,
		.clients = (int64_t)m->relay.n_clients,
		.last_seq = m->journal.last_seq,
		.binary_version = ESTIBA_VERSION,
	};
	add_probes(&m->prober.health, a, s);
	return s;
}

static es_err *handle_status(struct request *r)
{
	r->reply->status = requests_status(r->m, r->a);
	return NULL;
}

static es_err *handle_attach(struct request *r)
{
	int fd = *r->fd;

	if (fd < 0)
		return es_err_new(ES_E_INVALID, "attach came without a descriptor");
	if (r->m->state == MONITOR_EXITED || r->m->state == MONITOR_DRAINING)
		return es_err_new(ES_E_CONFLICT, "container is not running");
	*r->fd = -1;
	return relay_attach(&r->m->relay, &r->req->attach, fd);
}

static es_err *handle_resize(struct request *r)
{
	return relay_resize(&r->m->relay, r->req->w, r->req->h);
}

static es_err *check_signal(int64_t sig)
{
	if (sig < 1 || sig > 64)
		return es_err_new(ES_E_INVALID, "invalid signal: %lld", (long long)sig);
	return NULL;
}

static es_err *handle_signal(struct request *r)
{
	struct monitor *m = r->m;

	ES_TRY(check_signal(r->req->signal));
	if (m->state == MONITOR_RESTARTING && r->req->no_restart) {
		monitor_cancel_restart(m);
		return NULL;
	}
	if (!m->pid)
		return es_err_new(ES_E_CONFLICT, "container is not running");
	m->by_user |= r->req->no_restart;
	return monitor_signal(m, r->req->signal, r->req->no_restart);
}

static es_err *handle_stop(struct request *r)
{
	struct monitor *m = r->m;
	int64_t sig = r->req->signal ? r->req->signal : m->spec.stop_signal ? m->spec.stop_signal : SIGTERM;

	ES_TRY(check_signal(sig));
	m->stop_signal = sig;
	m->stop_timeout_ns = r->req->timeout_ns.set ? r->req->timeout_ns.v : m->spec.stop_timeout_ns;
	m->by_user = true;
	if (m->state == MONITOR_RESTARTING)
		monitor_cancel_restart(m);
	if (m->state == MONITOR_EXITED)
		return handle_status(r);
	*r->later = true;
	if (m->state == MONITOR_STARTING)
		m->stop_pending = true;
	else if (m->pid)
		monitor_begin_stop(m);
	return NULL;
}

/* Containers only: the runtime freezes cgroups, not processes. */
static es_err *begin_verb(struct request *r, enum launch_verb verb, enum monitor_state from, const char *refusal)
{
	struct monitor *m = r->m;

	if (m->is_exec)
		return es_err_new(ES_E_INVALID, "an exec session cannot be paused by itself");
	if (m->state != from)
		return es_err_new(ES_E_CONFLICT, "%s", refusal);
	if (m->verb.busy)
		return es_err_new(ES_E_UNAVAILABLE, "the runtime is busy with the container");
	ES_TRY(monitor_verb(m, verb));
	*r->later = true;
	return NULL;
}

static es_err *handle_pause(struct request *r)
{
	bool already = r->m->state == MONITOR_PAUSED;

	return begin_verb(r, LAUNCH_PAUSE, MONITOR_RUNNING, already ? "container is already paused" : "container is not running");
}

static es_err *handle_unpause(struct request *r)
{
	return begin_verb(r, LAUNCH_RESUME, MONITOR_PAUSED, "container is not paused");
}

static es_err *handle_update(struct request *r)
{
	if (r->m->is_exec)
		return es_err_new(ES_E_INVALID, "an exec session has no restart policy");
	return restart_set(&r->m->restart, r->req->restart.name, r->req->restart.max_retries);
}

static const struct {
	const char *op;
	es_err *(*handle)(struct request *r);
} handlers[] = {
	{ "status", handle_status },   { "attach", handle_attach }, { "resize", handle_resize },
	{ "signal", handle_signal },   { "stop", handle_stop },     { "pause", handle_pause },
	{ "unpause", handle_unpause }, { "update", handle_update },
};

es_err *requests_handle(void *self, struct arena *a, const struct mon_request *req, int *fd, struct mon_reply *reply,
			bool *ret_later)
{
	struct request r = { .m = self, .a = a, .req = req, .fd = fd, .reply = reply, .later = ret_later };

	monitor_worked(self);
	for (size_t i = 0; i < ES_N(handlers); i++)
		if (str_eq(req->op, handlers[i].op))
			return handlers[i].handle(&r);
	return es_err_new(ES_E_UNSUPPORTED, "unknown request '%s'", req->op);
}

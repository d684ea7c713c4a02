/* SPDX-License-Identifier: Apache-2.0 */
/* logs.c: GET logs: what the log has, framed and filtered, and then what comes. */
#include <stdatomic.h>

#include "engine/logread.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/takeover.h"
#include "base/clock.h"
#include "base/str.h"
#include "engine/ctr.h"

#define ROOM_MIN (HTTP_STREAM_MAX / 2) /* with less, a slow client is waited for without a thread */

struct logs {
	struct req r;
	struct logread *reader;
	bool out, err, follow;
	unsigned form; /* logread_form */
	int64_t since_ns, until_ns;
	struct ctr_wait *wait;
	atomic_bool ended; /* the container: nothing is written any more */
};

/* Any thread of the engine. */
static void container_ended(void *self, int64_t exit_code, const char *error)
{
	struct logs *l = self;

	atomic_store(&l->ended, true);
	http_call_wake(l->r.call);
}

static bool is_wanted(const struct logs *l, const struct logread_entry *e)
{
	return (e->is_stderr ? l->err : l->out) && e->time_ns >= l->since_ns && e->time_ns <= l->until_ns;
}

static es_err *send_entry(struct logs *l, const struct logread_entry *e)
{
	es_autobuf b = ES_BUF(LOGREAD_FORMAT_MAX);

	logread_format(&b, e, l->form);
	ES_TRY(es_buf_check(&b));
	return http_call_write(l->r.call, b.p, b.len);
}

static void logs_done(struct logs *l)
{
	ctr_wait_end(l->r.engine, l->wait);
	logread_close(l->reader);
}

static void logs_resumed(void *self, struct http_call *c);

/* Send what there is. *RET_DONE: nothing more will come; else the call waits to be resumed. */
static es_err *logs_step(struct logs *l, bool *ret_done)
{
	bool ended = !l->follow || atomic_load(&l->ended), got; /* first: what is written before the end is read */
	int fd;

	if (l->follow)
		ES_TRY(logread_watch(l->reader, &fd));
	logread_settle(l->reader);
	*ret_done = http_call_is_gone(l->r.call);
	while (!*ret_done) {
		struct logread_entry e;

		if (http_call_room(l->r.call) < ROOM_MIN) {
			http_call_resume(l->r.call, -1, -1, true, logs_resumed, l);
			return NULL;
		}
		ES_TRY(logread_next(l->reader, &e, &got));
		if (!got)
			break;
		if (is_wanted(l, &e))
			ES_TRY(send_entry(l, &e));
		*ret_done = e.time_ns > l->until_ns;
	}
	*ret_done |= ended;
	if (*ret_done)
		return NULL;
	ES_TRY(http_call_flush(l->r.call));
	http_call_resume(l->r.call, fd, -1, false, logs_resumed, l);
	return NULL;
}

static void logs_resumed(void *self, struct http_call *c)
{
	struct logs *l = self;
	bool done = false;
	es_err *err = logs_step(l, &done);

	if (!err && !done)
		return;
	logs_done(l);
	if (err)
		reply_error(&l->r, err);
}

static es_err *logs_open(struct logs *l)
{
	const char *tail_text = req_query(&l->r, "tail");
	struct ctr_log_info info;
	int64_t tail = -1;

	if (!str_empty(tail_text)) {
		es_err *err = str_to_i64(tail_text, 10, &tail);

		if (err)
			tail = -1; /* "all", and whatever else */
		es_err_drop(err);
	}
	ES_TRY(ctr_log_info(l->r.engine, l->r.a, l->r.args[0], &info));
	if (!info.tty)
		l->form |= LOGREAD_FRAMED;
	l->follow = l->follow && info.running;
	ES_TRY(logread_open(info.path, tail, &l->reader));
	if (l->follow)
		ES_TRY(ctr_wait_begin(l->r.engine, l->r.args[0], "not-running", container_ended, l, &l->wait));
	http_call_field(l->r.call, "Content-Type", takeover_type(&l->r, info.tty));
	return http_call_flush(l->r.call);
}

static es_err *logs(struct req *r)
{
	struct logs *l = ARENA_NEW(r->a, struct logs);
	bool done = false;
	es_err *err;

	l->r = *r;
	l->out = req_bool(r, "stdout", false);
	l->err = req_bool(r, "stderr", false);
	if (req_bool(r, "timestamps", false))
		l->form |= LOGREAD_TIMESTAMPS;
	if (req_bool(r, "details", false))
		l->form |= LOGREAD_DETAILS;
	l->follow = req_bool(r, "follow", false);
	if (!l->out && !l->err)
		return es_err_new(ES_E_INVALID, "Bad parameters: you must choose at least one stream");
	ES_TRY(req_time(r, "since", 0, &l->since_ns));
	ES_TRY(req_time(r, "until", 0, &l->until_ns));
	if (l->until_ns <= 0)
		l->until_ns = INT64_MAX;
	err = logs_open(l);
	if (!err)
		err = logs_step(l, &done);
	if (err || done)
		logs_done(l);
	return err;
}

const struct route routes_logs[] = {
	{ "GET", "/containers/{}/logs", 0, logs },
	{ 0 },
};

/* SPDX-License-Identifier: Apache-2.0 */
/* logs.c: GET logs: what the log has, framed and filtered, and then what comes. */
#include <stdatomic.h>

#include "api/logread.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/takeover.h"
#include "base/clock.h"
#include "base/str.h"
#include "engine/ctr.h"

#define PREFIX_MAX 65536                  /* bytes of details in front of a line */
#define ROOM_MIN (HTTP_STREAM_MAX / 2) /* with less, a slow client is waited for without a thread */

struct logs {
	struct req r;
	struct logread *reader;
	bool out, err, timestamps, details, raw, follow;
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

/* "a=b,c=d " of the driver's extra attributes. */
static void add_details(struct es_buf *b, const struct json *attrs)
{
	JSON_EACH(at, attrs)
		es_buf_printf(b, "%s%s=%s", at == attrs->first ? "" : ",", at->key, json_str(at) ? json_str(at) : "");
	es_buf_addc(b, ' ');
}

/* One entry as docker sends it: [frame header][time ][details ]text. */
static es_err *send_entry(struct logs *l, const struct logread_entry *e)
{
	es_autobuf b = ES_BUF(LOGREAD_LINE_MAX + PREFIX_MAX);
	char time[CLOCK_TEXT_MAX];
	size_t head = l->raw ? 0 : 8, n;

	if (head)
		es_buf_add(&b, (const char[8]){ e->is_stderr ? 2 : 1 }, 8);
	if (l->timestamps)
		es_buf_printf(&b, "%s ", clock_rfc3339_fixed(e->time_ns, time));
	if (l->details)
		add_details(&b, e->attrs);
	es_buf_add(&b, e->text, e->len);
	ES_TRY(es_buf_check(&b));
	n = b.len - head;
	for (size_t i = 0; i < 4 && head; i++)
		b.p[4 + i] = (char)(n >> (8 * (3 - i)));
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
	l->raw = info.tty;
	l->follow = l->follow && info.running;
	ES_TRY(logread_open(info.path, tail, &l->reader));
	if (l->follow)
		ES_TRY(ctr_wait_begin(l->r.engine, l->r.args[0], "not-running", container_ended, l, &l->wait));
	http_call_field(l->r.call, "Content-Type", takeover_type(&l->r, l->raw));
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
	l->timestamps = req_bool(r, "timestamps", false);
	l->details = req_bool(r, "details", false);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* streams.c: answers that last: attach, wait, events, stats. None of them holds a thread while nothing happens. */
#include <stdatomic.h>
#include <sys/socket.h>

#include "api/api_priv.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/takeover.h"
#include "api/wsattach.h"
#include "base/clock.h"
#include "base/str.h"
#include "engine/ctr.h"
#include "engine/events.h"
#include "wire/websocket.h"

#define EVENT_MAX 65536   /* bytes of one event */
#define SAMPLE_MAX 262144 /* bytes of one sample of stats */
#define SAMPLE_EVERY_MS 1000

/* Attach. */

/* An attached connection begins without the fields that every other answer has. */
static void drop_fields(struct req *r)
{
	static const char *const not_sent[] = { "Api-Version", "Docker-Experimental", "Ostype", "Server" };

	for (size_t i = 0; i < ES_N(not_sent); i++)
		http_call_field(r->call, not_sent[i], NULL);
}

/* Before the stream begins an error is its only line, with a status of its own. Takes ERR. */
static es_err *refuse_stream(struct req *r, es_err *err)
{
	const char *line = arena_printf(r->a, "%s\r\n", es_err_text(err));

	http_call_status(r->call, es_err_http(err));
	http_call_field(r->call, "Content-Type", TAKEOVER_RAW);
	es_err_free(err);
	return http_call_puts(r->call, line);
}

static es_err *attach(struct req *r)
{
	struct ctr_attach_opts o = {
		.stdin_on = req_bool(r, "stdin", false),
		.stdout_on = req_bool(r, "stdout", false),
		.stderr_on = req_bool(r, "stderr", false),
		.logs = req_bool(r, "logs", false),
		.stream = req_bool(r, "stream", false),
		.detach_keys = req_query(r, "detachKeys"),
	};
	struct takeover t;
	size_t n;
	char *body;
	bool tty;
	es_err *err;

	ES_TRY(http_call_read_all(r->call, REQ_BODY_MAX, &body, &n)); /* means nothing, but is in the way */
	drop_fields(r);
	err = ctr_attach_check(r->engine, r->args[0], &o, &tty);
	if (err)
		return refuse_stream(r, err);
	err = takeover(r, tty, &t);
	if (err) {
		ctr_attach_cancel(r->engine, r->args[0]);
		return err;
	}
	ctr_attach(r->engine, r->args[0], &o, t.fd, t.early, t.early_len);
	return NULL;
}

/* Browsers' way: the streams are not told apart. Before 1.42 all of them were meant. */
static es_err *attach_ws(struct req *r)
{
	bool all = r->version < 142;
	struct ctr_attach_opts o = {
		.stdin_on = all || req_bool(r, "stdin", false),
		.stdout_on = all || req_bool(r, "stdout", false),
		.stderr_on = all || req_bool(r, "stderr", false),
		.logs = req_bool(r, "logs", false),
		.stream = req_bool(r, "stream", false),
		.detach_keys = req_query(r, "detachKeys"),
	};
	struct wsattach w = { .binary = r->version >= 128 };
	char accept[WEBSOCKET_ACCEPT_MAX];
	struct takeover t;
	bool tty;
	int pair[2];
	es_err *err;

	ES_TRY(websocket_accept(http_call_head(r->call), accept));
	ES_TRY(ctr_attach_check(r->engine, r->args[0], &o, &tty));
	err = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ? es_err_sys(errno, "socket pair") : NULL;
	if (err) {
		ctr_attach_cancel(r->engine, r->args[0]);
		return err;
	}
	drop_fields(r);
	w.stream_fd = pair[0];
	w.framed = !tty;
	err = takeover_websocket(r, &t);
	if (err) {
		es_close(pair[0]);
	} else {
		w.client_fd = t.fd; /* a client that speaks before it has its answer is none of ours: T.early is left out */
		err = wsattach_start(r->api->wsattachs, &w);
	}
	if (err) {
		es_close(pair[1]);
		ctr_attach_cancel(r->engine, r->args[0]);
		return err;
	}
	ctr_attach(r->engine, r->args[0], &o, pair[1], NULL, 0);
	return NULL;
}

/* Wait. */

struct wait {
	struct req r; /* a copy: the handler's is gone when the container ends */
	struct ctr_wait *wait;
	int64_t exit_code;
	char *error;
	atomic_bool done; /* the rest may be read */
};

/* Any thread of the engine. */
static void wait_over(void *self, int64_t exit_code, const char *error)
{
	struct wait *w = self;

	w->exit_code = exit_code;
	w->error = error ? es_xstrdup(error) : NULL;
	atomic_store(&w->done, true);
	http_call_wake(w->r.call);
}

static struct json *wait_json(struct arena *a, const struct wait *w)
{
	struct json *o = json_new_object(a), *e;

	json_set_i64(a, o, "StatusCode", w->exit_code);
	if (w->error) {
		e = json_new_object(a);
		json_set_str(a, e, "Message", w->error);
		json_set(a, o, "Error", e);
	}
	return o;
}

static void wait_resumed(void *self, struct http_call *c)
{
	struct wait *w = self;

	ctr_wait_end(w->r.engine, w->wait);
	if (atomic_load(&w->done))
		es_err_drop(reply_json(&w->r, 200, wait_json(w->r.a, w)));
	free(w->error);
}

static es_err *wait_(struct req *r)
{
	struct wait *w = ARENA_NEW(r->a, struct wait);
	es_err *err;

	w->r = *r;
	ES_TRY(ctr_wait_begin(r->engine, r->args[0], req_query(r, "condition"), wait_over, w, &w->wait));
	/* The head tells the client that the wait is armed: it starts the container only then. */
	err = reply_begin(r, "application/json");
	if (err) {
		ctr_wait_end(r->engine, w->wait);
		free(w->error);
		return err;
	}
	http_call_resume(r->call, -1, -1, false, wait_resumed, w);
	return NULL;
}

/* Events. */

struct events {
	struct engine *engine;
	struct http_call *call;
	struct events_sub *sub;
};

/* Any thread of the engine; never waits. A client that does not read loses its connection, not the engine its time. */
static void event_out(void *self, const char *text, size_t len)
{
	struct events *ev = self;
	es_autobuf line = ES_BUF(EVENT_MAX);

	es_buf_add(&line, text, len);
	es_buf_addc(&line, '\n');
	if (!line.overflow)
		(void)http_call_post(ev->call, line.p, line.len);
}

/* The time is up, or the client has left. */
static void events_over(void *self, struct http_call *c)
{
	struct events *ev = self;

	events_unsubscribe(ev->engine, ev->sub);
}

static es_err *events(struct req *r)
{
	struct events *ev = ARENA_NEW(r->a, struct events);
	int64_t since, until, now = clock_now_ns(), left_ms = -1;
	struct filters f;

	ES_TRY(req_filters(r, NULL, &f));
	ES_TRY(es_err_as(req_time(r, "since", INT64_MAX, &since), ES_E_INVALID));
	ES_TRY(es_err_as(req_time(r, "until", INT64_MAX, &until), ES_E_INVALID));
	if (since != INT64_MAX && since > until)
		return es_err_new(ES_E_INVALID, "`since` time (%s) cannot be after `until` time (%s)", req_query(r, "since"),
				  req_query(r, "until"));
	ES_TRY(reply_begin(r, "application/json"));
	ev->engine = r->engine;
	ev->call = r->call;
	ES_TRY(events_subscribe(r->engine, &f, since, until, event_out, ev, &ev->sub));
	if (until != INT64_MAX)
		left_ms = until > now ? (until - now) / CLOCK_NS_PER_MS + 1 : 0;
	http_call_resume(r->call, -1, left_ms > INT32_MAX ? -1 : (int)left_ms, false, events_over, ev);
	return NULL;
}

/* Stats. */

struct stats {
	struct req r;
	const char *ref;
	bool stream, one_shot;
	unsigned samples;
	char *cpu, *read; /* of the sample before: cpu_stats as JSON, and its time */
};

static const char no_cpu[] = "{\"cpu_usage\":{\"total_usage\":0,\"usage_in_kernelmode\":0,\"usage_in_usermode\":0},"
			     "\"throttling_data\":{\"periods\":0,\"throttled_periods\":0,\"throttled_time\":0}}";

/* The next document, with what the one before had. */
static es_err *stats_sample(struct stats *s, struct arena *a, struct json **ret)
{
	const char *cpu = s->cpu ? s->cpu : no_cpu;
	es_autobuf now = ES_BUF(SAMPLE_MAX);
	struct json *doc, *before;

	ES_TRY(ctr_stats(s->r.engine, a, s->ref, &doc));
	ES_TRY(json_parse(a, cpu, strlen(cpu), &before));
	json_set(a, doc, "precpu_stats", before);
	json_set_str(a, doc, "preread", s->read ? s->read : "0001-01-01T00:00:00Z");
	if (json_get(doc, "cpu_stats"))
		json_write(&now, json_get(doc, "cpu_stats"), 0);
	free(s->cpu);
	free(s->read);
	s->cpu = now.len ? es_xstrdup(now.p) : NULL;
	s->read = json_str(json_get(doc, "read")) ? es_xstrdup(json_str(json_get(doc, "read"))) : NULL;
	s->samples++;
	*ret = doc;
	return NULL;
}

static void stats_done(struct stats *s)
{
	free(ES_TAKE(s->cpu));
	free(ES_TAKE(s->read));
}

/* Take one sample and send it, unless the client still has not read the one before. */
static es_err *stats_step(struct stats *s)
{
	es_autoarena *a = arena_new();
	es_autobuf text = ES_BUF(SAMPLE_MAX);
	struct json *doc;

	if (s->stream && http_call_room(s->r.call) < SAMPLE_MAX / 2)
		return NULL;
	ES_TRY(stats_sample(s, a, &doc));
	if (!s->stream && !s->one_shot && s->samples < 2)
		return NULL;
	json_write(&text, doc, 0);
	es_buf_addc(&text, '\n');
	ES_TRY(es_buf_check(&text));
	if (!s->stream)
		http_call_field(s->r.call, "Content-Type", "application/json");
	ES_TRY(http_call_write(s->r.call, text.p, text.len));
	return s->stream ? http_call_flush(s->r.call) : NULL;
}

static void stats_resumed(void *self, struct http_call *c)
{
	struct stats *s = self;
	es_err *err = NULL;

	if (!http_call_is_gone(c)) {
		err = stats_step(s);
		if (!err && s->stream) {
			http_call_resume(c, -1, SAMPLE_EVERY_MS, false, stats_resumed, s);
			return;
		}
	}
	stats_done(s);
	if (err && !s->stream)
		reply_error(&s->r, err);
	else
		es_err_drop(err); /* the container is gone: the stream ends */
}

static es_err *stats(struct req *r)
{
	struct stats *s = ARENA_NEW(r->a, struct stats);
	es_err *err;

	s->r = *r;
	s->ref = r->args[0];
	s->stream = req_bool(r, "stream", true);
	s->one_shot = req_bool(r, "one-shot", false) && r->version >= 141;
	if (s->stream && s->one_shot)
		return es_err_new(ES_E_INVALID, "cannot have stream=true and one-shot=true");
	if (s->stream)
		http_call_field(r->call, "Content-Type", "application/json");
	err = stats_step(s);
	if (err || s->one_shot)
		stats_done(s);
	else
		http_call_resume(r->call, -1, SAMPLE_EVERY_MS, false, stats_resumed, s);
	return err;
}

const struct route routes_streams[] = {
	{ "POST", "/containers/{}/attach", 0, attach },
	{ "GET", "/containers/{}/attach/ws", 0, attach_ws },
	{ "POST", "/containers/{}/wait", 0, wait_ },
	{ "GET", "/containers/{}/stats", 0, stats },
	{ "GET", "/events", 0, events },
	{ 0 },
};

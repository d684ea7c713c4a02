/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c: making answers. */
#include "api/reply.h"

#include <fcntl.h>
#include <pthread.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/json.h"

#define PUMP_BYTES (64u << 10)

static es_err *send_json(struct req *r, int status, struct es_buf *b)
{
	es_buf_addc(b, '\n'); /* as Go's encoder ends a value */
	ES_TRY(es_err_in(es_buf_check(b), "answer"));
	http_call_status(r->call, status);
	http_call_field(r->call, "Content-Type", "application/json");
	return http_call_write(r->call, b->p, b->len);
}

es_err *reply_json(struct req *r, int status, const struct json *v)
{
	es_autobuf b = ES_BUF(REPLY_JSON_MAX);

	json_write(&b, v, 0);
	return send_json(r, status, &b);
}

es_err *reply_fields(struct req *r, int status, const struct field *rows, const void *in)
{
	es_autobuf b = ES_BUF(REPLY_JSON_MAX);

	field_encode_text(&b, rows, in);
	return send_json(r, status, &b);
}

es_err *reply_list(struct req *r, int status, const struct field *rows, size_t size, const struct field_list *list)
{
	es_autobuf b = ES_BUF(REPLY_JSON_MAX);

	es_buf_addc(&b, '[');
	for (size_t i = 0; i < list->n; i++) {
		if (i)
			es_buf_addc(&b, ',');
		field_encode_text(&b, rows, (const char *)list->items + i * size);
	}
	es_buf_addc(&b, ']');
	return send_json(r, status, &b);
}

es_err *reply_text(struct req *r, int status, const char *text, size_t len)
{
	es_autobuf b = ES_BUF(REPLY_JSON_MAX);

	es_buf_add(&b, text, len);
	return send_json(r, status, &b);
}

es_err *reply_empty(struct req *r, int status)
{
	http_call_status(r->call, status);
	return NULL;
}

static struct json *error_json(struct arena *a, const char *name, const char *text)
{
	struct json *o = json_new_object(a);

	json_set_str(a, o, name, text);
	return o;
}

void reply_error(struct req *r, es_err *err)
{
	int status = es_err_http(err);

	if (http_call_is_sent(r->call)) {
		http_call_abort(r->call);
	} else {
		http_call_discard(r->call);
		http_call_status(r->call, status);
		if (status != 304)
			es_err_drop(reply_json(r, status, error_json(r->a, "message", es_err_text(err))));
	}
	es_err_free(err);
}

es_err *reply_begin(struct req *r, const char *content_type)
{
	http_call_status(r->call, 200);
	http_call_field(r->call, "Content-Type", content_type);
	return http_call_flush(r->call);
}

es_err *reply_progress(struct req *r, const char *json)
{
	es_autobuf b = ES_BUF(REPLY_JSON_MAX);

	if (!http_call_is_sent(r->call))
		ES_TRY(reply_begin(r, "application/json"));
	es_buf_adds(&b, json);
	es_buf_adds(&b, "\r\n");
	ES_TRY(es_buf_check(&b));
	return http_call_write(r->call, b.p, b.len);
}

es_err *reply_progress_json(struct req *r, const struct json *v)
{
	es_autobuf b = ES_BUF(REPLY_JSON_MAX);

	json_write(&b, v, 0);
	return reply_progress(r, es_buf_str(&b));
}

es_err *reply_progress_end(struct req *r, es_err *err)
{
	struct json *o;

	if (!err)
		return http_call_is_sent(r->call) ? NULL : reply_begin(r, "application/json");
	if (!http_call_is_sent(r->call))
		return err;
	o = json_new_object(r->a);
	json_set(r->a, o, "errorDetail", error_json(r->a, "message", es_err_text(err)));
	json_set_str(r->a, o, "error", es_err_text(err));
	es_err_free(err);
	return reply_progress_json(r, o);
}

struct reply_pipe {
	struct req *r;
	const char *content_type;
	int in;
	es_err *err;
	pthread_t thread;
};

static void *pipe_main(void *arg)
{
	struct reply_pipe *p = arg;
	es_autofree char *bytes = es_xmalloc(PUMP_BYTES);
	ssize_t n;

	while (!p->err && (n = file_read_some(p->in, bytes, PUMP_BYTES)) > 0) {
		if (!http_call_is_sent(p->r->call))
			p->err = reply_begin(p->r, p->content_type);
		if (!p->err)
			p->err = http_call_write(p->r->call, bytes, (size_t)n);
	}
	es_close(p->in); /* a writer that goes on gets EPIPE */
	return NULL;
}

es_err *reply_fd(struct req *r, const char *content_type, struct reply_pipe **ret, int *ret_fd)
{
	struct reply_pipe *p;
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	p = ES_NEW(struct reply_pipe);
	p->r = r;
	p->content_type = content_type;
	p->in = fds[0];
	rc = pthread_create(&p->thread, NULL, pipe_main, p);
	if (rc) {
		es_close(fds[0]);
		es_close(fds[1]);
		free(p);
		return es_err_sys(rc, "start thread");
	}
	*ret = p;
	*ret_fd = fds[1];
	return NULL;
}

es_err *reply_fd_done(struct reply_pipe *p, int *fd, es_err *err)
{
	struct req *r = p->r;
	const char *content_type = p->content_type;
	es_err *gone;

	es_close(ES_TAKE_FD(*fd));
	pthread_join(p->thread, NULL);
	gone = p->err;
	free(p);
	if (gone) {
		es_err_drop(err);
		return gone;
	}
	if (err || http_call_is_sent(r->call))
		return err; /* api_handle() cuts the connection if bytes are out */
	return reply_begin(r, content_type);
}

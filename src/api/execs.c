/* SPDX-License-Identifier: Apache-2.0 */
/* execs.c: further processes in containers. */
#include "api/reply.h"
#include "api/route.h"
#include "api/takeover.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/exec.h"

struct id_reply {
	const char *id;
};
static const struct field id_fields[] = {
	F_STR(struct id_reply, id, "Id", 0),
	F_END,
};

static es_err *create(struct req *r)
{
	struct docker_exec_request req = { 0 };
	struct id_reply reply = { 0 };
	char *id;

	ES_TRY(req_fields(r, docker_exec_request_fields, &req));
	if (!req.cmd || !*req.cmd)
		return es_err_new(ES_E_INVALID, "No exec command specified");
	ES_TRY(exec_create(r->engine, r->a, r->args[0], &req, &id));
	reply.id = id;
	return reply_fields(r, 201, id_fields, &reply);
}

struct start_request {
	bool detach, tty;
	struct json *console_size; /* [height, width] */
};
static const struct field start_fields[] = {
	F_BOOL(struct start_request, detach, "Detach", 0),
	F_BOOL(struct start_request, tty, "Tty", 0),
	F_RAW(struct start_request, console_size, "ConsoleSize", 0),
	F_END,
};

/* Once the connection is a stream, an error is a line of it. */
static void tell(int fd, es_err *err)
{
	es_err_drop(file_set_nonblock(fd, false));
	es_err_drop(file_write_all(fd, es_err_text(err), strlen(es_err_text(err))));
	es_err_drop(file_write_all(fd, "\r\n", 2));
	es_close(fd);
	es_err_free(err);
}

static uint16_t side(const struct json *console_size, size_t i)
{
	int64_t n = json_i64(json_at(console_size, i), 0);

	return n > 0 && n <= UINT16_MAX ? (uint16_t)n : 0;
}

static es_err *start(struct req *r)
{
	struct start_request req = { 0 };
	struct takeover t;
	bool tty = false;
	es_err *err;

	ES_TRY(req_fields(r, start_fields, &req));
	err = exec_start_check(r->engine, r->args[0], &tty);
	if (err && (req.detach || es_err_class(err) == ES_E_NOT_FOUND))
		return err;
	if (req.detach) {
		ES_TRY(exec_start(r->engine, r->args[0], NULL, 0, 0, -1, NULL, 0));
		return reply_empty(r, 200);
	}
	es_err *hijack = takeover(r, tty, &t);

	if (hijack) {
		es_err_drop(err);
		return hijack;
	}
	if (err)
		tell(t.fd, err);
	else
		/* What goes wrong now, the client has read in its stream. */
		es_err_drop(exec_start(r->engine, r->args[0], NULL, side(req.console_size, 1), side(req.console_size, 0), t.fd,
				       t.early, t.early_len));
	return NULL;
}

static es_err *resize(struct req *r)
{
	int64_t w, h;

	ES_TRY(req_size(r, &w, &h));
	ES_TRY(exec_resize(r->engine, r->args[0], (uint16_t)w, (uint16_t)h));
	return reply_empty(r, 200);
}

static es_err *inspect(struct req *r)
{
	struct docker_exec_inspect out = { 0 };

	ES_TRY(exec_inspect(r->engine, r->a, r->args[0], &out));
	return reply_fields(r, 200, docker_exec_inspect_fields, &out);
}

const struct route routes_exec[] = {
	{ "POST", "/containers/{}/exec", 0, create },
	{ "POST", "/exec/{}/start", 0, start },
	{ "POST", "/exec/{}/resize", 0, resize },
	{ "GET", "/exec/{}/json", 0, inspect },
	{ 0 },
};

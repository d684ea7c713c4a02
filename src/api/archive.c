/* SPDX-License-Identifier: Apache-2.0 */
/* archive.c: files in and out of containers as tar. */
#include "api/reply.h"
#include "api/route.h"
#include "base/str.h"
#include "codec/base64.h"
#include "engine/ctr.h"

#define STAT_MAX 65536 /* bytes of the path's description */

static es_err *path_of(struct req *r, const char **ret)
{
	*ret = req_query(r, "path");
	return str_empty(*ret) ? es_err_new(ES_E_INVALID, "bad parameter: pathcannot be empty") : NULL;
}

/* Look PATH up and put its description into the answer's head. */
static es_err *add_stat(struct req *r, const char *path)
{
	struct ctr_path_stat st = { 0 };
	es_autobuf json = ES_BUF(STAT_MAX);
	char *text;

	ES_TRY(ctr_archive_stat(r->engine, r->a, r->args[0], path, &st));
	field_encode_text(&json, ctr_path_stat_fields, &st);
	ES_TRY(es_buf_check(&json));
	text = arena_alloc(r->a, base64_encoded_len(json.len) + 1);
	(void)base64_encode(json.p, json.len, BASE64_STD, text);
	http_call_field(r->call, "X-Docker-Container-Path-Stat", text);
	return NULL;
}

static es_err *stat_(struct req *r)
{
	const char *path;

	ES_TRY(path_of(r, &path));
	ES_TRY(add_stat(r, path));
	return reply_empty(r, 200);
}

static es_err *get(struct req *r)
{
	struct reply_pipe *pipe;
	const char *path;
	int fd;

	ES_TRY(path_of(r, &path));
	ES_TRY(add_stat(r, path));
	ES_TRY(reply_fd(r, "application/x-tar", &pipe, &fd));
	return reply_fd_done(pipe, &fd, ctr_archive_get(r->engine, r->args[0], path, fd));
}

static es_err *put(struct req *r)
{
	struct ctr_path_stat st = { 0 };
	struct req_body *body;
	es_err *err, *body_err;
	const char *path;
	int fd;

	ES_TRY(path_of(r, &path));
	ES_TRY(ctr_archive_stat(r->engine, r->a, r->args[0], path, &st)); /* before the client is asked for its bytes */
	ES_TRY(req_body_fd(r, &body, &fd));
	err = ctr_archive_put(r->engine, r->args[0], path, req_bool(r, "noOverwriteDirNonDir", false),
			      req_bool(r, "copyUIDGID", false), fd);
	es_close(fd);
	body_err = req_body_done(body);
	if (err || body_err) {
		if (!err)
			return body_err;
		es_err_drop(body_err);
		return err;
	}
	return reply_empty(r, 200);
}

static es_err *export(struct req *r)
{
	struct reply_pipe *pipe;
	int fd;

	ES_TRY(reply_fd(r, "application/octet-stream", &pipe, &fd));
	return reply_fd_done(pipe, &fd, ctr_export(r->engine, r->args[0], fd));
}

const struct route routes_archive[] = {
	{ "HEAD", "/containers/{}/archive", 0, stat_ },
	{ "GET", "/containers/{}/archive", 0, get },
	{ "PUT", "/containers/{}/archive", 0, put },
	{ "GET", "/containers/{}/export", 0, export },
	{ 0 },
};

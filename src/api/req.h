/* SPDX-License-Identifier: Apache-2.0 */
/* req.h: one API request as a handler sees it: version, path arguments, query, body. */
#pragma once

#include "spec/filters.h"
#include "wire/http_call.h"

#define REQ_ARGS_MAX 2
#define REQ_BODY_MAX (8u << 20) /* bytes of a JSON body */

struct api;
struct engine;

struct req {
	struct api *api;
	struct engine *engine;
	struct http_call *call;
	struct arena *a;                /* dies with the request */
	unsigned version;               /* 145 is v1.45 */
	const char *args[REQ_ARGS_MAX]; /* what the route's {} matched, decoded */
	const struct http_field *query;
	size_t n_query;
};

/* First value of NAME in the query, or NULL. */
const char *req_query(const struct req *r, const char *name);
/* All values of NAME, NULL-terminated, in the arena. */
char **req_query_all(const struct req *r, const char *name);
/* As docker reads booleans: "", 0, no, false, none (any case) are false, everything else is true. */
bool req_bool(const struct req *r, const char *name, bool otherwise);
/* OTHERWISE when absent or empty. ES_E_INTERNAL with Go's text for what is no number (docker answers 500 there; es_err_as() where
 * it does not). */
es_err *req_i64(const struct req *r, const char *name, int64_t otherwise, int64_t *ret) ES_CHECKED;
/* The "h" and "w" of a terminal, 0 to 65535. ES_E_INVALID. */
es_err *req_size(const struct req *r, int64_t *ret_width, int64_t *ret_height) ES_CHECKED;
/* Unix seconds with an optional fraction, as ns; OTHERWISE when absent or empty. */
es_err *req_time(const struct req *r, const char *name, int64_t otherwise, int64_t *ret_ns) ES_CHECKED;
/* The "filters" parameter. ALLOWED (NULL-terminated; NULL: any): ES_E_INVALID "invalid filter 'x'". */
es_err *req_filters(const struct req *r, const char *const *allowed, struct filters *ret) ES_CHECKED;
const char *req_header(const struct req *r, const char *name); /* NULL when absent */
/* The body as JSON; *RET is NULL when there is none. ES_E_INVALID for another Content-Type or bad JSON, in docker's words. */
es_err *req_json(const struct req *r, struct json **ret) ES_CHECKED;
/* req_json() + field_decode(); without a body OUT stays as it is. */
es_err *req_fields(const struct req *r, const struct field *rows, void *out) ES_CHECKED;
/* The request body as a descriptor that a helper can read (a pipe, filled by a thread of its own); close it before
 * req_body_done(), which must be called on every path (the thread reads from the call) and joins the thread and returns its error: the client left, bad chunks. NULL when all went well or the
 * reader stopped early. */
struct req_body;
es_err *req_body_fd(struct req *r, struct req_body **ret, int *ret_fd) ES_CHECKED;
es_err *req_body_done(struct req_body *b) ES_CHECKED;

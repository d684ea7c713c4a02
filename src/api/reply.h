/* SPDX-License-Identifier: Apache-2.0 */
/* reply.h: the answers of the API: JSON, errors, progress streams. */
#pragma once

#include "api/req.h"

#define REPLY_JSON_MAX (64u << 20) /* bytes of one JSON answer */

/* Whole answers. All return an error only when the client is gone or the answer is larger than its maximum. */
es_err *reply_json(struct req *r, int status, const struct json *v) ES_CHECKED;
es_err *reply_fields(struct req *r, int status, const struct field *rows, const void *in) ES_CHECKED;
/* An array of structs of SIZE bytes. */
es_err *reply_list(struct req *r, int status, const struct field *rows, size_t size, const struct field_list *list) ES_CHECKED;
/* JSON that is text already. */
es_err *reply_text(struct req *r, int status, const char *text, size_t len) ES_CHECKED;
es_err *reply_empty(struct req *r, int status) ES_CHECKED;
/* {"message":"…"} with the status of the error's class; takes ERR. Once the head is sent the connection is cut instead. */
void reply_error(struct req *r, es_err *err);

/* Send the head of a stream of CONTENT_TYPE; http_call_write() and http_call_post() follow. */
es_err *reply_begin(struct req *r, const char *content_type) ES_CHECKED;

/* Progress of pull, push, load, build, import: JSON objects, each followed by CR LF and sent at once. The head goes out with
 * the first of them, so an error before it is an ordinary answer. */
es_err *reply_progress(struct req *r, const char *json) ES_CHECKED;
es_err *reply_progress_json(struct req *r, const struct json *v) ES_CHECKED;
/* How a progress stream ends: without an error there is an (empty) 200 at least; with one that comes after the head,
 * {"errorDetail":{"message":…},"error":…} is its last object. Takes ERR; returns it when it is to be an ordinary answer. */
es_err *reply_progress_end(struct req *r, es_err *err) ES_CHECKED;

/* The answer's body as a descriptor that a helper can write (a pipe, emptied by a thread of its own). Nothing is sent before the
 * first byte. reply_fd_done() closes *FD, joins the thread, takes ERR (of whatever wrote) and returns what is to be an
 * ordinary answer; after the first byte an error cuts the connection. */
struct reply_pipe;
es_err *reply_fd(struct req *r, const char *content_type, struct reply_pipe **ret, int *ret_fd) ES_CHECKED;
es_err *reply_fd_done(struct reply_pipe *p, int *fd, es_err *err) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* http_call.h: one request and its answer, as a handler sees them. */
#pragma once

#include <sys/types.h>

#include "wire/http_parse.h"

#define HTTP_STREAM_MAX (256u << 10) /* bytes that wait for a slow client, per connection */
#define HTTP_POST_MAX (1u << 20)     /* the same for http_call_post(): beyond it the client is dropped */
#define HTTP_HELD_MAX (32u << 10)    /* an answer up to this size is held back and gets a Content-Length */
#define HTTP_ANSWER_FIELDS_MAX (64u << 10) /* bytes of the header fields of an answer */

struct http_call;

/* A call lives while a handler or a resumed function runs, while it waits to be resumed, and while somebody has a reference.
 * When all of them are over, the answer ends by itself. Any thread. */
void http_call_ref(struct http_call *c);
void http_call_unref(struct http_call *c);

const struct http_head *http_call_head(const struct http_call *c);
struct arena *http_call_arena(struct http_call *c); /* lives as long as the call; one thread at a time */

/* Request body, decoded. Blocks; at least one byte, *RET_N 0 is the end. The client is told to continue if it asked.
 * ES_E_CANCELLED when it left in the middle, ES_E_PROTOCOL for bad chunks. */
es_err *http_call_read(struct http_call *c, void *buf, size_t max, size_t *ret_n) ES_CHECKED;
/* All of it: NUL-terminated, in the call's arena. ES_E_LIMIT above MAX bytes. */
es_err *http_call_read_all(struct http_call *c, size_t max, char **ret_text, size_t *ret_len) ES_CHECKED;

/* The answer: status (200 unless said), fields, body, in this order. Each function is for one thread at a time. */
void http_call_status(struct http_call *c, int status);
void http_call_field(struct http_call *c, const char *name, const char *value); /* replaces one of the same name; NULL removes it */
/* Blocks while HTTP_STREAM_MAX bytes wait for the client. ES_E_CANCELLED when it is gone. A body for HEAD, 204 or 304 is
 * dropped in silence. */
es_err *http_call_write(struct http_call *c, const void *bytes, size_t n) ES_CHECKED;
es_err *http_call_puts(struct http_call *c, const char *text) ES_CHECKED;
/* Send the head now, and what was written: from here on the answer is a stream (chunked, or until close for HTTP/1.0). */
es_err *http_call_flush(struct http_call *c) ES_CHECKED;
/* Any thread, never blocks, after http_call_flush(): a client for whom the bytes do not fit is dropped. Returns false when it
 * is gone or the answer has ended. */
bool http_call_post(struct http_call *c, const void *bytes, size_t n);
/* Has the head been sent? Until then status and fields can still change, and what was written can be taken back. */
bool http_call_is_sent(struct http_call *c);
/* Forget the body written so far (before the head is sent): an error becomes the answer instead. */
void http_call_discard(struct http_call *c);
/* Nothing more comes. Also happens when the last reference goes. */
void http_call_end(struct http_call *c);
/* The answer cannot be finished as promised: cut the connection, so that the client does not take the part for the whole. */
void http_call_abort(struct http_call *c);

/* Is the client gone (it closed, or the server is stopping)? Answers for nobody need not be made. */
bool http_call_is_gone(struct http_call *c);
/* A descriptor that polls readable once the client is gone; the call's. -1 when there is none to be had. */
int http_call_gone_fd(struct http_call *c);
/* Room for at least one byte without blocking? */
size_t http_call_room(struct http_call *c);

/* Give the thread back: run FN(SELF, C) on some worker, once, as soon as one of these is true: FD is readable (-1: no
 * descriptor), TIMEOUT_MS has passed (-1: never), ROOM and the client took everything that waits for it, http_call_wake()
 * was called, or the client is gone. One at a time per call; the handler should return after it. */
typedef void http_call_fn(void *self, struct http_call *c);
void http_call_resume(struct http_call *c, int fd, int timeout_ms, bool room, http_call_fn *fn, void *self);
/* Any thread, never blocks. A wake that comes before http_call_resume() is not lost. */
void http_call_wake(struct http_call *c);

/* Send status, fields and what was written without a body length, and take the connection over: *RET_FD (non-blocking) is the
 * caller's, *RET_EARLY (in the call's arena) *RET_LEN bytes that the client sent already. The request body must have been read.
 * Only http_call_unref() and questions are allowed afterwards. ES_E_CANCELLED when the client is gone. */
es_err *http_call_hijack(struct http_call *c, int *ret_fd, const char **ret_early, size_t *ret_len) ES_CHECKED;

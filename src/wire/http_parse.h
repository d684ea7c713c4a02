/* SPDX-License-Identifier: Apache-2.0 */
/* http_parse.h: HTTP/1.1 heads and body framing (RFC 9112), bytes in and values out; knows no sockets. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define HTTP_HEAD_MAX (256u << 10) /* bytes of a start line with all its header fields */
#define HTTP_FIELDS_MAX 256        /* header fields of one head */
#define HTTP_CHUNK_LINE_MAX 1024   /* bytes of a chunk-size line, extensions included */
#define HTTP_TRAILER_MAX (8u << 10) /* bytes of all trailer fields; they are read and dropped */

struct http_field {
	const char *name, *value; /* value without the blanks around it */
};

/* How the end of a body is known. */
enum http_framing {
	HTTP_NO_BODY,
	HTTP_LENGTH,     /* Content-Length bytes */
	HTTP_CHUNKED,
	HTTP_UNTIL_CLOSE /* responses only */
};

/* One head. Strings live in the arena it was parsed into. */
struct http_head {
	const char *method, *target; /* of a request, else NULL */
	int status;                  /* of a response, else 0 */
	const char *reason;
	unsigned minor; /* HTTP/1.minor: 0 or 1 */
	struct http_field *fields;
	size_t n_fields;

	/* What the fields say together. */
	enum http_framing framing;
	uint64_t length; /* HTTP_LENGTH: bytes */
	bool keep_alive; /* the sender will take, or send, another message on this connection */
	bool expect_continue;
	const char *upgrade; /* value of Upgrade when Connection names it, else NULL */
};

/* How many of LEN bytes form a whole head, up to and with its empty line; *RET_LEN is 0 while more are needed. *SCAN
 * (0 at first) remembers what was looked at, so that a head which comes in pieces is read once. An empty line before
 * the head is part of it. ES_E_INVALID: a line that does not end in CR LF, a NUL; ES_E_LIMIT: longer than HTTP_HEAD_MAX. */
es_err *http_head_end(const char *bytes, size_t len, size_t *scan, size_t *ret_len) ES_CHECKED;
/* The LEN bytes that http_head_end() measured. Strict: no folded lines, no blank before the colon, not both Content-Length and
 * Transfer-Encoding, no coding but chunked, one Host in a 1.1 request. Errors: ES_E_INVALID, ES_E_LIMIT, ES_E_UNSUPPORTED
 * (version or transfer coding). */
es_err *http_request_parse(struct arena *a, const char *bytes, size_t len, struct http_head *ret) ES_CHECKED;
/* METHOD is that of the request: a response to HEAD has no body. Errors: ES_E_PROTOCOL. */
es_err *http_response_parse(struct arena *a, const char *bytes, size_t len, const char *method, struct http_head *ret) ES_CHECKED;

/* Value of the first field called NAME (any case), or NULL. */
const char *http_field_get(const struct http_head *h, const char *name);
/* Is TOKEN in the comma-separated lists of the fields called NAME (any case)? */
bool http_field_has(const struct http_head *h, const char *name, const char *token);

/* Position inside a body. */
struct http_body {
	enum http_framing framing;
	uint64_t left; /* bytes of this chunk or, with HTTP_LENGTH, of the body */
	uint64_t seen; /* bytes of the current line or of the trailer */
	int state;
	bool done;
};
void http_body_init(struct http_body *b, const struct http_head *h);
/* Take bytes from IN: *RET_USED of them were understood; *RET_DATA and *RET_N are the body bytes among them (inside IN, at
 * most MAX, may be none). Call again with the rest until b->done or the input is used up. ES_E_PROTOCOL for bad chunks. */
es_err *http_body_feed(struct http_body *b, const char *in, size_t len, size_t max, size_t *ret_used,
		       const char **ret_data, size_t *ret_n) ES_CHECKED;

/* Path of TARGET, percent-decoded into A; ES_E_INVALID for bad escapes or a decoded NUL. */
es_err *http_target_path(struct arena *a, const char *target, const char **ret_path) ES_CHECKED;
/* Names and values after the "?" of TARGET, decoded ("+" is a blank), in order. */
es_err *http_target_query(struct arena *a, const char *target, struct http_field **ret, size_t *ret_n) ES_CHECKED;
/* Append S with everything but unreserved characters percent-encoded: for building targets. */
void http_escape(struct es_buf *out, const char *s);
/* The registered phrase of a status: "Not Found"; "Status" for an unknown one. */
const char *http_reason(int status);

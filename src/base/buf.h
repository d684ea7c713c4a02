/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h: a byte buffer that grows up to a named maximum and remembers when it did not fit. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Invariant: when p is not NULL, p[len] is NUL. After an overflow every further append is ignored and
 * es_buf_finish() reports ES_E_LIMIT once. */
struct es_buf {
	char *p;
	size_t len, cap;
	size_t max; /* bytes, without the NUL */
	bool overflow;
};

#define ES_BUF(max_bytes) ((struct es_buf){ .max = (max_bytes) })
#define es_autobuf es_auto(es_buf_done) struct es_buf

void es_buf_done(struct es_buf *b); /* frees the bytes and leaves an empty buffer with the same maximum */
void es_buf_reset(struct es_buf *b); /* empty, memory kept */
void es_buf_add(struct es_buf *b, const void *bytes, size_t n);
void es_buf_addc(struct es_buf *b, char c);
void es_buf_adds(struct es_buf *b, const char *s);
void es_buf_printf(struct es_buf *b, const char *fmt, ...) ES_PRINTF(2, 3);
void es_buf_vprintf(struct es_buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Make room for N more bytes; NULL when that would pass the maximum (which is remembered). The caller
 * writes there and then calls es_buf_commit(). */
char *es_buf_reserve(struct es_buf *b, size_t n);
void es_buf_commit(struct es_buf *b, size_t n);
/* Drop the first N bytes (N <= len). */
void es_buf_consume(struct es_buf *b, size_t n);
/* NUL-terminated contents, "" when empty; borrowed. */
const char *es_buf_str(const struct es_buf *b);
/* ES_E_LIMIT if anything did not fit. */
es_err *es_buf_check(const struct es_buf *b) ES_CHECKED;
/* Hand out the bytes (NUL-terminated, caller frees) and empty B. ES_E_LIMIT if anything did not fit. */
es_err *es_buf_finish(struct es_buf *b, char **ret_text) ES_CHECKED;

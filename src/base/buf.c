/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c: the growing byte buffer. */
#include "base/buf.h"

#include <stdio.h>

void es_buf_done(struct es_buf *b)
{
	free(b->p);
	*b = ES_BUF(b->max);
}

void es_buf_reset(struct es_buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->p)
		b->p[0] = '\0';
}

char *es_buf_reserve(struct es_buf *b, size_t n)
{
	size_t want;

	if (b->overflow || n > b->max || b->len > b->max - n) {
		b->overflow = true;
		return NULL;
	}
	want = b->len + n + 1;
	if (want > b->cap) {
		size_t cap = b->cap ? b->cap + b->cap / 2 : 64;

		b->cap = cap > want ? cap : want;
		b->p = es_xrealloc(b->p, b->cap);
	}
	return b->p + b->len;
}

void es_buf_commit(struct es_buf *b, size_t n)
{
	b->len += n;
	b->p[b->len] = '\0';
}

void es_buf_add(struct es_buf *b, const void *bytes, size_t n)
{
	char *room = es_buf_reserve(b, n);

	if (!room)
		return;
	if (n)
		memcpy(room, bytes, n);
	es_buf_commit(b, n);
}

void es_buf_addc(struct es_buf *b, char c)
{
	es_buf_add(b, &c, 1);
}

void es_buf_adds(struct es_buf *b, const char *s)
{
	es_buf_add(b, s, strlen(s));
}

void es_buf_vprintf(struct es_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *room;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	room = n < 0 ? NULL : es_buf_reserve(b, (size_t)n);
	if (room) {
		(void)vsnprintf(room, (size_t)n + 1, fmt, again);
		es_buf_commit(b, (size_t)n);
	} else {
		b->overflow = true;
	}
	va_end(again);
}

void es_buf_printf(struct es_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	es_buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void es_buf_consume(struct es_buf *b, size_t n)
{
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->len - n + 1);
	b->len -= n;
}

const char *es_buf_str(const struct es_buf *b)
{
	return b->p ? b->p : "";
}

es_err *es_buf_check(const struct es_buf *b)
{
	if (b->overflow)
		return es_err_new(ES_E_LIMIT, "larger than the maximum of %zu bytes", b->max);
	return NULL;
}

es_err *es_buf_finish(struct es_buf *b, char **ret_text)
{
	es_err *err = es_buf_check(b);

	if (err) {
		es_buf_done(b);
		return err;
	}
	*ret_text = b->p ? b->p : es_xstrdup("");
	*b = ES_BUF(b->max);
	return NULL;
}

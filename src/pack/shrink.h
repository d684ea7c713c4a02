/* SPDX-License-Identifier: Apache-2.0 */
/* shrink.h: bytes to a gzip or zstd stream; the same bytes always give the same stream, however they are cut. */
#pragma once

#include "pack/expand.h"

struct pack_sink {
	es_err *(*write)(void *self, const void *bytes, size_t n);
	void *self;
};

struct shrink;

/* KIND is GZIP (level 1, by isa-l where it is there) or ZSTD (level 3); PLAIN hands on. ES_E_UNSUPPORTED for others. */
es_err *shrink_new(enum pack_kind kind, struct pack_sink sink, struct shrink **ret) ES_CHECKED;
void shrink_free(struct shrink *s); /* NULL is fine */
es_err *shrink_write(struct shrink *s, const void *bytes, size_t n) ES_CHECKED;
/* Ends the stream; nothing may follow. */
es_err *shrink_end(struct shrink *s) ES_CHECKED;

static inline void shrink_free_p(struct shrink **s)
{
	shrink_free(*s);
	*s = NULL;
}
#define es_autoshrink es_auto(shrink_free_p) struct shrink

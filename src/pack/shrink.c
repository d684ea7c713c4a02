/* SPDX-License-Identifier: Apache-2.0 */
/* shrink.c: input is gathered into blocks of one size first, so that the caller's cuts do not show in the result. */
#include "pack/shrink.h"

#include <stdbool.h>
#include <zlib.h>
#include <zstd.h>

#include "pack_config.h"

#if PACK_HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

#define BLOCK_SIZE ((size_t)256 << 10)
#define OUTPUT_SIZE ((size_t)256 << 10)
#define GZIP_LEVEL 1
#define ZSTD_LEVEL 3

struct shrink {
	enum pack_kind kind;
	struct pack_sink sink;
	unsigned char *block, *output;
	size_t n;
#if PACK_HAVE_ISAL
	struct isal_zstream *gzip;
	unsigned char *level_buffer;
#else
	z_stream *gzip;
#endif
	ZSTD_CCtx *zstd;
};

#if PACK_HAVE_ISAL
static void gzip_begin(struct shrink *s)
{
	s->gzip = ES_NEW(struct isal_zstream);
	s->level_buffer = es_xmalloc(ISAL_DEF_LVL1_DEFAULT);
	isal_deflate_init(s->gzip);
	s->gzip->level = GZIP_LEVEL;
	s->gzip->level_buf = s->level_buffer;
	s->gzip->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
	s->gzip->gzip_flag = IGZIP_GZIP;
}

static es_err *gzip_block(struct shrink *s, bool last)
{
	s->gzip->next_in = s->block;
	s->gzip->avail_in = (uint32_t)s->n;
	s->gzip->end_of_stream = last;
	do {
		s->gzip->next_out = s->output;
		s->gzip->avail_out = OUTPUT_SIZE;
		if (isal_deflate(s->gzip) != COMP_OK)
			return es_err_new(ES_E_INTERNAL, "gzip: isa-l refuses");
		ES_TRY(s->sink.write(s->sink.self, s->output, OUTPUT_SIZE - s->gzip->avail_out));
	} while (s->gzip->avail_out == 0);
	return NULL;
}

static void gzip_done(struct shrink *s)
{
	free(s->gzip);
	free(s->level_buffer);
}
#else
static void gzip_begin(struct shrink *s)
{
	s->gzip = ES_NEW(z_stream);
	if (deflateInit2(s->gzip, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
}

static es_err *gzip_block(struct shrink *s, bool last)
{
	s->gzip->next_in = s->block;
	s->gzip->avail_in = (uInt)s->n;
	do {
		s->gzip->next_out = s->output;
		s->gzip->avail_out = OUTPUT_SIZE;
		if (deflate(s->gzip, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
			return es_err_new(ES_E_INTERNAL, "gzip: zlib refuses");
		ES_TRY(s->sink.write(s->sink.self, s->output, OUTPUT_SIZE - s->gzip->avail_out));
	} while (s->gzip->avail_out == 0);
	return NULL;
}

static void gzip_done(struct shrink *s)
{
	if (s->gzip)
		(void)deflateEnd(s->gzip);
	free(s->gzip);
}
#endif

static es_err *zstd_block(struct shrink *s, bool last)
{
	ZSTD_inBuffer in = {s->block, s->n, 0};
	size_t left;

	do {
		ZSTD_outBuffer out = {s->output, OUTPUT_SIZE, 0};

		left = ZSTD_compressStream2(s->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return es_err_new(ES_E_INTERNAL, "zstd: %s", ZSTD_getErrorName(left));
		ES_TRY(s->sink.write(s->sink.self, s->output, out.pos));
	} while (last ? left > 0 : in.pos < in.size);
	return NULL;
}

static es_err *block(struct shrink *s, bool last)
{
	es_err *err;

	if (s->kind == PACK_PLAIN)
		err = s->sink.write(s->sink.self, s->block, s->n);
	else
		err = s->kind == PACK_GZIP ? gzip_block(s, last) : zstd_block(s, last);
	s->n = 0;
	return err;
}

es_err *shrink_new(enum pack_kind kind, struct pack_sink sink, struct shrink **ret)
{
	struct shrink *s;

	if (kind != PACK_PLAIN && kind != PACK_GZIP && kind != PACK_ZSTD)
		return es_err_new(ES_E_UNSUPPORTED, "%s is not written here", pack_kind_name(kind));
	s = ES_NEW(struct shrink);
	s->kind = kind;
	s->sink = sink;
	s->block = es_xmalloc(BLOCK_SIZE);
	s->output = es_xmalloc(OUTPUT_SIZE);
	if (kind == PACK_GZIP)
		gzip_begin(s);
	if (kind == PACK_ZSTD) {
		s->zstd = ZSTD_createCCtx();
		if (!s->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) ||
		    ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1)))
			abort();
	}
	*ret = s;
	return NULL;
}

void shrink_free(struct shrink *s)
{
	if (!s)
		return;
	gzip_done(s);
	(void)ZSTD_freeCCtx(s->zstd);
	free(s->block);
	free(s->output);
	free(s);
}

es_err *shrink_write(struct shrink *s, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	while (n > 0) {
		size_t here = BLOCK_SIZE - s->n < n ? BLOCK_SIZE - s->n : n;

		memcpy(s->block + s->n, p, here);
		s->n += here;
		p += here;
		n -= here;
		if (s->n == BLOCK_SIZE)
			ES_TRY(block(s, false));
	}
	return NULL;
}

es_err *shrink_end(struct shrink *s)
{
	return block(s, true);
}

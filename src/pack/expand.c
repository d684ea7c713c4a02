/* SPDX-License-Identifier: Apache-2.0 */
/* expand.c: one loop over the libraries that decompress; each is a row with three functions. */
#include "pack/expand.h"

#include <stdbool.h>
#include <zstd.h>

#include "base/file.h"
#include "pack/digest.h"
#include "pack_config.h"

#if PACK_HAVE_ISAL
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif
#if PACK_HAVE_LZMA
#include <lzma.h>
#endif
#if PACK_HAVE_BZ2
#include <bzlib.h>
#endif

#define INPUT_SIZE ((size_t)256 << 10)
#define MAGIC_MAX 6

/* One call's worth: what is there to read, where to write. */
struct step {
	const unsigned char *in;
	size_t n_in;
	unsigned char *out;
	size_t n_out;
	bool ended; /* a whole stream ended; another may follow */
};

struct codec {
	enum pack_kind kind;
	const char *name, *magic;
	size_t n_magic;
	void *(*begin)(void);
	/* Moves the step forward; NULL, or what is wrong. Begins anew by itself after an end. */
	const char *(*step)(void *state, struct step *s);
	void (*done)(void *state);
};

/* gzip */

#if PACK_HAVE_ISAL
static void *gzip_begin(void)
{
	struct inflate_state *z = ES_NEW(struct inflate_state);

	isal_inflate_init(z);
	z->crc_flag = ISAL_GZIP;
	return z;
}

static const char *gzip_step(void *state, struct step *s)
{
	struct inflate_state *z = state;
	uint32_t in = s->n_in > UINT32_MAX ? UINT32_MAX : (uint32_t)s->n_in;
	uint32_t out = s->n_out > UINT32_MAX ? UINT32_MAX : (uint32_t)s->n_out;
	int rc;

	if (z->block_state == ISAL_BLOCK_FINISH) {
		isal_inflate_reset(z);
		z->crc_flag = ISAL_GZIP;
	}
	z->next_in = (uint8_t *)s->in;
	z->avail_in = in;
	z->next_out = s->out;
	z->avail_out = out;
	rc = isal_inflate(z);
	s->in += in - z->avail_in;
	s->n_in -= in - z->avail_in;
	s->out += out - z->avail_out;
	s->n_out -= out - z->avail_out;
	s->ended = z->block_state == ISAL_BLOCK_FINISH;
	if (rc == ISAL_INCORRECT_CHECKSUM)
		return "checksum does not match";
	return rc < 0 ? "damaged data" : NULL;
}

static void gzip_done(void *state)
{
	free(state);
}
#else
static void *gzip_begin(void)
{
	z_stream *z = ES_NEW(z_stream);

	if (inflateInit2(z, 15 + 16) != Z_OK)
		abort();
	return z;
}

static const char *gzip_step(void *state, struct step *s)
{
	z_stream *z = state;
	uInt in = s->n_in > UINT32_MAX ? UINT32_MAX : (uInt)s->n_in,
	     out = s->n_out > UINT32_MAX ? UINT32_MAX : (uInt)s->n_out;
	int rc;

	z->next_in = (Bytef *)s->in;
	z->avail_in = in;
	z->next_out = s->out;
	z->avail_out = out;
	rc = inflate(z, Z_NO_FLUSH);
	s->in += in - z->avail_in;
	s->n_in -= in - z->avail_in;
	s->out += out - z->avail_out;
	s->n_out -= out - z->avail_out;
	s->ended = rc == Z_STREAM_END;
	if (s->ended)
		(void)inflateReset(z);
	return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR ? NULL : z->msg ? z->msg : "damaged data";
}

static void gzip_done(void *state)
{
	(void)inflateEnd(state);
	free(state);
}
#endif

/* zstd */

static void *zstd_begin(void)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();

	if (!z || ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, EXPAND_WINDOW_LOG_MAX)))
		abort();
	return z;
}

static const char *zstd_step(void *state, struct step *s)
{
	ZSTD_inBuffer in = {s->in, s->n_in, 0};
	ZSTD_outBuffer out = {s->out, s->n_out, 0};
	size_t rc = ZSTD_decompressStream(state, &out, &in);

	s->in += in.pos;
	s->n_in -= in.pos;
	s->out += out.pos;
	s->n_out -= out.pos;
	s->ended = rc == 0;
	return ZSTD_isError(rc) ? ZSTD_getErrorName(rc) : NULL;
}

static void zstd_done(void *state)
{
	(void)ZSTD_freeDCtx(state);
}

/* xz */

#if PACK_HAVE_LZMA
static void *xz_begin(void)
{
	lzma_stream *z = ES_NEW(lzma_stream);

	if (lzma_stream_decoder(z, EXPAND_MEMORY_MAX, 0) != LZMA_OK)
		abort();
	return z;
}

static const char *xz_step(void *state, struct step *s)
{
	lzma_stream *z = state;
	lzma_ret rc;

	z->next_in = s->in;
	z->avail_in = s->n_in;
	z->next_out = s->out;
	z->avail_out = s->n_out;
	rc = lzma_code(z, LZMA_RUN);
	s->in = z->next_in;
	s->n_in = z->avail_in;
	s->out = z->next_out;
	s->n_out = z->avail_out;
	s->ended = rc == LZMA_STREAM_END;
	if (s->ended && lzma_stream_decoder(z, EXPAND_MEMORY_MAX, 0) != LZMA_OK)
		abort();
	if (rc == LZMA_MEMLIMIT_ERROR)
		return "wants more memory than the maximum";
	return rc == LZMA_OK || rc == LZMA_STREAM_END || rc == LZMA_BUF_ERROR ? NULL : "damaged data";
}

static void xz_done(void *state)
{
	lzma_end(state);
	free(state);
}
#else
#define xz_begin NULL
#define xz_step NULL
#define xz_done NULL
#endif

/* bzip2 */

#if PACK_HAVE_BZ2
static void *bzip2_begin(void)
{
	bz_stream *z = ES_NEW(bz_stream);

	if (BZ2_bzDecompressInit(z, 0, 0) != BZ_OK)
		abort();
	return z;
}

static const char *bzip2_step(void *state, struct step *s)
{
	bz_stream *z = state;
	unsigned in = s->n_in > UINT32_MAX ? UINT32_MAX : (unsigned)s->n_in;
	unsigned out = s->n_out > UINT32_MAX ? UINT32_MAX : (unsigned)s->n_out;
	int rc;

	z->next_in = (char *)s->in;
	z->avail_in = in;
	z->next_out = (char *)s->out;
	z->avail_out = out;
	rc = BZ2_bzDecompress(z);
	s->in += in - z->avail_in;
	s->n_in -= in - z->avail_in;
	s->out += out - z->avail_out;
	s->n_out -= out - z->avail_out;
	s->ended = rc == BZ_STREAM_END;
	if (s->ended && (BZ2_bzDecompressEnd(z) != BZ_OK || BZ2_bzDecompressInit(z, 0, 0) != BZ_OK))
		abort();
	return rc == BZ_OK || rc == BZ_STREAM_END ? NULL : "damaged data";
}

static void bzip2_done(void *state)
{
	(void)BZ2_bzDecompressEnd(state);
	free(state);
}
#else
#define bzip2_begin NULL
#define bzip2_step NULL
#define bzip2_done NULL
#endif

/* Row 0 is what has no magic. A kind whose library this build lacks has no functions. */
static const struct codec codecs[] = {
	{PACK_PLAIN, "plain", "", 0, NULL, NULL, NULL},
	{PACK_GZIP, "gzip", "\x1f\x8b", 2, gzip_begin, gzip_step, gzip_done},
	{PACK_ZSTD, "zstd", "\x28\xb5\x2f\xfd", 4, zstd_begin, zstd_step, zstd_done},
	{PACK_XZ, "xz", "\xfd\x37zXZ\0", 6, xz_begin, xz_step, xz_done},
	{PACK_BZIP2, "bzip2", "BZh", 3, bzip2_begin, bzip2_step, bzip2_done},
};

struct expand {
	int fd;
	const struct codec *codec;
	void *state;
	unsigned char *input;
	size_t at, n; /* of the input not yet used */
	bool eof;     /* FD is at its end */
	bool between; /* no stream is open: the next byte begins one */
	uint64_t total;
	struct digest *digest;
};

const char *pack_kind_name(enum pack_kind kind)
{
	return codecs[kind].name;
}

/* More input behind what is there; nothing at the end of FD. */
static es_err *fill(struct expand *x, unsigned char *into, size_t size, size_t *ret_n)
{
	ssize_t n = file_read_some(x->fd, into, size);

	if (n < 0)
		return es_err_sys(errno, "read stream");
	x->eof = n == 0;
	x->total += (uint64_t)n;
	digest_add(x->digest, into, (size_t)n);
	*ret_n = (size_t)n;
	return NULL;
}

static es_err *find_codec(struct expand *x)
{
	size_t n;

	while (x->n < MAGIC_MAX && !x->eof) {
		ES_TRY(fill(x, x->input + x->n, INPUT_SIZE - x->n, &n));
		x->n += n;
	}
	x->codec = &codecs[0];
	for (size_t i = 1; i < ES_N(codecs); i++)
		if (x->n >= codecs[i].n_magic && memcmp(x->input, codecs[i].magic, codecs[i].n_magic) == 0)
			x->codec = &codecs[i];
	if (x->codec->kind != PACK_PLAIN && !x->codec->begin)
		return es_err_new(ES_E_UNSUPPORTED, "this build cannot read %s", x->codec->name);
	if (x->codec->begin)
		x->state = x->codec->begin();
	return NULL;
}

es_err *expand_open(int fd, struct expand **ret)
{
	es_autoexpand *x = ES_NEW(struct expand);

	x->fd = fd;
	x->input = es_xmalloc(INPUT_SIZE);
	x->digest = digest_new();
	ES_TRY(find_codec(x));
	*ret = ES_TAKE(x);
	return NULL;
}

void expand_free(struct expand *x)
{
	if (!x)
		return;
	if (x->state)
		x->codec->done(x->state);
	digest_free(x->digest);
	free(x->input);
	free(x);
}

static es_err *read_plain(struct expand *x, char *out, size_t size, size_t *ret_n)
{
	if (x->n == 0)
		return fill(x, (unsigned char *)out, size, ret_n);
	*ret_n = x->n < size ? x->n : size;
	memcpy(out, x->input + x->at, *ret_n);
	x->at += *ret_n;
	x->n -= *ret_n;
	return NULL;
}

/* Between two streams: zeros may follow (block padding), or the same magic; anything else is no part of it. */
static es_err *skip_padding(struct expand *x)
{
	while (x->n > 0 && x->input[x->at] == 0) {
		x->at++;
		x->n--;
	}
	if (x->n > 0 && x->input[x->at] != (unsigned char)x->codec->magic[0])
		return es_err_new(ES_E_INVALID, "%s stream: something else follows it", x->codec->name);
	return NULL;
}

es_err *expand_read(struct expand *x, char *out, size_t size, size_t *ret_n)
{
	struct step s = {.out = (unsigned char *)out, .n_out = size};
	const char *wrong;

	if (!x->state)
		return read_plain(x, out, size, ret_n);
	while (s.n_out == size) {
		if (x->n == 0 && !x->eof) {
			x->at = 0;
			ES_TRY(fill(x, x->input, INPUT_SIZE, &x->n));
		}
		if (x->between && x->n > 0) {
			ES_TRY(skip_padding(x));
			x->between = x->n == 0;
			continue;
		}
		if (x->between && x->eof)
			break;
		s.in = x->input + x->at;
		s.n_in = x->n;
		wrong = x->codec->step(x->state, &s);
		x->at += x->n - s.n_in;
		if (wrong)
			return es_err_new(ES_E_INVALID, "%s stream: %s", x->codec->name, wrong);
		if (x->n == 0 && x->eof && s.n_out == size && !s.ended)
			return es_err_new(ES_E_INVALID, "%s stream: unexpected end", x->codec->name);
		x->n = s.n_in;
		x->between = s.ended;
	}
	*ret_n = size - s.n_out;
	return NULL;
}

enum pack_kind expand_kind(const struct expand *x)
{
	return x->codec->kind;
}

uint64_t expand_input_bytes(const struct expand *x)
{
	return x->total;
}

char *expand_input_digest(struct expand *x, char *out)
{
	return digest_end(x->digest, out);
}

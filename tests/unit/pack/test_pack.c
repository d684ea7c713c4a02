/* SPDX-License-Identifier: Apache-2.0 */
/* test_pack.c: streams of every kind there and back, cut short, damaged, concatenated, followed by something else. */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/file.h"
#include "pack/ahead.h"
#include "pack/digest.h"
#include "pack/shrink.h"

#include "check.h"

#define SIZE 3000000

static es_err *append(void *self, const void *bytes, size_t n)
{
	es_buf_add(self, bytes, n);
	return NULL;
}

static void fill(char *bytes, size_t n)
{
	unsigned v = 1;

	for (size_t i = 0; i < n; i++) {
		v = v * 1103515245 + 12345;
		bytes[i] = (char)(i % 97 < 60 ? 'a' + i % 7 : v >> 16);
	}
}

static int memory_file(const void *bytes, size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_OK(file_write_all(fd, bytes, n));
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static es_err *expand_all(const void *bytes, size_t n, struct es_buf *out)
{
	es_autoclose int fd = memory_file(bytes, n);
	es_autoexpand *x = NULL;
	char chunk[50000];
	size_t got;

	ES_TRY(expand_open(fd, &x));
	for (;;) {
		ES_TRY(expand_read(x, chunk, sizeof chunk, &got));
		if (got == 0)
			return NULL;
		es_buf_add(out, chunk, got);
	}
}

static void shrink_all(enum pack_kind kind, const char *bytes, size_t n, size_t chunk, struct es_buf *out)
{
	es_autoshrink *s = NULL;

	CHECK_OK(shrink_new(kind, (struct pack_sink){ append, out }, &s));
	for (size_t i = 0; i < n; i += chunk)
		CHECK_OK(shrink_write(s, bytes + i, n - i < chunk ? n - i : chunk));
	CHECK_OK(shrink_end(s));
}

static void there_and_back(void)
{
	static const enum pack_kind kinds[] = { PACK_PLAIN, PACK_GZIP, PACK_ZSTD };
	es_autofree char *bytes = es_xmalloc(SIZE);

	fill(bytes, SIZE);
	for (size_t i = 0; i < ES_N(kinds); i++)
		for (size_t n = 0; n <= SIZE; n += SIZE / 2) {
			es_autobuf one = ES_BUF(SIZE * 2), two = ES_BUF(SIZE * 2), back = ES_BUF(SIZE * 2);

			shrink_all(kinds[i], bytes, n, 1000000, &one);
			shrink_all(kinds[i], bytes, n, 777, &two);
			CHECK(one.len == two.len && (one.len == 0 || memcmp(one.p, two.p, one.len) == 0));
			CHECK_OK(expand_all(one.p ? one.p : "", one.len, &back));
			CHECK_INT(back.len, n);
			CHECK(n == 0 || memcmp(back.p, bytes, n) == 0);
		}
}

static void damaged(void)
{
	static const enum pack_kind kinds[] = { PACK_GZIP, PACK_ZSTD };
	es_autofree char *bytes = es_xmalloc(SIZE);

	fill(bytes, SIZE);
	for (size_t i = 0; i < ES_N(kinds); i++) {
		es_autobuf one = ES_BUF(SIZE * 4), back = ES_BUF(SIZE * 4);
		size_t len;

		shrink_all(kinds[i], bytes, SIZE, SIZE, &one);
		len = one.len;
		for (size_t cut = 7; cut < len; cut += len / 50) {
			es_buf_reset(&back);
			CHECK_ERR(expand_all(one.p, cut, &back), "unexpected end");
		}
		one.p[len / 2] ^= 0x10;
		CHECK_ERR(expand_all(one.p, len, &back), "stream: ");
		one.p[len / 2] ^= 0x10;
		es_buf_add(&one, "\0\0\0", 3);
		CHECK(es_buf_reserve(&one, len) != NULL); /* so that the source does not move */
		es_buf_add(&one, one.p, len);
		es_buf_reset(&back);
		CHECK_OK(expand_all(one.p, one.len, &back)); /* two streams with zeros between them */
		CHECK_INT(back.len, 2 * SIZE);
		es_buf_adds(&one, "garbage");
		es_buf_reset(&back);
		CHECK_ERR(expand_all(one.p, one.len, &back), "something else follows it");
	}
}

static void digests(void)
{
	es_autoclose int fd = memory_file("abc", 3);
	es_autoexpand *x = NULL;
	char chunk[10], text[DIGEST_TEXT_MAX];
	size_t n;

	CHECK_OK(expand_open(fd, &x));
	CHECK_INT(expand_kind(x), PACK_PLAIN);
	CHECK_OK(expand_read(x, chunk, sizeof chunk, &n));
	CHECK_INT(n, 3);
	CHECK_OK(expand_read(x, chunk, sizeof chunk, &n));
	CHECK_INT(n, 0);
	CHECK_INT(expand_input_bytes(x), 3);
	CHECK_STR(expand_input_digest(x, text), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static es_err *count(void *self, char *out, size_t size, size_t *ret_n)
{
	int *left = self;

	if (*left == 0)
		return es_err_new(ES_E_INVALID, "no more");
	memset(out, *left, size);
	(*left)--;
	*ret_n = size;
	return NULL;
}

static void ahead(void)
{
	int left = 40, early = 40;
	struct ahead *a;
	const char *bytes;
	size_t n;

	CHECK_OK(ahead_start(count, &left, &a));
	for (int i = 40; i > 0; i--) {
		CHECK_OK(ahead_read(a, &bytes, &n));
		CHECK(n == AHEAD_BUFFER_SIZE && bytes[0] == i && bytes[n - 1] == i);
	}
	CHECK_ERR(ahead_read(a, &bytes, &n), "no more");
	ahead_free(a);
	CHECK_OK(ahead_start(count, &early, &a)); /* the consumer goes first */
	ahead_free(a);
	CHECK(early >= 40 - AHEAD_BUFFERS);
}

CHECK_MAIN(TEST(there_and_back), TEST(damaged), TEST(digests), TEST(ahead))

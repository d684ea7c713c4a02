/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_tar.c: any bytes as an archive, in chunks of a size that the first byte chooses. */
#include "codec/tar.h"

#include "fuzz.h"

struct chunks {
	const uint8_t *bytes;
	size_t n, chunk;
};

static es_err *read_chunk(void *self, const char **ret_bytes, size_t *ret_n)
{
	struct chunks *c = self;

	*ret_bytes = (const char *)c->bytes;
	*ret_n = c->n < c->chunk ? c->n : c->chunk;
	c->bytes += *ret_n;
	c->n -= *ret_n;
	return NULL;
}

static es_err *forget(void *self, const void *bytes, size_t n)
{
	return NULL;
}

static es_err *read_all(struct tar_reader *r)
{
	struct tar_writer w = { .sink = { forget, NULL } };
	const struct tar_entry *e;

	for (;;) {
		const char *bytes;
		uint64_t offset, end = 0;
		size_t n;

		ES_TRY(tar_next(r, &e));
		if (!e)
			return NULL;
		for (;;) {
			ES_TRY(tar_data(r, &bytes, &n, &offset));
			if (n == 0)
				break;
			if (offset < end || (e->type == TAR_FILE && offset + n > e->size))
				abort(); /* a sparse map that was not checked */
			end = offset + n;
		}
		w.left = 0;
		es_err_drop(tar_write_header(&w, e));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct chunks c = { bytes, n, n ? (size_t)bytes[0] * 8 + 1 : 1 };
	es_autotar *r = tar_reader_new((struct tar_source){ read_chunk, &c });

	es_err_drop(read_all(r));
	return 0;
}

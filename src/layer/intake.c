/* SPDX-License-Identifier: Apache-2.0 */
/* intake.c: one thread decompresses (and hashes what came), the other hashes and writes what came out. */
#include "layer/intake.h"

#include <inttypes.h>

#include "base/file.h"

static es_err *produce(void *self, char *out, size_t size, size_t *ret_n)
{
	return expand_read(self, out, size, ret_n);
}

es_err *intake_open(struct intake *in, int fd, int copy_fd, uint64_t max)
{
	*in = (struct intake){.copy_fd = copy_fd, .max = max};
	in->digest = digest_new();
	ES_TRY(expand_open(fd, &in->expand));
	return ahead_start(produce, in->expand, &in->ahead);
}

es_err *intake_run(struct intake *in, es_err *(*fn)(void *self, struct ahead *to), void *self, int copy_fd)
{
	*in = (struct intake){.copy_fd = copy_fd, .max = UINT64_MAX};
	in->digest = digest_new();
	return ahead_start_run(fn, self, &in->ahead);
}

void intake_close(struct intake *in)
{
	ahead_free(in->ahead); /* the thread first: it uses the other */
	expand_free(in->expand);
	digest_free(in->digest);
	*in = (struct intake){0};
}

es_err *intake_read(void *self, const char **ret_bytes, size_t *ret_n)
{
	struct intake *in = self;

	ES_TRY(ahead_read(in->ahead, ret_bytes, ret_n));
	if (*ret_n == 0)
		return NULL;
	in->bytes += *ret_n;
	if (in->bytes > in->max)
		return es_err_new(ES_E_LIMIT, "archive is larger than the maximum of %" PRIu64 " bytes", in->max);
	digest_add(in->digest, *ret_bytes, *ret_n);
	if (in->copy_fd < 0)
		return NULL;
	return es_err_in(file_write_all(in->copy_fd, *ret_bytes, *ret_n), "write the tar");
}

es_err *intake_drain(struct intake *in)
{
	const char *bytes;
	size_t n = 1;

	while (n > 0)
		ES_TRY(intake_read(in, &bytes, &n));
	return NULL;
}

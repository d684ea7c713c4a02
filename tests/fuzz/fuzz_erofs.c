/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_erofs.c: any bytes as a tar: whatever the writer accepts, the check in front of the kernel accepts too. */
#include <stdio.h>
#include <sys/mman.h>

#include "base/file.h"
#include "codec/erofs_check.h"
#include "layer/erofs.h"

#include "fuzz.h"

struct whole {
	const uint8_t *bytes;
	size_t n;
};

static es_err *read_whole(void *self, const char **ret_bytes, size_t *ret_n)
{
	struct whole *w = self;

	*ret_bytes = (const char *)w->bytes;
	*ret_n = w->n;
	w->n = 0;
	return NULL;
}

static es_err *write_layer(const uint8_t *bytes, size_t n, int fd, struct erofs_result *ret)
{
	struct whole whole = {bytes, n};
	struct layer_counts counts = {0};
	es_autotar *r = tar_reader_new((struct tar_source){read_whole, &whole});
	es_autoerofs *w = erofs_new(&counts);
	es_autoarena *a = arena_new();
	const struct tar_entry *e;

	for (;;) {
		ES_TRY(tar_next(r, &e));
		if (!e)
			break;
		ES_TRY(erofs_add(w, e));
	}
	ES_TRY(erofs_implied(w, a, json_new_array(a)));
	if (pwrite(fd, bytes, n, LAYER_FILE_HEAD) != (ssize_t)n)
		abort();
	return erofs_write(w, fd, n, "sha256:0123456789abcdef0123456789abcdef", ret);
}

static es_err *check_layer(int fd, const struct erofs_result *r)
{
	es_autofree char *bytes = NULL;
	struct erofs_area area;
	size_t n;

	ES_TRY(file_read_all(fd, SIZE_MAX / 2, &bytes, &n));
	if (n != r->file_size)
		abort();
	ES_TRY(erofs_check_head(bytes, n, &area));
	return erofs_check_meta(&area, bytes + area.meta_at, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoclose int fd = memfd_create("layer", MFD_CLOEXEC);
	es_autoerr es_err *err = NULL;
	struct erofs_result r;

	if (n == 0 || fd < 0)
		return 0;
	err = write_layer(bytes, n, fd, &r);
	if (err)
		return 0;
	err = check_layer(fd, &r);
	if (err) {
		(void)fprintf(stderr, "%s\n", es_err_text(err));
		abort();
	}
	return 0;
}

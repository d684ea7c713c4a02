/* SPDX-License-Identifier: Apache-2.0 */
/* layercheck.c: the check of a layer file as privileged code makes it; prints what it counted or what is wrong. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "codec/erofs_check.h"

static es_err *read_at(int fd, void *bytes, size_t n, uint64_t at)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = pread(fd, (char *)bytes + done, n - done, (off_t)(at + done));

		if (r <= 0)
			return es_err_sys(r < 0 ? errno : EIO, "read");
		done += (size_t)r;
	}
	return NULL;
}

static es_err *run(const char *path)
{
	es_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	es_autofree uint8_t *head = es_xmalloc(LAYER_FILE_HEAD), *meta = NULL;
	struct erofs_totals t;
	struct erofs_area a;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return es_err_sys(errno, "open %s", path);
	ES_TRY(read_at(fd, head, LAYER_FILE_HEAD, 0));
	ES_TRY(erofs_check_head(head, (uint64_t)st.st_size, &a));
	meta = es_xmalloc(a.meta_size);
	ES_TRY(read_at(fd, meta, a.meta_size, a.meta_at));
	ES_TRY(erofs_check_meta(&a, meta, &t));
	printf("{\"inodes\":%" PRIu64 ",\"dirents\":%" PRIu64 ",\"data\":%" PRIu64 ",\"diff_id\":\"%s\"}\n", t.inodes,
	       t.dirents, t.data, a.diff_id);
	return NULL;
}

int main(int argc, char **argv)
{
	es_autoerr es_err *err = argc == 2 ? run(argv[1]) : es_err_new(ES_E_INVALID, "usage: layercheck FILE");

	if (err)
		fprintf(stderr, "layercheck: %s\n", es_err_text(err));
	return err ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* initlayer.c: empty files and directories for the mounts of a container. Parents are not named: theirs are the image's own. */
#include "builder/initlayer.h"

#include <sys/mman.h>

#include "base/file.h"
#include "codec/tar.h"

static const struct tar_entry entries[] = {
	{ .type = TAR_FILE, .path = ".dockerenv", .link = "", .mode = 0755 },
	{ .type = TAR_DIR, .path = "dev/", .link = "", .mode = 0755 },
	{ .type = TAR_FILE, .path = "etc/hostname", .link = "", .mode = 0644 },
	{ .type = TAR_FILE, .path = "etc/hosts", .link = "", .mode = 0644 },
	{ .type = TAR_SYMLINK, .path = "etc/mtab", .link = "/proc/mounts", .mode = 0777 },
	{ .type = TAR_FILE, .path = "etc/resolv.conf", .link = "", .mode = 0644 },
	{ .type = TAR_DIR, .path = "proc/", .link = "", .mode = 0755 },
	{ .type = TAR_DIR, .path = "sys/", .link = "", .mode = 0755 },
};

static es_err *write_fd(void *self, const void *bytes, size_t n)
{
	return file_write_all(*(const int *)self, bytes, n);
}

es_err *initlayer_import(struct store *st, struct lease *lease, struct layers_info *ret)
{
	es_autoclose int fd = memfd_create("init-layer", MFD_CLOEXEC);
	struct tar_writer w = { .sink = { write_fd, &fd } };

	if (fd < 0)
		return es_err_sys(errno, "memfd");
	for (size_t i = 0; i < ES_N(entries); i++)
		ES_TRY(tar_write_header(&w, &entries[i]));
	ES_TRY(tar_write_end(&w));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "rewind");
	return es_err_in(layers_import(st, lease, fd, NULL, ret), "layer for mount points");
}

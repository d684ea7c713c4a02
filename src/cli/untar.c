/* SPDX-License-Identifier: Apache-2.0 */
/* untar.c: a tar stream from a container into a directory of ours.
 *
 * The container wrote the archive, so no path in it is trusted: every look-up stays below the directory (RESOLVE_BENEATH) and
 * follows no link, ".." included. */
#include "cli/untar.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/tar.h"

#define CHUNK 65536

struct feed {
	struct http_client *http;
	char buf[CHUNK];
	uint64_t bytes;
};

static es_err *feed_read(void *self, const char **ret_bytes, size_t *ret_n)
{
	struct feed *f = self;

	ES_TRY(http_client_read(f->http, f->buf, sizeof f->buf, ret_n));
	f->bytes += *ret_n;
	*ret_bytes = f->buf;
	return NULL;
}

static int open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC, .mode = mode, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

/* The path below the directory: NAME instead of the first part. Heap; "." for the top itself. */
static char *place(const char *path, const char *name)
{
	es_autofree char *clean = str_clean_path(es_xstrdup(path));
	char *rest = str_starts(path, "./") || str_eq(path, ".") ? clean : strchr(clean, '/');
	char *joined;

	while (rest && *rest == '/')
		rest++;
	joined = str_empty(rest) ? es_xstrdup(name) : es_xasprintf("%s/%s", name, rest);
	str_clean_path(joined);
	if (*joined)
		return joined;
	free(joined);
	return es_xstrdup(".");
}

static es_err *open_parent(int dirfd, const char *path, int *ret_fd, const char **ret_base)
{
	const char *slash = strrchr(path, '/');
	es_autofree char *parent = slash ? es_xstrndup(path, (size_t)(slash - path)) : es_xstrdup(".");

	*ret_base = slash ? slash + 1 : path;
	*ret_fd = open_beneath(dirfd, parent, O_PATH | O_DIRECTORY, 0);
	return *ret_fd < 0 ? es_err_sys(errno, "open %s", parent) : NULL;
}

static es_err *write_file(struct tar_reader *r, const struct tar_entry *e, int parent, const char *base, const char *path)
{
	es_autoclose int fd = open_beneath(parent, base, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		return es_err_sys(errno, "create %s", path);
	for (;;) {
		const char *data;
		uint64_t offset;
		size_t n;

		ES_TRY(tar_data(r, &data, &n, &offset));
		if (!n)
			break;
		if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
			return es_err_sys(errno, "seek in %s", path);
		ES_TRY(es_err_in(file_write_all(fd, data, n), "write %s", path));
	}
	if (ftruncate(fd, (off_t)e->size) < 0 || fchmod(fd, e->mode) < 0)
		return es_err_sys(errno, "write %s", path);
	return NULL;
}

static es_err *make_dir(int parent, const char *base, const char *path, mode_t mode)
{
	if (str_eq(base, "."))
		return NULL; /* the target's own mode stays */
	if (mkdirat(parent, base, 0700) < 0 && errno != EEXIST)
		return es_err_sys(errno, "make directory %s", path);
	es_autoclose int fd = open_beneath(parent, base, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0 || fchmod(fd, mode) < 0)
		return es_err_sys(errno, "directory %s", path);
	return NULL;
}

static es_err *make_link(const struct tar_entry *e, int dirfd, int parent, const char *base, const char *path, const char *name)
{
	es_autofree char *target = place(e->link, name);
	es_autoclose int source = -1;
	const char *source_base;

	(void)unlinkat(parent, base, 0);
	if (e->type == TAR_SYMLINK)
		return symlinkat(e->link, parent, base) < 0 ? es_err_sys(errno, "make link %s", path) : NULL;
	ES_TRY(open_parent(dirfd, target, &source, &source_base));
	return linkat(source, source_base, parent, base, 0) < 0 ? es_err_sys(errno, "link %s", path) : NULL;
}

static es_err *make_node(const struct tar_entry *e, int parent, const char *base, const char *path)
{
	mode_t type = e->type == TAR_CHAR ? S_IFCHR : e->type == TAR_BLOCK_DEVICE ? S_IFBLK : S_IFIFO;

	(void)unlinkat(parent, base, 0);
	return mknodat(parent, base, type | e->mode, makedev(e->dev_major, e->dev_minor)) < 0 ? es_err_sys(errno, "make device %s", path) : NULL;
}

static es_err *extract(struct tar_reader *r, const struct tar_entry *e, int dirfd, const char *name)
{
	es_autofree char *path = place(e->path, name);
	es_autoclose int parent = -1;
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = e->mtime_s, .tv_nsec = e->mtime_ns } };
	const char *base;

	ES_TRY(open_parent(dirfd, path, &parent, &base));
	switch (e->type) {
	case TAR_FILE:
		ES_TRY(write_file(r, e, parent, base, path));
		break;
	case TAR_DIR:
		ES_TRY(make_dir(parent, base, path, e->mode));
		break;
	case TAR_SYMLINK:
	case TAR_HARDLINK:
		ES_TRY(make_link(e, dirfd, parent, base, path, name));
		break;
	case TAR_CHAR:
	case TAR_BLOCK_DEVICE:
	case TAR_FIFO:
		ES_TRY(make_node(e, parent, base, path));
		break;
	case TAR_OTHER:
		return NULL;
	}
	(void)utimensat(parent, base, times, AT_SYMLINK_NOFOLLOW);
	return NULL;
}

es_err *untar_body(struct http_client *http, int dirfd, const char *name, uint64_t *ret_bytes)
{
	struct feed *feed = es_xcalloc(1, sizeof *feed);
	es_autofree void *owner = feed;
	es_autotar *r = tar_reader_new((struct tar_source){ feed_read, feed });
	const struct tar_entry *e;

	feed->http = http;
	do {
		ES_TRY(tar_next(r, &e));
		if (e)
			ES_TRY(extract(r, e, dirfd, name));
	} while (e);
	for (size_t n = 1; n;) { /* what is behind the archive's end */
		const char *rest;

		ES_TRY(feed_read(feed, &rest, &n));
	}
	*ret_bytes = feed->bytes;
	return NULL;
}

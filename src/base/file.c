/* SPDX-License-Identifier: Apache-2.0 */
/* file.c: whole files and trees by descriptor. */
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/rand.h"

ssize_t file_read_some(int fd, void *bytes, size_t n)
{
	ssize_t got;

	do
		got = read(fd, bytes, n);
	while (got < 0 && errno == EINTR);
	return got;
}

es_err *file_read_all(int fd, size_t max, char **ret_text, size_t *ret_len)
{
	es_autobuf b = ES_BUF(max);
	char chunk[4096];
	size_t len;
	ssize_t n;

	while ((n = file_read_some(fd, chunk, sizeof chunk)) > 0) {
		es_buf_add(&b, chunk, (size_t)n);
		if (b.overflow)
			break;
	}
	if (n < 0)
		return es_err_sys(errno, "read");
	len = b.len;
	ES_TRY(es_buf_finish(&b, ret_text));
	if (ret_len)
		*ret_len = len;
	return NULL;
}

es_err *file_read(int dirfd, const char *path, size_t max, char **ret_text, size_t *ret_len)
{
	es_autoclose int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 && errno == ENOENT)
		return es_err_new(ES_E_NOT_FOUND, "no %s", path);
	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	return es_err_in(file_read_all(fd, max, ret_text, ret_len), "%s", path);
}

es_err *file_write_all(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return es_err_sys(errno, "write");
		p += put;
		n -= (size_t)put;
	}
	return NULL;
}

es_err *file_put(int dirfd, const char *path, const char *text)
{
	es_autoclose int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	do
		n = write(fd, text, strlen(text));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return es_err_sys(errno, "write \"%s\" to %s", text, path);
	return NULL;
}

static es_err *sync_parent(int dirfd, const char *path)
{
	const char *slash = strrchr(path, '/');
	es_autofree char *parent = slash ? es_xstrndup(path, (size_t)(slash - path) + 1) : es_xstrdup(".");
	es_autoclose int fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return es_err_sys(errno, "fsync directory of %s", path);
	return NULL;
}

static es_err *write_new(int dirfd, const char *tmp, const void *bytes, size_t n, mode_t mode, bool sync)
{
	es_autoclose int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return es_err_sys(errno, "create %s", tmp);
	ES_TRY(es_err_in(file_write_all(fd, bytes, n), "%s", tmp));
	if (fchmod(fd, mode) < 0)
		return es_err_sys(errno, "chmod %s", tmp);
	if (sync && fdatasync(fd) < 0)
		return es_err_sys(errno, "fdatasync %s", tmp);
	return NULL;
}

es_err *file_replace(int dirfd, const char *path, const void *bytes, size_t n, mode_t mode, bool sync)
{
	char suffix[17];
	es_autofree char *tmp = NULL;
	es_err *err;

	rand_hex(suffix, 16);
	tmp = es_xasprintf("%s.%s", path, suffix);
	err = write_new(dirfd, tmp, bytes, n, mode, sync);
	if (!err && renameat(dirfd, tmp, dirfd, path) < 0)
		err = es_err_sys(errno, "rename to %s", path);
	if (err) {
		(void)unlinkat(dirfd, tmp, 0);
		return err;
	}
	return sync ? sync_parent(dirfd, path) : NULL;
}

es_err *file_mkdir_p(int dirfd, const char *path, mode_t mode)
{
	es_autofree char *copy = es_xstrdup(path);

	for (char *p = copy + 1; *copy; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdirat(dirfd, copy, mode) < 0 && errno != EEXIST)
			return es_err_sys(errno, "mkdir %s", copy);
		*p = c;
		if (c == '\0')
			break;
	}
	return NULL;
}

/* Empties the directory FD (which it takes). Depth is bounded by the descriptor limit, not by the stack: trees that
 * deep do not come from tar layers (PATH_MAX) but may be made by a container, so children go through "." renames. */
static es_err *empty_dir(int fd, dev_t dev, const atomic_bool *stop)
{
	DIR *dir = fdopendir(fd);
	es_err *err = NULL;
	struct dirent *e;

	if (!dir) {
		err = es_err_sys(errno, "open directory");
		es_close(fd);
		return err;
	}
	while (!err && (errno = 0, e = readdir(dir))) {
		struct stat st;
		int child;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (stop && atomic_load(stop)) {
			err = es_err_new(ES_E_CANCELLED, "not removed to the end");
			break;
		}
		if (unlinkat(dirfd(dir), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			err = es_err_sys(errno, "remove %s", e->d_name);
			break;
		}
		child = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child < 0 || fstat(child, &st) < 0) {
			err = es_err_sys(errno, "open %s", e->d_name);
			es_close(child);
		} else if (st.st_dev != dev) {
			err = es_err_new(ES_E_CONFLICT, "%s is another file system", e->d_name);
			es_close(child);
		} else {
			err = es_err_in(empty_dir(child, dev, stop), "%s", e->d_name);
			if (!err && unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
				err = es_err_sys(errno, "remove %s", e->d_name);
		}
	}
	(void)closedir(dir);
	return err;
}

es_err *file_remove_tree(int dirfd, const char *path)
{
	return file_remove_tree_until(dirfd, path, NULL);
}

es_err *file_remove_tree_until(int dirfd, const char *path, const atomic_bool *stop)
{
	struct stat st;
	int fd;

	if (unlinkat(dirfd, path, 0) == 0 || errno == ENOENT)
		return NULL;
	if (errno != EISDIR && errno != EPERM)
		return es_err_sys(errno, "remove %s", path);
	fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		es_err *err = es_err_sys(errno, "open %s", path);

		es_close(fd);
		return err;
	}
	ES_TRY(es_err_in(empty_dir(fd, st.st_dev, stop), "%s", path));
	if (unlinkat(dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return es_err_sys(errno, "remove %s", path);
	return NULL;
}

es_err *file_pump(int in, int out, uint64_t *ret_bytes)
{
	enum { CHUNK = 256 * 1024 };
	es_autofree char *chunk = es_xmalloc(CHUNK);
	uint64_t total = 0;
	ssize_t n;

	while ((n = file_read_some(in, chunk, CHUNK)) > 0) {
		ES_TRY(file_write_all(out, chunk, (size_t)n));
		total += (uint64_t)n;
	}
	if (n < 0)
		return es_err_sys(errno, "read");
	if (ret_bytes)
		*ret_bytes = total;
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

es_err *file_names(int dirfd, const char *path, char ***ret_names)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char **names = NULL;
	size_t n = 0, cap = 0;
	struct dirent *e;

	if (!dir) {
		int error = errno;

		es_close(fd);
		return error == ENOENT ? es_err_new(ES_E_NOT_FOUND, "no %s", path) : es_err_sys(error, "open %s", path);
	}
	while ((e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (n + 1 >= cap) {
			cap = cap ? 2 * cap : 16;
			names = es_xrealloc(names, cap * sizeof *names);
		}
		names[n++] = es_xstrdup(e->d_name);
		names[n] = NULL;
	}
	(void)closedir(dir);
	if (n)
		qsort(names, n, sizeof *names, by_name);
	*ret_names = names;
	return NULL;
}

static es_err *set_flag(int fd, int get, int set, int bit, bool on)
{
	int flags = fcntl(fd, get);

	if (flags < 0 || fcntl(fd, set, on ? flags | bit : flags & ~bit) < 0)
		return es_err_sys(errno, "fcntl");
	return NULL;
}

es_err *file_set_nonblock(int fd, bool on)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

es_err *file_set_cloexec(int fd, bool on)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

es_err *file_companion(const char *name, char **ret_path)
{
	static const char *const places[] = { "", "../libexec/estiba/", "../bin/" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	if (n < 0)
		return es_err_sys(errno, "readlink /proc/self/exe");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		slash[1] = '\0';
	for (size_t i = 0; i < ES_N(places); i++) {
		char *path = es_xasprintf("%s%s%s", self, places[i], name);

		if (access(path, X_OK) == 0) {
			*ret_path = path;
			return NULL;
		}
		free(path);
	}
	return es_err_new(ES_E_NOT_FOUND, "no program %s beside %s", name, self);
}

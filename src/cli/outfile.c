/* SPDX-License-Identifier: Apache-2.0 */
/* outfile.c: an answer's body into a file or standard output (save, export). */
#include "cli/outfile.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/rand.h"

#define CHUNK 65536

es_err *outfile_check(const char *path, const char *what)
{
	es_autofree char *dir = NULL;
	const char *slash;
	struct stat st;

	if (str_empty(path)) {
		if (isatty(STDOUT_FILENO))
			return es_err_new(ES_E_INVALID, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
		return NULL;
	}
	slash = strrchr(path, '/');
	dir = slash == path ? es_xstrdup("/") : slash ? es_xstrndup(path, (size_t)(slash - path)) : es_xstrdup(".");
	if (stat(dir, &st) < 0)
		return es_err_new(ES_E_NOT_FOUND, "failed to %s: invalid output path: stat %s: no such file or directory", what, dir);
	if (!S_ISDIR(st.st_mode))
		return es_err_new(ES_E_INVALID, "failed to %s: invalid output path: %s is not a directory", what, dir);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return es_err_new(ES_E_INVALID, "failed to %s: invalid output path: \"%s\" must be a regular file", what, path);
	return NULL;
}

static es_err *copy(struct http_client *http, int fd)
{
	es_autofree char *buf = es_xmalloc(CHUNK);

	for (;;) {
		size_t n;

		ES_TRY(http_client_read(http, buf, CHUNK, &n));
		if (!n)
			return NULL;
		ES_TRY(file_write_all(fd, buf, n));
	}
}

es_err *outfile_write(struct http_client *http, const char *path)
{
	es_autofree char *part = NULL;
	es_autoclose int fd = -1;
	char hex[9];
	struct stat st;
	es_err *err;

	if (str_empty(path))
		return copy(http, STDOUT_FILENO);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe or a device is written as it is */
		fd = open(path, O_WRONLY | O_CLOEXEC);
		return fd < 0 ? es_err_sys(errno, "open %s", path) : copy(http, fd);
	}
	rand_hex(hex, 8);
	part = es_xasprintf("%s.%s", path, hex);
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return es_err_sys(errno, "open %s", part);
	err = copy(http, fd);
	if (!err && rename(part, path) < 0)
		err = es_err_sys(errno, "rename to %s", path);
	if (err)
		unlink(part);
	return err;
}

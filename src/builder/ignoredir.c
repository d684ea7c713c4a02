/* SPDX-License-Identifier: Apache-2.0 */
/* ignoredir.c: take out of a context what its .dockerignore names. */
#include "builder/ignoredir.h"

#include <dirent.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/str.h"
#include "builder/inroot.h"

#define DEPTH_MAX 200 /* directories deep in a context */

/* Walk the directory PREFIX and remove; an entry that may hold something that comes back is walked instead. */
static es_err *apply_dir(const struct ignore *ig, int dirfd, const char *prefix, unsigned depth)
{
	es_autoclose int fd = openat(dirfd, *prefix ? prefix : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	es_autostrv names = NULL;
	DIR *dir;

	if (fd < 0)
		return es_err_sys(errno, "open %s", prefix);
	if (depth > DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "the context is more than %d directories deep", DEPTH_MAX);
	dir = fdopendir(fd);
	if (!dir)
		return es_err_sys(errno, "read %s", prefix);
	ES_TAKE_FD(fd);
	for (struct dirent *d; (d = readdir(dir));) {
		es_autofree char *path = es_xasprintf("%s%s%s", prefix, *prefix ? "/" : "", d->d_name);
		bool out, is_dir = d->d_type == DT_DIR;
		es_err *err = NULL;

		if (str_eq(d->d_name, ".") || str_eq(d->d_name, ".."))
			continue;
		out = ignore_has(ig, path);
		if (out && !(is_dir && ignore_may_return(ig, path)))
			err = file_remove_tree(dirfd, path);
		else if (is_dir)
			err = apply_dir(ig, dirfd, path, depth + 1);
		if (err) {
			closedir(dir);
			return err;
		}
	}
	closedir(dir);
	return NULL;
}

es_err *ignoredir_apply(int dirfd, const char *dockerfile)
{
	es_autofree char *own = es_xasprintf("%s.dockerignore", dockerfile), *text = NULL;
	es_autoarena *a = arena_new();
	struct ignore *ig;
	size_t len = 0;
	es_err *err = inroot_read(dirfd, own, IGNORE_BYTES_MAX, &text, &len);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		err = inroot_read(dirfd, ".dockerignore", IGNORE_BYTES_MAX, &text, &len);
	}
	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return NULL;
	}
	ES_TRY(es_err_in(err, "error reading .dockerignore"));
	ES_TRY(es_err_in(ignore_parse(a, text, len, &ig), "error reading .dockerignore"));
	return apply_dir(ig, dirfd, "", 0);
}

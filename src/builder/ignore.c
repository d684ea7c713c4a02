/* SPDX-License-Identifier: Apache-2.0 */
/* ignore.c: .dockerignore. */
#include "builder/ignore.h"

#include <dirent.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/str.h"
#include "builder/goglob.h"
#include "builder/inroot.h"

#define DEPTH_MAX 200 /* directories deep in a context */

struct line {
	const char *pattern; /* cleaned, no leading slash */
	bool back;           /* "!" */
};

struct ignore {
	struct line *lines;
	size_t n;
	bool any_back;
};

es_err *ignore_parse(struct arena *a, const char *text, size_t len, struct ignore **ret)
{
	struct ignore *ig = ARENA_NEW(a, struct ignore);
	char *all = arena_strndup(a, text, len), *save = NULL;
	size_t max = 1;

	for (const char *p = all; *p; p++)
		max += *p == '\n';
	ig->lines = ARENA_ARRAY(a, struct line, max);
	if (str_starts(all, "\xef\xbb\xbf"))
		all += 3;
	for (char *at = strtok_r(all, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
		struct line l = { 0 };
		char *p = at;

		if (*p == '#')
			continue;
		p = str_trim(p);
		if (*p == '!') {
			l.back = true;
			p = str_trim(p + 1);
		}
		if (!*p)
			continue;
		l.pattern = inroot_clean(p);
		ES_TRY(es_err_in(goglob_check(l.pattern), "%s", at));
		ig->any_back |= l.back;
		ig->lines[ig->n++] = l;
	}
	*ret = ig;
	return NULL;
}

/* Does the pattern match PATH or one of the directories that it is in? */
static bool covers(const char *pattern, const char *path)
{
	es_autofree char *part = es_xstrdup(path);

	for (;;) {
		char *slash;

		if (goglob_match(pattern, part, true))
			return true;
		slash = strrchr(part, '/');
		if (!slash)
			return false;
		*slash = 0;
	}
}

bool ignore_has(const struct ignore *ig, const char *path)
{
	bool out = false;

	for (size_t i = 0; i < ig->n; i++)
		if (*ig->lines[i].pattern && ig->lines[i].back == out && covers(ig->lines[i].pattern, path))
			out = !ig->lines[i].back;
	return out;
}

bool ignore_may_return(const struct ignore *ig, const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < ig->n; i++) {
		const char *p = ig->lines[i].pattern;
		size_t plain = strcspn(p, "*?[\\");

		/* a pattern with a star early on may lead anywhere; one without leads where it says */
		if (ig->lines[i].back && ((p[plain] && plain <= n) || (strncmp(p, path, n) == 0 && p[n] == '/')))
			return true;
	}
	return false;
}

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

es_err *ignore_apply(int dirfd, const char *dockerfile)
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
	return ig->n ? apply_dir(ig, dirfd, "", 0) : NULL;
}

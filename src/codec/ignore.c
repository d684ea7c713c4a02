/* SPDX-License-Identifier: Apache-2.0 */
/* ignore.c: .dockerignore. */
#include "codec/ignore.h"

#include "base/str.h"
#include "codec/goglob.h"

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
		l.pattern = str_clean_path(p);
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

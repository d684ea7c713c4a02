/* SPDX-License-Identifier: Apache-2.0 */
/* route.c: patterns of paths, and versions. */
#include "api/route.h"

#include <stdio.h>

#include "api/api.h"
#include "base/str.h"

#define TARGET_MAX 65536 /* bytes; longer ones are not accepted in the first place */

static bool match(struct arena *a, const char *pattern, const char *path, const char **args, size_t n)
{
	while (*pattern && *pattern != '{') {
		if (*pattern++ != *path++)
			return false;
	}
	if (!*pattern)
		return !*path;
	if (n == REQ_ARGS_MAX)
		return false;
	bool any = pattern[1] == '*';
	const char *rest = pattern + (any ? 3 : 2);
	size_t max = any ? strlen(path) : strcspn(path, "/");

	for (size_t len = max; len > 0; len--) {
		if (!match(a, rest, path + len, args, n + 1))
			continue;
		args[n] = arena_strndup(a, path, len);
		return true;
	}
	return false;
}

bool route_match(struct arena *a, const char *pattern, const char *path, const char **args)
{
	return match(a, pattern, path, args, 0);
}

/* "1.45.1" against 145 and the like; missing parts are 0. Returns <0, 0, >0. */
static int version_compare(const char *text, unsigned than)
{
	unsigned major = 0, minor = 0, micro = 0;

	(void)sscanf(text, "%4u.%4u.%4u", &major, &minor, &micro);
	if (major != than / 100)
		return major < than / 100 ? -1 : 1;
	if (minor != than % 100)
		return minor < than % 100 ? -1 : 1;
	return micro ? 1 : 0;
}

bool route_is_clean(const char *path)
{
	return !strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../");
}

const char *route_clean(struct arena *a, const char *path)
{
	es_autostrv names = strv_split(str_clean_path(arena_strdup(a, path)), '/');
	es_autobuf out = ES_BUF(TARGET_MAX);

	for (size_t i = 0; names[i]; i++) {
		es_buf_addc(&out, '/');
		http_escape(&out, names[i]);
	}
	if (str_ends(path, "/") && out.len > 1)
		es_buf_addc(&out, '/');
	return arena_strdup(a, es_buf_str(&out));
}

es_err *route_version(const char **path, unsigned *ret_version)
{
	const char *p = *path;
	char text[16];
	size_t n;

	*ret_version = ROUTE_VERSION_MAX;
	n = p[0] == '/' && p[1] == 'v' ? strspn(p + 2, "0123456789.") : 0;
	if (!n || p[2 + n] != '/')
		return NULL;
	*path = p + 2 + n;
	(void)snprintf(text, sizeof text, "%.*s", (int)n, p + 2);
	if (version_compare(text, ROUTE_VERSION_MAX) > 0)
		return es_err_new(ES_E_INVALID, "client version %s is too new. Maximum supported API version is " API_VERSION, text);
	if (version_compare(text, ROUTE_VERSION_MIN) < 0)
		return es_err_new(ES_E_INVALID,
				  "client version %s is too old. Minimum supported API version is " API_VERSION_MIN
				  ", please upgrade your client to a newer version",
				  text);
	for (unsigned v = ROUTE_VERSION_MIN; v <= ROUTE_VERSION_MAX; v++)
		if (version_compare(text, v) == 0)
			*ret_version = v;
	return NULL;
}

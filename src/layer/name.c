/* SPDX-License-Identifier: Apache-2.0 */
/* name.c: paths by their text alone. */
#include "layer/name.h"

char *name_clean(struct arena *a, const char *path)
{
	char *out = arena_alloc(a, strlen(path) + 2), *end = out;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			if (end == out)
				return NULL;
			while (end > out && *--end != '/')
				;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			if (end > out)
				*end++ = '/';
			memcpy(end, path, n);
			end += n;
		}
		path += n;
		path += strspn(path, "/");
	}
	*end = '\0';
	return *out ? out : strcpy(out, ".");
}

const char *name_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

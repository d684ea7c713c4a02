/* SPDX-License-Identifier: Apache-2.0 */
/* mountinfo.c: a descriptor's fdinfo has the mount's id, mountinfo has the row of that id. */
#include "sys/mountinfo.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/str.h"

#define MOUNTINFO_MAX ((size_t)64 << 20) /* bytes; the kernel allows 100,000 mounts */
#define MOUNTINFO_POINT 4                /* field of the row, from 0 */
#define MOUNTINFO_OPTIONAL 6             /* first of the optional fields, which end with "-" */

static es_err *mount_id(const char *path, long *ret)
{
	es_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
	es_autofree char *name = NULL, *text = NULL;
	const char *at;

	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	name = es_xasprintf("/proc/self/fdinfo/%d", fd);
	ES_TRY(file_read(AT_FDCWD, name, 4096, &text, NULL));
	at = strstr(text, "mnt_id:");
	if (!at)
		return es_err_new(ES_E_PROTOCOL, "%s: no mnt_id", name);
	*ret = strtol(at + strlen("mnt_id:"), NULL, 10);
	return NULL;
}

/* The kernel writes blanks and backslashes as three octal digits. */
static char *unescape(struct arena *a, const char *in)
{
	char *out = arena_strdup(a, in), *to = out;

	for (const char *p = in; *p; p++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
			*to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return out;
}

static es_err *read_row(struct arena *a, char *row, struct mountinfo *ret)
{
	es_autostrv words = strv_split(row, ' ');
	struct mountinfo m = { 0 };

	if (strv_len(words) <= MOUNTINFO_OPTIONAL)
		return es_err_new(ES_E_PROTOCOL, "mountinfo: a row of %zu fields", strv_len(words));
	m.point = unescape(a, words[MOUNTINFO_POINT]);
	for (char **w = words + MOUNTINFO_OPTIONAL; *w && !str_eq(*w, "-"); w++) {
		m.shared |= str_starts(*w, "shared:");
		m.slave |= str_starts(*w, "master:");
	}
	*ret = m;
	return NULL;
}

es_err *mountinfo_of(struct arena *a, const char *path, struct mountinfo *ret)
{
	es_autofree char *text = NULL;
	long id = 0;

	ES_TRY(mount_id(path, &id));
	ES_TRY(file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL));
	for (char *row = text, *end; *row; row = end) {
		end = strchrnul(row, '\n');
		if (*end)
			*end++ = '\0';
		if (strtol(row, NULL, 10) == id)
			return read_row(a, row, ret);
	}
	return es_err_new(ES_E_NOT_FOUND, "%s: its mount is not in mountinfo", path);
}

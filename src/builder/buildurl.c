/* SPDX-License-Identifier: Apache-2.0 */
/* buildurl.c: sources of ADD that come from the web. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "builder/builder_priv.h"

#define UNNAMED "__unnamed__"
#define HASHED_AT_ONCE (64u << 10)

bool buildurl_is(const char *text)
{
	return str_starts(text, "http://") || str_starts(text, "https://");
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The last component of the URL's path, decoded; NULL if it is none that a file could have. */
static const char *name_in(struct arena *a, const char *url)
{
	const char *host = strstr(url, "://") + 3, *path = host + strcspn(host, "/?#");
	char *text = arena_strndup(a, path, strcspn(path, "?#")), *to = text, *slash;

	for (const char *p = text; *p; p++) {
		int high = *p == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;

		*to++ = low >= 0 ? (char)(high * 16 + low) : *p;
		p += low >= 0 ? 2 : 0;
	}
	*to = '\0';
	slash = strrchr(text, '/');
	text = slash ? slash + 1 : text;
	return *text && !str_eq(text, ".") && !str_eq(text, "..") ? text : NULL;
}

static void tell(void *self, uint64_t current, uint64_t total)
{
	struct build *b = self;
	const char *line = arena_printf(b->a, "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":%" PRIu64 ",\"total\":%" PRIu64 "}}",
					current, total);

	b->out->json(b->out->self, line, strlen(line));
}

static es_err *check_sum(int fd, const char *want)
{
	es_autofree char *buffer = es_xmalloc(HASHED_AT_ONCE);
	char got[7 + SHA256_HEX + 1] = "sha256:";
	struct sha256 sum;
	off_t at = 0;

	if (!want)
		return NULL;
	sha256_init(&sum);
	for (ssize_t n; (n = pread(fd, buffer, HASHED_AT_ONCE, at)) != 0; at += n) {
		if (n < 0)
			return es_err_sys(errno, "read what was fetched");
		sha256_add(&sum, buffer, (size_t)n);
	}
	sha256_end_hex(&sum, got + 7);
	return str_eq(got, want) ? NULL : es_err_new(ES_E_INVALID, "digest mismatch %s: %s", got, want);
}

/* The file at DIR/data, with all that the answer says of it. */
static es_err *fetch_file(struct build *b, const char *url, int tmp, const char *path, const char *checksum, struct fetch_file *ret)
{
	const struct fetch *fetch = builder_fetch(b->builder);
	const struct fetch_progress progress = { tell, b };
	es_autoclose int fd = openat(tmp, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct timespec times[2] = { 0 };

	if (fd < 0)
		return es_err_sys(errno, "make %s", path);
	ES_TRY(fetch->ops->get(fetch->self, b->a, url, fd, b->opts->cancel_fd, &progress, ret));
	ES_TRY(check_sum(fd, checksum));
	if (ret->modified != INT64_MIN)
		times[0].tv_sec = times[1].tv_sec = ret->modified;
	return futimens(fd, times) < 0 ? es_err_sys(errno, "set the time of %s", path) : NULL;
}

es_err *buildurl_fetch(struct build *b, const char *url, const char *checksum, size_t n, const char **ret_path, bool *ret_named)
{
	const char *dir = arena_printf(b->a, "%zu-%u-url%zu", b->at, b->step, n), *part = arena_printf(b->a, "%s/.part", dir), *name, *path;
	struct fetch_file got;
	int tmp;

	ES_TRY(build_tmp(b, &tmp));
	ES_TRY(file_mkdir_p(tmp, dir, 0700));
	ES_TRY(fetch_file(b, url, tmp, part, checksum, &got));
	name = name_in(b->a, url);
	if (!name)
		name = got.name && !strchr(got.name, '/') ? got.name : NULL;
	path = arena_printf(b->a, "%s/%s", dir, name ? name : UNNAMED);
	if (renameat(tmp, part, tmp, path) < 0)
		return es_err_sys(errno, "%s", path);
	*ret_path = path;
	*ret_named = name != NULL;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* logread.c: the reader of json-file logs. */
#include "engine/logread.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#define FILES_MAX 128 /* rotated files looked at */
#define READ_BYTES (32u << 10)

/* Files are opened oldest first, so a rotation meanwhile renames files that we hold: nothing is read twice or lost unless more
 * files are rotated away than exist. */
struct logread {
	char *path;
	int fds[FILES_MAX];
	size_t n, at;      /* files, and the one being read */
	struct es_buf in;  /* bytes read */
	size_t start;      /* of the next line in IN */
	size_t scan;       /* up to here IN holds no line end behind START */
	bool skipping;     /* the rest of an overlong line */
	struct arena *arena; /* of the last entry */
	int watch;
};

static int open_rotated(const char *path, size_t k)
{
	es_autofree char *name = k ? es_xasprintf("%s.%zu", path, k) : es_xstrdup(path);

	return open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* All files, oldest first. */
static void open_all(struct logread *l)
{
	int newest_first[FILES_MAX];
	size_t n = 0;

	for (size_t k = 0; k < FILES_MAX; k++) {
		int fd = open_rotated(l->path, k);

		if (fd < 0 && k)
			break;
		if (fd >= 0)
			newest_first[n++] = fd;
	}
	for (size_t i = 0; i < n; i++)
		l->fds[i] = newest_first[n - 1 - i];
	l->n = n;
}

/* Offset behind the line end that has WANT complete lines after it in FD; *WANT is how many are still missing when the file has
 * fewer (then 0 is returned). */
static off_t tail_offset(int fd, int64_t *want)
{
	char bytes[READ_BYTES];
	off_t end = lseek(fd, 0, SEEK_END), at = end;
	int64_t seen = 0;

	while (at > 0) {
		size_t n = at < (off_t)sizeof bytes ? (size_t)at : sizeof bytes;

		at -= (off_t)n;
		if (pread(fd, bytes, n, at) != (ssize_t)n)
			return 0;
		for (size_t i = n; i-- > 0;) {
			/* The last line end of the file closes the last line; the next one before it opens it. */
			if (bytes[i] == '\n' && seen++ == *want)
				return at + (off_t)i + 1;
		}
	}
	*want -= seen;
	return 0;
}

static void seek_tail(struct logread *l, int64_t tail)
{
	size_t i = l->n;

	while (i-- > 0) {
		int64_t want = tail;
		off_t at = tail_offset(l->fds[i], &want);

		l->at = i;
		(void)lseek(l->fds[i], at, SEEK_SET);
		if (at > 0 || want <= 0)
			return;
		tail = want;
	}
}

es_err *logread_open(const char *path, int64_t tail, struct logread **ret)
{
	struct logread *l = ES_NEW(struct logread);

	l->path = es_xstrdup(path);
	l->in = ES_BUF(LOGREAD_LINE_MAX + READ_BYTES);
	l->watch = -1;
	open_all(l);
	if (tail >= 0)
		seek_tail(l, tail);
	*ret = l;
	return NULL;
}

void logread_close(struct logread *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		es_close(l->fds[i]);
	es_close(l->watch);
	es_buf_done(&l->in);
	arena_free(l->arena);
	free(l->path);
	free(l);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* The file that follows the last one we know, if there was a rotation since. */
static bool find_newer(struct logread *l)
{
	int newer = -1;

	for (size_t k = 0; k < FILES_MAX; k++) {
		int fd = open_rotated(l->path, k);

		if (fd < 0 && k)
			break;
		if (fd >= 0 && l->n && same_file(fd, l->fds[l->n - 1])) {
			es_close(fd);
			break;
		}
		if (fd >= 0) {
			es_close(newer);
			newer = fd;
		}
	}
	if (newer < 0)
		return false;
	l->fds[l->n++] = newer; /* advance() keeps the list short */
	return true;
}

/* On to the next file; those behind are closed. */
static void advance(struct logread *l)
{
	for (size_t i = 0; i <= l->at; i++)
		es_close(l->fds[i]);
	l->n -= l->at + 1;
	memmove(l->fds, l->fds + l->at + 1, l->n * sizeof l->fds[0]);
	l->at = 0;
}

/* More bytes into IN; false at the end. */
static es_err *fill(struct logread *l, bool *ret_more)
{
	*ret_more = false;
	es_buf_consume(&l->in, l->start);
	l->scan -= l->start;
	l->start = 0;
	for (;;) {
		char *room = es_buf_reserve(&l->in, READ_BYTES);
		ssize_t n;

		if (l->at < l->n) {
			n = file_read_some(l->fds[l->at], room, READ_BYTES);
			if (n < 0)
				return es_err_sys(errno, "read log");
			if (n > 0) {
				es_buf_commit(&l->in, (size_t)n);
				*ret_more = true;
				return NULL;
			}
		}
		/* The end of the newest file may be the end of it for good. */
		if (l->at + 1 >= l->n && !find_newer(l))
			return NULL;
		if (l->at + 1 < l->n)
			advance(l);
	}
}

/* Take the line that ends at NL. */
static void take_line(struct logread *l, const char *nl, const char **ret, size_t *ret_n)
{
	*ret = l->in.p + l->start;
	*ret_n = (size_t)(nl - *ret);
	l->start += *ret_n + 1;
	l->scan = l->start;
}

/* The next whole line, without its end; false when there is none yet. */
static es_err *next_line(struct logread *l, const char **ret, size_t *ret_n, bool *ret_got)
{
	for (;;) {
		const char *nl = l->in.len > l->scan ? memchr(l->in.p + l->scan, '\n', l->in.len - l->scan) : NULL;

		if (nl) {
			take_line(l, nl, ret, ret_n);
			*ret_got = !l->skipping;
			l->skipping = false;
			if (*ret_got)
				return NULL;
			continue;
		}
		l->scan = l->in.len;
		if (l->in.len - l->start >= LOGREAD_LINE_MAX) {
			l->skipping = true;
			l->start = l->in.len;
		}
		ES_TRY(fill(l, ret_got));
		if (!*ret_got)
			return NULL;
	}
}

static bool decode(struct logread *l, const char *line, size_t n, struct logread_entry *ret)
{
	const struct json *log, *attrs;
	struct json *doc;
	es_err *err;

	arena_free(l->arena);
	l->arena = arena_new();
	err = json_parse(l->arena, line, n, &doc);
	log = err ? NULL : json_get(doc, "log");
	if (!err && (!json_is(log, JSON_STRING) || !json_str(json_get(doc, "time"))))
		err = es_err_new(ES_E_INVALID, "not a log line");
	if (!err)
		err = clock_parse(json_str(json_get(doc, "time")), &ret->time_ns);
	if (err) {
		es_err_drop(err);
		return false;
	}
	attrs = json_get(doc, "attrs");
	ret->text = log->text;
	ret->len = log->len;
	ret->is_stderr = str_eq(json_str(json_get(doc, "stream")), "stderr");
	ret->attrs = json_is(attrs, JSON_OBJECT) ? attrs : NULL;
	return true;
}

es_err *logread_next(struct logread *l, struct logread_entry *ret, bool *ret_got)
{
	const char *line;
	size_t n;

	for (;;) {
		ES_TRY(next_line(l, &line, &n, ret_got));
		if (!*ret_got)
			return NULL;
		if (decode(l, line, n, ret))
			return NULL;
	}
}

/* "a=b,c=d " of the driver's extra attributes. */
static void add_details(struct es_buf *b, const struct json *attrs)
{
	JSON_EACH(at, attrs)
		es_buf_printf(b, "%s%s=%s", at == attrs->first ? "" : ",", at->key, json_str(at) ? json_str(at) : "");
	es_buf_addc(b, ' ');
}

void logread_format(struct es_buf *out, const struct logread_entry *e, unsigned form)
{
	size_t start = out->len, n;
	char time[CLOCK_TEXT_MAX];

	if (form & LOGREAD_FRAMED)
		es_buf_add(out, (const char[8]){ e->is_stderr ? 2 : 1 }, 8);
	if (form & LOGREAD_TIMESTAMPS)
		es_buf_printf(out, "%s ", clock_rfc3339_fixed(e->time_ns, time));
	if (form & LOGREAD_DETAILS)
		add_details(out, e->attrs);
	es_buf_add(out, e->text, e->len);
	if (!(form & LOGREAD_FRAMED) || out->overflow)
		return;
	n = out->len - start - 8;
	for (size_t i = 0; i < 4; i++)
		out->p[start + 4 + i] = (char)(n >> (8 * (3 - i)));
}

es_err *logread_watch(struct logread *l, int *ret_fd)
{
	const char *slash = strrchr(l->path, '/');
	es_autofree char *dir = slash ? es_xstrndup(l->path, (size_t)(slash - l->path) + 1) : es_xstrdup(".");

	if (l->watch < 0) {
		l->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (l->watch < 0 || inotify_add_watch(l->watch, dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF) < 0)
			return es_err_sys(errno, "watch log");
	}
	*ret_fd = l->watch;
	return NULL;
}

void logread_settle(struct logread *l)
{
	char bytes[4096];

	while (l->watch >= 0 && read(l->watch, bytes, sizeof bytes) > 0)
		;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* logfile.c: split into lines, encode as docker's encoder does, write, rotate. */
#include "monitor/logfile.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "monitor/lazy.h"

static const char *const stream_names[] = { [LOGFILE_STDOUT] = "stdout", [LOGFILE_STDERR] = "stderr" };
_Static_assert(ES_N(stream_names) == LOGFILE_STREAM_N, "a stream without a name");

static es_err *open_file(struct logfile *l, int flags)
{
	struct stat st;

	l->fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return es_err_sys(errno, "open log %s", l->path);
	l->size = l->good = st.st_size;
	return NULL;
}

es_err *logfile_open(struct logfile *l, const char *path, const char *attrs, int64_t max_size, int64_t max_file)
{
	l->fd = -1;
	l->path = path;
	l->attrs = attrs;
	l->max_size = max_size;
	l->max_file = max_file;
	if (!path)
		return NULL;
	l->out = lazy_new(LOGFILE_OUT);
	for (size_t i = 0; i < LOGFILE_STREAM_N; i++)
		l->lines[i].bytes = lazy_new(LOGFILE_LINE_MAX);
	return open_file(l, 0);
}

void logfile_done(struct logfile *l)
{
	es_close(l->fd);
	l->fd = -1;
}

void logfile_trim(struct logfile *l)
{
	if (!l->path)
		return;
	if (!l->out_len)
		lazy_trim(l->out, LOGFILE_OUT);
	for (size_t i = 0; i < LOGFILE_STREAM_N; i++)
		if (!l->lines[i].len)
			lazy_trim(l->lines[i].bytes, LOGFILE_LINE_MAX);
}

/* What is in the buffer and in the unfinished record is lost. */
static void drop_pending(struct logfile *l)
{
	l->dropped += l->pending;
	l->pending = 0;
	l->out_len = 0;
	l->size = l->good;
	if (l->fd >= 0 && ftruncate(l->fd, l->good) < 0) { /* cannot be: shrinking a file of our own */
		es_close(l->fd);
		l->fd = -1;
	}
}

/* Write the buffer; false: it is lost, and so is a record that goes on after it. */
static bool flush(struct logfile *l)
{
	if (!l->out_len)
		return true;
	if (l->fd < 0)
		es_err_drop(open_file(l, 0));
	if (l->fd >= 0) {
		es_err *err = file_write_all(l->fd, l->out, l->out_len);

		if (!err) {
			l->size += (int64_t)l->out_len;
			l->out_len = 0;
			return true;
		}
		es_err_drop(err);
	}
	drop_pending(l);
	return false;
}

/* PATH → PATH.1 → PATH.2 …, at most max_file files; with one file it is emptied. */
static void rotate(struct logfile *l)
{
	char from[PATH_MAX], to[PATH_MAX];

	logfile_done(l);
	for (int64_t i = l->max_file - 1; i > 0; i--) {
		snprintf(to, sizeof to, "%s.%lld", l->path, (long long)i);
		if (i > 1)
			snprintf(from, sizeof from, "%s.%lld", l->path, (long long)i - 1);
		else
			snprintf(from, sizeof from, "%s", l->path);
		rename(from, to); /* a gap in the row is fine */
	}
	l->size = l->good = 0; /* also when the new file cannot be made yet: the old ones must not move again */
	es_err_drop(open_file(l, l->max_file > 1 ? 0 : O_TRUNC));
}

static void put(struct logfile *l, const char *bytes, size_t n)
{
	while (n && !l->skip) {
		size_t room = LOGFILE_OUT - l->out_len, part = n < room ? n : room;

		memcpy(l->out + l->out_len, bytes, part);
		l->out_len += part;
		bytes += part;
		n -= part;
		if (l->out_len == LOGFILE_OUT && !flush(l))
			l->skip = true;
	}
}

static void puts_(struct logfile *l, const char *s)
{
	put(l, s, strlen(s));
}

/* Length of the valid UTF-8 sequence at P (RFC 3629), 0 if there is none. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char first, last, low, high, len; /* first byte's range, second byte's range */
	} rows[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t r = 0; r < ES_N(rows); r++) {
		if (p[0] < rows[r].first || p[0] > rows[r].last)
			continue;
		if (n < rows[r].len || p[1] < rows[r].low || p[1] > rows[r].high)
			return 0;
		for (size_t i = 2; i < rows[r].len; i++)
			if ((p[i] & 0xc0) != 0x80)
				return 0;
		return rows[r].len;
	}
	return 0;
}

/* How many of the N bytes at P stand for themselves inside a JSON string. */
static size_t plain_len(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\' && p[i] != '<' && p[i] != '>' &&
	       p[i] != '&')
		i++;
	return i;
}

/* The byte or sequence at P that does not; returns its length. */
static size_t put_special(struct logfile *l, const unsigned char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t len;

	if (p[0] == '"' || p[0] == '\\') {
		put(l, (char[]){ '\\', (char)p[0] }, 2);
		return 1;
	}
	if (p[0] == '\n' || p[0] == '\r') {
		put(l, p[0] == '\n' ? "\\n" : "\\r", 2);
		return 1;
	}
	if (p[0] < 0x80) {
		put(l, (char[]){ '\\', 'u', '0', '0', hex[p[0] >> 4], hex[p[0] & 0xf] }, 6);
		return 1;
	}
	len = utf8_len(p, n);
	if (len == 0) {
		puts_(l, "\\ufffd");
		return 1;
	}
	if (len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) /* U+2028, U+2029 */
		puts_(l, p[2] == 0xa8 ? "\\u2028" : "\\u2029");
	else
		put(l, (const char *)p, len);
	return len;
}

static void put_string(struct logfile *l, const char *bytes, size_t n)
{
	const unsigned char *p = (const unsigned char *)bytes;

	for (size_t i = 0; i < n;) {
		size_t plain = plain_len(p + i, n - i);

		put(l, bytes + i, plain);
		i += plain;
		if (i < n)
			i += put_special(l, p + i, n - i);
	}
}

static void write_record(struct logfile *l, enum logfile_stream s, const char *bytes, size_t n, int64_t when)
{
	char time[CLOCK_TEXT_MAX];

	if (!l->path)
		return;
	if (l->max_size > 0 && l->size + (int64_t)l->out_len >= l->max_size && flush(l)) {
		l->good = l->size;
		l->pending = 0;
		rotate(l);
	}
	if (!l->out_len) { /* else the buffer holds the ends of whole records */
		l->good = l->size;
		l->pending = 0;
	}
	l->pending++;
	l->skip = false;
	puts_(l, "{\"log\":\"");
	put_string(l, bytes, n);
	puts_(l, "\",\"stream\":\"");
	puts_(l, stream_names[s]);
	puts_(l, "\"");
	if (l->attrs) {
		puts_(l, ",\"attrs\":");
		puts_(l, l->attrs);
	}
	puts_(l, ",\"time\":\"");
	puts_(l, clock_rfc3339(when, time));
	puts_(l, "\"}\n");
	l->skip = false;
}

/* The most of N bytes that does not end inside a character (docker cuts there and garbles both halves). */
static size_t whole_chars(const char *bytes, size_t n)
{
	for (size_t back = 1; back <= 3 && back < n; back++) {
		unsigned char c = (unsigned char)bytes[n - back];

		if (c < 0x80)
			return n;
		if (c >= 0xc0) { /* a first byte: does its sequence fit? */
			size_t want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

			return want > back ? n - back : n;
		}
	}
	return n;
}

static void write_line(struct logfile *l, enum logfile_stream s, bool whole, int64_t now)
{
	struct logfile_line *line = &l->lines[s];
	size_t n = whole ? line->len : whole_chars(line->bytes, line->len);

	write_record(l, s, line->bytes, n, line->since ? line->since : now);
	if (!line->since)
		line->since = now; /* every piece of a line has the time of its first, as with docker */
	if (whole)
		line->since = 0;
	memmove(line->bytes, line->bytes + n, line->len - n);
	line->len -= n;
}

void logfile_feed(struct logfile *l, enum logfile_stream s, const char *bytes, size_t n, int64_t now)
{
	struct logfile_line *line = &l->lines[s];

	if (!l->path)
		return;
	while (n) {
		size_t room = LOGFILE_LINE_MAX - line->len, look = n < room ? n : room;
		const char *end = memchr(bytes, '\n', look);
		size_t take = end ? (size_t)(end - bytes) + 1 : look;

		if (end && !line->len && !line->since) {
			write_record(l, s, bytes, take, now);
		} else {
			memcpy(line->bytes + line->len, bytes, take);
			line->len += take;
			if (end || line->len == LOGFILE_LINE_MAX)
				write_line(l, s, end != NULL, now);
		}
		bytes += take;
		n -= take;
	}
	if (flush(l))
		l->good = l->size;
	l->pending = 0;
}

void logfile_end(struct logfile *l, enum logfile_stream s, int64_t now)
{
	if (l->path && l->lines[s].len)
		write_line(l, s, true, now);
	l->lines[s].since = 0;
	if (flush(l))
		l->good = l->size;
	l->pending = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_logfile.c: the text of log lines, long lines in pieces, rotation, a disk that is full. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/json.h"
#include "monitor/logfile.h"

#define NOON INT64_C(1700000000500000000)
#define NOON_TEXT "2023-11-14T22:13:20.5Z"

struct bench {
	char dir[64], path[96];
	struct logfile *l;
};

static void begin(struct bench *b, const char *attrs, int64_t max_size, int64_t max_file)
{
	strcpy(b->dir, "/tmp/estiba-logfile-XXXXXX");
	CHECK(mkdtemp(b->dir));
	snprintf(b->path, sizeof b->path, "%s/log", b->dir);
	b->l = ES_NEW(struct logfile);
	CHECK_OK(logfile_open(b->l, b->path, attrs, max_size, max_file));
}

static char *contents(const struct bench *b, const char *suffix)
{
	es_autofree char *path = es_xasprintf("%s%s", b->path, suffix);
	char *text = NULL;
	es_err *err = file_read(AT_FDCWD, path, 1 << 24, &text, NULL);

	if (!err)
		return text;
	es_err_drop(err);
	return NULL;
}

static void end(struct bench *b)
{
	logfile_done(b->l);
	free(b->l);
	CHECK_OK(file_remove_tree(AT_FDCWD, b->dir));
}

static void text_rows(void)
{
	static const struct {
		const char *in, *log;
	} rows[] = {
		{ "hello\n", "hello\\n" },
		{ "\n", "\\n" },
		{ "a\"b\\c\n", "a\\\"b\\\\c\\n" },
		{ "tab\there\r\n", "tab\\u0009here\\r\\n" },
		{ "<&>\n", "\\u003c\\u0026\\u003e\\n" },
		{ "\x1b[1mé€😀\x7f\n", "\\u001b[1mé€😀\x7f\\n" },
		{ "bad\xff\xc3(\n", "bad\\ufffd\\ufffd(\\n" },
		{ "cut\xe2\x82\n", "cut\\ufffd\\ufffd\\n" },
		{ "surrogate\xed\xa0\x80\n", "surrogate\\ufffd\\ufffd\\ufffd\\n" },
		{ "\xe2\x80\xa8\xe2\x80\xa9\n", "\\u2028\\u2029\\n" },
		{ "no end", "no end" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		struct bench b;
		es_autofree char *want = es_xasprintf("{\"log\":\"%s\",\"stream\":\"stderr\",\"time\":\"" NOON_TEXT "\"}\n",
						      rows[i].log);
		es_autofree char *got = NULL;

		begin(&b, NULL, 0, 1);
		logfile_feed(b.l, LOGFILE_STDERR, rows[i].in, strlen(rows[i].in), NOON);
		logfile_end(b.l, LOGFILE_STDERR, NOON);
		got = contents(&b, "");
		CHECK_STR(got, want);
		end(&b);
	}
}

static void attrs_and_two_streams(void)
{
	struct bench b;
	es_autofree char *got = NULL;

	begin(&b, "{\"tag\":\"x\"}", 0, 1);
	logfile_feed(b.l, LOGFILE_STDOUT, "o1 ", 3, NOON);
	logfile_feed(b.l, LOGFILE_STDERR, "e\n", 2, NOON);
	logfile_feed(b.l, LOGFILE_STDOUT, "o2\nrest", 7, NOON);
	got = contents(&b, "");
	CHECK_STR(got, "{\"log\":\"e\\n\",\"stream\":\"stderr\",\"attrs\":{\"tag\":\"x\"},\"time\":\"" NOON_TEXT "\"}\n"
		       "{\"log\":\"o1 o2\\n\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"x\"},\"time\":\"" NOON_TEXT "\"}\n");
	end(&b);
}

/* A line longer than a piece: pieces have no newline, one time, and never half a character. */
static void long_line_in_pieces(void)
{
	struct bench b;
	es_autoarena *a = arena_new();
	es_autofree char *got = NULL, *line = es_xmalloc(50001);
	es_autobuf joined = ES_BUF(1 << 20);
	size_t pieces = 0, used;

	line[0] = 'x'; /* so that 16384 falls inside an é */
	for (size_t i = 1; i < 50000 - 1; i += 2)
		memcpy(line + i, "é", 2);
	line[49999] = '\n';
	begin(&b, NULL, 0, 1);
	for (size_t i = 0; i < 50000; i += 777)
		logfile_feed(b.l, LOGFILE_STDOUT, line + i, 50000 - i < 777 ? 50000 - i : 777, NOON + (int64_t)i);
	logfile_feed(b.l, LOGFILE_STDOUT, "next\n", 5, NOON + 1000000);
	got = contents(&b, "");
	for (const char *at = got; *at; at += used + 1, pieces++) {
		struct json *entry;

		CHECK_OK(json_parse_prefix(a, at, strlen(at), &entry, &used));
		CHECK(json_get(entry, "log")->len <= LOGFILE_LINE_MAX);
		es_buf_add(&joined, json_get(entry, "log")->text, json_get(entry, "log")->len);
	}
	CHECK_INT(pieces, 5);
	CHECK_INT(joined.len, 50005);
	CHECK(memcmp(joined.p, line, 50000) == 0);
	CHECK_STR(joined.p + 50000, "next\n");
	end(&b);
}

static size_t lines_of(const char *text)
{
	size_t n = 0;

	for (; text && *text; text++)
		n += *text == '\n';
	return n;
}

static void rotation_rows(void)
{
	static const struct {
		int64_t max_file;
		size_t lines[4]; /* in log, log.1, log.2, log.3 after 25 lines of which ten fill a file */
	} rows[] = {
		{ 1, { 5 } }, { 2, { 5, 10 } }, { 3, { 5, 10, 10 } }, { 9, { 5, 10, 10 } }, { 0, { 5 } },
	};
	for (size_t r = 0; r < ES_N(rows); r++) {
		struct bench b;
		char text[8];

		begin(&b, NULL, 666, rows[r].max_file); /* a line has 74 bytes: nine are 666 */
		for (int i = 0; i < 25; i++) {
			snprintf(text, sizeof text, "%04d\n", i);
			logfile_feed(b.l, LOGFILE_STDOUT, text, 5, NOON);
		}
		for (int f = 0; f < 4; f++) {
			char suffix[4] = { '.', (char)('0' + f), '\0' };
			es_autofree char *got = contents(&b, f ? suffix : "");

			CHECK_INT(lines_of(got), rows[r].lines[f]);
		}
		end(&b);
	}
}

/* RLIMIT_FSIZE plays the full disk: whole lines only, the rest is counted, and it goes on when there is room. */
static void full_disk_drops_and_counts(void)
{
	struct bench b;
	struct rlimit old, low = { 1000, RLIM_INFINITY };
	es_autofree char *full = NULL, *after = NULL, *big = es_xmalloc(12000);

	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	begin(&b, NULL, 0, 1);
	low.rlim_max = old.rlim_max;
	memset(big, 'b', 12000);
	big[11999] = '\n';
	logfile_feed(b.l, LOGFILE_STDOUT, "first\n", 6, NOON);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &low), 0);
	logfile_feed(b.l, LOGFILE_STDOUT, big, 12000, NOON);
	logfile_feed(b.l, LOGFILE_STDOUT, big, 12000, NOON);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	full = contents(&b, "");
	CHECK_INT(lines_of(full), 1);
	CHECK_INT(b.l->dropped, 2);
	logfile_feed(b.l, LOGFILE_STDOUT, "last\n", 5, NOON);
	after = contents(&b, "");
	CHECK_INT(lines_of(after), 2);
	CHECK(strstr(after, "last"));
	end(&b);
}

CHECK_MAIN(TEST(text_rows), TEST(attrs_and_two_streams), TEST(long_line_in_pieces), TEST(rotation_rows),
	   TEST(full_disk_drops_and_counts))

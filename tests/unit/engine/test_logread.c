/* SPDX-License-Identifier: Apache-2.0 */
/* test_logread.c: logs from the start, from the end, across rotations, and while they grow. */
#include "engine/logread.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "base/file.h"
#include "base/str.h"
#include "check.h"

struct place {
	char dir[32], path[64];
};

static void place_new(struct place *p)
{
	strcpy(p->dir, "/tmp/estiba-log-XXXXXX");
	CHECK(mkdtemp(p->dir) != NULL);
	(void)snprintf(p->path, sizeof p->path, "%s/log", p->dir);
}

static void place_done(struct place *p)
{
	CHECK_OK(file_remove_tree(AT_FDCWD, p->dir));
}

/* Append lines "FROM\n" … "TO\n" to the file called PATH + SUFFIX. */
static void put(struct place *p, const char *suffix, int from, int to)
{
	es_autofree char *name = es_xasprintf("%s%s", p->path, suffix);
	FILE *f = fopen(name, "ae");

	CHECK(f != NULL);
	for (int i = from; i <= to; i++)
		fprintf(f, "{\"log\":\"%d\\n\",\"stream\":\"%s\",\"time\":\"2026-01-02T03:04:05.%09dZ\"}\n", i, i % 2 ? "stdout" : "stderr", i);
	fclose(f);
}

/* Numbers from FROM to TO follow, then the end. */
static void expect(struct logread *l, int from, int to)
{
	struct logread_entry e;
	bool got;

	for (int i = from; i <= to; i++) {
		char want[16];
		int n = snprintf(want, sizeof want, "%d\n", i);

		CHECK_OK(logread_next(l, &e, &got));
		CHECK(got);
		CHECK_INT(e.len, n);
		CHECK_STR(e.text, want);
		CHECK_INT(e.is_stderr, i % 2 == 0);
	}
	CHECK_OK(logread_next(l, &e, &got));
	CHECK(!got);
}

static void tails_across_files(void)
{
	static const int tails[] = { -1, 0, 1, 3, 4, 9, 10, 11, 5000, 11999, 12000, 12001, 99999 };
	struct place p;

	place_new(&p);
	put(&p, ".2", 1, 2000);
	put(&p, ".1", 2001, 11990);
	put(&p, "", 11991, 12000);
	for (size_t i = 0; i < ES_N(tails); i++) {
		struct logread *l;
		int from = tails[i] < 0 || tails[i] > 12000 ? 1 : 12000 - tails[i] + 1;

		CHECK_OK(logread_open(p.path, tails[i], &l));
		expect(l, from, 12000);
		logread_close(l);
	}
	place_done(&p);
}

static void grows_and_rotates(void)
{
	struct place p;
	struct logread *l;
	es_autofree char *one = NULL, *two = NULL;

	place_new(&p);
	one = es_xasprintf("%s.1", p.path);
	two = es_xasprintf("%s.2", p.path);
	CHECK_OK(logread_open(p.path, -1, &l)); /* before it exists */
	expect(l, 1, 0);
	put(&p, "", 1, 3);
	expect(l, 1, 3);
	put(&p, "", 4, 5);
	CHECK(rename(p.path, one) == 0);
	put(&p, "", 6, 7);
	expect(l, 4, 7);
	put(&p, "", 8, 8);
	CHECK(rename(one, two) == 0);
	CHECK(rename(p.path, one) == 0);
	expect(l, 8, 8); /* the new one is not there yet */
	put(&p, "", 9, 9);
	expect(l, 9, 9);
	logread_close(l);
	place_done(&p);
}

static void bad_lines_are_skipped(void)
{
	static const char *const bad[] = { "\n", "{}\n", "nonsense\n", "{\"log\":1,\"time\":\"x\"}\n" };
	es_autofree char *long_line = es_xmalloc(LOGREAD_LINE_MAX * 2);
	struct place p;
	struct logread *l;
	int fd;

	place_new(&p);
	put(&p, "", 1, 1);
	fd = open(p.path, O_WRONLY | O_APPEND | O_CLOEXEC);
	for (size_t i = 0; i < ES_N(bad); i++)
		CHECK_OK(file_write_all(fd, bad[i], strlen(bad[i])));
	memset(long_line, 'x', LOGREAD_LINE_MAX * 2);
	long_line[LOGREAD_LINE_MAX * 2 - 1] = '\n';
	CHECK_OK(file_write_all(fd, long_line, LOGREAD_LINE_MAX * 2));
	put(&p, "", 2, 3);
	CHECK_OK(file_write_all(fd, "{\"log\":\"half", 12));
	close(fd);
	CHECK_OK(logread_open(p.path, -1, &l));
	expect(l, 1, 3);
	logread_close(l);
	place_done(&p);
}

static void watch_tells(void)
{
	struct place p;
	struct logread *l;
	struct pollfd pfd = { .events = POLLIN };

	place_new(&p);
	put(&p, "", 1, 1);
	CHECK_OK(logread_open(p.path, -1, &l));
	CHECK_OK(logread_watch(l, &pfd.fd));
	CHECK_INT(poll(&pfd, 1, 0), 0);
	put(&p, "", 2, 2);
	CHECK_INT(poll(&pfd, 1, 1000), 1);
	logread_settle(l);
	CHECK_INT(poll(&pfd, 1, 0), 0);
	expect(l, 1, 2);
	logread_close(l);
	place_done(&p);
}

CHECK_MAIN(TEST(tails_across_files), TEST(grows_and_rotates), TEST(bad_lines_are_skipped), TEST(watch_tells))

/* SPDX-License-Identifier: Apache-2.0 */
/* test_journal.c: every field comes back through the table; the file stays bounded and in order. */
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "monitor/journal.h"

struct bench {
	char dir[64];
	int dir_fd;
	struct journal j;
};

static void begin(struct bench *b)
{
	strcpy(b->dir, "/tmp/estiba-journal-XXXXXX");
	CHECK(mkdtemp(b->dir));
	b->dir_fd = open(b->dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	CHECK_OK(journal_open(&b->j, b->dir_fd));
}

static void end(struct bench *b)
{
	journal_done(&b->j);
	close(b->dir_fd);
	CHECK_OK(file_remove_tree(AT_FDCWD, b->dir));
}

static void record_round_trip(void)
{
	struct bench b = { 0 };
	struct mon_record got = { 0 }, put = { .time = 1700000000123456789, .event = "die", .pid = 42, .start_ticks = 99,
		.exit_code = 137, .signal = 9, .oom = true, .error = "exec: \"x\": <no>\n", .health = "healthy",
		.restart_count = 3, .final = true };
	es_autoarena *a = arena_new();
	const char *line;
	uint64_t seq = 1;
	size_t len;

	begin(&b);
	CHECK_OK(journal_append(&b.j, &put));
	CHECK_OK(journal_line(&b.j, &seq, &line, &len));
	CHECK_OK(field_decode_text(a, mon_record_rows, line, len, &got));
	CHECK_INT(got.seq, 1);
	CHECK_INT(got.time, put.time);
	CHECK_STR(got.event, put.event);
	CHECK_INT(got.pid, put.pid);
	CHECK_INT(got.start_ticks, put.start_ticks);
	CHECK_INT(got.exit_code, put.exit_code);
	CHECK_INT(got.signal, put.signal);
	CHECK(got.oom && got.final);
	CHECK_STR(got.error, put.error);
	CHECK_STR(got.health, put.health);
	CHECK_INT(got.restart_count, put.restart_count);
	end(&b);
}

static void stays_bounded_and_in_order(void)
{
	struct bench b = { 0 };
	struct stat st;
	char want[32];
	const char *line;
	uint64_t seq;
	size_t len;

	begin(&b);
	for (int i = 0; i < 5000; i++)
		CHECK_OK(journal_append(&b.j, &(struct mon_record){ .event = "start", .pid = i }));
	CHECK_INT(fstatat(b.dir_fd, MON_FILE_JOURNAL, &st, 0), 0);
	CHECK_INT(st.st_size, b.j.size);
	CHECK(b.j.n >= MON_JOURNAL_KEEP && b.j.n <= 2 * MON_JOURNAL_KEEP);
	for (seq = 1;; seq++) {
		CHECK_OK(journal_line(&b.j, &seq, &line, &len));
		if (!len)
			break;
		snprintf(want, sizeof want, "{\"seq\":%d,", (int)seq);
		CHECK(str_starts(line, want));
	}
	CHECK_INT(seq, 5001);
	end(&b);
}

static void long_error_is_cut(void)
{
	struct bench b = { 0 };
	char text[100000];

	memset(text, '\x01', sizeof text);
	text[sizeof text - 1] = '\0';
	begin(&b);
	CHECK_OK(journal_append(&b.j, &(struct mon_record){ .event = "die", .error = text }));
	CHECK_OK(journal_append(&b.j, &(struct mon_record){ .event = "end" }));
	end(&b);
}

CHECK_MAIN(TEST(record_round_trip), TEST(stays_bounded_and_in_order), TEST(long_error_is_cut))

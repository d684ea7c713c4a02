/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c: append a line, cut the file to its newer half when it is full, read a line back. */
#include "monitor/journal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "codec/json.h"
#include "monitor/lazy.h"

#define JOURNAL_NEW "journal.new"
#define JOURNAL_ERROR_MAX 1000 /* bytes of an error text, before JSON makes up to six of one */

static es_err *open_new(int dir_fd, const char *name, int *ret_fd)
{
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return es_err_sys(errno, "open %s", name);
	*ret_fd = fd;
	return NULL;
}

es_err *journal_open(struct journal *j, int dir_fd)
{
	j->dir_fd = dir_fd;
	j->line = lazy_new(MON_RECORD_MAX);
	return open_new(dir_fd, MON_FILE_JOURNAL, &j->fd);
}

void journal_done(struct journal *j)
{
	es_close(j->fd);
	j->fd = -1;
}

static void add_str(struct es_buf *b, const char *name, const char *value)
{
	size_t n = strnlen(value ? value : "", JOURNAL_ERROR_MAX);

	if (!n)
		return;
	es_buf_printf(b, ",\"%s\":", name);
	json_write_str(b, value, n, 0);
}

static void add_i64(struct es_buf *b, const char *name, int64_t value)
{
	if (value)
		es_buf_printf(b, ",\"%s\":%" PRId64, name, value);
}

/* The same as encoding mon_record_rows, but in memory that was there before the container started: a die must be
 * written when no more memory is to be had. A unit test reads every field back through the table. */
static void encode(struct es_buf *b, const struct mon_record *r)
{
	char time[CLOCK_TEXT_MAX];

	es_buf_printf(b, "{\"seq\":%" PRIu64 ",\"time\":\"%s\",\"event\":\"%s\"", r->seq, clock_rfc3339(r->time, time), r->event);
	add_i64(b, "pid", r->pid);
	add_i64(b, "start_ticks", (int64_t)r->start_ticks);
	add_i64(b, "exit_code", r->exit_code);
	add_i64(b, "signal", r->signal);
	es_buf_adds(b, r->oom ? ",\"oom\":true" : "");
	add_str(b, "error", r->error);
	add_str(b, "health", r->health);
	add_i64(b, "restart_count", r->restart_count);
	es_buf_adds(b, r->final ? ",\"final\":true" : "");
	es_buf_adds(b, "}\n");
}

/* Copy the newer half into a new file and put it in the place of the old one. */
static es_err *cut(struct journal *j)
{
	size_t gone = j->n - MON_JOURNAL_KEEP;
	int64_t from = j->offsets[gone];
	es_autoclose int fd = -1;

	ES_TRY(open_new(j->dir_fd, JOURNAL_NEW, &fd));
	if (lseek(j->fd, from, SEEK_SET) < 0)
		return es_err_sys(errno, "seek in journal");
	ES_TRY(file_pump(j->fd, fd, NULL));
	if (renameat(j->dir_fd, JOURNAL_NEW, j->dir_fd, MON_FILE_JOURNAL) < 0)
		return es_err_sys(errno, "replace journal");
	for (size_t i = gone; i < j->n; i++)
		j->offsets[i - gone] = j->offsets[i] - (uint32_t)from;
	j->n -= gone;
	j->size -= from;
	es_close(j->fd);
	j->fd = ES_TAKE_FD(fd);
	return NULL;
}

void journal_trim(struct journal *j)
{
	lazy_trim(j->line, MON_RECORD_MAX);
}

es_err *journal_append(struct journal *j, struct mon_record *r)
{
	/* With its capacity at the maximum the buffer never moves. */
	struct es_buf line = { .p = j->line, .cap = MON_RECORD_MAX, .max = MON_RECORD_MAX - 1 };
	es_err *err;

	if (j->n == ES_N(j->offsets))
		ES_TRY(cut(j));
	r->seq = j->last_seq + 1;
	if (!r->time)
		r->time = clock_now_ns();
	encode(&line, r);
	ES_TRY(es_buf_check(&line));
	err = file_write_all(j->fd, line.p, line.len);
	if (err) {
		if (ftruncate(j->fd, j->size) < 0)
			return err; /* the first error says more */
		return err;
	}
	j->offsets[j->n++] = (uint32_t)j->size;
	j->size += (int64_t)line.len;
	j->last_seq = r->seq;
	return NULL;
}

es_err *journal_line(struct journal *j, uint64_t *seq, const char **ret_line, size_t *ret_len)
{
	uint64_t first = j->last_seq + 1 - j->n, want = *seq < first ? first : *seq;
	size_t i, len;
	int64_t end;

	*ret_len = 0;
	if (want > j->last_seq)
		return NULL;
	i = (size_t)(want - first);
	end = i + 1 < j->n ? j->offsets[i + 1] : j->size;
	len = (size_t)(end - j->offsets[i]) - 1;
	if (len > MON_RECORD_MAX || pread(j->fd, j->line, len, j->offsets[i]) != (ssize_t)len)
		return es_err_sys(errno, "read journal");
	*seq = want;
	*ret_line = j->line;
	*ret_len = len;
	return NULL;
}

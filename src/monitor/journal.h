/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h: the bounded file of what happened, written before anyone is told. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "spec/mon.h"

/* Invariants: (1) the file holds whole lines with consecutive seq, the last is `last_seq`; (2) offsets[] are the
 * beginnings of its `n` lines, `size` is its end; (3) readers by path see either the long or the cut file. */
struct journal {
	int dir_fd; /* borrowed */
	int fd;
	uint64_t last_seq;
	int64_t size;
	size_t n;
	uint32_t offsets[2 * MON_JOURNAL_KEEP];
	char *line; /* MON_RECORD_MAX */
};

/* Begin a new journal in DIR_FD. */
es_err *journal_open(struct journal *j, int dir_fd) ES_CHECKED;
void journal_done(struct journal *j);
/* Give R the next seq (and the time, if it has none) and append it. The error text is cut to fit. */
/* Give back the memory of the line. */
void journal_trim(struct journal *j);
es_err *journal_append(struct journal *j, struct mon_record *r) ES_CHECKED;
/* The line of the first record that has at least *SEQ, without newline, borrowed until the next call; *SEQ becomes its
 * number. *RET_LEN 0: there is none yet. */
es_err *journal_line(struct journal *j, uint64_t *seq, const char **ret_line, size_t *ret_len) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* logfile.h: docker's json-file log: lines out of two byte streams, rotation, a full disk that stops nobody. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LOGFILE_LINE_MAX (16u << 10) /* docker's: longer lines are written in pieces of this, without a newline */
#define LOGFILE_OUT (4u << 10)       /* bytes per write(2) */

enum logfile_stream { LOGFILE_STDOUT, LOGFILE_STDERR, LOGFILE_STREAM_N };

/* A line that has no end yet. */
struct logfile_line {
	size_t len;
	int64_t since; /* ns since 1970, of its first piece; 0: no piece was written yet */
	char *bytes; /* LOGFILE_LINE_MAX */
};

/* Invariants: (1) the file is `size` bytes long and `good` is the end of its last whole record; (2) `out` follows
 * `size` and holds `pending` records that begin in it or are unfinished in the file; (3) after a failed write the
 * file is cut back to `good`, so that a reader never sees half a line. */
struct logfile {
	const char *path;  /* borrowed; NULL: no log is kept */
	const char *attrs; /* borrowed; JSON object text or NULL */
	int64_t max_size, max_file;
	int fd; /* -1: could not be opened; tried again with every write */
	int64_t size, good;
	uint64_t dropped; /* records lost */
	uint64_t pending;
	bool skip; /* the rest of the current record is lost */
	size_t out_len;
	char *out; /* LOGFILE_OUT */
	struct logfile_line lines[LOGFILE_STREAM_N];
};

/* L is zeroed memory; nothing is allocated later. PATH NULL: everything is swallowed. MAX_SIZE <= 0: never rotate; MAX_FILE
 * counts the current file. */
es_err *logfile_open(struct logfile *l, const char *path, const char *attrs, int64_t max_size, int64_t max_file) ES_CHECKED;
void logfile_done(struct logfile *l);
/* Give back the memory of buffers that hold nothing. */
void logfile_trim(struct logfile *l);
/* NOW is ns since 1970. Whole lines are in the file when this returns (or counted in `dropped`). */
void logfile_feed(struct logfile *l, enum logfile_stream s, const char *bytes, size_t n, int64_t now);
/* The stream ended: write what has no newline. */
void logfile_end(struct logfile *l, enum logfile_stream s, int64_t now);

/* SPDX-License-Identifier: Apache-2.0 */
/* logread.h: read a json-file log in order across its rotated files, from its start or its last lines, and on as it grows. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/json.h"

#define LOGREAD_LINE_MAX (1u << 20) /* bytes of one line of the file; a longer one is skipped */

struct logread;

/* One line: {"log":"text\n","stream":"stdout","time":"…","attrs":{…}}. Borrowed until the next call. */
struct logread_entry {
	const char *text;
	size_t len;
	bool is_stderr;
	int64_t time_ns;
	const struct json *attrs; /* NULL: none */
};

/* PATH is the current file; PATH.1, PATH.2 … are older ones. TAIL < 0: everything; else only the last TAIL lines. A log
 * that does not exist (yet) is empty. */
es_err *logread_open(const char *path, int64_t tail, struct logread **ret) ES_CHECKED;
void logread_close(struct logread *l); /* NULL is fine */
/* *RET_GOT is false at the end, for now: what is appended later is found by a later call, rotation included. A line that
 * is no JSON is skipped. */
es_err *logread_next(struct logread *l, struct logread_entry *ret, bool *ret_got) ES_CHECKED;

enum logread_form {
	LOGREAD_FRAMED = 1 << 0,     /* docker's 8-byte header in front: stream, length */
	LOGREAD_TIMESTAMPS = 1 << 1, /* RFC 3339 with nine digits, a blank */
	LOGREAD_DETAILS = 1 << 2,    /* "a=b,c=d" of the attributes, a blank */
};
/* Append E as a client of the API gets it. FORM: logread_form bits. */
void logread_format(struct es_buf *out, const struct logread_entry *e, unsigned form);
#define LOGREAD_FORMAT_MAX (LOGREAD_LINE_MAX + (64u << 10)) /* bytes that one entry may become */

/* A descriptor that becomes readable when there may be more (inotify); logread_settle() empties it. Made on the first call. */
es_err *logread_watch(struct logread *l, int *ret_fd) ES_CHECKED;
void logread_settle(struct logread *l);

/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h: the caller's standard streams on one side, a container's on the other: attach, exec, logs. */
#pragma once

#include "cli/client.h"
#include "cli/tty.h"
#include "codec/detach.h"

enum stream_end { STREAM_CLOSED, STREAM_DETACHED };

/* The answer of /wait, read while the streams run. */
struct stream_wait {
	struct http_client *http;
	int fd;
	struct http_body body;
	struct es_buf text;
	bool done;
};

struct stream {
	int fd;     /* connection to the container; owned by stream_done */
	char *head; /* bytes that came with the answer's head; heap */
	size_t head_len;
	bool raw; /* one stream as it is (tty), else docker's frames */
	bool with_stdin, with_stdout, with_stderr;
	bool watch_keys; /* leave when DETACH was typed */
	struct detach detach;
	int signal_fd; /* -1: none */
	void (*on_signal)(void *self, int sig);
	void *self;
	struct stream_wait *wait; /* may be NULL */
};

/* Open "POST PATH" as a raw stream. */
es_err *stream_open(struct cli *c, const char *path, const char *query, const struct json *body, struct stream *ret) ES_CHECKED;
void stream_done(struct stream *s); /* a zeroed struct with fd -1 is fine */
/* Copy both ways until the container closes its side (or the detach keys were typed). */
es_err *stream_run(struct stream *s, enum stream_end *ret) ES_CHECKED;

/* Ask for the exit before the container starts; the answer is read by stream_run and stream_wait_finish. */
es_err *stream_wait_open(struct cli *c, const char *id, const char *condition, struct stream_wait *ret) ES_CHECKED;
/* Signals are passed on meanwhile. *RET_ERROR (arena) is the daemon's word about a failed start, or NULL. */
es_err *stream_wait_finish(struct cli *c, struct stream *s, int *ret_status, const char **ret_error) ES_CHECKED;
void stream_wait_done(struct stream_wait *w);

/* Copy an answer's body to standard output and error: frames, or RAW. */
es_err *stream_copy_body(struct http_client *http, bool raw) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* attach.h: a session with a container's streams: attach, start -a, run, exec -it. */
#pragma once

#include "cli/stream.h"

/* One session. The caller opens SESSION.stream, then session_run copies until it ends. */
struct session {
	struct cli *cli;
	const char *id;    /* of the container, or of the exec session */
	bool exec;         /* resize goes to /exec/ID */
	bool tty;          /* the container has a terminal */
	bool sig_proxy;    /* pass signals on */
	struct stream stream;
	struct stream_wait wait;
	struct tty terminal;
};
void session_init(struct session *s, struct cli *c, const char *id, bool tty);
void session_done(struct session *s);
/* The query of an attach request. */
void session_attach_query(const struct session *s, const char *detach_keys, struct es_buf *query);
/* Keys that detach on the client's side: those given, else the configuration's, else ctrl-p,ctrl-q. */
es_err *session_keys(struct cli *c, const char *given, struct detach *ret) ES_CHECKED;
/* Block signals so that none is lost between the start and the loop. */
void session_catch_signals(struct session *s);
/* Tell the daemon the size of our terminal. */
void session_resize(struct session *s);
/* Make the terminal raw, copy, restore. */
es_err *session_run(struct session *s, enum stream_end *ret) ES_CHECKED;

/* attach and start -a. */
struct attach {
	const char *name, *detach_keys;
	bool with_stdin, sig_proxy;
	bool start; /* start it when the streams are there */
};
/* Sets the exit status to the container's. */
es_err *attach_run(struct cli *c, const struct attach *a) ES_CHECKED;
/* The input must be a terminal when the container gets one. */
es_err *attach_check_tty(bool with_stdin, bool tty) ES_CHECKED;

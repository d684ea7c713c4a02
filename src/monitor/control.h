/* SPDX-License-Identifier: Apache-2.0 */
/* control.h: mon.sock: requests in, replies out, and the journal's records to those who watch. */
#pragma once

#include "monitor/journal.h"
#include "spec/mon.h"
#include "sys/loop.h"

struct control;

struct control_conn {
	struct control *control;
	struct loop_io io; /* fd -1: free slot */
	bool watching;
	uint64_t next_seq; /* watching: the next record to send */
	const char *later; /* op whose reply is still owed; NULL: none */
};

struct control {
	struct loop *loop;       /* borrowed */
	struct journal *journal; /* borrowed */
	/* Serve REQ. FD is the descriptor that came with it (-1: none); who keeps it sets *FD to -1. *RET_LATER: the reply
	 * comes by control_reply(). */
	es_err *(*handle)(void *self, struct arena *a, const struct mon_request *req, int *fd, struct mon_reply *reply,
			  bool *ret_later);
	void (*moved)(void *self); /* a watcher got more or left */
	void *self;
	struct loop_io listener;
	struct control_conn conns[MON_CONTROLS_MAX];
	char *request; /* MON_REQUEST_MAX */
};

/* loop, journal, handle, moved and self are set before. Listens in the run directory. */
es_err *control_open(struct control *c) ES_CHECKED;
/* Give back the memory of the last request. */
void control_trim(struct control *c);
void control_close_listener(struct control *c); /* and remove the socket's name */
/* Answer all who wait for OP: ERR (borrowed) or STATUS (may be NULL). */
void control_reply(struct control *c, const char *op, const es_err *err, struct mon_status *status);
/* The journal has grown: send the new records. */
void control_tell(struct control *c);
/* Has every watcher got everything (or gone)? */
bool control_is_told(const struct control *c);

/* SPDX-License-Identifier: Apache-2.0 */
/* relay.h: a container's standard streams: from its pipes or terminal to the log and the attached clients, and back. */
#pragma once

#include "codec/detach.h"
#include "monitor/logfile.h"
#include "spec/mon.h"
#include "sys/loop.h"

#define RELAY_CHUNK (16u << 10)  /* bytes read at once; one frame */
#define RELAY_AREA (64u << 10)   /* how far the slowest client may lag before the container waits */
#define RELAY_TAIL (256u << 10)  /* room for what is left in the pipes when the process is gone */
#define RELAY_HEADER 8           /* docker's frame: stream, three zeros, length (big endian) */
#define RELAY_INPUT (4u << 10)   /* bytes of standard input on the way */
#define RELAY_LINGER_NS (2 * INT64_C(1000000000)) /* docker's patience with streams that outlive their process */

/* Theory of operation.
 *
 * Output. There is one area of frames for all clients. Reading appends a frame (to the log as well); every client has
 * a position in the area. When all clients are at its end, the area is empty again. When it has no room for another
 * frame, the pipes are not read until the slowest client is at the end, so the container waits as with docker; a dead
 * client is dropped at once. With no client the area never fills. A client with a terminal gets the frames without
 * their headers, one without standard error skips those frames.
 *
 * Input. There is one small buffer for all clients. While it holds bytes that the container has not taken, no client
 * is read.
 *
 * End. When the process is gone, what is still in the pipes (at most their capacity) goes to the log and into the
 * larger tail of the area: the log is complete when the death is told, and a slow client still gets everything,
 * however slow. A stream held open by a surviving grandchild is given up after RELAY_LINGER_NS. */

struct relay_client {
	struct relay *relay;
	bool used;
	struct loop_io io;
	bool in, out, err;
	bool closing; /* gets what is in the area, then the end */
	bool hung_up; /* nobody reads there any more; its input may still be on the way */
	struct detach detach;
	size_t pos, frame_end; /* in the area */
	unsigned char *head;   /* input that came with the attach; heap */
	size_t head_at, head_len;
};

struct relay_source {
	struct relay *relay;
	struct loop_io io; /* fd -1: ended */
	enum logfile_stream stream;
};

struct relay {
	struct loop *loop;
	const struct mon_spec *spec; /* borrowed */
	struct logfile log;
	struct relay_source sources[LOGFILE_STREAM_N];
	struct loop_io stdin_io; /* write end of the pipe, or the terminal; fd -1: closed */
	bool live; /* between relay_start() and the end of both streams */
	bool gone; /* the process is dead: drain */
	struct loop_timer linger;
	void (*drained)(void *self);  /* called once after relay_drain() */
	void (*detached)(void *self); /* a client left by its keys */
	void (*idle)(void *self);     /* the last client is gone */
	void (*worked)(void *self);   /* memory was used that relay_trim() would give back */
	void *self;
	size_t n_clients, top; /* no slot from TOP on was ever used: their pages stay untouched */
	size_t in_at, in_len, area_len;
	char *in;   /* RELAY_INPUT + DETACH_KEYS_MAX */
	char *area; /* RELAY_AREA + RELAY_TAIL */
	struct relay_client clients[MON_CLIENTS_MAX];
};

/* R is zeroed memory. Nothing is allocated later but the heads of attach requests. */
es_err *relay_init(struct relay *r, struct loop *l, const struct mon_spec *spec, const char *log_attrs) ES_CHECKED;
/* Pipes for a start without terminal, owned by the spec's uid and gid. CHILD gets the container's ends of 0, 1, 2; the
 * caller closes them. Without open_stdin CHILD[0] is -1 (/dev/null). */
es_err *relay_pipes(struct relay *r, int child[3]) ES_CHECKED;
/* The start succeeded: begin to pump. With a terminal MASTER is taken, else -1. */
es_err *relay_start(struct relay *r, int master) ES_CHECKED;
/* The start failed: what the runtime wrote into the streams is nobody's output. */
void relay_abandon(struct relay *r);
/* FD is taken, also on failure. ES_E_LIMIT above MON_CLIENTS_MAX. */
es_err *relay_attach(struct relay *r, const struct mon_attach *how, int fd) ES_CHECKED;
/* Nothing without a terminal, as with docker. */
es_err *relay_resize(struct relay *r, int64_t width, int64_t height) ES_CHECKED;
/* The process is gone: r->drained is called when both streams are at their end. */
void relay_drain(struct relay *r);
/* Give back the memory of empty buffers; false: the area holds something still. */
bool relay_trim(struct relay *r);
/* End all clients; each gets what is still in the area first. */
void relay_close_clients(struct relay *r);
/* Now, without waiting for anyone. */
void relay_drop_clients(struct relay *r);

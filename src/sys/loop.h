/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h: a single-threaded event loop: descriptors, timers and signals, all embedded in the caller's structs. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "base/err.h"
#include "base/list.h"

#define LOOP_BATCH 16 /* events taken per system call */

/* A watched descriptor. The caller fills fd, fn, self; the rest is the loop's. FN gets the EPOLL* bits; it may remove
 * any source (also this one) and free it: events of the same batch for removed sources are not delivered. */
struct loop_io {
	int fd;
	void (*fn)(void *self, uint32_t events);
	void *self;
	uint32_t events; /* asked for now */
	bool on;         /* known to epoll */
};

/* A one-shot timer; FN may set it again. */
struct loop_timer {
	void (*fn)(void *self);
	void *self;
	int64_t due_ns; /* CLOCK_MONOTONIC */
	struct list link;
	bool on;
};

struct loop {
	int epoll_fd;
	bool stop;
	struct list timers; /* by due time */
	struct epoll_event batch[LOOP_BATCH];
	int batch_at, batch_n;
	struct loop_io signal_io;
	void (*signal_fn)(void *self, const struct signalfd_siginfo *si);
	void *signal_self;
};

es_err *loop_init(struct loop *l) ES_CHECKED;
void loop_done(struct loop *l); /* closes the loop's own descriptors, not the watched ones; a zeroed loop is fine */

/* Watch IO for EVENTS, or change what it is watched for. With EVENTS 0 the kernel still tells EPOLLHUP and EPOLLERR;
 * use loop_remove for silence. Both are cheap when nothing changes. */
es_err *loop_watch(struct loop *l, struct loop_io *io, uint32_t events) ES_CHECKED;
/* Before its descriptor is closed. Fine when it is not watched. */
void loop_remove(struct loop *l, struct loop_io *io);

/* Call T->fn once, DELAY_NS from now (not before; at millisecond steps). Replaces an earlier setting. */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_ns);
void loop_timer_cancel(struct loop *l, struct loop_timer *t); /* fine when not set */

/* Block the signals of SET for this thread and deliver them as calls of FN. Once per loop. */
es_err *loop_signals(struct loop *l, const sigset_t *set, void (*fn)(void *self, const struct signalfd_siginfo *si),
		     void *self) ES_CHECKED;

/* Until loop_stop(). */
es_err *loop_run(struct loop *l) ES_CHECKED;
void loop_stop(struct loop *l);

/* SPDX-License-Identifier: Apache-2.0 */
/* http_server_priv.h: connection and call, shared by the loop side (http_server.c) and the handlers' side (http_call.c). */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "wire/http_server.h"
#include "wire/workers.h"

/* Who may touch what:
 * 1. Only the loop thread frees connections and calls, changes a connection's state and its place in epoll.
 * 2. While a call is under way, IN and BODY of its connection belong to the call's thread, else to the loop.
 * 3. What stands below "shared" is guarded by the connection's lock.
 * 4. Every thread may send(2) with the lock held while OUT is empty; what the kernel does not take goes into OUT,
 *    which the loop empties. So bytes keep their order and nobody waits with a lock held.
 * 5. The descriptor is closed when the connection is freed, not before: no thread can meet a reused number.
 * Lock order: connection, then the server's kick list. */

enum http_conn_state {
	HTTP_CONN_HEAD,   /* reading a head */
	HTTP_CONN_CALL,   /* a call is under way */
	HTTP_CONN_DRAIN,  /* reading what the handler left of a request body */
	HTTP_CONN_LINGER, /* answered and shut down for writing; waiting for the client's end */
	HTTP_CONN_DEAD,   /* of no use any more, but its call is still under way */
};

struct http_conn {
	struct http_server *server;
	struct list link;      /* all connections */
	struct list idle_link; /* those in HTTP_CONN_HEAD, longest first */
	struct loop_io io;
	struct loop_timer timer;
	enum http_conn_state state;
	bool is_unix; /* the kind of socket */
	bool half_closed; /* during a call: the client ended its side, do not look at that again */
	bool eof;         /* nothing more will be read; what waits is still sent */

	struct es_buf in;
	size_t scan;
	struct http_body body;

	struct http_call *call;

	/* shared */
	pthread_mutex_t lock;
	pthread_cond_t moved; /* OUT got shorter, or the connection died, or was released for hijacking */
	struct es_buf out;
	bool dead;     /* no byte gets through any more */
	bool broken;   /* a sender saw an error: the loop shall bury it */
	bool left;     /* the client is gone, or shall be treated as if */
	bool finished; /* the call has no reference any more */
	bool release, released; /* a hijacker asks for the descriptor; the loop has let it go */
	int gone_fd;   /* eventfd, -1 until somebody asks */

	struct list kick_link; /* guarded by the server's kick lock */
	bool kicked;
};

struct http_call {
	struct http_conn *conn;
	struct arena *arena;
	struct http_head head;
	atomic_uint refs;
	bool told_continue;

	/* The answer; guarded by the connection's lock. */
	int status;
	struct http_field *fields;
	size_t n_fields, cap_fields;
	struct es_buf held;
	bool sent, ended, chunked, has_length, keep_alive, hijacked;

	/* What a worker runs next. */
	struct workers_job job;
	http_call_fn *fn;
	void *fn_self;

	/* http_call_resume(); guarded by the lock, but for IO and TIMER, which are the loop's. */
	struct http_resume {
		bool asked, armed, room, woken;
		int fd, timeout_ms;
		http_call_fn *fn;
		void *self;
		struct loop_io io;
		struct loop_timer timer;
	} resume;
};

struct http_server {
	struct loop *loop;
	struct http_server_config cfg;
	struct workers *workers;
	struct list listeners, conns, idle;
	size_t n_conns, n_calls;
	bool listening, stopping;
	struct loop_timer accept_timer, grace_timer;
	void (*stopped)(void *self);
	void *stopped_self;

	struct loop_io kick_io; /* eventfd */
	pthread_mutex_t kick_lock;
	struct list kicks; /* connections that want the loop's attention */
};

/* Any thread: have the loop look at C. The call must be under way (or the caller be the loop). */
void http_conn_kick(struct http_conn *c);

struct http_call *http_call_new(struct http_conn *c, struct arena *a);
void http_call_free(struct http_call *c);
/* Run FN(SELF, C) and drop one reference afterwards; in place, or on a worker. */
void http_call_run_here(struct http_call *c, http_call_fn *fn, void *self);
void http_call_run_later(struct http_call *c, http_call_fn *fn, void *self);

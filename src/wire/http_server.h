/* SPDX-License-Identifier: Apache-2.0 */
/* http_server.h: an HTTP/1.1 server: one loop thread for all sockets, a bounded pool of workers for the handlers. */
#pragma once

#include "sys/loop.h"
#include "wire/http_call.h"

#define HTTP_CONNS_MAX 4096        /* when full, the connection that is idle longest makes room; else new ones wait */
#define HTTP_WORKERS_MAX 64        /* handlers that run at the same time */
#define HTTP_HEAD_TIMEOUT_S 30     /* from the first byte of a head to its last */
#define HTTP_LINGER_S 2            /* how long a closing connection may still send */
#define HTTP_DRAIN_MAX (256u << 10) /* bytes of an unwanted request body that are read rather than closing */

struct http_server;

struct http_server_config {
	/* Runs on a worker and may wait. */
	http_call_fn *handler;
	/* Runs on the loop thread before HANDLER and must not wait for anything; false: not mine. May be NULL. */
	bool (*quick)(void *self, struct http_call *c);
	/* On the loop thread, whenever the last call has ended. May be NULL. */
	void (*idle)(void *idle_self);
	void *self, *idle_self;
};

/* Uses LOOP, whose thread is the only one that may call the functions below. CFG is copied. */
es_err *http_server_new(struct loop *loop, const struct http_server_config *cfg, struct http_server **ret) ES_CHECKED;
/* Accept connections from FD, a listening stream socket (taken; any kind: unix, TCP, inherited). */
es_err *http_server_listen(struct http_server *s, int fd) ES_CHECKED;
size_t http_server_calls(const struct http_server *s); /* under way */
/* Stop listening, close what is idle, tell every waiting call that its client is gone; calls under way have GRACE_MS to finish,
 * then they are told so, too. DONE is called once, on the loop thread, when none is left. */
void http_server_stop(struct http_server *s, int grace_ms, void (*done)(void *self), void *self);
/* After DONE. Joins the workers. NULL is fine. */
void http_server_free(struct http_server *s);

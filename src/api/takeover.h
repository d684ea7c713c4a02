/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.h: attach and exec take the connection over: the answer's head, then raw bytes both ways. */
#pragma once

#include "api/req.h"

#define TAKEOVER_RAW "application/vnd.docker.raw-stream"
#define TAKEOVER_MULTIPLEXED "application/vnd.docker.multiplexed-stream"

struct takeover {
	int fd;            /* the caller's */
	const char *early; /* bytes the client sent already; in the request's arena */
	size_t early_len;
};

/* 101 when the client asks for an upgrade, else 200 without a length. RAW: a terminal, no frames. The request's body
 * must have been read or be empty. */
es_err *takeover(struct req *r, bool raw, struct takeover *ret) ES_CHECKED;
/* A WebSocket instead: nothing but its handshake's answer. ES_E_INVALID: it is none. */
es_err *takeover_websocket(struct req *r, struct takeover *ret) ES_CHECKED;
/* Media type of a stream of log or container output for this client. */
const char *takeover_type(const struct req *r, bool raw);

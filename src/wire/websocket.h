/* SPDX-License-Identifier: Apache-2.0 */
/* websocket.h: WebSocket (RFC 6455), the server's side: the answer to a handshake, frames in and out; sockets are elsewhere. */
#pragma once

#include "wire/http_parse.h"

#define WEBSOCKET_ACCEPT_MAX 29 /* bytes of Sec-WebSocket-Accept, with the NUL */
#define WEBSOCKET_HEAD_MAX 10   /* bytes of the head of a frame that we send */
#define WEBSOCKET_CONTROL_MAX 125 /* bytes that a control frame carries at most */

enum websocket_op { WEBSOCKET_MORE = 0, WEBSOCKET_TEXT = 1, WEBSOCKET_BINARY = 2, WEBSOCKET_CLOSE = 8, WEBSOCKET_PING = 9, WEBSOCKET_PONG = 10 };

/* §4.2.1: is HEAD a handshake? ES_E_INVALID says what is wrong. OUT (WEBSOCKET_ACCEPT_MAX bytes) gets the value of Sec-WebSocket-Accept. */
es_err *websocket_accept(const struct http_head *head, char *out) ES_CHECKED;

/* Where in a stream of frames the reader is. Zero is the beginning. */
struct websocket_reader {
	unsigned char head[14];
	size_t n_head;      /* bytes of the head so far */
	bool in_payload;
	bool fragmented;    /* a message has begun and WEBSOCKET_MORE is to come */
	enum websocket_op op; /* of the frame that is read */
	uint64_t left;      /* bytes of its payload */
	unsigned at;        /* position in the mask */
	unsigned char control[WEBSOCKET_CONTROL_MAX];
	size_t n_control;
};

/* What the bytes said: payload of a data frame, in the pieces that it comes in (op TEXT, BINARY or MORE), or a whole control frame. */
struct websocket_event {
	bool set;
	enum websocket_op op;
	const unsigned char *bytes;
	size_t n;
};

/* Look at N bytes (unmasked where they are) up to the first event, or all of them; *RET_USED were looked at. ES_E_PROTOCOL: what a client
 * may not send (§5: no mask, reserved bits, a long or cut control frame, a fragment of nothing). */
es_err *websocket_read(struct websocket_reader *r, unsigned char *bytes, size_t n, size_t *ret_used, struct websocket_event *ret) ES_CHECKED;

/* The head of a whole frame of N bytes of payload; returns its length. */
size_t websocket_head(enum websocket_op op, uint64_t n, unsigned char out[WEBSOCKET_HEAD_MAX]);

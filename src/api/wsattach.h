/* SPDX-License-Identifier: Apache-2.0 */
/* wsattach.h: a container's streams as WebSocket messages. */
#pragma once

#include "api/req.h"

#define WSATTACH_MAX 64 /* clients of this kind at the same time, each with a thread */

/* All clients of this kind of one server. */
struct wsattachs;
struct wsattachs *wsattachs_new(void);
void wsattachs_free(struct wsattachs *all); /* cuts them off and waits for their threads */

struct wsattach {
	int client_fd;  /* non-blocking, the handshake is answered; taken */
	int stream_fd;  /* the other end of what the monitor (or whoever attaches) has; taken */
	bool framed;    /* docker's frames come from there: their payload is passed on */
	bool binary;    /* the kind of message */
};
/* Carry bytes both ways until one end is closed, on a thread of its own. ES_E_UNAVAILABLE above WSATTACH_MAX; the descriptors are closed
 * also then. */
es_err *wsattach_start(struct wsattachs *all, const struct wsattach *w) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.h: the life of estibad: configure, lock, listen, open the engine, serve, leave. */
#pragma once

#include "engine/engine.h"
#include "wire/http_call.h"

/* What answers the requests lies above the engine; the program brings it. */
struct daemon_door {
	void *(*open)(struct engine *e);
	void (*close)(void *door);
	http_call_fn *handle;                               /* on a worker */
	bool (*quick)(void *door, struct http_call *call); /* on the loop thread */
};

/* ARGV as main has it. Returns the exit status. */
int daemon_main(char *const *argv, const struct daemon_door *door);

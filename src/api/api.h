/* SPDX-License-Identifier: Apache-2.0 */
/* api.h: the Docker Engine API over one engine. */
#pragma once

#include "engine/engine.h"
#include "wire/http_call.h"

#define API_VERSION "1.45"
#define API_VERSION_MIN "1.24"

struct api;

struct api *api_new(struct engine *e);
void api_free(struct api *api); /* NULL is fine */
/* For struct http_server_config, SELF is the struct api: every call, on a worker; and what is answered on the loop thread. */
void api_handle(void *self, struct http_call *c);
bool api_quick(void *self, struct http_call *c);

/* SPDX-License-Identifier: Apache-2.0 */
/* remote_priv.h: what remote*.c share: sending a request to the endpoint in use. */
#pragma once

#include "registry/endpoint.h"
#include "registry/regauth.h"
#include "registry/remote.h"

struct remote {
	struct arena *a; /* as long as the session */
	struct remote_config cfg;
	struct transfer *transfer;
	struct endpoint endpoints[ENDPOINTS_MAX];
	size_t n_endpoints, at;
	bool found;       /* endpoints[at] has answered */
	struct regauth auth;
	const char *scope;
};

/* Q without authorization, unverified and, unless it begins with http, with an URL below "/v2/PATH/". Authorizes, asks again once
 * with a new token after 401, and again with pauses while the registry or the connection is ill (with a sink that is the
 * caller's business). A status of 400 and above is an error, but those of OK (0-terminated, may be NULL). */
es_err *remote_request(struct remote *r, struct arena *a, const struct transfer_request *q, const long *ok, struct transfer_reply *ret) ES_CHECKED;
/* Sleep before repetition N (from 1). False: no more attempts, or nobody waits any more. */
bool remote_pause(struct remote *r, int n);
#define REMOTE_ATTEMPTS 5

/* SPDX-License-Identifier: Apache-2.0 */
/* route.h: the routes of the API as tables: method, path, first API version, handler.
 *
 * To add a route: one row in the table of its file (routes_images in images.c …) and one test. To add a file: one table
 * `const struct route routes_NAME[]` ending in { 0 }, its declaration here, its line in routes.c.
 * A handler runs on a worker and may wait. It returns an error (which becomes {"message":…} with the status of its class), or it
 * has answered through reply.h or http_call.h. */
#pragma once

#include "api/req.h"

struct route {
	const char *method;
	/* Below "/" or "/v1.NN": {} matches one segment, {*} anything, slashes included; what they match is in req.args, in order.
	 * The first row that matches wins: "/images/json" stands before "/images/{*}/json". */
	const char *path;
	unsigned since; /* 124: v1.24; older clients get "page not found" */
	es_err *(*handle)(struct req *r);
};

extern const struct route routes_build[];
extern const struct route routes_system[], routes_df[];
extern const struct route routes_containers[], routes_streams[], routes_logs[], routes_archive[];
extern const struct route routes_exec[];
extern const struct route routes_images[], routes_registry[];
extern const struct route routes_networks[], routes_volumes[];
extern const struct route routes_swarm[], routes_own[];

/* The row for METHOD and PATH (decoded, without version), or NULL. ARGS: REQ_ARGS_MAX strings, in A. */
const struct route *route_find(struct arena *a, const char *method, const char *path, const char **args);
/* Does PATH match PATTERN? */
bool route_match(struct arena *a, const char *pattern, const char *path, const char **args);
/* Is PATH (decoded) without empty, "." and ".." names? */
bool route_is_clean(const char *path);
/* What it should have been, percent-encoded, in A. */
const char *route_clean(struct arena *a, const char *path);
/* Cut "/v1.45" off *PATH. *RET_VERSION is 145, or the newest without a prefix. ES_E_INVALID with docker's
 * text for one that is too old or too new. */
#define ROUTE_VERSION_MIN 124
#define ROUTE_VERSION_MAX 145
es_err *route_version(const char **path, unsigned *ret_version) ES_CHECKED;

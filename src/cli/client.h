/* SPDX-License-Identifier: Apache-2.0 */
/* client.h: requests to the daemon that the command line, the environment and the configuration name. */
#pragma once

#include "cli/cmd.h"
#include "wire/http_client.h"

#define CLIENT_API_MAX "1.45" /* the newest version of the Docker Engine API that we speak */
#define CLIENT_REPLY_MAX (256u << 20)

/* A query string under construction: QUERY, query_add…, then .text of es_buf. */
#define QUERY ES_BUF(1u << 20)
void query_add(struct es_buf *q, const char *name, const char *value); /* NULL or "" value: nothing is added */
void query_add_bool(struct es_buf *q, const char *name, bool value);   /* "1" when true, else nothing */
/* "k=v" items to {"k":{"v":true}}; "k" alone is refused with docker's text. Nothing is added for no item. */
es_err *query_add_filters(struct cli *c, struct es_buf *q, char *const *items) ES_CHECKED;

struct client_request {
	const char *method;
	const char *path;          /* without the version: "/containers/json"; names escaped with client_escape */
	const char *query;         /* may be NULL or "" */
	const struct json *json;   /* body; or */
	struct http_source source; /* body */
	const char *content_type;  /* of SOURCE */
	const char *auth;          /* X-Registry-Auth; may be NULL */
	const char *auth_config;   /* X-Registry-Config; may be NULL */
	bool upgrade;              /* ask for a raw stream */
};

/* The socket we talk to: "unix:///run/estiba.sock". ES_E_INVALID with docker's texts. */
es_err *client_host(struct cli *c, const char **ret) ES_CHECKED;
/* Did nobody name a daemon? Then it is our own one, started when it is needed. */
bool client_is_own_default(struct cli *c);
/* Name of the context in use: "default" or one of the configuration. */
es_err *client_context(struct cli *c, const char **ret) ES_CHECKED;
/* "1.45", or what the daemon or DOCKER_API_VERSION says; asks the daemon (once). */
es_err *client_api(struct cli *c, const char **ret) ES_CHECKED;
/* API version at least "1.NN"? */
bool client_api_at_least(struct cli *c, int minor);
void client_free(struct client *client); /* NULL is fine */

/* Send and wait for the head; the body is to be read from client_http(). An answer of 400 or more becomes an error whose
 * text is "Error response from daemon: …" and whose class is that of the status. */
es_err *client_send(struct cli *c, const struct client_request *r, struct http_head *ret) ES_CHECKED;
struct http_client *client_http(struct cli *c);
/* The same on a connection of its own, which the caller frees. */
es_err *client_send_apart(struct cli *c, const struct client_request *r, struct http_head *ret,
			  struct http_client **ret_http) ES_CHECKED;
/* A connection on which nothing was said yet, for whoever speaks HTTP himself. *RET_IN may be *RET_OUT. */
es_err *client_dial(struct cli *c, int *ret_in, int *ret_out) ES_CHECKED;
/* Send JSON (or nothing) and read JSON; RET may be NULL (the body is dropped), *RET is NULL when there was none. */
es_err *client_call(struct cli *c, const char *method, const char *path, const char *query, const struct json *body,
		    struct json **ret) ES_CHECKED;
es_err *client_get(struct cli *c, const char *path, const char *query, struct json **ret) ES_CHECKED;
es_err *client_post(struct cli *c, const char *path, const char *query) ES_CHECKED; /* no body either way */
/* The answer to a request below /estiba: a daemon of another kind knows no such path, and is told to lack WHAT ("has no check of its
 * store"). Takes ERR; NULL stays NULL. */
es_err *client_own(es_err *err, const char *what) ES_CHECKED;
/* "/containers/NAME/json" with every %s escaped as one path segment. In the arena. */
char *client_path(struct cli *c, const char *fmt, ...) ES_PRINTF(2, 3);

/* SPDX-License-Identifier: Apache-2.0 */
/* api.c: from an HTTP call to its route and back. */
#include "api/api.h"

#include "api/api_priv.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/wsattach.h"
#include "base/log.h"
#include "base/str.h"

struct api *api_new(struct engine *e)
{
	struct api *api = ES_NEW(struct api);

	api->engine = e;
	api->wsattachs = wsattachs_new();
	return api;
}

void api_free(struct api *api)
{
	if (api)
		wsattachs_free(api->wsattachs);
	free(api);
}

static void add_headers(struct http_call *c)
{
	http_call_field(c, "Api-Version", API_VERSION);
	http_call_field(c, "Ostype", "linux");
	http_call_field(c, "Server", "Docker/" ESTIBA_VERSION " (linux)");
}

static es_err *page_not_found(void)
{
	return es_err_new(ES_E_NOT_FOUND, "page not found");
}

/* Clients that put an empty name, or one with "/" in front, into a path are told where they should have gone. */
static es_err *redirect(struct req *r, const char *path)
{
	const char *query = strchr(http_call_head(r->call)->target, '?');

	http_call_status(r->call, 301);
	http_call_field(r->call, "Location", arena_printf(r->a, "%s%s", route_clean(r->a, path), query ? query : ""));
	return NULL;
}

static es_err *dispatch(struct req *r)
{
	const struct http_head *h = http_call_head(r->call);
	const struct route *route;
	const char *path;
	es_err *version_err, *err;

	err = http_target_path(r->a, h->target, &path);
	if (!err)
		err = http_target_query(r->a, h->target, (struct http_field **)&r->query, &r->n_query);
	if (err)
		return err;
	if (!route_is_clean(path))
		return redirect(r, path);
	version_err = route_version(&path, &r->version);
	route = route_find(r->a, h->method, path, r->args);
	if (!route) {
		es_err_drop(version_err);
		return page_not_found();
	}
	add_headers(r->call);
	if (version_err)
		return version_err;
	http_call_field(r->call, "Docker-Experimental", "false");
	if (r->version < route->since)
		return page_not_found();
	return route->handle(r);
}

void api_handle(void *self, struct http_call *c)
{
	struct api *api = self;
	struct req r = { .api = api, .engine = api->engine, .call = c, .a = http_call_arena(c) };
	es_err *err = dispatch(&r);

	if (log_is_on(LOG_L_DEBUG))
		log_line(LOG_L_DEBUG, "%s %s: %s", http_call_head(c)->method, http_call_head(c)->target,
			 err ? es_err_text(err) : "ok");
	if (err)
		reply_error(&r, err);
}

/* A ping must be answered even when every worker hangs. */
bool api_quick(void *self, struct http_call *c)
{
	const struct http_head *h = http_call_head(c);

	if (!str_ends(h->target, "/_ping") || (!str_eq(h->method, "GET") && !str_eq(h->method, "HEAD")))
		return false;
	api_handle(self, c);
	return true;
}

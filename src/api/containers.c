/* SPDX-License-Identifier: Apache-2.0 */
/* containers.c: containers: make, list, inspect, change, remove. */
#include "api/reply.h"
#include "api/route.h"
#include "base/str.h"
#include "engine/ctr.h"

static es_err *list(struct req *r)
{
	static const char *const allowed[] = { "ancestor", "before", "exited",	"expose",  "health", "id",     "is-task", "isolation",
					       "label",	   "name",   "network", "publish", "since",  "status", "volume",  NULL };
	struct field_list items = { 0 };
	struct filters f;
	int64_t limit;

	ES_TRY(req_filters(r, allowed, &f));
	ES_TRY(req_i64(r, "limit", 0, &limit));
	ES_TRY(ctr_list(r->engine, r->a, req_bool(r, "all", false), limit, req_bool(r, "size", false), &f, &items));
	return reply_list(r, 200, docker_summary_fields, sizeof(struct docker_summary), &items);
}

static es_err *create(struct req *r)
{
	struct docker_create_reply reply = { 0 };
	struct json *body;

	ES_TRY(req_json(r, &body));
	if (!body || body->type != JSON_OBJECT)
		body = json_new_object(r->a);
	ES_TRY(ctr_create(r->engine, r->a, req_query(r, "name"), req_query(r, "platform"), r->version, body, &reply));
	return reply_fields(r, 201, docker_create_reply_fields, &reply);
}

static es_err *inspect(struct req *r)
{
	struct docker_inspect out = { 0 };

	ES_TRY(ctr_inspect(r->engine, r->a, r->args[0], req_bool(r, "size", false), r->version, &out));
	return reply_fields(r, 200, docker_inspect_fields, &out);
}

static es_err *start(struct req *r)
{
	const struct http_head *h = http_call_head(r->call);

	if (h->framing == HTTP_CHUNKED || h->length > 2)
		return es_err_new(ES_E_INVALID, "starting container with non-empty request body was deprecated since API v1.22 and "
						"removed in v1.24");
	if (req_bool(r, "checkpoint", false))
		return es_err_new(ES_E_UNSUPPORTED, "checkpoints are not supported");
	ES_TRY(ctr_start(r->engine, r->args[0]));
	return reply_empty(r, 204);
}

static es_err *stop(struct req *r)
{
	int64_t timeout_s;

	ES_TRY(req_i64(r, "t", INT64_MIN, &timeout_s));
	ES_TRY(ctr_stop(r->engine, r->args[0], req_query(r, "signal"), timeout_s));
	return reply_empty(r, 204);
}

static es_err *restart(struct req *r)
{
	int64_t timeout_s;

	ES_TRY(req_i64(r, "t", INT64_MIN, &timeout_s));
	ES_TRY(ctr_restart(r->engine, r->args[0], req_query(r, "signal"), timeout_s));
	return reply_empty(r, 204);
}

static es_err *kill_(struct req *r)
{
	ES_TRY(ctr_kill(r->engine, r->args[0], req_query(r, "signal")));
	return reply_empty(r, 204);
}

static es_err *pause_(struct req *r)
{
	ES_TRY(ctr_pause(r->engine, r->args[0]));
	return reply_empty(r, 204);
}

static es_err *unpause(struct req *r)
{
	ES_TRY(ctr_unpause(r->engine, r->args[0]));
	return reply_empty(r, 204);
}

static es_err *rename_(struct req *r)
{
	const char *name = req_query(r, "name");

	ES_TRY(ctr_rename(r->engine, r->args[0], name ? name : ""));
	return reply_empty(r, 204);
}

static es_err *update(struct req *r)
{
	struct docker_update_reply reply = { 0 };
	struct json *body;

	ES_TRY(req_json(r, &body));
	if (!body || body->type != JSON_OBJECT)
		body = json_new_object(r->a);
	ES_TRY(ctr_update(r->engine, r->a, r->args[0], body, &reply));
	return reply_fields(r, 200, docker_update_reply_fields, &reply);
}

static es_err *remove_(struct req *r)
{
	ES_TRY(ctr_remove(r->engine, r->args[0], req_bool(r, "force", false), req_bool(r, "v", false), req_bool(r, "link", false)));
	return reply_empty(r, 204);
}

struct prune_reply {
	char **deleted;
	uint64_t reclaimed; /* bytes */
};
static const struct field prune_fields[] = {
	F_STRV(struct prune_reply, deleted, "ContainersDeleted", 0),
	F_U64(struct prune_reply, reclaimed, "SpaceReclaimed", 0),
	F_END,
};

static es_err *prune(struct req *r)
{
	static const char *const allowed[] = { "label", "label!", "until", NULL };
	struct prune_reply reply = { 0 };
	struct filters f;

	ES_TRY(req_filters(r, allowed, &f));
	ES_TRY(ctr_prune(r->engine, r->a, &f, &reply.deleted, &reply.reclaimed));
	return reply_fields(r, 200, prune_fields, &reply);
}

static es_err *top(struct req *r)
{
	const char *ps_args = req_query(r, "ps_args");
	struct json *out;

	ES_TRY(ctr_top(r->engine, r->a, r->args[0], ps_args ? ps_args : "", &out));
	return reply_json(r, 200, out);
}

static es_err *changes(struct req *r)
{
	struct json *out;

	ES_TRY(ctr_changes(r->engine, r->a, r->args[0], &out));
	return reply_json(r, 200, out);
}

static es_err *resize(struct req *r)
{
	int64_t w, h;

	ES_TRY(req_size(r, &w, &h));
	ES_TRY(ctr_resize(r->engine, r->args[0], (uint16_t)w, (uint16_t)h));
	return reply_empty(r, 200);
}

struct id_reply {
	const char *id;
};
static const struct field id_fields[] = {
	F_STR(struct id_reply, id, "Id", 0),
	F_END,
};

static es_err *commit(struct req *r)
{
	struct docker_config config = { 0 };
	struct id_reply reply = { 0 };
	const char *container = req_query(r, "container");
	struct json *body;
	char *id;

	ES_TRY(req_json(r, &body));
	if (json_is(body, JSON_NULL)) /* docker 20.10 sends null for nothing */
		body = NULL;
	if (body)
		ES_TRY(es_err_in(field_decode(r->a, docker_config_fields, body, &config), "invalid JSON"));
	ES_TRY(ctr_commit(r->engine, r->a, container ? container : "", req_query(r, "repo"), req_query(r, "tag"),
			  req_query(r, "comment"), req_query(r, "author"), req_bool(r, "pause", true), req_query_all(r, "changes"),
			  body ? &config : NULL, &id));
	reply.id = id;
	return reply_fields(r, 201, id_fields, &reply);
}

const struct route routes_containers[] = {
	{ "GET", "/containers/json", 0, list },
	{ "POST", "/containers/create", 0, create },
	{ "POST", "/containers/prune", 125, prune },
	{ "GET", "/containers/{}/json", 0, inspect },
	{ "GET", "/containers/{}/top", 0, top },
	{ "GET", "/containers/{}/changes", 0, changes },
	{ "POST", "/containers/{}/start", 0, start },
	{ "POST", "/containers/{}/stop", 0, stop },
	{ "POST", "/containers/{}/restart", 0, restart },
	{ "POST", "/containers/{}/kill", 0, kill_ },
	{ "POST", "/containers/{}/pause", 0, pause_ },
	{ "POST", "/containers/{}/unpause", 0, unpause },
	{ "POST", "/containers/{}/rename", 0, rename_ },
	{ "POST", "/containers/{}/update", 0, update },
	{ "POST", "/containers/{}/resize", 0, resize },
	{ "DELETE", "/containers/{}", 0, remove_ },
	{ "POST", "/commit", 0, commit },
	{ 0 },
};

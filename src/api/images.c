/* SPDX-License-Identifier: Apache-2.0 */
/* images.c: routes of images. */
#include "api/registry.h"
#include "api/reply.h"
#include "api/route.h"
#include "base/str.h"
#include "engine/engine.h"
#include "catalog/image_io.h"
#include "catalog/image_net.h"

static es_err *list(struct req *r)
{
	struct filters filters;
	const char *text;
	size_t len;
	struct image_list_options opts = {
		.filters = &filters,
		.all = req_bool(r, "all", false),
		.shared_size = req_bool(r, "shared-size", false),
		.version = r->version,
	};
	const char *name = req_query(r, "filter"); /* before 1.41: one reference */

	ES_TRY(req_filters(r, NULL, &filters));
	if (!str_empty(name) && r->version < 141) {
		if (!filters.map)
			filters.map = field_map_new(r->a);
		field_map_put(r->a, filters.map, "reference", strv_arena_add(r->a, NULL, name));
	}
	ES_TRY(image_list_text(engine_images(r->engine), r->a, &opts, &text, &len));
	return reply_text(r, 200, text, len);
}

static es_err *inspect(struct req *r)
{
	struct docker_image_inspect image;
	struct json *reply;

	ES_TRY(image_inspect(engine_images(r->engine), r->a, r->args[0], r->version, &image));
	reply = field_encode(r->a, docker_image_inspect_fields, &image);
	/* A container without labels shows {}, an image null. */
	if (!image.config.labels)
		json_set(r->a, json_get(reply, "Config"), "Labels", json_new_null(r->a));
	return reply_json(r, 200, reply);
}

static es_err *history(struct req *r)
{
	struct field_list entries;

	ES_TRY(image_history(engine_images(r->engine), r->a, r->args[0], &entries));
	return reply_list(r, 200, docker_image_history_fields, sizeof(struct docker_image_history), &entries);
}

static es_err *tag(struct req *r)
{
	const char *id;
	struct ref ref;

	ES_TRY(image_tag_parse(r->a, req_query(r, "repo"), req_query(r, "tag"), &ref));
	ES_TRY(image_resolve(engine_images(r->engine), r->a, r->args[0], &id));
	ES_TRY(image_tag(engine_images(r->engine), id, &ref));
	return reply_empty(r, 201);
}

static es_err *remove_(struct req *r)
{
	struct field_list deleted;

	ES_TRY(image_remove(engine_images(r->engine), r->a, r->args[0], req_bool(r, "force", false), req_bool(r, "noprune", false), &deleted));
	return reply_list(r, 200, docker_image_deleted_fields, sizeof(struct docker_image_deleted), &deleted);
}

static es_err *prune(struct req *r)
{
	struct docker_image_pruned pruned;
	struct filters filters;

	ES_TRY(req_filters(r, NULL, &filters));
	ES_TRY(image_prune(engine_images(r->engine), r->a, &filters, &pruned));
	return reply_fields(r, 200, docker_image_pruned_fields, &pruned);
}

/* --- out --- */

static es_err *save(struct req *r, char *const *names)
{
	struct reply_pipe *pipe;
	int fd;

	ES_TRY(reply_fd(r, "application/x-tar", &pipe, &fd));
	return reply_fd_done(pipe, &fd, image_save(engine_images(r->engine), names, fd));
}

static es_err *get_one(struct req *r)
{
	return save(r, strv_arena_add(r->a, NULL, r->args[0]));
}

static es_err *get_many(struct req *r)
{
	char **names = req_query_all(r, "names");

	if (!names || !*names)
		return es_err_new(ES_E_INVALID, "no image names given");
	return save(r, names);
}

/* --- in --- */

static es_err *progress_line(void *self, const char *json)
{
	return reply_progress(self, json);
}

/* docker answers 200 before it looks at the archive: what is wrong with it stands in the stream. */
static es_err *load(struct req *r)
{
	struct image_sink sink = { progress_line, r };
	struct req_body *body;
	es_err *err, *body_err;
	int fd;

	ES_TRY(req_body_fd(r, &body, &fd));
	err = reply_begin(r, "application/json");
	if (!err)
		err = image_load(engine_images(r->engine), fd, req_bool(r, "quiet", false), &sink);
	es_close(fd);
	body_err = req_body_done(body);
	if (err)
		es_err_drop(body_err);
	return reply_progress_end(r, err ? err : body_err);
}

static es_err *import_from(struct req *r, const struct image_import *opts)
{
	struct json *line = json_new_object(r->a);
	struct req_body *body;
	es_err *err, *body_err;
	const char *id = NULL;
	int fd;

	ES_TRY(req_body_fd(r, &body, &fd));
	err = image_import(engine_images(r->engine), r->a, fd, opts, &id);
	es_close(fd);
	body_err = req_body_done(body);
	if (err || body_err) {
		if (err)
			es_err_drop(body_err);
		return err ? err : body_err;
	}
	json_set_str(r->a, line, "status", id);
	return reply_progress_json(r, line);
}

static es_err *import_line(void *self, const char *json)
{
	return reply_progress(self, json);
}

static es_err *import_url(struct req *r, struct image_import *opts)
{
	const struct image_sink sink = { import_line, r };
	const char *url = req_query(r, "fromSrc"), *id;

	if (str_empty(url))
		return es_err_new(ES_E_INTERNAL, "Get \"http:\": http: no Host in request URL");
	if (!opts->message)
		opts->message = arena_printf(r->a, "Imported from %s", url);
	return reply_progress_end(r, image_import_url(engine_net(r->engine), r->a, url, opts, http_call_gone_fd(r->call), &sink, &id));
}

static es_err *import(struct req *r)
{
	const char *repo = req_query(r, "repo"), *message = req_query(r, "message");
	struct image_import opts = {
		.message = str_empty(message) ? NULL : message,
		.changes = req_query_all(r, "changes"),
		.platform = req_query(r, "platform"),
	};
	struct ref ref;

	if (!str_empty(repo)) {
		ES_TRY(image_tag_parse(r->a, repo, req_query(r, "tag"), &ref));
		opts.ref = &ref;
	}
	return str_eq(req_query(r, "fromSrc"), "-") ? import_from(r, &opts) : import_url(r, &opts);
}

static es_err *create(struct req *r)
{
	return str_empty(req_query(r, "fromImage")) ? import(r) : registry_pull(r);
}

const struct route routes_images[] = {
	{ "GET", "/images/json", 0, list },
	{ "GET", "/images/get", 0, get_many },
	{ "POST", "/images/create", 0, create },
	{ "POST", "/images/load", 0, load },
	{ "POST", "/images/prune", 125, prune },
	{ "GET", "/images/{*}/json", 0, inspect },
	{ "GET", "/images/{*}/history", 0, history },
	{ "GET", "/images/{*}/get", 0, get_one },
	{ "POST", "/images/{*}/tag", 0, tag },
	{ "DELETE", "/images/{*}", 0, remove_ },
	{ 0 },
};

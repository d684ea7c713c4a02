/* SPDX-License-Identifier: Apache-2.0 */
/* df.c: GET /system/df: what takes space. */
#include "api/reply.h"
#include "api/route.h"
#include "base/str.h"
#include "engine/ctr.h"
#include "catalog/image.h"
#include "catalog/volume.h"
#include "spec/docker_image.h"

static int64_t count_users(const struct field_list *containers, const char *image_id)
{
	int64_t n = 0;

	FIELD_LIST_EACH(struct docker_summary, at, containers)
		n += str_eq(at->image_id, image_id);
	return n;
}

/* What has no names has null here, whatever the list of images shows the client's version in their place. */
static struct json *image_json(struct arena *a, const struct docker_image_summary *image)
{
	struct json *o = field_encode(a, docker_image_summary_fields, image);

	if (!strv_len(image->repo_digests) || str_eq(*image->repo_digests, "<none>@<none>"))
		json_set(a, o, "RepoDigests", json_new_null(a));
	if (!strv_len(image->repo_tags) || str_eq(*image->repo_tags, "<none>:<none>"))
		json_set(a, o, "RepoTags", json_new_null(a));
	return o;
}

static es_err *add_images(struct req *r, struct json *out)
{
	const struct filters none = { 0 };
	struct image_list_options opts = { .filters = &none, .all = true, .shared_size = true, .version = r->version };
	struct json *list = json_new_array(r->a);
	struct field_list items = { 0 }, containers = { 0 };
	int64_t layers = 0;

	ES_TRY(ctr_list(r->engine, r->a, true, 0, false, &none, &containers));
	ES_TRY(image_list(engine_images(r->engine), r->a, &opts, &items));
	FIELD_LIST_EACH(struct docker_image_summary, at, &items) {
		at->containers = count_users(&containers, at->id);
		json_append(list, image_json(r->a, at));
	}
	ES_TRY(image_layers_size(engine_images(r->engine), &layers));
	json_set_i64(r->a, out, "LayersSize", layers);
	json_set(r->a, out, "Images", list);
	return NULL;
}

static es_err *add_containers(struct req *r, struct json *out)
{
	struct json *list = json_new_array(r->a);
	struct field_list items = { 0 };

	ES_TRY(ctr_list(r->engine, r->a, true, 0, true, &(struct filters){ 0 }, &items));
	FIELD_LIST_EACH(struct docker_summary, at, &items)
		json_append(list, field_encode(r->a, docker_summary_fields, at));
	json_set(r->a, out, "Containers", list);
	return NULL;
}

static es_err *add_volumes(struct req *r, struct json *out)
{
	struct json *list = json_new_array(r->a);
	struct field_list items = { 0 };

	ES_TRY(volume_list(engine_volumes(r->engine), r->a, &(struct filters){ 0 }, true, &items));
	FIELD_LIST_EACH(struct docker_volume, at, &items)
		if (!at->options || !at->options->n) /* one with options of its own lies elsewhere */
			json_append(list, field_encode(r->a, docker_volume_fields, at));
	json_set(r->a, out, "Volumes", list);
	return NULL;
}

/* Cached steps are what the classic builder calls images; there is no cache beside them that a client could see. */
static es_err *add_build_cache(struct req *r, struct json *out)
{
	json_set(r->a, out, "BuildCache", json_new_array(r->a));
	return NULL;
}

static const struct {
	const char *type, *members[2]; /* the members are null when TYPE is not asked for */
	es_err *(*add)(struct req *r, struct json *out);
} parts[] = {
	{ "image", { "LayersSize", "Images" }, add_images },
	{ "container", { "Containers" }, add_containers },
	{ "volume", { "Volumes" }, add_volumes },
	{ "build-cache", { "BuildCache" }, add_build_cache },
};

static es_err *check_types(char **types)
{
	for (; *types; types++) {
		size_t i = 0;

		while (i < ES_N(parts) && !str_eq(parts[i].type, *types))
			i++;
		if (i == ES_N(parts))
			return es_err_new(ES_E_INVALID, "unknown object type: %s", *types);
	}
	return NULL;
}

static es_err *df(struct req *r)
{
	struct json *out = json_new_object(r->a);
	char **types = req_query_all(r, "type");

	ES_TRY(check_types(types));
	for (size_t i = 0; i < ES_N(parts); i++) {
		if (!*types || strv_has(types, parts[i].type)) {
			ES_TRY(parts[i].add(r, out));
			continue;
		}
		for (size_t m = 0; m < ES_N(parts[i].members) && parts[i].members[m]; m++)
			json_set(r->a, out, parts[i].members[m],
				 str_eq(parts[i].members[m], "LayersSize") ? json_new_i64(r->a, 0) : json_new_null(r->a));
	}
	return reply_json(r, 200, out);
}

const struct route routes_df[] = {
	{ "GET", "/system/df", 125, df },
	{ 0 },
};

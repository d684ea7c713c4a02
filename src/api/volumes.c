/* SPDX-License-Identifier: Apache-2.0 */
/* volumes.c: the routes of volumes. */
#include "api/reply.h"
#include "api/route.h"
#include "engine/engine.h"
#include "catalog/volume.h"

struct listing {
	struct field_list volumes; /* docker_volume */
	char **warnings;
};
#define T struct listing
static const struct field listing_fields[] = {
	F_LIST(T, volumes, "Volumes", FIELD_EMPTY_LIST, struct docker_volume, docker_volume_fields),
	F_STRV(T, warnings, "Warnings", 0),
	F_END,
};
#undef T

struct pruned {
	char **deleted;
	uint64_t reclaimed; /* bytes */
};
#define T struct pruned
static const struct field pruned_fields[] = {
	F_STRV(T, deleted, "VolumesDeleted", FIELD_EMPTY_LIST),
	F_U64(T, reclaimed, "SpaceReclaimed", 0),
	F_END,
};
#undef T

static struct volumes *volumes(const struct req *r)
{
	return engine_volumes(r->engine);
}

static es_err *list(struct req *r)
{
	static const char *const allowed[] = { "dangling", "driver", "label", "name", NULL };
	struct listing all = { 0 };
	struct filters f;

	ES_TRY(req_filters(r, allowed, &f));
	ES_TRY(volume_list(volumes(r), r->a, &f, false, &all.volumes));
	return reply_fields(r, 200, listing_fields, &all);
}

static es_err *inspect(struct req *r)
{
	struct docker_volume v = { 0 };

	ES_TRY(volume_inspect(volumes(r), r->a, r->args[0], &v));
	return reply_fields(r, 200, docker_volume_fields, &v);
}

static es_err *create(struct req *r)
{
	struct docker_volume_create body = { 0 };
	struct docker_volume v = { 0 };

	ES_TRY(req_fields(r, docker_volume_create_fields, &body));
	ES_TRY(volume_create(volumes(r), r->a, &body, &v));
	return reply_fields(r, 201, docker_volume_fields, &v);
}

/* Cluster volumes only, and there is no cluster. */
static es_err *update(struct req *r)
{
	return es_err_new(ES_E_UNAVAILABLE, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect "
					    "this node to swarm and try again.");
}

static es_err *delete(struct req *r)
{
	ES_TRY(volume_remove(volumes(r), r->args[0], req_bool(r, "force", false)));
	return reply_empty(r, 204);
}

static es_err *prune(struct req *r)
{
	static const char *const allowed[] = { "all", "label", "label!", NULL };
	struct pruned p = { 0 };
	struct filters f;

	ES_TRY(req_filters(r, allowed, &f));
	ES_TRY(volume_prune(volumes(r), r->a, &f, r->version, &p.deleted, &p.reclaimed));
	return reply_fields(r, 200, pruned_fields, &p);
}

const struct route routes_volumes[] = {
	{ "GET", "/volumes", 124, list },
	{ "GET", "/volumes/{}", 124, inspect },
	{ "POST", "/volumes/create", 124, create },
	{ "POST", "/volumes/prune", 125, prune },
	{ "PUT", "/volumes/{}", 142, update },
	{ "DELETE", "/volumes/{}", 124, delete },
	{ 0 },
};

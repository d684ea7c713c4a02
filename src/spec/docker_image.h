/* SPDX-License-Identifier: Apache-2.0 */
/* docker_image.h: the Docker Engine API's image objects (API 1.24 to 1.45) as structs with field tables. */
#pragma once

#include "codec/field.h"
#include "spec/docker_ctr.h"

/* One row of GET /images/json. */
struct docker_image_summary {
	int64_t containers; /* -1: not counted */
	int64_t created;    /* seconds since 1970 */
	const char *id;
	struct field_map *labels;
	const char *parent_id;
	char **repo_digests, **repo_tags;
	int64_t shared_size; /* bytes; -1: not computed */
	int64_t size;        /* bytes */
	struct field_opt_i64 virtual_size; /* API < 1.44 */
};
extern const struct field docker_image_summary_fields[];

struct docker_image_rootfs {
	const char *type;
	char **layers;
};

struct docker_image_metadata {
	int64_t last_tag_time; /* ns; INT64_MIN: never */
};

/* GET /images/{name}/json. */
struct docker_image_inspect {
	const char *id;
	char **repo_tags, **repo_digests;
	const char *parent, *comment;
	int64_t created; /* ns */
	const char *docker_version, *author;
	struct docker_config config;
	const char *architecture, *variant, *os, *os_version;
	int64_t size;                      /* bytes */
	struct field_opt_i64 virtual_size; /* API < 1.44 */
	struct docker_graph_driver graph_driver;
	struct docker_image_rootfs rootfs;
	struct docker_image_metadata metadata;
	/* API < 1.45 */
	const char *container;
	struct docker_config *container_config;
};
extern const struct field docker_image_inspect_fields[];

/* GET /images/{name}/history: a list of these. */
struct docker_image_history {
	const char *comment;
	int64_t created; /* seconds since 1970 */
	const char *created_by, *id;
	int64_t size; /* bytes */
	char **tags;
};
extern const struct field docker_image_history_fields[];

/* DELETE /images/{name}: a list of these; one member each. */
struct docker_image_deleted {
	const char *untagged, *deleted;
};
extern const struct field docker_image_deleted_fields[];

/* POST /images/prune. */
struct docker_image_pruned {
	struct field_list deleted; /* of struct docker_image_deleted */
	uint64_t space_reclaimed;  /* bytes */
};
extern const struct field docker_image_pruned_fields[];

/* SPDX-License-Identifier: Apache-2.0 */
/* docker_image.c: rows of the image objects, in the order in which docker writes them. */
#include "spec/docker_image.h"

#define OMIT FIELD_OMIT_EMPTY

#define T struct docker_image_summary
const struct field docker_image_summary_fields[] = {
	F_I64(T, containers, "Containers", 0),
	F_I64(T, created, "Created", 0),
	F_STR(T, id, "Id", 0),
	F_STR_MAP(T, labels, "Labels", 0),
	F_STR(T, parent_id, "ParentId", 0),
	F_STRV(T, repo_digests, "RepoDigests", FIELD_EMPTY_LIST),
	F_STRV(T, repo_tags, "RepoTags", FIELD_EMPTY_LIST),
	F_I64(T, shared_size, "SharedSize", 0),
	F_I64(T, size, "Size", 0),
	F_OPT_I64(T, virtual_size, "VirtualSize", OMIT),
	F_END,
};
#undef T

#define T struct docker_image_rootfs
static const struct field rootfs_fields[] = {
	F_STR(T, type, "Type", OMIT),
	F_STRV(T, layers, "Layers", OMIT),
	F_END,
};
#undef T

#define T struct docker_image_metadata
static const struct field metadata_fields[] = {
	F_TIME(T, last_tag_time, "LastTagTime", 0),
	F_END,
};
#undef T

#define T struct docker_image_inspect
const struct field docker_image_inspect_fields[] = {
	F_STR(T, id, "Id", 0),
	F_STRV(T, repo_tags, "RepoTags", FIELD_EMPTY_LIST),
	F_STRV(T, repo_digests, "RepoDigests", FIELD_EMPTY_LIST),
	F_STR(T, parent, "Parent", 0),
	F_STR(T, comment, "Comment", 0),
	F_TIME(T, created, "Created", OMIT),
	F_STR(T, container, "Container", OMIT),
	F_PTR(T, container_config, "ContainerConfig", OMIT, struct docker_config, docker_config_fields),
	F_STR(T, docker_version, "DockerVersion", 0),
	F_STR(T, author, "Author", 0),
	F_STRUCT(T, config, "Config", 0, struct docker_config, docker_config_fields),
	F_STR(T, architecture, "Architecture", 0),
	F_STR(T, variant, "Variant", OMIT),
	F_STR(T, os, "Os", 0),
	F_STR(T, os_version, "OsVersion", OMIT),
	F_I64(T, size, "Size", 0),
	F_OPT_I64(T, virtual_size, "VirtualSize", OMIT),
	F_STRUCT(T, graph_driver, "GraphDriver", 0, struct docker_graph_driver, docker_graph_driver_fields),
	F_STRUCT(T, rootfs, "RootFS", 0, struct docker_image_rootfs, rootfs_fields),
	F_STRUCT(T, metadata, "Metadata", 0, struct docker_image_metadata, metadata_fields),
	F_END,
};
#undef T

#define T struct docker_image_history
const struct field docker_image_history_fields[] = {
	F_STR(T, comment, "Comment", 0),
	F_I64(T, created, "Created", 0),
	F_STR(T, created_by, "CreatedBy", 0),
	F_STR(T, id, "Id", 0),
	F_I64(T, size, "Size", 0),
	F_STRV(T, tags, "Tags", 0),
	F_END,
};
#undef T

#define T struct docker_image_deleted
const struct field docker_image_deleted_fields[] = {
	F_STR(T, untagged, "Untagged", OMIT),
	F_STR(T, deleted, "Deleted", OMIT),
	F_END,
};
#undef T

#define T struct docker_image_pruned
const struct field docker_image_pruned_fields[] = {
	F_LIST(T, deleted, "ImagesDeleted", 0, struct docker_image_deleted, docker_image_deleted_fields),
	F_U64(T, space_reclaimed, "SpaceReclaimed", 0),
	F_END,
};
#undef T

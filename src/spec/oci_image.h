/* SPDX-License-Identifier: Apache-2.0 */
/* oci_image.h: OCI image manifest, index and config, docker's schema 2 twins, and docker-archive's manifest.json. */
#pragma once

#include "codec/field.h"
#include "spec/docker_ctr.h"

#define OCI_MANIFEST_MAX (4u << 20) /* bytes; distribution-spec: registries should refuse more */
#define OCI_CONFIG_MAX (8u << 20)
#define OCI_LAYERS_MAX 500u     /* overlayfs takes 500 lowers */
#define OCI_MANIFESTS_MAX 10000u /* in one index */
#define OCI_HISTORY_MAX 2000u

#define OCI_MT_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_MT_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_MT_CONFIG "application/vnd.oci.image.config.v1+json"
#define OCI_MT_LAYER "application/vnd.oci.image.layer.v1.tar"
#define OCI_MT_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define OCI_MT_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"
#define DOCKER_MT_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define DOCKER_MT_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_MT_CONFIG "application/vnd.docker.container.image.v1+json"
#define DOCKER_MT_LAYER "application/vnd.docker.image.rootfs.diff.tar"
#define DOCKER_MT_LAYER_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define DOCKER_MT_FOREIGN "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

struct oci_platform {
	const char *architecture, *os, *os_version, *variant;
	char **os_features;
};
extern const struct field oci_platform_fields[];

struct oci_descriptor {
	const char *media_type, *digest;
	int64_t size; /* bytes */
	char **urls;
	struct field_map *annotations;
	const char *artifact_type;
	struct oci_platform *platform;
};
extern const struct field oci_descriptor_fields[];

/* OCI manifest and docker manifest v2 schema 2. */
struct oci_manifest {
	int64_t schema_version;
	const char *media_type, *artifact_type;
	struct oci_descriptor config;
	struct field_list layers; /* of struct oci_descriptor, bottom first */
	struct oci_descriptor *subject;
	struct field_map *annotations;
};
extern const struct field oci_manifest_fields[];

/* OCI index and docker manifest list. */
struct oci_index {
	int64_t schema_version;
	const char *media_type, *artifact_type;
	struct field_list manifests; /* of struct oci_descriptor */
	struct oci_descriptor *subject;
	struct field_map *annotations;
};
extern const struct field oci_index_fields[];

struct oci_history {
	int64_t created; /* ns; 0 or INT64_MIN: not given */
	const char *created_by, *author, *comment;
	bool empty_layer;
};
extern const struct field oci_history_fields[];

struct oci_rootfs {
	const char *type; /* "layers" */
	char **diff_ids;  /* bottom first */
};

/* The image config: its digest is the image's id. docker's container config is a superset of OCI's. */
struct oci_image {
	const char *architecture, *variant, *os, *os_version;
	char **os_features;
	struct docker_config config;
	const char *author, *comment, *docker_version;
	int64_t created; /* ns; 0 or INT64_MIN: not given */
	struct oci_rootfs rootfs;
	struct field_list history; /* of struct oci_history, oldest first */
	const char *parent;        /* docker-archive of old */
};
extern const struct field oci_image_fields[];

/* docker-archive: manifest.json is a list of these. */
struct oci_archive_item {
	const char *config; /* path in the archive */
	char **repo_tags, **layers;
	const char *parent;
	struct field_map *layer_sources; /* diffID → descriptor */
};
extern const struct field oci_archive_item_fields[];

/* Decode and check: bounds above, digests well-formed, sizes not negative, as many non-empty history entries as diffIDs (where
 * there is history). Errors: ES_E_INVALID that names the field, ES_E_LIMIT. */
es_err *oci_image_decode(struct arena *a, const char *text, size_t n, struct oci_image *ret) ES_CHECKED;
es_err *oci_manifest_decode(struct arena *a, const char *text, size_t n, struct oci_manifest *ret) ES_CHECKED;
es_err *oci_index_decode(struct arena *a, const char *text, size_t n, struct oci_index *ret) ES_CHECKED;
/* The media type says whether it is an index, a manifest (OCI or docker), a layer; compression of a layer. */
bool oci_is_index(const char *media_type);
bool oci_is_manifest(const char *media_type);
bool oci_is_layer(const char *media_type);
/* This machine's platform as OCI spells it ("amd64", "arm64"; variant "v8" is left out as docker does). */
const char *oci_machine_arch(void);

/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: images by name and id: find, list, inspect, tag, remove. Bringing in and out is in image_io.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "spec/docker_image.h"
#include "spec/filters.h"
#include "spec/oci_image.h"
#include "spec/ref.h"
#include "store/store.h"

/* A container that an image's removal must think of. */
struct image_user {
	const char *container_id;
	const char *image_ref; /* as the container was created: "bb:1", "sha256:…" */
	bool running;
};

/* What images need from the engine; every member may be NULL in tests. */
struct image_ops {
	/* Containers whose image is IMAGE_ID, in ARENA. */
	void (*users)(void *self, struct arena *a, const char *image_id, struct image_user **ret, size_t *ret_n);
	/* An event of type image: ACTION ("tag", "untag", "delete", "import", "load", "save", "create"), the id, and the name it carries. */
	void (*event)(void *self, const char *action, const char *image_id, const char *name);
};

/* Everything the functions of image*.h work on. Borrowed parts; copy it freely. */
struct images {
	struct store *store;
	const struct image_ops *ops; /* NULL: none */
	void *self;
	struct image_cache *cache; /* may be NULL */
};

/* The list as it was answered last, for as long as no image and no name changes. */
struct image_cache;
struct image_cache *image_cache_new(void);
void image_cache_free(struct image_cache *c); /* NULL is fine */

/* One image as the store records it. Lives in the arena of the call that gave it. */
struct image {
	const char *id;           /* "sha256:…": digest of its config */
	struct oci_image config;  /* decoded; config.config is what a container starts from */
	const char *config_text;  /* the bytes the digest is of */
	size_t config_len;
	char **layers;            /* diffIDs, bottom first (= config.rootfs.diff_ids): a stack for snapshot_prepare */
	char **tags;              /* familiar: "alpine:latest", "localhost:5000/x:1" */
	char **digests;           /* familiar: "alpine@sha256:…" */
	const char *parent;       /* image id it was made from here (commit, build), or NULL */
	int64_t created, tagged;  /* ns; tagged: when a name was last given here, INT64_MIN: never */
	int64_t size;             /* bytes of content of all layers */
	char **blobs;             /* digests of manifests and indexes kept with it */
};

/* Find by id, id prefix ("sha256:" before it or not), name, name:tag, name@digest. ES_E_NOT_FOUND "No such image: x:latest". */
es_err *image_get(const struct images *im, struct arena *a, const char *word, struct image *ret) ES_CHECKED;
/* Only the id ("sha256:…", in ARENA). */
es_err *image_resolve(const struct images *im, struct arena *a, const char *word, const char **ret_id) ES_CHECKED;

/* Make a record for an image whose config and layers are in the store, held by a lease of the caller's. Existing: success.
 * PARENT may be NULL. NAMES: full references to give it ("docker.io/library/x:1", "docker.io/library/x@sha256:…"), NULL-terminated
 * or NULL: as image_tag does, in the same transaction. BLOBS: digests of manifests and indexes to keep with it, or NULL. */
struct image_new {
	const char *config_text;
	size_t config_len;
	const char *parent;
	char *const *names;
	char *const *blobs;
};
es_err *image_add(const struct images *im, struct arena *a, const struct image_new *new, const char **ret_id) ES_CHECKED;

/* Give image ID (or any word for it) the name REF; takes the name from an image that has it. Docker's rules for REPO and TAG of
 * POST /images/{name}/tag are the caller's (image_tag_parse). */
es_err *image_tag(const struct images *im, const char *word, const struct ref *ref) ES_CHECKED;
/* REPO and TAG as query parameters: "x:1"+"" , "x"+"1"; refuses digests. ES_E_INVALID in docker's words. */
es_err *image_tag_parse(struct arena *a, const char *repo, const char *tag, struct ref *ret) ES_CHECKED;

/* rmi. RET: struct docker_image_deleted in docker's order. Layers that nothing else uses go with it. Errors: ES_E_NOT_FOUND,
 * ES_E_CONFLICT (docker's texts). */
es_err *image_remove(const struct images *im, struct arena *a, const char *word, bool force, bool noprune, struct field_list *ret) ES_CHECKED;
/* FILTERS: dangling, label, label!, until; by default what is dangling. */
es_err *image_prune(const struct images *im, struct arena *a, const struct filters *f, struct docker_image_pruned *ret) ES_CHECKED;

/* ES_E_INVALID "invalid filter 'x'" for names that the list (or prune) does not know. */
es_err *image_filters_check(const struct filters *f, bool for_prune) ES_CHECKED;

/* What the API answers; VERSION is the request's: 145 is v1.45. Lists: of struct docker_image_summary (newest first), of struct
 * docker_image_history. */
struct image_list_options {
	const struct filters *filters;
	bool all, shared_size;
	unsigned version;
};
es_err *image_list(const struct images *im, struct arena *a, const struct image_list_options *opts, struct field_list *ret) ES_CHECKED;
/* The list as JSON text, in A: out of the cache if it is the same question as last time. */
es_err *image_list_text(const struct images *im, struct arena *a, const struct image_list_options *opts, const char **ret_text, size_t *ret_len) ES_CHECKED;
es_err *image_inspect(const struct images *im, struct arena *a, const char *word, unsigned version, struct docker_image_inspect *ret) ES_CHECKED;
es_err *image_history(const struct images *im, struct arena *a, const char *word, struct field_list *ret) ES_CHECKED;
/* How many there are, parents included (info). */
es_err *image_count(const struct images *im, size_t *ret) ES_CHECKED;
/* Bytes of all layers that images hold, each once (system df). */
es_err *image_layers_size(const struct images *im, int64_t *ret_bytes) ES_CHECKED;

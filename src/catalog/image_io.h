/* SPDX-License-Identifier: Apache-2.0 */
/* image_io.h: images in and out: load, save, import, and making one from a container's changes. */
#pragma once

#include "catalog/image.h"
#include "store/lease.h"
#include "store/snapshot.h"

/* Progress lines of a long call (JSON objects of the API, without line end). Returning an error stops the call with it. */
struct image_sink {
	es_err *(*line)(void *self, const char *json);
	void *self;
};

/* Read a docker-archive, oci-archive or tarred OCI layout (plain, gzip or zstd) from FD. Every blob is verified by digest; on an
 * error the images before it stay. SINK gets docker's "Loaded image: …" lines ({"stream":…}). */
es_err *image_load(const struct images *im, int fd, bool quiet, const struct image_sink *sink) ES_CHECKED;

/* Write the images WORDS (NULL-terminated) as one tar that is a docker-archive and an OCI layout; the same images give the same bytes. */
es_err *image_save(const struct images *im, char *const *words, int fd) ES_CHECKED;

struct image_import {
	const char *message; /* NULL: "Imported from -" */
	char *const *changes; /* Dockerfile instructions, NULL-terminated or NULL */
	const char *platform; /* "os/arch[/variant]", NULL: ours */
	const struct ref *ref; /* NULL: no name */
};
/* A tar stream becomes a one-layer image. RET_ID in ARENA. */
es_err *image_import(const struct images *im, struct arena *a, int fd, const struct image_import *opts, const char **ret_id) ES_CHECKED;

struct image_commit {
	enum snapshot_kind kind; /* whose upper */
	const char *snapshot_id;
	const char *base_id;     /* image below it, NULL: scratch */
	const struct docker_config *config; /* of the new image, changes applied */
	const char *author, *comment;
	const char *created_by;  /* history's text */
	const struct ref *ref;   /* NULL: no name */
};
/* Without changes there is no new layer, only a history entry, as with docker. */
es_err *image_commit(const struct images *im, struct arena *a, const struct image_commit *c, const char **ret_id) ES_CHECKED;

/* Apply Dockerfile instructions (CMD ENTRYPOINT ENV EXPOSE LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR HEALTHCHECK) to CONFIG, in ARENA.
 * ES_E_INVALID in docker's words. */
es_err *image_apply_changes(struct arena *a, struct docker_config *config, char *const *changes) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* image_priv.h: what image*.c share: the record of an image and its names. */
#pragma once

#include "catalog/image.h"
#include "store/record.h"

#define IMAGE_KIND "image" /* id: digest of the config; ref: parent image */
#define IMAGE_TAG_KIND "tag" /* id: full reference; ref: image */

/* The record's document. The store's collector reads "layers" and "blobs". */
struct image_doc {
	char **layers, **blobs; /* diffIDs bottom first; digests of the config, manifests, indexes */
	const char *parent;
	int64_t created, tagged; /* ns */
	int64_t size;            /* bytes */
	struct field_map *labels;
};
extern const struct field image_doc_fields[];

es_err *image_doc_read(struct arena *a, const struct record *r, struct image_doc *ret) ES_CHECKED;
/* "No such image: x:latest" for WORD as docker spells it. */
es_err *image_missing(struct arena *a, const char *word) ES_CHECKED;
/* The references of image ID, in order of creation. */
struct image_refs {
	struct ref *items;
	size_t n;
};
es_err *image_refs_of(const struct images *im, struct arena *a, const char *id, struct image_refs *ret) ES_CHECKED;
/* The "until" filter as a time in ns; INT64_MAX: none. */
es_err *image_until(const struct filters *f, int64_t *ret) ES_CHECKED;
void image_event(const struct images *im, const char *action, const char *id, const char *name);
/* WORD is (a prefix of) ID, with "sha256:" or not. */
bool image_is_id_prefix(const char *id, const char *word);
/* What is wrong with a client's archive, in docker's words (500: docker blames the daemon). Takes ERR; NULL stays NULL. */
es_err *image_archive_err(es_err *err) ES_CHECKED;

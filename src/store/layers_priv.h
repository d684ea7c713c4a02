/* SPDX-License-Identifier: Apache-2.0 */
/* layers_priv.h: inside this room: a layer's record, and its path. */
#pragma once

#include "codec/field.h"
#include "store/layers.h"

/* How a layer lies in its directory layers/HEX (doc/format/store.md). */
enum layers_form {
	LAYERS_DIRECTORY, /* fs, the tree; and the tar: the file "tar", or what "layer" has behind its head */
	LAYERS_FILE,      /* layer, a layer file */
	LAYERS_FORM_N
};

/* The record's document. */
struct layers_doc {
	const char *digest;
	uint64_t size, tar_size, content_size, entries;
	char **implied; /* directories that the tar did not name, "." for the root; NULL: none */
	const char *form;
};
extern const struct field layers_doc_fields[];

/* ES_E_NOT_FOUND. */
es_err *layers_doc_read(struct store *st, struct arena *a, const char *diff_id, struct layers_doc *ret, enum layers_form *ret_form) ES_CHECKED;
es_err *layers_doc_write(struct store *st, const char *diff_id, struct layers_doc *doc, enum layers_form form) ES_CHECKED;

struct layerform_made;
/* What was made in PARTIAL ("partial/X") becomes the layer; LEASE holds it. If the layer is there already nothing is done: the caller discards
 * PARTIAL in any case. */
es_err *layers_publish(struct store *st, struct arena *a, struct lease *lease, const char *partial, struct layerform_made *made) ES_CHECKED;

/* What the layer NAME ("sha256:…", "step:ID") consists of, as a path below the data root, in A: for people. */
es_err *layers_dir_path(struct store *st, struct arena *a, const char *name, char **ret_path) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* layerform.h: inside this room: make the files of a layer, in the form that this data root takes. */
#pragma once

#include "store/layers_priv.h"
#include "store/stack.h"

struct layerform_made {
	struct layers_info info;
	char **implied;
	enum layers_form form;
};

/* The form of new layers here; found out by mounting one, once. */
enum layers_form layerform_pick(struct store *st);
/* Make the directory PARTIAL ("partial/X") and in it the layer that STREAM_FD gives, checked and ready to be mounted. Strings in A. */
es_err *layerform_unpack(struct store *st, struct arena *a, const char *partial, int stream_fd, struct layerform_made *ret) ES_CHECKED;
/* The same with an overlay's UPPER over LOWERS. */
es_err *layerform_pack(struct store *st, struct arena *a, const char *partial, int upper, const struct stack_lowers *lowers,
		       struct layerform_made *ret) ES_CHECKED;
/* Put the tree of DIR/layer's tar beside it, DIR/fs: the layer becomes one of form LAYERS_DIRECTORY. */
es_err *layerform_extract(struct store *st, struct arena *a, const char *dir, struct layerform_made *made) ES_CHECKED;
/* Look at a layer of form LAYERS_FILE again, as before its first mount; its tar is not read. ES_E_INVALID. */
es_err *layerform_check(struct store *st, const struct layers_info *info) ES_CHECKED;
/* All of DIR on the disk. */
es_err *layerform_sync(struct store *st, const char *dir, enum layers_form form) ES_CHECKED;

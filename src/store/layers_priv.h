/* SPDX-License-Identifier: Apache-2.0 */
/* layers_priv.h: inside this room: the directory form of a layer. */
#pragma once

#include "store/layers.h"

/* The directory of a layer ("sha256:…") or a frozen step ("step:ID") as overlay takes it: O_PATH, the caller closes it. *RET_IMPLIED
 * (in A; NULL: none): directories that the tar did not name, "." for the root. ES_E_NOT_FOUND. */
es_err *layers_open_dir(struct store *st, struct arena *a, const char *name, int *ret_fd, char ***ret_implied) ES_CHECKED;
/* The same as a path below the data root, in A. */
es_err *layers_dir_path(struct arena *a, const char *name, char **ret_path) ES_CHECKED;

/* Something complete in PARTIAL ("partial/X" with tar and fs) becomes the layer; LEASE holds it. Syncs, renames, records. If the layer
 * is there already PARTIAL is discarded. */
es_err *layers_publish(struct store *st, struct lease *lease, const char *partial, const struct layers_info *info, char *const *implied) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* layertree.h: inside this room: the tree of a layer as overlay takes it: mounted or a directory, opened once and remembered. */
#pragma once

#include "store/layers_priv.h"

/* What is known of layers whose trees were opened; one per store. */
struct layertree;
struct layertree *layertree_new(void);
void layertree_free(struct layertree *t); /* NULL is fine */

/* The tree of a layer ("sha256:…") or a frozen step ("step:ID"): O_PATH, the caller closes it. A layer file is mounted when it is not. *RET_IMPLIED
 * (in A; NULL: none): directories that the tar did not name, "." for the root. ES_E_NOT_FOUND. */
es_err *layertree_open(struct store *st, struct arena *a, const char *name, int *ret_fd, char ***ret_implied) ES_CHECKED;
/* Mount layers/HEX/layer, or with DIR another directory below the data root. The errors that mean "not here" are told by
 * layertree_cannot_mount. */
es_err *layertree_mount(struct store *st, const char *name, const char *dir, int *ret_fd) ES_CHECKED;
bool layertree_cannot_mount(const es_err *err);
/* The layer goes: unmount and forget. */
es_err *layertree_forget(struct store *st, const char *diff_id) ES_CHECKED;
/* At open: unmount what no record knows. */
es_err *layertree_sweep(struct store *st) ES_CHECKED;

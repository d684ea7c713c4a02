/* SPDX-License-Identifier: Apache-2.0 */
/* treepack.h: a tree as a tar, names sorted: as it is, or an overlay's upper directory as a layer. */
#pragma once

#include "codec/tar.h"
#include "layer/layer.h"

/* ROOT_FD is the tree; with o->upper it is an overlay's upper directory over LOWERS (top first): whiteouts become ".wh."
 * names, and a directory is marked opaque only where the lowers have one that it hides. o->path and o->rename choose one
 * thing below the root and what it is called in the archive. Sockets are left out, as every tar does. */
es_err *treepack_all(struct tar_writer *w, int root_fd, const int *lowers, size_t n_lowers, const struct layer_options *o,
		     struct layer_counts *counts) ES_CHECKED;

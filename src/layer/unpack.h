/* SPDX-License-Identifier: Apache-2.0 */
/* unpack.h: the entries of a tar as files below a directory, in the form that overlayfs takes or as they are. */
#pragma once

#include "codec/tar.h"
#include "layer/layer.h"

/* ROOT_FD -1: nothing is made, the archive is only read. IMPLIED gets the directories that the archive needs but does not
 * describe (strings in A, "." for the root). Paths are resolved inside ROOT_FD, symbolic links included; one that leaves by
 * ".." is refused. Errors: ES_E_INVALID what is wrong with the archive, ES_E_LIMIT, ES_E_SYSTEM. */
es_err *unpack_all(struct tar_reader *r, int root_fd, const struct layer_options *o, struct arena *a,
		   struct layer_counts *counts, struct json *implied) ES_CHECKED;

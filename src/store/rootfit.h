/* SPDX-License-Identifier: Apache-2.0 */
/* rootfit.h: whether a file system can hold a data root. */
#pragma once

#include "base/err.h"

/* What containers write is the upper directory of an overlay, and not every file system may be one: an overlay itself (the root of
 * another container), vfat, NFS. PATH is an existing directory. ES_E_UNSUPPORTED names it and its file system. Where nothing can be
 * mounted it is taken to be fit: whoever mounts will say why not. */
es_err *rootfit_check(const char *path) ES_CHECKED;
/* The name of the file system that FD is on, for messages. */
const char *rootfit_name(int fd);

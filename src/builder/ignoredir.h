/* SPDX-License-Identifier: Apache-2.0 */
/* ignoredir.h: take out of a context what its .dockerignore names. */
#pragma once

#include "codec/ignore.h"

/* Delete from the context DIRFD what the ignore file says: "NAME.dockerignore" beside the Dockerfile NAME, else
 * ".dockerignore". No such file: nothing happens. The files themselves go only if they are matched. */
es_err *ignoredir_apply(int dirfd, const char *dockerfile) ES_CHECKED;

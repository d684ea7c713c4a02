/* SPDX-License-Identifier: Apache-2.0 */
/* mntns.h: parts of other mount namespaces. */
#pragma once

#include "base/err.h"

/* A detached copy of the mount that holds PATH (absolute, resolved there: links of that namespace lead nowhere else) in the
 * mount namespace NS_FD. It can be attached here once; the kernel does not clone it again. */
es_err *mntns_clone(int ns_fd, const char *path, int *ret_fd) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.h: what estiba-layer gives up before it looks at a stranger's first byte. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct sandbox {
	int root_fd;   /* becomes "/" and, with Landlock, the only tree there is; -1: no tree at all */
	bool writes;   /* the tree is written, else only read */
	const int *read_fds; /* further trees that are read */
	size_t n_read_fds;
	bool trusted_xattrs; /* keeps CAP_SYS_ADMIN, which trusted.overlay.* needs */
};

/* Closes, in this order: dumping, new privileges, the path (chroot), Landlock, capabilities, system calls. What this
 * kernel or this user cannot do is left out; the last, the filter, always works. */
es_err *sandbox_enter(const struct sandbox *s) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* keep.h: copies of the mounts that every start of a container consumes, from kernels that make them and from those that do not. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Theory of operation. The kernel clones a detached mount from 6.15 on, and only for the mount namespace that it was made in. What it
 * refuses is attached in a mount namespace of the monitor's own: an attached mount can be cloned on every kernel by who is in its
 * namespace. The monitor is there for these system calls only: what it starts finds the host's mounts, and they find the host's. */
struct keep {
	int host_ns, host_root; /* where the monitor was started; -1: nothing had to be attached so far */
	int own_ns, own_root;   /* its propagation is a slave's of the host's */
};
#define KEEP_INIT { -1, -1, -1, -1 }

/* A clone of the mount FD in *RET, the caller's; or -1 if SINGLE and the kernel refuses one: then the one start may have FD itself. */
es_err *keep_clone(struct keep *k, int fd, bool single, int *ret) ES_CHECKED;
/* What was attached is gone. */
void keep_done(struct keep *k);

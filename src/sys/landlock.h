/* SPDX-License-Identifier: Apache-2.0 */
/* landlock.h: leave a process only some file trees (landlock(7), Linux 5.13). */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* A set of rules under way. fd -1: this kernel has no Landlock, or it is not switched on; every step is then success. */
struct landlock {
	int fd;
	long abi;
	uint64_t all; /* LANDLOCK_ACCESS_FS_* that the kernel knows and the set forbids */
};

/* Forbid everything below no rule. MIN_ABI: below it nothing is forbidden at all (ABI 1 refuses links between directories). */
es_err *landlock_begin(long min_abi, struct landlock *ret) ES_CHECKED;
/* Allow RIGHTS below what FD (O_PATH, borrowed) names. */
es_err *landlock_allow(const struct landlock *l, int fd, uint64_t rights) ES_CHECKED;
/* From here on, for this thread and its children. Ends L; on an error too. */
es_err *landlock_enforce(struct landlock *l) ES_CHECKED;

static inline void landlock_done(struct landlock *l)
{
	es_close_p(&l->fd);
}
#define es_autolandlock es_auto(landlock_done) struct landlock

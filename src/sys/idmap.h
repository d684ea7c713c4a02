/* SPDX-License-Identifier: Apache-2.0 */
/* idmap.h: user and group id maps of a user namespace; the identity map is the empty one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"

#define IDMAP_RANGES 340 /* what the kernel takes */

struct idmap_range {
	uint32_t inside, outside, size;
};

/* Borrowed ranges; n == 0 is identity. */
struct idmap {
	const struct idmap_range *uids, *gids;
	size_t n_uids, n_gids;
};

static inline bool idmap_is_identity(const struct idmap *m)
{
	return !m || (m->n_uids == 0 && m->n_gids == 0);
}
/* The host's id for INSIDE; ES_E_INVALID when it is not mapped. M may be NULL (identity). */
es_err *idmap_uid(const struct idmap *m, uint32_t inside, uint32_t *ret_outside) ES_CHECKED;
es_err *idmap_gid(const struct idmap *m, uint32_t inside, uint32_t *ret_outside) ES_CHECKED;
/* Write the maps of process PID's new user namespace. Without CAP_SETUID and CAP_SETGID only one's own id can be mapped, after
 * setgroups(2) is denied; other maps go through newuidmap(1) and newgidmap(1), which ask /etc/subuid and /etc/subgid. */
es_err *idmap_write(const struct idmap *m, pid_t pid) ES_CHECKED;
/* The maps of process PID's user namespace as seen from ours, in A. */
es_err *idmap_read(struct arena *a, pid_t pid, struct idmap *ret) ES_CHECKED;
bool idmap_equal(const struct idmap *a, const struct idmap *b);
/* A user namespace with these maps, for mount_setattr(2); the caller closes it. */
es_err *idmap_userns(const struct idmap *m, int *ret_fd) ES_CHECKED;

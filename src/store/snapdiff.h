/* SPDX-License-Identifier: Apache-2.0 */
/* snapdiff.h: inside this room: walk an upper directory. */
#pragma once

#include "store/snapshot.h"
#include "store/stack.h"

es_err *snapdiff_size(int upper_fd, uint64_t *ret_bytes) ES_CHECKED;
es_err *snapdiff_changes(struct arena *a, int upper_fd, const struct stack_lowers *lowers, struct snapshot_changes *ret) ES_CHECKED;

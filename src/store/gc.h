/* SPDX-License-Identifier: Apache-2.0 */
/* gc.h: mark and sweep: what no record and no lease leads to is removed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

struct gc_result {
	uint64_t layers, blobs, snapshots; /* how many went */
	uint64_t bytes;                    /* what they held */
};

/* Roots are all leases and the records of kind "image" (their layers, their blobs) and "snapshot" (their stack).
 * Safe at any time, beside everything else. */
es_err *gc_run(struct store *st, struct gc_result *ret) ES_CHECKED;

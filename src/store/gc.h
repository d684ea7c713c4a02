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

/* --- store check --- */
struct gc_problem {
	const char *what; /* one sentence, in the arena */
	bool repaired;
};
struct gc_problems {
	struct gc_problem *items;
	size_t n;
};
struct arena;
/* Look at everything: every tag has its image, every image its config and layers, and each of their bytes its digest (a layer's tar;
 * its directory form is not compared). With REPAIR, images whose content is damaged lose their record (their tags too) and garbage is
 * removed, so that what is left is whole. */
es_err *gc_check(struct store *st, struct arena *a, bool repair, struct gc_problems *ret) ES_CHECKED;

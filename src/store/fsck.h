/* SPDX-License-Identifier: Apache-2.0 */
/* fsck.h: look at everything in a data root: do bytes, digests, records and directories agree? */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "codec/field.h"
#include "store/gc.h"
#include "store/store.h"

/* One thing that is wrong. */
struct fsck_problem {
	const char *kind;   /* "layer", "blob", "image", "tag", "snapshot", "container", "volume", "orphan", "trash" */
	const char *object; /* its digest, name, id or path below the data root */
	char **images;      /* names (or ids) of the images it makes useless; NULL: none */
	const char *file;   /* the file or directory, below the data root; NULL: a record */
	const char *text;   /* one sentence */
	const char *repair; /* what was done about it; NULL: nothing yet */
};

struct fsck_report {
	struct field_list problems; /* of struct fsck_problem */
	int64_t images, layers, blobs, snapshots; /* how many were looked at */
	int64_t bytes;                            /* how many were read and hashed or compared */
	int64_t left;                             /* problems without a repair */
	struct gc_result garbage;                 /* what REPAIR collected that nobody refers to (no problem by itself) */
};

struct fsck_options {
	bool repair;
	/* Asked between two layers: true ends the check with ES_E_CANCELLED. NULL: never. */
	bool (*is_over)(void *self);
	void *self;
};

/* Safe at any time, beside everything else: content that is looked at is held by a lease, and what another lease may be about to
 * record (directories younger than it) is left alone. With REPAIR:
 *  - a layer whose tar is whole is made again from it; one whose tar is not loses its images (their tags too), and goes with them
 *    unless a container needs it;
 *  - an image without its config goes; a manifest that is damaged goes with the digests that name it;
 *  - tags without an image, snapshots without an owner, directories without a record go.
 * Strings in A. */
es_err *fsck_run(struct store *st, struct arena *a, const struct fsck_options *opts, struct fsck_report *ret) ES_CHECKED;

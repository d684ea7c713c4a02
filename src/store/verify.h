/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h: inside this room: is what lies on the disk of a layer still what its name says, byte for byte? */
#pragma once

#include "base/arena.h"
#include "store/layers.h"

struct verify_result {
	const char *fault;  /* one sentence; NULL: the layer is whole */
	const char *file;   /* what is damaged: below the data root, or (behind "fs/") in the layer */
	bool from_tar;      /* the tar is whole: the rest was or can be made again from it */
	bool repaired;
	uint64_t bytes;     /* read */
};

/* Hash the tar of layer DIFF_ID (which a lease of the caller's holds); then make from it what containers see, and compare that with
 * what is there. With REPAIR what differs is replaced in its place. An error is
 * one of the look itself (disk full); damage is a result. Strings in A. */
es_err *verify_layer(struct store *st, struct arena *a, const char *diff_id, bool repair, struct verify_result *ret) ES_CHECKED;

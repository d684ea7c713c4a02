/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.h: a writable layer over a stack of layers: of a container, or of a build step. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/layers.h"
#include "store/record.h"
#include "store/store.h"

/* Where it lives and what may be done with it. */
enum snapshot_kind {
	SNAPSHOT_CONTAINER, /* containers/ID/{upper,work}; the rest of containers/ID is the engine's */
	SNAPSHOT_STEP,      /* steps/ID/{upper,work}: can be frozen and be the lower of others */
	SNAPSHOT_KIND_N
};

struct snapshot_spec {
	enum snapshot_kind kind;
	const char *id;     /* 64 hexadecimal digits */
	char *const *stack; /* lowers, bottom first: diffIDs, or "step:ID"; NULL or empty: scratch */
	enum record_class class; /* RUN: after a crash and reboot it is garbage (containers of --rm, steps under way) */
	bool is_volatile;   /* overlay's volatile: no sync at all; for what nobody needs after a power cut */
	const struct idmap *map;
	uint64_t limit; /* bytes that it may hold, by a project quota of the data root's file system; 0: as many as fit */
};

/* Project ids of snapshots with a limit, on every file system that has a data root. An id is free when no snapshot's record has it and
 * the file system counts no inode for it: what a removal has not deleted yet, and another data root there, keep it. */
#define SNAPSHOT_PROJECT_FIRST 1073741824u
#define SNAPSHOT_PROJECT_N (1u << 20)

/* Make its directories and its record. The root directory gets the mode and owner that the stack's root has.
 * ES_E_CONFLICT when it exists, ES_E_NOT_FOUND when a layer of the stack is missing, ES_E_UNSUPPORTED when no limit can be set there. */
es_err *snapshot_prepare(struct store *st, const struct snapshot_spec *spec) ES_CHECKED;
/* The overlay as a detached mount descriptor: nowhere in the host's mount table. At most one at a time per snapshot
 * (overlayfs forbids sharing an upper): the caller sees to that. */
es_err *snapshot_mount(struct store *st, enum snapshot_kind kind, const char *id, int *ret_fd) ES_CHECKED;
/* Bytes that regular files of the upper hold (docker's SizeRw); hard links count once. */
es_err *snapshot_size(struct store *st, enum snapshot_kind kind, const char *id, uint64_t *ret_bytes) ES_CHECKED;
/* Out of sight now, off the disk soon. Missing is success. CONTAINER: upper and work only, then containers/ID if empty. */
es_err *snapshot_remove(struct store *st, enum snapshot_kind kind, const char *id) ES_CHECKED;
/* The ids of all of KIND, in A; NULL: none. */
es_err *snapshot_ids(struct store *st, struct arena *a, enum snapshot_kind kind, char ***ret) ES_CHECKED;
/* Its record goes with TX, so that a collection right after does not take its layers for needed; snapshot_remove() or the next open removes
 * the rest. */
void snapshot_tx_forget(struct record_tx *tx, enum snapshot_kind kind, const char *id);

/* Where its parts are, for GraphDriver of inspect: paths, colon-joined top first as overlay's lowerdir is written. In ARENA. */
struct snapshot_paths {
	const char *upper, *work, *merged, *lower; /* merged: a path that is never mounted; docker names one, so do we */
};
es_err *snapshot_paths(struct store *st, struct arena *a, enum snapshot_kind kind, const char *id, struct snapshot_paths *ret) ES_CHECKED;

enum snapshot_change_kind { SNAPSHOT_MODIFIED = 0, SNAPSHOT_ADDED = 1, SNAPSHOT_DELETED = 2 }; /* docker's numbers for C, A, D */

struct snapshot_change {
	enum snapshot_change_kind kind;
	const char *path; /* absolute inside the root */
};
struct snapshot_changes {
	struct snapshot_change *items; /* sorted by path */
	size_t n;
};
#define SNAPSHOT_CHANGES_MAX 4000000u

/* What the upper changes against the stack (`diff`). Works while the container runs. */
es_err *snapshot_diff(struct store *st, struct arena *a, enum snapshot_kind kind, const char *id, struct snapshot_changes *ret) ES_CHECKED;

/* Pack the upper into a layer (commit; the end of a build). LEASE holds the new layer; the snapshot stays as it is. For a running
 * container the caller pauses first. *RET_CHANGED (may be NULL): whether the upper holds anything at all. */
es_err *snapshot_to_layer(struct store *st, struct lease *lease, enum snapshot_kind kind, const char *id, struct layers_info *ret,
			  bool *ret_changed) ES_CHECKED;
/* A STEP is finished: never mounted writable again, its "step:ID" may stand in stacks. */
es_err *snapshot_freeze(struct store *st, const char *id) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* crashpoint.h: instants at which a test kills the daemon, by name: each stands between two steps of which only one is done. */
#pragma once

#include "store/store.h"

/* estibad dies of SIGKILL at the point that its hidden option --crash-at names (NAME, or NAME:N for its Nth passage); without the option
 * passing a point is one comparison. Only the command line arms one: no environment, no request, so that who can do it could as well send
 * the signal. tests/system/crash.py says what passes each; a new step that leaves something on a disk gets a point here and a row there. */
enum crash_point {
	CRASH_NEVER,
	/* opening a data root */
	CRASH_OPEN_EMPTIED, /* partial/ is thrown away and not yet there again */
	CRASH_OPEN_SWEPT,   /* garbage is collected, nobody is served yet */
	CRASH_OPEN_N = CRASH_OPEN_SWEPT,
	/* store */
	CRASH_BLOB_KEPT,
	CRASH_LAYER_UNPACKED, /* in partial/, not synced */
	CRASH_LAYER_SYNCED,
	CRASH_LAYER_RENAMED, /* in its place without a record */
	CRASH_LAYER_RECORDED,
	CRASH_UPPER_PACKED,
	CRASH_SNAPSHOT_RECORDED, /* a record without directories */
	CRASH_SNAPSHOT_MADE,
	CRASH_SNAPSHOT_DISCARDED, /* the directories are gone, not the record */
	CRASH_STEP_FROZEN,
	CRASH_RECORD_WRITTEN, /* in the transaction, not committed */
	CRASH_RECORD_COMMITTED, /* before whoever waits is told */
	CRASH_DISCARDED,      /* renamed into tmp/ */
	CRASH_TRASH_EMPTIED,
	CRASH_GC_MARKED,
	CRASH_GC_RECORD, /* a layer's record is gone, not the layer */
	CRASH_GC_LAYER,
	CRASH_GC_BLOB,
	/* images */
	CRASH_PULL_MANIFEST,
	CRASH_PULL_CONFIG,
	CRASH_PULL_LAYER,
	CRASH_PULL_IMAGE,
	CRASH_LOAD_UNPACKED,
	CRASH_LOAD_LAYER,
	CRASH_LOAD_IMAGE,
	CRASH_LOAD_DISCARDED,
	CRASH_IMAGE_CONFIG, /* the config is kept, the image not recorded */
	CRASH_IMAGE_ADDED,
	CRASH_RMI_UNTAGGED,
	CRASH_RMI_FORGOTTEN, /* no record, all content */
	CRASH_RMI_COLLECTED,
	CRASH_IMAGE_PRUNED, /* one of several */
	/* builds */
	CRASH_BUILD_CONTEXT,
	CRASH_BUILD_STEP_OPEN,
	CRASH_BUILD_STEP_RAN,
	CRASH_BUILD_STEP_KEPT,
	CRASH_BUILD_STEP_CACHED,
	CRASH_BUILD_PACKED,
	CRASH_BUILD_IMAGE,
	CRASH_BUILD_FORGOTTEN, /* builder prune: no records, all directories */
	/* volumes */
	CRASH_VOLUME_MADE, /* a directory without a record */
	CRASH_VOLUME_RECORDED,
	CRASH_VOLUME_FORGOTTEN,
	CRASH_VOLUME_MOUNTED,
	CRASH_VOLUME_COPYING, /* the whole copy lies beside the data */
	CRASH_VOLUME_COPIED,  /* it is the volume's, and not in its place */
	/* containers */
	CRASH_CREATE_VOLUMES,
	CRASH_CREATE_DIRS,
	CRASH_CREATE_SAVED,
	CRASH_START_ROOTFS,
	CRASH_START_VOLUMES,
	CRASH_START_NETWORK,
	CRASH_START_SECCOMP,
	CRASH_START_BUNDLE,
	CRASH_START_MONITOR, /* it runs, nothing is recorded */
	CRASH_START_SAVED,
	CRASH_REMOVE_CLEANED,
	CRASH_REMOVE_FORGOTTEN,
	CRASH_REMOVE_VOLUMES,
	CRASH_REMOVE_DISCARDED,
	CRASH_CONTAINER_PRUNED, /* one of several */
	CRASH_COMMIT_PAUSED,
	CRASH_POINT_N
};

/* Does not return at the armed point's armed passage. ST may be NULL while there is none. */
void crash_point(struct store *st, enum crash_point at);
/* "NAME" or "NAME:N"; NULL: none. IS_OPEN: the engine is open: only now the points count that are not those of opening. ES_E_INVALID. */
es_err *crash_arm(struct store *st, const char *text, bool is_open) ES_CHECKED;

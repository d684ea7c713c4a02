/* SPDX-License-Identifier: Apache-2.0 */
/* crashpoint.c: the names of the crash points, and the death at one. */
#include "store/crashpoint.h"

#include <signal.h>
#include <unistd.h>

#include "base/str.h"
#include "store/store_priv.h"

static const char *const names[] = {
	[CRASH_NEVER] = "",
	[CRASH_OPEN_EMPTIED] = "open-emptied",
	[CRASH_OPEN_SWEPT] = "open-swept",
	[CRASH_BLOB_KEPT] = "blob-kept",
	[CRASH_LAYER_UNPACKED] = "layer-unpacked",
	[CRASH_LAYER_SYNCED] = "layer-synced",
	[CRASH_LAYER_RENAMED] = "layer-renamed",
	[CRASH_LAYER_RECORDED] = "layer-recorded",
	[CRASH_UPPER_PACKED] = "upper-packed",
	[CRASH_SNAPSHOT_RECORDED] = "snapshot-recorded",
	[CRASH_SNAPSHOT_MADE] = "snapshot-made",
	[CRASH_SNAPSHOT_DISCARDED] = "snapshot-discarded",
	[CRASH_STEP_FROZEN] = "step-frozen",
	[CRASH_RECORD_WRITTEN] = "record-written",
	[CRASH_RECORD_COMMITTED] = "record-committed",
	[CRASH_DISCARDED] = "discarded",
	[CRASH_TRASH_EMPTIED] = "trash-emptied",
	[CRASH_GC_MARKED] = "gc-marked",
	[CRASH_GC_RECORD] = "gc-record",
	[CRASH_GC_LAYER] = "gc-layer",
	[CRASH_GC_BLOB] = "gc-blob",
	[CRASH_PULL_MANIFEST] = "pull-manifest",
	[CRASH_PULL_CONFIG] = "pull-config",
	[CRASH_PULL_LAYER] = "pull-layer",
	[CRASH_PULL_IMAGE] = "pull-image",
	[CRASH_LOAD_UNPACKED] = "load-unpacked",
	[CRASH_LOAD_LAYER] = "load-layer",
	[CRASH_LOAD_IMAGE] = "load-image",
	[CRASH_LOAD_DISCARDED] = "load-discarded",
	[CRASH_IMAGE_CONFIG] = "image-config",
	[CRASH_IMAGE_ADDED] = "image-added",
	[CRASH_RMI_UNTAGGED] = "rmi-untagged",
	[CRASH_RMI_FORGOTTEN] = "rmi-forgotten",
	[CRASH_RMI_COLLECTED] = "rmi-collected",
	[CRASH_IMAGE_PRUNED] = "image-pruned",
	[CRASH_BUILD_CONTEXT] = "build-context",
	[CRASH_BUILD_STEP_OPEN] = "build-step-open",
	[CRASH_BUILD_STEP_RAN] = "build-step-ran",
	[CRASH_BUILD_STEP_KEPT] = "build-step-kept",
	[CRASH_BUILD_STEP_CACHED] = "build-step-cached",
	[CRASH_BUILD_PACKED] = "build-packed",
	[CRASH_BUILD_IMAGE] = "build-image",
	[CRASH_BUILD_FORGOTTEN] = "build-forgotten",
	[CRASH_VOLUME_MADE] = "volume-made",
	[CRASH_VOLUME_RECORDED] = "volume-recorded",
	[CRASH_VOLUME_FORGOTTEN] = "volume-forgotten",
	[CRASH_VOLUME_MOUNTED] = "volume-mounted",
	[CRASH_VOLUME_COPYING] = "volume-copying",
	[CRASH_VOLUME_COPIED] = "volume-copied",
	[CRASH_CREATE_VOLUMES] = "create-volumes",
	[CRASH_CREATE_DIRS] = "create-dirs",
	[CRASH_CREATE_SAVED] = "create-saved",
	[CRASH_START_ROOTFS] = "start-rootfs",
	[CRASH_START_VOLUMES] = "start-volumes",
	[CRASH_START_NETWORK] = "start-network",
	[CRASH_START_SECCOMP] = "start-seccomp",
	[CRASH_START_BUNDLE] = "start-bundle",
	[CRASH_START_MONITOR] = "start-monitor",
	[CRASH_START_SAVED] = "start-saved",
	[CRASH_REMOVE_CLEANED] = "remove-cleaned",
	[CRASH_REMOVE_FORGOTTEN] = "remove-forgotten",
	[CRASH_REMOVE_VOLUMES] = "remove-volumes",
	[CRASH_REMOVE_DISCARDED] = "remove-discarded",
	[CRASH_CONTAINER_PRUNED] = "container-pruned",
	[CRASH_COMMIT_PAUSED] = "commit-paused",
};
_Static_assert(ES_N(names) == CRASH_POINT_N, "a crash point without a name");

void crash_point(struct store *st, enum crash_point at)
{
	if (!st || atomic_load_explicit(&st->crash_at, memory_order_relaxed) != (int)at || at == CRASH_NEVER || atomic_fetch_sub(&st->crash_left, 1) != 1)
		return;
	(void)kill(getpid(), SIGKILL); /* as from outside: no handler, no clean-up, all threads at once */
	for (;;)
		(void)pause();
}

es_err *crash_arm(struct store *st, const char *text, bool is_open)
{
	es_autofree char *name = text ? es_xstrdup(text) : NULL;
	char *colon = name ? strchr(name, ':') : NULL;
	int64_t n = 1;

	if (colon) {
		*colon = '\0';
		ES_TRY(es_err_in(str_to_i64(colon + 1, 10, &n), "crash point %s", text));
	}
	for (size_t i = CRASH_NEVER + 1; name && i < ES_N(names); i++)
		if (str_eq(names[i], name)) {
			atomic_store(&st->crash_left, (int)n);
			if (is_open == (i > CRASH_OPEN_N))
				atomic_store(&st->crash_at, (int)i);
			return NULL;
		}
	return name ? es_err_new(ES_E_INVALID, "there is no crash point %s", name) : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* store.h: one data root: images' content, layers, snapshots and every record; opened by one program at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Everything below a store is thread-safe; calls may block on the disk and belong on a worker, never on a loop.
 *
 * The rules that hold at every instant, also after kill -9 or a power cut (doc/format/store.md has them with the on-disk layout):
 *  1. Content comes first, its record last: a record never names bytes that are not there.
 *  2. Content is written under partial/ or without a name, and renamed when it is complete and verified.
 *  3. What no record and no lease leads to is garbage; whatever lies in partial/ or tmp/ at open is garbage.
 *  4. A write of class DURABLE is on the disk before its call returns.
 */
struct store;

/* Format of the data root. A root of a newer format is refused by number; an older one is migrated, one way. */
#define STORE_FORMAT 2

/* How new layers lie on the disk; those that are there are used as they are. */
enum store_form {
	STORE_FORM_AUTO,      /* as files if they can be mounted here, else as directories */
	STORE_FORM_FILE,      /* mounted as files (Linux 6.12) */
	STORE_FORM_LOOP,      /* mounted by loop devices (Linux 6.4) */
	STORE_FORM_DIRECTORY, /* extracted */
	STORE_FORM_N
};
/* "auto", "file", "loop", "directory". ES_E_INVALID. */
es_err *store_form_parse(const char *name, enum store_form *ret) ES_CHECKED;

struct store_options {
	const char *data_root; /* made (0711) when missing; the caller holds the lock that keeps a second program out */
	const char *exec_root; /* run-state records live here; a tmpfs in real life. Wiped when the boot id has changed */
	const char *layer_program; /* estiba-layer; NULL: file_companion("estiba-layer") */
	const char *crash_at; /* crashpoint.h; NULL: none */
	enum store_form layer_form;
};

/* Errors: ES_E_UNSUPPORTED "… format 7 is newer than 1"; ES_E_CONFLICT when another open store has the database;
 * ES_E_SYSTEM. */
es_err *store_open(const struct store_options *opts, struct store **ret) ES_CHECKED;
/* Waits for writes under way; removals go on at the next open. NULL is fine. */
void store_close(struct store *st);

/* Before store_close: overlays of this store are still in use (containers run on), so its mounts stay as they are for the next store_open;
 * without this they go. After a crash they stay, too. */
void store_keep_mounts(struct store *st);

/* Descriptor of the data root (O_PATH, borrowed) and its path as given (borrowed). */
int store_root_fd(const struct store *st);
const char *store_root(const struct store *st);
/* True when this open found another boot's run state and threw it away. */
bool store_is_new_boot(const struct store *st);
/* Remove PATH (below the root; a tree or a file) out of sight now and from the disk soon, on the store's own thread.
 * A missing PATH is success. */
es_err *store_discard(struct store *st, const char *path) ES_CHECKED;
/* fsync the directory PATH (below the root), so that names in it survive a power cut. */
es_err *store_sync_dir(struct store *st, const char *path) ES_CHECKED;
/* Block until what was discarded is gone from the disk (tests, prune's figures). */
void store_settle(struct store *st);

static inline void store_close_p(struct store **st)
{
	store_close(*st);
	*st = NULL;
}
#define es_autostore es_auto(store_close_p) struct store

/* SPDX-License-Identifier: Apache-2.0 */
/* store_priv.h: what the modules of this room share and nobody else sees. */
#pragma once

#include <stdatomic.h>
#include <pthread.h>

#include "base/list.h"
#include "store/crashpoint.h"
#include "store/store.h"

#define STORE_DIR_MODE 0711

struct lease;
struct record_db;
struct mounts;
struct layertree;

struct store {
	char *root, *exec_root, *layer_program;
	int root_fd; /* holds the flock(2) that keeps a second store out */
	bool new_boot;
	struct record_db *db;
	struct mounts *mounts;
	bool keeps_mounts;
	struct layertree *tree;
	enum store_form form;
	pthread_mutex_t probe_lock;
	bool is_probed, takes_files;
	pthread_mutex_t quota_lock; /* from the choice of a project id until a record has it */

	/* Guards leases, and every rename that makes content visible or takes it away. */
	pthread_mutex_t content_lock;
	struct list leases; /* struct lease */
	int collecting;     /* collections under way: until they end, ended leases still hold */

	/* The thread that empties trash. */
	pthread_t janitor;
	bool janitor_runs;
	pthread_mutex_t trash_lock;
	pthread_cond_t trash_cond;
	unsigned long trash_asked, trash_done; /* discards so far, and how many of them are gone */
	atomic_int crash_at, crash_left; /* enum crash_point, and passages until it */
	atomic_bool closing; /* the janitor stops where it is; the next open goes on */
};

/* record.c */
es_err *record_db_open(struct store *st) ES_CHECKED;
void record_db_close(struct store *st);

/* Is DIGEST held? content_lock is taken. */
bool lease_holds(const struct store *st, const char *digest);
/* Now (ns), by the clock that the kernel stamps files with. */
int64_t lease_now(void);
/* When the oldest lease but MINE began (ns), INT64_MAX without one: whatever was there before it belongs to nothing under way. */
int64_t lease_oldest(struct store *st, const struct lease *mine);
/* Wait until the removals that are under way are over; false: they take longer than some seconds. */
bool lease_removals_over(struct store *st);
/* A collection begins or ends. */
void lease_collect(struct store *st, bool begins);

/* Has the janitor nothing to do? */
bool store_is_settled(struct store *st);
/* Let the janitor look into tmp/ whether something was discarded or not. */
void store_sweep_trash(struct store *st);

/* At open: directories of snapshots that no record knows. */
es_err *gc_sweep_snapshots(struct store *st) ES_CHECKED;

/* A new name below partial/ for content under way: "partial/RANDOM", heap. */
char *store_partial_name(void);

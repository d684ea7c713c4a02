/* SPDX-License-Identifier: Apache-2.0 */
/* engine_priv.h: the engine's own parts, for the files of this room only. */
#pragma once

#include <pthread.h>

#include "base/list.h"
#include "engine/engine.h"
#include "catalog/image.h"
#include "catalog/image_net.h"
#include "sys/cgroup.h"

struct events;
struct ctrs;
struct execs;
struct monlinks;
struct netmgr;
struct volumes;
struct imgbuild;

struct engine {
	const struct engine_config *_Atomic cfg; /* replaced as a whole by engine_reload(); old ones live as long as the engine */
	struct arena *cfg_arena;                 /* of the replacements */
	struct store *store;
	struct images images;
	struct image_net net; /* images from and to registries */
	struct events *events;
	struct ctrs *ctrs;
	struct execs *execs;
	struct monlinks *links;
	struct netmgr *nets;
	struct network *network;
	struct volumes *volumes;
	struct imgbuild *imgbuild;
	struct cgroup_host cgroups;
	int exec_root_fd;
	char id[37];        /* UUID text */
	char *run_program;  /* estiba-run */
	int run_program_fd; /* that on a read-only mount, so that it need not look for one itself; 0: cannot be had */
	char *mon_program;  /* estiba-mon */
	char *layer_program;
	char *seccomp_program;
	struct {
		pthread_mutex_t lock;
		char *stamp;       /* of the compiler and the kernel; NULL: not asked yet */
		char *caps, *path; /* of the built-in profile's filter that was asked for last */
	} last_filter;
	struct defer *defer;
	struct collector *collector;
};

/* events.c */
struct events *events_open(int exec_root_fd); /* descriptor borrowed */
void events_close(struct events *es);

/* collector.c: garbage is collected every EVERY_NS; 0: never, *RET is NULL */
struct collector;
es_err *collector_start(struct engine *e, int64_t every_ns, struct collector **ret) ES_CHECKED;
void collector_stop(struct collector *c); /* waits for a collection under way; NULL is fine */

/* defer.c: a queue of work with a few threads */
struct defer;
struct defer *defer_new(size_t threads);
void defer_free(struct defer *d); /* waits until the queue is empty */
void defer_add(struct defer *d, void (*fn)(void *arg), void *arg);
size_t defer_pending(struct defer *d);
void defer_settle(struct defer *d); /* waits until there is nothing to do */

/* SPDX-License-Identifier: Apache-2.0 */
/* rtrdt.h: linux.intelRdt: a container's class of service and its monitoring group in a mounted resctrl file system. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "spec/oci_runtime.h"

/* What a container has there; paths are below the file system's root, in the arena. */
struct rtrdt {
	int tasks, mon_tasks;  /* files that take a process id; -1 */
	const char *made, *mon; /* directories that go with the container; NULL: none */
};
#define RTRDT_NONE ((struct rtrdt){ .tasks = -1, .mon_tasks = -1 })

/* The root of the first mounted one. ES_E_UNSUPPORTED names what is missing. */
es_err *rtrdt_open(int *ret_root) ES_CHECKED;
/* Before there is a process: make or find the class of service, write or compare its schemata, make the monitoring group. Nothing
 * stays after a failure. */
es_err *rtrdt_prepare(struct arena *a, int root, const struct oci_intel_rdt *r, const char *id, struct rtrdt *ret) ES_CHECKED;
/* Allocates nothing: 0 or errno. */
int rtrdt_join(const struct rtrdt *r, pid_t pid);
/* Remove what was made; NULL and missing directories are fine. */
void rtrdt_remove(int root, const char *made, const char *mon);
void rtrdt_done(struct rtrdt *r);

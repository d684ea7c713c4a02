/* SPDX-License-Identifier: Apache-2.0 */
/* workers.h: a bounded pool of threads for work that may wait; threads come when they are needed and leave when idle. */
#pragma once

#include "base/list.h"
#include "base/mem.h"

#define WORKERS_STACK (256u << 10) /* bytes of address space; only what is touched costs memory */
#define WORKERS_IDLE_S 10          /* a thread without work leaves after this many seconds */

struct workers;

/* One piece of work, embedded in the caller's struct; not touched any more once FN has been called. */
struct workers_job {
	struct list link;
	void (*fn)(void *self);
	void *self;
};

struct workers *workers_new(unsigned max);
/* Never blocks: jobs wait in order for a thread. They inherit the signal mask of the first caller. */
void workers_add(struct workers *w, struct workers_job *job);
/* Waits until all jobs are done and all threads have left. NULL is fine. */
void workers_free(struct workers *w);

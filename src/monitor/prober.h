/* SPDX-License-Identifier: Apache-2.0 */
/* prober.h: run health checks in time, one after the other, and hand their results to health.h. */
#pragma once

#include "monitor/health.h"
#include "monitor/launch.h"
#include "sys/loop.h"

struct prober {
	struct loop *loop; /* borrowed, as all pointers here */
	struct health health;
	struct launch launch;
	void (*changed)(void *self); /* health.state is another one */
	bool (*reaped_early)(void *self, pid_t pid, int *ret_status); /* did this child exit while it was launched? */
	void *self;

	bool active; /* a probe is under way */
	pid_t pid;   /* of the probe, 0 while it is launched */
	int64_t start; /* ns since 1970 */
	struct loop_timer interval, timeout;
	struct loop_io out; /* read end of its output */
	size_t len;
	bool cut;
	char *text; /* HEALTH_OUTPUT + 1 */
};

/* launch.spec, changed, reaped_early and self are set before. Without spec->health nothing ever happens. */
es_err *prober_init(struct prober *p, struct loop *l, struct arena *a) ES_CHECKED;
void prober_done(struct prober *p);
void prober_begin(struct prober *p);  /* the container started */
void prober_stop(struct prober *p);   /* it ended or rests; a probe under way is killed and forgotten */
void prober_resume(struct prober *p); /* after a rest */
/* The child PID was reaped with STATUS. True: it was a part of a probe. */
bool prober_reaped(struct prober *p, pid_t pid, int status);

/* SPDX-License-Identifier: Apache-2.0 */
/* restart.h: whether and when a container that ended is started again (docker's rules). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum restart_policy { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS, RESTART_UNLESS_STOPPED, RESTART_POLICY_N };

struct restart {
	enum restart_policy policy;
	int64_t max_retries; /* on-failure; 0: without limit */
	int64_t count;       /* restarts so far */
	int64_t delay_ns;    /* before the latest one */
};

/* Set policy and limit, keep the counters. NAME NULL or "": no. */
es_err *restart_set(struct restart *r, const char *name, int64_t max_retries) ES_CHECKED;
/* A run of UP_NS ended with EXIT_CODE. True: start again after *RET_DELAY_NS (100 ms, doubling up to a minute, back to
 * the beginning after a run of 10 s), and count it. BY_USER: someone asked for the end; no policy overrides that. */
bool restart_decide(struct restart *r, int64_t exit_code, int64_t up_ns, bool by_user, int64_t *ret_delay_ns);

/* SPDX-License-Identifier: Apache-2.0 */
/* health.h: what the results of probes say about a container (docker's rules), and the log of the last five. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "spec/mon.h"

enum health_state { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY, HEALTH_STATE_N };

/* Outputs lie one after the other in `text`, each NUL-terminated. */
struct health_entry {
	int64_t start, end, exit_code;
	size_t len; /* without the NUL */
};

#define HEALTH_OUTPUT (MON_HEALTH_OUTPUT_MAX + 3) /* "..." follows a cut one */

struct health {
	struct mon_health how; /* defaults filled in */
	enum health_state state;
	int64_t streak;     /* failures in a row */
	int64_t started_at; /* ns since 1970, of the container */
	size_t n;
	struct health_entry entries[MON_HEALTH_LOG_MAX];
	size_t text_len;
	char *text; /* MON_HEALTH_LOG_MAX * (HEALTH_OUTPUT + 1) */
};

const char *health_state_name(enum health_state s); /* "" for HEALTH_NONE */
/* HOW NULL: no check, the state stays HEALTH_NONE. */
void health_init(struct health *h, const struct mon_health *how);
/* The container started at NOW: starting again, the log is kept. */
void health_begin(struct health *h, int64_t now);
/* Pause before the next probe. */
int64_t health_interval_ns(const struct health *h, int64_t now);
/* A probe ended; OUTPUT has LEN bytes (cut at HEALTH_OUTPUT). True: the state changed. */
bool health_result(struct health *h, int64_t start, int64_t end, int64_t exit_code, const char *output, size_t len);
/* Text of entry I (0: the oldest), borrowed until the next result. */
const char *health_output(const struct health *h, size_t i);
/* "1m30s", "1.5s", "300ms": as Go prints a duration. OUT has 40 bytes. Returns OUT. */
char *health_duration(int64_t ns, char *out);

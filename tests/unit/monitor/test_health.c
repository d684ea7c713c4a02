/* SPDX-License-Identifier: Apache-2.0 */
/* test_health.c: states, streaks, start period, the bounded log, and Go's durations. */
#include "check.h"

#include <stdlib.h>

#include "base/clock.h"
#include "monitor/health.h"

#define S CLOCK_NS_PER_S

static void states(void)
{
	struct mon_health how = { .process = "/p", .start_period_ns = 10 * S, .retries = 2, .interval_ns = 7 * S,
				  .start_interval_ns = S };
	struct health *h = ES_NEW(struct health);
	static const struct {
		int64_t at, code;
		bool changed;
		enum health_state state;
		int64_t streak;
	} rows[] = {
		{ 1 * S, 1, false, HEALTH_STARTING, 0 }, /* in the start period: not counted */
		{ 9 * S, 1, false, HEALTH_STARTING, 0 },
		{ 11 * S, 1, false, HEALTH_STARTING, 1 },
		{ 12 * S, 0, true, HEALTH_HEALTHY, 0 },
		{ 13 * S, -1, false, HEALTH_HEALTHY, 1 },
		{ 14 * S, 7, true, HEALTH_UNHEALTHY, 2 },
		{ 15 * S, 7, false, HEALTH_UNHEALTHY, 3 },
		{ 16 * S, 0, true, HEALTH_HEALTHY, 0 },
	};

	health_init(h, &how);
	CHECK_INT(h->how.timeout_ns, 30 * S);
	health_begin(h, 0);
	CHECK_INT(health_interval_ns(h, 5 * S), S);
	CHECK_INT(health_interval_ns(h, 10 * S), 7 * S);
	for (size_t i = 0; i < ES_N(rows); i++) {
		CHECK_INT(health_result(h, rows[i].at, rows[i].at + S, rows[i].code, "x", 1), rows[i].changed);
		CHECK_INT(h->state, rows[i].state);
		CHECK_INT(h->streak, rows[i].streak);
	}
	CHECK_INT(h->n, MON_HEALTH_LOG_MAX);
	CHECK_INT(h->entries[4].exit_code, 0);
	health_begin(h, 20 * S);
	CHECK_STR(health_state_name(h->state), "starting");
	free(h);
}

/* Full outputs, empty ones and NULs: five stay, in order. */
static void log_is_bounded(void)
{
	struct mon_health how = { .process = "/p" };
	struct health *h = ES_NEW(struct health);
	char big[HEALTH_OUTPUT + 100];

	memset(big, 'b', sizeof big);
	health_init(h, &how);
	health_begin(h, 0);
	for (int i = 0; i < 12; i++)
		health_result(h, 0, 0, i, big, sizeof big);
	CHECK_INT(strlen(health_output(h, 4)), HEALTH_OUTPUT);
	for (int i = 0; i < 5; i++)
		health_result(h, 0, 0, i, i % 2 ? "a\0b" : "", i % 2 ? 3 : 0);
	CHECK_STR(health_output(h, 0), "");
	CHECK_STR(health_output(h, 1), "a?b");
	CHECK_STR(health_output(h, 4), "");
	free(h);
}

static void duration_rows(void)
{
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {
		{ 0, "0s" }, { 1, "1ns" }, { 1500, "1.5µs" }, { 300 * CLOCK_NS_PER_MS, "300ms" }, { S, "1s" },
		{ 1500 * CLOCK_NS_PER_MS, "1.5s" }, { 60 * S, "1m0s" }, { 90 * S, "1m30s" }, { 3600 * S, "1h0m0s" },
		{ 3661 * S + 1, "1h1m1.000000001s" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		char out[40];

		CHECK_STR(health_duration(rows[i].ns, out), rows[i].text);
	}
}

CHECK_MAIN(TEST(states), TEST(log_is_bounded), TEST(duration_rows))

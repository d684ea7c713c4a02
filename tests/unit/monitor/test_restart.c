/* SPDX-License-Identifier: Apache-2.0 */
/* test_restart.c: who is started again, and after how long. */
#include "check.h"

#include "base/clock.h"
#include "monitor/restart.h"

static void policy_rows(void)
{
	static const struct {
		const char *policy;
		int64_t max, exit_code;
		bool by_user;
		int want; /* restarts in five deaths */
	} rows[] = {
		{ "no", 0, 1, false, 0 },         { NULL, 0, 1, false, 0 },
		{ "always", 0, 0, false, 5 },     { "always", 0, 0, true, 0 },
		{ "unless-stopped", 0, 0, false, 5 }, { "unless-stopped", 0, 137, true, 0 },
		{ "on-failure", 0, 1, false, 5 }, { "on-failure", 0, 0, false, 0 },
		{ "on-failure", 3, 1, false, 3 }, { "on-failure", 3, 1, true, 0 },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		struct restart r = { 0 };
		int64_t delay;
		int got = 0;

		CHECK_OK(restart_set(&r, rows[i].policy, rows[i].max));
		for (int death = 0; death < 5; death++)
			got += restart_decide(&r, rows[i].exit_code, 0, rows[i].by_user, &delay);
		CHECK_INT(got, rows[i].want);
		CHECK_INT(r.count, rows[i].want);
	}
	CHECK_ERR(restart_set(&(struct restart){ 0 }, "sometimes", 0), "sometimes");
}

static void delays_double_and_reset(void)
{
	static const int64_t want_ms[] = { 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000 };
	struct restart r = { 0 };
	int64_t delay = 0;

	CHECK_OK(restart_set(&r, "always", 0));
	for (size_t i = 0; i < ES_N(want_ms); i++) {
		CHECK(restart_decide(&r, 1, 9 * CLOCK_NS_PER_S, false, &delay));
		CHECK_INT(delay / CLOCK_NS_PER_MS, want_ms[i]);
	}
	CHECK(restart_decide(&r, 1, 10 * CLOCK_NS_PER_S, false, &delay));
	CHECK_INT(delay / CLOCK_NS_PER_MS, 100);
}

CHECK_MAIN(TEST(policy_rows), TEST(delays_double_and_reset))

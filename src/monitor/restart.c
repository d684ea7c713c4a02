/* SPDX-License-Identifier: Apache-2.0 */
/* restart.c: the policy names and the back-off. */
#include "monitor/restart.h"

#include "base/clock.h"
#include "base/str.h"

#define RESTART_DELAY_FIRST_NS (100 * CLOCK_NS_PER_MS)
#define RESTART_DELAY_MAX_NS (60 * CLOCK_NS_PER_S)
#define RESTART_GOOD_RUN_NS (10 * CLOCK_NS_PER_S)

static const char *const policy_names[] = {
	[RESTART_NO] = "no",
	[RESTART_ON_FAILURE] = "on-failure",
	[RESTART_ALWAYS] = "always",
	[RESTART_UNLESS_STOPPED] = "unless-stopped",
};
_Static_assert(ES_N(policy_names) == RESTART_POLICY_N, "a policy without a name");

es_err *restart_set(struct restart *r, const char *name, int64_t max_retries)
{
	const char *want = str_empty(name) ? "no" : name;

	for (size_t i = 0; i < RESTART_POLICY_N; i++)
		if (str_eq(want, policy_names[i])) {
			r->policy = (enum restart_policy)i;
			r->max_retries = max_retries;
			return NULL;
		}
	return es_err_new(ES_E_INVALID, "unknown restart policy '%s'", want);
}

bool restart_decide(struct restart *r, int64_t exit_code, int64_t up_ns, bool by_user, int64_t *ret_delay_ns)
{
	bool again = false;

	if (r->policy == RESTART_ON_FAILURE)
		again = exit_code != 0 && (r->max_retries <= 0 || r->count < r->max_retries);
	else if (r->policy != RESTART_NO)
		again = true;
	if (!again || by_user)
		return false;
	if (up_ns >= RESTART_GOOD_RUN_NS || r->delay_ns == 0)
		r->delay_ns = RESTART_DELAY_FIRST_NS;
	else
		r->delay_ns = r->delay_ns * 2 < RESTART_DELAY_MAX_NS ? r->delay_ns * 2 : RESTART_DELAY_MAX_NS;
	r->count++;
	*ret_delay_ns = r->delay_ns;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ago.c: intervals in words: the unit is the largest of which there are enough. */
#include "base/ago.h"

#include "base/clock.h"

char *ago_words(struct arena *a, int64_t ns)
{
	static const struct {
		int64_t below, unit; /* hours */
		const char *word;
	} rows[] = { { 48, 1, "hours" }, { 24 * 14, 24, "days" }, { 24 * 60, 24 * 7, "weeks" }, { 24 * 730, 24 * 30, "months" } };
	int64_t s = ns / CLOCK_NS_PER_S, m = s / 60, h = (s + 1800) / 3600;

	if (s < 1)
		return arena_strdup(a, "Less than a second");
	if (s == 1)
		return arena_strdup(a, "1 second");
	if (s < 60)
		return arena_printf(a, "%lld seconds", (long long)s);
	if (m == 1)
		return arena_strdup(a, "About a minute");
	if (m < 60)
		return arena_printf(a, "%lld minutes", (long long)m);
	if (h == 1)
		return arena_strdup(a, "About an hour");
	for (size_t i = 0; i < ES_N(rows); i++)
		if (h < rows[i].below)
			return arena_printf(a, "%lld %s", (long long)(h / rows[i].unit), rows[i].word);
	return arena_printf(a, "%lld years", (long long)(s / 3600 / 24 / 365));
}

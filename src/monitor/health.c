/* SPDX-License-Identifier: Apache-2.0 */
/* health.c: streaks, states, the log of results. */
#include "monitor/health.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "monitor/lazy.h"

static const char *const state_names[] = {
	[HEALTH_NONE] = "",
	[HEALTH_STARTING] = "starting",
	[HEALTH_HEALTHY] = "healthy",
	[HEALTH_UNHEALTHY] = "unhealthy",
};
_Static_assert(ES_N(state_names) == HEALTH_STATE_N, "a state without a name");

const char *health_state_name(enum health_state s)
{
	return state_names[s];
}

static void fill(int64_t *value, int64_t otherwise)
{
	if (*value <= 0)
		*value = otherwise;
}

void health_init(struct health *h, const struct mon_health *how)
{
	if (!how)
		return;
	h->how = *how;
	h->text = lazy_new(MON_HEALTH_LOG_MAX * (HEALTH_OUTPUT + 1));
	fill(&h->how.interval_ns, 30 * CLOCK_NS_PER_S);
	fill(&h->how.timeout_ns, 30 * CLOCK_NS_PER_S);
	fill(&h->how.start_period_ns, 0);
	fill(&h->how.start_interval_ns, 5 * CLOCK_NS_PER_S);
	fill(&h->how.retries, 3);
}

void health_begin(struct health *h, int64_t now)
{
	if (!h->how.process)
		return;
	h->state = HEALTH_STARTING;
	h->streak = 0;
	h->started_at = now;
}

int64_t health_interval_ns(const struct health *h, int64_t now)
{
	bool young = now - h->started_at < h->how.start_period_ns;

	return young && h->state == HEALTH_STARTING ? h->how.start_interval_ns : h->how.interval_ns;
}

const char *health_output(const struct health *h, size_t i)
{
	const char *at = h->text;

	for (size_t k = 0; k < i; k++)
		at += h->entries[k].len + 1;
	return at;
}

static void forget_oldest(struct health *h)
{
	size_t gone = h->entries[0].len + 1;

	memmove(h->text, h->text + gone, h->text_len - gone);
	h->text_len -= gone;
	h->n--;
	memmove(h->entries, h->entries + 1, h->n * sizeof h->entries[0]);
}

static void remember(struct health *h, int64_t start, int64_t end, int64_t exit_code, const char *output, size_t len)
{
	if (h->n == MON_HEALTH_LOG_MAX)
		forget_oldest(h);
	if (len > HEALTH_OUTPUT)
		len = HEALTH_OUTPUT;
	memcpy(h->text + h->text_len, output, len);
	h->text[h->text_len + len] = '\0';
	for (char *p = h->text + h->text_len; (p = memchr(p, '\0', (size_t)(h->text + h->text_len + len - p)));)
		*p = '?'; /* a NUL would end the text too early */
	h->text_len += len + 1;
	h->entries[h->n++] = (struct health_entry){ start, end, exit_code, len };
}

bool health_result(struct health *h, int64_t start, int64_t end, int64_t exit_code, const char *output, size_t len)
{
	enum health_state before = h->state;

	remember(h, start, end, exit_code, output, len);
	if (exit_code == 0) {
		h->streak = 0;
		h->state = HEALTH_HEALTHY;
	} else if (h->state != HEALTH_STARTING || start - h->started_at >= h->how.start_period_ns) {
		h->streak++;
		if (h->streak >= h->how.retries)
			h->state = HEALTH_UNHEALTHY;
	}
	return h->state != before;
}

char *health_duration(int64_t ns, char *out)
{
	static const struct {
		int64_t ns;
		const char *name;
	} small[] = { { CLOCK_NS_PER_MS, "ms" }, { 1000, "µs" }, { 1, "ns" } };
	int64_t unit = CLOCK_NS_PER_S, minutes = ns / (60 * CLOCK_NS_PER_S);
	const char *name = "s";
	char fraction[24] = "";
	size_t n = 0;

	for (size_t i = 0; i < ES_N(small) && ns < unit && ns > 0; i++) {
		unit = small[i].ns;
		name = small[i].name;
	}
	if (minutes >= 60)
		n += (size_t)snprintf(out, 40, "%" PRId64 "h", minutes / 60);
	if (minutes > 0)
		n += (size_t)snprintf(out + n, 40 - n, "%" PRId64 "m", minutes % 60);
	ns %= 60 * CLOCK_NS_PER_S;
	if (ns % unit) {
		int digits = unit == CLOCK_NS_PER_S ? 9 : unit == CLOCK_NS_PER_MS ? 6 : 3;
		int len = snprintf(fraction, sizeof fraction, ".%0*" PRId64, digits, ns % unit);

		while (len > 0 && fraction[len - 1] == '0')
			fraction[--len] = '\0';
	}
	snprintf(out + n, 40 - n, "%" PRId64 "%s%s", ns / unit, fraction, name);
	return out;
}

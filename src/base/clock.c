/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c: time stamps. */
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

/* Nanoseconds in 64 bits reach from 1677 to 2262. */
#define CLOCK_YEAR_MIN 1678
#define CLOCK_YEAR_MAX 2261

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return ts.tv_sec * CLOCK_NS_PER_S + ts.tv_nsec;
}

int64_t clock_now_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static char *format(int64_t ns, char *out, bool fixed)
{
	time_t seconds = (time_t)(ns / CLOCK_NS_PER_S);
	int64_t frac = ns % CLOCK_NS_PER_S;
	struct tm tm;
	size_t n;

	if (ns == INT64_MIN)
		return memcpy(out, "0001-01-01T00:00:00Z", sizeof "0001-01-01T00:00:00Z");
	if (frac < 0) {
		frac += CLOCK_NS_PER_S;
		seconds--;
	}
	gmtime_r(&seconds, &tm);
	n = strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	if (fixed || frac) {
		n += (size_t)snprintf(out + n, CLOCK_TEXT_MAX - n, ".%09d", (int)frac);
		while (!fixed && out[n - 1] == '0')
			n--;
	}
	out[n] = 'Z';
	out[n + 1] = '\0';
	return out;
}

char *clock_rfc3339(int64_t ns, char *out)
{
	return format(ns, out, false);
}

char *clock_rfc3339_fixed(int64_t ns, char *out)
{
	return format(ns, out, true);
}

es_err *clock_parse(const char *text, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t frac = 0, scale = CLOCK_NS_PER_S, offset = 0;
	int h, m, used = 0;

	if (!p)
		return es_err_new(ES_E_INVALID, "\"%s\" is not an RFC 3339 time", text);
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++)
			if (scale > 1) {
				scale /= 10;
				frac += (*p - '0') * scale;
			}
	if ((*p == '+' || *p == '-') && sscanf(p + 1, "%2d:%2d%n", &h, &m, &used) == 2) {
		offset = (h * 60 + m) * 60 * (*p == '-' ? -1 : 1);
		p += 1 + used;
	} else if (*p == 'Z') {
		p++;
	} else {
		return es_err_new(ES_E_INVALID, "\"%s\" is not an RFC 3339 time", text);
	}
	if (*p)
		return es_err_new(ES_E_INVALID, "\"%s\" is not an RFC 3339 time", text);
	if (tm.tm_year == 1 - 1900) {
		*ret_ns = INT64_MIN;
		return NULL;
	}
	if (tm.tm_year < CLOCK_YEAR_MIN - 1900 || tm.tm_year > CLOCK_YEAR_MAX - 1900)
		return es_err_new(ES_E_INVALID, "\"%s\" is not between the years %d and %d", text, CLOCK_YEAR_MIN, CLOCK_YEAR_MAX);
	*ret_ns = (timegm(&tm) - offset) * CLOCK_NS_PER_S + frac;
	return NULL;
}

es_err *clock_parse_http(const char *text, int64_t *ret_s)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	char month[4] = "", zone[4] = "";
	const char *at;

	if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d %3s", &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, zone) != 7 ||
	    strcmp(zone, "GMT") != 0 || strlen(month) != 3 || !(at = strstr(months, month)) || (at - months) % 3 != 0)
		return es_err_new(ES_E_INVALID, "\"%s\" is no HTTP date", text);
	tm.tm_mon = (int)(at - months) / 3;
	tm.tm_year -= 1900;
	*ret_s = timegm(&tm);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* human.c: sizes, ages and ids as docker prints them for people. */
#include "cli/human.h"

#include <time.h>

#include "base/buf.h"
#include "base/ago.h"
#include "base/clock.h"
#include "base/str.h"

static char *scaled(struct arena *a, double v, double step, const char *const *units, size_t n_units, int precision)
{
	size_t i = 0;

	while (v >= step && i + 1 < n_units) {
		v /= step;
		i++;
	}
	return arena_printf(a, "%.*g%s", precision, v, units[i]);
}

char *human_size_digits(struct arena *a, double bytes, int precision)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB" };

	return scaled(a, bytes, 1000, units, ES_N(units), precision);
}

char *human_size(struct arena *a, double bytes)
{
	return human_size_digits(a, bytes, 3);
}

char *human_bytes(struct arena *a, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB" };

	return scaled(a, bytes, 1024, units, ES_N(units), 4);
}

char *human_ago(struct arena *a, int64_t unix_seconds)
{
	if (unix_seconds <= 0)
		return arena_strdup(a, "N/A");
	return arena_printf(a, "%s ago", ago_words(a, clock_now_ns() - unix_seconds * CLOCK_NS_PER_S));
}

/* V/UNIT as decimals without trailing zeros. */
static void put_fraction(struct es_buf *out, int64_t v, int64_t unit, const char *suffix)
{
	int64_t rest = v % unit;

	es_buf_printf(out, "%lld", (long long)(v / unit));
	if (rest) {
		es_buf_addc(out, '.');
		while (rest) {
			unit /= 10;
			es_buf_addc(out, (char)('0' + rest / unit));
			rest %= unit;
		}
	}
	es_buf_adds(out, suffix);
}

char *human_go_duration(struct arena *a, int64_t ns)
{
	es_autobuf b = ES_BUF(64);
	int64_t v = ns < 0 ? -ns : ns;

	if (ns < 0)
		es_buf_addc(&b, '-');
	if (v == 0)
		es_buf_adds(&b, "0s");
	else if (v < 1000)
		es_buf_printf(&b, "%lldns", (long long)v);
	else if (v < 1000000)
		put_fraction(&b, v, 1000, "µs");
	else if (v < CLOCK_NS_PER_S)
		put_fraction(&b, v, 1000000, "ms");
	else {
		int64_t minutes = v / CLOCK_NS_PER_S / 60;

		if (minutes >= 60)
			es_buf_printf(&b, "%lldh", (long long)(minutes / 60));
		if (minutes)
			es_buf_printf(&b, "%lldm", (long long)(minutes % 60));
		put_fraction(&b, v - minutes * 60 * CLOCK_NS_PER_S, CLOCK_NS_PER_S, "s");
	}
	return arena_strdup(a, es_buf_str(&b));
}

char *human_time(struct arena *a, int64_t unix_seconds)
{
	char text[64];
	time_t t = (time_t)unix_seconds;
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	return arena_strdup(a, text);
}

const char *human_short_id(struct arena *a, const char *id)
{
	const char *colon = strchr(id, ':');

	if (colon)
		id = colon + 1;
	return strlen(id) > 12 ? arena_strndup(a, id, 12) : id;
}

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

size_t human_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += starts_character(*s);
	return n;
}

char *human_ellipsis(struct arena *a, const char *s, size_t width)
{
	size_t n = 0, i = 0;

	if (human_width(s) <= width)
		return arena_strdup(a, s);
	for (; s[i]; i++)
		if (starts_character(s[i]) && n++ == width - 1)
			break;
	return arena_printf(a, "%.*s…", (int)i, s);
}

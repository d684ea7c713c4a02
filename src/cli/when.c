/* SPDX-License-Identifier: Apache-2.0 */
/* when.c: --since and --until. */
#include "cli/when.h"

#include <time.h>

#include "base/clock.h"
#include "base/str.h"

static const char *stamp(struct arena *a, int64_t ns)
{
	return arena_printf(a, "%lld.%09lld", (long long)(ns / CLOCK_NS_PER_S), (long long)(ns % CLOCK_NS_PER_S));
}

/* Parts of RFC 3339 that docker takes; a text without a zone is local time. */
static bool parse_local(const char *text, int64_t *ret_ns)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d" };

	for (size_t i = 0; i < ES_N(forms); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);

		if (!end || (*end && !str_eq(end, "Z")))
			continue;
		*ret_ns = (int64_t)(*end ? timegm(&tm) : mktime(&tm)) * CLOCK_NS_PER_S;
		return true;
	}
	return false;
}

static bool is_seconds(const char *text)
{
	size_t n = strspn(text, "0123456789");

	if (text[n] == '.' && n)
		n += 1 + strspn(text + n + 1, "0123456789");
	return n && !text[n];
}

es_err *when_parse(struct arena *a, const char *text, const char **ret)
{
	int64_t ns;
	es_err *err;

	*ret = NULL;
	if (str_empty(text))
		return NULL;
	if (is_seconds(text)) {
		*ret = text;
		return NULL;
	}
	err = str_to_duration(text, &ns);
	if (!err) {
		*ret = stamp(a, clock_now_ns() - ns);
		return NULL;
	}
	es_err_free(err);
	err = clock_parse(text, &ns);
	if (err && parse_local(text, &ns)) {
		es_err_free(err);
		err = NULL;
	}
	if (err) {
		es_err_free(err);
		return es_err_new(ES_E_INVALID, "failed to parse value as time or duration: \"%s\"", text);
	}
	*ret = stamp(a, ns);
	return NULL;
}

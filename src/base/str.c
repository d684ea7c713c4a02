/* SPDX-License-Identifier: Apache-2.0 */
/* str.c: strings, numbers and string vectors. */
#include "base/str.h"

#include <ctype.h>
#include <math.h>
#include <strings.h>

bool str_starts(const char *s, const char *prefix)
{
	return str_after(s, prefix) != NULL;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

const char *str_after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool str_eq_nocase(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

char *str_trim(char *s)
{
	size_t n;

	while (*s && isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

char *str_lower(char *s)
{
	for (char *p = s; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 'a' - 'A');
	return s;
}

#define CLEAN_DEPTH_MAX 256 /* directories deep; what is deeper is dropped */

char *str_clean_path(char *path)
{
	char *out = path, *starts[CLEAN_DEPTH_MAX];
	size_t depth = 0;

	for (char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		char *next = p[n] ? p + n + 1 : p + n;

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			if (depth)
				out = starts[--depth];
		} else if (n && !(n == 1 && *p == '.') && depth < CLEAN_DEPTH_MAX) {
			starts[depth++] = out;
			if (out != path)
				*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p = next;
	}
	*out = 0;
	return path;
}

es_err *str_to_i64(const char *s, int base, int64_t *ret)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(s, &end, base);
	if (end == s || *end || isspace((unsigned char)*s) || errno)
		return es_err_new(ES_E_INVALID, "\"%s\" is not a number%s", s, errno == ERANGE ? " in range" : "");
	*ret = v;
	return NULL;
}

es_err *str_to_u64(const char *s, int base, uint64_t *ret)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, base);
	if (end == s || *end || isspace((unsigned char)*s) || *s == '-' || *s == '+' || errno)
		return es_err_new(ES_E_INVALID, "\"%s\" is not a number%s", s, errno == ERANGE ? " in range" : "");
	*ret = v;
	return NULL;
}

/* Digits with at most one point; strtod alone would take "inf", "0x1p3" and a sign. */
static const char *decimal(const char *s, double *ret)
{
	size_t n = strspn(s, "0123456789");
	size_t digits = n;
	char *copy;

	if (s[n] == '.') {
		size_t frac = strspn(s + n + 1, "0123456789");

		digits += frac;
		n += 1 + frac;
	}
	if (digits == 0)
		return NULL;
	copy = es_xstrndup(s, n);
	*ret = strtod(copy, NULL);
	free(copy);
	return s + n;
}

es_err *str_to_bytes(const char *s, int64_t *ret_bytes)
{
	static const char units[] = "bkmgtp";
	double v;
	int shift = 0;
	const char *p = decimal(s, &v);

	if (!p)
		return es_err_new(ES_E_INVALID, "invalid size: '%s'", s);
	if (*p == ' ')
		p++;
	if (*p) {
		const char *unit = strchr(units, tolower((unsigned char)*p));

		if (!unit)
			return es_err_new(ES_E_INVALID, "invalid suffix: '%s'", p);
		shift = (int)(unit - units) * 10;
		p++;
		if (shift && tolower((unsigned char)*p) == 'i')
			p++;
		if (shift && tolower((unsigned char)*p) == 'b')
			p++;
		if (*p)
			return es_err_new(ES_E_INVALID, "invalid size: '%s'", s);
	}
	v = ldexp(v, shift);
	if (v >= 9223372036854775808.0)
		return es_err_new(ES_E_INVALID, "invalid size: '%s' is out of range", s);
	*ret_bytes = (int64_t)v;
	return NULL;
}

es_err *str_to_duration(const char *s, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { /* longer names first */
		{ "ns", 1 }, { "us", 1e3 }, { "µs", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 },
	};
	const char *p = s;
	double total = 0, sign = 1;

	if (*p == '-' || *p == '+')
		sign = *p++ == '-' ? -1 : 1;
	if (strcmp(p, "0") == 0) {
		*ret_ns = 0;
		return NULL;
	}
	if (!*p)
		return es_err_new(ES_E_INVALID, "time: invalid duration \"%s\"", s);
	while (*p) {
		double v;
		size_t i;

		p = decimal(p, &v);
		if (!p)
			return es_err_new(ES_E_INVALID, "time: invalid duration \"%s\"", s);
		if (!*p)
			return es_err_new(ES_E_INVALID, "time: missing unit in duration \"%s\"", s);
		for (i = 0; i < ES_N(units); i++)
			if (str_starts(p, units[i].name))
				break;
		if (i == ES_N(units))
			return es_err_new(ES_E_INVALID, "time: unknown unit in duration \"%s\"", s);
		p += strlen(units[i].name);
		total += v * units[i].ns;
	}
	if (total >= 9223372036854775808.0)
		return es_err_new(ES_E_INVALID, "time: invalid duration \"%s\"", s);
	*ret_ns = (int64_t)(sign * total);
	return NULL;
}

size_t strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

void strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

char **strv_dup(char *const *v)
{
	char **copy = NULL;

	for (size_t i = 0; v && v[i]; i++)
		strv_add(&copy, v[i]);
	return copy;
}

void strv_take(char ***v, char *s)
{
	size_t n = strv_len(*v);

	*v = es_xrealloc(*v, (n + 2) * sizeof **v);
	(*v)[n] = s;
	(*v)[n + 1] = NULL;
}

void strv_add(char ***v, const char *s)
{
	strv_take(v, es_xstrdup(s));
}

bool strv_has(char *const *v, const char *s)
{
	for (size_t i = 0; v && v[i]; i++)
		if (strcmp(v[i], s) == 0)
			return true;
	return false;
}

char **strv_split(const char *s, char sep)
{
	char **v = NULL;

	for (;;) {
		const char *end = strchr(s, sep);

		strv_take(&v, end ? es_xstrndup(s, (size_t)(end - s)) : es_xstrdup(s));
		if (!end)
			return v;
		s = end + 1;
	}
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(char **v)
{
	if (v)
		qsort(v, strv_len(v), sizeof *v, by_bytes);
}

char *strv_join(char *const *v, const char *sep)
{
	size_t len = 0, sep_len = strlen(sep);
	char *s, *at;

	for (size_t i = 0; v && v[i]; i++)
		len += strlen(v[i]) + sep_len;
	at = s = es_xmalloc(len + 1);
	for (size_t i = 0; v && v[i]; i++)
		at = stpcpy(stpcpy(at, i ? sep : ""), v[i]);
	*at = '\0';
	return s;
}

static size_t env_index(char *const *v, const char *key)
{
	size_t len = strlen(key), i;

	for (i = 0; v && v[i]; i++)
		if (strncmp(v[i], key, len) == 0 && v[i][len] == '=')
			return i;
	return i;
}

const char *strv_env_get(char *const *v, const char *key)
{
	size_t i = env_index(v, key);

	return v && v[i] ? v[i] + strlen(key) + 1 : NULL;
}

void strv_env_set(char ***v, const char *key, const char *value)
{
	size_t i = env_index(*v, key);
	char *pair = es_xasprintf("%s=%s", key, value);

	if (!*v || !(*v)[i]) {
		strv_take(v, pair);
		return;
	}
	free((*v)[i]);
	(*v)[i] = pair;
}

char **strv_arena_dup(struct arena *a, char *const *v)
{
	size_t n = strv_len(v);
	char **copy;

	if (!v)
		return NULL;
	copy = ARENA_ARRAY(a, char *, n + 1);
	for (size_t i = 0; i < n; i++)
		copy[i] = arena_strdup(a, v[i]);
	return copy;
}

char **strv_arena_add(struct arena *a, char **v, const char *s)
{
	size_t n = strv_len(v);
	char **more = ARENA_ARRAY(a, char *, n + 2);

	if (n)
		memcpy(more, v, n * sizeof *v);
	more[n] = arena_strdup(a, s);
	return more;
}

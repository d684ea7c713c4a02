/* SPDX-License-Identifier: Apache-2.0 */
/* filters.c: parsing and matching of API filters. */
#include "spec/filters.h"

#include <regex.h>

#include "base/clock.h"
#include "base/str.h"

static es_err *values(struct arena *a, const struct json *member, char ***ret)
{
	char **v = ARENA_ARRAY(a, char *, member->n + 1);
	size_t n = 0;

	JSON_EACH(at, member) {
		if (member->type == JSON_ARRAY && at->type == JSON_STRING)
			v[n++] = arena_strdup(a, at->text);
		else if (member->type == JSON_OBJECT && json_bool(at, false))
			v[n++] = arena_strdup(a, at->key);
		else if (member->type != JSON_OBJECT || at->type != JSON_BOOL)
			return es_err_new(ES_E_INVALID, "invalid filter");
	}
	*ret = v;
	return NULL;
}

es_err *filters_parse(struct arena *a, const char *text, struct filters *ret)
{
	struct field_map *map;
	struct json *doc;
	es_err *err;

	ret->map = NULL;
	if (str_empty(text))
		return NULL;
	err = json_parse(a, text, strlen(text), &doc);
	if (err || doc->type != JSON_OBJECT) {
		es_err_drop(err);
		return es_err_new(ES_E_INVALID, "invalid filter");
	}
	map = field_map_new(a);
	JSON_EACH(member, doc) {
		char **v = NULL;

		if (member->type != JSON_ARRAY && member->type != JSON_OBJECT)
			return es_err_new(ES_E_INVALID, "invalid filter");
		ES_TRY(values(a, member, &v));
		field_map_put(a, map, arena_strdup(a, member->key), v);
	}
	ret->map = map;
	return NULL;
}

es_err *filters_check(const struct filters *f, const char *const *allowed)
{
	FIELD_MAP_EACH(e, f->map) {
		size_t i = 0;

		while (allowed[i] && strcmp(allowed[i], e->key) != 0)
			i++;
		if (!allowed[i])
			return es_err_new(ES_E_INVALID, "invalid filter '%s'", e->key);
	}
	return NULL;
}

char **filters_get(const struct filters *f, const char *name)
{
	return field_map_get(f->map, name);
}

bool filters_has(const struct filters *f, const char *name)
{
	return filters_get(f, name) != NULL;
}

static bool equal(const char *value, const char *want)
{
	return strcmp(value, want) == 0;
}

static bool contains(const char *value, const char *want)
{
	return strstr(value, want) != NULL;
}

static bool any(const struct filters *f, const char *name, const char *value, bool (*test)(const char *, const char *))
{
	char **v = filters_get(f, name);

	if (!v)
		return true;
	for (; *v; v++)
		if (test(value, *v))
			return true;
	return false;
}

bool filters_match(const struct filters *f, const char *name, const char *value)
{
	return any(f, name, value, equal);
}

bool filters_match_part(const struct filters *f, const char *name, const char *value)
{
	return any(f, name, value, contains);
}

bool filters_match_prefix(const struct filters *f, const char *name, const char *value)
{
	return any(f, name, value, str_starts);
}

static bool label_holds(const struct field_map *labels, const char *want)
{
	const char *eq = strchr(want, '=');
	bool holds = false;

	FIELD_MAP_EACH(e, labels) {
		if (!eq)
			holds |= strcmp(e->key, want) == 0;
		else if (strncmp(e->key, want, (size_t)(eq - want)) == 0 && !e->key[eq - want])
			holds |= str_eq(e->value ? e->value : "", eq + 1);
	}
	return holds;
}

bool filters_match_labels(const struct filters *f, const char *name, const struct field_map *labels)
{
	bool negated = str_ends(name, "!");
	char **v = filters_get(f, name);

	for (; v && *v; v++)
		if (label_holds(labels, *v) == negated)
			return false;
	return true;
}

es_err *filters_bool(const struct filters *f, const char *name, bool otherwise, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };
	char **v = filters_get(f, name);

	*ret = otherwise;
	for (; v && *v; v++) {
		size_t i = 0;

		while (i < ES_N(yes) && strcmp(*v, yes[i]) != 0 && strcmp(*v, no[i]) != 0)
			i++;
		if (i == ES_N(yes))
			return es_err_new(ES_E_INVALID, "invalid filter '%s=[%s]'", name, *v);
		*ret = strcmp(*v, yes[i]) == 0;
	}
	return NULL;
}

bool filters_name_matches(const char *pattern, const char *slashed_name)
{
	regex_t re;
	bool match;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return strstr(slashed_name, pattern) != NULL;
	match = regexec(&re, slashed_name, 0, NULL, 0) == 0 || regexec(&re, slashed_name + 1, 0, NULL, 0) == 0;
	regfree(&re);
	return match;
}

/* "1700000000.123456789" */
static bool unix_time(const char *text, int64_t *ret_ns)
{
	size_t digits = strspn(text, "0123456789");
	int64_t ns = 0, scale = CLOCK_NS_PER_S;
	const char *p = text + digits;

	if (digits == 0 || digits > 10)
		return false;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9' && scale > 1; p++) {
			scale /= 10;
			ns += (*p - '0') * scale;
		}
	if (*p)
		return false;
	*ret_ns = strtoll(text, NULL, 10) * CLOCK_NS_PER_S + ns;
	return true;
}

es_err *filters_time(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	static const char *const endings[] = { "", "Z", ":00Z", ":00:00Z", "T00:00:00Z" };
	int64_t duration;
	es_err *err;

	if (unix_time(text, ret_ns))
		return NULL;
	err = str_to_duration(text, &duration);
	if (!err) {
		*ret_ns = now_ns - duration;
		return NULL;
	}
	for (size_t i = 0; i < ES_N(endings) && err; i++) {
		es_autofree char *whole = es_xasprintf("%s%s", text, endings[i]);

		es_err_free(err);
		err = clock_parse(whole, ret_ns);
	}
	if (err) {
		es_err_free(err);
		return es_err_new(ES_E_INVALID, "failed to parse value as time or duration: \"%s\"", text);
	}
	return NULL;
}

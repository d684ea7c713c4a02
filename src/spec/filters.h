/* SPDX-License-Identifier: Apache-2.0 */
/* filters.h: the "filters" query of the Docker API: names with lists of values; same name = or, different names = and. */
#pragma once

#include "codec/field.h"

struct filters {
	struct field_map *map; /* name → char ** (NULL-terminated); NULL: no filter */
};

/* Takes {"k":["v"]} and {"k":{"v":true}}; NULL and "" are the empty filter. ES_E_INVALID with docker's text. */
es_err *filters_parse(struct arena *a, const char *text, struct filters *ret) ES_CHECKED;
/* ES_E_INVALID "invalid filter 'x'" unless every name is in ALLOWED (NULL-terminated). */
es_err *filters_check(const struct filters *f, const char *const *allowed) ES_CHECKED;
bool filters_has(const struct filters *f, const char *name);
char **filters_get(const struct filters *f, const char *name); /* NULL when absent */
/* True when NAME is absent or one of its values equals VALUE. */
bool filters_match(const struct filters *f, const char *name, const char *value);
/* The same; values may also be a part of VALUE, or a prefix when PREFIX. */
bool filters_match_part(const struct filters *f, const char *name, const char *value);
bool filters_match_prefix(const struct filters *f, const char *name, const char *value);
/* Every "label=k" or "label=k=v" value must hold for LABELS (string map); NAME is "label", or "label!" where none may. */
bool filters_match_labels(const struct filters *f, const char *name, const struct field_map *labels);
/* A boolean filter ("dangling", "all"): OTHERWISE when absent. Takes 1, 0, true, false, t, f… ES_E_INVALID otherwise. */
es_err *filters_bool(const struct filters *f, const char *name, bool otherwise, bool *ret) ES_CHECKED;
/* A "name" value against "/name": an extended regular expression anywhere in it, with or without the slash. */
bool filters_name_matches(const char *pattern, const char *slashed_name);
/* "until" and the like: a Unix time with fraction, RFC 3339 (also without time or zone), or a Go duration before now. ns. */
es_err *filters_time(const char *text, int64_t now_ns, int64_t *ret_ns) ES_CHECKED;

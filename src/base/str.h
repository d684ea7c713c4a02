/* SPDX-License-Identifier: Apache-2.0 */
/* str.h: small questions about strings, checked numbers, and NULL-terminated string vectors. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

static inline bool str_eq(const char *a, const char *b) /* NULL equals only NULL */
{
	return a == b || (a && b && strcmp(a, b) == 0);
}
static inline bool str_empty(const char *s) /* NULL or "" */
{
	return !s || !*s;
}
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* What follows PREFIX in S, or NULL. */
const char *str_after(const char *s, const char *prefix);
bool str_eq_nocase(const char *a, const char *b); /* ASCII */
char *str_trim(char *s); /* cuts blanks at both ends, in place */
char *str_lower(char *s); /* ASCII, in place */
/* "/a/./b//../c/" becomes "a/c", in place: no leading slash, and ".." cannot lead above the start. */
char *str_clean_path(char *path);

/* Whole-string decimal numbers; ES_E_INVALID names the text. BASE 0 takes 0x and 0 prefixes. */
es_err *str_to_i64(const char *s, int base, int64_t *ret) ES_CHECKED;
es_err *str_to_u64(const char *s, int base, uint64_t *ret) ES_CHECKED;
/* "64m", "1.5g", "10kb", "512": binary units, as docker's --memory takes them. Bytes. */
es_err *str_to_bytes(const char *s, int64_t *ret_bytes) ES_CHECKED;
/* Go's "1h2m3.5s", "300ms", "0". Nanoseconds. */
es_err *str_to_duration(const char *s, int64_t *ret_ns) ES_CHECKED;

/* NULL-terminated vectors of heap strings (char **); NULL is the empty vector. */
size_t strv_len(char *const *v);
void strv_free(char **v);
char **strv_dup(char *const *v);
/* Append a copy of S / take S; *V moves. */
void strv_add(char ***v, const char *s);
void strv_take(char ***v, char *s);
bool strv_has(char *const *v, const char *s);
/* Split at every SEP; empty parts are kept. */
char **strv_split(const char *s, char sep);
void strv_sort(char **v); /* by bytes */
char *strv_join(char *const *v, const char *sep); /* heap */
/* Find "KEY=…" in V and return what follows "=", or NULL. */
const char *strv_env_get(char *const *v, const char *key);
/* Set or replace KEY in an environment vector. */
void strv_env_set(char ***v, const char *key, const char *value);

static inline void strv_free_p(char ***v)
{
	strv_free(*v);
	*v = NULL;
}
#define es_autostrv es_auto(strv_free_p) char **

/* The same vectors inside an arena (no element is freed by itself). */
char **strv_arena_dup(struct arena *a, char *const *v); /* NULL stays NULL */
char **strv_arena_add(struct arena *a, char **v, const char *s); /* returns the new vector */

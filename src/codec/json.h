/* SPDX-License-Identifier: Apache-2.0 */
/* json.h: JSON text to a tree in an arena and back (RFC 8259); numbers stay text, so no integer is ever bent. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define JSON_DEPTH_MAX 128
#define JSON_DOUBLE_MAX 32 /* bytes of a formatted double */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* One value. Children form a list in document order. Everything lives in the arena it was made in. */
struct json {
	enum json_type type;
	bool boolean;
	const char *text; /* STRING: decoded bytes, NUL-terminated, may contain NUL; NUMBER: as written */
	size_t len;       /* of text */
	const char *key;  /* in an object: the member's name, else NULL */
	size_t key_len;
	struct json *first, *last, *next;
	size_t n; /* children */
};

/* The whole of TEXT must be one value. Duplicate names: the last wins in json_get. Invalid UTF-8 becomes U+FFFD as in
 * Go. ES_E_INVALID says what and at which byte offset. */
es_err *json_parse(struct arena *a, const char *text, size_t len, struct json **ret) ES_CHECKED;
/* The same for one value at the start of TEXT; *RET_USED is how many bytes it took (streams of values). */
es_err *json_parse_prefix(struct arena *a, const char *text, size_t len, struct json **ret, size_t *ret_used) ES_CHECKED;

/* Look-ups take NULL (and give NULL), so that chains read well: json_str(json_get(json_get(doc, "a"), "b")). */
struct json *json_get(const struct json *object, const char *key);
struct json *json_at(const struct json *array, size_t i);
const char *json_str(const struct json *v);                     /* NULL when not a string */
bool json_bool(const struct json *v, bool otherwise);           /* OTHERWISE when not a bool */
int64_t json_i64(const struct json *v, int64_t otherwise);      /* OTHERWISE when not an integral number in range */
bool json_is(const struct json *v, enum json_type type);        /* NULL is of no type */
#define JSON_EACH(at, parent) for (struct json *at = (parent) ? (parent)->first : NULL; at; at = at->next)

/* Build. Strings are copied into the arena; json_set, json_add and json_append take the child: a node has one parent (use
 * json_copy to put it into another). json_set replaces an old member in its place; json_add does not look for one. */
struct json *json_new_null(struct arena *a);
struct json *json_new_bool(struct arena *a, bool v);
struct json *json_new_i64(struct arena *a, int64_t v);
struct json *json_new_u64(struct arena *a, uint64_t v);
struct json *json_new_double(struct arena *a, double v); /* Go's formatting: shortest that reads back */
struct json *json_new_str(struct arena *a, const char *s); /* NULL gives null */
struct json *json_new_strn(struct arena *a, const char *s, size_t n);
struct json *json_new_array(struct arena *a);
struct json *json_new_object(struct arena *a);
void json_set(struct arena *a, struct json *object, const char *key, struct json *v);
void json_set_str(struct arena *a, struct json *object, const char *key, const char *s);
void json_set_i64(struct arena *a, struct json *object, const char *key, int64_t v);
void json_set_bool(struct arena *a, struct json *object, const char *key, bool v);
void json_add(struct arena *a, struct json *object, const char *key, struct json *v);
void json_append(struct json *array, struct json *v);
struct json *json_remove(struct json *object, const char *key); /* the member taken out, or NULL */
struct json *json_copy(struct arena *a, const struct json *v);  /* deep; without a key */
/* Go's text for D in JSON at OUT (JSON_DOUBLE_MAX bytes); not finite: "0". Returns OUT. */
char *json_double(double d, char *out);

enum json_write_flags {
	JSON_W_NO_HTML_ESCAPE = 1 << 0, /* Go escapes < > & as \u003c … unless told otherwise; so do we */
	JSON_W_SORT_KEYS = 1 << 1,      /* as Go does for maps */
};
/* Compact, without a newline. */
void json_write(struct es_buf *out, const struct json *v, unsigned flags);
/* Indented as Go's json.MarshalIndent(v, PREFIX, INDENT); empty containers are {} and []. */
void json_write_indent(struct es_buf *out, const struct json *v, const char *prefix, const char *indent, unsigned flags);
/* One quoted string. */
void json_write_str(struct es_buf *out, const char *s, size_t n, unsigned flags);

/* SPDX-License-Identifier: Apache-2.0 */
/* field.h: field tables: one row per struct member decodes, encodes, validates and documents it. */
#pragma once

#include "codec/json.h"

/* What the member is in C, and its JSON form. Every pointer reached through a decoded struct lives in the arena. */
enum field_kind {
	FIELD_STR,     /* const char * or char *; absent or null: NULL (encoded "" unless OMIT_EMPTY) */
	FIELD_BOOL,    /* bool */
	FIELD_I64,     /* int64_t */
	FIELD_U64,     /* uint64_t */
	FIELD_I32,     /* int32_t */
	FIELD_U32,     /* uint32_t */
	FIELD_U16,     /* uint16_t */
	FIELD_DOUBLE,  /* double */
	FIELD_OPT_BOOL, /* struct field_opt_bool: null when not set (Go's *bool) */
	FIELD_OPT_I64, /* struct field_opt_i64 */
	FIELD_TIME,    /* int64_t ns since 1970, RFC 3339 text; INT64_MIN: zero time; OMIT_EMPTY leaves out that and 0 */
	FIELD_STRV,    /* char **, NULL-terminated; NULL pointer: null, empty vector: [] */
	FIELD_STR_MAP, /* struct field_map *: string to string, in order; NULL: null */
	FIELD_SET,     /* struct field_map *: {"a":{}} (docker's ExposedPorts, Volumes); values are NULL */
	FIELD_STRUCT,  /* the struct itself, embedded; rows in sub */
	FIELD_PTR,     /* pointer to a struct; NULL: null; rows in sub */
	FIELD_LIST,    /* struct field_list: array of structs (items are contiguous, sub_size each) */
	FIELD_MAP,     /* struct field_map *: string to struct; rows in sub; values point to structs (or NULL for null) */
	FIELD_LIST_MAP, /* struct field_map *: string to list of structs; values point to struct field_list (docker's PortBindings) */
	FIELD_RAW,     /* struct json *: kept as it is */
	FIELD_BYTES,   /* struct field_bytes: base64 text */
};

enum field_flags {
	FIELD_OMIT_EMPTY = 1 << 0, /* Go's omitempty: not encoded when zero, "", null or empty; no meaning for STRUCT */
	FIELD_REQUIRED = 1 << 1,   /* decode refuses an object without it */
	FIELD_EMPTY_LIST = 1 << 2, /* encode NULL as [] or {} instead of null */
	FIELD_STR_NULL = 1 << 3,   /* encode a NULL string as null */
	FIELD_DURATION = 1 << 4,   /* an integer of nanoseconds that templates print as Go's time.Duration: 1m30s */
};

struct field_opt_bool {
	bool set, v;
};
struct field_opt_i64 {
	bool set;
	int64_t v;
};
struct field_list {
	void *items; /* contiguous structs of the row's sub_size */
	size_t n;
	bool set; /* was there (so [] differs from null) */
};
struct field_bytes {
	const unsigned char *p;
	size_t n;
};
struct field_map_entry {
	const char *key;
	void *value; /* STR_MAP: char *; MAP: struct *; LIST_MAP: struct field_list *; SET: NULL */
};
struct field_map {
	struct field_map_entry *entries; /* in document order; encoded sorted by key as Go does */
	size_t n, cap;
};

struct field {
	const char *name; /* NULL ends a table */
	enum field_kind kind;
	unsigned flags;
	size_t offset;
	const struct field *sub;
	size_t sub_size;
	const char *const *names; /* FIELD_STR: allowed values, NULL-terminated; NULL: any */
	unsigned pb;              /* protobuf field number; 0: none */
};

/* Rows. The compiler checks that the member has the type of the row. */
#define FIELD_TYPED(type, member, want) \
	(offsetof(type, member) + 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)0)->member), want) ? 1 : -1]))
#define FIELD_TYPED2(type, member, want, or_want)                                                        \
	(offsetof(type, member) +                                                                        \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)0)->member), want) ||          \
					 __builtin_types_compatible_p(__typeof__(((type *)0)->member), or_want) \
				 ? 1                                                                     \
				 : -1]))
#define F_STR(type, member, label, fl) { .name = label, .kind = FIELD_STR, .flags = fl, .offset = FIELD_TYPED2(type, member, const char *, char *) }
#define F_ENUM(type, member, label, fl, allowed) { .name = label, .kind = FIELD_STR, .flags = fl, .offset = FIELD_TYPED2(type, member, const char *, char *), .names = allowed }
#define F_BOOL(type, member, label, fl) { .name = label, .kind = FIELD_BOOL, .flags = fl, .offset = FIELD_TYPED(type, member, bool) }
#define F_I64(type, member, label, fl) { .name = label, .kind = FIELD_I64, .flags = fl, .offset = FIELD_TYPED(type, member, int64_t) }
#define F_U64(type, member, label, fl) { .name = label, .kind = FIELD_U64, .flags = fl, .offset = FIELD_TYPED(type, member, uint64_t) }
#define F_I32(type, member, label, fl) { .name = label, .kind = FIELD_I32, .flags = fl, .offset = FIELD_TYPED(type, member, int32_t) }
#define F_U32(type, member, label, fl) { .name = label, .kind = FIELD_U32, .flags = fl, .offset = FIELD_TYPED(type, member, uint32_t) }
#define F_U16(type, member, label, fl) { .name = label, .kind = FIELD_U16, .flags = fl, .offset = FIELD_TYPED(type, member, uint16_t) }
#define F_DOUBLE(type, member, label, fl) { .name = label, .kind = FIELD_DOUBLE, .flags = fl, .offset = FIELD_TYPED(type, member, double) }
#define F_OPT_BOOL(type, member, label, fl) { .name = label, .kind = FIELD_OPT_BOOL, .flags = fl, .offset = FIELD_TYPED(type, member, struct field_opt_bool) }
#define F_OPT_I64(type, member, label, fl) { .name = label, .kind = FIELD_OPT_I64, .flags = fl, .offset = FIELD_TYPED(type, member, struct field_opt_i64) }
#define F_TIME(type, member, label, fl) { .name = label, .kind = FIELD_TIME, .flags = fl, .offset = FIELD_TYPED(type, member, int64_t) }
#define F_STRV(type, member, label, fl) { .name = label, .kind = FIELD_STRV, .flags = fl, .offset = FIELD_TYPED(type, member, char **) }
#define F_STR_MAP(type, member, label, fl) { .name = label, .kind = FIELD_STR_MAP, .flags = fl, .offset = FIELD_TYPED(type, member, struct field_map *) }
#define F_SET(type, member, label, fl) { .name = label, .kind = FIELD_SET, .flags = fl, .offset = FIELD_TYPED(type, member, struct field_map *) }
#define F_STRUCT(type, member, label, fl, of, rows) { .name = label, .kind = FIELD_STRUCT, .flags = fl, .offset = FIELD_TYPED(type, member, of), .sub = rows, .sub_size = sizeof(of) }
#define F_PTR(type, member, label, fl, of, rows) { .name = label, .kind = FIELD_PTR, .flags = fl, .offset = FIELD_TYPED(type, member, of *), .sub = rows, .sub_size = sizeof(of) }
#define F_LIST(type, member, label, fl, of, rows) { .name = label, .kind = FIELD_LIST, .flags = fl, .offset = FIELD_TYPED(type, member, struct field_list), .sub = rows, .sub_size = sizeof(of) }
#define F_MAP(type, member, label, fl, of, rows) { .name = label, .kind = FIELD_MAP, .flags = fl, .offset = FIELD_TYPED(type, member, struct field_map *), .sub = rows, .sub_size = sizeof(of) }
#define F_LIST_MAP(type, member, label, fl, of, rows) { .name = label, .kind = FIELD_LIST_MAP, .flags = fl, .offset = FIELD_TYPED(type, member, struct field_map *), .sub = rows, .sub_size = sizeof(of) }
#define F_RAW(type, member, label, fl) { .name = label, .kind = FIELD_RAW, .flags = fl, .offset = FIELD_TYPED(type, member, struct json *) }
#define F_BYTES(type, member, label, fl) { .name = label, .kind = FIELD_BYTES, .flags = fl, .offset = FIELD_TYPED(type, member, struct field_bytes) }
#define F_END { .name = NULL }

/* Fill the struct at OUT (zeroed by the caller, or holding defaults: absent and null members leave it as it is) from
 * OBJECT. Names match exactly, else without regard to case as in Go; unknown names are skipped. Errors are ES_E_INVALID
 * with the JSON path: "HostConfig.Memory: expected a number, got a string". */
es_err *field_decode(struct arena *a, const struct field *rows, const struct json *object, void *out) ES_CHECKED;
/* json_parse + field_decode. */
es_err *field_decode_text(struct arena *a, const struct field *rows, const char *text, size_t len, void *out) ES_CHECKED;
/* The struct as an object, members in the table's order. */
struct json *field_encode(struct arena *a, const struct field *rows, const void *in);
/* field_encode + json_write (compact, HTML-escaped as Go). */
void field_encode_text(struct es_buf *out, const struct field *rows, const void *in);
/* A deep copy of the struct at IN: everything OUT (zeroed by the caller) points to lives in A. */
es_err *field_copy(struct arena *a, const struct field *rows, const void *in, void *out) ES_CHECKED;
/* Row by name (exact, else without case), or NULL. */
const struct field *field_find(const struct field *rows, const char *name);

/* Maps. Keys and values are stored as given (borrowed or in A). */
struct field_map *field_map_new(struct arena *a);
void *field_map_get(const struct field_map *m, const char *key); /* NULL map is fine; NULL when absent */
bool field_map_has(const struct field_map *m, const char *key);
void field_map_put(struct arena *a, struct field_map *m, const char *key, void *value); /* replaces */
bool field_map_remove(struct field_map *m, const char *key);
#define FIELD_MAP_EACH(at, map) \
	for (struct field_map_entry *at = (map) ? (map)->entries : NULL; at && at < (map)->entries + (map)->n; at++)
#define FIELD_LIST_EACH(type, at, list) for (type *at = (list)->items; at && at < (type *)(list)->items + (list)->n; at++)

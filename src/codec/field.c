/* SPDX-License-Identifier: Apache-2.0 */
/* field.c: walks field tables: struct to JSON, JSON to struct, and the string maps that both use. */
#include "codec/field.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "codec/base64.h"

#define PATH_TEXT_MAX 512 /* bytes of a JSON path in an error; deeper ones lose their beginning */

/* Where in the document we are; a chain on the stack. Name and index are text only when an error needs them. */
struct place {
	const struct place *up;
	const char *name; /* NULL: an array's element */
	size_t index;
};

static es_err *wrong(const struct place *at, const char *fmt, ...) ES_PRINTF(2, 3);
static es_err *wrong(const struct place *at, const char *fmt, ...)
{
	char path[PATH_TEXT_MAX], part[PATH_TEXT_MAX];
	size_t from = sizeof path - 1;
	es_autofree char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = es_xvasprintf(fmt, ap);
	va_end(ap);
	path[from] = '\0';
	for (; at; at = at->up) {
		int n = at->name ? snprintf(part, sizeof part, "%s%s", at->up ? "." : "", at->name)
				 : snprintf(part, sizeof part, "[%zu]", at->index);

		if (n < 0 || (size_t)n > from)
			break;
		from -= (size_t)n;
		memcpy(path + from, part, (size_t)n);
	}
	return es_err_new(ES_E_INVALID, "%s%s%s", path + from, path[from] ? ": " : "", what);
}

static const char *type_name(const struct json *v)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",       [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
		[JSON_STRING] = "a string", [JSON_ARRAY] = "a list",   [JSON_OBJECT] = "an object",
	};

	return names[v->type];
}

static es_err *expect(const struct place *at, const struct json *v, enum json_type type)
{
	struct json want = {.type = type};

	if (v->type == type)
		return NULL;
	return wrong(at, "expected %s, got %s", type_name(&want), type_name(v));
}

/* Decoding */

static es_err *decode_object(struct arena *a, const struct place *at, const struct field *rows, const struct json *v,
			     void *out);

static es_err *decode_str(const struct place *at, const struct field *f, const struct json *v, const char **out)
{
	ES_TRY(expect(at, v, JSON_STRING));
	if (f->names && v->len > 0) {
		const char *const *name = f->names;

		while (*name && strcmp(*name, v->text) != 0)
			name++;
		if (!*name)
			return wrong(at, "\"%s\" is not one of its values", v->text);
	}
	*out = v->text;
	return NULL;
}

/* Any integer kind: MIN..MAX are its range. */
static es_err *decode_int(const struct place *at, const struct json *v, int64_t min, int64_t max, int64_t *out)
{
	intmax_t n;
	char *end;

	ES_TRY(expect(at, v, JSON_NUMBER));
	errno = 0;
	n = strtoimax(v->text, &end, 10);
	if (*end)
		return wrong(at, "expected an integer, got %s", v->text);
	if (errno || n < min || n > max)
		return wrong(at, "%s is out of range", v->text);
	*out = (int64_t)n;
	return NULL;
}

static es_err *decode_u64(const struct place *at, const struct json *v, uint64_t *out)
{
	uintmax_t n;
	char *end;

	ES_TRY(expect(at, v, JSON_NUMBER));
	errno = 0;
	n = strtoumax(v->text, &end, 10);
	if (*end)
		return wrong(at, "expected an integer, got %s", v->text);
	if (errno || v->text[0] == '-')
		return wrong(at, "%s is out of range", v->text);
	*out = (uint64_t)n;
	return NULL;
}

static es_err *decode_double(const struct place *at, const struct json *v, double *out)
{
	ES_TRY(expect(at, v, JSON_NUMBER));
	*out = strtod(v->text, NULL);
	return NULL;
}

static es_err *decode_time(const struct place *at, const struct json *v, int64_t *out)
{
	es_autoerr es_err *err = NULL;

	ES_TRY(expect(at, v, JSON_STRING));
	err = clock_parse(v->text, out);
	return err ? wrong(at, "%s", es_err_text(err)) : NULL;
}

static es_err *decode_strv(struct arena *a, const struct place *up, const struct json *v, char ***out)
{
	char **items;
	size_t n = 0;

	ES_TRY(expect(up, v, JSON_ARRAY));
	items = ARENA_ARRAY(a, char *, v->n + 1);
	JSON_EACH (item, v) {
		struct place at = {.up = up, .index = n};

		if (item->type != JSON_NULL)
			ES_TRY(expect(&at, item, JSON_STRING));
		items[n++] = (char *)(item->text ? item->text : "");
	}
	*out = items;
	return NULL;
}

static es_err *decode_list(struct arena *a, const struct place *up, const struct field *f, const struct json *v,
			   struct field_list *out)
{
	struct field_list list = {.set = true};

	ES_TRY(expect(up, v, JSON_ARRAY));
	if (v->n > SIZE_MAX / 2 / (f->sub_size + 1))
		return wrong(up, "too many elements");
	list.items = arena_alloc(a, v->n * f->sub_size);
	JSON_EACH (item, v) {
		struct place at = {.up = up, .index = list.n};

		if (item->type != JSON_NULL)
			ES_TRY(decode_object(a, &at, f->sub, item, (char *)list.items + list.n * f->sub_size));
		list.n++;
	}
	*out = list;
	return NULL;
}

static es_err *decode_map_value(struct arena *a, const struct place *at, const struct field *f, const struct json *v,
				void **out)
{
	*out = NULL;
	switch (f->kind) {
	case FIELD_STR_MAP:
		if (v->type != JSON_NULL)
			ES_TRY(expect(at, v, JSON_STRING));
		*out = (void *)(v->text ? v->text : "");
		return NULL;
	case FIELD_MAP:
		if (v->type == JSON_NULL)
			return NULL;
		*out = arena_alloc(a, f->sub_size);
		return decode_object(a, at, f->sub, v, *out);
	case FIELD_LIST_MAP:
		*out = ARENA_NEW(a, struct field_list);
		return v->type == JSON_NULL ? NULL : decode_list(a, at, f, v, *out);
	default: /* FIELD_SET */
		return v->type == JSON_NULL ? NULL : expect(at, v, JSON_OBJECT);
	}
}

static es_err *decode_map(struct arena *a, const struct place *up, const struct field *f, const struct json *v,
			  struct field_map **out)
{
	struct field_map *map;

	ES_TRY(expect(up, v, JSON_OBJECT));
	map = field_map_new(a);
	JSON_EACH (member, v) {
		struct place at = {.up = up, .name = member->key};
		void *value;

		ES_TRY(decode_map_value(a, &at, f, member, &value));
		field_map_put(a, map, member->key, value);
	}
	*out = map;
	return NULL;
}

static es_err *decode_bytes(struct arena *a, const struct place *at, const struct json *v, struct field_bytes *out)
{
	unsigned char *bytes;
	size_t n;

	ES_TRY(expect(at, v, JSON_STRING));
	bytes = arena_alloc(a, base64_decoded_max(v->len) + 1);
	if (!base64_decode(v->text, v->len, BASE64_STD, bytes, &n))
		return wrong(at, "not base64");
	*out = (struct field_bytes){.p = bytes, .n = n};
	return NULL;
}

static es_err *decode_ptr(struct arena *a, const struct place *at, const struct field *f, const struct json *v,
			  void **out)
{
	void *target = *out ? *out : arena_alloc(a, f->sub_size);

	ES_TRY(decode_object(a, at, f->sub, v, target));
	*out = target;
	return NULL;
}

/* V is not null. */
static es_err *decode_member(struct arena *a, const struct place *at, const struct field *f, const struct json *v,
			     void *out)
{
	int64_t n = 0;

	switch (f->kind) {
	case FIELD_STR:
		return decode_str(at, f, v, out);
	case FIELD_BOOL:
		ES_TRY(expect(at, v, JSON_BOOL));
		*(bool *)out = v->boolean;
		return NULL;
	case FIELD_OPT_BOOL:
		ES_TRY(expect(at, v, JSON_BOOL));
		*(struct field_opt_bool *)out = (struct field_opt_bool){.set = true, .v = v->boolean};
		return NULL;
	case FIELD_I64:
		return decode_int(at, v, INT64_MIN, INT64_MAX, out);
	case FIELD_OPT_I64:
		ES_TRY(decode_int(at, v, INT64_MIN, INT64_MAX, &n));
		*(struct field_opt_i64 *)out = (struct field_opt_i64){.set = true, .v = n};
		return NULL;
	case FIELD_I32:
		ES_TRY(decode_int(at, v, INT32_MIN, INT32_MAX, &n));
		*(int32_t *)out = (int32_t)n;
		return NULL;
	case FIELD_U32:
		ES_TRY(decode_int(at, v, 0, UINT32_MAX, &n));
		*(uint32_t *)out = (uint32_t)n;
		return NULL;
	case FIELD_U16:
		ES_TRY(decode_int(at, v, 0, UINT16_MAX, &n));
		*(uint16_t *)out = (uint16_t)n;
		return NULL;
	case FIELD_U64:
		return decode_u64(at, v, out);
	case FIELD_DOUBLE:
		return decode_double(at, v, out);
	case FIELD_TIME:
		return decode_time(at, v, out);
	case FIELD_STRV:
		return decode_strv(a, at, v, out);
	case FIELD_STR_MAP:
	case FIELD_SET:
	case FIELD_MAP:
	case FIELD_LIST_MAP:
		return decode_map(a, at, f, v, out);
	case FIELD_STRUCT:
		return decode_object(a, at, f->sub, v, out);
	case FIELD_PTR:
		return decode_ptr(a, at, f, v, out);
	case FIELD_LIST:
		return decode_list(a, at, f, v, out);
	case FIELD_RAW:
		*(const struct json **)out = v;
		return NULL;
	case FIELD_BYTES:
		return decode_bytes(a, at, v, out);
	}
	return wrong(at, "a table row of no known kind");
}

/* Documents mostly have the order of the table, so the search begins at HINT, the row after the last one found. */
static const struct field *find_from(const struct field *rows, const struct field *hint, const char *name)
{
	if (hint && hint->name && strcmp(hint->name, name) == 0)
		return hint;
	return field_find(rows, name);
}

static es_err *check_required(const struct place *up, const struct field *rows, const struct json *v)
{
	for (const struct field *f = rows; f->name; f++) {
		struct place at = {.up = up, .name = f->name};
		bool found = false;

		if (!(f->flags & FIELD_REQUIRED))
			continue;
		JSON_EACH (member, v)
			found = found || (member->type != JSON_NULL && str_eq_nocase(member->key, f->name));
		if (!found)
			return wrong(&at, "is missing");
	}
	return NULL;
}

static es_err *decode_object(struct arena *a, const struct place *up, const struct field *rows, const struct json *v,
			     void *out)
{
	const struct field *f = rows;

	ES_TRY(expect(up, v, JSON_OBJECT));
	JSON_EACH (member, v) {
		const struct field *found = find_from(rows, f, member->key);
		struct place at = {.up = up};

		if (!found)
			continue;
		f = found;
		at.name = f->name;
		if (member->type != JSON_NULL)
			ES_TRY(decode_member(a, &at, f, member, (char *)out + f->offset));
		f++;
	}
	return check_required(up, rows, v);
}

es_err *field_decode(struct arena *a, const struct field *rows, const struct json *object, void *out)
{
	if (!object)
		return es_err_new(ES_E_INVALID, "expected an object, got nothing");
	return decode_object(a, NULL, rows, object, out);
}

es_err *field_decode_text(struct arena *a, const struct field *rows, const char *text, size_t len, void *out)
{
	struct json *doc;

	ES_TRY(json_parse(a, text, len, &doc));
	return field_decode(a, rows, doc, out);
}

const struct field *field_find(const struct field *rows, const char *name)
{
	for (const struct field *f = rows; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	for (const struct field *f = rows; f->name; f++)
		if (str_eq_nocase(f->name, name))
			return f;
	return NULL;
}

/* Encoding */

static struct json *encode_strv(struct arena *a, char *const *v)
{
	struct json *list = json_new_array(a);

	for (; *v; v++)
		json_append(list, json_new_str(a, *v));
	return list;
}

static struct json *encode_list(struct arena *a, const struct field *f, const struct field_list *list)
{
	struct json *out = json_new_array(a);

	for (size_t i = 0; i < list->n; i++)
		json_append(out, field_encode(a, f->sub, (const char *)list->items + i * f->sub_size));
	return out;
}

static struct json *encode_map_value(struct arena *a, const struct field *f, const void *value)
{
	const struct field_list *list = value;

	switch (f->kind) {
	case FIELD_STR_MAP:
		return json_new_str(a, value ? value : "");
	case FIELD_SET:
		return json_new_object(a);
	case FIELD_LIST_MAP:
		return list && (list->set || list->n) ? encode_list(a, f, list) : json_new_null(a);
	default: /* FIELD_MAP */
		return value ? field_encode(a, f->sub, value) : json_new_null(a);
	}
}

static int by_key(const void *x, const void *y)
{
	return strcmp(((const struct field_map_entry *)x)->key, ((const struct field_map_entry *)y)->key);
}

static struct json *encode_map(struct arena *a, const struct field *f, const struct field_map *map)
{
	struct json *out = json_new_object(a);
	es_autofree struct field_map_entry *sorted = NULL;

	if (map->n == 0)
		return out;
	sorted = es_xmemdup(map->entries, map->n * sizeof *sorted);
	qsort(sorted, map->n, sizeof *sorted, by_key);
	for (size_t i = 0; i < map->n; i++)
		json_add(a, out, sorted[i].key, encode_map_value(a, f, sorted[i].value));
	return out;
}

static struct json *encode_bytes(struct arena *a, const struct field_bytes *bytes)
{
	char *text = arena_alloc(a, base64_encoded_len(bytes->n) + 1);

	return json_new_strn(a, text, base64_encode(bytes->p, bytes->n, BASE64_STD, text));
}

static struct json *encode_time(struct arena *a, int64_t ns)
{
	char text[CLOCK_TEXT_MAX];

	return json_new_str(a, clock_rfc3339(ns, text));
}

/* RAW trees belong to another document, whose nodes have neighbours already: a node of our own, the same children. */
static struct json *encode_raw(struct arena *a, const struct json *raw)
{
	struct json *v = ARENA_NEW(a, struct json);

	*v = *raw;
	v->key = NULL;
	v->key_len = 0;
	v->next = NULL;
	return v;
}

/* The value when it is NULL or an empty pointer. */
static struct json *encode_nothing(struct arena *a, const struct field *f)
{
	bool list = f->kind == FIELD_STRV || f->kind == FIELD_LIST;

	if (f->kind == FIELD_STR)
		return f->flags & FIELD_STR_NULL ? json_new_null(a) : json_new_strn(a, "", 0);
	if (!(f->flags & FIELD_EMPTY_LIST))
		return json_new_null(a);
	return list ? json_new_array(a) : json_new_object(a);
}

/* What a member holds, read without regard to what it points to. */
static bool is_nothing(const struct field *f, const void *in)
{
	switch (f->kind) {
	case FIELD_STR:
	case FIELD_STRV:
	case FIELD_STR_MAP:
	case FIELD_SET:
	case FIELD_MAP:
	case FIELD_LIST_MAP:
	case FIELD_PTR:
	case FIELD_RAW:
		return *(void *const *)in == NULL;
	case FIELD_LIST:
		return !((const struct field_list *)in)->set && ((const struct field_list *)in)->n == 0;
	case FIELD_OPT_BOOL:
		return !((const struct field_opt_bool *)in)->set;
	case FIELD_OPT_I64:
		return !((const struct field_opt_i64 *)in)->set;
	case FIELD_BYTES:
		return ((const struct field_bytes *)in)->p == NULL;
	default:
		return false;
	}
}

/* Go's omitempty. */
static bool is_empty(const struct field *f, const void *in)
{
	if (is_nothing(f, in))
		return true;
	switch (f->kind) {
	case FIELD_STR:
		return **(const char *const *)in == '\0';
	case FIELD_BOOL:
		return !*(const bool *)in;
	case FIELD_I64:
	case FIELD_U64:
		return *(const int64_t *)in == 0;
	case FIELD_I32:
	case FIELD_U32:
		return *(const int32_t *)in == 0;
	case FIELD_U16:
		return *(const uint16_t *)in == 0;
	case FIELD_DOUBLE:
		return *(const double *)in == 0;
	case FIELD_TIME:
		return *(const int64_t *)in == 0 || *(const int64_t *)in == INT64_MIN;
	case FIELD_STRV:
		return **(char *const *const *)in == NULL;
	case FIELD_STR_MAP:
	case FIELD_SET:
	case FIELD_MAP:
	case FIELD_LIST_MAP:
		return (*(struct field_map *const *)in)->n == 0;
	case FIELD_LIST:
		return ((const struct field_list *)in)->n == 0;
	case FIELD_BYTES:
		return ((const struct field_bytes *)in)->n == 0;
	default:
		return false;
	}
}

static struct json *encode_member(struct arena *a, const struct field *f, const void *in)
{
	if (is_nothing(f, in))
		return encode_nothing(a, f);
	switch (f->kind) {
	case FIELD_STR:
		return json_new_str(a, *(const char *const *)in);
	case FIELD_BOOL:
		return json_new_bool(a, *(const bool *)in);
	case FIELD_OPT_BOOL:
		return json_new_bool(a, ((const struct field_opt_bool *)in)->v);
	case FIELD_I64:
		return json_new_i64(a, *(const int64_t *)in);
	case FIELD_OPT_I64:
		return json_new_i64(a, ((const struct field_opt_i64 *)in)->v);
	case FIELD_I32:
		return json_new_i64(a, *(const int32_t *)in);
	case FIELD_U32:
		return json_new_u64(a, *(const uint32_t *)in);
	case FIELD_U16:
		return json_new_u64(a, *(const uint16_t *)in);
	case FIELD_U64:
		return json_new_u64(a, *(const uint64_t *)in);
	case FIELD_DOUBLE:
		return json_new_double(a, *(const double *)in);
	case FIELD_TIME:
		return encode_time(a, *(const int64_t *)in);
	case FIELD_STRV:
		return encode_strv(a, *(char *const *const *)in);
	case FIELD_STR_MAP:
	case FIELD_SET:
	case FIELD_MAP:
	case FIELD_LIST_MAP:
		return encode_map(a, f, *(struct field_map *const *)in);
	case FIELD_STRUCT:
		return field_encode(a, f->sub, in);
	case FIELD_PTR:
		return field_encode(a, f->sub, *(const void *const *)in);
	case FIELD_LIST:
		return encode_list(a, f, in);
	case FIELD_RAW:
		return encode_raw(a, *(const struct json *const *)in);
	case FIELD_BYTES:
		return encode_bytes(a, in);
	}
	return json_new_null(a);
}

struct json *field_encode(struct arena *a, const struct field *rows, const void *in)
{
	struct json *out = json_new_object(a);

	for (const struct field *f = rows; f->name; f++) {
		const void *member = (const char *)in + f->offset;

		if (!(f->flags & FIELD_OMIT_EMPTY && is_empty(f, member)))
			json_add(a, out, f->name, encode_member(a, f, member));
	}
	return out;
}

void field_encode_text(struct es_buf *out, const struct field *rows, const void *in)
{
	es_autoarena *a = arena_new();

	json_write(out, field_encode(a, rows, in), 0);
}

es_err *field_copy(struct arena *a, const struct field *rows, const void *in, void *out)
{
	es_autoarena *tree = arena_new();

	/* the copy of the tree has strings of its own, and RAW members too */
	return field_decode(a, rows, json_copy(a, field_encode(tree, rows, in)), out);
}

/* Maps */

struct field_map *field_map_new(struct arena *a)
{
	return ARENA_NEW(a, struct field_map);
}

static struct field_map_entry *find_entry(const struct field_map *m, const char *key)
{
	FIELD_MAP_EACH (at, m)
		if (strcmp(at->key, key) == 0)
			return at;
	return NULL;
}

void *field_map_get(const struct field_map *m, const char *key)
{
	struct field_map_entry *e = find_entry(m, key);

	return e ? e->value : NULL;
}

bool field_map_has(const struct field_map *m, const char *key)
{
	return find_entry(m, key) != NULL;
}

void field_map_put(struct arena *a, struct field_map *m, const char *key, void *value)
{
	struct field_map_entry *e = find_entry(m, key);

	if (!e && m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 4;
		struct field_map_entry *more = ARENA_ARRAY(a, struct field_map_entry, cap);

		if (m->n)
			memcpy(more, m->entries, m->n * sizeof *more);
		m->entries = more;
		m->cap = cap;
	}
	if (!e) {
		e = &m->entries[m->n++];
		e->key = key;
	}
	e->value = value;
}

bool field_map_remove(struct field_map *m, const char *key)
{
	struct field_map_entry *e = find_entry(m, key);

	if (!e)
		return false;
	memmove(e, e + 1, (size_t)(m->entries + m->n - (e + 1)) * sizeof *e);
	m->n--;
	return true;
}

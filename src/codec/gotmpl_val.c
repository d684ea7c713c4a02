/* SPDX-License-Identifier: Apache-2.0 */
/* gotmpl_val.c: JSON values as Go values: what they are, whether they are true, how fmt prints them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/str.h"
#include "codec/gotmpl_priv.h"

struct val val_str(const char *s, size_t n)
{
	return (struct val){.kind = VAL_STR, .s = s, .len = n};
}

struct val val_int(int64_t i)
{
	return (struct val){.kind = VAL_INT, .i = i};
}

struct val val_bool(bool b)
{
	return (struct val){.kind = VAL_BOOL, .b = b};
}

/* An integer when it is one; the text is kept, for it may be larger than the type. */
static struct val from_number(const struct json *j, bool floats)
{
	struct val v = {.kind = VAL_INT};
	char *end;

	errno = 0;
	v.i = strtoll(j->text, &end, 10);
	v.f = strtod(j->text, NULL);
	if (*end || floats)
		v.kind = VAL_FLOAT;
	if (!floats && (*end || errno)) { /* as written */
		v.s = j->text;
		v.len = j->len;
	}
	return v;
}

struct val val_json(const struct exec *x, const struct json *j)
{
	struct val v = {.kind = VAL_NIL};

	switch (j ? j->type : JSON_NULL) {
	case JSON_NULL:
		break;
	case JSON_BOOL:
		v = val_bool(j->boolean);
		break;
	case JSON_NUMBER:
		v = from_number(j, x->env->flags & GOTMPL_FLOATS);
		break;
	case JSON_STRING:
		v = val_str(j->text, j->len);
		break;
	case JSON_ARRAY:
		v.kind = VAL_LIST;
		v.j = j;
		break;
	case JSON_OBJECT:
		v.kind = VAL_MAP;
		v.j = j;
		break;
	}
	v.untyped = true;
	return v;
}

static struct val as_string(const struct json *j)
{
	return j && j->type == JSON_STRING ? val_str(j->text, j->len) : val_str("", 0);
}

static struct val as_struct(const struct field *rows, const struct json *j, bool pointer)
{
	struct val v = {.kind = VAL_STRUCT, .rows = rows, .j = j, .pointer = pointer};

	if (pointer && !json_is(j, JSON_OBJECT))
		v.kind = VAL_NIL;
	return v;
}

static struct val as_container(enum val_kind kind, const struct field *row, const struct json *j)
{
	return (struct val){
		.kind = kind, .row = row, .j = json_is(j, kind == VAL_LIST ? JSON_ARRAY : JSON_OBJECT) ? j : NULL};
}

/* The member that ROW describes; J is NULL when the document does not have it. */
static struct val from_row(const struct exec *x, const struct field *row, const struct json *j)
{
	struct val v = {.kind = VAL_NIL, .pointer = true};

	switch (row->kind) {
	case FIELD_STR:
	case FIELD_TIME:
	case FIELD_BYTES:
		return as_string(j);
	case FIELD_BOOL:
		return val_bool(json_bool(j, false));
	case FIELD_OPT_BOOL:
		return json_is(j, JSON_BOOL) ? val_bool(j->boolean) : v;
	case FIELD_OPT_I64:
		if (!json_is(j, JSON_NUMBER))
			return v;
		/* fall through */
	case FIELD_I64:
	case FIELD_U64:
	case FIELD_I32:
	case FIELD_U32:
	case FIELD_U16:
		v = json_is(j, JSON_NUMBER) ? from_number(j, false) : val_int(0);
		v.duration = row->flags & FIELD_DURATION;
		return v;
	case FIELD_DOUBLE:
		return (struct val){.kind = VAL_FLOAT, .f = json_is(j, JSON_NUMBER) ? strtod(j->text, NULL) : 0};
	case FIELD_STRV:
	case FIELD_LIST:
		return as_container(VAL_LIST, row, j);
	case FIELD_STR_MAP:
	case FIELD_SET:
	case FIELD_MAP:
	case FIELD_LIST_MAP:
		return as_container(VAL_MAP, row, j);
	case FIELD_STRUCT:
		return as_struct(row->sub, j, false);
	case FIELD_PTR:
		return as_struct(row->sub, j, true);
	case FIELD_RAW:
		return val_json(x, j);
	}
	return v;
}

struct val val_child(const struct exec *x, const struct val *v, const struct json *j)
{
	const struct field *row = v->row;
	struct val list;

	if (!row)
		return val_json(x, j);
	if (v->kind == VAL_STRUCT)
		return from_row(x, row, j);
	switch (row->kind) {
	case FIELD_STRV:
	case FIELD_STR_MAP:
		return as_string(j);
	case FIELD_LIST:
		return as_struct(row->sub, j, false);
	case FIELD_MAP:
		return as_struct(row->sub, j, true);
	case FIELD_LIST_MAP:
		if (v->inner)
			return as_struct(row->sub, j, false);
		list = as_container(VAL_LIST, row, j);
		list.inner = true;
		return list;
	default: /* FIELD_SET */
		return (struct val){.kind = VAL_STRUCT};
	}
}

bool val_truth(const struct val *v)
{
	switch (v->kind) {
	case VAL_BOOL:
		return v->b;
	case VAL_INT:
		return v->i != 0;
	case VAL_FLOAT:
		return v->f != 0;
	case VAL_STR:
		return v->len > 0;
	case VAL_LIST:
	case VAL_MAP:
		return v->j && v->j->first;
	case VAL_STRUCT:
		return true;
	default:
		return false;
	}
}

const char *val_type_name(const struct exec *x, const struct val *v)
{
	const char *name = NULL;

	switch (v->kind) {
	case VAL_BOOL:
		return "bool";
	case VAL_INT:
		return v->duration ? "time.Duration" : v->untyped ? "json.Number" : "int";
	case VAL_FLOAT:
		return v->s ? "json.Number" : "float64";
	case VAL_STR:
		return "string";
	case VAL_LIST:
		return v->row && v->row->kind == FIELD_STRV ? "[]string" : v->untyped ? "[]interface {}" : "[]struct";
	case VAL_MAP:
		return v->row && v->row->kind == FIELD_STR_MAP ? "map[string]string"
		       : v->untyped                            ? "map[string]interface {}"
							       : "map[string]struct";
	case VAL_NIL:
		if (v->untyped)
			return "interface {}";
		/* fall through */
	case VAL_STRUCT:
		if (v->type)
			return v->type->name;
		if (x->env->type_name && v->rows)
			name = x->env->type_name(x->env->self, v->rows);
		return name ? name : "struct";
	default:
		return "<nil>";
	}
}

/* Printing */

static void print_float(struct es_buf *out, double f)
{
	char text[JSON_DOUBLE_MAX], digits[JSON_DOUBLE_MAX];
	int precision = 0, exponent;

	if (!isfinite(f)) {
		es_buf_adds(out, isnan(f) ? "NaN" : f > 0 ? "+Inf" : "-Inf");
		return;
	}
	do
		(void)snprintf(digits, sizeof digits, "%.*e", precision, f);
	while (strtod(digits, NULL) != f && ++precision < 17);
	exponent = atoi(strchr(digits, 'e') + 1);
	if (exponent < -4 ||
	    exponent >= 6) /* as strconv's shortest %g; both languages write two digits of exponent at least */
		es_buf_adds(out, digits);
	else
		es_buf_adds(out, json_double(f, text));
}

/* time.Duration's String. */
static void print_duration(struct es_buf *out, int64_t ns)
{
	uint64_t u = ns < 0 ? -(uint64_t)ns : (uint64_t)ns, seconds = u / 1000000000;
	static const struct {
		uint64_t size;
		const char *unit;
	} small[] = {{1000000, "ms"}, {1000, "\xc2\xb5s"}, {1, "ns"}};

	if (ns < 0)
		es_buf_addc(out, '-');
	if (u == 0) {
		es_buf_adds(out, "0s");
		return;
	}
	for (size_t i = 0; seconds == 0 && i < ES_N(small); i++)
		if (u >= small[i].size) {
			es_buf_printf(out, "%.9g%s", (double)u / (double)small[i].size, small[i].unit);
			return;
		}
	if (seconds >= 3600)
		es_buf_printf(out, "%" PRIu64 "h", seconds / 3600);
	if (seconds >= 60)
		es_buf_printf(out, "%" PRIu64 "m", seconds / 60 % 60);
	es_buf_printf(out, "%" PRIu64, seconds % 60);
	if (u % 1000000000) {
		char frac[16];
		int n = snprintf(frac, sizeof frac, ".%09d", (int)(u % 1000000000));

		while (frac[n - 1] == '0')
			n--;
		es_buf_add(out, frac, (size_t)n);
	}
	es_buf_addc(out, 's');
}

static int by_key(const void *x, const void *y)
{
	return strcmp((*(const struct json *const *)x)->key, (*(const struct json *const *)y)->key);
}

const struct json **val_sorted(struct exec *x, const struct json *map)
{
	const struct json **list = ARENA_ARRAY(x->a, const struct json *, map->n + 1);
	size_t n = 0;

	JSON_EACH (at, map)
		list[n++] = at;
	qsort(list, n, sizeof *list, by_key);
	return list;
}

static void print_map(struct exec *x, struct es_buf *out, const struct val *v)
{
	const struct json **members;

	es_buf_adds(out, "map[");
	members = v->j ? val_sorted(x, v->j) : NULL;
	for (size_t i = 0; members && members[i]; i++) {
		struct val item = val_child(x, v, members[i]);

		if (i)
			es_buf_addc(out, ' ');
		es_buf_add(out, members[i]->key, members[i]->key_len);
		es_buf_addc(out, ':');
		val_print(x, out, &item, false);
	}
	es_buf_addc(out, ']');
}

static void print_list(struct exec *x, struct es_buf *out, const struct val *v)
{
	es_buf_addc(out, '[');
	if (v->j)
		JSON_EACH (at, v->j) {
			struct val item = val_child(x, v, at);

			if (at != v->j->first)
				es_buf_addc(out, ' ');
			val_print(x, out, &item, false);
		}
	es_buf_addc(out, ']');
}

static void print_struct(struct exec *x, struct es_buf *out, const struct val *v)
{
	es_buf_addc(out, '{');
	for (const struct field *row = v->rows; row && row->name; row++) {
		struct val of = {.kind = VAL_STRUCT, .row = row};
		struct val item = val_child(x, &of, v->j ? json_get(v->j, row->name) : NULL);

		if (row != v->rows)
			es_buf_addc(out, ' ');
		val_print(x, out, &item, false);
	}
	if (!v->rows && v->j)
		JSON_EACH (at, v->j) {
			struct val item = val_json(x, at);

			if (at != v->j->first)
				es_buf_addc(out, ' ');
			val_print(x, out, &item, false);
		}
	es_buf_addc(out, '}');
}

void val_print(struct exec *x, struct es_buf *out, const struct val *v, bool top)
{
	switch (v->kind) {
	case VAL_NONE:
		es_buf_adds(out, top ? "<no value>" : "<nil>");
		break;
	case VAL_NIL:
		es_buf_adds(out, "<nil>");
		break;
	case VAL_BOOL:
		es_buf_adds(out, v->b ? "true" : "false");
		break;
	case VAL_STR:
		es_buf_add(out, v->s, v->len);
		break;
	case VAL_INT:
	case VAL_FLOAT:
		if (v->s)
			es_buf_add(out, v->s, v->len);
		else if (v->kind == VAL_FLOAT)
			print_float(out, v->f);
		else if (v->duration)
			print_duration(out, v->i);
		else
			es_buf_printf(out, "%" PRId64, v->i);
		break;
	case VAL_LIST:
		print_list(x, out, v);
		break;
	case VAL_MAP:
		print_map(x, out, v);
		break;
	case VAL_STRUCT:
		print_struct(x, out, v);
		break;
	}
}

void val_write_json(struct exec *x, struct es_buf *out, const struct val *v)
{
	char text[JSON_DOUBLE_MAX];

	switch (v->kind) {
	case VAL_NONE:
	case VAL_NIL:
		es_buf_adds(out, "null");
		break;
	case VAL_STR:
		json_write_str(out, v->s, v->len, JSON_W_NO_HTML_ESCAPE);
		break;
	case VAL_FLOAT:
		es_buf_adds(out, v->s ? v->s : json_double(v->f, text));
		break;
	case VAL_LIST:
	case VAL_MAP:
		json_write(out, v->j, JSON_W_NO_HTML_ESCAPE | (v->untyped ? JSON_W_SORT_KEYS : 0));
		break;
	case VAL_STRUCT:
		if (v->j)
			json_write(out, v->j, JSON_W_NO_HTML_ESCAPE);
		else
			es_buf_adds(out, "{}");
		break;
	case VAL_INT:
		if (v->s)
			es_buf_adds(out, v->s);
		else
			es_buf_printf(out, "%" PRId64, v->i);
		break;
	default:
		val_print(x, out, v, true);
		break;
	}
}

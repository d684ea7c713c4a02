/* SPDX-License-Identifier: Apache-2.0 */
/* gotmpl_func.c: the functions that templates call, as one table. */
#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"
#include "codec/gotmpl_priv.h"
#include "codec/utf8.h"

#define TEXT_MAX ((size_t)16 << 20) /* bytes that one call may make */
#define WIDTH_MAX 100000            /* of a printf verb or pad */

#define FAIL(...) es_err_new(ES_E_INVALID, __VA_ARGS__)

/* The bytes of B as a string value; they move to the arena. */
static es_err *give(struct exec *x, struct es_buf *b, struct val *ret)
{
	ES_TRY(es_buf_check(b));
	*ret = val_str(arena_strndup(x->a, es_buf_str(b), b->len), b->len);
	es_buf_done(b);
	return NULL;
}

static bool is_header(const struct exec *x)
{
	return x->env->flags & GOTMPL_HEADER;
}

/* Logic and comparison */

static es_err *fn_and_or(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	*ret = args[n - 1]; /* the interpreter does these two, argument by argument */
	return NULL;
}

static es_err *fn_not(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	*ret = val_bool(!val_truth(&args[0]));
	return NULL;
}

static es_err *comparable(const struct exec *x, const struct val *v)
{
	if (v->kind == VAL_LIST || v->kind == VAL_MAP || v->kind == VAL_STRUCT)
		return FAIL("non-comparable type %s", val_type_name(x, v));
	return NULL;
}

static bool is_nil(const struct val *v)
{
	return v->kind == VAL_NONE || v->kind == VAL_NIL;
}

static bool is_number(const struct val *v)
{
	return v->kind == VAL_INT || v->kind == VAL_FLOAT;
}

static double as_double(const struct val *v)
{
	return v->kind == VAL_INT ? (double)v->i : v->f;
}

static es_err *equal(const struct val *a, const struct val *b, bool *ret)
{
	if (is_nil(a) || is_nil(b)) {
		*ret = is_nil(a) && is_nil(b);
	} else if (a->kind == VAL_STR && b->kind == VAL_STR) {
		*ret = a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
	} else if (a->kind == VAL_BOOL && b->kind == VAL_BOOL) {
		*ret = a->b == b->b;
	} else if (a->kind == VAL_INT && b->kind == VAL_INT) {
		*ret = a->i == b->i;
	} else if (is_number(a) && is_number(b) && (a->untyped || b->untyped)) {
		*ret = as_double(a) == as_double(b);
	} else if (a->kind == VAL_FLOAT && b->kind == VAL_FLOAT) {
		*ret = a->f == b->f;
	} else {
		return FAIL("incompatible types for comparison");
	}
	return NULL;
}

static es_err *fn_eq(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	bool same;

	ES_TRY(comparable(x, &args[0]));
	if (n == 1)
		return FAIL("missing argument for comparison");
	for (size_t i = 1; i < n; i++) {
		ES_TRY(comparable(x, &args[i]));
		ES_TRY(equal(&args[0], &args[i], &same));
		*ret = val_bool(same);
		if (same)
			return NULL;
	}
	return NULL;
}

static es_err *fn_ne(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	ES_TRY(fn_eq(x, args, 2, ret));
	ret->b = !ret->b;
	return NULL;
}

/* Less than zero, zero, greater. */
static es_err *order(const struct val *a, const struct val *b, int *ret)
{
	if (a->kind == VAL_STR && b->kind == VAL_STR) {
		int d = memcmp(a->s, b->s, a->len < b->len ? a->len : b->len);

		*ret = d ? d : (a->len > b->len) - (a->len < b->len);
	} else if (a->kind == VAL_INT && b->kind == VAL_INT) {
		*ret = (a->i > b->i) - (a->i < b->i);
	} else if (is_number(a) && is_number(b) && (a->kind == b->kind || a->untyped || b->untyped)) {
		*ret = (as_double(a) > as_double(b)) - (as_double(a) < as_double(b));
	} else if (a->kind != VAL_STR && !is_number(a)) {
		return FAIL("invalid type for comparison");
	} else {
		return FAIL("incompatible types for comparison");
	}
	return NULL;
}

static es_err *fn_lt(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	int d;

	ES_TRY(order(&args[0], &args[1], &d));
	*ret = val_bool(d < 0);
	return NULL;
}

static es_err *fn_le(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	int d;

	ES_TRY(order(&args[0], &args[1], &d));
	*ret = val_bool(d <= 0);
	return NULL;
}

static es_err *fn_gt(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	ES_TRY(fn_le(x, args, n, ret));
	ret->b = !ret->b;
	return NULL;
}

static es_err *fn_ge(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	ES_TRY(fn_lt(x, args, n, ret));
	ret->b = !ret->b;
	return NULL;
}

/* Containers */

static es_err *fn_len(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	switch (args[0].kind) {
	case VAL_STR:
		*ret = val_int((int64_t)args[0].len);
		return NULL;
	case VAL_LIST:
	case VAL_MAP:
		*ret = val_int(args[0].j ? (int64_t)args[0].j->n : 0);
		return NULL;
	case VAL_NONE:
	case VAL_NIL:
		return FAIL("len of nil pointer");
	default:
		return FAIL("len of type %s", val_type_name(x, &args[0]));
	}
}

static es_err *index_number(const struct exec *x, const struct val *v, int64_t len, int64_t *ret)
{
	if (is_nil(v))
		return FAIL("cannot index slice/array with nil");
	if (v->kind != VAL_INT)
		return FAIL("cannot index slice/array with type %s", val_type_name(x, v));
	if (v->i < 0 || v->i > len)
		return FAIL("index out of range: %" PRId64, v->i);
	*ret = v->i;
	return NULL;
}

/* What a map without the key gives: the zero value of its elements' type. */
static struct val zero_child(const struct exec *x, const struct val *map)
{
	return val_child(x, map, NULL);
}

static es_err *index_one(struct exec *x, const struct val *in, const struct val *key, struct val *ret)
{
	struct json *member;
	int64_t i;

	switch (in->kind) {
	case VAL_STR:
		ES_TRY(index_number(x, key, (int64_t)in->len, &i));
		if ((size_t)i == in->len)
			return FAIL("reflect: string index out of range");
		*ret = val_int((unsigned char)in->s[i]);
		return NULL;
	case VAL_LIST:
		ES_TRY(index_number(x, key, in->j ? (int64_t)in->j->n : 0, &i));
		member = json_at(in->j, (size_t)i);
		if (!member)
			return FAIL("reflect: slice index out of range");
		*ret = val_child(x, in, member);
		return NULL;
	case VAL_MAP:
		if (key->kind != VAL_STR)
			return is_nil(key) ? FAIL("value is nil; should be of type string") :
					     FAIL("value has type %s; should be string", val_type_name(x, key));
		member = in->j ? json_get(in->j, arena_strndup(x->a, key->s, key->len)) : NULL;
		*ret = member ? val_child(x, in, member) : zero_child(x, in);
		return NULL;
	case VAL_NIL:
		return in->untyped ? FAIL("index of untyped nil") : FAIL("index of nil pointer");
	case VAL_NONE:
		return FAIL("index of untyped nil");
	default:
		return FAIL("can't index item of type %s", val_type_name(x, in));
	}
}

static es_err *fn_index(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	struct val at = args[0], inner;

	if (is_nil(&at))
		return FAIL("index of untyped nil");
	for (size_t i = 1; i < n; i++) {
		ES_TRY(index_one(x, &at, &args[i], &inner));
		at = inner;
	}
	*ret = at;
	return NULL;
}

static struct val list_part(struct exec *x, const struct val *list, int64_t from, int64_t to)
{
	struct json *part = json_new_array(x->a);
	struct val v = *list;
	int64_t i = 0;

	if (list->j)
		JSON_EACH(at, list->j) {
			if (i >= from && i < to)
				json_append(part, json_copy(x->a, at));
			i++;
		}
	v.j = part;
	return v;
}

static es_err *fn_slice(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	const struct val *v = &args[0];
	int64_t len, at[3] = { 0 };

	if (is_nil(v))
		return FAIL("slice of untyped nil");
	if (n > 4)
		return FAIL("too many slice indexes: %zu", n - 1);
	if (v->kind != VAL_STR && v->kind != VAL_LIST)
		return FAIL("can't slice item of type %s", val_type_name(x, v));
	if (v->kind == VAL_STR && n == 4)
		return FAIL("cannot 3-index slice a string");
	len = v->kind == VAL_STR ? (int64_t)v->len : v->j ? (int64_t)v->j->n : 0;
	at[1] = len;
	for (size_t i = 1; i < n; i++)
		ES_TRY(index_number(x, &args[i], len, &at[i - 1]));
	if (at[0] > at[1])
		return FAIL("invalid slice index: %" PRId64 " > %" PRId64, at[0], at[1]);
	if (n == 4 && at[1] > at[2])
		return FAIL("invalid slice index: %" PRId64 " > %" PRId64, at[1], at[2]);
	*ret = v->kind == VAL_STR ? val_str(v->s + at[0], (size_t)(at[1] - at[0])) : list_part(x, v, at[0], at[1]);
	return NULL;
}

/* Printing */

static es_err *fn_print(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	es_autobuf b = ES_BUF(TEXT_MAX);

	for (size_t i = 0; i < n; i++) { /* Go's Sprint: a blank between two that are no strings */
		if (i && args[i].kind != VAL_STR && args[i - 1].kind != VAL_STR)
			es_buf_addc(&b, ' ');
		val_print(x, &b, &args[i], false);
	}
	return give(x, &b, ret);
}

static es_err *fn_println(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	es_autobuf b = ES_BUF(TEXT_MAX);

	for (size_t i = 0; i < n; i++) {
		if (i)
			es_buf_addc(&b, ' ');
		val_print(x, &b, &args[i], false);
	}
	es_buf_addc(&b, '\n');
	return give(x, &b, ret);
}

struct verb {
	bool minus, plus, sharp, space, zero;
	int width, precision; /* -1: not given */
	char c;
};

static size_t runes(const char *s, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)s[i] & 0xc0) != 0x80;
	return count;
}

static void padded(struct es_buf *b, const struct verb *v, const char *s, size_t n, bool number)
{
	size_t have = runes(s, n), want = v->width > 0 ? (size_t)v->width : 0;
	size_t sign = number && v->zero && !v->minus && n && (*s == '-' || *s == '+');

	if (v->minus)
		es_buf_add(b, s, n);
	else if (sign)
		es_buf_addc(b, *s);
	for (; have < want; have++)
		es_buf_addc(b, v->zero && !v->minus ? '0' : ' ');
	if (!v->minus)
		es_buf_add(b, s + sign, n - sign);
}

static void go_quote(struct es_buf *b, const char *s, size_t n)
{
	static const char shorts[] = "\aa\bb\ff\nn\rr\tt\vv\"\"\\\\";

	es_buf_addc(b, '"');
	for (size_t i = 0; i < n; i++) {
		const char *e = s[i] ? strchr(shorts, s[i]) : NULL;

		if (e && (e - shorts) % 2 == 0)
			es_buf_printf(b, "\\%c", e[1]);
		else if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			es_buf_printf(b, "\\x%02x", (unsigned char)s[i]);
		else
			es_buf_addc(b, s[i]);
	}
	es_buf_addc(b, '"');
}

static void bad_verb(struct exec *x, struct es_buf *b, const struct verb *v, const struct val *arg)
{
	if (is_nil(arg)) {
		es_buf_printf(b, "%%!%c(<nil>)", v->c);
		return;
	}
	es_buf_printf(b, "%%!%c(%s=", v->c, val_type_name(x, arg));
	val_print(x, b, arg, false);
	es_buf_addc(b, ')');
}

static void format_string(struct exec *x, struct es_buf *b, const struct verb *v, const struct val *arg)
{
	es_autobuf text = ES_BUF(TEXT_MAX);
	size_t n = arg->len;

	if (v->precision >= 0 && (v->c == 's' || v->c == 'v' || v->c == 'q')) {
		size_t left = (size_t)v->precision;

		for (n = 0; n < arg->len; n++)
			if (((unsigned char)arg->s[n] & 0xc0) != 0x80 && left-- == 0)
				break;
	}
	switch (v->c) {
	case 's':
	case 'v':
		if (v->sharp && v->c == 'v')
			go_quote(&text, arg->s, n);
		else
			es_buf_add(&text, arg->s, n);
		break;
	case 'q':
		go_quote(&text, arg->s, n);
		break;
	case 'x':
	case 'X':
		for (size_t i = 0; i < arg->len; i++)
			es_buf_printf(&text, v->c == 'x' ? "%02x" : "%02X", (unsigned char)arg->s[i]);
		break;
	default:
		bad_verb(x, b, v, arg);
		return;
	}
	padded(b, v, es_buf_str(&text), text.len, false);
}

static void format_rune(struct es_buf *b, int64_t c, const char *around)
{
	char bytes[4];
	bool valid = c >= 0 && c <= 0x10ffff && !(c >= 0xd800 && c < 0xe000);

	es_buf_adds(b, around);
	es_buf_add(b, bytes, (size_t)(utf8_put(bytes, valid ? (uint32_t)c : 0xfffd) - bytes));
	es_buf_adds(b, around);
}

static void format_int(struct exec *x, struct es_buf *b, const struct verb *v, const struct val *arg)
{
	uint64_t u = arg->i < 0 ? -(uint64_t)arg->i : (uint64_t)arg->i;
	es_autobuf text = ES_BUF(1000);

	if (arg->duration && v->c == 'v') {
		val_print(x, &text, arg, false);
		padded(b, v, es_buf_str(&text), text.len, false);
		return;
	}
	if (!strchr("dvxXobcqU", v->c)) {
		bad_verb(x, b, v, arg);
		return;
	}
	if (arg->i < 0 && v->c != 'c' && v->c != 'q' && v->c != 'U')
		es_buf_addc(&text, '-');
	else if (v->plus || v->space)
		es_buf_addc(&text, v->plus ? '+' : ' ');
	if (v->c == 'x' || v->c == 'X')
		es_buf_printf(&text, v->c == 'x' ? "%s%" PRIx64 : "%s%" PRIX64, v->sharp ? "0x" : "", u);
	else if (v->c == 'o')
		es_buf_printf(&text, "%s%" PRIo64, v->sharp ? "0" : "", u);
	else if (v->c == 'U')
		es_buf_printf(&text, "U+%04" PRIX64, u);
	else if (v->c == 'c' || v->c == 'q')
		format_rune(&text, arg->i, v->c == 'q' ? "'" : "");
	else if (v->c == 'b')
		for (int bit = u ? 63 - __builtin_clzll(u) : 0; bit >= 0; bit--)
			es_buf_addc(&text, (u >> bit & 1) ? '1' : '0');
	else if (arg->s)
		es_buf_add(&text, arg->s, arg->len);
	else
		es_buf_printf(&text, "%" PRIu64, u);
	padded(b, v, es_buf_str(&text), text.len, true);
}

static void format_float(struct exec *x, struct es_buf *b, const struct verb *v, const struct val *arg)
{
	es_autobuf text = ES_BUF(WIDTH_MAX + 1000);
	char spec[16];

	if (!strchr("vgGeEfF", v->c)) {
		bad_verb(x, b, v, arg);
		return;
	}
	if (v->plus && arg->f >= 0)
		es_buf_addc(&text, '+');
	(void)snprintf(spec, sizeof spec, "%%.*%c", v->c);
	if ((v->c == 'v' || v->c == 'g') && v->precision < 0)
		val_print(x, &text, arg, false);
	else
		es_buf_printf(&text, v->c == 'v' ? "%.*g" : spec, v->precision < 0 ? 6 : v->precision, arg->f);
	padded(b, v, es_buf_str(&text), text.len, true);
}

static void format_value(struct exec *x, struct es_buf *b, const struct verb *v, const struct val *arg)
{
	es_autobuf text = ES_BUF(TEXT_MAX);

	if (v->c == 'T') {
		const char *name = val_type_name(x, arg);

		padded(b, v, name, strlen(name), false);
		return;
	}
	switch (arg->kind) {
	case VAL_STR:
		format_string(x, b, v, arg);
		return;
	case VAL_INT:
		format_int(x, b, v, arg);
		return;
	case VAL_FLOAT:
		format_float(x, b, v, arg);
		return;
	case VAL_BOOL:
		if (v->c != 't' && v->c != 'v') {
			bad_verb(x, b, v, arg);
			return;
		}
		break;
	case VAL_NONE:
	case VAL_NIL:
		if (v->c != 'v') {
			bad_verb(x, b, v, arg);
			return;
		}
		break;
	default:
		if (v->c != 'v' && v->c != 's' && v->c != 'd' && v->c != 'q') {
			bad_verb(x, b, v, arg);
			return;
		}
		break;
	}
	val_print(x, &text, arg, false);
	padded(b, v, es_buf_str(&text), text.len, false);
}

/* A list of strings under %q is quoted one by one. */
static void format_one(struct exec *x, struct es_buf *b, const struct verb *v, const struct val *arg)
{
	if (arg->kind != VAL_LIST || !strchr("qsdx", v->c)) {
		format_value(x, b, v, arg);
		return;
	}
	es_buf_addc(b, '[');
	if (arg->j)
		JSON_EACH(at, arg->j) {
			struct val item = val_child(x, arg, at);

			if (at != arg->j->first)
				es_buf_addc(b, ' ');
			format_value(x, b, v, &item);
		}
	es_buf_addc(b, ']');
}

static const char *verb_number(const char *s, const char *end, int *ret)
{
	int n = 0;

	while (s < end && *s >= '0' && *s <= '9') {
		n = n * 10 + (*s++ - '0');
		if (n > WIDTH_MAX)
			n = WIDTH_MAX;
	}
	*ret = n;
	return s;
}

/* Behind the "%". */
static const char *verb_parse(const char *s, const char *end, struct verb *v)
{
	*v = (struct verb){ .width = -1, .precision = -1 };
	for (; s < end; s++) {
		if (*s == '-')
			v->minus = true;
		else if (*s == '+')
			v->plus = true;
		else if (*s == '#')
			v->sharp = true;
		else if (*s == ' ')
			v->space = true;
		else if (*s == '0')
			v->zero = true;
		else
			break;
	}
	if (s < end && *s >= '1' && *s <= '9')
		s = verb_number(s, end, &v->width);
	if (s < end && *s == '.')
		s = verb_number(s + 1, end, &v->precision);
	v->c = s < end ? *s : '\0';
	return s < end ? s + 1 : s;
}

static es_err *fn_printf(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	es_autobuf b = ES_BUF(TEXT_MAX);
	const char *s = args[0].s, *end = s + args[0].len;
	size_t used = 1;
	struct verb v;

	while (s < end) {
		const char *percent = memchr(s, '%', (size_t)(end - s));

		es_buf_add(&b, s, (size_t)((percent ? percent : end) - s));
		if (!percent)
			break;
		s = verb_parse(percent + 1, end, &v);
		if (v.c == '%')
			es_buf_addc(&b, '%');
		else if (v.c == '\0')
			es_buf_adds(&b, "%!(NOVERB)");
		else if (used >= n)
			es_buf_printf(&b, "%%!%c(MISSING)", v.c);
		else
			format_one(x, &b, &v, &args[used++]);
	}
	if (used < n)
		es_buf_adds(&b, "%!(EXTRA ");
	for (size_t i = used; i < n; i++) {
		es_buf_printf(&b, "%s%s%s", i > used ? ", " : "", is_nil(&args[i]) ? "" : val_type_name(x, &args[i]),
			      is_nil(&args[i]) ? "" : "=");
		val_print(x, &b, &args[i], false);
	}
	if (used < n)
		es_buf_addc(&b, ')');
	return give(x, &b, ret);
}

/* Escapers: the arguments as print writes them. */

static es_err *fn_html(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	es_autobuf b = ES_BUF(TEXT_MAX);
	struct val in;

	ES_TRY(fn_print(x, args, n, &in));
	for (size_t i = 0; i < in.len; i++) {
		const char *e = in.s[i] == '"' ? "&#34;" : in.s[i] == '\'' ? "&#39;" : in.s[i] == '&' ? "&amp;" :
				in.s[i] == '<' ? "&lt;" : in.s[i] == '>' ? "&gt;" : in.s[i] == '\0' ? "\xef\xbf\xbd" : NULL;

		if (e)
			es_buf_adds(&b, e);
		else
			es_buf_addc(&b, in.s[i]);
	}
	return give(x, &b, ret);
}

static es_err *fn_js(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	es_autobuf b = ES_BUF(TEXT_MAX);
	struct val in;

	ES_TRY(fn_print(x, args, n, &in));
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.s[i];

		if (c == '\\' || c == '\'' || c == '"')
			es_buf_printf(&b, "\\%c", c);
		else if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == '=')
			es_buf_printf(&b, "\\u%04X", c);
		else
			es_buf_addc(&b, (char)c);
	}
	return give(x, &b, ret);
}

static es_err *fn_urlquery(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	es_autobuf b = ES_BUF(TEXT_MAX);
	struct val in;

	ES_TRY(fn_print(x, args, n, &in));
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.s[i];

		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("-_.~", c)))
			es_buf_addc(&b, (char)c);
		else if (c == ' ')
			es_buf_addc(&b, '+');
		else
			es_buf_printf(&b, "%%%02X", c);
	}
	return give(x, &b, ret);
}

/* docker's own */

static es_err *fn_json(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	es_autobuf b = ES_BUF(TEXT_MAX);

	if (is_header(x)) {
		*ret = args[0];
		return NULL;
	}
	val_write_json(x, &b, &args[0]);
	return give(x, &b, ret);
}

/* Go's strings.Split; an empty separator splits into characters. */
static es_err *fn_split(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	struct json *list = json_new_array(x->a);
	const char *s = args[0].s, *end = s + args[0].len, *from = s;
	const struct val *sep = &args[1];

	if (is_header(x)) {
		*ret = args[0];
		return NULL;
	}
	while (s < end) {
		if (sep->len == 0) {
			for (s++; s < end && ((unsigned char)*s & 0xc0) == 0x80;)
				s++;
			if (s == end)
				break;
		} else if ((size_t)(end - s) < sep->len || memcmp(s, sep->s, sep->len) != 0) {
			s++;
			continue;
		}
		json_append(list, json_new_strn(x->a, from, (size_t)(s - from)));
		s += sep->len;
		from = s;
	}
	if (sep->len || from < end)
		json_append(list, json_new_strn(x->a, from, (size_t)(end - from)));
	*ret = (struct val){ .kind = VAL_LIST, .j = list };
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static es_err *fn_join(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	const struct val *v = &args[0], *sep = &args[1];
	es_autobuf b = ES_BUF(TEXT_MAX);
	char **texts;
	size_t count = 0;

	if (is_header(x)) {
		*ret = args[0];
		return NULL;
	}
	if (v->kind != VAL_LIST && v->kind != VAL_MAP && !is_nil(v))
		return FAIL("expected slice, got %s", val_type_name(x, v));
	texts = ARENA_ARRAY(x->a, char *, (v->j ? v->j->n : 0) + 1);
	if (!is_nil(v) && v->j)
		JSON_EACH(at, v->j) {
			struct val item = val_child(x, v, at);

			es_buf_reset(&b);
			val_print(x, &b, &item, false);
			texts[count++] = arena_strdup(x->a, es_buf_str(&b));
		}
	if (v->kind == VAL_MAP)
		qsort(texts, count, sizeof *texts, by_text);
	es_buf_reset(&b);
	for (size_t i = 0; i < count; i++) {
		if (i)
			es_buf_add(&b, sep->s, sep->len);
		es_buf_adds(&b, texts[i]);
	}
	return give(x, &b, ret);
}

enum letters { LETTERS_LOWER, LETTERS_UPPER, LETTERS_TITLE };

static es_err *change_case(struct exec *x, const struct val *v, enum letters how, struct val *ret)
{
	char *s;
	bool begins = true;

	*ret = *v;
	if (is_header(x))
		return NULL;
	s = arena_strndup(x->a, v->s, v->len);
	for (size_t i = 0; i < v->len; i++) {
		bool letter = (s[i] | 32) >= 'a' && (s[i] | 32) <= 'z';

		if (letter && (how == LETTERS_UPPER || (how == LETTERS_TITLE && begins)))
			s[i] &= ~32;
		else if (letter && how == LETTERS_LOWER)
			s[i] |= 32;
		begins = !letter && !(s[i] >= '0' && s[i] <= '9') && s[i] != '_' && (unsigned char)s[i] < 0x80;
	}
	ret->s = s;
	return NULL;
}

static es_err *fn_lower(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	return change_case(x, &args[0], LETTERS_LOWER, ret);
}

static es_err *fn_upper(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	return change_case(x, &args[0], LETTERS_UPPER, ret);
}

static es_err *fn_title(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	return change_case(x, &args[0], LETTERS_TITLE, ret);
}

static es_err *fn_pad(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	es_autobuf b = ES_BUF(TEXT_MAX);

	*ret = args[0];
	if (args[0].kind != VAL_STR || args[0].len == 0)
		return NULL;
	if (args[1].i < 0 || args[2].i < 0)
		return FAIL("strings: negative Repeat count");
	if (args[1].i > WIDTH_MAX || args[2].i > WIDTH_MAX)
		return FAIL("wider than %d", WIDTH_MAX);
	es_buf_printf(&b, "%*s", (int)args[1].i, "");
	es_buf_add(&b, args[0].s, args[0].len);
	es_buf_printf(&b, "%*s", (int)args[2].i, "");
	return give(x, &b, ret);
}

static es_err *fn_truncate(struct exec *x, const struct val *args, size_t n, struct val *ret)
{
	*ret = args[0];
	if (is_header(x) || (int64_t)args[0].len <= args[1].i)
		return NULL;
	if (args[1].i < 0)
		return FAIL("slice bounds out of range [:%" PRId64 "]", args[1].i);
	ret->len = (size_t)args[1].i;
	return NULL;
}

static const struct gotmpl_func functions[] = {
	{ "and", "vv*", fn_and_or },   { "eq", "vv*", fn_eq },	       { "ge", "vv", fn_ge },
	{ "gt", "vv", fn_gt },	       { "html", "v*", fn_html },      { "index", "vv*", fn_index },
	{ "join", "vs", fn_join },     { "js", "v*", fn_js },	       { "json", "v", fn_json },
	{ "le", "vv", fn_le },	       { "len", "v", fn_len },	       { "lower", "s", fn_lower },
	{ "lt", "vv", fn_lt },	       { "ne", "vv", fn_ne },	       { "not", "v", fn_not },
	{ "or", "vv*", fn_and_or },    { "pad", "sii", fn_pad },       { "print", "v*", fn_print },
	{ "printf", "sv*", fn_printf }, { "println", "v*", fn_println }, { "slice", "vv*", fn_slice },
	{ "split", "ss", fn_split },   { "title", "s", fn_title },     { "truncate", "si", fn_truncate },
	{ "upper", "s", fn_upper },    { "urlquery", "v*", fn_urlquery },
};

const struct gotmpl_func *gotmpl_func_find(const char *name)
{
	for (size_t i = 0; i < ES_N(functions); i++)
		if (str_eq(functions[i].name, name))
			return &functions[i];
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* json.c: a JSON reader that decodes strings in place in one copy of the text, and a writer that writes as Go does. */
#include "codec/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "codec/utf8.h"

/* What a byte means inside a string. The copy of the text ends in NUL, which is CONTROL: no scan runs past it. */
enum { PLAIN, QUOTE, BACKSLASH, CONTROL, HIGH };
static const unsigned char in_string[256] = {
	[0x00 ... 0x1f] = CONTROL,
	['"'] = QUOTE,
	['\\'] = BACKSLASH,
	[0x80 ... 0xff] = HIGH,
};

static const char escape_value[256] = {
	['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
};

struct parser {
	struct arena *a;
	char *at, *end;   /* a private copy of the text; *end is NUL */
	const char *from; /* its start, for offsets */
	int depth;
};

/* Errors: Go's words, so that what clients show for a bad body is what they are used to. */
static es_err *bad(const struct parser *p, const char *at, const char *where)
{
	unsigned char c = (unsigned char)*at;

	if (at >= p->end)
		return es_err_new(ES_E_INVALID, "unexpected end of JSON input at byte %td", at - p->from);
	if (c >= 0x20 && c < 0x7f && c != '\'')
		return es_err_new(ES_E_INVALID, "invalid character '%c' %s at byte %td", c, where, at - p->from);
	return es_err_new(ES_E_INVALID, "invalid character '\\x%02x' %s at byte %td", c, where, at - p->from);
}

static void skip_blanks(struct parser *p)
{
	while (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r')
		p->at++;
}

/* Strings */

/* Four hexadecimal digits at S, or -1. Stops at the NUL. */
static int32_t hex4(const char *s)
{
	int32_t v = 0;

	for (int i = 0; i < 4; i++) {
		char c = s[i];
		int digit = c >= '0' && c <= '9'                 ? c - '0'
			    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
								 : -1;

		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

/* The escape at *IN (after the backslash) to OUT. A half surrogate becomes U+FFFD. Never longer than its source. */
static es_err *escape(struct parser *p, char **in, char **out)
{
	char *s = *in;
	int32_t c, low;

	if (escape_value[(unsigned char)*s]) {
		*(*out)++ = escape_value[(unsigned char)*s];
		*in = s + 1;
		return NULL;
	}
	if (*s != 'u')
		return bad(p, s, "in string escape code");
	c = hex4(s + 1);
	if (c < 0)
		return bad(p, s + 1 + strspn(s + 1, "0123456789abcdefABCDEF"), "in \\u hexadecimal character escape");
	s += 5;
	if (c >= 0xd800 && c < 0xe000) {
		low = c < 0xdc00 && s[0] == '\\' && s[1] == 'u' ? hex4(s + 2) : -1;
		if (low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			s += 6;
		} else {
			c = 0xfffd;
		}
	}
	*out = utf8_put(*out, (uint32_t)c);
	*in = s;
	return NULL;
}

/* The rest of a string whose text is not valid UTF-8, for the one case in which the result may be longer than its
 * source: each bad byte becomes U+FFFD. */
static es_err *string_mended(struct parser *p, const char *start, const char **ret, size_t *ret_len)
{
	const char *close = p->at;
	char *out, *text;

	while (*close != '"') {
		if (in_string[(unsigned char)*close] == CONTROL)
			return bad(p, close, "in string literal");
		close += *close == '\\' && close + 1 < p->end ? 2 : 1;
	}
	text = out = arena_alloc(p->a, (size_t)(close - start) * 3 + 1);
	memcpy(out, start, (size_t)(p->at - start));
	out += p->at - start;
	while (p->at < close) {
		if (*p->at == '\\') {
			p->at++;
			ES_TRY(escape(p, &p->at, &out));
		} else {
			size_t n = utf8_len((unsigned char *)p->at, (size_t)(close - p->at));

			if (n == 0) {
				out = utf8_put(out, 0xfffd);
				p->at++;
			}
			while (n-- > 0)
				*out++ = *p->at++;
		}
	}
	p->at++;
	*ret = text;
	*ret_len = (size_t)(out - text);
	return NULL;
}

/* At the opening quote. The result lies in the copy of the text; its NUL replaces the closing quote or earlier. */
static es_err *string(struct parser *p, const char **ret, size_t *ret_len)
{
	char *start = ++p->at, *out, *in;

	for (;;) {
		while (in_string[(unsigned char)*p->at] == PLAIN)
			p->at++;
		if (in_string[(unsigned char)*p->at] != HIGH)
			break;
		size_t n = utf8_len((unsigned char *)p->at, (size_t)(p->end - p->at));

		if (n == 0)
			return string_mended(p, start, ret, ret_len);
		p->at += n;
	}
	out = in = p->at;
	while (*in != '"') {
		switch (in_string[(unsigned char)*in]) {
		case PLAIN:
			*out++ = *in++;
			break;
		case BACKSLASH:
			in++;
			ES_TRY(escape(p, &in, &out));
			break;
		case HIGH: {
			size_t n = utf8_len((unsigned char *)in, (size_t)(p->end - in));

			if (n == 0) { /* what lies before OUT is decoded already: continue behind it */
				memmove(in - (out - start), start, (size_t)(out - start));
				p->at = in;
				return string_mended(p, in - (out - start), ret, ret_len);
			}
			while (n-- > 0)
				*out++ = *in++;
			break;
		}
		default:
			return bad(p, in, "in string literal");
		}
	}
	*out = '\0';
	p->at = in + 1;
	*ret = start;
	*ret_len = (size_t)(out - start);
	return NULL;
}

/* Values */

static es_err *digits(struct parser *p, const char *where)
{
	if (*p->at < '0' || *p->at > '9')
		return bad(p, p->at, where);
	while (*p->at >= '0' && *p->at <= '9')
		p->at++;
	return NULL;
}

static es_err *number(struct parser *p, struct json *v)
{
	const char *start = p->at;

	if (*p->at == '-')
		p->at++;
	if (*p->at == '0')
		p->at++;
	else
		ES_TRY(digits(p, "in numeric literal"));
	if (*p->at == '.') {
		p->at++;
		ES_TRY(digits(p, "after decimal point in numeric literal"));
	}
	if (*p->at == 'e' || *p->at == 'E') {
		p->at++;
		if (*p->at == '+' || *p->at == '-')
			p->at++;
		ES_TRY(digits(p, "in exponent of numeric literal"));
	}
	v->type = JSON_NUMBER;
	v->len = (size_t)(p->at - start);
	v->text = arena_strndup(p->a, start, v->len);
	return NULL;
}

static es_err *literal(struct parser *p, const char *word, enum json_type type, bool b, struct json *v)
{
	for (const char *w = word; *w; w++, p->at++)
		if (*p->at != *w) {
			char where[48];

			(void)snprintf(where, sizeof where, "in literal %s (expecting '%c')", word, *w);
			return bad(p, p->at, where);
		}
	v->type = type;
	v->boolean = b;
	return NULL;
}

static void link_child(struct json *parent, struct json *child)
{
	child->next = NULL;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->n++;
}

static es_err *value(struct parser *p, struct json *v);

static es_err *array(struct parser *p, struct json *v)
{
	v->type = JSON_ARRAY;
	p->at++;
	skip_blanks(p);
	if (*p->at == ']') {
		p->at++;
		return NULL;
	}
	for (;;) {
		struct json *item = ARENA_NEW(p->a, struct json);

		ES_TRY(value(p, item));
		link_child(v, item);
		skip_blanks(p);
		if (*p->at == ']')
			break;
		if (*p->at != ',')
			return bad(p, p->at, "after array element");
		p->at++;
	}
	p->at++;
	return NULL;
}

static es_err *object(struct parser *p, struct json *v)
{
	v->type = JSON_OBJECT;
	p->at++;
	skip_blanks(p);
	if (*p->at == '}') {
		p->at++;
		return NULL;
	}
	for (;;) {
		struct json *member = ARENA_NEW(p->a, struct json);

		skip_blanks(p);
		if (*p->at != '"')
			return bad(p, p->at, "looking for beginning of object key string");
		ES_TRY(string(p, &member->key, &member->key_len));
		skip_blanks(p);
		if (*p->at != ':')
			return bad(p, p->at, "after object key");
		p->at++;
		ES_TRY(value(p, member));
		link_child(v, member);
		skip_blanks(p);
		if (*p->at == '}')
			break;
		if (*p->at != ',')
			return bad(p, p->at, "after object key:value pair");
		p->at++;
	}
	p->at++;
	return NULL;
}

static es_err *container(struct parser *p, struct json *v)
{
	if (++p->depth > JSON_DEPTH_MAX)
		return es_err_new(ES_E_INVALID, "nested deeper than %d at byte %td", JSON_DEPTH_MAX, p->at - p->from);
	ES_TRY(*p->at == '[' ? array(p, v) : object(p, v));
	p->depth--;
	return NULL;
}

static es_err *value(struct parser *p, struct json *v)
{
	skip_blanks(p);
	switch (*p->at) {
	case '{':
	case '[':
		return container(p, v);
	case '"':
		v->type = JSON_STRING;
		return string(p, &v->text, &v->len);
	case 't':
		return literal(p, "true", JSON_BOOL, true, v);
	case 'f':
		return literal(p, "false", JSON_BOOL, false, v);
	case 'n':
		return literal(p, "null", JSON_NULL, false, v);
	case '-':
	case '0' ... '9':
		return number(p, v);
	default:
		return bad(p, p->at, "looking for beginning of value");
	}
}

static es_err *parse_copy(struct arena *a, const char *text, size_t len, bool whole, struct json **ret,
			  size_t *ret_used)
{
	struct parser p = {.a = a, .at = arena_strndup(a, text, len)};
	struct json *v = ARENA_NEW(a, struct json);

	p.from = p.at;
	p.end = p.at + len;
	ES_TRY(value(&p, v));
	*ret_used = (size_t)(p.at - p.from);
	skip_blanks(&p);
	if (whole && p.at != p.end)
		return bad(&p, p.at, "after top-level value");
	*ret = v;
	return NULL;
}

es_err *json_parse(struct arena *a, const char *text, size_t len, struct json **ret)
{
	size_t used;

	return parse_copy(a, text, len, true, ret, &used);
}

/* Where the value at the start of TEXT can end at the latest, so that a stream of values is not copied anew for each.
 */
static size_t extent(const char *text, size_t len)
{
	size_t i = 0, depth = 0;

	while (i < len && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r'))
		i++;
	for (; i < len; i++) {
		switch (text[i]) {
		case '{':
		case '[':
			depth++;
			continue;
		case '}':
		case ']':
			if (depth <= 1)
				return i + (depth == 1);
			depth--;
			continue;
		case '"':
			for (i++; i < len && text[i] != '"'; i++)
				i += text[i] == '\\';
			if (depth == 0)
				return i < len ? i + 1 : len;
			continue;
		case ' ':
		case '\n':
		case '\t':
		case '\r':
		case ',':
			if (depth == 0)
				return i;
			continue;
		default:
			continue;
		}
	}
	return len;
}

es_err *json_parse_prefix(struct arena *a, const char *text, size_t len, struct json **ret, size_t *ret_used)
{
	size_t most = extent(text, len);

	return parse_copy(a, text, most ? most : len, false, ret, ret_used);
}

/* Look-ups */

struct json *json_get(const struct json *object, const char *key)
{
	struct json *found = NULL;
	size_t len = strlen(key);

	if (!object || object->type != JSON_OBJECT)
		return NULL;
	JSON_EACH (at, object)
		if (at->key_len == len && memcmp(at->key, key, len) == 0)
			found = at;
	return found;
}

struct json *json_at(const struct json *array, size_t i)
{
	if (!array || array->type != JSON_ARRAY)
		return NULL;
	JSON_EACH (at, array)
		if (i-- == 0)
			return at;
	return NULL;
}

const char *json_str(const struct json *v)
{
	return v && v->type == JSON_STRING ? v->text : NULL;
}

bool json_bool(const struct json *v, bool otherwise)
{
	return v && v->type == JSON_BOOL ? v->boolean : otherwise;
}

int64_t json_i64(const struct json *v, int64_t otherwise)
{
	char *end;
	intmax_t n;

	if (!v || v->type != JSON_NUMBER)
		return otherwise;
	errno = 0;
	n = strtoimax(v->text, &end, 10);
	return errno || *end ? otherwise : (int64_t)n;
}

bool json_is(const struct json *v, enum json_type type)
{
	return v && v->type == type;
}

/* Building */

static struct json *new_node(struct arena *a, enum json_type type)
{
	struct json *v = ARENA_NEW(a, struct json);

	v->type = type;
	return v;
}

static struct json *new_number(struct arena *a, char *text)
{
	struct json *v = new_node(a, JSON_NUMBER);

	v->text = text;
	v->len = strlen(text);
	return v;
}

struct json *json_new_null(struct arena *a)
{
	return new_node(a, JSON_NULL);
}

struct json *json_new_bool(struct arena *a, bool b)
{
	struct json *v = new_node(a, JSON_BOOL);

	v->boolean = b;
	return v;
}

struct json *json_new_i64(struct arena *a, int64_t n)
{
	return new_number(a, arena_printf(a, "%" PRId64, n));
}

struct json *json_new_u64(struct arena *a, uint64_t n)
{
	return new_number(a, arena_printf(a, "%" PRIu64, n));
}

char *json_double(double d, char *out)
{
	double size = fabs(d);
	char *e, digits[JSON_DOUBLE_MAX];
	int precision = 0, exponent;

	if (!isfinite(d))
		d = size = 0; /* JSON has no word for it */
	do
		(void)snprintf(digits, sizeof digits, "%.*e", precision, d);
	while (strtod(digits, NULL) != d && ++precision < 17);
	e = strchr(digits, 'e');
	exponent = atoi(e + 1);
	if (size != 0 && (size < 1e-6 || size >= 1e21))
		(void)snprintf(out, JSON_DOUBLE_MAX, "%.*se%c%02d", (int)(e - digits), digits, exponent < 0 ? '-' : '+',
			       abs(exponent));
	else
		(void)snprintf(out, JSON_DOUBLE_MAX, "%.*f", precision > exponent ? precision - exponent : 0, d);
	e = strstr(out, "e-0"); /* Go writes e-09 as e-9, but e+09 stays */
	if (e)
		memmove(e + 2, e + 3, strlen(e + 3) + 1);
	return out;
}

struct json *json_new_double(struct arena *a, double d)
{
	char text[JSON_DOUBLE_MAX];

	return new_number(a, arena_strdup(a, json_double(d, text)));
}

struct json *json_new_strn(struct arena *a, const char *s, size_t n)
{
	struct json *v = new_node(a, JSON_STRING);

	v->text = arena_strndup(a, s, n);
	v->len = n;
	return v;
}

struct json *json_new_str(struct arena *a, const char *s)
{
	return s ? json_new_strn(a, s, strlen(s)) : json_new_null(a);
}

struct json *json_new_array(struct arena *a)
{
	return new_node(a, JSON_ARRAY);
}

struct json *json_new_object(struct arena *a)
{
	return new_node(a, JSON_OBJECT);
}

void json_append(struct json *array, struct json *v)
{
	link_child(array, v);
}

void json_add(struct arena *a, struct json *object, const char *key, struct json *v)
{
	v->key_len = strlen(key);
	v->key = arena_strndup(a, key, v->key_len);
	link_child(object, v);
}

/* The link that points at the member KEY, and the member before it; NULL when there is none. */
static struct json **find_link(struct json *object, const char *key, struct json **ret_before)
{
	size_t len = strlen(key);

	*ret_before = NULL;
	for (struct json **link = &object->first; *link; link = &(*link)->next) {
		if ((*link)->key_len == len && memcmp((*link)->key, key, len) == 0)
			return link;
		*ret_before = *link;
	}
	return NULL;
}

struct json *json_remove(struct json *object, const char *key)
{
	struct json *before, **link = find_link(object, key, &before), *old;

	if (!link)
		return NULL;
	old = *link;
	*link = old->next;
	if (object->last == old)
		object->last = before;
	object->n--;
	old->next = NULL;
	return old;
}

void json_set(struct arena *a, struct json *object, const char *key, struct json *v)
{
	struct json *before, **link = find_link(object, key, &before);

	if (!link) {
		json_add(a, object, key, v);
		return;
	}
	v->key = (*link)->key;
	v->key_len = (*link)->key_len;
	v->next = (*link)->next;
	if (object->last == *link)
		object->last = v;
	*link = v;
}

void json_set_str(struct arena *a, struct json *object, const char *key, const char *s)
{
	json_set(a, object, key, json_new_str(a, s));
}

void json_set_i64(struct arena *a, struct json *object, const char *key, int64_t v)
{
	json_set(a, object, key, json_new_i64(a, v));
}

void json_set_bool(struct arena *a, struct json *object, const char *key, bool v)
{
	json_set(a, object, key, json_new_bool(a, v));
}

struct json *json_copy(struct arena *a, const struct json *v)
{
	struct json *copy = ARENA_NEW(a, struct json);

	*copy = *v;
	copy->key = NULL;
	copy->key_len = 0;
	copy->next = copy->first = copy->last = NULL;
	copy->n = 0;
	if (v->text)
		copy->text = arena_strndup(a, v->text, v->len);
	JSON_EACH (at, v) {
		struct json *child = json_copy(a, at);

		if (at->key) {
			child->key = arena_strndup(a, at->key, at->key_len);
			child->key_len = at->key_len;
		}
		link_child(copy, child);
	}
	return copy;
}

/* Writing */

/* Bytes that a string cannot hold as they are; those of HTML only with HTML escaping. */
enum { HTML = HIGH + 1 };
static const unsigned char out_string[256] = {
	[0x00 ... 0x1f] = CONTROL, ['"'] = QUOTE, ['\\'] = BACKSLASH, ['<'] = HTML, ['>'] = HTML, ['&'] = HTML,
	[0x80 ... 0xff] = HIGH,
};

static void write_control(struct es_buf *out, unsigned char c)
{
	static const char shorts[32] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};

	if (c < sizeof shorts && shorts[c])
		es_buf_printf(out, "\\%c", shorts[c]);
	else
		es_buf_printf(out, "\\u%04x", c);
}

/* A byte above 0x7f at S; returns how many bytes were dealt with. U+2028 and U+2029 end lines in JavaScript. */
static size_t write_high(struct es_buf *out, const char *s, size_t n)
{
	size_t len = utf8_len((const unsigned char *)s, n);

	if (len == 0)
		es_buf_adds(out, "\\ufffd");
	else if (len == 3 && memcmp(s, "\xe2\x80\xa8", 3) == 0)
		es_buf_adds(out, "\\u2028");
	else if (len == 3 && memcmp(s, "\xe2\x80\xa9", 3) == 0)
		es_buf_adds(out, "\\u2029");
	else
		es_buf_add(out, s, len);
	return len ? len : 1;
}

void json_write_str(struct es_buf *out, const char *s, size_t n, unsigned flags)
{
	size_t i = 0;

	es_buf_addc(out, '"');
	while (i < n) {
		size_t plain = i;

		while (i < n && (out_string[(unsigned char)s[i]] == PLAIN ||
				 (out_string[(unsigned char)s[i]] == HTML && flags & JSON_W_NO_HTML_ESCAPE)))
			i++;
		es_buf_add(out, s + plain, i - plain);
		if (i == n)
			break;
		switch (out_string[(unsigned char)s[i]]) {
		case HIGH:
			i += write_high(out, s + i, n - i);
			continue;
		case QUOTE:
		case BACKSLASH:
			es_buf_addc(out, '\\');
			es_buf_addc(out, s[i]);
			break;
		default:
			write_control(out, (unsigned char)s[i]);
		}
		i++;
	}
	es_buf_addc(out, '"');
}

struct writer {
	struct es_buf *out;
	const char *prefix, *indent; /* NULL: compact */
	unsigned flags;
	int depth;
};

static void new_line(struct writer *w)
{
	if (!w->indent)
		return;
	es_buf_addc(w->out, '\n');
	es_buf_adds(w->out, w->prefix);
	for (int i = 0; i < w->depth; i++)
		es_buf_adds(w->out, w->indent);
}

static void write_value(struct writer *w, const struct json *v);

static void write_member(struct writer *w, const struct json *v, bool first)
{
	if (!first)
		es_buf_addc(w->out, ',');
	new_line(w);
	if (v->key) {
		json_write_str(w->out, v->key, v->key_len, w->flags);
		es_buf_adds(w->out, w->indent ? ": " : ":");
	}
	write_value(w, v);
}

static int by_key(const void *x, const void *y)
{
	const struct json *a = *(const struct json *const *)x, *b = *(const struct json *const *)y;
	int order = memcmp(a->key, b->key, a->key_len < b->key_len ? a->key_len : b->key_len);

	return order ? order : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static void write_sorted(struct writer *w, const struct json *v)
{
	es_autofree const struct json **members = es_xmalloc(v->n * sizeof *members);
	size_t n = 0;

	JSON_EACH (at, v)
		members[n++] = at;
	qsort(members, n, sizeof *members, by_key);
	for (size_t i = 0; i < n; i++)
		write_member(w, members[i], i == 0);
}

static void write_container(struct writer *w, const struct json *v, char open, char close)
{
	es_buf_addc(w->out, open);
	if (v->first) {
		w->depth++;
		if (v->type == JSON_OBJECT && w->flags & JSON_W_SORT_KEYS)
			write_sorted(w, v);
		else
			JSON_EACH (at, v)
				write_member(w, at, at == v->first);
		w->depth--;
		new_line(w);
	}
	es_buf_addc(w->out, close);
}

static void write_value(struct writer *w, const struct json *v)
{
	switch (v ? v->type : JSON_NULL) {
	case JSON_NULL:
		es_buf_adds(w->out, "null");
		break;
	case JSON_BOOL:
		es_buf_adds(w->out, v->boolean ? "true" : "false");
		break;
	case JSON_NUMBER:
		es_buf_add(w->out, v->text, v->len);
		break;
	case JSON_STRING:
		json_write_str(w->out, v->text, v->len, w->flags);
		break;
	case JSON_ARRAY:
		write_container(w, v, '[', ']');
		break;
	case JSON_OBJECT:
		write_container(w, v, '{', '}');
		break;
	}
}

void json_write(struct es_buf *out, const struct json *v, unsigned flags)
{
	write_value(&(struct writer){.out = out, .flags = flags}, v);
}

void json_write_indent(struct es_buf *out, const struct json *v, const char *prefix, const char *indent, unsigned flags)
{
	write_value(&(struct writer){.out = out, .prefix = prefix, .indent = indent, .flags = flags}, v);
}

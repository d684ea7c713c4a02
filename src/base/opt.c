/* SPDX-License-Identifier: Apache-2.0 */
/* opt.c: parse arguments by an option table, and print the table as help. */
#include "base/opt.h"

#include "base/str.h"

/* Help, notes and error texts; a command line cannot make them longer than itself. */
#define OPT_TEXT_MAX (4u << 20)

/* A row and the base of the struct that its offset is for. */
struct opt_at {
	const struct opt *row;
	size_t base;
};

static size_t count_rows(const struct opt *rows)
{
	size_t n = 0;

	for (; rows->name; rows++)
		n += rows->kind == OPT_TABLE ? count_rows(rows->sub) : 1;
	return n;
}

static size_t flatten(const struct opt *rows, size_t base, struct opt_at *out)
{
	size_t n = 0;

	for (; rows->name; rows++) {
		if (rows->kind == OPT_TABLE)
			n += flatten(rows->sub, base + rows->offset, out + n);
		else
			out[n++] = (struct opt_at){ rows, base };
	}
	return n;
}

static bool find_name(const struct opt *rows, size_t base, const char *name, size_t len, struct opt_at *ret)
{
	for (; rows->name; rows++) {
		if (rows->kind == OPT_TABLE) {
			if (find_name(rows->sub, base + rows->offset, name, len, ret))
				return true;
		} else if (strncmp(rows->name, name, len) == 0 && !rows->name[len]) {
			*ret = (struct opt_at){ rows, base };
			return true;
		}
	}
	return false;
}

static bool find_letter(const struct opt *rows, size_t base, char letter, struct opt_at *ret)
{
	for (; rows->name; rows++) {
		if (rows->kind == OPT_TABLE) {
			if (find_letter(rows->sub, base + rows->offset, letter, ret))
				return true;
		} else if (rows->letter == letter) {
			*ret = (struct opt_at){ rows, base };
			return true;
		}
	}
	return false;
}

bool opt_has_letter(const struct opt *rows, char letter)
{
	struct opt_at o;

	return find_letter(rows, 0, letter, &o);
}

/* Values. Each kind has a reader; the texts of errors are Go's strconv and time. */

static es_err *set_bool(const char *text, void *at)
{
	static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
	static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

	for (size_t i = 0; i < ES_N(yes); i++) {
		if (str_eq(text, yes[i]) || str_eq(text, no[i])) {
			*(bool *)at = str_eq(text, yes[i]);
			return NULL;
		}
	}
	return es_err_new(ES_E_INVALID, "strconv.ParseBool: parsing \"%s\": invalid syntax", text);
}

static es_err *set_str(const char *text, void *at)
{
	*(const char **)at = text;
	return NULL;
}

static es_err *number_error(es_err *err, const char *func, const char *text)
{
	bool range = strstr(es_err_text(err), "in range") != NULL;

	es_err_free(err);
	return es_err_new(ES_E_INVALID, "strconv.%s: parsing \"%s\": %s", func, text,
			  range ? "value out of range" : "invalid syntax");
}

static es_err *set_i64(const char *text, void *at)
{
	es_err *err = str_to_i64(text, 0, at);

	return err ? number_error(err, "ParseInt", text) : NULL;
}

static es_err *set_u64(const char *text, void *at)
{
	es_err *err = str_to_u64(text, 0, at);

	return err ? number_error(err, "ParseUint", text) : NULL;
}

static es_err *set_u16(const char *text, void *at)
{
	uint64_t v;

	ES_TRY(set_u64(text, &v));
	if (v > UINT16_MAX)
		return es_err_new(ES_E_INVALID, "strconv.ParseUint: parsing \"%s\": value out of range", text);
	*(uint16_t *)at = (uint16_t)v;
	return NULL;
}

static es_err *set_duration(const char *text, void *at)
{
	return str_to_duration(text, at);
}

static es_err *set_bytes(const char *text, void *at)
{
	return str_to_bytes(text, at);
}

static es_err *set_list(const char *text, void *at)
{
	strv_add(at, text);
	return NULL;
}

static es_err *set_csv(const char *text, void *at)
{
	es_autostrv parts = *text ? strv_split(text, ',') : NULL;

	for (size_t i = 0; i < strv_len(parts); i++)
		strv_add(at, parts[i]);
	return NULL;
}

static const struct {
	const char *value_name;
	es_err *(*set)(const char *text, void *at);
} kinds[] = {
	[OPT_BOOL] = { "", set_bool },
	[OPT_STR] = { "string", set_str },
	[OPT_I64] = { "int", set_i64 },
	[OPT_U64] = { "uint", set_u64 },
	[OPT_U16] = { "uint16", set_u16 },
	[OPT_DURATION] = { "duration", set_duration },
	[OPT_BYTES] = { "bytes", set_bytes },
	[OPT_LIST] = { "list", set_list },
	[OPT_CSV] = { "strings", set_csv },
	[OPT_CALL] = { "string", NULL },
	[OPT_TABLE] = { NULL, NULL },
};

static es_err *store(const struct opt_at *o, const char *text, void *values)
{
	void *at = (char *)values + o->base + o->row->offset;

	if (o->row->check)
		ES_TRY(o->row->check(text));
	return o->row->set ? o->row->set(text, at) : kinds[o->row->kind].set(text, at);
}

static es_err *invalid_argument(es_err *err, const struct opt *row, const char *text)
{
	char letter[5] = "";

	if (!err)
		return NULL;
	if (row->letter && !row->deprecated)
		memcpy(letter, (char[]){ '-', row->letter, ',', ' ', '\0' }, sizeof letter);
	return es_err_as(es_err_in(err, "invalid argument \"%s\" for \"%s--%s\" flag", text, letter, row->name), ES_E_INVALID);
}

static es_err *take(const struct opt_at *o, const char *text, void *values, struct opt_result *r)
{
	ES_TRY(invalid_argument(store(o, text, values), o->row, text));
	r->seen[r->n_seen++] = o->row;
	if (o->row->deprecated)
		es_buf_printf(&r->notes, "Flag --%s has been deprecated, %s\n", o->row->name, o->row->deprecated);
	return NULL;
}

/* The walk over the arguments. */
struct cursor {
	const struct opt *rows;
	void *values;
	char *const *argv;
	struct opt_result *r;
};

/* ARG is "--name" or "--name=value". */
static es_err *parse_long(struct cursor *c, const char *arg)
{
	const char *name = arg + 2;
	size_t len = strcspn(name, "=");
	struct opt_at o;

	if (len == 0 || *name == '-')
		return es_err_new(ES_E_INVALID, "bad flag syntax: %s", arg);
	if (!find_name(c->rows, 0, name, len, &o))
		return es_err_new(ES_E_INVALID, "unknown flag: --%.*s", (int)len, name);
	if (name[len])
		return take(&o, name + len + 1, c->values, c->r);
	if (o.row->kind == OPT_BOOL)
		return take(&o, "true", c->values, c->r);
	if (!*c->argv)
		return es_err_new(ES_E_INVALID, "flag needs an argument: %s", arg);
	return take(&o, *c->argv++, c->values, c->r);
}

/* ARG is "-abc", "-ab=c" or "-aVALUE". */
static es_err *parse_short(struct cursor *c, const char *arg)
{
	for (const char *p = arg + 1; *p; p++) {
		struct opt_at o;

		if (!find_letter(c->rows, 0, *p, &o))
			return es_err_new(ES_E_INVALID, "unknown shorthand flag: '%c' in -%s", *p, p);
		if (p[1] == '=' && p[2])
			return take(&o, p + 2, c->values, c->r);
		if (o.row->kind == OPT_BOOL) {
			ES_TRY(take(&o, "true", c->values, c->r));
			continue;
		}
		if (p[1])
			return take(&o, p + 1, c->values, c->r);
		if (!*c->argv)
			return es_err_new(ES_E_INVALID, "flag needs an argument: '%c' in -%s", *p, p);
		return take(&o, *c->argv++, c->values, c->r);
	}
	return NULL;
}

static size_t count_args(char *const *argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	return n;
}

static size_t count_options(char *const *argv)
{
	size_t n = 0;

	for (; *argv; argv++)
		n += strlen(*argv); /* "-abc" is three */
	return n + 1;
}

static es_err *set_defaults(const struct opt *rows, size_t base, void *values)
{
	for (; rows->name; rows++) {
		struct opt_at o = { rows, base };

		if (rows->kind == OPT_TABLE)
			ES_TRY(set_defaults(rows->sub, base + rows->offset, values));
		else if (rows->def)
			ES_TRY(es_err_in(store(&o, rows->def, values), "default of --%s", rows->name));
	}
	return NULL;
}

static void take_rest(struct opt_result *r, char *const *argv)
{
	while (*argv)
		r->args[r->n_args++] = *argv++;
}

es_err *opt_parse(const struct opt *rows, void *values, enum opt_mode mode, char *const *argv, struct opt_result *ret)
{
	struct cursor c = { rows, values, argv, ret };

	*ret = (struct opt_result){ .notes = ES_BUF(OPT_TEXT_MAX) };
	ret->args = es_xcalloc(count_args(argv) + 1, sizeof *ret->args);
	ret->seen = es_xcalloc(count_options(argv), sizeof *ret->seen);
	ES_TRY(set_defaults(rows, 0, values));
	while (*c.argv) {
		const char *arg = *c.argv;

		if (arg[0] != '-' || !arg[1]) {
			if (mode == OPT_FIRST)
				break;
			ret->args[ret->n_args++] = *c.argv++;
			continue;
		}
		c.argv++;
		if (str_eq(arg, "--"))
			break;
		ES_TRY(arg[1] == '-' ? parse_long(&c, arg) : parse_short(&c, arg));
	}
	take_rest(ret, c.argv);
	return NULL;
}

void opt_result_done(struct opt_result *r)
{
	free(r->args);
	free(r->seen);
	es_buf_done(&r->notes);
	*r = (struct opt_result){ 0 };
}

void opt_values_done(const struct opt *rows, void *values)
{
	for (; rows->name; rows++) {
		void *at = (char *)values + rows->offset;

		if (rows->kind == OPT_TABLE)
			opt_values_done(rows->sub, at);
		if (rows->kind == OPT_LIST || rows->kind == OPT_CSV)
			strv_free_p(at);
	}
}

bool opt_seen(const struct opt_result *r, const char *name)
{
	for (size_t i = 0; i < r->n_seen; i++)
		if (str_eq(r->seen[i]->name, name))
			return true;
	return false;
}

es_err *opt_set(const struct opt *rows, void *values, const char *name, const char *text)
{
	struct opt_at o;

	if (!find_name(rows, 0, name, strlen(name), &o))
		return es_err_new(ES_E_NOT_FOUND, "unknown flag: --%s", name);
	return invalid_argument(store(&o, text, values), o.row, text);
}

/* Help. */

bool opt_is_visible(const struct opt *row)
{
	return !(row->flags & OPT_HIDDEN) && !row->deprecated;
}

const char *opt_value_name(const struct opt *row)
{
	return row->value_name ? row->value_name : kinds[row->kind].value_name;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct opt *const *)a)->name, (*(const struct opt *const *)b)->name);
}

size_t opt_sorted(const struct opt *rows, const struct opt ***ret)
{
	size_t n = count_rows(rows);
	struct opt_at *flat = es_xcalloc(n + 1, sizeof *flat);
	const struct opt **out = es_xcalloc(n + 1, sizeof *out);

	flatten(rows, 0, flat);
	for (size_t i = 0; i < n; i++)
		out[i] = flat[i].row;
	free(flat);
	qsort(out, n, sizeof *out, by_name);
	*ret = out;
	return n;
}

/* "  -m, --memory bytes" */
static void head_of(const struct opt *row, struct es_buf *out)
{
	const char *value = opt_value_name(row);

	if (row->letter)
		es_buf_printf(out, "  -%c, --%s", row->letter, row->name);
	else
		es_buf_printf(out, "      --%s", row->name);
	if (*value)
		es_buf_printf(out, " %s", value);
}

/* What help calls the default; NULL when it is nothing worth showing. */
static const char *default_of(const struct opt *row)
{
	static const char *const nothing[] = { "", "0", "false", "0s", NULL };

	if (row->shown)
		return *row->shown ? row->shown : NULL;
	return row->def && !strv_has((char *const *)nothing, row->def) ? row->def : NULL;
}

static void text_of(const struct opt *row, struct es_buf *out)
{
	const char *def = default_of(row);

	es_buf_adds(out, row->help ? row->help : "");
	if (def)
		es_buf_printf(out, row->kind == OPT_STR ? " (default \"%s\")" : " (default %s)", def);
}

/* Where to cut S so that it fits ROOM columns: pflag lets a line run over by SLOP rather than leave a short orphan. */
static size_t cut_at(const char *s, size_t room, size_t slop)
{
	size_t n = strlen(s), at = room;
	const char *newline = memchr(s, '\n', n < room ? n : room);

	if (newline && newline > s)
		return (size_t)(newline - s);
	if (room + slop > n)
		return n;
	while (at > 0 && s[at - 1] != ' ' && s[at - 1] != '\t')
		at--;
	return at > 1 ? at - 1 : n;
}

static void wrap(const char *s, size_t indent, size_t width, struct es_buf *out)
{
	enum { SLOP = 5, ROOM_MIN = 24, INDENT_BLOCK = 16 };
	size_t room = SIZE_MAX / 2;

	if (width && width < indent + ROOM_MIN) {
		indent = INDENT_BLOCK;
		es_buf_printf(out, "\n%*s", (int)indent, "");
	}
	if (width && width >= indent + ROOM_MIN)
		room = width - indent - SLOP;
	while (*s) {
		size_t n = cut_at(s, room, SLOP);

		es_buf_add(out, s, n);
		s += n;
		if (*s) {
			s++;
			es_buf_printf(out, "\n%*s", (int)indent, "");
		}
	}
	es_buf_addc(out, '\n');
}

static size_t column_of(const struct opt *const *rows, size_t n)
{
	size_t column = 0;

	for (size_t i = 0; i < n; i++) {
		es_autobuf head = ES_BUF(OPT_TEXT_MAX);

		if (!opt_is_visible(rows[i]))
			continue;
		head_of(rows[i], &head);
		if (head.len + 3 > column)
			column = head.len + 3;
	}
	return column;
}

void opt_help(const struct opt *rows, size_t width, struct es_buf *out)
{
	const struct opt **sorted;
	size_t n = opt_sorted(rows, &sorted);
	size_t column = column_of(sorted, n);

	for (size_t i = 0; i < n; i++) {
		es_autobuf head = ES_BUF(OPT_TEXT_MAX), text = ES_BUF(OPT_TEXT_MAX);

		if (!opt_is_visible(sorted[i]))
			continue;
		head_of(sorted[i], &head);
		text_of(sorted[i], &text);
		es_buf_printf(out, "%s%*s", es_buf_str(&head), (int)(column - head.len), "");
		wrap(es_buf_str(&text), column, width, out);
	}
	free(sorted);
}

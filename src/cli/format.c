/* SPDX-License-Identifier: Apache-2.0 */
/* format.c: --format of the list commands: table, table TEMPLATE, json, raw, TEMPLATE. */
#include "cli/format.h"

#include "cli/config.h"
#include "cli/table.h"
#include "codec/gotmpl.h"

#define TABLE_MIN_WIDTH 10
#define TABLE_PADDING 3

char *format_unescape(struct cli *c, const char *text)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);

	for (; *text; text++) {
		if (text[0] == '\\' && (text[1] == 't' || text[1] == 'n'))
			es_buf_addc(&out, *++text == 't' ? '\t' : '\n');
		else
			es_buf_addc(&out, *text);
	}
	return arena_strdup(c->arena, es_buf_str(&out));
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(const struct json *const *)a)->key, (*(const struct json *const *)b)->key);
}

const char *format_labels(struct cli *c, const struct json *labels)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);
	const struct json **sorted = ARENA_ARRAY(c->arena, const struct json *, labels ? labels->n + 1 : 1);
	size_t n = 0;

	JSON_EACH(label, labels)
		sorted[n++] = label;
	qsort(sorted, n, sizeof *sorted, by_key);
	for (size_t i = 0; i < n; i++)
		es_buf_printf(&out, "%s%s=%s", i ? "," : "", sorted[i]->key, json_str(sorted[i]) ? json_str(sorted[i]) : "");
	return arena_strdup(c->arena, es_buf_str(&out));
}

const char *format_template(struct cli *c, const struct format_list *l)
{
	const struct format *f = l->format;
	const char *given = l->given;

	if (str_empty(given) && !l->quiet && f->config_key)
		given = config_str(c, f->config_key);
	if (str_empty(given) || str_eq(given, "table")) {
		if (l->quiet)
			return f->quiet ? f->quiet : "{{.ID}}";
		return arena_printf(c->arena, "table %s", f->table);
	}
	if (str_eq(given, "json"))
		return "{{json .}}";
	if (str_eq(given, "raw") && f->raw)
		return f->raw;
	return format_unescape(c, given);
}

/* Which columns a template can see, in their order; NULL: all. One that takes the row as a whole ("{{.}}", "{{index . …}}") sees all. */
static const bool *columns_used(struct cli *c, const struct format_list *l, const char *template)
{
	size_t n = 0;
	bool *used;

	for (const char *p = strchr(template, '.'); p; p = strchr(p + 1, '.'))
		if (!((p[1] | 32) >= 'a' && (p[1] | 32) <= 'z'))
			return NULL;
	while (l->format->columns[n].name)
		n++;
	used = ARENA_ARRAY(c->arena, bool, n + 1);
	for (size_t i = 0; i < n; i++)
		used[i] = strstr(template, arena_printf(c->arena, ".%s", l->format->columns[i].name)) != NULL;
	return used;
}

/* Go's rows are structs with methods; here an object with one string per column. USED: only those are made; NULL: all. */
static struct json *make_document(struct cli *c, const struct format_list *l, const struct json *doc, const bool *used)
{
	const struct format_row row = { c, doc, l->full, l->self };
	struct json *out = json_new_object(c->arena);

	for (const struct format_column *col = l->format->columns; col->name; col++) {
		const char *text = !used || used[col - l->format->columns] ? col->get(&row) : NULL;

		if (text == FORMAT_NIL)
			json_set(c->arena, out, col->name, json_new_null(c->arena));
		else if (l->format->bools && (str_eq(text, "true") || str_eq(text, "false")))
			json_set_bool(c->arena, out, col->name, *text == 't');
		else
			json_set_str(c->arena, out, col->name, text ? text : "");
	}
	return out;
}

struct json *format_document(struct cli *c, const struct format_list *l, const struct json *doc)
{
	return make_document(c, l, doc, NULL);
}

struct label_call {
	struct cli *cli;
	const struct format_list *list;
	const struct json *doc;
};

static es_err *call_label(void *self, struct arena *a, const struct json *object, const struct json *const *args, struct json **ret)
{
	const struct label_call *call = self;
	const char *key = json_str(args[0]), *value;

	if (!key)
		return es_err_new(ES_E_INVALID, "wrong type for value; expected string");
	value = json_str(json_get(json_get(call->doc, "Labels"), key));
	*ret = json_new_str(a, value ? value : "");
	return NULL;
}

/* In headers {{.Label "com.x.role-name"}} is the last word of the key. */
static es_err *call_header_label(void *self, struct arena *a, const struct json *object, const struct json *const *args,
				 struct json **ret)
{
	const char *key = json_str(args[0]), *dot = key ? strrchr(key, '.') : NULL;
	char *word = arena_strdup(a, dot ? dot + 1 : key ? key : "");

	for (char *p = word; *p; p++)
		if (*p == '-' || *p == '_')
			*p = ' ';
	*ret = json_new_str(a, word);
	return NULL;
}

static es_err *put_header(struct cli *c, const struct format_list *l, const struct gotmpl *t, struct es_buf *out)
{
	static const struct gotmpl_method methods[] = { { "Label", 1, call_header_label }, { 0 } };
	static const struct gotmpl_type type = { .name = "map[string]string", .methods = methods };
	struct json *names = json_new_object(c->arena);

	for (const struct format_column *col = l->format->columns; col->name; col++)
		json_set_str(c->arena, names, col->name, col->header);
	ES_TRY(gotmpl_exec(t, &(struct gotmpl_env){ .type = &type, .flags = GOTMPL_HEADER }, names, out));
	es_buf_addc(out, '\n');
	return NULL;
}

static es_err *put_rows(struct cli *c, const struct format_list *l, const char *text, const struct gotmpl *t, const struct json *const *docs,
			size_t n, struct es_buf *out)
{
	static const struct gotmpl_method methods[] = { { "Label", 1, call_label }, { 0 } };
	const struct gotmpl_type type = { .name = l->format->type, .methods = methods };
	const bool *used = columns_used(c, l, text);

	for (size_t i = 0; i < n; i++) {
		struct label_call call = { c, l, docs[i] };

		if (str_eq(text, "{{json .}}")) { /* Go's rows write themselves, and so escape < > & although templates do not */
			json_write(out, format_document(c, l, docs[i]), 0);
			es_buf_addc(out, '\n');
			continue;
		}
		ES_TRY(gotmpl_exec(t, &(struct gotmpl_env){ .type = &type, .self = &call, .flags = GOTMPL_POINTERS }, make_document(c, l, docs[i], used), out));
		es_buf_addc(out, '\n');
	}
	return NULL;
}

static const char *exec_prefix(const struct format_list *l)
{
	return l->format->error_prefix ? l->format->error_prefix : "failed to execute template";
}

es_err *format_text(struct cli *c, const struct format_list *l, const struct json *const *docs, size_t n, struct es_buf *out)
{
	const char *text = format_template(c, l), *columns = str_after(text, "table ");
	es_autobuf lines = ES_BUF(CLI_TEXT_MAX);
	struct gotmpl *t;
	es_err *err;

	text = columns ? columns : text;
	ES_TRY(es_err_in(gotmpl_parse(c->arena, "", text, strlen(text), &t), "%s",
			 l->format->error_prefix ? l->format->error_prefix : "failed to parse template"));
	err = put_rows(c, l, text, t, docs, n, &lines);
	if (err)
		return es_err_in(err, "%s", exec_prefix(l));
	if (columns) {
		es_autobuf all = ES_BUF(CLI_TEXT_MAX);

		ES_TRY(es_err_in(put_header(c, l, t, &all), "%s", exec_prefix(l)));
		es_buf_add(&all, es_buf_str(&lines), lines.len);
		table_align(es_buf_str(&all), TABLE_MIN_WIDTH, TABLE_PADDING, out);
	} else {
		es_buf_add(out, es_buf_str(&lines), lines.len);
	}
	return es_buf_check(out);
}

es_err *format_check(struct cli *c, const struct format_list *l)
{
	const char *text = str_empty(l->given) && l->format->config_key ? config_str(c, l->format->config_key) : l->given;
	es_autobuf nowhere = ES_BUF(CLI_TEXT_MAX);
	struct gotmpl *t;

	if (str_empty(text))
		return NULL;
	ES_TRY(es_err_in(gotmpl_parse(c->arena, "", text, strlen(text), &t), "failed to parse template"));
	return es_err_in(put_rows(c, l, text, t, (const struct json *[]){ json_new_object(c->arena) }, 1, &nowhere), "failed to execute template");
}

bool format_mentions(struct cli *c, const struct format_list *l, const char *field)
{
	const char *text = format_template(c, l), *columns = str_after(text, "table ");
	struct gotmpl *t;
	es_err *err;

	text = columns ? columns : text;
	err = gotmpl_parse(c->arena, "", text, strlen(text), &t);
	if (err) {
		es_err_free(err);
		return false;
	}
	return gotmpl_mentions(t, field);
}

es_err *format_print(struct cli *c, const struct format_list *l, const struct json *const *docs, size_t n)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);

	ES_TRY(format_text(c, l, docs, n, &out));
	cli_out(&out);
	return NULL;
}

es_err *format_print_array(struct cli *c, const struct format_list *l, const struct json *array)
{
	const struct json **docs = ARENA_ARRAY(c->arena, const struct json *, array ? array->n + 1 : 1);
	size_t n = 0;

	JSON_EACH(doc, array)
		docs[n++] = doc;
	return format_print(c, l, docs, n);
}

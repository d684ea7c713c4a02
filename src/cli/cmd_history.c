/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_history.c: estiba history. */
#include "cli/client.h"
#include "cli/format.h"
#include "cli/human.h"

struct values {
	const char *format;
	bool human, no_trunc, quiet;
};

#define CREATED_BY_WIDTH 45

static const struct opt options[] = {
	O_STR(struct values, format, "format", 0, .help = FORMAT_HELP),
	O_BOOL(struct values, human, "human", 'H', .def = "true", .help = "Print sizes and dates for people"),
	O_BOOL(struct values, no_trunc, "no-trunc", 0, .help = "Do not shorten anything"),
	O_BOOL(struct values, quiet, "quiet", 'q', .help = "Show only IDs"),
	O_END,
};

static const char *str(const struct format_row *row, const char *key)
{
	const char *s = json_str(json_get(row->doc, key));

	return s ? s : "";
}

static bool is_human(const struct format_row *row)
{
	return ((const struct values *)row->self)->human;
}

static const char *get_id(const struct format_row *row)
{
	return row->full ? str(row, "Id") : human_short_id(row->cli->arena, str(row, "Id"));
}

static const char *get_created_at(const struct format_row *row)
{
	char *text = human_time(row->cli->arena, json_i64(json_get(row->doc, "Created"), 0));
	char *sp = strchr(text, ' ');

	if (sp)
		*sp = 'T';
	sp = strchr(text, ' ');
	if (sp) /* " +0000 UTC" as RFC 3339 */
		*sp = '\0';
	return arena_printf(row->cli->arena, "%s%s", text, sp && str_starts(sp + 1, "+0000") ? "Z" : "");
}

static const char *get_created_since(const struct format_row *row)
{
	if (!is_human(row))
		return get_created_at(row);
	return human_ago(row->cli->arena, json_i64(json_get(row->doc, "Created"), 0));
}

static const char *get_created_by(const struct format_row *row)
{
	char *text = arena_strdup(row->cli->arena, str(row, "CreatedBy"));

	for (char *p = text; *p; p++)
		if (*p == '\t')
			*p = ' ';
	return row->full ? text : human_ellipsis(row->cli->arena, text, CREATED_BY_WIDTH);
}

static const char *get_size(const struct format_row *row)
{
	int64_t n = json_i64(json_get(row->doc, "Size"), 0);

	return is_human(row) ? human_size(row->cli->arena, (double)n) : arena_printf(row->cli->arena, "%lld", (long long)n);
}

static const char *get_comment(const struct format_row *row)
{
	return str(row, "Comment");
}

static const struct format_column columns[] = {
	{ "Comment", "COMMENT", get_comment },
	{ "CreatedAt", "CREATED AT", get_created_at },
	{ "CreatedBy", "CREATED BY", get_created_by },
	{ "CreatedSince", "CREATED", get_created_since },
	{ "ID", "IMAGE", get_id },
	{ "Size", "SIZE", get_size },
	{ 0 }
};
static const struct format human_format = {
	.type = "*formatter.historyContext",
	.columns = columns,
	.table = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
};
static const struct format exact_format = {
	.type = "*formatter.historyContext",
	.columns = columns,
	.table = "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
};

static es_err *run(struct cli *c)
{
	struct values *v = c->values;
	struct format_list list = {
		.format = v->human ? &human_format : &exact_format, .given = v->format, .quiet = v->quiet, .full = v->no_trunc, .self = v,
	};
	struct json *array;

	ES_TRY(client_get(c, client_path(c, "/images/%s/history", c->args[0]), NULL, &array));
	return format_print_array(c, &list, array);
}

const struct cmd cmd_history = {
	.paths = "image history, history",
	.usage = "[OPTIONS] IMAGE",
	.summary = "Show how an image came about",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

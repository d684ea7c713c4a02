/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_network_ls.c: estiba network ls. */
#include "cli/client.h"
#include "cli/format.h"
#include "cli/human.h"
#include "cli/valuespec.h"

struct values {
	char **filters;
	const char *format;
	bool no_trunc, quiet;
};

static const struct opt options[] = {
	O_LIST(struct values, filters, "filter", 'f', .value_name = "filter", .check = value_check_filter,
	       .help = "Show only what fits (\"driver=bridge\")"),
	O_STR(struct values, format, "format", 0, .help = FORMAT_HELP),
	O_BOOL(struct values, no_trunc, "no-trunc", 0, .help = "Do not shorten anything"),
	O_BOOL(struct values, quiet, "quiet", 'q', .help = "Show only IDs"),
	O_END,
};

static const char *str(const struct format_row *row, const char *key)
{
	const char *s = json_str(json_get(row->doc, key));

	return s ? s : "";
}

static const char *get_id(const struct format_row *row)
{
	return row->full ? str(row, "Id") : human_short_id(row->cli->arena, str(row, "Id"));
}
static const char *get_name(const struct format_row *row)
{
	return str(row, "Name");
}
static const char *get_driver(const struct format_row *row)
{
	return str(row, "Driver");
}
static const char *get_scope(const struct format_row *row)
{
	return str(row, "Scope");
}
static const char *get_bool(const struct format_row *row, const char *key)
{
	return json_bool(json_get(row->doc, key), false) ? "true" : "false";
}
static const char *get_ipv4(const struct format_row *row)
{
	return get_bool(row, "EnableIPv4");
}
static const char *get_ipv6(const struct format_row *row)
{
	return get_bool(row, "EnableIPv6");
}
static const char *get_internal(const struct format_row *row)
{
	return get_bool(row, "Internal");
}
static const char *get_labels(const struct format_row *row)
{
	return format_labels(row->cli, json_get(row->doc, "Labels"));
}

/* Go prints its time: "2026-11-23T19:04:06.123Z" becomes "2026-11-23 19:04:06.123 +0000 UTC". */
static const char *get_created(const struct format_row *row)
{
	const char *text = str(row, "Created"), *t = strchr(text, 'T');
	size_t n = strcspn(text, "Z");

	if (!t || !text[n])
		return text;
	return arena_printf(row->cli->arena, "%.*s %.*s +0000 UTC", (int)(t - text), text, (int)(text + n - t - 1), t + 1);
}

static const struct format_column columns[] = {
	{ "CreatedAt", "CREATED AT", get_created },
	{ "Driver", "DRIVER", get_driver },
	{ "ID", "NETWORK ID", get_id },
	{ "IPv4", "IPV4", get_ipv4 },
	{ "IPv6", "IPV6", get_ipv6 },
	{ "Internal", "INTERNAL", get_internal },
	{ "Labels", "LABELS", get_labels },
	{ "Name", "NAME", get_name },
	{ "Scope", "SCOPE", get_scope },
	{ 0 }
};
static const struct format network_format = {
	.type = "*network.networkContext",
	.columns = columns,
	.table = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
	.raw = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n",
	.config_key = "networksFormat",
};

static int by_name(const void *a, const void *b)
{
	const char *x = json_str(json_get(*(const struct json *const *)a, "Name"));
	const char *y = json_str(json_get(*(const struct json *const *)b, "Name"));

	return strcmp(x ? x : "", y ? y : "");
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	const struct format_list list = { .format = &network_format, .given = v->format, .quiet = v->quiet, .full = v->no_trunc };
	es_autobuf query = QUERY;
	const struct json **docs;
	struct json *array;
	size_t n = 0;

	ES_TRY(query_add_filters(c, &query, v->filters));
	ES_TRY(client_get(c, "/networks", es_buf_str(&query), &array));
	docs = ARENA_ARRAY(c->arena, const struct json *, array ? array->n + 1 : 1);
	JSON_EACH(doc, array)
		docs[n++] = doc;
	qsort(docs, n, sizeof *docs, by_name);
	return format_print(c, &list, docs, n);
}

const struct cmd cmd_network_ls = {
	.paths = "network ls, network list",
	.usage = "[OPTIONS]",
	.summary = "List networks",
	.mode = OPT_INTERSPERSED,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

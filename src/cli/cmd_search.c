/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_search.c: estiba search. */
#include "cli/config.h"
#include "cli/client.h"
#include "cli/format.h"
#include "cli/human.h"
#include "cli/valuespec.h"

struct values {
	char **filters;
	const char *format;
	int64_t limit;
	bool no_trunc;
};

#define DESCRIPTION_WIDTH 45

static const struct opt options[] = {
	O_LIST(struct values, filters, "filter", 'f', .value_name = "filter", .check = value_check_filter,
	       .help = "Show only what fits (name=value)"),
	O_STR(struct values, format, "format", 0, .help = "How to print: a Go template"),
	O_I64(struct values, limit, "limit", 0, .help = "Most results to show"),
	O_BOOL(struct values, no_trunc, "no-trunc", 0, .help = "Do not shorten anything"),
	O_END,
};

static const char *get_name(const struct format_row *row)
{
	return json_str(json_get(row->doc, "name"));
}

static const char *get_description(const struct format_row *row)
{
	const char *s = json_str(json_get(row->doc, "description"));
	char *text = arena_strdup(row->cli->arena, s ? s : "");

	for (char *p = text; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	return row->full ? text : human_ellipsis(row->cli->arena, text, DESCRIPTION_WIDTH);
}

static const char *get_stars(const struct format_row *row)
{
	return arena_printf(row->cli->arena, "%lld", (long long)json_i64(json_get(row->doc, "star_count"), 0));
}

static const char *get_official(const struct format_row *row)
{
	return json_bool(json_get(row->doc, "is_official"), false) ? "[OK]" : "";
}

static const struct format_column columns[] = {
	{ "Description", "DESCRIPTION", get_description },
	{ "IsOfficial", "OFFICIAL", get_official },
	{ "Name", "NAME", get_name },
	{ "StarCount", "STARS", get_stars },
	{ 0 }
};
static const struct format search_format = {
	.type = "*formatter.searchContext",
	.columns = columns,
	.table = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
};

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	struct client_request r = { .method = "GET", .path = "/images/search" };
	const struct format_list list = { .format = &search_format, .given = v->format, .full = v->no_trunc };
	es_autobuf query = QUERY;
	es_autofree char *text = NULL;
	struct http_head head;
	struct json *array;
	size_t len;

	query_add(&query, "term", c->args[0]);
	if (v->limit > 0)
		query_add(&query, "limit", arena_printf(c->arena, "%lld", (long long)v->limit));
	ES_TRY(query_add_filters(c, &query, v->filters));
	r.query = es_buf_str(&query);
	ES_TRY(config_auth_header(c, config_registry_of(c, c->args[0]), &r.auth));
	ES_TRY(client_send(c, &r, &head));
	ES_TRY(http_client_read_all(client_http(c), CLIENT_REPLY_MAX, &text, &len));
	ES_TRY(json_parse(c->arena, text, len, &array));
	return format_print_array(c, &list, array);
}

const struct cmd cmd_search = {
	.paths = "search",
	.usage = "[OPTIONS] TERM",
	.summary = "Look for images in a registry",
	.section = CMD_COMMON,
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

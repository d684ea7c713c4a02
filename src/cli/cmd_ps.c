/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_ps.c: estiba ps. */
#include "cli/client.h"
#include "cli/ctrlist.h"
#include "cli/valuespec.h"

struct values {
	bool all, latest, no_trunc, quiet, size;
	char **filters;
	const char *format;
	int64_t last;
};

static const struct opt options[] = {
	O_BOOL(struct values, all, "all", 'a', .help = "Show all containers (default shows just running)"),
	O_LIST(struct values, filters, "filter", 'f', .value_name = "filter", .check = value_check_filter,
	       .help = "Show only what fits (name=value)"),
	O_STR(struct values, format, "format", 0, .help = FORMAT_HELP),
	O_I64(struct values, last, "last", 'n', .def = "-1", .help = "Show the N newest, running or not"),
	O_BOOL(struct values, latest, "latest", 'l', .help = "Show the newest, running or not"),
	O_BOOL(struct values, no_trunc, "no-trunc", 0, .help = "Do not shorten anything"),
	O_BOOL(struct values, quiet, "quiet", 'q', .help = "Show only IDs"),
	O_BOOL(struct values, size, "size", 's', .help = "Show sizes"),
	O_END,
};

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	struct format_list list = { .format = v->size ? &ctrlist_sized_format : &ctrlist_format, .given = v->format, .quiet = v->quiet, .full = v->no_trunc };
	int64_t limit = v->latest && v->last == -1 ? 1 : v->last;
	es_autobuf query = QUERY;
	struct json *array;

	ES_TRY(format_check(c, &list));
	if (v->quiet && !str_empty(v->format)) {
		cli_warn("WARNING: Ignoring custom format, because both --format and --quiet are set.");
		list.given = str_eq(v->format, "raw") ? v->format : NULL;
	}
	query_add_bool(&query, "all", v->all);
	if (limit > 0)
		query_add(&query, "limit", arena_printf(c->arena, "%lld", (long long)limit));
	query_add_bool(&query, "size", v->size || (!v->quiet && !opt_seen(&c->given, "size") && format_mentions(c, &list, "Size")));
	ES_TRY(query_add_filters(c, &query, v->filters));
	ES_TRY(client_get(c, "/containers/json", es_buf_str(&query), &array));
	return format_print_array(c, &list, array);
}

const struct cmd cmd_ps = {
	.paths = "container ls, container list, container ps, ps",
	.usage = "[OPTIONS]",
	.summary = "List containers",
	.section = CMD_COMMON,
	.mode = OPT_INTERSPERSED,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

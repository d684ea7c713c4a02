/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_top.c: estiba top. */
#include "cli/client.h"
#include "cli/table.h"

#define TOP_MIN_WIDTH 20
#define TOP_PADDING 3

static void put_row(const struct json *cells, struct es_buf *out)
{
	JSON_EACH(cell, cells)
		es_buf_printf(out, "%s%s", cell == cells->first ? "" : "\t", json_str(cell) ? json_str(cell) : "");
	es_buf_addc(out, '\n');
}

static es_err *run(struct cli *c)
{
	es_autobuf query = QUERY, lines = ES_BUF(CLI_TEXT_MAX), out = ES_BUF(CLI_TEXT_MAX);
	es_autofree char *ps_args = strv_join(c->args + 1, " ");
	struct json *doc;

	query_add(&query, "ps_args", ps_args);
	ES_TRY(client_get(c, client_path(c, "/containers/%s/top", c->args[0]), es_buf_str(&query), &doc));
	put_row(json_get(doc, "Titles"), &lines);
	JSON_EACH(process, json_get(doc, "Processes"))
		put_row(process, &lines);
	table_align(es_buf_str(&lines), TOP_MIN_WIDTH, TOP_PADDING, &out);
	cli_out(&out);
	return NULL;
}

const struct cmd cmd_top = {
	.paths = "container top, top",
	.usage = "CONTAINER [ps OPTIONS]",
	.summary = "Show the processes of a container",
	.mode = OPT_FIRST,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};

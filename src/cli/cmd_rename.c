/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_rename.c: estiba rename. */
#include "cli/client.h"

static es_err *run(struct cli *c)
{
	es_autobuf query = QUERY;
	es_err *err;

	if (!*str_trim(c->args[0]) || !*str_trim(c->args[1]))
		return es_err_new(ES_E_INVALID, "Error: Neither old nor new names may be empty");
	query_add(&query, "name", c->args[1]);
	err = client_post(c, client_path(c, "/containers/%s/rename", c->args[0]), es_buf_str(&query));
	if (!err)
		return NULL;
	cli_report(c, err);
	return es_err_new(ES_E_INVALID, "Error: failed to rename container named %s", c->args[0]);
}

const struct cmd cmd_rename = {
	.paths = "container rename, rename",
	.usage = "CONTAINER NEW_NAME",
	.summary = "Give a container another name",
	.mode = OPT_INTERSPERSED,
	.min_args = 2,
	.max_args = 2,
	.run = run,
};

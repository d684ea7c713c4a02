/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_create.c: estiba create. */
#include "cli/runopt.h"

static const struct opt options[] = {
	{ .name = "", .kind = OPT_TABLE, .sub = runopt_rows },
	O_END,
};

static es_err *run(struct cli *c)
{
	struct json *body;
	const char *id;
	es_err *err = runopt_request(c, c->values, &body);

	if (err) {
		cli_report_usage(c, err, CLI_STATUS_USAGE);
		return NULL;
	}
	ES_TRY(runopt_create(c, c->values, body, &id));
	cli_puts(id);
	return NULL;
}

const struct cmd cmd_create = {
	.paths = "container create, create",
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Make a container without starting it",
	.mode = OPT_FIRST,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct runopt),
	.run = run,
};

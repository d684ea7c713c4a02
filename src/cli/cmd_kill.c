/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_kill.c: estiba kill. */
#include "cli/each.h"

struct values {
	const char *signal;
};

static const struct opt options[] = {
	O_STR(struct values, signal, "signal", 's', .help = "Signal to send instead of KILL"),
	O_END,
};

static es_err *step(struct cli *c, const char *name, const char **ret)
{
	const struct values *v = c->values;
	es_autobuf query = QUERY;

	query_add(&query, "signal", v->signal);
	return client_post(c, client_path(c, "/containers/%s/kill", name), es_buf_str(&query));
}

static es_err *run(struct cli *c)
{
	each_name(c, c->args, step, false);
	return NULL;
}

const struct cmd cmd_kill = {
	.paths = "container kill, kill",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Send containers a signal",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_restart.c: estiba restart. */
#include "cli/each.h"

struct values {
	const char *signal;
	int64_t timeout_s;
};

static const struct opt options[] = {
	O_STR(struct values, signal, "signal", 's', .help = "Signal that asks the container to end"),
	O_I64(struct values, timeout_s, "time", 0, .deprecated = "use --timeout instead", .help = "Seconds to wait before killing"),
	O_I64(struct values, timeout_s, "timeout", 't', .help = "Seconds to wait before killing"),
	O_END,
};

static es_err *step(struct cli *c, const char *name, const char **ret)
{
	const struct values *v = c->values;
	es_autobuf query = QUERY;

	query_add(&query, "signal", v->signal);
	if (opt_seen(&c->given, "timeout") || opt_seen(&c->given, "time"))
		query_add(&query, "t", arena_printf(c->arena, "%lld", (long long)v->timeout_s));
	return client_post(c, client_path(c, "/containers/%s/restart", name), es_buf_str(&query));
}

static es_err *run(struct cli *c)
{
	each_name(c, c->args, step, false);
	return NULL;
}

const struct cmd cmd_restart = {
	.paths = "container restart, restart",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Stop containers and start them again",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

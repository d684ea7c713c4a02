/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_stop.c: estiba stop and estiba restart, which differ in the verb alone. */
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

static es_err *end_it(struct cli *c, const char *path)
{
	const struct values *v = c->values;
	es_autobuf query = QUERY;

	query_add(&query, "signal", v->signal);
	if (opt_seen(&c->given, "timeout") || opt_seen(&c->given, "time"))
		query_add(&query, "t", arena_printf(c->arena, "%lld", (long long)v->timeout_s));
	return client_post(c, path, es_buf_str(&query));
}

static es_err *stop_one(struct cli *c, const char *name, const char **ret)
{
	return end_it(c, client_path(c, "/containers/%s/stop", name));
}

static es_err *restart_one(struct cli *c, const char *name, const char **ret)
{
	return end_it(c, client_path(c, "/containers/%s/restart", name));
}

static es_err *stop(struct cli *c)
{
	each_name(c, c->args, stop_one, false);
	return NULL;
}

static es_err *restart(struct cli *c)
{
	each_name(c, c->args, restart_one, false);
	return NULL;
}

const struct cmd cmd_stop = {
	.paths = "container stop, stop",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Stop containers",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = stop,
};

const struct cmd cmd_restart = {
	.paths = "container restart, restart",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Stop containers and start them again",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = restart,
};

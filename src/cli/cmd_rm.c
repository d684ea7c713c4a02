/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_rm.c: estiba rm. */
#include "cli/each.h"

struct values {
	bool force, link, volumes;
};

static const struct opt options[] = {
	O_BOOL(struct values, force, "force", 'f', .help = "Kill a container that runs"),
	O_BOOL(struct values, link, "link", 'l', .help = "Remove a link, not the container"),
	O_BOOL(struct values, volumes, "volumes", 'v', .help = "Remove its anonymous volumes too"),
	O_END,
};

static es_err *step(struct cli *c, const char *name, const char **ret)
{
	const struct values *v = c->values;
	es_autobuf query = QUERY;

	while (*name == '/')
		name++;
	if (!*name)
		return es_err_new(ES_E_INVALID, "container name cannot be empty");
	query_add_bool(&query, "v", v->volumes);
	query_add_bool(&query, "link", v->link);
	query_add_bool(&query, "force", v->force);
	return client_call(c, "DELETE", client_path(c, "/containers/%s", name), es_buf_str(&query), NULL, NULL);
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;

	each_name(c, c->args, step, v->force); /* with -f, what should be gone is gone */
	return NULL;
}

const struct cmd cmd_rm = {
	.paths = "container rm, container remove, rm",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Remove containers",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

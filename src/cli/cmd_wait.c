/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_wait.c: estiba wait. */
#include "cli/each.h"

static es_err *step(struct cli *c, const char *name, const char **ret)
{
	struct json *reply;

	ES_TRY(client_call(c, "POST", client_path(c, "/containers/%s/wait", name), NULL, NULL, &reply));
	*ret = arena_printf(c->arena, "%lld", (long long)json_i64(json_get(reply, "StatusCode"), 0));
	return NULL;
}

static es_err *run(struct cli *c)
{
	each_name(c, c->args, step, false);
	return NULL;
}

const struct cmd cmd_wait = {
	.paths = "container wait, wait",
	.usage = "CONTAINER [CONTAINER...]",
	.summary = "Wait until containers end, then print their exit codes",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};

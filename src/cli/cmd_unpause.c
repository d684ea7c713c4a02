/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_unpause.c: estiba unpause. */
#include "cli/each.h"

static es_err *step(struct cli *c, const char *name, const char **ret)
{
	return client_post(c, client_path(c, "/containers/%s/unpause", name), NULL);
}

static es_err *run(struct cli *c)
{
	each_name(c, c->args, step, false);
	return NULL;
}

const struct cmd cmd_unpause = {
	.paths = "container unpause, unpause",
	.usage = "CONTAINER [CONTAINER...]",
	.summary = "Let frozen containers go on",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};

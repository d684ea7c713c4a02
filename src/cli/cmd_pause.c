/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_pause.c: estiba pause. */
#include "cli/each.h"

static es_err *step(struct cli *c, const char *name, const char **ret)
{
	return client_post(c, client_path(c, "/containers/%s/pause", name), NULL);
}

static es_err *run(struct cli *c)
{
	each_name(c, c->args, step, false);
	return NULL;
}

const struct cmd cmd_pause = {
	.paths = "container pause, pause",
	.usage = "CONTAINER [CONTAINER...]",
	.summary = "Freeze all processes of containers",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};

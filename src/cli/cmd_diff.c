/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_diff.c: estiba diff. */
#include "cli/client.h"

static es_err *run(struct cli *c)
{
	static const char *const kinds[] = { "C", "A", "D" };
	struct json *changes;

	if (!*c->args[0])
		return es_err_new(ES_E_INVALID, "Container name cannot be empty");
	ES_TRY(client_get(c, client_path(c, "/containers/%s/changes", c->args[0]), NULL, &changes));
	JSON_EACH(change, changes)
	{
		int64_t kind = json_i64(json_get(change, "Kind"), -1);
		const char *path = json_str(json_get(change, "Path"));

		cli_printf("%s %s\n", kind >= 0 && kind < (int64_t)ES_N(kinds) ? kinds[kind] : "", path ? path : "");
	}
	return NULL;
}

const struct cmd cmd_diff = {
	.paths = "container diff, diff",
	.usage = "CONTAINER",
	.summary = "Show what a container changed in its files",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};

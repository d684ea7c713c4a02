/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_export.c: estiba export. */
#include "cli/outfile.h"

struct values {
	const char *output;
};

static const struct opt options[] = {
	O_STR(struct values, output, "output", 'o', .help = "File to write instead of STDOUT"),
	O_END,
};

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	const struct client_request r = { .method = "GET", .path = client_path(c, "/containers/%s/export", c->args[0]) };
	struct http_head head;

	ES_TRY(outfile_check(v->output, "export container"));
	ES_TRY(client_send(c, &r, &head));
	return outfile_write(client_http(c), v->output);
}

const struct cmd cmd_export = {
	.paths = "container export, export",
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Write a container's files as a tar archive",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

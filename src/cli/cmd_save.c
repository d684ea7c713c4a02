/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_save.c: estiba save. */
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
	struct client_request r = { .method = "GET", .path = "/images/get" };
	es_autobuf query = QUERY;
	struct http_head head;

	ES_TRY(outfile_check(v->output, "save image"));
	for (char **name = c->args; *name; name++)
		query_add(&query, "names", *name);
	r.query = es_buf_str(&query);
	ES_TRY(client_send(c, &r, &head));
	return outfile_write(client_http(c), v->output);
}

const struct cmd cmd_save = {
	.paths = "image save, save",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Write images as a tar archive",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

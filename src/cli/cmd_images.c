/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_images.c: estiba images. */
#include "cli/client.h"
#include "cli/imglist.h"
#include "cli/valuespec.h"

struct values {
	bool all, digests, no_trunc, quiet;
	char **filters;
	const char *format;
};

static const struct opt options[] = {
	O_BOOL(struct values, all, "all", 'a', .help = "Show all images (default hides intermediate images)"),
	O_BOOL(struct values, digests, "digests", 0, .help = "Show digests"),
	O_LIST(struct values, filters, "filter", 'f', .value_name = "filter", .check = value_check_filter,
	       .help = "Show only what fits (name=value)"),
	O_STR(struct values, format, "format", 0, .help = FORMAT_HELP),
	O_BOOL(struct values, no_trunc, "no-trunc", 0, .help = "Do not shorten anything"),
	O_BOOL(struct values, quiet, "quiet", 'q', .help = "Show only IDs"),
	O_END,
};

static es_err *run(struct cli *c)
{
	struct values *v = c->values;
	struct format_list list = { .format = v->digests ? &imglist_digest_format : &imglist_format, .given = v->format, .quiet = v->quiet, .full = v->no_trunc };
	es_autobuf query = QUERY;
	struct json *images;
	bool digests = v->digests || format_mentions(c, &list, "Digest");

	if (c->n_args)
		strv_take(&v->filters, es_xasprintf("reference=%s", c->args[0]));
	query_add_bool(&query, "all", v->all);
	ES_TRY(query_add_filters(c, &query, v->filters));
	ES_TRY(client_get(c, "/images/json", es_buf_str(&query), &images));
	return format_print_array(c, &list, imglist_expand(c, images, digests));
}

const struct cmd cmd_images = {
	.paths = "image ls, image list, images",
	.usage = "[OPTIONS] [REPOSITORY[:TAG]]",
	.summary = "List images",
	.section = CMD_COMMON,
	.mode = OPT_INTERSPERSED,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

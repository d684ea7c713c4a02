/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_tag.c: estiba tag. */
#include "cli/client.h"
#include "spec/ref.h"

static es_err *run(struct cli *c)
{
	es_autobuf query = QUERY;
	struct ref r;

	ES_TRY(es_err_in(ref_parse(c->arena, c->args[1], &r), "Error parsing reference: \"%s\" is not a valid repository/tag", c->args[1]));
	if (r.digest)
		return es_err_new(ES_E_INVALID, "refusing to create a tag with a digest reference");
	ref_default_tag(&r);
	query_add(&query, "repo", ref_familiar_name(c->arena, &r));
	query_add(&query, "tag", r.tag);
	return client_post(c, client_path(c, "/images/%s/tag", c->args[0]), es_buf_str(&query));
}

const struct cmd cmd_tag = {
	.paths = "image tag, tag",
	.usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.summary = "Give an image a further name",
	.mode = OPT_INTERSPERSED,
	.min_args = 2,
	.max_args = 2,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_commit.c: estiba commit. */
#include "cli/client.h"
#include "spec/ref.h"

struct values {
	const char *author, *message;
	char **changes;
	bool pause;
};

static const struct opt options[] = {
	O_STR(struct values, author, "author", 'a', .help = "Who made it (\"Jo Doe <jo@example.org>\")"),
	O_LIST(struct values, changes, "change", 'c', .help = "Dockerfile instruction for the image"),
	O_STR(struct values, message, "message", 'm', .help = "Message for the image's history"),
	O_BOOL(struct values, pause, "pause", 'p', .def = "true", .help = "Freeze the container meanwhile"),
	O_END,
};

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	es_autobuf query = QUERY;
	struct json *reply;
	struct ref r = { 0 };

	if (c->n_args > 1) {
		ES_TRY(ref_parse(c->arena, c->args[1], &r));
		if (r.digest)
			return es_err_new(ES_E_INVALID, "refusing to create a tag with a digest reference");
		ref_default_tag(&r);
		query_add(&query, "repo", ref_familiar_name(c->arena, &r));
		query_add(&query, "tag", r.tag);
	}
	query_add(&query, "author", v->author);
	for (char **change = v->changes; change && *change; change++)
		query_add(&query, "changes", *change);
	query_add(&query, "comment", v->message);
	query_add(&query, "container", c->args[0]);
	query_add(&query, "pause", v->pause ? NULL : "0");
	ES_TRY(client_call(c, "POST", "/commit", es_buf_str(&query), NULL, &reply));
	cli_puts(json_str(json_get(reply, "Id")) ? json_str(json_get(reply, "Id")) : "");
	return NULL;
}

const struct cmd cmd_commit = {
	.paths = "container commit, commit",
	.usage = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
	.summary = "Make an image of a container's changes",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 2,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

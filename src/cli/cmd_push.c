/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_push.c: estiba push. */
#include "cli/config.h"
#include "cli/progress.h"
#include "cli/tty.h"
#include "cli/valuespec.h"
#include "spec/ref.h"

struct values {
	bool all_tags, trust, quiet;
};

static const struct opt options[] = {
	O_BOOL(struct values, all_tags, "all-tags", 'a', .help = "Push every tag of the repository"),
	O_BOOL(struct values, trust, "disable-content-trust", 0, .def = "true", .check = value_check_no_trust, .help = "Skip image signing"),
	O_BOOL(struct values, quiet, "quiet", 'q', .help = "Print only the name"),
	O_END,
};

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	const struct progress p = { .fd = v->quiet ? -1 : STDOUT_FILENO, .is_tty = tty_is(STDOUT_FILENO) };
	struct client_request request = { .method = "POST" };
	es_autobuf query = QUERY;
	struct http_head head;
	struct ref r;

	ES_TRY(ref_parse(c->arena, c->args[0], &r));
	if (r.digest)
		return es_err_new(ES_E_INVALID, "cannot push a digest reference");
	if (v->all_tags && r.tag)
		return es_err_new(ES_E_INVALID, "tag can't be used with --all-tags/-a");
	if (!v->all_tags && !r.tag) {
		ref_default_tag(&r);
		if (!v->quiet)
			cli_printf("Using default tag: %s\n", r.tag);
	}
	query_add(&query, "tag", r.tag);
	request.path = client_path(c, "/images/%s/push", ref_familiar_name(c->arena, &r));
	request.query = es_buf_str(&query);
	ES_TRY(config_auth_header(c, r.domain, &request.auth));
	ES_TRY(client_send(c, &request, &head));
	ES_TRY(progress_show(client_http(c), &p, NULL));
	if (v->quiet)
		cli_puts(ref_full(c->arena, &r));
	return NULL;
}

const struct cmd cmd_push = {
	.paths = "image push, push",
	.usage = "[OPTIONS] NAME[:TAG]",
	.summary = "Send an image to a registry",
	.section = CMD_COMMON,
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_pull.c: estiba pull. */
#include "cli/pull.h"
#include "cli/valuespec.h"
#include "spec/ref.h"

struct values {
	bool all_tags, trust, quiet;
	const char *platform;
};

static const struct opt options[] = {
	O_BOOL(struct values, all_tags, "all-tags", 'a', .help = "Pull every tag of the repository"),
	O_BOOL(struct values, trust, "disable-content-trust", 0, .def = "true", .check = value_check_no_trust, .help = "Skip image verification"),
	O_STR(struct values, platform, "platform", 0, .help = "Platform of the image, where there are several"),
	O_BOOL(struct values, quiet, "quiet", 'q', .help = "Print only the name"),
	O_END,
};

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	const char *env = getenv("DOCKER_DEFAULT_PLATFORM");
	struct ref r;

	ES_TRY(ref_parse(c->arena, c->args[0], &r));
	if (v->all_tags && (r.tag || r.digest))
		return es_err_new(ES_E_INVALID, "tag can't be used with --all-tags/-a");
	if (!v->all_tags && !r.tag && !r.digest) {
		ref_default_tag(&r);
		if (!v->quiet)
			cli_printf("Using default tag: %s\n", r.tag);
	}
	ES_TRY(pull_send(c, ref_familiar_name(c->arena, &r), r.digest ? r.digest : r.tag, r.domain,
			 str_empty(v->platform) ? env : v->platform, v->quiet, STDOUT_FILENO));
	cli_puts(ref_full(c->arena, &r));
	return NULL;
}

const struct cmd cmd_pull = {
	.paths = "image pull, pull",
	.usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
	.summary = "Fetch an image from a registry",
	.section = CMD_COMMON,
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_start.c: estiba start. */
#include "cli/attach.h"
#include "cli/each.h"

struct values {
	bool attach, interactive;
	const char *detach_keys, *checkpoint, *checkpoint_dir;
};

static const struct opt options[] = {
	O_BOOL(struct values, attach, "attach", 'a', .help = "Connect to STDOUT and STDERR, and pass signals on"),
	O_STR(struct values, detach_keys, "detach-keys", 0, .help = "Keys that detach from the container"),
	O_BOOL(struct values, interactive, "interactive", 'i', .help = "Connect to STDIN too"),
	O_END,
};

static es_err *start(struct cli *c, const char *name)
{
	return client_post(c, client_path(c, "/containers/%s/start", name), NULL);
}

static void start_all(struct cli *c)
{
	es_autostrv failed = NULL;

	for (char **name = c->args; *name; name++) {
		es_err *err = start(c, *name);

		if (!err) {
			cli_puts(*name);
			continue;
		}
		cli_report(c, err);
		strv_add(&failed, *name);
	}
	if (failed) {
		es_autofree char *names = strv_join(failed, ", ");

		cli_warn("Error: failed to start containers: %s", names);
	}
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	struct attach a = { .with_stdin = v->interactive, .detach_keys = v->detach_keys, .sig_proxy = true, .start = true };

	if (!v->attach && !v->interactive) {
		start_all(c);
		return NULL;
	}
	if (c->n_args > 1)
		return es_err_new(ES_E_INVALID, "you cannot start and attach multiple containers at once");
	a.name = c->args[0];
	return attach_run(c, &a);
}

const struct cmd cmd_start = {
	.paths = "container start, start",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Start containers that do not run",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_attach.c: estiba attach. */
#include "cli/attach.h"

struct values {
	const char *detach_keys;
	bool no_stdin, sig_proxy;
};

static const struct opt options[] = {
	O_STR(struct values, detach_keys, "detach-keys", 0, .help = "Keys that detach from the container"),
	O_BOOL(struct values, no_stdin, "no-stdin", 0, .help = "Do not connect to STDIN"),
	O_BOOL(struct values, sig_proxy, "sig-proxy", 0, .def = "true", .help = "Pass signals on to the process"),
	O_END,
};

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;

	return attach_run(c, &(struct attach){ .name = c->args[0],
					       .detach_keys = v->detach_keys,
					       .with_stdin = !v->no_stdin,
					       .sig_proxy = v->sig_proxy });
}

const struct cmd cmd_attach = {
	.paths = "container attach, attach",
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Connect to the standard streams of a running container",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

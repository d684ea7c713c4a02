/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_volume.c: estiba volume create, ls, rm. */
#include "cli/each.h"
#include "cli/format.h"
#include "cli/human.h"
#include "cli/valuespec.h"
#include "cli/vollist.h"
#include "spec/docker_network.h"

/* create */

struct create_values {
	const char *driver, *name;
	char **labels, **opts;
};

static const struct opt create_options[] = {
	O_STR(struct create_values, driver, "driver", 'd', .def = "local", .help = "Driver of the volume"),
	O_LIST(struct create_values, labels, "label", 0, .check = value_check_label, .help = "Label of the volume (k=v)"),
	O_STR(struct create_values, name, "name", 0, .flags = OPT_HIDDEN, .help = "Name of the volume"),
	O_LIST(struct create_values, opts, "opt", 'o', .value_name = "map", .shown = "map[]", .help = "Option of the driver"),
	O_END,
};

static es_err *run_create(struct cli *c)
{
	const struct create_values *v = c->values;
	struct docker_volume_create r = { .driver = v->driver, .name = v->name };
	struct json *reply, *body;

	if (c->n_args && !str_empty(v->name))
		return es_err_new(ES_E_INVALID, "conflicting options: cannot specify a volume-name through both --name and as a positional arg");
	if (c->n_args)
		r.name = c->args[0];
	if (v->opts)
		r.driver_opts = value_map(c->arena, v->opts);
	if (v->labels)
		r.labels = value_map(c->arena, v->labels);
	body = field_encode(c->arena, docker_volume_create_fields, &r);
	ES_TRY(client_call(c, "POST", "/volumes/create", NULL, body, &reply));
	cli_puts(json_str(json_get(reply, "Name")) ? json_str(json_get(reply, "Name")) : "");
	return NULL;
}

const struct cmd cmd_volume_create = {
	.paths = "volume create",
	.usage = "[OPTIONS] [VOLUME]",
	.summary = "Make a volume",
	.mode = OPT_INTERSPERSED,
	.max_args = 1,
	.options = create_options,
	.values_size = sizeof(struct create_values),
	.run = run_create,
};

/* ls */

struct ls_values {
	char **filters;
	const char *format;
	bool quiet;
};

static const struct opt ls_options[] = {
	O_LIST(struct ls_values, filters, "filter", 'f', .value_name = "filter", .check = value_check_filter,
	       .help = "Show only what fits (\"dangling=true\")"),
	O_STR(struct ls_values, format, "format", 0, .help = FORMAT_HELP),
	O_BOOL(struct ls_values, quiet, "quiet", 'q', .help = "Show only names"),
	O_END,
};

static es_err *run_ls(struct cli *c)
{
	const struct ls_values *v = c->values;
	const struct format_list list = { .format = &vollist_format, .given = v->format, .quiet = v->quiet };
	es_autobuf query = QUERY;
	struct json *doc;

	ES_TRY(query_add_filters(c, &query, v->filters));
	ES_TRY(client_get(c, "/volumes", es_buf_str(&query), &doc));
	return vollist_print(c, &list, json_get(doc, "Volumes"));
}

const struct cmd cmd_volume_ls = {
	.paths = "volume ls, volume list",
	.usage = "[OPTIONS]",
	.summary = "List volumes",
	.mode = OPT_INTERSPERSED,
	.options = ls_options,
	.values_size = sizeof(struct ls_values),
	.run = run_ls,
};

/* rm */

struct rm_values {
	bool force;
};

static const struct opt rm_options[] = {
	O_BOOL(struct rm_values, force, "force", 'f', .help = "Missing volumes are no error"),
	O_END,
};

static es_err *rm_step(struct cli *c, const char *name, const char **ret)
{
	const struct rm_values *v = c->values;

	return client_call(c, "DELETE", client_path(c, "/volumes/%s", name), v->force ? "force=1" : NULL, NULL, NULL);
}

static es_err *run_rm(struct cli *c)
{
	each_name(c, c->args, rm_step, false);
	return NULL;
}

const struct cmd cmd_volume_rm = {
	.paths = "volume rm, volume remove",
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.summary = "Remove volumes",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = rm_options,
	.values_size = sizeof(struct rm_values),
	.run = run_rm,
};

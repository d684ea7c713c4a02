/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_rmi.c: estiba rmi. */
#include "cli/client.h"

struct values {
	bool force, no_prune;
};

static const struct opt options[] = {
	O_BOOL(struct values, force, "force", 'f', .help = "Remove it although it is used"),
	O_BOOL(struct values, no_prune, "no-prune", 0, .help = "Keep untagged parents"),
	O_END,
};

static es_err *step(struct cli *c, const struct values *v, const char *name)
{
	es_autobuf query = QUERY;
	struct json *rows;

	query_add_bool(&query, "force", v->force);
	query_add(&query, "noprune", v->no_prune ? "1" : NULL);
	ES_TRY(client_call(c, "DELETE", client_path(c, "/images/%s", name), es_buf_str(&query), NULL, &rows));
	JSON_EACH(row, rows)
	{
		const char *deleted = json_str(json_get(row, "Deleted")), *untagged = json_str(json_get(row, "Untagged"));

		if (!str_empty(deleted))
			cli_printf("Deleted: %s\n", deleted);
		else
			cli_printf("Untagged: %s\n", untagged ? untagged : "");
	}
	return NULL;
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;

	for (char **name = c->args; *name; name++) {
		es_err *err = step(c, v, *name);
		bool missing = err && es_err_class(err) == ES_E_NOT_FOUND;
		int before = c->status;

		cli_report(c, err);
		if (missing && v->force)
			c->status = before;
	}
	return NULL;
}

const struct cmd cmd_rmi = {
	.paths = "image rm, image remove, rmi",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Remove images",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

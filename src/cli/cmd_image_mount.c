/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_image_mount.c: estiba image mount and unmount. */
#include "cli/client.h"
#include "cli/format.h"

#define LACKS "cannot mount images"

struct values {
	const char *format;
};

static const struct opt options[] = {
	O_STR(struct values, format, "format", 0, .help = FORMAT_HELP),
	O_END,
};

static const char *get_target(const struct format_row *row)
{
	return json_str(json_get(row->doc, "Target"));
}

static const char *get_id(const struct format_row *row)
{
	return json_str(json_get(row->doc, "Image"));
}

static const char *get_names(const struct format_row *row)
{
	const char *all = "";

	JSON_EACH(at, json_get(row->doc, "Names"))
		all = arena_printf(row->cli->arena, "%s%s%s", all, *all ? "," : "", json_str(at) ? json_str(at) : "");
	return *all ? all : "<none>";
}

static const struct format_column columns[] = {
	{ "ID", "IMAGE ID", get_id }, { "Names", "IMAGE", get_names }, { "Target", "MOUNTED ON", get_target }, { 0 }
};
static const struct format mount_format = {
	.type = "*formatter.imageMountContext",
	.columns = columns,
	.table = "{{.Names}}\t{{.Target}}",
};

static es_err *mount_run(struct cli *c)
{
	const struct values *v = c->values;
	const struct format_list list = { .format = &mount_format, .given = v->format, .full = true };
	es_autobuf query = QUERY;
	struct json *reply;

	if (!c->n_args) {
		ES_TRY(client_own(client_get(c, "/estiba/mounts", NULL, &reply), LACKS));
		return format_print_array(c, &list, reply);
	}
	query_add(&query, "image", c->args[0]);
	query_add(&query, "target", c->n_args > 1 ? c->args[1] : NULL);
	ES_TRY(client_own(client_call(c, "POST", "/estiba/mounts", es_buf_str(&query), NULL, &reply), LACKS));
	if (v->format)
		return format_print(c, &list, (const struct json *[]){ reply }, 1);
	cli_puts(json_str(json_get(reply, "Target")) ? json_str(json_get(reply, "Target")) : "");
	return NULL;
}

static es_err *unmount_run(struct cli *c)
{
	for (char **arg = c->args; *arg; arg++) {
		es_autobuf query = QUERY;
		struct json *targets;

		query_add(&query, "what", *arg);
		ES_TRY(client_own(client_call(c, "DELETE", "/estiba/mounts", es_buf_str(&query), NULL, &targets), LACKS));
		JSON_EACH(at, targets)
			cli_puts(json_str(at) ? json_str(at) : "");
	}
	return NULL;
}

const struct cmd cmd_image_mount = {
	.paths = "image mount",
	.usage = "[OPTIONS]\n[OPTIONS] IMAGE [DIRECTORY]",
	.summary = "Mount an image's files on the host, read-only, or list such mounts",
	.mode = OPT_INTERSPERSED,
	.min_args = 0,
	.max_args = 2,
	.options = options,
	.values_size = sizeof(struct values),
	.run = mount_run,
};

const struct cmd cmd_image_unmount = {
	.paths = "image unmount, image umount",
	.usage = "IMAGE|DIRECTORY [IMAGE|DIRECTORY...]",
	.summary = "Unmount what image mount has mounted",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.run = unmount_run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_check.c: estiba system check. */
#include "cli/client.h"
#include "cli/format.h"
#include "cli/human.h"

struct values {
	const char *format;
	bool repair;
};

static const struct opt options[] = {
	O_STR(struct values, format, "format", 0, .help = "How to print: 'json' for the daemon's whole answer, or a Go template for each problem"),
	O_BOOL(struct values, repair, "repair", 0, .help = "Make again or remove what is damaged"),
	O_END,
};

static const char *str(const struct json *doc, const char *key)
{
	const char *s = json_str(json_get(doc, key));

	return s ? s : "";
}

static int64_t num(const struct json *doc, const char *key)
{
	return json_i64(json_get(doc, key), 0);
}

#define GETTER(name, key)                                          \
	static const char *get_##name(const struct format_row *row) \
	{                                                          \
		return str(row->doc, key);                         \
	}
GETTER(kind, "Kind")
GETTER(object, "Object")
GETTER(file, "File")
GETTER(text, "Text")
GETTER(repair, "Repair")

static const char *images_of(struct cli *c, const struct json *doc)
{
	const char *all = "";

	JSON_EACH(at, json_get(doc, "Images"))
		all = arena_printf(c->arena, "%s%s%s", all, *all ? "," : "", json_str(at) ? json_str(at) : "");
	return all;
}

static const char *get_images(const struct format_row *row)
{
	return images_of(row->cli, row->doc);
}

static const struct format_column columns[] = {
	{ "File", "FILE", get_file },	    { "Images", "IMAGES", get_images }, { "Kind", "KIND", get_kind },
	{ "Object", "OBJECT", get_object }, { "Repair", "REPAIR", get_repair }, { "Text", "TEXT", get_text },
	{ 0 }
};
static const struct format problem_format = {
	.type = "*formatter.problemContext",
	.columns = columns,
	.table = "{{.Kind}}\t{{.Object}}\t{{.File}}\t{{.Repair}}",
};

static void print_plain(struct cli *c, const struct json *report)
{
	const struct json *garbage = json_get(report, "Garbage");

	JSON_EACH(p, json_get(report, "Problems")) {
		const char *images = images_of(c, p), *repair = str(p, "Repair");

		cli_printf("%s%s%s%s%s\n", str(p, "Text"), *images ? "; needed by " : "", images, *repair ? ": " : "", repair);
	}
	if (num(garbage, "Layers") || num(garbage, "Blobs"))
		cli_printf("collected: %lld layers, %lld blobs that nothing refers to (%s)\n", (long long)num(garbage, "Layers"),
			   (long long)num(garbage, "Blobs"), human_size(c->arena, (double)num(garbage, "Bytes")));
	cli_printf("%lld images, %lld layers, %lld blobs, %lld snapshots, %s read: %lld problems, %lld left\n", (long long)num(report, "Images"),
		   (long long)num(report, "Layers"), (long long)num(report, "Blobs"), (long long)num(report, "Snapshots"),
		   human_size(c->arena, (double)num(report, "Bytes")), (long long)json_get(report, "Problems")->n, (long long)num(report, "Left"));
}

static es_err *run(struct cli *c)
{
	struct values *v = c->values;
	struct format_list list = { .format = &problem_format, .given = v->format, .full = true };
	struct json *report;

	if (v->format && !str_eq(v->format, "json"))
		ES_TRY(format_check(c, &list));
	ES_TRY(client_own(client_call(c, "POST", "/estiba/check", v->repair ? "repair=1" : NULL, NULL, &report), "has no check of its store"));
	if (!json_is(json_get(report, "Problems"), JSON_ARRAY))
		return es_err_new(ES_E_PROTOCOL, "the daemon's answer is not a report");
	if (str_eq(v->format, "json")) {
		es_autobuf text = ES_BUF(CLI_TEXT_MAX);

		json_write(&text, report, 0);
		es_buf_addc(&text, '\n');
		cli_out(&text);
	} else if (v->format) {
		ES_TRY(format_print_array(c, &list, json_get(report, "Problems")));
	} else {
		print_plain(c, report);
	}
	if (num(report, "Left"))
		c->status = 1;
	return NULL;
}

const struct cmd cmd_check = {
	.paths = "system check",
	.usage = "[OPTIONS]",
	.summary = "Check every byte and record that the daemon keeps",
	.mode = OPT_INTERSPERSED,
	.min_args = 0,
	.max_args = 0,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

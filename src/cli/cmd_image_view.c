/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_image_view.c: estiba image files, cat and diff: an image's files without a container. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/human.h"
#include "cli/outfile.h"

#define LACKS "cannot show the files of images"

struct files_values {
	bool is_long, recursive;
};

static const struct opt files_options[] = {
	O_BOOL(struct files_values, is_long, "long", 'l', .help = "Show mode, owner, size and time too"),
	O_BOOL(struct files_values, recursive, "recursive", 'R', .help = "Show everything below"),
	O_END,
};

static char *mode_text(struct cli *c, unsigned mode)
{
	static const char kinds[] = "?pc?d?b?-?l?s???";
	char *t = arena_printf(c->arena, "%crwxrwxrwx", kinds[(mode >> 12) & 15]);

	for (unsigned i = 0; i < 9; i++)
		if (!(mode & (0400u >> i)))
			t[i + 1] = '-';
	if (mode & S_ISUID)
		t[3] = t[3] == 'x' ? 's' : 'S';
	if (mode & S_ISGID)
		t[6] = t[6] == 'x' ? 's' : 'S';
	if (mode & S_ISVTX)
		t[9] = t[9] == 'x' ? 't' : 'T';
	return t;
}

static void print_file(struct cli *c, const struct json *file, bool is_long)
{
	const char *path = json_str(json_get(file, "Path")), *target = json_str(json_get(file, "Target"));
	int64_t ns = 0;

	if (!is_long) {
		cli_puts(path ? path : "");
		return;
	}
	es_err_free(clock_parse(json_str(json_get(file, "ModTime")) ? json_str(json_get(file, "ModTime")) : "", &ns));
	cli_printf("%s %5lld %5lld %10lld %s %s%s%s\n", mode_text(c, (unsigned)json_i64(json_get(file, "Mode"), 0)),
		   (long long)json_i64(json_get(file, "Uid"), 0), (long long)json_i64(json_get(file, "Gid"), 0),
		   (long long)json_i64(json_get(file, "Size"), 0), human_time(c->arena, ns / CLOCK_NS_PER_S), path ? path : "", target ? " -> " : "",
		   target ? target : "");
}

static es_err *files_run(struct cli *c)
{
	const struct files_values *v = c->values;
	char *root[] = { (char[]){ "/" }, NULL };

	for (char **path = c->n_args > 1 ? c->args + 1 : root; *path; path++) {
		es_autobuf query = QUERY;
		struct json *list;

		query_add(&query, "path", *path);
		query_add_bool(&query, "recursive", v->recursive);
		ES_TRY(client_own(client_get(c, client_path(c, "/estiba/images/%s/files", c->args[0]), es_buf_str(&query), &list), LACKS));
		JSON_EACH(file, list)
			print_file(c, file, v->is_long);
	}
	return NULL;
}

static es_err *cat_run(struct cli *c)
{
	for (char **path = c->args + 1; *path; path++) {
		es_autobuf query = QUERY;
		struct http_head head;

		query_add(&query, "path", *path);
		const struct client_request r = { .method = "GET", .path = client_path(c, "/estiba/images/%s/cat", c->args[0]), .query = es_buf_str(&query) };
		ES_TRY(client_own(client_send(c, &r, &head), LACKS));
		ES_TRY(outfile_write(client_http(c), NULL));
	}
	return NULL;
}

static es_err *diff_run(struct cli *c)
{
	static const char *const kinds[] = { "C", "A", "D" };
	es_autobuf query = QUERY;
	struct json *list;

	if (c->n_args > 1)
		query_add(&query, "base", c->args[1]);
	ES_TRY(client_own(client_get(c, client_path(c, "/estiba/images/%s/diff", c->args[0]), es_buf_str(&query), &list), "cannot compare images"));
	JSON_EACH(change, list) {
		int64_t kind = json_i64(json_get(change, "Kind"), -1);

		cli_printf("%s %s\n", kind >= 0 && kind < (int64_t)ES_N(kinds) ? kinds[kind] : "?",
			   json_str(json_get(change, "Path")) ? json_str(json_get(change, "Path")) : "");
	}
	return NULL;
}

const struct cmd cmd_image_files = {
	.paths = "image files",
	.usage = "[OPTIONS] IMAGE [PATH...]",
	.summary = "List files in an image",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = files_options,
	.values_size = sizeof(struct files_values),
	.run = files_run,
};

const struct cmd cmd_image_cat = {
	.paths = "image cat",
	.usage = "IMAGE PATH [PATH...]",
	.summary = "Print files of an image",
	.mode = OPT_INTERSPERSED,
	.min_args = 2,
	.max_args = -1,
	.run = cat_run,
};

const struct cmd cmd_image_diff = {
	.paths = "image diff",
	.usage = "IMAGE [BASE]",
	.summary = "Show what an image has other than its base",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 2,
	.run = diff_run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* help.c: help texts in docker's layout, made from the list of commands and their option tables. */
#include <sys/ioctl.h>

#include "cli/cmd.h"
#include "cli/globals.h"

#define HELP_WIDTH 80

static size_t terminal_width(void)
{
	struct winsize ws;

	return ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col ? ws.ws_col : HELP_WIDTH;
}

void help_usage(const struct cli *c, const struct cmd *cmd, const char *path, struct es_buf *out)
{
	const char *form = cmd->usage;

	es_buf_printf(out, "Usage:  %s %s", c->prog, path);
	if (!form)
		return;
	for (;;) {
		size_t n = strcspn(form, "\n");

		if (n)
			es_buf_printf(out, " %.*s", (int)n, form);
		if (!form[n])
			return;
		form += n + 1;
		es_buf_printf(out, "\n\t%s %s", c->prog, path);
	}
}

static void put_aliases(const struct cli *c, const struct cmd *cmd, struct es_buf *out)
{
	const char *list = cmd->paths, *path;
	size_t len;
	bool more = false;

	if (!strchr(list, ','))
		return;
	es_buf_adds(out, "\nAliases:\n  ");
	for (; cmd_next_path(&list, &path, &len); more = true)
		es_buf_printf(out, "%s%s %.*s", more ? ", " : "", c->prog, (int)len, path);
	es_buf_addc(out, '\n');
}

struct listed {
	const char *name;
	size_t len;
	const struct cmd *cmd;
};

static int by_name(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->name, y->name, n);

	return order ? order : (int)x->len - (int)y->len;
}

/* The commands of GROUP in SECTION under TITLE, sorted, but for the common ones, whose order is that of the list. */
static void put_section(const char *group, enum cmd_section section, const char *title, struct es_buf *out)
{
	enum { NAME_MIN = 11 };
	struct listed rows[128];
	size_t n = 0, width = NAME_MIN;

	for (const struct cmd *const *at = cmds; *at && n < ES_N(rows); at++) {
		struct listed row = { .cmd = *at };

		if (*group ? (*at)->section == CMD_HIDDEN : (*at)->section != section)
			continue;
		row.name = cmd_listed_in(*at, group, &row.len);
		if (row.name)
			rows[n++] = row;
		if (row.name && row.len > width)
			width = row.len;
	}
	if (!n)
		return;
	if (section != CMD_COMMON)
		qsort(rows, n, sizeof rows[0], by_name);
	es_buf_printf(out, "\n%s:\n", title);
	for (size_t i = 0; i < n; i++)
		es_buf_printf(out, "  %-*.*s %s\n", (int)width, (int)rows[i].len, rows[i].name, rows[i].cmd->summary);
}

static void put_program(const struct cli *c, struct es_buf *out)
{
	es_buf_printf(out, "Usage:  %s [OPTIONS] COMMAND\n\nBuild, run and ship containers\n", c->prog);
	put_section("", CMD_COMMON, "Common Commands", out);
	put_section("", CMD_MANAGEMENT, "Management Commands", out);
	put_section("", CMD_PLAIN, "Commands", out);
	es_buf_adds(out, "\nGlobal Options:\n");
	opt_help(cli_global_options, terminal_width(), out);
	es_buf_printf(out, "\nRun '%s COMMAND --help' for more information on a command.\n", c->prog);
}

static void put_group(const struct cli *c, const struct cmd *cmd, const char *path, struct es_buf *out)
{
	es_buf_printf(out, "Usage:  %s %s COMMAND\n\n%s\n", c->prog, path, cmd->summary);
	put_section(path, CMD_PLAIN, "Commands", out);
	es_buf_printf(out, "\nRun '%s %s COMMAND --help' for more information on a command.\n", c->prog, path);
}

/* Where -h is something else, --help is an option like the others. */
static void put_options(const struct cmd *cmd, struct es_buf *out)
{
	const struct opt with_help[] = {
		{ .name = "", .kind = OPT_TABLE, .sub = cmd->options },
		{ .name = "", .kind = OPT_TABLE, .sub = cli_help_only_options },
		O_END,
	};

	if (cmd->options)
		opt_help(opt_has_letter(cmd->options, 'h') ? with_help : cmd->options, terminal_width(), out);
}

void help_print(const struct cli *c, const struct cmd *cmd, const char *path, struct es_buf *out)
{
	es_autobuf options = ES_BUF(CLI_TEXT_MAX);

	if (!cmd) {
		put_program(c, out);
		return;
	}
	if (!cmd->run) {
		put_group(c, cmd, path, out);
		return;
	}
	help_usage(c, cmd, path, out);
	es_buf_printf(out, "\n\n%s\n", cmd->summary);
	put_aliases(c, cmd, out);
	put_options(cmd, &options);
	if (options.len)
		es_buf_printf(out, "\nOptions:\n%s", es_buf_str(&options));
}

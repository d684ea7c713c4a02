/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_completion.c: estiba completion: the tables as a script for bash or zsh. */
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/globals.h"

/* The names listed in GROUP, one word each. */
static void put_commands(const char *group, struct es_buf *out)
{
	for (const struct cmd *const *at = cmds; *at; at++) {
		size_t len;
		const char *name = cmd_listed_in(*at, group, &len);

		if (name && (*at)->section != CMD_HIDDEN)
			es_buf_printf(out, "%.*s ", (int)len, name);
	}
}

static void put_options(const struct opt *rows, struct es_buf *out)
{
	const struct opt **sorted;
	size_t n = opt_sorted(rows, &sorted);

	for (size_t i = 0; i < n; i++)
		if (opt_is_visible(sorted[i]))
			es_buf_printf(out, "--%s ", sorted[i]->name);
	free(sorted);
}

/* One case for every place of every command: what may follow it. */
static void put_cases(struct es_buf *out)
{
	for (const struct cmd *const *at = cmds; *at; at++) {
		const char *list = (*at)->paths, *path;
		size_t len;

		while (cmd_next_path(&list, &path, &len)) {
			char group[128];

			snprintf(group, sizeof group, "%.*s", (int)len, path);
			es_buf_printf(out, "\t\t\"%s\") words=\"", group);
			if ((*at)->run)
				put_options((*at)->options ? (*at)->options : cli_help_only_options, out);
			else
				put_commands(group, out);
			es_buf_adds(out, "--help\" ;;\n");
		}
	}
}

static void put_script(const struct cli *c, bool zsh, struct es_buf *out)
{
	if (zsh)
		es_buf_printf(out, "#compdef %s\nautoload -U +X bashcompinit && bashcompinit\n", c->prog);
	es_buf_printf(out, "_%s()\n{\n\tlocal cur=\"${COMP_WORDS[COMP_CWORD]}\" path=\"\" words=\"\" w i\n", c->prog);
	es_buf_adds(out, "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tw=\"${COMP_WORDS[i]}\"\n"
			 "\t\t[[ $w == -* ]] && continue\n\t\t[[ -z $path || \" ");
	for (const struct cmd *const *at = cmds; *at; at++)
		if (!(*at)->run)
			es_buf_printf(out, "%s ", (*at)->paths);
	es_buf_adds(out, "\" == *\" $path \"* ]] && path=\"${path:+$path }$w\"\n\tdone\n\tcase \"$path\" in\n");
	es_buf_adds(out, "\t\t\"\") words=\"");
	put_commands("", out);
	put_options(cli_global_options, out);
	es_buf_adds(out, "\" ;;\n");
	put_cases(out);
	es_buf_printf(out, "\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _%s %s\n", c->prog, c->prog);
}

static es_err *run(struct cli *c)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);
	const char *shell = c->args[0];

	if (!str_eq(shell, "bash") && !str_eq(shell, "zsh"))
		return es_err_new(ES_E_INVALID, "no completion for the shell \"%s\": bash and zsh have one", shell);
	put_script(c, str_eq(shell, "zsh"), &out);
	cli_out(&out);
	return NULL;
}

const struct cmd cmd_completion = {
	.paths = "completion",
	.usage = "bash|zsh",
	.summary = "Print a completion script for the shell",
	.section = CMD_HIDDEN,
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};

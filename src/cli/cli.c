/* SPDX-License-Identifier: Apache-2.0 */
/* cli.c: the frame: find the command, parse its options, run it, turn its error into docker's text and status. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/file.h"
#include "cli/absent.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/globals.h"
#include "cli/version.h"

/* The least enum cli_log that is printed; "fatal" and "panic" are above all that we tell. */
static const struct {
	const char *name;
	int least;
} log_levels[] = {
	{ "debug", CLI_LOG_DEBUG }, { "info", CLI_LOG_INFO },	    { "warn", CLI_LOG_WARN },	    { "warning", CLI_LOG_WARN },
	{ "error", CLI_LOG_ERROR }, { "fatal", CLI_LOG_ERROR + 1 }, { "panic", CLI_LOG_ERROR + 1 },
};

static es_err *check_log_level(const char *text)
{
	for (size_t i = 0; i < ES_N(log_levels); i++)
		if (str_eq(log_levels[i].name, text))
			return NULL;
	return es_err_new(ES_E_INVALID, "Unable to parse logging level: %s", text);
}

#define T struct cli_globals
const struct opt cli_global_options[] = {
	O_STR(T, config_dir, "config", 0, .help = "Directory of the client's configuration (default \"~/.docker\")"),
	O_STR(T, context, "context", 'c', .help = "Context that names the daemon to talk to (stronger than DOCKER_HOST and the current context)"),
	O_BOOL(T, debug, "debug", 'D', .help = "Print every request"),
	O_LIST(T, hosts, "host", 'H', .help = "Socket of the daemon to talk to"),
	O_STR(T, log_level, "log-level", 'l', .def = "info", .help = "Least important messages to print (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")"),
	O_BOOL(T, tls, "tls", 0, .help = "Talk TLS; --tlsverify includes it"),
	O_STR(T, tls_ca, "tlscacert", 0, .help = "Trust only certificates signed by this CA (default \"~/.docker/ca.pem\")"),
	O_STR(T, tls_cert, "tlscert", 0, .help = "TLS certificate of the client (default \"~/.docker/cert.pem\")"),
	O_STR(T, tls_key, "tlskey", 0, .help = "TLS key of the client (default \"~/.docker/key.pem\")"),
	O_BOOL(T, tls_verify, "tlsverify", 0, .help = "Talk TLS and verify the daemon"),
	O_BOOL(T, version, "version", 'v', .help = "Print the version and quit"),
	O_BOOL(T, help, "help", 0, .flags = OPT_HIDDEN, .help = "Print usage"),
	O_BOOL(T, short_help, "-h", 'h', .flags = OPT_HIDDEN, .help = "Print usage"),
	O_END,
};
#undef T

#define T struct cli_common
const struct opt cli_help_options[] = {
	O_BOOL(T, help, "help", 0, .flags = OPT_HIDDEN, .help = "Print usage"),
	O_BOOL(T, short_help, "-h", 'h', .flags = OPT_HIDDEN, .help = "Print usage"),
	O_END,
};
const struct opt cli_help_only_options[] = {
	O_BOOL(T, help, "help", 0, .help = "Print usage"),
	O_END,
};
#undef T

/* Output. */

static void write_or_leave(int fd, const char *bytes, size_t n)
{
	es_err *err = file_write_all(fd, bytes, n);

	if (!err)
		return;
	if (es_err_errno(err) == EPIPE)
		_exit(128 + SIGPIPE);
	if (fd == STDOUT_FILENO)
		cli_warn("write standard output: %s", es_err_text(err));
	_exit(1);
}

void cli_out(const struct es_buf *b)
{
	write_or_leave(STDOUT_FILENO, es_buf_str(b), b->len);
}

void cli_puts(const char *line)
{
	cli_printf("%s\n", line);
}

void cli_printf(const char *fmt, ...)
{
	es_autobuf b = ES_BUF(CLI_TEXT_MAX);
	va_list ap;

	va_start(ap, fmt);
	es_buf_vprintf(&b, fmt, ap);
	va_end(ap);
	cli_out(&b);
}

void cli_warn(const char *fmt, ...)
{
	es_autobuf b = ES_BUF(CLI_TEXT_MAX);
	va_list ap;

	va_start(ap, fmt);
	es_buf_vprintf(&b, fmt, ap);
	va_end(ap);
	es_buf_addc(&b, '\n');
	write_or_leave(STDERR_FILENO, es_buf_str(&b), b.len);
}

void cli_log(const struct cli *c, enum cli_log level, const char *fmt, ...)
{
	static const char *const names[] = { "DEBUG", "INFO", "WARNING", "ERROR" };
	es_autobuf b = ES_BUF(CLI_TEXT_MAX);
	int least = CLI_LOG_INFO;
	va_list ap;

	for (size_t i = 0; i < ES_N(log_levels); i++)
		if (str_eq(log_levels[i].name, c->globals.log_level))
			least = log_levels[i].least;
	if (c->globals.debug)
		least = CLI_LOG_DEBUG;
	if ((int)level < least)
		return;
	va_start(ap, fmt);
	es_buf_vprintf(&b, fmt, ap);
	va_end(ap);
	cli_warn("%s: %s", names[level], es_buf_str(&b));
}

void cli_report(struct cli *c, es_err *err)
{
	if (!err)
		return;
	cli_warn("%s", es_err_text(err));
	es_err_free(err);
	if (!c->status)
		c->status = 1;
}

void cli_report_usage(struct cli *c, es_err *err, int status)
{
	if (!err)
		return;
	cli_warn("%s: %s\n\nRun '%s %s --help' for more information", c->prog, es_err_text(err), c->prog, c->path);
	es_err_free(err);
	c->status = status;
}

/* The list of commands. */

bool cmd_next_path(const char **list, const char **ret, size_t *ret_len)
{
	const char *p = *list;
	size_t n = strcspn(p, ",");

	if (!n)
		return false;
	*ret = p;
	*ret_len = n;
	p += n;
	*list = *p ? p + 2 : p;
	return true;
}

const struct cmd *cmd_find(const char *path, size_t len)
{
	for (const struct cmd *const *at = cmds; *at; at++) {
		const char *list = (*at)->paths, *own;
		size_t n;

		while (cmd_next_path(&list, &own, &n))
			if (n == len && memcmp(own, path, n) == 0)
				return *at;
	}
	return NULL;
}

const char *cmd_listed_in(const struct cmd *cmd, const char *group, size_t *ret_len)
{
	const char *list = cmd->paths, *path;
	size_t group_len = strlen(group), len;

	while (cmd_next_path(&list, &path, &len)) {
		const char *name = path;

		if (group_len) {
			if (len <= group_len || memcmp(path, group, group_len) != 0 || path[group_len] != ' ')
				continue;
			name += group_len + 1;
		} else if (memchr(path, ' ', len)) {
			continue;
		}
		*ret_len = (size_t)(path + len - name);
		return name;
	}
	return NULL;
}

/* Errors of the command line. */

static void usage_error(struct cli *c, const char *text, int status)
{
	es_autobuf usage = ES_BUF(CLI_TEXT_MAX);

	if (c->cmd)
		help_usage(c, c->cmd, c->path, &usage);
	else
		es_buf_printf(&usage, "Usage:  %s [OPTIONS] COMMAND [ARG...]", c->prog);
	cli_warn("%s\n\n%s\n\nRun '%s%s%s --help' for more information", text, es_buf_str(&usage), c->prog, c->cmd ? " " : "",
		 c->cmd ? c->path : "");
	c->status = status;
}

static const char *plural(int n)
{
	return n == 1 ? "" : "s";
}

/* docker's sentence for a wrong number of arguments, or NULL. */
static char *count_complaint(const struct cli *c)
{
	int n = (int)c->n_args, min = c->cmd->min_args, max = c->cmd->max_args;

	if (n >= min && (max < 0 || n <= max))
		return NULL;
	if (max == 0)
		return es_xstrdup("accepts no arguments");
	if (min == max)
		return es_xasprintf("requires %d argument%s", min, plural(min));
	if (max < 0)
		return es_xasprintf("requires at least %d argument%s", min, plural(min));
	if (min == 0)
		return es_xasprintf("requires at most %d argument%s", max, plural(max));
	return es_xasprintf("requires at least %d and at most %d arguments", min, max);
}

static bool count_is_right(struct cli *c)
{
	es_autofree char *complaint = count_complaint(c);
	es_autobuf usage = ES_BUF(CLI_TEXT_MAX);

	if (!complaint)
		return true;
	help_usage(c, c->cmd, c->path, &usage);
	cli_warn("%s: '%s %s' %s\n\n%s\n\n%s '%s %s --help' for more information", c->prog, c->prog, c->path, complaint,
		 es_buf_str(&usage), c->cmd->max_args < 0 ? "See" : "Run", c->prog, c->path);
	c->status = 1;
	return false;
}

static void unknown_command(struct cli *c, const struct cmd *group, const char *group_path, const char *word)
{
	const char *path = arena_printf(c->arena, "%s%s%s", group_path, *group_path ? " " : "", word), *why = absent_why(path);
	es_err *err = group ? NULL : absent_run_plugin(c, word, c->argv);

	if (err) {
		cli_report(c, err);
	} else if (why) {
		cli_warn("%s: no command '%s': %s", c->prog, path, why);
	} else if (!group) {
		cli_warn("%s: unknown command: %s %s\n\nRun '%s --help' for more information", c->prog, c->prog, word, c->prog);
	} else {
		es_autobuf usage = ES_BUF(CLI_TEXT_MAX);

		help_usage(c, group, group_path, &usage);
		cli_warn("%s: unknown command: %s %s %s\n\n%s\n\nRun '%s %s --help' for more information", c->prog, c->prog,
			 group_path, word, es_buf_str(&usage), c->prog, group_path);
	}
	c->status = 1;
}

/* Running one command. */

#define SHORT_HELP_NOTE "Flag shorthand -h has been deprecated, use --help"

static void show_help(struct cli *c, const struct cmd *cmd, const char *path, int fd)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);

	help_print(c, cmd, path, &out);
	write_or_leave(fd, es_buf_str(&out), out.len);
}

/* A command's table with the help flag in front: run and create use -h for themselves. */
static const struct opt *with_help(struct cli *c, size_t values_at)
{
	static const struct opt end = O_END;
	struct opt *rows = ARENA_ARRAY(c->arena, struct opt, 3);
	bool own_h = c->cmd->options && opt_has_letter(c->cmd->options, 'h');

	rows[0] = (struct opt){ .name = "", .kind = OPT_TABLE, .sub = own_h ? cli_help_only_options : cli_help_options };
	rows[1] = (struct opt){ .name = "", .kind = OPT_TABLE, .offset = values_at, .sub = c->cmd->options ? c->cmd->options : &end };
	rows[2] = end;
	return rows;
}

static void run_command(struct cli *c, char **argv)
{
	const size_t values_at = (sizeof(struct cli_common) + 15) & ~(size_t)15;
	struct cli_common *common = arena_alloc(c->arena, values_at + c->cmd->values_size);
	const struct opt *rows = with_help(c, values_at);
	es_err *err = opt_parse(rows, common, c->cmd->mode, argv, &c->given);

	c->values = (char *)common + values_at;
	if (err) {
		usage_error(c, es_err_text(err), CLI_STATUS_USAGE);
		es_err_free(err);
	} else if (common->help || common->short_help) {
		if (common->short_help)
			cli_puts(SHORT_HELP_NOTE);
		show_help(c, c->cmd, c->path, STDOUT_FILENO);
	} else {
		if (c->given.notes.len)
			write_or_leave(STDERR_FILENO, es_buf_str(&c->given.notes), c->given.notes.len);
		c->args = c->given.args;
		c->n_args = c->given.n_args;
		if (count_is_right(c))
			cli_report(c, c->cmd->run(c));
	}
	opt_values_done(rows, common);
	opt_result_done(&c->given);
}

/* "estiba help run" */
static void run_help(struct cli *c, char **words)
{
	es_autofree char *path = strv_join(words, " ");
	const struct cmd *cmd = cmd_find(path, strlen(path));

	if (*path && !cmd) {
		cli_warn("unknown help topic: %s", path);
		c->status = 1;
		return;
	}
	show_help(c, cmd, path, STDOUT_FILENO);
}

/* Walk down the groups: ARGV begins with the first word behind the global options. */
static void dispatch(struct cli *c, char **argv)
{
	const struct cmd *group = NULL;
	char *path = arena_strdup(c->arena, "");

	for (; *argv; argv++) {
		char *longer = arena_printf(c->arena, "%s%s%s", path, *path ? " " : "", *argv);
		const struct cmd *cmd = strchr(*argv, ' ') ? NULL : cmd_find(longer, strlen(longer));

		if (group && (str_eq(*argv, "--help") || str_eq(*argv, "-h"))) {
			show_help(c, group, path, STDOUT_FILENO);
			return;
		}
		if (!group && str_eq(*argv, "help")) {
			run_help(c, argv + 1);
			return;
		}
		if (!cmd) {
			unknown_command(c, group, path, *argv);
			return;
		}
		path = longer;
		if (cmd->run) {
			c->cmd = cmd;
			c->path = path;
			run_command(c, argv + 1);
			return;
		}
		group = cmd;
	}
	show_help(c, group, path, STDERR_FILENO); /* nothing was asked for */
}

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

/* "docker" when called so (also "docker-28"), else our own name. */
static const char *called_as(const char *argv0)
{
	const char *name = base_name(argv0);

	return name && str_starts(name, "docker") ? "docker" : "estiba";
}

static void open_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDWR);
}

/* Interrupted while it waits: docker's status, 130 or 143, for whoever started us. Sessions take these signals over. */
static void leave(int sig)
{
	_exit(128 + sig);
}

int cli_main(int argc, char **argv)
{
	struct cli c = { .argv = argv, .prog = called_as(argc > 0 ? argv[0] : NULL), .path = "" };
	char *none[] = { NULL };
	es_err *err;

	open_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);
	if (signal(SIGINT, leave) == SIG_IGN)
		signal(SIGINT, SIG_IGN); /* started with nohup or in the background */
	signal(SIGTERM, leave);
	c.arena = arena_new();
	err = opt_parse(cli_global_options, &c.globals, OPT_FIRST, argc > 0 ? argv + 1 : none, &c.globals_given);
	if (err) {
		usage_error(&c, es_err_text(err), CLI_STATUS_USAGE);
		es_err_free(err);
	} else if (c.globals.version) {
		version_print_short(&c);
	} else if (c.globals.help || c.globals.short_help) {
		if (c.globals.short_help)
			cli_warn(SHORT_HELP_NOTE);
		run_help(&c, c.globals_given.args);
	} else {
		err = check_log_level(c.globals.log_level);
		if (err)
			cli_report(&c, err);
		else
			dispatch(&c, c.globals_given.args);
	}
	client_free(c.client);
	opt_values_done(cli_global_options, &c.globals);
	opt_result_done(&c.globals_given);
	arena_free(c.arena);
	return c.status;
}

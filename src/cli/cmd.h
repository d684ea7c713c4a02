/* SPDX-License-Identifier: Apache-2.0 */
/* cmd.h: what a subcommand is (one constant) and what it gets when it runs. */
#pragma once

#include "base/opt.h"
#include "base/str.h"
#include "codec/json.h"

struct cli;
struct client;

/* Where the top-level help lists a command or a group. */
enum cmd_section { CMD_PLAIN, CMD_COMMON, CMD_MANAGEMENT, CMD_HIDDEN };

/* One subcommand, or a group of them (run NULL). */
struct cmd {
	/* Every place it stands at, docker's "Aliases" line: "container ls, container list, container ps, ps". In each group
	 * the first is listed and the others are aliases. */
	const char *paths;
	const char *usage; /* behind the path: "[OPTIONS] CONTAINER"; further forms after a newline. A group: NULL */
	const char *summary;
	enum cmd_section section;
	enum opt_mode mode;
	int min_args, max_args; /* max_args -1: any number */
	const struct opt *options; /* NULL: none */
	size_t values_size;        /* of the struct the options are for */
	/* Errors are printed by the frame, which then exits 1; another status is set in cli->status. */
	es_err *(*run)(struct cli *c);
};

/* Options in front of the subcommand. */
struct cli_globals {
	const char *config_dir, *context, *log_level;
	char **hosts;
	bool debug, tls, tls_verify, version, help, short_help;
	const char *tls_ca, *tls_cert, *tls_key;
};

/* One invocation. Everything that lives as long as it does is in ARENA. */
struct cli {
	struct arena *arena;
	char **argv;      /* the whole command line */
	const char *prog; /* the name we were called by: in messages, help and completions */
	struct cli_globals globals;
	struct opt_result globals_given;
	const struct cmd *cmd;
	const char *path; /* as typed: "container ls" */
	void *values;     /* of the command's option table */
	struct opt_result given;
	char **args; /* NULL-terminated positional arguments */
	size_t n_args;
	struct client *client; /* made by the first request */
	struct json *config;   /* config.json, read when first asked for */
	int status;            /* exit status */
};

#define CLI_STATUS_USAGE 125 /* docker's status for a bad command line */
#define CLI_STATUS_TEMPLATE 64

/* The program: every command and group, NULL-terminated. */
extern const struct cmd *const cmds[];

/* Returns the exit status. */
int cli_main(int argc, char **argv);
/* Find the command at PATH ("container ls", any of its places); NULL when there is none. */
const struct cmd *cmd_find(const char *path, size_t len);
/* Is NAME (the last word) the name CMD is listed by in GROUP ("" is the top)? */
const char *cmd_listed_in(const struct cmd *cmd, const char *group, size_t *ret_len);

/* Does the next name of LIST ("a, b, c") exist? Moves *LIST behind it. */
bool cmd_next_path(const char **list, const char **ret, size_t *ret_len);

/* help.c: the whole help text of a command, a group or (NULL) the program. */
void help_print(const struct cli *c, const struct cmd *cmd, const char *path, struct es_buf *out);
/* "Usage:  docker ps [OPTIONS]" with all its forms, without a newline at the end. */
void help_usage(const struct cli *c, const struct cmd *cmd, const char *path, struct es_buf *out);

#define CLI_TEXT_MAX (64u << 20) /* help, tables, documents on their way to the screen */

/* Write to standard output or error; a closed pipe ends the program quietly as any filter does. */
void cli_out(const struct es_buf *b);
void cli_puts(const char *line); /* with a newline */
void cli_printf(const char *fmt, ...) ES_PRINTF(1, 2);
void cli_warn(const char *fmt, ...) ES_PRINTF(1, 2); /* standard error, with a newline */
/* What the program tells about itself, not about what was asked: only from --log-level (info; --debug: debug) on. */
enum cli_log { CLI_LOG_DEBUG, CLI_LOG_INFO, CLI_LOG_WARN, CLI_LOG_ERROR };
void cli_log(const struct cli *c, enum cli_log level, const char *fmt, ...) ES_PRINTF(3, 4);
/* Print ERR as "text\n" on standard error, free it, and set the status to at least 1. NULL is fine. */
void cli_report(struct cli *c, es_err *err);
/* The "Run '… --help' for more information" that docker puts behind errors of run and create. */
void cli_report_usage(struct cli *c, es_err *err, int status);

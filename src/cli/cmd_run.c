/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_run.c: estiba run: create, attach, wait, start, streams, exit code. */
#include "cli/attach.h"
#include "cli/runopt.h"

struct values {
	struct runopt create; /* first: the shared rows' offsets are relative to it */
	bool detach, sig_proxy;
	const char *detach_keys;
};

static const struct opt options[] = {
	O_TABLE(struct values, create, runopt_rows),
	O_BOOL(struct values, detach, "detach", 'd', .help = "Run in the background and print the ID"),
	O_STR(struct values, detach_keys, "detach-keys", 0, .help = "Keys that detach from the container"),
	O_BOOL(struct values, sig_proxy, "sig-proxy", 0, .def = "true", .help = "Pass signals on to the process"),
	O_END,
};

#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND 127

/* Docker's client decides by these words, and so does everybody's script. */
static int status_of_start_error(const char *text)
{
	static const struct {
		const char *words;
		int status;
	} rows[] = {
		{ "executable file not found", STATUS_NOT_FOUND },  { "no such file or directory", STATUS_NOT_FOUND },
		{ "system cannot find the file specified", STATUS_NOT_FOUND }, { "permission denied", STATUS_NOT_EXECUTABLE },
		{ "is a directory", STATUS_NOT_EXECUTABLE },
	};
	for (size_t i = 0; i < ES_N(rows); i++)
		if (strstr(text, rows[i].words))
			return rows[i].status;
	return CLI_STATUS_USAGE;
}

static void report_start_error(struct cli *c, es_err *err)
{
	int status = status_of_start_error(es_err_text(err));

	cli_report_usage(c, err, status);
}

static es_err *open_streams(struct cli *c, const struct values *v, struct session *s)
{
	const struct docker_config *config = &v->create.config;
	es_autobuf query = QUERY;

	s->stream.with_stdin = config->attach_stdin && config->open_stdin;
	s->stream.with_stdout = config->attach_stdout;
	s->stream.with_stderr = config->attach_stderr;
	s->sig_proxy = v->sig_proxy;
	session_catch_signals(s);
	ES_TRY(session_keys(c, v->detach_keys, &s->stream.detach));
	session_attach_query(s, v->detach_keys, &query);
	return stream_open(c, client_path(c, "/containers/%s/attach", s->id), es_buf_str(&query), NULL, &s->stream);
}

/* The container exists: connect, start, stay with it until it ends. */
static es_err *run_attached(struct cli *c, const struct values *v, const char *id)
{
	const struct docker_config *config = &v->create.config;
	bool streams = config->attach_stdin || config->attach_stdout || config->attach_stderr;
	enum stream_end end = STREAM_CLOSED;
	const char *error = NULL;
	struct session s;
	es_err *err = NULL;

	session_init(&s, c, id, config->tty);
	if (streams)
		err = open_streams(c, v, &s);
	if (!err && streams)
		err = stream_wait_open(c, id, v->create.host.auto_remove ? "removed" : "next-exit", &s.wait);
	s.stream.wait = &s.wait;
	if (!err) {
		if (!streams)
			cli_puts(id); /* also of one that then cannot start: it exists */
		err = client_post(c, client_path(c, "/containers/%s/start", id), NULL);
		if (err) {
			report_start_error(c, err);
			session_done(&s);
			return NULL;
		}
		if (config->tty && streams)
			session_resize(&s);
	}
	if (!err && streams)
		err = session_run(&s, &end);
	if (!err && streams && end == STREAM_CLOSED)
		err = stream_wait_finish(c, &s.stream, &c->status, &error);
	session_done(&s);
	if (!err && !str_empty(error))
		return es_err_new(ES_E_INTERNAL, "Error waiting for container: %s", error);
	return err;
}

static es_err *prepare(struct cli *c, struct values *v)
{
	struct docker_config *config = &v->create.config;

	if (v->detach) {
		if (v->create.attach)
			return es_err_new(ES_E_CONFLICT, "conflicting options: cannot specify both --attach and --detach");
		config->attach_stdin = config->attach_stdout = config->attach_stderr = config->stdin_once = false;
		return NULL;
	}
	return attach_check_tty(config->attach_stdin, config->tty);
}

static es_err *run(struct cli *c)
{
	struct values *v = c->values;
	struct json *body;
	const char *id;
	es_err *err = runopt_request(c, &v->create, &body);

	if (err) {
		cli_report_usage(c, err, CLI_STATUS_USAGE);
		return NULL;
	}
	ES_TRY(prepare(c, v));
	json_set_bool(c->arena, body, "AttachStdin", v->create.config.attach_stdin);
	json_set_bool(c->arena, body, "AttachStdout", v->create.config.attach_stdout);
	json_set_bool(c->arena, body, "AttachStderr", v->create.config.attach_stderr);
	json_set_bool(c->arena, body, "StdinOnce", v->create.config.stdin_once);
	err = runopt_create(c, &v->create, body, &id);
	if (err) {
		cli_report_usage(c, err, CLI_STATUS_USAGE);
		return NULL;
	}
	err = run_attached(c, v, id);
	if (err)
		c->status = CLI_STATUS_USAGE;
	return err;
}

const struct cmd cmd_run = {
	.paths = "container run, run",
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Make a container from an image and start it",
	.section = CMD_COMMON,
	.mode = OPT_FIRST,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

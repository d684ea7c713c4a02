/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_exec.c: estiba exec. */
#include "cli/attach.h"
#include "cli/config.h"
#include "cli/valuespec.h"
#include "spec/docker_ctr.h"

struct values {
	bool detach, interactive, privileged, tty;
	const char *detach_keys, *user, *workdir;
	char **env, **env_files;
};

static const struct opt options[] = {
	O_BOOL(struct values, detach, "detach", 'd', .help = "Run the command in the background"),
	O_STR(struct values, detach_keys, "detach-keys", 0, .help = "Keys that detach from the command"),
	O_LIST(struct values, env, "env", 'e', .check = value_check_env, .help = "Environment variable (K=V, or K to pass yours on)"),
	O_LIST(struct values, env_files, "env-file", 0, .help = "File with environment variables"),
	O_BOOL(struct values, interactive, "interactive", 'i', .help = "Keep STDIN open even when not attached"),
	O_BOOL(struct values, privileged, "privileged", 0, .help = "Give the command all capabilities"),
	O_BOOL(struct values, tty, "tty", 't', .help = "Give it a terminal"),
	O_STR(struct values, user, "user", 'u', .help = "User, and group, of the process (name|uid[:group|gid])"),
	O_STR(struct values, workdir, "workdir", 'w', .help = "Working directory of the process"),
	O_END,
};

static es_err *request(struct cli *c, const struct values *v, struct json **ret)
{
	struct docker_exec_request r = {
		.user = v->user ? v->user : "",
		.privileged = v->privileged,
		.tty = v->tty,
		.attach_stdin = v->interactive && !v->detach,
		.attach_stdout = !v->detach,
		.attach_stderr = !v->detach,
		.detach = v->detach,
		.detach_keys = v->detach_keys ? v->detach_keys : config_str(c, "detachKeys"),
		.working_dir = v->workdir ? v->workdir : "",
		.cmd = c->args + 1,
	};
	unsigned rows, columns;

	for (size_t i = 0; i < strv_len(v->env_files); i++)
		ES_TRY(value_read_file(c->arena, v->env_files[i], true, &r.env));
	for (size_t i = 0; i < strv_len(v->env); i++)
		value_add_env(c->arena, v->env[i], &r.env);
	if (v->tty && tty_size(&rows, &columns)) {
		r.console_size = json_new_array(c->arena);
		json_append(r.console_size, json_new_i64(c->arena, rows));
		json_append(r.console_size, json_new_i64(c->arena, columns));
	}
	*ret = field_encode(c->arena, docker_exec_request_fields, &r);
	return NULL;
}

static es_err *exit_status(struct cli *c, const char *id)
{
	struct json *doc;

	ES_TRY(client_get(c, client_path(c, "/exec/%s/json", id), NULL, &doc));
	c->status = (int)json_i64(json_get(doc, "ExitCode"), 0);
	return NULL;
}

static es_err *start(struct cli *c, const struct values *v, const char *id)
{
	struct json *body = json_new_object(c->arena);
	enum stream_end end;
	struct session s;
	es_err *err;

	json_set_bool(c->arena, body, "Detach", v->detach);
	json_set_bool(c->arena, body, "Tty", v->tty);
	if (v->detach)
		return client_call(c, "POST", client_path(c, "/exec/%s/start", id), NULL, body, NULL);
	session_init(&s, c, id, v->tty);
	s.exec = true;
	s.stream.with_stdin = v->interactive;
	s.stream.with_stdout = s.stream.with_stderr = true;
	if (v->tty)
		session_catch_signals(&s); /* for WINCH: exec passes no signal on */
	err = session_keys(c, v->detach_keys, &s.stream.detach);
	if (!err)
		err = stream_open(c, client_path(c, "/exec/%s/start", id), NULL, body, &s.stream);
	if (!err && v->tty)
		session_resize(&s);
	if (!err)
		err = session_run(&s, &end);
	session_done(&s);
	ES_TRY(err);
	if (end == STREAM_DETACHED) {
		cli_warn("read escape sequence");
		return NULL;
	}
	return exit_status(c, id);
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	struct json *body, *reply;
	const char *id;

	ES_TRY(request(c, v, &body));
	/* Asked first, so that a missing container is told before a missing terminal, as docker does. */
	ES_TRY(client_get(c, client_path(c, "/containers/%s/json", c->args[0]), NULL, &reply));
	if (!v->detach)
		ES_TRY(attach_check_tty(v->interactive, v->tty));
	ES_TRY(client_call(c, "POST", client_path(c, "/containers/%s/exec", c->args[0]), NULL, body, &reply));
	id = json_str(json_get(reply, "Id"));
	if (str_empty(id))
		return es_err_new(ES_E_PROTOCOL, "exec ID empty");
	return start(c, v, id);
}

const struct cmd cmd_exec = {
	.paths = "container exec, exec",
	.usage = "[OPTIONS] CONTAINER COMMAND [ARG...]",
	.summary = "Run a command in a running container",
	.section = CMD_COMMON,
	.mode = OPT_FIRST,
	.min_args = 2,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* attach.c: a session with a container's streams: attach, start -a, run, exec -it. */
#include "cli/attach.h"

#include <signal.h>

#include "base/signame.h"
#include "cli/config.h"

void session_init(struct session *s, struct cli *c, const char *id, bool tty)
{
	*s = (struct session){ .cli = c, .id = id, .tty = tty };
	s->stream.fd = s->stream.signal_fd = s->wait.fd = -1;
	s->stream.raw = tty;
}

void session_done(struct session *s)
{
	tty_restore(&s->terminal);
	stream_done(&s->stream);
	stream_wait_done(&s->wait);
}

es_err *session_keys(struct cli *c, const char *given, struct detach *ret)
{
	const char *text = str_empty(given) ? config_str(c, "detachKeys") : given;
	es_err *err = detach_parse(text, ret);

	if (!err)
		return NULL;
	es_err_free(err); /* the daemon has the last word about keys that we do not know */
	return detach_parse(NULL, ret);
}

void session_attach_query(const struct session *s, const char *detach_keys, struct es_buf *query)
{
	query_add_bool(query, "stream", true);
	query_add_bool(query, "stdin", s->stream.with_stdin);
	query_add_bool(query, "stdout", s->stream.with_stdout);
	query_add_bool(query, "stderr", s->stream.with_stderr);
	query_add(query, "detachKeys", detach_keys);
}

void session_resize(struct session *s)
{
	es_autobuf query = QUERY;
	unsigned rows, columns;

	if (!tty_size(&rows, &columns))
		return;
	es_buf_printf(&query, "h=%u&w=%u", rows, columns);
	es_err_drop(client_post(s->cli, client_path(s->cli, s->exec ? "/exec/%s/resize" : "/containers/%s/resize", s->id),
				es_buf_str(&query)));
}

static void on_signal(void *self, int sig)
{
	struct session *s = self;
	es_autobuf query = QUERY;

	if (sig == SIGWINCH && s->tty) {
		session_resize(s);
		return;
	}
	if (!s->sig_proxy || !signame_of(sig))
		return;
	query_add(&query, "signal", str_after(signame_of(sig), "SIG"));
	es_err_drop(client_post(s->cli, client_path(s->cli, "/containers/%s/kill", s->id), es_buf_str(&query)));
}

void session_catch_signals(struct session *s)
{
	s->stream.signal_fd = tty_signals(!s->sig_proxy);
	s->stream.on_signal = on_signal;
	s->stream.self = s;
}

es_err *session_run(struct session *s, enum stream_end *ret)
{
	es_err *err;

	if (s->tty && s->stream.with_stdin)
		tty_make_raw(&s->terminal);
	s->stream.watch_keys = s->tty && s->stream.with_stdin && isatty(STDIN_FILENO);
	err = stream_run(&s->stream, ret);
	tty_restore(&s->terminal);
	return err;
}

es_err *attach_check_tty(bool with_stdin, bool tty)
{
	if (with_stdin && tty && !isatty(STDIN_FILENO))
		return es_err_new(ES_E_INVALID, "the input device is not a TTY");
	return NULL;
}

/* attach and start -a. */

static es_err *check_state(const struct json *doc)
{
	const struct json *state = json_get(doc, "State");

	if (!json_bool(json_get(state, "Running"), false))
		return es_err_new(ES_E_CONFLICT, "You cannot attach to a stopped container, start it first");
	if (json_bool(json_get(state, "Paused"), false))
		return es_err_new(ES_E_CONFLICT, "You cannot attach to a paused container, unpause it first");
	if (json_bool(json_get(state, "Restarting"), false))
		return es_err_new(ES_E_CONFLICT, "You cannot attach to a restarting container, wait until it is running");
	return NULL;
}

static es_err *run_session(struct cli *c, const struct attach *a, struct session *s, const struct json *doc)
{
	es_autobuf query = QUERY;
	bool auto_remove = json_bool(json_get(json_get(doc, "HostConfig"), "AutoRemove"), false);
	const char *error;
	enum stream_end end;
	es_err *err;

	ES_TRY(session_keys(c, a->detach_keys, &s->stream.detach));
	session_attach_query(s, a->detach_keys, &query);
	session_catch_signals(s);
	ES_TRY(stream_open(c, client_path(c, "/containers/%s/attach", s->id), es_buf_str(&query), NULL, &s->stream));
	ES_TRY(stream_wait_open(c, s->id, !a->start ? NULL : auto_remove ? "removed" : "next-exit", &s->wait));
	s->stream.wait = &s->wait;
	if (a->start) {
		err = client_post(c, client_path(c, "/containers/%s/start", a->name), NULL);
		if (err) {
			cli_report(c, err);
			return es_err_new(ES_E_CONFLICT, "Error: failed to start containers: %s", a->name);
		}
	}
	if (s->tty)
		session_resize(s);
	ES_TRY(session_run(s, &end));
	if (end == STREAM_DETACHED) {
		cli_warn("read escape sequence");
		return NULL;
	}
	return stream_wait_finish(c, &s->stream, &c->status, &error);
}

es_err *attach_run(struct cli *c, const struct attach *a)
{
	struct session s;
	struct json *doc;
	const struct json *config;
	es_err *err;

	ES_TRY(client_get(c, client_path(c, "/containers/%s/json", a->name), NULL, &doc));
	config = json_get(doc, "Config");
	if (!a->start)
		ES_TRY(check_state(doc));
	session_init(&s, c, json_str(json_get(doc, "Id")), json_bool(json_get(config, "Tty"), false));
	s.stream.with_stdin = a->with_stdin && json_bool(json_get(config, "OpenStdin"), false);
	s.stream.with_stdout = s.stream.with_stderr = true;
	s.sig_proxy = a->sig_proxy && !s.tty;
	ES_TRY(attach_check_tty(s.stream.with_stdin && !a->start, s.tty));
	err = run_session(c, a, &s, doc);
	session_done(&s);
	return err;
}

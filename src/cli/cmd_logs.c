/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_logs.c: estiba logs. */
#include "cli/stream.h"
#include "cli/when.h"

struct values {
	bool details, follow, timestamps;
	const char *since, *until, *tail;
};

static const struct opt options[] = {
	O_BOOL(struct values, details, "details", 0, .help = "Show the attributes that the log driver keeps"),
	O_BOOL(struct values, follow, "follow", 'f', .help = "Go on with what comes"),
	O_STR(struct values, since, "since", 0, .help = "From a time (2013-01-02T13:23:37Z) or for a while (42m) on"),
	O_STR(struct values, tail, "tail", 'n', .def = "all", .help = "How many lines from the end"),
	O_BOOL(struct values, timestamps, "timestamps", 't', .help = "Show when each line was written"),
	O_STR(struct values, until, "until", 0, .help = "Up to a time (2013-01-02T13:23:37Z) or a while ago (42m)"),
	O_END,
};

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	struct client_request r = { .method = "GET" };
	es_autobuf query = QUERY;
	struct http_head head;
	struct json *doc;
	const char *since, *until;

	ES_TRY(client_get(c, client_path(c, "/containers/%s/json", c->args[0]), NULL, &doc));
	ES_TRY(es_err_in(when_parse(c->arena, v->since, &since), "invalid value for \"since\""));
	ES_TRY(es_err_in(when_parse(c->arena, v->until, &until), "invalid value for \"until\""));
	query_add_bool(&query, "stdout", true);
	query_add_bool(&query, "stderr", true);
	query_add(&query, "since", since);
	query_add(&query, "until", until);
	query_add_bool(&query, "timestamps", v->timestamps);
	query_add_bool(&query, "details", v->details);
	query_add_bool(&query, "follow", v->follow);
	query_add(&query, "tail", v->tail);
	r.path = client_path(c, "/containers/%s/logs", json_str(json_get(doc, "Id")));
	r.query = es_buf_str(&query);
	ES_TRY(client_send(c, &r, &head));
	return stream_copy_body(client_http(c), json_bool(json_get(json_get(doc, "Config"), "Tty"), false));
}

const struct cmd cmd_logs = {
	.paths = "container logs, logs",
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Show what a container wrote",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

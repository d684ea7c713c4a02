/* SPDX-License-Identifier: Apache-2.0 */
/* client.c: requests to the daemon: which socket, which API version, and its errors as docker words them. */
#include "cli/client.h"

#include "cli/config.h"
#include "cli/demand.h"
#include "cli/sshdial.h"
#include "base/file.h"

struct client {
	struct http_client *http;
	const char *host;     /* "unix:///run/estiba.sock" */
	const char *api;      /* NULL until known */
	bool own_default;     /* nobody named a daemon: ours is started on demand */
};

#define DEFAULT_TCP_PORT "2375"
#define SOCKET_HOST_HEADER "api.estiba" /* where the URL names no host */

/* Which daemon. */

static es_err *host_checked(struct cli *c, const char *host, const char **ret)
{
	static const char *const schemes[] = { "unix://", "tcp://", "ssh://", "http://", "https://", "fd://", NULL };

	if (!strstr(host, "://")) {
		*ret = arena_printf(c->arena, "tcp://%s", host);
		return NULL;
	}
	for (const char *const *s = schemes; *s; s++) {
		if (str_starts(host, *s)) {
			*ret = host;
			return NULL;
		}
	}
	return es_err_new(ES_E_INVALID, "unable to resolve docker endpoint: invalid bind address format: %s", host);
}

/* A root's daemon serves everybody it lets in; others fall back on their own one. */
static const char *default_host(struct cli *c)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0 || str_empty(runtime_dir) || access(DEMAND_SOCKET, R_OK | W_OK) == 0)
		return "unix://" DEMAND_SOCKET;
	return arena_printf(c->arena, "unix://%s/estiba.sock", runtime_dir);
}

es_err *client_context(struct cli *c, const char **ret)
{
	const char *name = c->globals.context;

	if (name && c->globals.hosts)
		return es_err_new(ES_E_INVALID, "conflicting options: cannot specify both --host and --context");
	if (str_empty(name) && (c->globals.hosts || !str_empty(getenv("DOCKER_HOST"))))
		name = "default";
	if (str_empty(name))
		name = getenv("DOCKER_CONTEXT");
	if (str_empty(name))
		name = json_str(json_get(config_get(c), "currentContext"));
	*ret = str_empty(name) ? "default" : name;
	return NULL;
}

es_err *client_host(struct cli *c, const char **ret)
{
	const char *context, *env = getenv("DOCKER_HOST");

	if (strv_len(c->globals.hosts) > 1)
		return es_err_new(ES_E_INVALID, "unable to resolve docker endpoint: Specify only one -H");
	ES_TRY(client_context(c, &context));
	if (!str_eq(context, "default"))
		return es_err_in(config_context_host(c, context, ret), "unable to resolve docker endpoint");
	if (c->globals.hosts)
		return host_checked(c, c->globals.hosts[0], ret);
	if (!str_empty(env))
		return host_checked(c, env, ret);
	*ret = default_host(c);
	return NULL;
}

bool client_is_own_default(struct cli *c)
{
	const char *context;
	es_err *err = client_context(c, &context);

	if (err) {
		es_err_free(err);
		return false;
	}
	return !c->globals.hosts && str_empty(getenv("DOCKER_HOST")) && str_eq(context, "default");
}

/* Connecting. */

static es_err *connect_error(const struct client *client, es_err *err)
{
	int errnum = es_err_errno(err);

	if (errnum == EACCES || errnum == EPERM) {
		es_err_free(err);
		return es_err_new(ES_E_FORBIDDEN,
				  "permission denied while trying to connect to the Docker daemon socket at %s%s", client->host,
				  client->own_default ? ": it belongs to the daemon of root, with the store " DEMAND_DATA_ROOT
							"; ask for membership in its group, or start your own estibad" :
							"");
	}
	es_err_free(err);
	return es_err_new(ES_E_UNAVAILABLE, "Cannot connect to the Docker daemon at %s. Is the docker daemon running?",
			  client->host);
}

static es_err *refuse_transport(struct cli *c, const char *host)
{
	if (c->globals.tls || c->globals.tls_verify || !str_empty(getenv("DOCKER_TLS_VERIFY")) || str_starts(host, "https://")) {
		const char *ca = c->globals.tls_ca ? c->globals.tls_ca : arena_printf(c->arena, "%s/ca.pem", config_dir(c));

		if (access(ca, R_OK) < 0)
			return es_err_new(ES_E_INVALID, "unable to resolve docker endpoint: open %s: no such file or directory", ca);
		return es_err_new(ES_E_UNSUPPORTED, "unable to resolve docker endpoint: this build has no TLS: use unix:// or tcp://");
	}
	if (str_starts(host, "fd://"))
		return es_err_new(ES_E_UNSUPPORTED, "unable to resolve docker endpoint: %s is not supported: use unix://, tcp:// or ssh://", host);
	return NULL;
}

static es_err *init_client(struct cli *c)
{
	struct client *client;
	const char *host;

	if (c->client)
		return NULL;
	ES_TRY(es_err_in(client_host(c, &host), "Failed to initialize"));
	ES_TRY(es_err_in(refuse_transport(c, host), "Failed to initialize"));
	client = ARENA_NEW(c->arena, struct client);
	client->host = host;
	client->own_default = client_is_own_default(c);
	c->client = client;
	return NULL;
}

static es_err *connect_host(const struct client *client, struct http_client **ret)
{
	if (str_starts(client->host, "ssh://"))
		return http_client_dial(sshdial, (void *)(uintptr_t)client->host, SOCKET_HOST_HEADER, ret);
	return http_client_open(client->host, DEFAULT_TCP_PORT, str_starts(client->host, "unix://") ? SOCKET_HOST_HEADER : NULL, ret);
}

static es_err *open_http(struct cli *c, struct http_client **ret)
{
	struct client *client = c->client;
	es_err *err = connect_host(client, ret);

	if (err && client->own_default && demand_may_start(es_err_errno(err))) {
		es_err_free(err);
		cli_log(c, CLI_LOG_DEBUG, "nobody listens on %s: starting estibad", client->host);
		ES_TRY(demand_start(str_after(client->host, "unix://")));
		err = connect_host(client, ret);
	}
	if (err && es_err_class(err) == ES_E_INVALID)
		return err;
	return err ? connect_error(client, err) : NULL;
}

es_err *client_dial(struct cli *c, int *ret_in, int *ret_out)
{
	struct http_client *http;
	char *head;
	size_t len;

	ES_TRY(init_client(c));
	ES_TRY(open_http(c, &http));
	http_client_hijack(http, ret_in, ret_out, &head, &len); /* nothing was asked: nothing was answered */
	free(head);
	http_client_free(http);
	return NULL;
}

/* Our own daemon leaves when it is idle, perhaps while we connect: what it did not read is sent once more, if need be to a
 * daemon started for it. A request that it may have read is not. */
static es_err *ask(struct cli *c, struct http_client *http, const struct http_request *req, struct http_head *ret)
{
	const char *path = str_after(c->client->host, "unix://");
	bool repeatable = c->client->own_default && path && !req->body.from_fd && !req->body.read;
	es_err *err = http_client_do(http, c->arena, req, ret);

	if (!err || !repeatable || es_err_errno(err) != ECONNRESET)
		return err;
	es_err_free(err);
	cli_log(c, CLI_LOG_DEBUG, "%s was closed unanswered: trying again", path);
	err = http_client_do(http, c->arena, req, ret);
	if (!err || !demand_may_start(es_err_errno(err)))
		return err;
	es_err_free(err);
	ES_TRY(demand_start(path));
	return http_client_do(http, c->arena, req, ret);
}

void client_free(struct client *client)
{
	if (client)
		http_client_free(client->http);
}

struct http_client *client_http(struct cli *c)
{
	return c->client->http;
}

/* The version: ours when the daemon is ours, else the older of the two. */

static int minor_of(const char *version)
{
	const char *dot = version ? strchr(version, '.') : NULL;

	return dot ? atoi(dot + 1) : 0;
}

static const struct http_request ping = { .method = "HEAD", .target = "/_ping" };

static es_err *negotiate(struct cli *c)
{
	struct client *client = c->client;
	const char *env = getenv("DOCKER_API_VERSION"), *theirs;
	struct http_head head;
	es_err *err;

	if (!str_empty(env) || client->own_default) {
		client->api = str_empty(env) ? CLIENT_API_MAX : env;
		return NULL;
	}
	err = ask(c, client->http, &ping, &head);
	if (err)
		return connect_error(client, err);
	theirs = http_field_get(&head, "Api-Version");
	client->api = theirs && minor_of(theirs) < minor_of(CLIENT_API_MAX) ? theirs : CLIENT_API_MAX;
	return NULL;
}

static es_err *ready(struct cli *c)
{
	ES_TRY(init_client(c));
	if (!c->client->http)
		ES_TRY(open_http(c, &c->client->http));
	if (!c->client->api)
		ES_TRY(negotiate(c));
	return NULL;
}

es_err *client_api(struct cli *c, const char **ret)
{
	ES_TRY(ready(c));
	*ret = c->client->api;
	return NULL;
}

bool client_api_at_least(struct cli *c, int minor)
{
	const char *api;
	es_err *err = client_api(c, &api);

	if (err) {
		es_err_free(err);
		return true; /* the request itself will tell */
	}
	return minor_of(api) >= minor;
}

/* Queries and paths. */

void query_add(struct es_buf *q, const char *name, const char *value)
{
	if (str_empty(value))
		return;
	if (q->len)
		es_buf_addc(q, '&');
	es_buf_printf(q, "%s=", name);
	http_escape(q, value);
}

void query_add_bool(struct es_buf *q, const char *name, bool value)
{
	query_add(q, name, value ? "1" : NULL);
}

es_err *query_add_filters(struct cli *c, struct es_buf *q, char *const *items)
{
	struct json *filters = json_new_object(c->arena);
	es_autobuf text = ES_BUF(CLIENT_REPLY_MAX);

	for (; items && *items; items++) {
		const char *eq = strchr(*items, '=');
		struct json *values;
		char *name;

		if (!**items)
			continue;
		if (!eq)
			return es_err_new(ES_E_INVALID, "invalid argument \"%s\" for \"-f, --filter\" flag: bad format of filter (expected name=value)", *items);
		name = str_lower(str_trim(arena_strndup(c->arena, *items, (size_t)(eq - *items))));
		values = json_get(filters, name);
		if (!values) {
			values = json_new_object(c->arena);
			json_set(c->arena, filters, name, values);
		}
		json_set_bool(c->arena, values, str_trim(arena_strdup(c->arena, eq + 1)), true);
	}
	if (filters->n)
		json_write(&text, filters, 0);
	query_add(q, "filters", es_buf_str(&text));
	return NULL;
}

char *client_path(struct cli *c, const char *fmt, ...)
{
	es_autobuf out = ES_BUF(CLIENT_REPLY_MAX);
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (fmt[0] == '%' && fmt[1] == 's') {
			http_escape(&out, va_arg(ap, const char *));
			fmt++;
		} else {
			es_buf_addc(&out, *fmt);
		}
	}
	va_end(ap);
	return arena_strdup(c->arena, es_buf_str(&out));
}

/* Requests. */

static enum es_err_class class_of(int status)
{
	static const struct {
		int status;
		enum es_err_class class;
	} rows[] = {
		{ 400, ES_E_INVALID },	 { 401, ES_E_UNAUTHORIZED }, { 403, ES_E_FORBIDDEN },  { 404, ES_E_NOT_FOUND },
		{ 409, ES_E_CONFLICT },	 { 501, ES_E_UNSUPPORTED },  { 503, ES_E_UNAVAILABLE },
	};
	for (size_t i = 0; i < ES_N(rows); i++)
		if (rows[i].status == status)
			return rows[i].class;
	return ES_E_INTERNAL;
}

static es_err *error_of(struct cli *c, struct http_client *http, const struct http_head *head, const char *path)
{
	es_autofree char *text = NULL;
	struct json *doc = NULL;
	const char *message;
	size_t len;

	ES_TRY(http_client_read_all(http, CLIENT_REPLY_MAX, &text, &len));
	es_err_drop(json_parse(c->arena, text, len, &doc));
	message = json_str(json_get(doc, "message"));
	message = str_trim(message ? arena_strdup(c->arena, message) : text);
	if (!*message)
		return es_err_new(class_of(head->status),
				  "request returned %s for API route and version %s, check if the server supports the requested API version",
				  http_reason(head->status), path);
	return es_err_new(class_of(head->status), "Error response from daemon: %s", message);
}

static es_err *send_on(struct cli *c, struct http_client *http, const struct client_request *r, struct http_head *ret)
{
	struct http_field fields[6];
	struct http_request req = { .method = r->method, .fields = fields, .body = r->source };
	es_autobuf body = ES_BUF(CLIENT_REPLY_MAX);
	es_err *err;

	fields[req.n_fields++] = (struct http_field){ "User-Agent", "Docker-Client/estiba-" ESTIBA_VERSION " (linux)" };
	req.target = arena_printf(c->arena, "/v%s%s%s%s", c->client->api, r->path, str_empty(r->query) ? "" : "?",
				  r->query ? r->query : "");
	if (r->json) {
		json_write(&body, r->json, 0);
		req.body = (struct http_source){ .bytes = es_buf_str(&body), .len = body.len };
		fields[req.n_fields++] = (struct http_field){ "Content-Type", "application/json" };
	} else if (r->content_type) {
		fields[req.n_fields++] = (struct http_field){ "Content-Type", r->content_type };
	}
	if (r->auth)
		fields[req.n_fields++] = (struct http_field){ "X-Registry-Auth", r->auth };
	if (r->auth_config)
		fields[req.n_fields++] = (struct http_field){ "X-Registry-Config", r->auth_config };
	if (r->upgrade)
		req.upgrade = "tcp";
	cli_log(c, CLI_LOG_DEBUG, "%s %s on %s", req.method, req.target, c->client->host);
	if (c->client->own_default && (r->source.from_fd || r->source.read)) {
		err = ask(c, http, &ping, ret); /* the body cannot be sent twice: first see that somebody reads */
		if (err)
			return connect_error(c->client, err);
	}
	err = ask(c, http, &req, ret);
	if (err && es_err_class(err) == ES_E_UNAVAILABLE)
		return connect_error(c->client, err);
	ES_TRY(err);
	return ret->status >= 400 ? error_of(c, http, ret, req.target) : NULL;
}

es_err *client_send(struct cli *c, const struct client_request *r, struct http_head *ret)
{
	ES_TRY(ready(c));
	return send_on(c, c->client->http, r, ret);
}

es_err *client_send_apart(struct cli *c, const struct client_request *r, struct http_head *ret, struct http_client **ret_http)
{
	struct http_client *http;
	es_err *err;

	ES_TRY(ready(c));
	ES_TRY(open_http(c, &http));
	err = send_on(c, http, r, ret);
	if (err) {
		http_client_free(http);
		return err;
	}
	*ret_http = http;
	return NULL;
}

es_err *client_call(struct cli *c, const char *method, const char *path, const char *query, const struct json *body,
		    struct json **ret)
{
	const struct client_request r = { .method = method, .path = path, .query = query, .json = body };
	struct http_head head;
	es_autofree char *text = NULL;
	size_t len;

	ES_TRY(client_send(c, &r, &head));
	ES_TRY(http_client_read_all(c->client->http, CLIENT_REPLY_MAX, &text, &len));
	if (!ret)
		return NULL;
	*ret = NULL;
	return len ? es_err_in(json_parse(c->arena, text, len, ret), "answer of the daemon") : NULL;
}

es_err *client_get(struct cli *c, const char *path, const char *query, struct json **ret)
{
	return client_call(c, "GET", path, query, NULL, ret);
}

es_err *client_post(struct cli *c, const char *path, const char *query)
{
	return client_call(c, "POST", path, query, NULL, NULL);
}

es_err *client_own(es_err *err, const char *what)
{
	if (!err || es_err_class(err) != ES_E_NOT_FOUND || (!strstr(es_err_text(err), "page not found") && !strstr(es_err_text(err), "Not Found")))
		return err;
	es_err_free(err);
	return es_err_new(ES_E_UNSUPPORTED, "this daemon %s: it is not estibad, or an older one", what);
}

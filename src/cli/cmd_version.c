/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_version.c: estiba version, and --version. */
#include <sys/utsname.h>
#include <time.h>

#include "cli/client.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/version.h"
#include "codec/gotmpl.h"

struct values {
	const char *format;
};

static const struct opt options[] = {
	O_STR(struct values, format, "format", 'f', .help = "How to print: 'json', or a Go template"),
	O_END,
};

/* Scripts compare docker's number, so called "docker" we tell it, and who we are as the build. */
void version_print_short(const struct cli *c)
{
	if (str_eq(c->prog, "docker"))
		cli_printf("Docker version %s, build estiba-%s\n", VERSION_OF_DOCKER, ESTIBA_VERSION);
	else
		cli_printf("estiba version %s\n", ESTIBA_VERSION);
}

/* Go's word for the machine. */
static const char *go_arch(void)
{
	static const struct {
		const char *machine, *arch;
	} rows[] = { { "x86_64", "amd64" }, { "aarch64", "arm64" } };
	static const char other[] = "unknown";
	struct utsname u;

	if (uname(&u) < 0)
		return other;
	for (size_t i = 0; i < ES_N(rows); i++)
		if (str_eq(rows[i].machine, u.machine))
			return rows[i].arch;
	return other;
}

/* "2026-08-13T05:35:48.000000000+00:00" as "Thu Aug 13 05:35:48 2026"; anything else as it is. */
static const char *readable_time(struct cli *c, const char *text)
{
	struct tm tm = { 0 };
	char out[64];
	time_t t;

	if (!text || !strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
		return text ? text : "";
	t = timegm(&tm);
	gmtime_r(&t, &tm); /* for the day of the week */
	strftime(out, sizeof out, "%a %b %e %H:%M:%S %Y", &tm);
	return arena_strdup(c->arena, out);
}

static es_err *client_part(struct cli *c, struct json *out, const char *api)
{
	const char *context;

	ES_TRY(client_context(c, &context));
	json_set_str(c->arena, out, "Version", ESTIBA_VERSION);
	json_set_str(c->arena, out, "ApiVersion", api ? api : CLIENT_API_MAX);
	json_set_str(c->arena, out, "DefaultAPIVersion", CLIENT_API_MAX);
	json_set_str(c->arena, out, "GitCommit", "");
	json_set_str(c->arena, out, "GoVersion", "");
	json_set_str(c->arena, out, "Os", "linux");
	json_set_str(c->arena, out, "Arch", go_arch());
	json_set_str(c->arena, out, "BuildTime", "");
	json_set_str(c->arena, out, "Context", context);
	return NULL;
}

static const char *str(const struct json *doc, const char *key)
{
	const char *s = json_str(json_get(doc, key));

	return s ? s : "";
}

static void put_client(struct cli *c, const struct json *client, struct es_buf *out)
{
	const char *api = str(client, "ApiVersion"), *max = str(client, "DefaultAPIVersion");

	es_buf_printf(out, "Client:\n Version:\t%s\n API version:\t%s", str(client, "Version"), api);
	if (!str_eq(api, max))
		es_buf_printf(out, " (downgraded from %s)", max);
	es_buf_printf(out, "\n OS/Arch:\t%s/%s\n Context:\t%s\n", str(client, "Os"), str(client, "Arch"), str(client, "Context"));
}

/* One component with its details, docker's engine in its own order. */
static void put_component(struct cli *c, const struct json *component, struct es_buf *out)
{
	const struct json *d = json_get(component, "Details");

	es_buf_printf(out, " %s:\n  Version:\t%s\n", str(component, "Name"), str(component, "Version"));
	if (json_get(d, "ApiVersion")) {
		es_buf_printf(out, "  API version:\t%s (minimum version %s)\n", str(d, "ApiVersion"), str(d, "MinAPIVersion"));
		if (*str(d, "GoVersion"))
			es_buf_printf(out, "  Go version:\t%s\n", str(d, "GoVersion"));
		es_buf_printf(out, "  Git commit:\t%s\n  Built:\t%s\n  OS/Arch:\t%s/%s\n  Experimental:\t%s\n", str(d, "GitCommit"),
			      readable_time(c, str(d, "BuildTime")), str(d, "Os"), str(d, "Arch"), str(d, "Experimental"));
		return;
	}
	JSON_EACH(detail, d)
		es_buf_printf(out, "  %s:\t%s\n", detail->key, json_str(detail) ? json_str(detail) : "");
}

static void put_text(struct cli *c, const struct json *client, const struct json *server, struct es_buf *out)
{
	es_autobuf lines = ES_BUF(CLI_TEXT_MAX);
	const char *platform = str(json_get(server, "Platform"), "Name");

	put_client(c, client, &lines);
	if (server) {
		es_buf_printf(&lines, "\nServer:%s%s\n", *platform ? " " : "", platform);
		JSON_EACH(component, json_get(server, "Components"))
			put_component(c, component, &lines);
	}
	table_align(es_buf_str(&lines), 20, 1, out);
}

/* Go calls the fields otherwise than JSON does; templates may use either name. */
static void add_go_names(struct cli *c, struct json *part)
{
	const char *api = json_str(json_get(part, "ApiVersion"));

	if (api)
		json_set_str(c->arena, part, "APIVersion", api);
}

static es_err *print_template(struct cli *c, const char *format, struct json *client, struct json *server)
{
	struct json *doc = json_new_object(c->arena);
	const struct gotmpl_type type = { .name = "system.versionInfo" };
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);
	struct gotmpl *t;
	es_err *err;

	if (str_eq(format, "json"))
		format = "{{json .}}";
	json_set(c->arena, doc, "Client", client);
	if (!server)
		server = json_new_null(c->arena);
	json_set(c->arena, doc, "Server", server);
	if (!strstr(format, "json"))
		add_go_names(c, client), add_go_names(c, server);
	format = format_unescape(c, format);
	err = gotmpl_parse(c->arena, "version", format, strlen(format), &t);
	if (err) {
		c->status = CLI_STATUS_TEMPLATE;
		return es_err_in(err, "template parsing error");
	}
	err = gotmpl_exec(t, &(struct gotmpl_env){ .type = &type }, doc, &out);
	es_buf_addc(&out, '\n');
	cli_out(&out);
	return err;
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	struct json *client = json_new_object(c->arena), *server = NULL;
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);
	const char *api = NULL;
	es_err *err = client_api(c, &api), *late;

	if (!err)
		err = client_get(c, "/version", NULL, &server);
	late = client_part(c, client, api);
	if (!late && !str_empty(v->format))
		late = print_template(c, v->format, client, server);
	else if (!late)
		put_text(c, client, server, &out);
	cli_out(&out);
	if (err)
		cli_report(c, err);
	return late;
}

const struct cmd cmd_version = {
	.paths = "version",
	.usage = "[OPTIONS]",
	.summary = "Show the versions of the client and the daemon",
	.section = CMD_COMMON,
	.mode = OPT_INTERSPERSED,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_info.c: estiba info. */
#include "cli/client.h"
#include "cli/format.h"
#include "cli/human.h"
#include "cli/version.h"
#include "codec/gotmpl.h"

struct values {
	const char *format;
};

static const struct opt options[] = {
	O_STR(struct values, format, "format", 'f', .help = "How to print: 'json', or a Go template"),
	O_END,
};

static const char *str(const struct json *doc, const char *key)
{
	const char *s = json_str(json_get(doc, key));

	return s ? s : "";
}

/* What a line shows of a member. */
enum info_kind { INFO_STR, INFO_INT, INFO_BOOL, INFO_BYTES, INFO_NONEMPTY };

struct info_row {
	const char *title, *key;
	enum info_kind kind;
};

static void put_rows(struct cli *c, const struct json *doc, const struct info_row *rows, size_t n, struct es_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct json *v = json_get(doc, rows[i].key);

		switch (rows[i].kind) {
		case INFO_STR:
			es_buf_printf(out, " %s: %s\n", rows[i].title, json_str(v) ? json_str(v) : "");
			break;
		case INFO_NONEMPTY:
			if (!str_empty(json_str(v)))
				es_buf_printf(out, " %s: %s\n", rows[i].title, json_str(v));
			break;
		case INFO_INT:
			es_buf_printf(out, " %s: %lld\n", rows[i].title, (long long)json_i64(v, 0));
			break;
		case INFO_BOOL:
			es_buf_printf(out, " %s: %s\n", rows[i].title, json_bool(v, false) ? "true" : "false");
			break;
		case INFO_BYTES:
			es_buf_printf(out, " %s: %s\n", rows[i].title, human_bytes(c->arena, (double)json_i64(v, 0)));
			break;
		}
	}
}

static void put_list(const char *title, const struct json *array, struct es_buf *out)
{
	es_buf_printf(out, "  %s:", title);
	JSON_EACH(item, array)
		es_buf_printf(out, " %s", json_str(item) ? json_str(item) : "");
	es_buf_addc(out, '\n');
}

static void put_storage(const struct json *doc, struct es_buf *out)
{
	es_buf_printf(out, " Storage Driver: %s\n", str(doc, "Driver"));
	JSON_EACH(pair, json_get(doc, "DriverStatus"))
		es_buf_printf(out, "  %s: %s\n", json_str(json_at(pair, 0)), json_str(json_at(pair, 1)));
}

static void put_plugins(const struct json *doc, struct es_buf *out)
{
	const struct json *plugins = json_get(doc, "Plugins");

	es_buf_adds(out, " Plugins:\n");
	put_list("Volume", json_get(plugins, "Volume"), out);
	put_list("Network", json_get(plugins, "Network"), out);
	if (json_get(plugins, "Authorization") && json_get(plugins, "Authorization")->n)
		put_list("Authorization", json_get(plugins, "Authorization"), out);
	put_list("Log", json_get(plugins, "Log"), out);
	es_buf_printf(out, " Swarm: %s\n", str(json_get(doc, "Swarm"), "LocalNodeState"));
}

static void put_runtimes(const struct json *doc, struct es_buf *out)
{
	es_autostrv names = NULL;

	JSON_EACH(runtime, json_get(doc, "Runtimes"))
		strv_add(&names, runtime->key);
	strv_sort(names);
	es_buf_adds(out, " Runtimes:");
	for (size_t i = 0; i < strv_len(names); i++)
		es_buf_printf(out, " %s", names[i]);
	es_buf_printf(out, "\n Default Runtime: %s\n Init Binary: %s\n", str(doc, "DefaultRuntime"), str(doc, "InitBinary"));
	es_buf_printf(out, " containerd version: %s\n runc version: %s\n init version: %s\n", str(json_get(doc, "ContainerdCommit"), "ID"),
		      str(json_get(doc, "RuncCommit"), "ID"), str(json_get(doc, "InitCommit"), "ID"));
}

/* "name=seccomp,profile=builtin" */
static void put_security(struct cli *c, const struct json *doc, struct es_buf *out)
{
	const struct json *all = json_get(doc, "SecurityOptions");

	if (!all || !all->n)
		return;
	es_buf_adds(out, " Security Options:\n");
	JSON_EACH(option, all)
	{
		es_autostrv parts = strv_split(json_str(option) ? json_str(option) : "", ',');

		for (size_t i = 0; i < strv_len(parts); i++) {
			char *value = strchr(parts[i], '=');

			if (!value)
				continue;
			*value++ = '\0';
			if (str_eq(parts[i], "name"))
				es_buf_printf(out, "  %s\n", value);
			else
				es_buf_printf(out, "   %c%s: %s\n", parts[i][0] & ~0x20, parts[i] + 1, value);
		}
	}
}

static void put_registries(const struct json *doc, struct es_buf *out)
{
	const struct json *config = json_get(doc, "RegistryConfig"), *mirrors = json_get(config, "Mirrors");
	const struct json *indexes = json_get(config, "IndexConfigs"), *ranges = json_get(config, "InsecureRegistryCIDRs");
	es_autobuf insecure = ES_BUF(CLI_TEXT_MAX);

	JSON_EACH(index, indexes)
		if (!json_bool(json_get(index, "Secure"), true))
			es_buf_printf(&insecure, "  %s\n", index->key);
	JSON_EACH(range, ranges)
		es_buf_printf(&insecure, "  %s\n", json_str(range) ? json_str(range) : "");
	if (insecure.len)
		es_buf_printf(out, " Insecure Registries:\n%s", es_buf_str(&insecure));
	if (mirrors && mirrors->n)
		es_buf_adds(out, " Registry Mirrors:\n");
	JSON_EACH(mirror, mirrors)
		es_buf_printf(out, "  %s\n", json_str(mirror) ? json_str(mirror) : "");
}

static void put_labels(const struct json *doc, struct es_buf *out)
{
	const struct json *labels = json_get(doc, "Labels");

	if (!labels || !labels->n)
		return;
	es_buf_adds(out, " Labels:\n");
	JSON_EACH(label, labels)
		es_buf_printf(out, "  %s\n", json_str(label) ? json_str(label) : "");
}

static void put_server(struct cli *c, const struct json *doc, struct es_buf *out)
{
	static const struct info_row head[] = {
		{ "Containers", "Containers", INFO_INT }, { " Running", "ContainersRunning", INFO_INT },
		{ " Paused", "ContainersPaused", INFO_INT }, { " Stopped", "ContainersStopped", INFO_INT },
		{ "Images", "Images", INFO_INT }, { "Server Version", "ServerVersion", INFO_STR },
	};
	static const struct info_row drivers[] = {
		{ "Logging Driver", "LoggingDriver", INFO_STR },
		{ "Cgroup Driver", "CgroupDriver", INFO_STR },
		{ "Cgroup Version", "CgroupVersion", INFO_NONEMPTY },
	};
	static const struct info_row machine[] = {
		{ "Kernel Version", "KernelVersion", INFO_STR }, { "Operating System", "OperatingSystem", INFO_STR },
		{ "OSType", "OSType", INFO_STR }, { "Architecture", "Architecture", INFO_STR }, { "CPUs", "NCPU", INFO_INT },
		{ "Total Memory", "MemTotal", INFO_BYTES }, { "Name", "Name", INFO_STR }, { "ID", "ID", INFO_STR },
		{ "Docker Root Dir", "DockerRootDir", INFO_STR }, { "Debug Mode", "Debug", INFO_BOOL },
	};
	static const struct info_row proxies[] = {
		{ "HTTP Proxy", "HttpProxy", INFO_NONEMPTY },
		{ "HTTPS Proxy", "HttpsProxy", INFO_NONEMPTY },
		{ "No Proxy", "NoProxy", INFO_NONEMPTY },
	};
	static const struct info_row experimental[] = { { "Experimental", "ExperimentalBuild", INFO_BOOL } };
	static const struct info_row live[] = { { "Live Restore Enabled", "LiveRestoreEnabled", INFO_BOOL } };

	put_rows(c, doc, head, ES_N(head), out);
	put_storage(doc, out);
	put_rows(c, doc, drivers, ES_N(drivers), out);
	put_plugins(doc, out);
	put_runtimes(doc, out);
	put_security(c, doc, out);
	put_rows(c, doc, machine, ES_N(machine), out);
	put_rows(c, doc, proxies, ES_N(proxies), out);
	put_labels(doc, out);
	put_rows(c, doc, experimental, ES_N(experimental), out);
	put_registries(doc, out);
	put_rows(c, doc, live, ES_N(live), out);
	es_buf_addc(out, '\n');
}

static es_err *print_text(struct cli *c, const struct json *doc, const char *context, es_err *err)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);

	es_buf_printf(&out, "Client:\n Version:    %s\n Context:    %s\n Debug Mode: %s\n\nServer:\n", ESTIBA_VERSION, context,
		      c->globals.debug ? "true" : "false");
	if (doc)
		put_server(c, doc, &out);
	cli_out(&out);
	if (err) {
		cli_warn("%s", es_err_text(err));
		es_err_free(err);
		return es_err_new(ES_E_UNAVAILABLE, "errors pretty printing info");
	}
	JSON_EACH(warning, json_get(doc, "Warnings"))
		cli_warn("%s", json_str(warning) ? json_str(warning) : "");
	return NULL;
}

static es_err *print_template(struct cli *c, const char *format, struct json *doc, const char *context)
{
	const struct gotmpl_type type = { .name = "system.dockerInfo" };
	struct json *client = json_new_object(c->arena);
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);
	struct gotmpl *t;
	es_err *err;

	format = str_eq(format, "json") ? "{{json .}}" : format_unescape(c, format);
	json_set_bool(c->arena, client, "Debug", c->globals.debug);
	json_set_str(c->arena, client, "Version", ESTIBA_VERSION);
	json_set_str(c->arena, client, "Context", context);
	json_set(c->arena, client, "Plugins", json_new_array(c->arena));
	json_set(c->arena, client, "Warnings", json_new_null(c->arena));
	json_set(c->arena, doc, "ClientInfo", client);
	err = gotmpl_parse(c->arena, "", format, strlen(format), &t);
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
	struct json *doc = NULL;
	const char *context;
	es_err *err;

	ES_TRY(client_context(c, &context));
	err = client_get(c, "/info", NULL, &doc);
	if (str_empty(v->format))
		return print_text(c, doc, context, err);
	ES_TRY(err);
	return print_template(c, v->format, doc, context);
}

const struct cmd cmd_info = {
	.paths = "system info, info",
	.usage = "[OPTIONS]",
	.summary = "Show what the daemon is, has and can",
	.section = CMD_COMMON,
	.mode = OPT_INTERSPERSED,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

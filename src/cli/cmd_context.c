/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_context.c: estiba context: ls, show, use, inspect, create, update, rm. */
#include <dirent.h>
#include <fcntl.h>

#include "base/file.h"
#include "cli/client.h"
#include "cli/config.h"
#include "cli/format.h"
#include "cli/inspect.h"

struct values {
	bool force, quiet;
	const char *description, *format, *from;
	char **docker;
};

#define DEFAULT_DESCRIPTION "Current DOCKER_HOST based configuration"

static es_err *load(struct cli *c, const char *path, struct json **ret)
{
	es_autofree char *text = NULL;
	size_t len;

	ES_TRY(file_read(AT_FDCWD, path, CONFIG_MAX, &text, &len));
	return json_parse(c->arena, text, len, ret);
}

/* The default context as a document like those on disk. */
static es_err *default_document(struct cli *c, struct json **ret)
{
	struct json *doc = json_new_object(c->arena), *metadata = json_new_object(c->arena), *endpoints = json_new_object(c->arena);
	struct json *docker = json_new_object(c->arena), *storage = json_new_object(c->arena);
	const char *env = getenv("DOCKER_HOST"), *host = "unix:///run/estiba.sock";

	if (c->globals.hosts)
		host = c->globals.hosts[0];
	else if (!str_empty(env))
		host = env;
	json_set_str(c->arena, docker, "Host", host);
	json_set_bool(c->arena, docker, "SkipTLSVerify", false);
	json_set(c->arena, endpoints, "docker", docker);
	json_set_str(c->arena, doc, "Name", "default");
	json_set(c->arena, doc, "Metadata", metadata);
	json_set(c->arena, doc, "Endpoints", endpoints);
	json_set(c->arena, doc, "TLSMaterial", json_new_object(c->arena));
	json_set_str(c->arena, storage, "MetadataPath", "<IN MEMORY>");
	json_set_str(c->arena, storage, "TLSPath", "<IN MEMORY>");
	json_set(c->arena, doc, "Storage", storage);
	*ret = doc;
	return NULL;
}

static es_err *get_context(struct cli *c, const char *name, struct json **ret)
{
	const char *path = config_context_meta_path(c, name), *host;
	struct json *storage = json_new_object(c->arena);
	char *slash;

	if (str_eq(name, "default"))
		return default_document(c, ret);
	ES_TRY(config_context_host(c, name, &host)); /* docker's words when it is missing */
	ES_TRY(load(c, path, ret));
	json_set(c->arena, *ret, "TLSMaterial", json_new_object(c->arena));
	slash = arena_strdup(c->arena, path);
	*strrchr(slash, '/') = '\0';
	json_set_str(c->arena, storage, "MetadataPath", slash);
	json_set_str(c->arena, storage, "TLSPath",
		     arena_printf(c->arena, "%s/contexts/tls/%s", config_dir(c), strrchr(slash, '/') + 1));
	json_set(c->arena, *ret, "Storage", storage);
	return NULL;
}

/* ls */

static const char *get_name(const struct format_row *row)
{
	return json_str(json_get(row->doc, "Name"));
}
static const char *get_current(const struct format_row *row)
{
	return str_eq(get_name(row), row->self) ? "true" : "false";
}
static const char *get_description(const struct format_row *row)
{
	if (str_eq(get_name(row), "default"))
		return DEFAULT_DESCRIPTION;
	return json_str(json_get(json_get(row->doc, "Metadata"), "Description"));
}
static const char *get_endpoint(const struct format_row *row)
{
	return json_str(json_get(json_get(json_get(row->doc, "Endpoints"), "docker"), "Host"));
}
static const char *get_error(const struct format_row *row)
{
	return "";
}

static const struct format_column columns[] = {
	{ "Current", "", get_current },
	{ "Description", "DESCRIPTION", get_description },
	{ "DockerEndpoint", "DOCKER ENDPOINT", get_endpoint },
	{ "Error", "ERROR", get_error },
	{ "Name", "NAME", get_name },
	{ 0 }
};
static const struct format context_format = {
	.type = "*formatter.clientContextContext",
	.columns = columns,
	.table = "{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
	.quiet = "{{.Name}}",
	.bools = true,
};

static int by_name(const void *a, const void *b)
{
	return strcmp(json_str(json_get(*(const struct json *const *)a, "Name")), json_str(json_get(*(const struct json *const *)b, "Name")));
}

/* Documents of all contexts on disk, behind the default one. */
static es_err *all_contexts(struct cli *c, const struct json ***ret, size_t *ret_n)
{
	const char *dir_path = arena_printf(c->arena, "%s/contexts/meta", config_dir(c));
	const struct json **docs = ARENA_ARRAY(c->arena, const struct json *, 1024);
	struct json *first;
	DIR *dir = opendir(dir_path);
	size_t n = 0;

	ES_TRY(default_document(c, &first));
	docs[n++] = first;
	for (struct dirent *d; dir && n < 1024 && (d = readdir(dir));) {
		struct json *doc;
		es_err *err = *d->d_name == '.' ? es_err_new(ES_E_NOT_FOUND, "not a context") :
						  load(c, arena_printf(c->arena, "%s/%s/meta.json", dir_path, d->d_name), &doc);

		if (!err && json_str(json_get(doc, "Name")))
			docs[n++] = doc;
		es_err_free(err);
	}
	if (dir)
		closedir(dir);
	qsort(docs, n, sizeof *docs, by_name);
	*ret = docs;
	*ret_n = n;
	return NULL;
}

static void warn_override(struct cli *c)
{
	if (!str_empty(getenv("DOCKER_HOST")))
		cli_warn("Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the global --context flag, or unset DOCKER_HOST environment variable.");
}

static es_err *run_ls(struct cli *c)
{
	const struct values *v = c->values;
	struct format_list list = { .format = &context_format, .given = v->format, .quiet = v->quiet };
	const struct json **docs;
	const char *current;
	size_t n;

	ES_TRY(client_context(c, &current));
	list.self = arena_strdup(c->arena, current);
	ES_TRY(all_contexts(c, &docs, &n));
	ES_TRY(format_print(c, &list, docs, n));
	warn_override(c);
	return NULL;
}

static es_err *run_show(struct cli *c)
{
	const char *current;

	ES_TRY(client_context(c, &current));
	cli_puts(current);
	return NULL;
}

static es_err *run_use(struct cli *c)
{
	const char *name = c->args[0], *host;

	if (!str_eq(name, "default"))
		ES_TRY(config_context_host(c, name, &host));
	json_set_str(c->arena, config_get(c), "currentContext", str_eq(name, "default") ? "" : name);
	ES_TRY(config_save(c));
	cli_puts(name);
	if (!str_eq(name, "default"))
		warn_override(c);
	cli_warn("Current context is now \"%s\"", name);
	return NULL;
}

static es_err *run_inspect(struct cli *c)
{
	const struct values *v = c->values;
	const char *current;
	char *one[2] = { NULL, NULL };

	ES_TRY(client_context(c, &current));
	one[0] = arena_strdup(c->arena, current);
	return inspect_print(c, c->n_args ? c->args : one, v->format, get_context);
}

/* create, update, rm */

/* --docker host=…,from=… ; keys that need TLS material are refused by name. */
static es_err *endpoint(struct cli *c, const struct values *v, const char *from, struct json **ret)
{
	struct json *endpoints = json_new_object(c->arena), *docker = json_new_object(c->arena);
	const char *host = NULL;

	if (!str_empty(from)) {
		struct json *doc;

		ES_TRY(get_context(c, from, &doc));
		host = json_str(json_get(json_get(json_get(doc, "Endpoints"), "docker"), "Host"));
	}
	for (char **pair = v->docker; pair && *pair; pair++) {
		if (str_after(*pair, "host="))
			host = str_after(*pair, "host=");
		else if (str_after(*pair, "from="))
			return endpoint(c, &(struct values){ 0 }, str_after(*pair, "from="), ret);
		else
			return es_err_new(ES_E_UNSUPPORTED, "unrecognized config key: %.*s", (int)strcspn(*pair, "="), *pair);
	}
	json_set_str(c->arena, docker, "Host", host ? host : "");
	json_set_bool(c->arena, docker, "SkipTLSVerify", false);
	json_set(c->arena, endpoints, "docker", docker);
	*ret = endpoints;
	return NULL;
}

static es_err *run_create(struct cli *c)
{
	const struct values *v = c->values;
	const char *name = c->args[0];
	struct json *doc = json_new_object(c->arena), *metadata = json_new_object(c->arena), *endpoints;

	ES_TRY(config_context_check_name(name));
	if (access(config_context_meta_path(c, name), F_OK) == 0)
		return es_err_new(ES_E_CONFLICT, "context \"%s\" already exists", name);
	if (!v->docker && str_empty(v->from))
		return es_err_new(ES_E_INVALID, "docker endpoint configuration is required");
	ES_TRY(endpoint(c, v, v->from, &endpoints));
	if (!str_empty(v->description))
		json_set_str(c->arena, metadata, "Description", v->description);
	json_set_str(c->arena, doc, "Name", name);
	json_set(c->arena, doc, "Metadata", metadata);
	json_set(c->arena, doc, "Endpoints", endpoints);
	ES_TRY(config_context_save(c, name, doc));
	cli_puts(name);
	cli_warn("Successfully created context \"%s\"", name);
	return NULL;
}

static es_err *run_update(struct cli *c)
{
	const struct values *v = c->values;
	const char *name = c->args[0], *host;
	struct json *doc, *endpoints;

	ES_TRY(config_context_check_name(name));
	ES_TRY(config_context_host(c, name, &host));
	ES_TRY(load(c, config_context_meta_path(c, name), &doc));
	if (opt_seen(&c->given, "description")) {
		struct json *metadata = json_new_object(c->arena);

		json_set_str(c->arena, metadata, "Description", v->description);
		json_set(c->arena, doc, "Metadata", metadata);
	}
	if (v->docker) {
		ES_TRY(endpoint(c, v, NULL, &endpoints));
		json_set(c->arena, doc, "Endpoints", endpoints);
	}
	ES_TRY(config_context_save(c, name, doc));
	cli_puts(name);
	cli_warn("Successfully updated context \"%s\"", name);
	return NULL;
}

static es_err *remove_one(struct cli *c, const struct values *v, const char *name)
{
	const char *current, *host;
	char *dir = arena_strdup(c->arena, config_context_meta_path(c, name));
	es_err *err;

	if (str_eq(name, "default"))
		return es_err_new(ES_E_INVALID, "context \"default\" cannot be removed");
	err = config_context_host(c, name, &host);
	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return v->force ? NULL : es_err_new(ES_E_NOT_FOUND, "context \"%s\" does not exist", name);
	}
	ES_TRY(err);
	ES_TRY(client_context(c, &current));
	if (str_eq(current, name) && !v->force)
		return es_err_new(ES_E_CONFLICT, "context \"%s\" is in use, set -f flag to force remove", name);
	if (str_eq(config_str(c, "currentContext"), name)) {
		json_set_str(c->arena, config_get(c), "currentContext", "");
		ES_TRY(config_save(c));
	}
	*strrchr(dir, '/') = '\0';
	return file_remove_tree(AT_FDCWD, dir);
}

static es_err *run_rm(struct cli *c)
{
	for (char **name = c->args; *name; name++) {
		es_err *err = remove_one(c, c->values, *name);

		if (err)
			cli_report(c, err);
		else
			cli_puts(*name);
	}
	return NULL;
}

#define T struct values
static const struct opt ls_options[] = {
	O_STR(T, format, "format", 0, .help = FORMAT_HELP),
	O_BOOL(T, quiet, "quiet", 'q', .help = "Show only names"),
	O_END,
};
static const struct opt inspect_options[] = { O_STR(T, format, "format", 'f', .help = INSPECT_FORMAT_HELP), O_END };
static const struct opt create_options[] = {
	O_STR(T, description, "description", 0, .help = "What it is for"),
	O_CSV(T, docker, "docker", 0, .value_name = "stringToString", .shown = "[]", .help = "Its daemon (host=unix:///…)"),
	O_STR(T, from, "from", 0, .help = "Context to copy"),
	O_END,
};
static const struct opt update_options[] = {
	O_STR(T, description, "description", 0, .help = "What it is for"),
	O_CSV(T, docker, "docker", 0, .value_name = "stringToString", .shown = "[]", .help = "Its daemon (host=unix:///…)"),
	O_END,
};
static const struct opt rm_options[] = { O_BOOL(T, force, "force", 'f', .help = "Also the one in use"), O_END };
#undef T

#define CONTEXT(what, where, form, text, min, max, rows) \
	const struct cmd cmd_context_##what = {          \
		.paths = where,                          \
		.usage = form,                           \
		.summary = text,                         \
		.mode = OPT_INTERSPERSED,                \
		.min_args = min,                         \
		.max_args = max,                         \
		.options = rows,                         \
		.values_size = sizeof(struct values),    \
		.run = run_##what,                       \
	}
CONTEXT(ls, "context ls, context list", "[OPTIONS]", "List contexts", 0, 0, ls_options);
CONTEXT(show, "context show", NULL, "Print the name of the context in use", 0, 0, NULL);
CONTEXT(use, "context use", "CONTEXT", "Choose the context to use from now on", 1, 1, NULL);
CONTEXT(inspect, "context inspect", "[OPTIONS] [CONTEXT] [CONTEXT...]", "Show everything about contexts", 0, -1, inspect_options);
CONTEXT(create, "context create", "[OPTIONS] CONTEXT", "Make a context", 1, 1, create_options);
CONTEXT(update, "context update", "[OPTIONS] CONTEXT", "Change a context", 1, 1, update_options);
CONTEXT(rm, "context rm, context remove", "CONTEXT [CONTEXT...]", "Remove contexts", 1, -1, rm_options);

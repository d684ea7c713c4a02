/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.c: print the daemon's documents: as one indented array, or through a template each. */
#include "cli/inspect.h"

#include "cli/format.h"
#include "codec/gotmpl.h"
#include "spec/docker_ctr.h"
#include "spec/docker_image.h"

static es_err *get(struct cli *c, const char *path, const char *query, struct json **ret)
{
	return client_get(c, path, query, ret);
}

es_err *inspect_get_container(struct cli *c, const char *name, struct json **ret)
{
	return get(c, client_path(c, "/containers/%s/json", name), NULL, ret);
}

es_err *inspect_get_image(struct cli *c, const char *name, struct json **ret)
{
	return get(c, client_path(c, "/images/%s/json", name), NULL, ret);
}

es_err *inspect_get_network(struct cli *c, const char *name, struct json **ret)
{
	return get(c, client_path(c, "/networks/%s", name), NULL, ret);
}

es_err *inspect_get_volume(struct cli *c, const char *name, struct json **ret)
{
	return get(c, client_path(c, "/volumes/%s", name), NULL, ret);
}

/* What a template sees of an image's config: the members of the OCI's, then docker's three, without empty ones. */
#define T struct docker_config
#define OMIT FIELD_OMIT_EMPTY
static const struct field image_config_fields[] = {
	F_STR(T, user, "User", OMIT),
	F_SET(T, exposed_ports, "ExposedPorts", OMIT),
	F_STRV(T, env, "Env", OMIT),
	F_STRV(T, entrypoint, "Entrypoint", OMIT),
	F_STRV(T, cmd, "Cmd", OMIT),
	F_SET(T, volumes, "Volumes", OMIT),
	F_STR(T, working_dir, "WorkingDir", OMIT),
	F_STR_MAP(T, labels, "Labels", OMIT),
	F_STR(T, stop_signal, "StopSignal", OMIT),
	F_BOOL(T, args_escaped, "ArgsEscaped", OMIT),
	F_PTR(T, healthcheck, "Healthcheck", OMIT, struct docker_health_config, docker_health_config_fields),
	F_STRV(T, on_build, "OnBuild", OMIT),
	F_STRV(T, shell, "Shell", OMIT),
	F_END,
};
#undef OMIT
#undef T

/* DOC is an image's; a config that does not decode stays as it came. */
static void reduce_config(struct cli *c, struct json *doc)
{
	struct docker_config config = { 0 };
	es_err *err = field_decode(c->arena, image_config_fields, json_get(doc, "Config"), &config);

	if (!err)
		json_set(c->arena, doc, "Config", field_encode(c->arena, image_config_fields, &config));
	es_err_drop(err);
}

/* Docker runs the template on its Go struct first and, when that fails, on the document as it came, where every object is a map:
 * so do we, with our field tables as the struct. */
static es_err *print_template(struct cli *c, const struct gotmpl *t, const struct json *doc, const struct gotmpl_type *type, struct es_buf *out)
{
	const struct gotmpl_env typed = { .type = type }, raw = { .flags = GOTMPL_MISSING_KEY_ERROR };
	size_t before = out->len;
	es_err *err = type ? gotmpl_exec(t, &typed, doc, out) : es_err_new(ES_E_NOT_FOUND, "no type");

	if (err) {
		es_err_free(err);
		out->len = before;
		err = gotmpl_exec(t, &raw, doc, out);
	}
	if (err)
		out->len = before;
	es_buf_addc(out, '\n');
	return es_err_in(err, "template parsing error");
}

/* What DOC is, by members that only one kind has. */
static const struct gotmpl_type *type_of(struct cli *c, struct json *doc)
{
	static const struct gotmpl_type container = { .name = "container.InspectResponse", .rows = docker_inspect_fields };
	static const struct gotmpl_type image = { .name = "image.InspectResponse", .rows = docker_image_inspect_fields };

	if (json_get(doc, "HostConfig") && json_get(doc, "State"))
		return &container;
	if (!json_get(doc, "RootFS") || !json_get(doc, "RepoTags"))
		return NULL;
	reduce_config(c, doc);
	return &image;
}

static es_err *collect(struct cli *c, char *const *names, inspect_get getter, struct json *array)
{
	es_err *first = NULL;

	for (; *names; names++) {
		struct json *doc = NULL;
		es_err *err = getter(c, *names, &doc);

		if (err && first) {
			es_err *both = es_err_new(es_err_class(first), "%s\n%s", es_err_text(first), es_err_text(err));

			es_err_free(first);
			es_err_free(err);
			first = both;
		} else if (err) {
			first = err;
		} else if (doc) {
			json_append(array, doc);
		}
	}
	return first;
}

/* "template parsing error: …" with docker's status. */
static es_err *bad_template(struct cli *c, es_err *err)
{
	if (err)
		c->status = CLI_STATUS_TEMPLATE;
	return es_err_in(err, "template parsing error");
}

es_err *inspect_print(struct cli *c, char *const *names, const char *format, inspect_get getter)
{
	struct json *array = json_new_array(c->arena);
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);
	struct gotmpl *t = NULL;
	es_err *missing, *err = NULL;

	if (!str_empty(format) && !str_eq(format, "json"))
		ES_TRY(bad_template(c, gotmpl_parse(c->arena, "", format, strlen(format), &t)));
	missing = collect(c, names, getter, array);
	if (t) {
		JSON_EACH(doc, array)
			if (!err)
				err = print_template(c, t, doc, type_of(c, doc), &out);
		if (!array->n)
			es_buf_addc(&out, '\n');
	} else {
		if (str_eq(format, "json"))
			json_write(&out, array, JSON_W_NO_HTML_ESCAPE);
		else
			json_write_indent(&out, array, "", "    ", JSON_W_NO_HTML_ESCAPE);
		es_buf_addc(&out, '\n');
	}
	cli_out(&out);
	if (missing)
		cli_report(c, missing);
	return err;
}

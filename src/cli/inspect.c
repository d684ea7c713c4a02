/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.c: print the daemon's documents: as one indented array, or through a template each. */
#include "cli/inspect.h"

#include "cli/format.h"
#include "codec/gotmpl.h"
#include "spec/docker_ctr.h"
#include "spec/docker_image.h"
#include "spec/docker_network.h"

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
static const struct field image_config_fields[] = {
	F_STR(T, user, "User", FIELD_OMIT_EMPTY),
	F_SET(T, exposed_ports, "ExposedPorts", FIELD_OMIT_EMPTY),
	F_STRV(T, env, "Env", FIELD_OMIT_EMPTY),
	F_STRV(T, entrypoint, "Entrypoint", FIELD_OMIT_EMPTY),
	F_STRV(T, cmd, "Cmd", FIELD_OMIT_EMPTY),
	F_SET(T, volumes, "Volumes", FIELD_OMIT_EMPTY),
	F_STR(T, working_dir, "WorkingDir", FIELD_OMIT_EMPTY),
	F_STR_MAP(T, labels, "Labels", FIELD_OMIT_EMPTY),
	F_STR(T, stop_signal, "StopSignal", FIELD_OMIT_EMPTY),
	F_BOOL(T, args_escaped, "ArgsEscaped", FIELD_OMIT_EMPTY),
	F_PTR(T, healthcheck, "Healthcheck", FIELD_OMIT_EMPTY, struct docker_health_config, docker_health_config_fields),
	F_STRV(T, on_build, "OnBuild", FIELD_OMIT_EMPTY),
	F_STRV(T, shell, "Shell", FIELD_OMIT_EMPTY),
	F_END,
};
#undef T

static const struct field *image_fields(struct arena *a)
{
	size_t n = 0;
	struct field *rows;

	while (docker_image_inspect_fields[n++].name)
		continue;
	rows = ARENA_ARRAY(a, struct field, n);
	memcpy(rows, docker_image_inspect_fields, n * sizeof *rows);
	for (size_t i = 0; i + 1 < n; i++)
		if (str_eq(rows[i].name, "Config"))
			rows[i].sub = image_config_fields;
	return rows;
}

/* Kinds of documents, told by two members that no other kind has. */
struct kind {
	const char *one, *other;
	struct gotmpl_type type;
	size_t size; /* of the struct that ROWS are for */
	bool as_is;  /* the document is printed as it came */
};

static const struct kind kinds[] = {
	{ "HostConfig", "State", { .name = "container.InspectResponse", .rows = docker_inspect_fields }, sizeof(struct docker_inspect), true },
	{ "RootFS", "RepoTags", { .name = "image.InspectResponse", .rows = docker_image_inspect_fields }, sizeof(struct docker_image_inspect), false },
	{ "IPAM", "ConfigOnly", { .name = "network.Inspect", .rows = docker_network_fields }, sizeof(struct docker_network), false },
	{ "Mountpoint", "Scope", { .name = "volume.Volume", .rows = docker_volume_fields }, sizeof(struct docker_volume), false },
};

/* What *DOC is; NULL: nothing with a type of its own. *DOC becomes what the type holds of it, in the type's order. */
static const struct gotmpl_type *type_of(struct arena *a, const struct json **doc)
{
	const struct kind *kind = NULL;
	struct gotmpl_type *type = ARENA_NEW(a, struct gotmpl_type);
	void *object;
	es_err *err;

	for (size_t i = 0; i < ES_N(kinds) && !kind; i++)
		if (json_get(*doc, kinds[i].one) && json_get(*doc, kinds[i].other))
			kind = &kinds[i];
	if (!kind || kind->as_is)
		return kind ? &kind->type : NULL;
	*type = kind->type;
	if (type->rows == docker_image_inspect_fields)
		type->rows = image_fields(a);
	object = arena_alloc(a, kind->size);
	err = field_decode(a, type->rows, *doc, object);
	if (err) {
		es_err_free(err);
		return NULL;
	}
	*doc = field_encode(a, type->rows, object);
	return type;
}

/* Docker runs the template on its Go struct first and, when that fails, on the document as it came, where every object is a map:
 * so do we, with our field tables as the struct. */
static es_err *print_template(struct cli *c, const struct gotmpl *t, const struct json *doc, struct es_buf *out)
{
	const struct json *typed_doc = doc;
	const struct gotmpl_type *type = type_of(c->arena, &typed_doc);
	const struct gotmpl_env typed = { .type = type }, raw = { .flags = GOTMPL_MISSING_KEY_ERROR };
	size_t before = out->len;
	es_err *err = type ? gotmpl_exec(t, &typed, typed_doc, out) : es_err_new(ES_E_NOT_FOUND, "no type");

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
				err = print_template(c, t, doc, &out);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_inspect.c: estiba inspect, and the inspect commands of containers, images, networks and volumes. */
#include "cli/inspect.h"

struct values {
	const char *format, *type;
	bool size, verbose;
};

static const struct {
	const char *type;
	inspect_get get;
} types[] = { /* in the order they are tried */
	{ "container", inspect_get_container },
	{ "image", inspect_get_image },
	{ "network", inspect_get_network },
	{ "volume", inspect_get_volume },
};

static es_err *get_sized_container(struct cli *c, const char *name, struct json **ret)
{
	const struct values *v = c->values;

	return client_get(c, client_path(c, "/containers/%s/json", name), v->size ? "size=1" : NULL, ret);
}

static es_err *get_verbose_network(struct cli *c, const char *name, struct json **ret)
{
	const struct values *v = c->values;

	return client_get(c, client_path(c, "/networks/%s", name), v->verbose ? "verbose=true" : NULL, ret);
}

static es_err *get_any(struct cli *c, const char *name, struct json **ret)
{
	const struct values *v = c->values;

	for (size_t i = 0; i < ES_N(types); i++) {
		es_err *err;

		if (!str_empty(v->type) && !str_eq(v->type, types[i].type))
			continue;
		err = (types[i].get == inspect_get_container ? get_sized_container : types[i].get)(c, name, ret);
		if (!err || es_err_class(err) != ES_E_NOT_FOUND)
			return err;
		if (!str_empty(v->type))
			return err;
		es_err_free(err);
	}
	return es_err_new(ES_E_NOT_FOUND, "Error: No such object: %s", name);
}

static es_err *run_any(struct cli *c)
{
	const struct values *v = c->values;
	bool known = str_empty(v->type);

	for (size_t i = 0; i < ES_N(types); i++)
		known |= str_eq(v->type, types[i].type);
	if (opt_seen(&c->given, "type") && str_empty(v->type))
		return es_err_new(ES_E_INVALID, "type is empty: must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\"");
	if (!known)
		return es_err_new(ES_E_INVALID, "unknown type: \"%s\": must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\"", v->type);
	return inspect_print(c, c->args, v->format, get_any);
}

static es_err *run_container(struct cli *c)
{
	return inspect_print(c, c->args, ((const struct values *)c->values)->format, get_sized_container);
}

static es_err *run_image(struct cli *c)
{
	return inspect_print(c, c->args, ((const struct values *)c->values)->format, inspect_get_image);
}

static es_err *run_network(struct cli *c)
{
	return inspect_print(c, c->args, ((const struct values *)c->values)->format, get_verbose_network);
}

static es_err *run_volume(struct cli *c)
{
	return inspect_print(c, c->args, ((const struct values *)c->values)->format, inspect_get_volume);
}

#define ROW_FORMAT O_STR(struct values, format, "format", 'f', .help = INSPECT_FORMAT_HELP)
#define ROW_SIZE O_BOOL(struct values, size, "size", 's', .help = "Show sizes of containers too")

static const struct opt any_options[] = {
	ROW_FORMAT,
	ROW_SIZE,
	O_STR(struct values, type, "type", 0, .help = "Look only for objects of this type"),
	O_END,
};
static const struct opt container_options[] = { ROW_FORMAT, ROW_SIZE, O_END };
static const struct opt image_options[] = { ROW_FORMAT, O_END };
static const struct opt network_options[] = {
	ROW_FORMAT,
	O_BOOL(struct values, verbose, "verbose", 'v', .help = "Show more"),
	O_END,
};
static const struct opt volume_options[] = { ROW_FORMAT, O_END };

#define INSPECT(what, path, noun, title)                         \
	const struct cmd cmd_inspect_##what = {                  \
		.paths = path,                                   \
		.usage = "[OPTIONS] " noun " [" noun "...]",     \
		.summary = title,                                \
		.mode = OPT_INTERSPERSED,                        \
		.min_args = 1,                                   \
		.max_args = -1,                                  \
		.options = what##_options,                       \
		.values_size = sizeof(struct values),            \
		.run = run_##what,                               \
	}
INSPECT(any, "inspect", "NAME|ID", "Show everything about objects");
INSPECT(container, "container inspect", "CONTAINER", "Show everything about containers");
INSPECT(image, "image inspect", "IMAGE", "Show everything about images");
INSPECT(network, "network inspect", "NETWORK", "Show everything about networks");
INSPECT(volume, "volume inspect", "VOLUME", "Show everything about volumes");

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_prune.c: the prune commands of containers, images, networks, volumes, builds, and of all of them. */
#include "cli/client.h"
#include "cli/config.h"
#include "cli/human.h"
#include "cli/tty.h"
#include "cli/valuespec.h"

struct values {
	bool all, force, volumes;
	char **filters;
	int64_t keep_storage;
};

#define ASK "Are you sure you want to continue? [y/N] "

/* What one kind of object's prune sends and prints. */
struct prune {
	const char *path;  /* of the API */
	const char *title; /* "Deleted Containers:" */
	const char *list;  /* member of the reply */
};
static const struct prune containers = { "/containers/prune", "Deleted Containers:", "ContainersDeleted" };
static const struct prune images = { "/images/prune", "Deleted Images:", "ImagesDeleted" };
static const struct prune networks = { "/networks/prune", "Deleted Networks:", "NetworksDeleted" };
static const struct prune volumes = { "/volumes/prune", "Deleted Volumes:", "VolumesDeleted" };
static const struct prune builds = { "/build/prune", "Deleted build cache objects:", "CachesDeleted" };

/* --filter, then "pruneFilters" of the configuration where they do not contradict. */
static char **filters_of(struct cli *c, const struct values *v)
{
	char **all = strv_arena_dup(c->arena, v->filters);

	JSON_EACH(filter, json_get(config_get(c), "pruneFilters"))
		if (json_str(filter))
			all = strv_arena_add(c->arena, all, json_str(filter));
	return all;
}

static void put_item(const struct json *item)
{
	const char *untagged = json_str(json_get(item, "Untagged")), *deleted = json_str(json_get(item, "Deleted"));

	if (json_str(item))
		cli_puts(json_str(item));
	else if (untagged)
		cli_printf("untagged: %s\n", untagged);
	else
		cli_printf("deleted: %s\n", deleted ? deleted : "");
}

static es_err *prune_one(struct cli *c, const struct prune *p, char *const *filters, const char *more_query, int64_t *reclaimed)
{
	es_autobuf query = QUERY;
	struct json *reply;
	const struct json *list;

	ES_TRY(query_add_filters(c, &query, filters));
	if (!str_empty(more_query))
		es_buf_printf(&query, "%s%s", query.len ? "&" : "", more_query);
	ES_TRY(client_call(c, "POST", p->path, es_buf_str(&query), NULL, &reply));
	list = json_get(reply, p->list);
	if (list && list->n) {
		cli_puts(p->title);
		JSON_EACH(item, list)
			put_item(item);
		cli_puts("");
	}
	*reclaimed += json_i64(json_get(reply, "SpaceReclaimed"), 0);
	return NULL;
}

static bool agreed(const struct values *v, const char *warning)
{
	es_autofree char *prompt = es_xasprintf("%s" ASK, warning);

	return v->force || tty_confirm(prompt);
}

static void put_total(struct cli *c, int64_t reclaimed)
{
	cli_printf("Total reclaimed space: %s\n", human_size_digits(c->arena, (double)reclaimed, 4));
}

static es_err *run_containers(struct cli *c)
{
	const struct values *v = c->values;
	int64_t reclaimed = 0;

	if (!agreed(v, "WARNING! This will remove all stopped containers.\n"))
		return NULL;
	ES_TRY(prune_one(c, &containers, filters_of(c, v), NULL, &reclaimed));
	put_total(c, reclaimed);
	return NULL;
}

static es_err *run_images(struct cli *c)
{
	const struct values *v = c->values;
	char **filters = filters_of(c, v);
	int64_t reclaimed = 0;

	if (!agreed(v, v->all ? "WARNING! This will remove all images without at least one container associated to them.\n" :
				   "WARNING! This will remove all dangling images.\n"))
		return NULL;
	filters = strv_arena_add(c->arena, filters, v->all ? "dangling=false" : "dangling=true");
	ES_TRY(prune_one(c, &images, filters, NULL, &reclaimed));
	put_total(c, reclaimed);
	return NULL;
}

static es_err *run_networks(struct cli *c)
{
	const struct values *v = c->values;
	int64_t reclaimed = 0;

	if (!agreed(v, "WARNING! This will remove all custom networks not used by at least one container.\n"))
		return NULL;
	return prune_one(c, &networks, filters_of(c, v), NULL, &reclaimed);
}

static es_err *run_volumes(struct cli *c)
{
	const struct values *v = c->values;
	char **filters = filters_of(c, v);
	int64_t reclaimed = 0;

	if (!agreed(v, v->all ? "WARNING! This will remove all local volumes not used by at least one container.\n" :
				   "WARNING! This will remove anonymous local volumes not used by at least one container.\n"))
		return NULL;
	if (v->all)
		filters = strv_arena_add(c->arena, filters, "all=true");
	ES_TRY(prune_one(c, &volumes, filters, NULL, &reclaimed));
	put_total(c, reclaimed);
	return NULL;
}

static es_err *prune_builds(struct cli *c, const struct values *v, char *const *filters, int64_t *reclaimed)
{
	es_autobuf query = QUERY;

	query_add_bool(&query, "all", v->all);
	if (v->keep_storage)
		query_add(&query, "keep-storage", arena_printf(c->arena, "%lld", (long long)v->keep_storage));
	return prune_one(c, &builds, filters, es_buf_str(&query), reclaimed);
}

static es_err *run_builds(struct cli *c)
{
	const struct values *v = c->values;
	int64_t reclaimed = 0;

	if (!agreed(v, v->all ? "WARNING! This will remove all build cache. " : "WARNING! This will remove all dangling build cache. "))
		return NULL;
	ES_TRY(prune_builds(c, v, filters_of(c, v), &reclaimed));
	cli_printf("Total reclaimed space: %s\n", human_size_digits(c->arena, (double)reclaimed, 4));
	return NULL;
}

static char *system_warning(struct cli *c, const struct values *v)
{
	es_autobuf text = ES_BUF(CLI_TEXT_MAX);

	es_buf_adds(&text, "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n");
	if (v->volumes)
		es_buf_adds(&text, "  - all anonymous volumes not used by at least one container\n");
	es_buf_adds(&text, v->all ? "  - all images without at least one container associated to them\n" : "  - all dangling images\n");
	es_buf_adds(&text, v->all ? "  - all build cache\n" : "  - unused build cache\n");
	if (v->filters) {
		es_autofree char *joined = strv_join(v->filters, "\n    - ");

		es_buf_printf(&text, "\n  Items to be pruned will be filtered with:\n    - %s\n", joined);
	}
	es_buf_addc(&text, '\n');
	return arena_strdup(c->arena, es_buf_str(&text));
}

static es_err *run_system(struct cli *c)
{
	const struct values *v = c->values;
	char **filters = filters_of(c, v);
	int64_t reclaimed = 0;
	bool until = false;

	for (char **f = filters; f && *f; f++)
		until |= str_starts(*f, "until=");
	if (v->volumes && until)
		return es_err_new(ES_E_INVALID, "ERROR: The \"until\" filter is not supported with \"--volumes\"");
	if (!agreed(v, system_warning(c, v)))
		return NULL;
	ES_TRY(prune_one(c, &containers, filters, NULL, &reclaimed));
	ES_TRY(prune_one(c, &networks, filters, NULL, &reclaimed));
	if (v->volumes)
		ES_TRY(prune_one(c, &volumes, filters, NULL, &reclaimed));
	ES_TRY(prune_one(c, &images, strv_arena_add(c->arena, strv_arena_dup(c->arena, filters), v->all ? "dangling=false" : "dangling=true"),
			 NULL, &reclaimed));
	ES_TRY(prune_builds(c, v, filters, &reclaimed));
	put_total(c, reclaimed);
	return NULL;
}

#define ROW_ALL(text) O_BOOL(struct values, all, "all", 'a', .help = text)
#define ROW_FILTER O_LIST(struct values, filters, "filter", 0, .value_name = "filter", .check = value_check_filter, .help = "Only what fits (\"until=24h\")")
#define ROW_FORCE O_BOOL(struct values, force, "force", 'f', .help = "Do not ask")

static const struct opt containers_options[] = { ROW_FILTER, ROW_FORCE, O_END };
static const struct opt images_options[] = { ROW_ALL("Remove all images that no container uses"), ROW_FILTER, ROW_FORCE, O_END };
static const struct opt networks_options[] = { ROW_FILTER, ROW_FORCE, O_END };
static const struct opt volumes_options[] = { ROW_ALL("Remove named volumes too"), ROW_FILTER, ROW_FORCE, O_END };
static const struct opt builds_options[] = {
	ROW_ALL("Remove all of the cache, not only what nothing uses"),
	ROW_FILTER,
	ROW_FORCE,
	O_BYTES(struct values, keep_storage, "keep-storage", 0, .help = "How much to keep"),
	O_END,
};
static const struct opt system_options[] = {
	ROW_ALL("Remove all images that no container uses"),
	ROW_FILTER,
	ROW_FORCE,
	O_BOOL(struct values, volumes, "volumes", 0, .help = "Remove anonymous volumes too"),
	O_END,
};

#define PRUNE(what, path, form, text)                 \
	const struct cmd cmd_prune_##what = {         \
		.paths = path,                        \
		.usage = form,                        \
		.summary = text,                      \
		.mode = OPT_INTERSPERSED,             \
		.options = what##_options,            \
		.values_size = sizeof(struct values), \
		.run = run_##what,                    \
	}
PRUNE(containers, "container prune", "[OPTIONS]", "Remove all containers that do not run");
PRUNE(images, "image prune", "[OPTIONS]", "Remove images that nothing uses");
PRUNE(networks, "network prune", "[OPTIONS]", "Remove all networks that nothing uses");
PRUNE(volumes, "volume prune", "[OPTIONS]", "Remove volumes that nothing uses");
PRUNE(builds, "builder prune", NULL, "Remove the build cache");
PRUNE(system, "system prune", "[OPTIONS]", "Remove everything that nothing uses");

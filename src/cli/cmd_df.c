/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_df.c: estiba system df. */
#include "cli/client.h"
#include "cli/ctrlist.h"
#include "cli/human.h"
#include "cli/imglist.h"
#include "cli/vollist.h"

struct values {
	const char *format;
	bool verbose;
};

static const struct opt options[] = {
	O_STR(struct values, format, "format", 0, .help = FORMAT_HELP),
	O_BOOL(struct values, verbose, "verbose", 'v', .help = "Show every object"),
	O_END,
};

/* One line of the table. */
struct usage {
	const char *type;
	int64_t total, active, size, reclaimable;
	bool percent;
};

static int64_t num(const struct json *doc, const char *key)
{
	return json_i64(json_get(doc, key), 0);
}

static struct usage images_usage(const struct json *doc)
{
	struct usage u = { .type = "Images", .size = num(doc, "LayersSize"), .percent = true };
	int64_t used = 0;

	JSON_EACH(image, json_get(doc, "Images"))
	{
		int64_t shared = num(image, "SharedSize"), size = num(image, "Size");

		u.total++;
		if (num(image, "Containers") <= 0)
			continue;
		u.active++;
		if (size != -1 && shared != -1)
			used += size - shared;
	}
	u.reclaimable = u.size - used;
	return u;
}

static struct usage containers_usage(const struct json *doc)
{
	static const char *const live[] = { "running", "paused", "restarting", NULL };
	struct usage u = { .type = "Containers", .percent = true };

	JSON_EACH(container, json_get(doc, "Containers"))
	{
		bool active = strv_has((char *const *)live, json_str(json_get(container, "State")) ? json_str(json_get(container, "State")) : "");

		u.total++;
		u.active += active;
		u.size += num(container, "SizeRw");
		u.reclaimable += active ? 0 : num(container, "SizeRw");
	}
	return u;
}

static struct usage volumes_usage(const struct json *doc)
{
	struct usage u = { .type = "Local Volumes", .percent = true };

	JSON_EACH(volume, json_get(doc, "Volumes"))
	{
		const struct json *usage = json_get(volume, "UsageData");
		int64_t size = json_i64(json_get(usage, "Size"), -1), refs = num(usage, "RefCount");

		u.total++;
		u.active += refs > 0;
		if (size == -1)
			continue;
		u.size += size;
		u.reclaimable += refs ? 0 : size;
	}
	return u;
}

static struct usage builds_usage(const struct json *doc)
{
	struct usage u = { .type = "Build Cache" };

	JSON_EACH(entry, json_get(doc, "BuildCache"))
	{
		bool in_use = json_bool(json_get(entry, "InUse"), false), shared = json_bool(json_get(entry, "Shared"), false);

		u.total++;
		u.active += in_use;
		if (shared)
			continue;
		u.size += num(entry, "Size");
		u.reclaimable += in_use ? 0 : num(entry, "Size");
	}
	return u;
}

static struct json *usage_doc(struct cli *c, const struct usage *u)
{
	struct json *doc = json_new_object(c->arena);
	const char *reclaimable = human_size(c->arena, (double)u->reclaimable);

	if (u->percent && u->size > 0)
		reclaimable = arena_printf(c->arena, "%s (%lld%%)", reclaimable, (long long)(u->reclaimable * 100 / u->size));
	json_set_str(c->arena, doc, "Active", arena_printf(c->arena, "%lld", (long long)u->active));
	json_set_str(c->arena, doc, "Reclaimable", reclaimable);
	json_set_str(c->arena, doc, "Size", human_size(c->arena, (double)u->size));
	json_set_str(c->arena, doc, "TotalCount", arena_printf(c->arena, "%lld", (long long)u->total));
	json_set_str(c->arena, doc, "Type", u->type);
	return doc;
}

#define GETTER(name, key)                                          \
	static const char *get_##name(const struct format_row *row) \
	{                                                          \
		return json_str(json_get(row->doc, key));          \
	}
GETTER(active, "Active")
GETTER(reclaimable, "Reclaimable")
GETTER(size, "Size")
GETTER(total, "TotalCount")
GETTER(type, "Type")

static const struct format_column columns[] = {
	{ "Active", "ACTIVE", get_active },
	{ "Reclaimable", "RECLAIMABLE", get_reclaimable },
	{ "Size", "SIZE", get_size },
	{ "TotalCount", "TOTAL", get_total },
	{ "Type", "TYPE", get_type },
	{ 0 }
};
static const struct format df_format = {
	.type = "*formatter.diskUsageImagesContext",
	.columns = columns,
	.table = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
	.error_prefix = "template parsing error",
};

/* Every object. */

static es_err *put_objects(struct cli *c, const struct json *doc)
{
	static const struct {
		const char *title, *table;
		const struct format *format;
	} lists[] = {
		{ "Images space usage:\n\n", "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}", &imglist_format },
		{ "\nContainers space usage:\n\n", "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}", &ctrlist_format },
		{ "\nLocal Volumes space usage:\n\n", "table {{.Name}}\t{{.Links}}\t{{.Size}}", &vollist_format },
	};
	const struct json *rows[] = { imglist_expand_first(c, json_get(doc, "Images")), json_get(doc, "Containers"), json_get(doc, "Volumes") };
	const struct usage builds = builds_usage(doc);

	for (size_t i = 0; i < ES_N(lists); i++) {
		const struct format_list list = { .format = lists[i].format, .given = lists[i].table, .self = c };

		cli_printf("%s", lists[i].title);
		ES_TRY(format_print_array(c, &list, rows[i]));
	}
	cli_printf("\nBuild cache usage: %s\n\nCACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED\n",
		   human_size(c->arena, (double)builds.size));
	return NULL;
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	const struct format_list list = { .format = &df_format, .given = v->format };
	const struct json *docs[4];
	struct usage usages[4];
	struct json *doc;

	ES_TRY(client_get(c, "/system/df", NULL, &doc));
	if (v->verbose && str_empty(v->format))
		return put_objects(c, doc);
	usages[0] = images_usage(doc);
	usages[1] = containers_usage(doc);
	usages[2] = volumes_usage(doc);
	usages[3] = builds_usage(doc);
	for (size_t i = 0; i < ES_N(usages); i++)
		docs[i] = usage_doc(c, &usages[i]);
	return format_print(c, &list, docs, ES_N(docs));
}

const struct cmd cmd_df = {
	.paths = "system df",
	.usage = "[OPTIONS]",
	.summary = "Show how much space is used",
	.mode = OPT_INTERSPERSED,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

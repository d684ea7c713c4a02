/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_df.c: estiba system df. */
#include "base/clock.h"
#include "cli/client.h"
#include "cli/ctrlist.h"
#include "cli/human.h"
#include "cli/imglist.h"
#include "cli/vollist.h"
#include "codec/gotmpl.h"

#define TOTAL_DIGITS 4 /* docker shows sums with four digits, sizes of objects with three */

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
	const char *reclaimable = human_size_digits(c->arena, (double)u->reclaimable, TOTAL_DIGITS);

	if (u->percent && u->size > 0)
		reclaimable = arena_printf(c->arena, "%s (%lld%%)", reclaimable, (long long)(u->reclaimable * 100 / u->size));
	json_set_str(c->arena, doc, "Active", arena_printf(c->arena, "%lld", (long long)u->active));
	json_set_str(c->arena, doc, "Reclaimable", reclaimable);
	json_set_str(c->arena, doc, "Size", human_size_digits(c->arena, (double)u->size, TOTAL_DIGITS));
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

/* Entries of the build cache. */

static const char *text_of(const struct format_row *row, const char *key)
{
	const char *s = json_str(json_get(row->doc, key));

	return s ? s : "";
}

static const char *flag_of(const struct format_row *row, const char *key)
{
	return json_bool(json_get(row->doc, key), false) ? "true" : "false";
}

/* RFC 3339 to seconds since 1970; false when there is none. */
static bool when_of(const struct format_row *row, const char *key, int64_t *ret_s)
{
	int64_t ns;
	es_err *err = clock_parse(text_of(row, key), &ns);
	bool there = !err;

	es_err_free(err);
	*ret_s = there ? ns / CLOCK_NS_PER_S : 0;
	return there;
}

static const char *time_of(const struct format_row *row, const char *key, char *(*print)(struct arena *a, int64_t unix_seconds))
{
	int64_t s;

	return when_of(row, key, &s) ? print(row->cli->arena, s) : "";
}

static const char *get_build_id(const struct format_row *row)
{
	const char *id = text_of(row, "ID");

	if (!row->full)
		id = human_short_id(row->cli->arena, id);
	return json_bool(json_get(row->doc, "InUse"), false) ? arena_printf(row->cli->arena, "%s*", id) : id;
}
static const char *get_build_parent(const struct format_row *row)
{
	const char *id = text_of(row, "Parent");

	return row->full ? id : human_short_id(row->cli->arena, id);
}
static const char *get_build_type(const struct format_row *row)
{
	return text_of(row, "Type");
}
static const char *get_build_description(const struct format_row *row)
{
	return text_of(row, "Description");
}
static const char *get_build_size(const struct format_row *row)
{
	return human_size(row->cli->arena, (double)num(row->doc, "Size"));
}
static const char *get_build_created_at(const struct format_row *row)
{
	return time_of(row, "CreatedAt", human_time);
}
static const char *get_build_created_since(const struct format_row *row)
{
	return time_of(row, "CreatedAt", human_ago);
}
static const char *get_build_used_at(const struct format_row *row)
{
	return time_of(row, "LastUsedAt", human_time);
}
static const char *get_build_used_since(const struct format_row *row)
{
	return time_of(row, "LastUsedAt", human_ago);
}
static const char *get_build_count(const struct format_row *row)
{
	return arena_printf(row->cli->arena, "%lld", (long long)num(row->doc, "UsageCount"));
}
static const char *get_build_in_use(const struct format_row *row)
{
	return flag_of(row, "InUse");
}
static const char *get_build_shared(const struct format_row *row)
{
	return flag_of(row, "Shared");
}

static const struct format_column build_columns[] = {
	{ "CacheType", "CACHE TYPE", get_build_type },
	{ "CreatedAt", "CREATED AT", get_build_created_at },
	{ "CreatedSince", "CREATED", get_build_created_since },
	{ "Description", "DESCRIPTION", get_build_description },
	{ "ID", "CACHE ID", get_build_id },
	{ "InUse", "IN USE", get_build_in_use },
	{ "LastUsedAt", "LAST USED AT", get_build_used_at },
	{ "LastUsedSince", "LAST USED", get_build_used_since },
	{ "Parent", "PARENT", get_build_parent },
	{ "Shared", "SHARED", get_build_shared },
	{ "Size", "SIZE", get_build_size },
	{ "UsageCount", "USAGE", get_build_count },
	{ 0 }
};
static const struct format build_format = {
	.type = "*formatter.buildCacheContext",
	.columns = build_columns,
	.table = "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}",
};

/* Every object. */

enum { IMAGES, CONTAINERS, VOLUMES, BUILDS, KINDS };

static const struct {
	const char *key, *title, *table;
	const struct format *format;
} kinds[KINDS] = {
	[IMAGES] = { "Images", "Images space usage:\n\n", "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}", &imglist_format },
	[CONTAINERS] = { "Containers", "\nContainers space usage:\n\n", "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}", &ctrlist_format },
	[VOLUMES] = { "Volumes", "\nLocal Volumes space usage:\n\n", "table {{.Name}}\t{{.Links}}\t{{.Size}}", &vollist_format },
	[BUILDS] = { "BuildCache", NULL, NULL, &build_format },
};

static const struct json *objects_of(struct cli *c, const struct json *doc, size_t kind)
{
	const struct json *rows = json_get(doc, kinds[kind].key);

	return kind == IMAGES ? imglist_expand_first(c, rows) : rows;
}

static es_err *put_objects(struct cli *c, const struct json *doc)
{
	const struct usage builds = builds_usage(doc);

	for (size_t i = 0; i < KINDS; i++) {
		const struct format_list list = { .format = kinds[i].format, .given = kinds[i].table, .self = c };

		if (kinds[i].title)
			cli_printf("%s", kinds[i].title);
		else
			cli_printf("\nBuild cache usage: %s\n\n", human_size_digits(c->arena, (double)builds.size, TOTAL_DIGITS));
		ES_TRY(format_print_array(c, &list, objects_of(c, doc, i)));
	}
	return NULL;
}

/* -v with --format: one document with a list of every kind. */
static es_err *put_document(struct cli *c, const char *format, const struct json *doc)
{
	static const struct gotmpl_type type = { .name = "*formatter.diskUsageContext" };
	const char *text = str_eq(format, "json") ? "{{json .}}" : format_unescape(c, str_starts(format, "table ") ? format + 6 : format);
	struct json *all = json_new_object(c->arena);
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);
	struct gotmpl *t;

	for (size_t i = 0; i < KINDS; i++) {
		const struct format_list list = { .format = kinds[i].format, .full = true, .self = c };
		struct json *rows = json_new_array(c->arena);

		JSON_EACH(row, objects_of(c, doc, i))
			json_append(rows, format_document(c, &list, row));
		json_set(c->arena, all, kinds[i].key, rows);
	}
	ES_TRY(es_err_in(gotmpl_parse(c->arena, "", text, strlen(text), &t), "template parsing error"));
	ES_TRY(gotmpl_exec(t, &(struct gotmpl_env){ .type = &type }, all, &out));
	cli_out(&out);
	return es_buf_check(&out);
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	const struct format_list list = { .format = &df_format, .given = v->format };
	const struct json *docs[4];
	struct usage usages[4];
	struct json *doc;

	ES_TRY(client_get(c, "/system/df", NULL, &doc));
	if (v->verbose)
		return str_empty(v->format) ? put_objects(c, doc) : put_document(c, v->format, doc);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* vollist.c: the columns of a volume list. */
#include "cli/vollist.h"

#include "cli/human.h"

static const char *str(const struct format_row *row, const char *key)
{
	const char *s = json_str(json_get(row->doc, key));

	return s ? s : "";
}
static const char *get_name(const struct format_row *row)
{
	return str(row, "Name");
}
static const char *get_driver(const struct format_row *row)
{
	return str(row, "Driver");
}
static const char *get_scope(const struct format_row *row)
{
	return str(row, "Scope");
}
static const char *get_mountpoint(const struct format_row *row)
{
	return str(row, "Mountpoint");
}
static const char *get_labels(const struct format_row *row)
{
	return format_labels(row->cli, json_get(row->doc, "Labels"));
}
/* Only system df asks the daemon for these two. */
static const char *get_links(const struct format_row *row)
{
	const struct json *usage = json_get(row->doc, "UsageData");

	return json_is(usage, JSON_OBJECT) ? arena_printf(row->cli->arena, "%lld", (long long)json_i64(json_get(usage, "RefCount"), 0)) : "N/A";
}
static const char *get_size(const struct format_row *row)
{
	const struct json *usage = json_get(row->doc, "UsageData");

	return json_is(usage, JSON_OBJECT) ? human_size_digits(row->cli->arena, (double)json_i64(json_get(usage, "Size"), 0), 4) : "N/A";
}
static const char *get_none(const struct format_row *row)
{
	return "N/A"; /* cluster volumes only */
}

static const struct format_column columns[] = {
	{ "Availability", "AVAILABILITY", get_none },
	{ "Driver", "DRIVER", get_driver },
	{ "Group", "GROUP", get_none },
	{ "Labels", "LABELS", get_labels },
	{ "Links", "LINKS", get_links },
	{ "Mountpoint", "MOUNTPOINT", get_mountpoint },
	{ "Name", "VOLUME NAME", get_name },
	{ "Scope", "SCOPE", get_scope },
	{ "Size", "SIZE", get_size },
	{ "Status", "STATUS", get_none },
	{ 0 }
};
const struct format vollist_format = {
	.type = "*formatter.volumeContext",
	.columns = columns,
	.table = "{{.Driver}}\t{{.Name}}",
	.quiet = "{{.Name}}",
	.raw = "name: {{.Name}}\ndriver: {{.Driver}}\n",
	.config_key = "volumesFormat",
};

/* Docker orders names as people do: v2 before v10. */
static int natural(const char *a, const char *b)
{
	while (*a && *b) {
		if (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9') {
			char *end_a, *end_b;
			unsigned long long x = strtoull(a, &end_a, 10), y = strtoull(b, &end_b, 10);

			if (x != y)
				return x < y ? -1 : 1;
			if (end_a - a != end_b - b)
				return end_a - a < end_b - b ? -1 : 1;
			a = end_a;
			b = end_b;
		} else if (*a != *b) {
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		} else {
			a++, b++;
		}
	}
	return (*a != 0) - (*b != 0);
}

static int by_name(const void *a, const void *b)
{
	const char *x = json_str(json_get(*(const struct json *const *)a, "Name"));
	const char *y = json_str(json_get(*(const struct json *const *)b, "Name"));

	return natural(x ? x : "", y ? y : "");
}

es_err *vollist_print(struct cli *c, const struct format_list *list, const struct json *volumes)
{
	const struct json **docs = ARENA_ARRAY(c->arena, const struct json *, volumes ? volumes->n + 1 : 1);
	size_t n = 0;

	JSON_EACH(doc, volumes)
		docs[n++] = doc;
	qsort(docs, n, sizeof *docs, by_name);
	return format_print(c, list, docs, n);
}

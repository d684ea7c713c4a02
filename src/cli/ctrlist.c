/* SPDX-License-Identifier: Apache-2.0 */
/* ctrlist.c: the columns of a container list. */
#include "cli/ctrlist.h"

#include "cli/human.h"

#define COMMAND_WIDTH 20
#define MOUNT_WIDTH 15

static const char *str(const struct format_row *row, const char *key)
{
	const char *s = json_str(json_get(row->doc, key));

	return s ? s : "";
}

static const char *get_id(const struct format_row *row)
{
	return row->full ? str(row, "Id") : human_short_id(row->cli->arena, str(row, "Id"));
}

/* Names without the slash; those with another one in them are a link's and hidden unless --no-trunc. */
static const char *get_names(const struct format_row *row)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);

	JSON_EACH(name, json_get(row->doc, "Names"))
	{
		const char *s = json_str(name) ? json_str(name) : "";

		s += *s == '/';
		if (!row->full && strchr(s, '/'))
			continue;
		es_buf_printf(&out, "%s%s", out.len ? "," : "", s);
	}
	return arena_strdup(row->cli->arena, es_buf_str(&out));
}

static const char *get_image(const struct format_row *row)
{
	const char *image = str(row, "Image"), *id = str(row, "ImageID"), *at = strchr(image, '@');
	struct arena *a = row->cli->arena;

	if (!*image)
		return "<no image>";
	if (row->full)
		return image;
	if (str_eq(human_short_id(a, image), human_short_id(a, id)))
		return human_short_id(a, id);
	return at && strchr(image, ':') < at ? arena_strndup(a, image, (size_t)(at - image)) : image;
}

static const char *get_command(const struct format_row *row)
{
	const char *command = str(row, "Command");
	es_autobuf quoted = ES_BUF(CLI_TEXT_MAX);

	if (!row->full)
		command = human_ellipsis(row->cli->arena, command, COMMAND_WIDTH);
	json_write_str(&quoted, command, strlen(command), JSON_W_NO_HTML_ESCAPE);
	return arena_strdup(row->cli->arena, es_buf_str(&quoted));
}

static const char *get_created(const struct format_row *row)
{
	return human_time(row->cli->arena, json_i64(json_get(row->doc, "Created"), 0));
}

static const char *get_running_for(const struct format_row *row)
{
	return human_ago(row->cli->arena, json_i64(json_get(row->doc, "Created"), 0));
}

static const char *get_state(const struct format_row *row)
{
	return str(row, "State");
}

static const char *get_status(const struct format_row *row)
{
	return str(row, "Status");
}

static const char *get_size(const struct format_row *row)
{
	struct arena *a = row->cli->arena;
	int64_t virtual = json_i64(json_get(row->doc, "SizeRootFs"), 0);
	const char *own = human_size(a, (double)json_i64(json_get(row->doc, "SizeRw"), 0));

	return virtual > 0 && !row->self ? arena_printf(a, "%s (virtual %s)", own, human_size(a, (double)virtual)) : own;
}

static const char *get_labels(const struct format_row *row)
{
	return format_labels(row->cli, json_get(row->doc, "Labels"));
}

static const char *get_mounts(const struct format_row *row)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);

	JSON_EACH(mount, json_get(row->doc, "Mounts"))
	{
		const char *name = json_str(json_get(mount, "Name"));

		if (str_empty(name))
			name = json_str(json_get(mount, "Source"));
		if (!row->full)
			name = human_ellipsis(row->cli->arena, name ? name : "", MOUNT_WIDTH);
		es_buf_printf(&out, "%s%s", out.len ? "," : "", name ? name : "");
	}
	return arena_strdup(row->cli->arena, es_buf_str(&out));
}

static const char *get_local_volumes(const struct format_row *row)
{
	unsigned n = 0;

	JSON_EACH(mount, json_get(row->doc, "Mounts"))
		n += str_eq(json_str(json_get(mount, "Driver")), "local");
	return arena_printf(row->cli->arena, "%u", n);
}

static const char *get_networks(const struct format_row *row)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);
	es_autostrv names = NULL;

	JSON_EACH(network, json_get(json_get(row->doc, "NetworkSettings"), "Networks"))
		strv_add(&names, network->key);
	strv_sort(names);
	for (size_t i = 0; i < strv_len(names); i++)
		es_buf_printf(&out, "%s%s", i ? "," : "", names[i]);
	return arena_strdup(row->cli->arena, es_buf_str(&out));
}

/* Not told by this version of the API. */
static const char *get_platform(const struct format_row *row)
{
	return FORMAT_NIL;
}

/* Ports: neighbours that differ by one join to a range. */

struct port {
	const char *ip, *proto;
	int64_t inside, outside;
};

static int compare_ports(const void *a, const void *b)
{
	const struct port *x = a, *y = b;

	if (x->inside != y->inside)
		return x->inside < y->inside ? -1 : 1;
	if (!str_eq(x->ip, y->ip))
		return strcmp(x->ip, y->ip);
	if (x->outside != y->outside)
		return x->outside < y->outside ? -1 : 1;
	return strcmp(x->proto, y->proto);
}

static void put_range(struct es_buf *out, const struct port *first, const struct port *last)
{
	bool range = first->inside != last->inside;
	bool v6 = strchr(first->ip, ':') != NULL;

	es_buf_adds(out, out->len ? ", " : "");
	if (first->outside) {
		if (*first->ip)
			es_buf_printf(out, v6 ? "[%s]:" : "%s:", first->ip);
		es_buf_printf(out, range ? "%lld-%lld->" : "%lld->", (long long)first->outside, (long long)last->outside);
	}
	es_buf_printf(out, "%lld", (long long)first->inside);
	if (range)
		es_buf_printf(out, "-%lld", (long long)last->inside);
	es_buf_printf(out, "/%s", first->proto);
}

/* Does B go on where A ends? */
static bool follows(const struct port *a, const struct port *b)
{
	return str_eq(a->ip, b->ip) && str_eq(a->proto, b->proto) && b->inside == a->inside + 1 &&
	       (a->outside ? b->outside == a->outside + 1 : !b->outside);
}

static const char *get_ports(const struct format_row *row)
{
	const struct json *array = json_get(row->doc, "Ports");
	struct port *ports = ARENA_ARRAY(row->cli->arena, struct port, array ? array->n + 1 : 1);
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);
	size_t n = 0, done = 0;

	JSON_EACH(p, array)
	{
		const char *ip = json_str(json_get(p, "IP")), *proto = json_str(json_get(p, "Type"));

		ports[n++] = (struct port){ ip ? ip : "", proto ? proto : "", json_i64(json_get(p, "PrivatePort"), 0),
					    json_i64(json_get(p, "PublicPort"), 0) };
	}
	qsort(ports, n, sizeof *ports, compare_ports);
	while (done < n) { /* take the first that is left and all that go on from it */
		struct port first = ports[done], last = first;
		size_t kept = done;

		for (size_t i = done + 1; i < n; i++)
			if (follows(&last, &ports[i]))
				last = ports[i];
			else
				ports[++kept] = ports[i];
		n = kept + 1;
		done++;
		put_range(&out, &first, &last);
	}
	return arena_strdup(row->cli->arena, es_buf_str(&out));
}

/* In the order of their names: Go prints {{json .}} so. */
static const struct format_column columns[] = {
	{ "Command", "COMMAND", get_command },
	{ "CreatedAt", "CREATED AT", get_created },
	{ "ID", "CONTAINER ID", get_id },
	{ "Image", "IMAGE", get_image },
	{ "Labels", "LABELS", get_labels },
	{ "LocalVolumes", "LOCAL VOLUMES", get_local_volumes },
	{ "Mounts", "MOUNTS", get_mounts },
	{ "Names", "NAMES", get_names },
	{ "Networks", "NETWORKS", get_networks },
	{ "Platform", "PLATFORM", get_platform },
	{ "Ports", "PORTS", get_ports },
	{ "RunningFor", "CREATED", get_running_for },
	{ "Size", "SIZE", get_size },
	{ "State", "STATE", get_state },
	{ "Status", "STATUS", get_status },
	{ 0 }
};

#define COLUMNS "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
#define RAW                                                                                                           \
	"container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{.State}}\n" \
	"status: {{.Status}}\nnames: {{.Names}}\nlabels: {{.Labels}}\nports: {{.Ports}}\n"

const struct format ctrlist_format = {
	.type = "*formatter.ContainerContext",
	.columns = columns,
	.table = COLUMNS,
	.raw = RAW,
	.config_key = "psFormat",
};
const struct format ctrlist_sized_format = {
	.type = "*formatter.ContainerContext",
	.columns = columns,
	.table = COLUMNS "\t{{.Size}}",
	.raw = RAW "size: {{.Size}}\n",
	.config_key = "psFormat",
};

/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_stats.c: estiba stats. */
#include <poll.h>

#include "cli/client.h"
#include "cli/format.h"
#include "cli/human.h"

struct values {
	bool all, no_stream, no_trunc;
	const char *format;
};

#define INTERVAL_MS 500

static const struct opt options[] = {
	O_BOOL(struct values, all, "all", 'a', .help = "Show all containers (default shows just running)"),
	O_STR(struct values, format, "format", 0, .help = FORMAT_HELP),
	O_BOOL(struct values, no_stream, "no-stream", 0, .help = "Print once and end"),
	O_BOOL(struct values, no_trunc, "no-trunc", 0, .help = "Do not shorten anything"),
	O_END,
};

static int64_t num(const struct json *doc, const char *key)
{
	return json_i64(json_get(doc, key), 0);
}

/* Share of all CPUs between the two samples, one CPU being 100 %. */
static double cpu_percent(const struct json *s)
{
	const struct json *now = json_get(s, "cpu_stats"), *before = json_get(s, "precpu_stats");
	double used = (double)(num(json_get(now, "cpu_usage"), "total_usage") - num(json_get(before, "cpu_usage"), "total_usage"));
	double all = (double)(num(now, "system_cpu_usage") - num(before, "system_cpu_usage"));
	const struct json *per = json_get(json_get(now, "cpu_usage"), "percpu_usage");
	double cpus = (double)num(now, "online_cpus");

	if (!(cpus > 0) && per)
		cpus = (double)per->n;
	return all > 0 && used > 0 ? used / all * cpus * 100 : 0;
}

/* Without the page cache that can go at once. */
static double memory_used(const struct json *s)
{
	const struct json *memory = json_get(s, "memory_stats"), *stats = json_get(memory, "stats");
	int64_t usage = num(memory, "usage"), v1 = num(stats, "total_inactive_file"), v2 = num(stats, "inactive_file");

	if (json_get(stats, "total_inactive_file") && v1 < usage)
		return (double)(usage - v1);
	return (double)(v2 < usage ? usage - v2 : usage);
}

static void network_bytes(const struct json *s, double *rx, double *tx)
{
	*rx = *tx = 0;
	JSON_EACH(n, json_get(s, "networks"))
	{
		*rx += (double)num(n, "rx_bytes");
		*tx += (double)num(n, "tx_bytes");
	}
}

static void block_bytes(const struct json *s, double *rd, double *wr)
{
	*rd = *wr = 0;
	JSON_EACH(entry, json_get(json_get(s, "blkio_stats"), "io_service_bytes_recursive"))
	{
		const char *op = json_str(json_get(entry, "op"));

		if (op && (*op == 'r' || *op == 'R'))
			*rd += (double)num(entry, "value");
		else if (op && (*op == 'w' || *op == 'W'))
			*wr += (double)num(entry, "value");
	}
}

static const char *get_container(const struct format_row *row)
{
	return json_str(json_get(row->doc, "asked"));
}
static const char *get_id(const struct format_row *row)
{
	const char *id = json_str(json_get(row->doc, "id"));

	return row->full ? id : human_short_id(row->cli->arena, id ? id : "");
}
static const char *get_name(const struct format_row *row)
{
	const char *name = json_str(json_get(row->doc, "name"));

	if (str_empty(name))
		return "--";
	return name + (*name == '/');
}
static const char *get_cpu(const struct format_row *row)
{
	return arena_printf(row->cli->arena, "%.2f%%", cpu_percent(row->doc));
}
static const char *get_memory(const struct format_row *row)
{
	struct arena *a = row->cli->arena;

	return arena_printf(a, "%s / %s", human_bytes(a, memory_used(row->doc)), human_bytes(a, (double)num(json_get(row->doc, "memory_stats"), "limit")));
}
static const char *get_memory_percent(const struct format_row *row)
{
	double limit = (double)num(json_get(row->doc, "memory_stats"), "limit");

	return arena_printf(row->cli->arena, "%.2f%%", limit > 0 ? memory_used(row->doc) / limit * 100 : 0);
}
static const char *get_net(const struct format_row *row)
{
	struct arena *a = row->cli->arena;
	double rx, tx;

	network_bytes(row->doc, &rx, &tx);
	return arena_printf(a, "%s / %s", human_size(a, rx), human_size(a, tx));
}
static const char *get_block(const struct format_row *row)
{
	struct arena *a = row->cli->arena;
	double rd, wr;

	block_bytes(row->doc, &rd, &wr);
	return arena_printf(a, "%s / %s", human_size(a, rd), human_size(a, wr));
}
static const char *get_pids(const struct format_row *row)
{
	return arena_printf(row->cli->arena, "%lld", (long long)num(json_get(row->doc, "pids_stats"), "current"));
}

static const struct format_column columns[] = {
	{ "BlockIO", "BLOCK I/O", get_block },
	{ "CPUPerc", "CPU %", get_cpu },
	{ "Container", "CONTAINER", get_container },
	{ "ID", "CONTAINER ID", get_id },
	{ "MemPerc", "MEM %", get_memory_percent },
	{ "MemUsage", "MEM USAGE / LIMIT", get_memory },
	{ "Name", "NAME", get_name },
	{ "NetIO", "NET I/O", get_net },
	{ "PIDs", "PIDS", get_pids },
	{ 0 }
};
static const struct format stats_format = {
	.type = "*container.statsContext",
	.columns = columns,
	.table = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
	.config_key = "statsFormat",
};

/* Names to ask for: those given, else what runs (or, with -a, everything). */
static es_err *names_of(struct cli *c, const struct values *v, char ***ret)
{
	struct json *array;

	*ret = strv_arena_dup(c->arena, c->args);
	if (c->n_args)
		return NULL;
	*ret = NULL;
	ES_TRY(client_get(c, "/containers/json", v->all ? "all=1" : NULL, &array));
	JSON_EACH(row, array)
		*ret = strv_arena_add(c->arena, *ret, json_str(json_get(row, "Id")));
	return NULL;
}

/* One sample of every container. The first has no sample before it, so that the CPU's share needs the daemon's own wait. */
static es_err *sample_all(struct cli *c, char *const *names, const struct json **docs, size_t *ret_n)
{
	size_t n = 0;

	for (; names && *names; names++) {
		struct json *doc;
		es_err *err = client_get(c, client_path(c, "/containers/%s/stats", *names), "stream=0", &doc);

		if (err && es_err_class(err) == ES_E_NOT_FOUND && !c->n_args) {
			es_err_free(err); /* ended since it was listed */
			continue;
		}
		ES_TRY(err);
		json_set_str(c->arena, doc, "asked", *names);
		docs[n++] = doc;
	}
	*ret_n = n;
	return NULL;
}

static es_err *show(struct cli *c, const struct format_list *list, const struct json *const *docs, size_t n, bool redraw)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX), text = ES_BUF(CLI_TEXT_MAX);

	ES_TRY(format_text(c, list, docs, n, &text));
	if (redraw)
		es_buf_adds(&out, "\033[H\033[J");
	es_buf_adds(&out, es_buf_str(&text));
	cli_out(&out);
	return NULL;
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	const struct format_list list = { .format = &stats_format, .given = v->format, .full = v->no_trunc };
	bool redraw = !v->no_stream && isatty(STDOUT_FILENO);

	for (;;) {
		struct arena *before = c->arena;
		const struct json **docs;
		char **names;
		size_t n;
		es_err *err;

		c->arena = arena_new(); /* a round's documents go with the round */
		err = names_of(c, v, &names);
		if (!err) {
			docs = ARENA_ARRAY(c->arena, const struct json *, strv_len(names) + 1);
			err = sample_all(c, names, docs, &n);
		}
		if (!err)
			err = show(c, &list, docs, n, redraw);
		arena_free(c->arena);
		c->arena = before;
		ES_TRY(err);
		if (v->no_stream)
			return NULL;
		poll(NULL, 0, INTERVAL_MS);
	}
}

const struct cmd cmd_stats = {
	.paths = "container stats, stats",
	.usage = "[OPTIONS] [CONTAINER...]",
	.summary = "Show what containers use, again and again",
	.mode = OPT_INTERSPERSED,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

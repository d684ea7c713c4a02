/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_stats.c: estiba stats. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/list.h"
#include "cli/client.h"
#include "cli/format.h"
#include "cli/human.h"

struct values {
	bool all, no_stream, no_trunc;
	const char *format;
};

#define INTERVAL_MS 500
#define FIRST_MS 10000 /* for the first documents; a daemon takes two samples, a second apart */
#define ROWS_MAX 4096

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

/* One container: a process of its own asks the daemon and passes the documents on, a line each, so that none waits for another
 * (this program has no threads, so a fork is safe). */
struct row {
	struct list link;
	char *name;
	pid_t pid;
	int fd;             /* -1: it said its last word */
	struct es_buf text; /* of the next document */
	struct arena *arena;
	struct json *doc; /* the latest; NULL: none yet */
	bool listed;      /* still there the last time we looked */
};

struct screen {
	struct cli *c;
	const struct values *v;
	struct format_list list;
	struct list rows;
};

static es_err *pass_on(struct cli *c, const char *name, bool once, int out)
{
	const struct client_request r = { .method = "GET", .path = client_path(c, "/containers/%s/stats", name),
					  .query = once ? "stream=0" : "stream=1" };
	char bytes[16384];
	struct http_head head;
	size_t n;

	c->client = NULL; /* the parent's connection is not ours */
	ES_TRY(client_send(c, &r, &head));
	do {
		ES_TRY(http_client_read(client_http(c), bytes, sizeof bytes, &n));
		ES_TRY(file_write_all(out, bytes, n));
	} while (n);
	return file_write_all(out, "\n", 1);
}

/* In the child. Its last line is the error's text, if there was one. */
static void watch(struct cli *c, const char *name, bool once, int out)
{
	es_err *err;
	const char *text;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* siblings hold each other's pipes: a broken pipe would not tell */
	err = pass_on(c, name, once, out);
	text = err ? es_err_text(err) : "";

	if (err)
		es_err_drop(file_write_all(out, text, strlen(text)));
	_exit(err != NULL);
}

static es_err *row_add(struct screen *s, const char *name)
{
	struct row *row;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	pid = fork();
	if (pid == 0)
		watch(s->c, name, s->v->no_stream, fds[1]);
	es_close(fds[1]);
	if (pid < 0) {
		es_close(fds[0]);
		return es_err_sys(errno, "fork");
	}
	row = ES_NEW(struct row);
	*row = (struct row){ .name = es_xstrdup(name), .pid = pid, .fd = fds[0], .text = ES_BUF(CLIENT_REPLY_MAX), .listed = true };
	list_append(&s->rows, &row->link);
	return NULL;
}

static void row_free(struct row *row)
{
	list_remove(&row->link);
	if (row->fd >= 0) {
		kill(row->pid, SIGKILL);
		es_close(row->fd);
	}
	while (waitpid(row->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	es_buf_done(&row->text);
	arena_free(row->arena);
	free(row->name);
	free(row);
}

static void row_take(struct row *row, const char *line, size_t n)
{
	struct arena *a = arena_new();
	struct json *doc;
	es_err *err = json_parse(a, line, n, &doc);

	if (err || !json_is(doc, JSON_OBJECT)) {
		es_err_free(err);
		arena_free(a);
		return;
	}
	json_set_str(a, doc, "asked", row->name);
	arena_free(row->arena);
	row->arena = a;
	row->doc = doc;
}

/* What the child wrote. Its end with an error is ours, unless the container merely ended since it was listed. */
static es_err *row_read(struct screen *s, struct row *row)
{
	char *room = es_buf_reserve(&row->text, 16384), *end;
	ssize_t n = room ? read(row->fd, room, 16384) : 0;

	if (n < 0 && errno == EINTR)
		return NULL;
	if (n > 0) {
		es_buf_commit(&row->text, (size_t)n);
		while ((end = memchr(row->text.p, '\n', row->text.len))) {
			size_t len = (size_t)(end - row->text.p);

			row_take(row, row->text.p, len);
			es_buf_consume(&row->text, len + 1);
		}
		return NULL;
	}
	es_close_p(&row->fd);
	return row->text.len && s->c->n_args ? es_err_new(ES_E_INTERNAL, "%s", es_buf_str(&row->text)) : NULL;
}

/* Without names: what runs now (with -a: everything) is shown, what is gone is not. */
static es_err *list_again(struct screen *s)
{
	struct json *array;

	ES_TRY(client_get(s->c, "/containers/json", s->v->all ? "all=1" : NULL, &array));
	LIST_EACH(at, &s->rows)
		LIST_ENTRY(at, struct row, link)->listed = false;
	JSON_EACH(doc, array)
	{
		const char *id = json_str(json_get(doc, "Id"));
		bool known = false;

		LIST_EACH(at, &s->rows) {
			struct row *row = LIST_ENTRY(at, struct row, link);

			if (str_eq(row->name, id))
				row->listed = known = true;
		}
		if (!known && id)
			ES_TRY(row_add(s, id));
	}
	LIST_EACH(at, &s->rows) {
		struct row *row = LIST_ENTRY(at, struct row, link);

		if (!row->listed)
			row_free(row);
	}
	return NULL;
}

static es_err *begin(struct screen *s)
{
	const char *api;

	ES_TRY(client_api(s->c, &api)); /* once, not in every process; and a daemon to be started is started once */
	if (!s->c->n_args)
		return list_again(s);
	for (char **name = s->c->args; *name; name++)
		ES_TRY(row_add(s, *name));
	return NULL;
}

/* Read until DEADLINE_NS, or until ALL have said something (a first document, or that there is none). */
static es_err *read_rows(struct screen *s, int64_t deadline_ns, bool all)
{
	for (;;) {
		struct pollfd fds[ROWS_MAX];
		struct row *rows[ROWS_MAX];
		int64_t left_ms = (deadline_ns - clock_mono_ns()) / CLOCK_NS_PER_MS;
		size_t n = 0;
		bool waiting = false;

		LIST_EACH(at, &s->rows) {
			struct row *row = LIST_ENTRY(at, struct row, link);

			if (row->fd < 0 || n == ROWS_MAX)
				continue;
			waiting |= !row->doc;
			rows[n] = row;
			fds[n++] = (struct pollfd){ .fd = row->fd, .events = POLLIN };
		}
		if (left_ms <= 0 || (all && !waiting))
			return NULL;
		if (poll(fds, n, (int)left_ms) < 0 && errno != EINTR)
			return es_err_sys(errno, "poll");
		for (size_t i = 0; i < n; i++)
			if (fds[i].revents)
				ES_TRY(row_read(s, rows[i]));
	}
}

/* On a terminal the table is drawn over the one before; what is left of that is wiped line by line, so that nothing flickers. */
static void redraw(const char *text)
{
	es_autobuf out = ES_BUF(CLI_TEXT_MAX);

	es_buf_adds(&out, "\033[H");
	for (; *text; text++) {
		if (*text == '\n')
			es_buf_adds(&out, "\033[K");
		es_buf_addc(&out, *text);
	}
	es_buf_adds(&out, "\033[J");
	cli_out(&out);
}

static es_err *show(struct screen *s, bool over)
{
	struct arena *before = s->c->arena;
	es_autobuf text = ES_BUF(CLI_TEXT_MAX);
	es_autoarena *round = arena_new(); /* what the round needs goes with it */
	const struct json *docs[ROWS_MAX];
	size_t n = 0;
	es_err *err;

	LIST_EACH(at, &s->rows) {
		const struct row *row = LIST_ENTRY(at, struct row, link);

		if (row->doc && n < ROWS_MAX)
			docs[n++] = row->doc;
	}
	s->c->arena = round;
	err = format_text(s->c, &s->list, docs, n, &text);
	s->c->arena = before;
	ES_TRY(err);
	if (over)
		redraw(es_buf_str(&text));
	else
		cli_out(&text);
	return NULL;
}

static bool all_ended(const struct screen *s)
{
	LIST_EACH(at, (struct list *)&s->rows)
		if (LIST_ENTRY(at, struct row, link)->fd >= 0)
			return false;
	return true;
}

static es_err *run_screen(struct screen *s)
{
	bool over = !s->v->no_stream && isatty(STDOUT_FILENO);

	ES_TRY(begin(s));
	ES_TRY(read_rows(s, clock_mono_ns() + FIRST_MS * CLOCK_NS_PER_MS, true));
	if (over)
		cli_printf("\033[2J");
	for (;;) {
		ES_TRY(show(s, over));
		if (s->v->no_stream || (s->c->n_args && all_ended(s)))
			return NULL;
		ES_TRY(read_rows(s, clock_mono_ns() + INTERVAL_MS * CLOCK_NS_PER_MS, false));
		if (!s->c->n_args)
			ES_TRY(list_again(s));
	}
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	struct screen s = { .c = c, .v = v, .list = { .format = &stats_format, .given = v->format, .full = v->no_trunc } };
	es_err *err;

	list_init(&s.rows);
	err = run_screen(&s);
	while (!list_is_empty(&s.rows))
		row_free(LIST_ENTRY(s.rows.next, struct row, link));
	return err;
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

/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_stats.c: what a running container uses (stats) and which processes it has (top). */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/ctr_priv.h"
#include "sys/spawn.h"

#define PROC_FILE_MAX ((size_t)1 << 20)
#define PS_OUTPUT_MAX ((size_t)16 << 20)

/* ---- stats ---- */

static struct json *object_in(struct arena *a, struct json *parent, const char *key)
{
	struct json *o = json_new_object(a);

	json_set(a, parent, key, o);
	return o;
}

static void set_u64(struct arena *a, struct json *o, const char *key, uint64_t v)
{
	json_set(a, o, key, json_new_u64(a, v));
}

/* Nanoseconds that all processors of the host have spent, idle included (proc(5), /proc/stat). */
static uint64_t system_cpu_ns(void)
{
	es_autofree char *text = NULL;
	es_err *err = file_read(AT_FDCWD, "/proc/stat", PROC_FILE_MAX, &text, NULL);
	unsigned long long v[8] = { 0 }, ticks = 0;
	long hz = sysconf(_SC_CLK_TCK);

	if (err) {
		es_err_drop(err);
		return 0;
	}
	if (sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
		return 0;
	for (size_t i = 0; i < ES_N(v); i++)
		ticks += v[i];
	return ticks * (uint64_t)(CLOCK_NS_PER_S / (hz > 0 ? hz : 100));
}

static void cpu_stats(struct arena *a, struct json *doc, const struct cgroup_stats *st)
{
	struct json *cpu = object_in(a, doc, "cpu_stats"), *usage = object_in(a, cpu, "cpu_usage"), *throttling;

	set_u64(a, usage, "total_usage", st->cpu_total_ns);
	if (st->n_cpus) {
		struct json *list = json_new_array(a);

		for (size_t i = 0; i < st->n_cpus; i++)
			json_append(list, json_new_u64(a, st->cpu_per_ns[i]));
		json_set(a, usage, "percpu_usage", list);
	}
	set_u64(a, usage, "usage_in_kernelmode", st->cpu_system_ns);
	set_u64(a, usage, "usage_in_usermode", st->cpu_user_ns);
	if (st->has_cpu) {
		set_u64(a, cpu, "system_cpu_usage", system_cpu_ns());
		json_set_i64(a, cpu, "online_cpus", get_nprocs());
	}
	throttling = object_in(a, cpu, "throttling_data");
	set_u64(a, throttling, "periods", st->cpu_periods);
	set_u64(a, throttling, "throttled_periods", st->cpu_throttled_periods);
	set_u64(a, throttling, "throttled_time", st->cpu_throttled_ns);
}

static void memory_stats(struct arena *a, struct json *doc, const struct cgroup_stats *st, bool v2)
{
	struct json *memory = object_in(a, doc, "memory_stats"), *lines;
	struct sysinfo info;

	if (!st->has_memory)
		return;
	set_u64(a, memory, "usage", st->memory_usage);
	if (!v2)
		set_u64(a, memory, "max_usage", st->memory_max_usage);
	lines = object_in(a, memory, "stats");
	for (size_t i = 0; i < st->n_memory_lines; i++)
		set_u64(a, lines, st->memory_lines[i].name, st->memory_lines[i].value);
	if (st->memory_failcnt)
		set_u64(a, memory, "failcnt", st->memory_failcnt);
	if (sysinfo(&info) == 0 && st->memory_limit > (uint64_t)info.totalram * info.mem_unit)
		set_u64(a, memory, "limit", (uint64_t)info.totalram * info.mem_unit); /* no limit is the machine's memory */
	else
		set_u64(a, memory, "limit", st->memory_limit);
}

static struct json *io_lines(struct arena *a, const struct cgroup_io_line *lines, size_t n)
{
	struct json *list = json_new_array(a);

	if (n == 0)
		return json_new_null(a);
	for (size_t i = 0; i < n; i++) {
		struct json *o = json_new_object(a);

		json_set_i64(a, o, "major", lines[i].major);
		json_set_i64(a, o, "minor", lines[i].minor);
		json_set_str(a, o, "op", lines[i].op);
		set_u64(a, o, "value", lines[i].value);
		json_append(list, o);
	}
	return list;
}

static void io_stats(struct arena *a, struct json *doc, const struct cgroup_stats *st)
{
	static const char *const never[] = { "io_queue_recursive", "io_service_time_recursive", "io_wait_time_recursive",
					     "io_merged_recursive", "io_time_recursive", "sectors_recursive" };
	struct json *io = object_in(a, doc, "blkio_stats");

	json_set(a, io, "io_service_bytes_recursive", io_lines(a, st->io_bytes, st->n_io_bytes));
	json_set(a, io, "io_serviced_recursive", io_lines(a, st->io_ops, st->n_io_ops));
	for (size_t i = 0; i < ES_N(never); i++)
		json_set(a, io, never[i], json_new_null(a));
}

/* /proc/PID/net/dev: the interfaces of the process's network namespace. */
static void network_stats(struct arena *a, struct json *doc, int64_t pid)
{
	es_autofree char *path = es_xasprintf("/proc/%lld/net/dev", (long long)pid), *text = NULL;
	struct json *nets = json_new_object(a);
	char *save = NULL;
	es_err *err = file_read(AT_FDCWD, path, PROC_FILE_MAX, &text, NULL);

	if (err) {
		es_err_drop(err);
		return;
	}
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long long v[16];
		char name[32];
		struct json *o;

		if (sscanf(line, " %31[^:]: %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu", name, &v[0], &v[1], &v[2], &v[3],
			   &v[4], &v[5], &v[6], &v[7], &v[8], &v[9], &v[10], &v[11]) != 13 || strcmp(name, "lo") == 0)
			continue;
		o = object_in(a, nets, arena_strdup(a, name));
		set_u64(a, o, "rx_bytes", v[0]);
		set_u64(a, o, "rx_packets", v[1]);
		set_u64(a, o, "rx_errors", v[2]);
		set_u64(a, o, "rx_dropped", v[3]);
		set_u64(a, o, "tx_bytes", v[8]);
		set_u64(a, o, "tx_packets", v[9]);
		set_u64(a, o, "tx_errors", v[10]);
		set_u64(a, o, "tx_dropped", v[11]);
	}
	if (nets->n)
		json_set(a, doc, "networks", nets);
}

es_err *ctr_stats(struct engine *e, struct arena *a, const char *ref, struct json **ret)
{
	struct cgroup_stats *st = ARENA_NEW(a, struct cgroup_stats);
	struct json *doc = json_new_object(a), *pids;
	char when[CLOCK_TEXT_MAX];
	es_autocgroup *cg = NULL;
	es_autoctr *c = NULL;
	bool up, own_net;
	int64_t pid;

	ES_TRY(ctr_find(e, ref, &c));
	(void)pthread_mutex_lock(&c->lock);
	up = ctr_is_up(c);
	pid = c->pid;
	own_net = strcmp(c->rec->host_config->network_mode, "host") != 0;
	(void)pthread_mutex_unlock(&c->lock);
	if (up) {
		es_err *err = cgroup_open(&e->cgroups, ctr_cgroup_path(a, e->cfg, c->rec->host_config, c->id), &cg);

		if (!err)
			err = cgroup_stats(cg, st);
		es_err_drop(err); /* it ended just now: zeros are the truth */
	}
	json_set_str(a, doc, "read", up ? clock_rfc3339(clock_now_ns(), when) : clock_rfc3339(INT64_MIN, when));
	json_set_str(a, doc, "preread", clock_rfc3339(INT64_MIN, when));
	pids = object_in(a, doc, "pids_stats");
	if (st->has_pids) {
		set_u64(a, pids, "current", st->pids_current);
		if (st->pids_limit != UINT64_MAX)
			set_u64(a, pids, "limit", st->pids_limit);
	}
	io_stats(a, doc, st);
	json_set_i64(a, doc, "num_procs", 0);
	(void)object_in(a, doc, "storage_stats");
	cpu_stats(a, doc, st);
	memory_stats(a, doc, st, e->cgroups.mode == CGROUP_V2);
	json_set_str(a, doc, "name", arena_printf(a, "/%s", c->rec->name));
	json_set_str(a, doc, "id", c->id);
	if (up && own_net && pid)
		network_stats(a, doc, pid);
	*ret = doc;
	return NULL;
}

/* ---- top ---- */

static es_err *run_ps(struct arena *a, const char *ps_args, char **ret)
{
	es_autostrv args = strv_split(ps_args, ' ');
	const char **argv = (const char **)ARENA_ARRAY(a, char *, strv_len(args) + 2);
	static char path_env[] = "PATH=/usr/local/bin:/usr/bin:/bin", width_env[] = "COLUMNS=10000";
	char *env[] = { path_env, width_env, NULL };
	es_autoclose int out = memfd_create("ps", MFD_CLOEXEC);
	const struct spawn_fd fds[] = { { out, 1 }, { out, 2 } };
	struct spawn s = { .argv = argv, .env = env, .fds = fds, .n_fds = ES_N(fds) };
	es_autofree char *text = NULL;
	size_t n = 0;
	int status;

	argv[n++] = "ps";
	for (size_t i = 0; args[i]; i++)
		if (*args[i])
			argv[n++] = args[i];
	if (out < 0)
		return es_err_sys(errno, "memfd_create");
	s.path = access("/bin/ps", X_OK) == 0 ? "/bin/ps" : "/usr/bin/ps";
	ES_TRY(es_err_in(spawn_wait(&s, &status), "ps (package procps)"));
	if (lseek(out, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "lseek");
	ES_TRY(file_read_all(out, PS_OUTPUT_MAX, &text, NULL));
	if (status != 0)
		return es_err_new(ES_E_INTERNAL, "ps: %.*s", (int)strcspn(str_trim(text), "\n"), str_trim(text));
	*ret = arena_strdup(a, text);
	return NULL;
}

/* Words of LINE; the last of MAX takes the rest of it. */
static size_t columns(char *line, char **ret, size_t max)
{
	size_t n = 0;

	while (n < max) {
		line += strspn(line, " \t");
		if (!*line)
			break;
		ret[n++] = line;
		if (n == max)
			break;
		line += strcspn(line, " \t");
		if (*line)
			*line++ = '\0';
	}
	return n;
}

static bool is_ours(const pid_t *pids, size_t n, long long pid)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static es_err *filter_ps(struct arena *a, char *text, const pid_t *pids, size_t n_pids, struct json **ret)
{
	enum { TITLES_MAX = 128 };
	struct json *doc = json_new_object(a), *titles = json_new_array(a), *rows = json_new_array(a);
	char *words[TITLES_MAX], *save = NULL;
	char *line = strtok_r(text, "\n", &save);
	size_t n = line ? columns(line, words, TITLES_MAX) : 0, pid_at = n;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i], "PID") == 0)
			pid_at = i;
		json_append(titles, json_new_str(a, words[i]));
	}
	if (pid_at == n)
		return es_err_new(ES_E_INTERNAL, "Couldn't find PID field in ps output");
	while ((line = strtok_r(NULL, "\n", &save))) {
		size_t got = columns(line, words, n);
		struct json *row;

		if (got <= pid_at || !is_ours(pids, n_pids, atoll(words[pid_at])))
			continue;
		row = json_new_array(a);
		for (size_t i = 0; i < got; i++)
			json_append(row, json_new_str(a, words[i]));
		json_append(rows, row);
	}
	json_set(a, doc, "Processes", rows);
	json_set(a, doc, "Titles", titles);
	*ret = doc;
	return NULL;
}

es_err *ctr_top(struct engine *e, struct arena *a, const char *ref, const char *ps_args, struct json **ret)
{
	es_autoctr *c = NULL;
	es_autocgroup *cg = NULL;
	es_autofree pid_t *pids = NULL;
	enum ctr_status status;
	char *text = NULL;
	size_t n;

	ES_TRY(ctr_find(e, ref, &c));
	(void)pthread_mutex_lock(&c->lock);
	status = c->status;
	(void)pthread_mutex_unlock(&c->lock);
	if (status == CTR_RESTARTING)
		return es_err_new(ES_E_CONFLICT, "Container %s is restarting, wait until the container is running", c->id);
	if (status != CTR_RUNNING && status != CTR_PAUSED)
		return es_err_new(ES_E_CONFLICT, "container %s is not running", c->id);
	ES_TRY(cgroup_open(&e->cgroups, ctr_cgroup_path(a, e->cfg, c->rec->host_config, c->id), &cg));
	ES_TRY(cgroup_procs(cg, &pids, &n));
	ES_TRY(run_ps(a, str_empty(ps_args) ? "-ef" : ps_args, &text));
	ES_TRY(filter_ps(a, text, pids, n, ret));
	ctr_event(c, "top", NULL);
	return NULL;
}

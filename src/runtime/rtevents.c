/* SPDX-License-Identifier: Apache-2.0 */
/* rtevents.c: cgroup files into the object that runc prints. */
#include "runtime/rtevents.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "sys/pidfd.h"

#define RTEVENTS_LINE_MAX (1u << 20)
#define RTEVENTS_ID_MAX 1024 /* highest number in a list of processors or memory nodes */

/* ---- figures ---- */

static struct json *object_in(struct arena *a, struct json *in, const char *key)
{
	struct json *v = json_new_object(a);

	json_set(a, in, key, v);
	return v;
}

static void put(struct arena *a, struct json *o, const char *key, uint64_t v)
{
	json_set(a, o, key, json_new_u64(a, v));
}

/* runc leaves out most numbers that are zero. */
static void put_some(struct arena *a, struct json *o, const char *key, uint64_t v)
{
	if (v)
		put(a, o, key, v);
}

/* 0 when the file is not there; UINT64_MAX for "max". */
static uint64_t number(const struct rtops *o, const char *controller, const char *file)
{
	int64_t v = 0;

	es_err_drop(cgroup_get_i64(o->cgroup, controller, file, &v));
	return v == INT64_MAX ? UINT64_MAX : (uint64_t)v;
}

static void cpu(struct rtops *o, struct json *data, const struct cgroup_stats *st)
{
	struct json *c = object_in(o->a, data, "cpu"), *u = object_in(o->a, c, "usage"), *t, *per;

	put_some(o->a, u, "total", st->cpu_total_ns);
	if (st->n_cpus) {
		per = json_new_array(o->a);
		for (size_t i = 0; i < st->n_cpus; i++)
			json_append(per, json_new_u64(o->a, st->cpu_per_ns[i]));
		json_set(o->a, u, "percpu", per);
	}
	put(o->a, u, "kernel", st->cpu_system_ns);
	put(o->a, u, "user", st->cpu_user_ns);
	t = object_in(o->a, c, "throttling");
	put_some(o->a, t, "periods", st->cpu_periods);
	put_some(o->a, t, "throttledPeriods", st->cpu_throttled_periods);
	put_some(o->a, t, "throttledTime", st->cpu_throttled_ns);
}

/* "0-2,7" as numbers. */
static void number_list(struct rtops *o, struct json *to, const char *key, const char *file)
{
	es_autofree char *text = NULL;
	struct json *list = json_new_array(o->a);

	es_err_drop(cgroup_get(o->cgroup, "cpuset", file, &text));
	for (char *at = text; at && *at >= '0' && *at <= '9';) {
		unsigned long first = strtoul(at, &at, 10), last = first;

		if (*at == '-')
			last = strtoul(at + 1, &at, 10);
		for (; first <= last && first <= RTEVENTS_ID_MAX; first++)
			json_append(list, json_new_u64(o->a, first));
		if (*at == ',')
			at++;
	}
	if (list->n)
		json_set(o->a, to, key, list);
}

static void cpuset(struct rtops *o, struct json *data)
{
	static const struct {
		const char *key, *file;
	} rows[] = {
		{ "cpu_exclusive", "cpuset.cpu_exclusive" },
		{ "mem_hardwall", "cpuset.mem_hardwall" },
		{ "mem_exclusive", "cpuset.mem_exclusive" },
		{ "memory_migrate", "cpuset.memory_migrate" },
		{ "memory_spread_page", "cpuset.memory_spread_page" },
		{ "memory_spread_slab", "cpuset.memory_spread_slab" },
		{ "memory_pressure", "cpuset.memory_pressure" },
		{ "sched_load_balance", "cpuset.sched_load_balance" },
		{ "sched_relax_domain_level", "cpuset.sched_relax_domain_level" },
	};
	struct json *c = object_in(o->a, data, "cpuset");
	bool v1 = !cgroup_is_v2(o->cgroup);
	es_autofree char *level = NULL;

	number_list(o, c, "cpus", v1 ? "cpuset.cpus" : "cpuset.cpus.effective");
	number_list(o, c, "mems", v1 ? "cpuset.mems" : "cpuset.mems.effective");
	for (size_t i = 0; i + 1 < ES_N(rows); i++)
		put(o->a, c, rows[i].key, v1 ? number(o, "cpuset", rows[i].file) : 0);
	if (v1) /* the one that may be negative */
		es_err_drop(cgroup_get(o->cgroup, "cpuset", rows[ES_N(rows) - 1].file, &level));
	json_set_i64(o->a, c, rows[ES_N(rows) - 1].key, level ? strtol(level, NULL, 10) : 0);
}

/* One kind of memory: the files that tell limit, usage, highest usage and how often the limit was met. NULL: not told. */
struct memory_kind {
	const char *key, *files[4];
};

static void memory(struct rtops *o, struct json *data, const struct cgroup_stats *st)
{
	static const struct memory_kind v1[] = {
		{ "usage", { "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt" } },
		{ "swap",
		  { "memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes", "memory.memsw.max_usage_in_bytes", "memory.memsw.failcnt" } },
		{ "kernel",
		  { "memory.kmem.limit_in_bytes", "memory.kmem.usage_in_bytes", "memory.kmem.max_usage_in_bytes", "memory.kmem.failcnt" } },
		{ "kernelTCP",
		  { "memory.kmem.tcp.limit_in_bytes", "memory.kmem.tcp.usage_in_bytes", "memory.kmem.tcp.max_usage_in_bytes",
		    "memory.kmem.tcp.failcnt" } },
	};
	static const struct memory_kind v2[] = {
		{ "usage", { "memory.max", "memory.current", "memory.peak", NULL } },
		{ "swap", { "memory.swap.max", "memory.swap.current", "memory.swap.peak", NULL } },
		{ "kernel", { NULL } },
		{ "kernelTCP", { NULL } },
	};
	static const char *const members[] = { "limit", "usage", "max", "failcnt" };
	const struct memory_kind *kinds = cgroup_is_v2(o->cgroup) ? v2 : v1;
	struct json *m = object_in(o->a, data, "memory"), *raw = json_new_object(o->a);

	for (size_t i = 0; i < st->n_memory_lines; i++) {
		if (str_eq(st->memory_lines[i].name, cgroup_is_v2(o->cgroup) ? "file" : "cache"))
			put_some(o->a, m, "cache", st->memory_lines[i].value);
		put(o->a, raw, st->memory_lines[i].name, st->memory_lines[i].value);
	}
	for (size_t k = 0; k < ES_N(v1); k++) {
		struct json *kind = object_in(o->a, m, kinds[k].key);

		for (size_t i = 0; i < ES_N(members); i++) {
			uint64_t v = kinds[k].files[i] ? number(o, "memory", kinds[k].files[i]) : 0;

			if (v || i == 0 || i == 3)
				put(o->a, kind, members[i], v);
		}
	}
	if (raw->n)
		json_set(o->a, m, "raw", raw);
}

static void io_lines(struct rtops *o, struct json *to, const char *key, const struct cgroup_io_line *lines, size_t n)
{
	struct json *list = json_new_array(o->a);

	for (size_t i = 0; i < n; i++) {
		struct json *l = json_new_object(o->a);
		char op[sizeof lines->op];

		snprintf(op, sizeof op, "%s", lines[i].op);
		if (*op >= 'a' && *op <= 'z')
			op[0] = (char)(op[0] - 'a' + 'A');
		put_some(o->a, l, "major", lines[i].major);
		put_some(o->a, l, "minor", lines[i].minor);
		json_set_str(o->a, l, "op", op);
		put_some(o->a, l, "value", lines[i].value);
		json_append(list, l);
	}
	if (n)
		json_set(o->a, to, key, list);
}

es_err *rtevents_stats(struct rtops *o)
{
	es_autofree struct cgroup_stats *st = es_xcalloc(1, sizeof *st);
	es_autobuf line = ES_BUF(RTEVENTS_LINE_MAX);
	struct json *event = json_new_object(o->a), *data, *v;

	if (!o->cgroup)
		return es_err_new(ES_E_CONFLICT, "container with id %s is not running", o->state.id);
	ES_TRY(cgroup_stats(o->cgroup, st));
	json_set_str(o->a, event, "type", "stats");
	json_set_str(o->a, event, "id", o->state.id);
	data = object_in(o->a, event, "data");
	cpu(o, data, st);
	cpuset(o, data);
	memory(o, data, st);
	v = object_in(o->a, data, "pids");
	put_some(o->a, v, "current", st->pids_current);
	put_some(o->a, v, "limit", st->pids_limit == UINT64_MAX ? 0 : st->pids_limit);
	v = object_in(o->a, data, "blkio");
	io_lines(o, v, "ioServiceBytesRecursive", st->io_bytes, st->n_io_bytes);
	io_lines(o, v, "ioServicedRecursive", st->io_ops, st->n_io_ops);
	object_in(o->a, data, "hugetlb");
	object_in(o->a, data, "intel_rdt");
	json_set(o->a, data, "network_interfaces", json_new_null(o->a));
	json_write(&line, event, 0);
	ES_TRY(es_buf_check(&line));
	puts(es_buf_str(&line));
	fflush(stdout);
	return NULL;
}

/* ---- out of memory ---- */

/* v1: the kernel counts up an event descriptor that was registered for memory.oom_control. */
static es_err *watch_v1(const struct rtops *o, int *ret_fd)
{
	es_autoclose int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), control = -1;
	int dir = cgroup_dir_fd(o->cgroup, "memory");
	char text[32];

	if (dir < 0)
		return NULL;
	control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (event < 0 || control < 0)
		return es_err_sys(errno, "watch memory.oom_control");
	snprintf(text, sizeof text, "%d %d", event, control);
	ES_TRY(file_put(dir, "cgroup.event_control", text));
	*ret_fd = ES_TAKE_FD(event);
	return NULL;
}

/* v2: memory.events is modified. */
static es_err *watch_v2(const struct rtops *o, int *ret_fd)
{
	es_autoclose int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	es_autofree char *dir = cgroup_dir_path(o->cgroup, "memory"), *path = es_xasprintf("%s/memory.events", dir);

	if (fd < 0)
		return es_err_sys(errno, "inotify");
	if (inotify_add_watch(fd, path, IN_MODIFY) < 0)
		return errno == ENOENT ? NULL : es_err_sys(errno, "watch %s", path);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

static uint64_t kills(const struct rtops *o)
{
	es_autofree struct cgroup_stats *st = es_xcalloc(1, sizeof *st);

	es_err_drop(cgroup_stats(o->cgroup, st));
	return st->memory_oom_kills;
}

static es_err *tell_oom(struct rtops *o)
{
	es_autobuf line = ES_BUF(4096);
	struct json *event = json_new_object(o->a);

	json_set_str(o->a, event, "type", "oom");
	json_set_str(o->a, event, "id", o->state.id);
	json_write(&line, event, 0);
	ES_TRY(es_buf_check(&line));
	puts(es_buf_str(&line));
	fflush(stdout);
	return NULL;
}

es_err *rtevents_follow(struct rtops *o, int64_t interval_ns)
{
	es_autoclose int oom = -1, pidfd = -1;
	int64_t next = clock_mono_ns() + interval_ns;
	uint64_t seen;

	if (o->status == RTSTATE_STOPPED || !o->cgroup)
		return es_err_new(ES_E_CONFLICT, "container with id %s is not running", o->state.id);
	ES_TRY(rtstate_process(&o->state, &pidfd));
	ES_TRY(cgroup_is_v2(o->cgroup) ? watch_v2(o, &oom) : watch_v1(o, &oom));
	seen = kills(o);
	/* Every wake looks at the count: the descriptor also speaks of other things, and v1's before the kernel has counted. */
	for (;;) {
		struct pollfd p[] = { { pidfd, POLLIN, 0 }, { oom, POLLIN, 0 } };
		int64_t left = (next - clock_mono_ns() + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
		char drain[4096];
		uint64_t now;

		if (poll(p, ES_N(p), left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left) < 0 && errno != EINTR)
			return es_err_sys(errno, "wait for events");
		if (p[1].revents)
			(void)!read(oom, drain, sizeof drain);
		now = kills(o);
		if (now > seen)
			ES_TRY(tell_oom(o));
		seen = now;
		if (p[0].revents)
			return NULL;
		if (clock_mono_ns() >= next) {
			ES_TRY(rtevents_stats(o));
			next = clock_mono_ns() + interval_ns;
		}
	}
}

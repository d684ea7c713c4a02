/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_stats.c: what a control group has used, from the files of either version. */
#include <stdio.h>

#include "base/buf.h"
#include "base/str.h"
#include "sys/cgroup.h"

/* NULL when the file is not there; heap. */
static char *text_of(const struct cgroup *cg, const char *controller, const char *file)
{
	char *text = NULL;

	es_err_drop(cgroup_get(cg, controller, file, &text));
	return text;
}

static uint64_t number_of(const struct cgroup *cg, const char *controller, const char *file)
{
	int64_t v = 0;

	es_err_drop(cgroup_get_i64(cg, controller, file, &v));
	return v == INT64_MAX ? UINT64_MAX : (uint64_t)v;
}

/* Value of "NAME value" at the start of a line of TEXT; 0 when absent. TEXT may be NULL. */
static uint64_t line_value(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (strncmp(at, name, n) == 0 && at[n] == ' ')
			return strtoull(at + n + 1, NULL, 10);
	return 0;
}

static void stat_lines(const char *text, struct cgroup_stats *s)
{
	for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		struct cgroup_stat_line *l = &s->memory_lines[s->n_memory_lines];
		unsigned long long v;

		if (s->n_memory_lines == CGROUP_STAT_LINES)
			return;
		if (sscanf(at, "%47[^ \n] %llu", l->name, &v) != 2)
			continue;
		l->value = v;
		s->n_memory_lines++;
	}
}

static void io_add(struct cgroup_io_line *lines, size_t *n, unsigned major, unsigned minor, const char *op, uint64_t v)
{
	struct cgroup_io_line *l = &lines[*n];

	if (*n == CGROUP_IO_LINES)
		return;
	*l = (struct cgroup_io_line){ .major = major, .minor = minor, .value = v };
	snprintf(l->op, sizeof l->op, "%s", op);
	str_lower(l->op);
	(*n)++;
}

/* "254:0 Read 4096" per line; the last line is a sum without a device. */
static void v1_io(const char *text, struct cgroup_io_line *lines, size_t *n)
{
	for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		unsigned major, minor;
		unsigned long long v;
		char op[8];

		if (sscanf(at, "%u:%u %7s %llu", &major, &minor, op, &v) == 4)
			io_add(lines, n, major, minor, op, v);
	}
}

/* "254:0 rbytes=1 wbytes=2 rios=3 wios=4 …" */
static void v2_io(const char *text, struct cgroup_stats *s)
{
	for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		unsigned major, minor;
		unsigned long long rb, wb, ro, wo;

		if (sscanf(at, "%u:%u rbytes=%llu wbytes=%llu rios=%llu wios=%llu", &major, &minor, &rb, &wb, &ro, &wo) != 6)
			continue;
		io_add(s->io_bytes, &s->n_io_bytes, major, minor, "read", rb);
		io_add(s->io_bytes, &s->n_io_bytes, major, minor, "write", wb);
		io_add(s->io_ops, &s->n_io_ops, major, minor, "read", ro);
		io_add(s->io_ops, &s->n_io_ops, major, minor, "write", wo);
	}
}

static void v1_cpu(const struct cgroup *cg, struct cgroup_stats *s)
{
	long ticks = sysconf(_SC_CLK_TCK);
	uint64_t tick_ns = ticks > 0 ? UINT64_C(1000000000) / (uint64_t)ticks : 10000000;
	es_autofree char *split = text_of(cg, "cpuacct", "cpuacct.stat");
	es_autofree char *per = text_of(cg, "cpuacct", "cpuacct.usage_percpu");
	es_autofree char *throttle = text_of(cg, "cpu", "cpu.stat");

	s->has_cpu = split != NULL;
	s->cpu_total_ns = number_of(cg, "cpuacct", "cpuacct.usage");
	s->cpu_user_ns = line_value(split, "user") * tick_ns;
	s->cpu_system_ns = line_value(split, "system") * tick_ns;
	for (const char *at = per; at && s->n_cpus < CGROUP_CPUS;) {
		char *end;
		uint64_t v = strtoull(at, &end, 10);

		if (end == at)
			break;
		s->cpu_per_ns[s->n_cpus++] = v;
		at = end;
	}
	s->cpu_periods = line_value(throttle, "nr_periods");
	s->cpu_throttled_periods = line_value(throttle, "nr_throttled");
	s->cpu_throttled_ns = line_value(throttle, "throttled_time");
}

static void v1_memory(const struct cgroup *cg, struct cgroup_stats *s)
{
	es_autofree char *lines = text_of(cg, "memory", "memory.stat");
	es_autofree char *oom = text_of(cg, "memory", "memory.oom_control");

	if (!lines)
		return;
	s->has_memory = true;
	stat_lines(lines, s);
	s->memory_usage = number_of(cg, "memory", "memory.usage_in_bytes");
	s->memory_max_usage = number_of(cg, "memory", "memory.max_usage_in_bytes");
	s->memory_limit = number_of(cg, "memory", "memory.limit_in_bytes");
	s->memory_failcnt = number_of(cg, "memory", "memory.failcnt");
	s->memory_oom_kills = line_value(oom, "oom_kill");
}

static void v1_blkio(const struct cgroup *cg, struct cgroup_stats *s)
{
	es_autofree char *bytes = text_of(cg, "blkio", "blkio.throttle.io_service_bytes");
	es_autofree char *ops = text_of(cg, "blkio", "blkio.throttle.io_serviced");

	s->has_io = bytes != NULL;
	v1_io(bytes, s->io_bytes, &s->n_io_bytes);
	v1_io(ops, s->io_ops, &s->n_io_ops);
}

static void v2_cpu(const struct cgroup *cg, struct cgroup_stats *s)
{
	es_autofree char *text = text_of(cg, "cpu", "cpu.stat");

	s->has_cpu = text != NULL;
	s->cpu_total_ns = line_value(text, "usage_usec") * 1000;
	s->cpu_user_ns = line_value(text, "user_usec") * 1000;
	s->cpu_system_ns = line_value(text, "system_usec") * 1000;
	s->cpu_periods = line_value(text, "nr_periods");
	s->cpu_throttled_periods = line_value(text, "nr_throttled");
	s->cpu_throttled_ns = line_value(text, "throttled_usec") * 1000;
}

static void v2_memory(const struct cgroup *cg, struct cgroup_stats *s)
{
	es_autofree char *lines = text_of(cg, "memory", "memory.stat");
	es_autofree char *events = text_of(cg, "memory", "memory.events");

	if (!events)
		return;
	s->has_memory = true;
	stat_lines(lines, s);
	s->memory_usage = number_of(cg, "memory", "memory.current");
	s->memory_max_usage = number_of(cg, "memory", "memory.peak");
	s->memory_limit = number_of(cg, "memory", "memory.max");
	s->memory_failcnt = line_value(events, "max");
	s->memory_oom_kills = line_value(events, "oom_kill");
}

es_err *cgroup_stats(const struct cgroup *cg, struct cgroup_stats *ret)
{
	es_autofree char *pids = text_of(cg, "pids", "pids.current");

	memset(ret, 0, sizeof *ret);
	if (cgroup_is_v2(cg)) {
		es_autofree char *io = text_of(cg, "io", "io.stat");

		v2_cpu(cg, ret);
		v2_memory(cg, ret);
		ret->has_io = io != NULL;
		v2_io(io, ret);
	} else {
		v1_cpu(cg, ret);
		v1_memory(cg, ret);
		v1_blkio(cg, ret);
	}
	ret->has_pids = pids != NULL;
	if (pids) {
		ret->pids_current = strtoull(pids, NULL, 10);
		ret->pids_limit = number_of(cg, "pids", "pids.max");
	}
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rtcgroup.c: one function per controller, each with its v1 and its v2 form. */
#include "runtime/rtcgroup.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/str.h"
#include "sys/devbpf.h"

uint64_t rtcgroup_cpu_weight(uint64_t shares)
{
	if (shares == 0)
		return 0;
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

uint64_t rtcgroup_io_weight(uint64_t w)
{
	return w == 0 ? 0 : 1 + (w - 10) * 9999 / 990;
}

/* Write V into FILE of CONTROLLER when it is set. */
static es_err *put_opt(const struct cgroup *cg, const char *controller, const char *file, struct field_opt_i64 v)
{
	return v.set ? cgroup_put_i64(cg, controller, file, v.v) : NULL;
}

/* v2 writes "max" for -1. */
static es_err *put_max(const struct cgroup *cg, const char *controller, const char *file, int64_t v)
{
	return v < 0 ? cgroup_put(cg, controller, file, "max") : cgroup_put_i64(cg, controller, file, v);
}

/* ---- memory ---- */

/* v1 holds limit <= limit+swap at every moment: which of the two is written first depends on what is there. */
static es_err *v1_memory_pair(const struct cgroup *cg, int64_t limit, int64_t swap)
{
	int64_t now = 0;
	es_err *err = cgroup_get_i64(cg, "memory", "memory.memsw.limit_in_bytes", &now);

	if (err) { /* no swap accounting */
		es_err_drop(err);
		return cgroup_put_i64(cg, "memory", "memory.limit_in_bytes", limit);
	}
	if (swap == -1 || swap > now) { /* grows: the sum first */
		ES_TRY(cgroup_put_i64(cg, "memory", "memory.memsw.limit_in_bytes", swap));
		return cgroup_put_i64(cg, "memory", "memory.limit_in_bytes", limit);
	}
	ES_TRY(cgroup_put_i64(cg, "memory", "memory.limit_in_bytes", limit));
	return cgroup_put_i64(cg, "memory", "memory.memsw.limit_in_bytes", swap);
}

/* Since 5.11 the kernel knows no other way than counting the groups below. */
static es_err *v1_hierarchy(const struct cgroup *cg, struct field_opt_bool want)
{
	int64_t have = 1;

	if (!want.set)
		return NULL;
	ES_TRY(cgroup_get_i64(cg, "memory", "memory.use_hierarchy", &have));
	if (want.v == (have != 0))
		return NULL;
	return es_err_in(cgroup_put(cg, "memory", "memory.use_hierarchy", want.v ? "1" : "0"), "useHierarchy");
}

/* Linux 5.16 gave this limit up: first it refused, later it takes the number and does nothing. */
static es_err *v1_kernel_memory(const struct cgroup *cg, int64_t limit)
{
	int64_t now = 0;

	ES_TRY(cgroup_put_i64(cg, "memory", "memory.kmem.limit_in_bytes", limit));
	ES_TRY(cgroup_get_i64(cg, "memory", "memory.kmem.limit_in_bytes", &now));
	if (now > limit)
		return es_err_new(ES_E_UNSUPPORTED,
				  "this kernel has no limit for kernel memory (memory.kmem.limit_in_bytes)");
	return NULL;
}

static es_err *v1_memory(const struct cgroup *cg, const struct oci_memory *m)
{
	int64_t limit = m->limit.set ? m->limit.v : 0, swap = m->swap.set ? m->swap.v : 0;

	if (limit == -1 && swap == 0)
		swap = -1;
	if (limit && swap)
		ES_TRY(v1_memory_pair(cg, limit, swap));
	else if (limit)
		ES_TRY(cgroup_put_i64(cg, "memory", "memory.limit_in_bytes", limit));
	else if (swap)
		ES_TRY(cgroup_put_i64(cg, "memory", "memory.memsw.limit_in_bytes", swap));
	if (m->reservation.set && m->reservation.v)
		ES_TRY(cgroup_put_i64(cg, "memory", "memory.soft_limit_in_bytes", m->reservation.v));
	if (m->kernel.set && m->kernel.v > 0)
		ES_TRY(es_err_in(v1_kernel_memory(cg, m->kernel.v), "kernel"));
	if (m->kernel_tcp.set && m->kernel_tcp.v)
		ES_TRY(cgroup_put_i64(cg, "memory", "memory.kmem.tcp.limit_in_bytes", m->kernel_tcp.v));
	if (m->swappiness.set && m->swappiness.v >= 0)
		ES_TRY(cgroup_put_i64(cg, "memory", "memory.swappiness", m->swappiness.v));
	if (m->disable_oom_killer.set && m->disable_oom_killer.v)
		ES_TRY(cgroup_put(cg, "memory", "memory.oom_control", "1"));
	return v1_hierarchy(cg, m->use_hierarchy);
}

/* What v1 had and v2 has not is refused by name, unless the value asks for what v2 does anyway. */
static es_err *v2_memory_missing(const struct oci_memory *m)
{
	const struct {
		const char *field;
		bool used;
	} rows[] = {
		{ "kernel", m->kernel.set && m->kernel.v > 0 },
		{ "kernelTCP", m->kernel_tcp.set && m->kernel_tcp.v > 0 },
		{ "swappiness", m->swappiness.set && m->swappiness.v >= 0 },
		{ "disableOOMKiller", m->disable_oom_killer.set && m->disable_oom_killer.v },
		{ "useHierarchy", m->use_hierarchy.set && !m->use_hierarchy.v },
	};

	for (size_t i = 0; i < ES_N(rows); i++)
		if (rows[i].used)
			return es_err_new(ES_E_UNSUPPORTED, "%s: cgroup v2 has no such setting", rows[i].field);
	return NULL;
}

/* v2's swap limit is swap alone; OCI's is memory plus swap. */
static es_err *v2_memory(const struct cgroup *cg, const struct oci_memory *m)
{
	int64_t swap = m->swap.set ? m->swap.v : 0;

	ES_TRY(v2_memory_missing(m));
	if (m->limit.set && m->limit.v == -1 && swap == 0)
		swap = -1;
	if (swap > 0) {
		if (!m->limit.set || m->limit.v <= 0)
			return es_err_new(ES_E_INVALID, "swap is set, limit is not");
		if (swap < m->limit.v)
			return es_err_new(ES_E_INVALID, "memory+swap is less than memory");
		swap -= m->limit.v;
		ES_TRY(cgroup_put_i64(cg, "memory", "memory.swap.max", swap));
	} else if (swap < 0) {
		ES_TRY(cgroup_put(cg, "memory", "memory.swap.max", "max"));
	}
	if (m->limit.set && m->limit.v)
		ES_TRY(put_max(cg, "memory", "memory.max", m->limit.v));
	if (m->reservation.set && m->reservation.v)
		ES_TRY(put_max(cg, "memory", "memory.low", m->reservation.v));
	return NULL;
}

/* checkBeforeUpdate: rather refuse than have the kernel kill. */
static es_err *check_usage(const struct cgroup *cg, const struct oci_memory *m)
{
	int64_t used = 0;

	if (!m->check_before_update.set || !m->check_before_update.v || !m->limit.set || m->limit.v <= 0)
		return NULL;
	ES_TRY(cgroup_get_i64(cg, "memory", cgroup_is_v2(cg) ? "memory.current" : "memory.usage_in_bytes", &used));
	if (used > m->limit.v)
		return es_err_new(ES_E_INVALID, "unable to set memory limit to %lld (current usage: %lld)",
				  (long long)m->limit.v, (long long)used);
	return NULL;
}

static es_err *apply_memory(const struct cgroup *cg, const struct oci_memory *m)
{
	if (!m)
		return NULL;
	ES_TRY(check_usage(cg, m));
	return cgroup_is_v2(cg) ? v2_memory(cg, m) : v1_memory(cg, m);
}

/* ---- cpu ---- */

static es_err *v1_cpu(const struct cgroup *cg, const struct oci_cpu *c)
{
	if (c->shares.set && c->shares.v)
		ES_TRY(cgroup_put_i64(cg, "cpu", "cpu.shares", c->shares.v));
	if (c->period.set && c->period.v)
		ES_TRY(cgroup_put_i64(cg, "cpu", "cpu.cfs_period_us", c->period.v));
	if (c->quota.set && c->quota.v)
		ES_TRY(cgroup_put_i64(cg, "cpu", "cpu.cfs_quota_us", c->quota.v));
	if (c->burst.set && c->burst.v)
		ES_TRY(cgroup_put_i64(cg, "cpu", "cpu.cfs_burst_us", c->burst.v));
	if (c->realtime_period.set && c->realtime_period.v)
		ES_TRY(cgroup_put_i64(cg, "cpu", "cpu.rt_period_us", c->realtime_period.v));
	if (c->realtime_runtime.set && c->realtime_runtime.v)
		ES_TRY(cgroup_put_i64(cg, "cpu", "cpu.rt_runtime_us", c->realtime_runtime.v));
	return put_opt(cg, "cpu", "cpu.idle", c->idle);
}

static es_err *v2_cpu(const struct cgroup *cg, const struct oci_cpu *c)
{
	char text[64], quota[24] = "max";

	if ((c->realtime_period.set && c->realtime_period.v) || (c->realtime_runtime.set && c->realtime_runtime.v))
		return es_err_new(ES_E_UNSUPPORTED, "linux.resources.cpu.realtime*: cgroup v2 has no such limit");
	if (c->shares.set && c->shares.v)
		ES_TRY(cgroup_put_i64(cg, "cpu", "cpu.weight", (int64_t)rtcgroup_cpu_weight((uint64_t)c->shares.v)));
	if ((c->quota.set && c->quota.v) || (c->period.set && c->period.v)) {
		if (c->quota.set && c->quota.v > 0)
			snprintf(quota, sizeof quota, "%lld", (long long)c->quota.v);
		snprintf(text, sizeof text, "%s %lld", quota, (long long)(c->period.set && c->period.v ? c->period.v : 100000));
		ES_TRY(cgroup_put(cg, "cpu", "cpu.max", text));
	}
	if (c->burst.set && c->burst.v)
		ES_TRY(cgroup_put_i64(cg, "cpu", "cpu.max.burst", c->burst.v));
	return put_opt(cg, "cpu", "cpu.idle", c->idle);
}

static es_err *apply_cpu(const struct cgroup *cg, const struct oci_cpu *c)
{
	if (!c)
		return NULL;
	ES_TRY(cgroup_is_v2(cg) ? v2_cpu(cg, c) : v1_cpu(cg, c));
	if (!str_empty(c->cpus))
		ES_TRY(cgroup_put(cg, "cpuset", "cpuset.cpus", c->cpus));
	if (!str_empty(c->mems))
		ES_TRY(cgroup_put(cg, "cpuset", "cpuset.mems", c->mems));
	return NULL;
}

/* ---- block devices ---- */

struct throttle {
	const struct field_list *list;
	const char *v1, *v2;
};

static es_err *throttle(const struct cgroup *cg, const struct throttle *t)
{
	char text[80];

	FIELD_LIST_EACH(const struct oci_throttle_device, d, t->list) {
		snprintf(text, sizeof text, cgroup_is_v2(cg) ? "%lld:%lld %s=%llu" : "%lld:%lld %s%llu", (long long)d->major,
			 (long long)d->minor, cgroup_is_v2(cg) ? t->v2 : "", (unsigned long long)d->rate);
		ES_TRY(cgroup_put(cg, cgroup_is_v2(cg) ? "io" : "blkio", cgroup_is_v2(cg) ? "io.max" : t->v1, text));
	}
	return NULL;
}

/* WEIGHT (OCI's, 10..1000) of DEVICE ("8:0 ") or, for "", of all: into the file of the BFQ scheduler, which has the same scale,
 * else that of CFQ's time (v1) or of iocost (v2). */
static es_err *put_weight(const struct cgroup *cg, const char *device, int64_t weight)
{
	static const char *const v1[2][2] = { { "blkio.bfq.weight", "blkio.weight" }, { "blkio.bfq.weight_device", "blkio.weight_device" } };
	bool v2 = cgroup_is_v2(cg);
	const char *controller = v2 ? "io" : "blkio";
	char text[80];
	es_err *err;

	snprintf(text, sizeof text, "%s%lld", device, (long long)weight);
	err = cgroup_put(cg, controller, v2 ? "io.bfq.weight" : v1[*device != 0][0], text);
	if (!err || es_err_errno(err) != ENOENT)
		return err;
	es_err_drop(err);
	if (v2)
		snprintf(text, sizeof text, "%s%llu", device, (unsigned long long)rtcgroup_io_weight((uint64_t)weight));
	return cgroup_put(cg, controller, v2 ? "io.weight" : v1[*device != 0][1], text);
}

static es_err *apply_block_io(const struct cgroup *cg, const struct oci_block_io *b)
{
	char text[64], device[48];

	if (!b)
		return NULL;
	if (b->weight.set && b->weight.v)
		ES_TRY(put_weight(cg, "", b->weight.v));
	if (b->leaf_weight.set && b->leaf_weight.v)
		ES_TRY(cgroup_put_i64(cg, "blkio", "blkio.leaf_weight", b->leaf_weight.v));
	FIELD_LIST_EACH(const struct oci_weight_device, d, &b->weight_device) {
		snprintf(device, sizeof device, "%lld:%lld ", (long long)d->major, (long long)d->minor);
		if (d->weight.set)
			ES_TRY(put_weight(cg, device, d->weight.v));
		if (d->leaf_weight.set) {
			snprintf(text, sizeof text, "%s%lld", device, (long long)d->leaf_weight.v);
			ES_TRY(es_err_in(cgroup_put(cg, "blkio", "blkio.leaf_weight_device", text),
					 "weightDevice.leafWeight"));
		}
	}
	const struct throttle rows[] = {
		{ &b->read_bps, "blkio.throttle.read_bps_device", "rbps" },
		{ &b->write_bps, "blkio.throttle.write_bps_device", "wbps" },
		{ &b->read_iops, "blkio.throttle.read_iops_device", "riops" },
		{ &b->write_iops, "blkio.throttle.write_iops_device", "wiops" },
	};
	for (size_t i = 0; i < ES_N(rows); i++)
		ES_TRY(throttle(cg, &rows[i]));
	return NULL;
}

/* ---- devices ---- */

/* What every container may use whatever config.json says: make any node, use the default ones and its terminals. */
static const struct devbpf_rule default_rules[] = {
	{ true, 'c', -1, -1, DEVBPF_MKNOD }, { true, 'b', -1, -1, DEVBPF_MKNOD }, { true, 'c', 1, 3, DEVBPF_ALL },
	{ true, 'c', 1, 8, DEVBPF_ALL },     { true, 'c', 1, 7, DEVBPF_ALL },     { true, 'c', 5, 0, DEVBPF_ALL },
	{ true, 'c', 1, 5, DEVBPF_ALL },     { true, 'c', 1, 9, DEVBPF_ALL },     { true, 'c', 136, -1, DEVBPF_ALL },
	{ true, 'c', 5, 2, DEVBPF_ALL },
};

static unsigned access_of(const char *text)
{
	return (strchr(text, 'r') ? DEVBPF_READ : 0u) | (strchr(text, 'w') ? DEVBPF_WRITE : 0u) |
	       (strchr(text, 'm') ? DEVBPF_MKNOD : 0u);
}

static struct devbpf_rule rule_of(const struct oci_device_rule *r)
{
	return (struct devbpf_rule){
		.allow = r->allow,
		.type = str_empty(r->type) ? 'a' : r->type[0],
		.major = r->major.set ? r->major.v : -1,
		.minor = r->minor.set ? r->minor.v : -1,
		.access = str_empty(r->access) ? DEVBPF_ALL : access_of(r->access),
	};
}

/* The two files of a v1 group, open while its rules are written. */
struct v1_devices {
	int allow, deny;
};

static es_err *v1_device(const struct v1_devices *to, const struct devbpf_rule *r)
{
	char text[80] = "a", major[24] = "*", minor[24] = "*";

	if (r->major >= 0)
		snprintf(major, sizeof major, "%lld", (long long)r->major);
	if (r->minor >= 0)
		snprintf(minor, sizeof minor, "%lld", (long long)r->minor);
	if (r->type != 'a')
		snprintf(text, sizeof text, "%c %s:%s %s%s%s", r->type, major, minor, r->access & DEVBPF_READ ? "r" : "",
			 r->access & DEVBPF_WRITE ? "w" : "", r->access & DEVBPF_MKNOD ? "m" : "");
	if (write(r->allow ? to->allow : to->deny, text, strlen(text)) < 0)
		return es_err_sys(errno, "write \"%s\" to devices.%s", text, r->allow ? "allow" : "deny");
	return NULL;
}

/* Whether RULES[AT] says again what an earlier rule said, with none of the other kind in between. */
static bool is_repeated(const struct devbpf_rule *rules, size_t at)
{
	for (size_t i = at; i-- > 0 && rules[i].allow == rules[at].allow;)
		if (rules[i].type == rules[at].type && rules[i].major == rules[at].major && rules[i].minor == rules[at].minor &&
		    rules[i].access == rules[at].access)
			return true;
	return false;
}

static es_err *v1_devices(const struct cgroup *cg, const struct devbpf_rule *rules, size_t n)
{
	int dir = cgroup_dir_fd(cg, "devices");
	es_autoclose int allow = -1, deny = -1;

	if (dir < 0)
		return es_err_new(ES_E_UNSUPPORTED, "cgroup controller devices is not mounted here");
	allow = openat(dir, "devices.allow", O_WRONLY | O_CLOEXEC);
	deny = openat(dir, "devices.deny", O_WRONLY | O_CLOEXEC);
	if (allow < 0 || deny < 0)
		return es_err_sys(errno, "open devices.allow and devices.deny");
	for (size_t i = 0; i < n; i++)
		if (!is_repeated(rules, i))
			ES_TRY(v1_device(&(struct v1_devices){ allow, deny }, &rules[i]));
	return NULL;
}

static es_err *apply_devices(const struct cgroup *cg, const struct field_list *list)
{
	size_t n = 0;
	es_autofree struct devbpf_rule *rules = es_xcalloc(list->n + ES_N(default_rules) + 1, sizeof *rules);

	if (list->n == 0)
		return NULL; /* no list: no restriction */
	FIELD_LIST_EACH(const struct oci_device_rule, r, list)
		rules[n++] = rule_of(r);
	for (size_t i = 0; i < ES_N(default_rules); i++)
		rules[n++] = default_rules[i];
	if (cgroup_is_v2(cg))
		return es_err_in(devbpf_attach(cgroup_v2_fd(cg), rules, n), "linux.resources.devices");
	return es_err_in(v1_devices(cg, rules, n), "linux.resources.devices");
}

/* ---- the rest ---- */

/* Less than the one process that is the container cannot be meant by 0; both systemd and runc take it for 1. */
static es_err *apply_pids(const struct cgroup *cg, const struct oci_pids *p)
{
	if (!p || !p->limit.set)
		return NULL;
	return put_max(cg, "pids", "pids.max", p->limit.v == 0 ? 1 : p->limit.v);
}

static es_err *apply_hugepages(const struct cgroup *cg, const struct field_list *list)
{
	FIELD_LIST_EACH(const struct oci_hugepage_limit, h, list) {
		es_autofree char *file = es_xasprintf(cgroup_is_v2(cg) ? "hugetlb.%s.max" : "hugetlb.%s.limit_in_bytes", h->page_size);
		es_autofree char *text = es_xasprintf("%llu", (unsigned long long)h->limit);

		ES_TRY(cgroup_put(cg, "hugetlb", file, text));
	}
	return NULL;
}

static es_err *apply_net(const struct cgroup *cg, const struct oci_net *n)
{
	char text[64];

	if (!n)
		return NULL;
	if (n->class_id.set && n->class_id.v)
		ES_TRY(cgroup_put_i64(cg, "net_cls", "net_cls.classid", n->class_id.v));
	FIELD_LIST_EACH(const struct oci_net_priority, p, &n->priorities) {
		snprintf(text, sizeof text, "%s %u", p->name, p->priority);
		ES_TRY(cgroup_put(cg, "net_prio", "net_prio.ifpriomap", text));
	}
	return NULL;
}

static es_err *apply_rdma(const struct cgroup *cg, const struct field_map *rdma)
{
	FIELD_MAP_EACH(e, rdma) {
		const struct oci_rdma *r = e->value;
		es_autobuf b = ES_BUF(512);

		es_buf_adds(&b, e->key);
		if (r->hca_handles.set)
			es_buf_printf(&b, " hca_handle=%lld", (long long)r->hca_handles.v);
		if (r->hca_objects.set)
			es_buf_printf(&b, " hca_object=%lld", (long long)r->hca_objects.v);
		ES_TRY(es_buf_check(&b));
		ES_TRY(cgroup_put(cg, "rdma", "rdma.max", es_buf_str(&b)));
	}
	return NULL;
}

static es_err *apply_unified(const struct cgroup *cg, const struct field_map *unified)
{
	if (unified && unified->n && !cgroup_is_v2(cg))
		return es_err_new(ES_E_UNSUPPORTED, "linux.resources.unified: this machine has cgroup v1");
	FIELD_MAP_EACH(e, unified) {
		if (strchr(e->key, '/'))
			return es_err_new(ES_E_INVALID, "linux.resources.unified: \"%s\" is not a file name", e->key);
		ES_TRY(cgroup_put(cg, "", e->key, e->value));
	}
	return NULL;
}

es_err *rtcgroup_apply(const struct cgroup *cg, const struct oci_resources *r, bool devices)
{
	if (!r)
		return NULL;
	if (devices)
		ES_TRY(apply_devices(cg, &r->devices));
	ES_TRY(es_err_in(apply_memory(cg, r->memory), "linux.resources.memory"));
	ES_TRY(es_err_in(apply_cpu(cg, r->cpu), "linux.resources.cpu"));
	ES_TRY(es_err_in(apply_pids(cg, r->pids), "linux.resources.pids"));
	ES_TRY(es_err_in(apply_block_io(cg, r->block_io), "linux.resources.blockIO"));
	ES_TRY(es_err_in(apply_hugepages(cg, &r->hugepage_limits), "linux.resources.hugepageLimits"));
	ES_TRY(es_err_in(apply_net(cg, r->network), "linux.resources.network"));
	ES_TRY(es_err_in(apply_rdma(cg, r->rdma), "linux.resources.rdma"));
	return apply_unified(cg, r->unified);
}

es_err *rtcgroup_refuse(const struct oci_resources *r)
{
	static const struct oci_resources none;

	if (!r)
		r = &none;
	const struct {
		const char *field;
		bool used;
	} rows[] = {
		{ "memory", r->memory && (r->memory->limit.set || r->memory->reservation.set || r->memory->swap.set) },
		{ "cpu", r->cpu && (r->cpu->shares.set || r->cpu->quota.set || r->cpu->idle.set || !str_empty(r->cpu->cpus)) },
		{ "pids", r->pids && r->pids->limit.v > 0 },
		{ "blockIO", r->block_io && r->block_io->weight.set },
		{ "hugepageLimits", r->hugepage_limits.n > 0 },
		{ "unified", r->unified && r->unified->n > 0 },
	};

	for (size_t i = 0; i < ES_N(rows); i++)
		if (rows[i].used)
			return es_err_new(ES_E_UNSUPPORTED, "linux.resources.%s: control groups are disabled", rows[i].field);
	return NULL;
}

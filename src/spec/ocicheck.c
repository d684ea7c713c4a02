/* SPDX-License-Identifier: Apache-2.0 */
/* ocicheck.c: one function per object of config.json; the path of what is wrong is put together only when something is. */
#include "spec/ocicheck.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

/* Where in the document. */
struct at {
	const struct at *up;
	const char *name; /* NULL: an element of a list */
	size_t index;
};

static void put_path(struct es_buf *b, const struct at *at)
{
	if (at->up)
		put_path(b, at->up);
	if (!at->name)
		es_buf_printf(b, "[%zu]", at->index);
	else if (*at->name)
		es_buf_printf(b, "%s%s", b->len ? "." : "", at->name);
}

static es_err *bad(const struct at *at, const char *fmt, ...) ES_PRINTF(2, 3);
static es_err *bad(const struct at *at, const char *fmt, ...)
{
	es_autobuf b = ES_BUF(1u << 20);
	va_list ap;

	put_path(&b, at);
	es_buf_adds(&b, ": ");
	va_start(ap, fmt);
	es_buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return es_err_new(ES_E_INVALID, "%s", es_buf_str(&b));
}

#define IN(parent, label) (&(struct at){ .up = (parent), .name = (label) })
#define NTH(parent, i) (&(struct at){ .up = (parent), .index = (i) })

/* ---- words, numbers, paths ---- */

static bool is_one_of(const char *const *words, const char *word)
{
	while (*words && !str_eq(*words, word))
		words++;
	return *words != NULL;
}

static es_err *check_word(const struct at *at, const char *const *words, const char *word)
{
	return is_one_of(words, word) ? NULL : bad(at, "\"%s\" is not one of its values", word ? word : "");
}

static es_err *check_words(const struct at *at, const char *const *words, char *const *list)
{
	for (size_t i = 0; list && list[i]; i++)
		ES_TRY(check_word(NTH(at, i), words, list[i]));
	return NULL;
}

/* A row of numbers that have a range. */
struct range {
	const char *name;
	struct field_opt_i64 v;
	int64_t min, max;
};

static es_err *check_ranges(const struct at *at, const struct range *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].v.set && (rows[i].v.v < rows[i].min || rows[i].v.v > rows[i].max))
			return bad(IN(at, rows[i].name), "%lld is out of range", (long long)rows[i].v.v);
	return NULL;
}

#define SET(number) { .set = true, .v = (number) }

static es_err *check_absolute(const struct at *at, const char *path)
{
	return path && *path == '/' ? NULL : bad(at, "\"%s\" is not an absolute path", path ? path : "");
}

static es_err *check_paths(const struct at *at, char *const *paths)
{
	for (size_t i = 0; paths && paths[i]; i++)
		ES_TRY(check_absolute(NTH(at, i), paths[i]));
	return NULL;
}

static es_err *check_no_null(const struct at *at, const struct field_map *map)
{
	FIELD_MAP_EACH(e, map)
		if (!e->value)
			return bad(IN(at, e->key), "null is not a value");
	return NULL;
}

bool ocicheck_ranges(const char *text, void (*fn)(void *arg, unsigned first, unsigned last), void *arg)
{
	for (const char *p = text;; p++) {
		unsigned long first, last;
		char *end;

		while (*p == ' ')
			p++;
		if (*p < '0' || *p > '9')
			return false;
		first = last = strtoul(p, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return false;
			last = strtoul(end + 1, &end, 10);
		}
		while (*end == ' ' || *end == '\n')
			end++;
		if (last < first || last > 1u << 16 || (*end && *end != ','))
			return false;
		if (fn)
			fn(arg, (unsigned)first, (unsigned)last);
		if (!*end)
			return true;
		p = end;
	}
}

static es_err *check_list(const struct at *at, const char *text)
{
	return str_empty(text) || ocicheck_ranges(text, NULL, NULL) ? NULL : bad(at, "\"%s\" is not a list like 0-3,7", text);
}

static es_err *check_id_maps(const struct at *at, const struct field_list *list)
{
	const struct oci_id_map *m = list->items;

	for (size_t i = 0; i < list->n; i++) {
		if (m[i].size == 0)
			return bad(IN(NTH(at, i), "size"), "0 is no range of ids");
		if (UINT32_MAX - m[i].size < m[i].container_id || UINT32_MAX - m[i].size < m[i].host_id)
			return bad(NTH(at, i), "the range of ids ends beyond 4294967295");
	}
	return NULL;
}

/* ---- process ---- */

static es_err *check_user(const struct at *at, const struct oci_user *u)
{
	const struct range rows[] = { { "umask", u->umask, 0, 0777 } };
	const struct json *list = u->additional_gids;
	size_t i = 0;

	ES_TRY(check_ranges(at, rows, ES_N(rows)));
	if (list && list->type != JSON_ARRAY && list->type != JSON_NULL)
		return bad(IN(at, "additionalGids"), "expected a list");
	JSON_EACH(g, list) {
		int64_t v = json_i64(g, -1);

		if (v < 0 || v > UINT32_MAX)
			return bad(NTH(IN(at, "additionalGids"), i), "not a group id");
		i++;
	}
	return NULL;
}

static es_err *check_rlimits(const struct at *at, const struct field_list *list)
{
	static const char *const types[] = {
		"RLIMIT_AS",	 "RLIMIT_CORE",	   "RLIMIT_CPU",   "RLIMIT_DATA",  "RLIMIT_FSIZE", "RLIMIT_LOCKS",	"RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE",
		"RLIMIT_NICE",	 "RLIMIT_NOFILE",  "RLIMIT_NPROC", "RLIMIT_RSS",   "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING",
		"RLIMIT_STACK", NULL
	};
	const struct oci_rlimit *l = list->items;

	for (size_t i = 0; i < list->n; i++) {
		ES_TRY(check_word(IN(NTH(at, i), "type"), types, l[i].type));
		for (size_t j = 0; j < i; j++)
			if (str_eq(l[i].type, l[j].type))
				return bad(IN(NTH(at, i), "type"), "second \"%s\"", l[i].type);
		if (l[i].soft > l[i].hard)
			return bad(IN(NTH(at, i), "soft"), "higher than hard");
	}
	return NULL;
}

static es_err *check_scheduler(const struct at *at, const struct oci_scheduler *s)
{
	static const char *const policies[] = { "SCHED_OTHER", "SCHED_FIFO",	 "SCHED_RR", "SCHED_BATCH",
						"SCHED_ISO",   "SCHED_IDLE", "SCHED_DEADLINE", NULL };
	static const char *const flags[] = { "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM",	    "SCHED_FLAG_DL_OVERRUN",
					     "SCHED_FLAG_KEEP_POLICY",	 "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
					     "SCHED_FLAG_UTIL_CLAMP_MAX", NULL };
	bool real_time = str_eq(s->policy, "SCHED_FIFO") || str_eq(s->policy, "SCHED_RR");

	ES_TRY(check_word(IN(at, "policy"), policies, s->policy));
	ES_TRY(check_words(IN(at, "flags"), flags, s->flags));
	const struct range rows[] = { { "nice", SET(s->nice), -20, 19 }, { "priority", SET(s->priority), 0, 99 } };

	ES_TRY(check_ranges(at, rows, ES_N(rows)));
	if (s->priority && !real_time)
		return bad(IN(at, "priority"), "only SCHED_FIFO and SCHED_RR have one");
	if (!str_eq(s->policy, "SCHED_DEADLINE") && (s->runtime || s->deadline || s->period))
		return bad(IN(at, s->runtime ? "runtime" : s->deadline ? "deadline" : "period"), "only SCHED_DEADLINE has one");
	return NULL;
}

static es_err *check_io_priority(const struct at *at, const struct oci_io_priority *io)
{
	static const char *const classes[] = { "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE", NULL };
	const struct range rows[] = { { "priority", SET(io->priority), 0, 7 } };

	ES_TRY(check_word(IN(at, "class"), classes, io->class));
	return check_ranges(at, rows, ES_N(rows));
}

static es_err *check_process(const struct at *at, const struct oci_process *p)
{
	const struct range rows[] = { { "oomScoreAdj", p->oom_score_adj, -1000, 1000 } };

	if (!p->args || !p->args[0])
		return bad(IN(at, "args"), "must not be empty");
	ES_TRY(check_absolute(IN(at, "cwd"), p->cwd));
	ES_TRY(check_user(IN(at, "user"), &p->user));
	ES_TRY(check_rlimits(IN(at, "rlimits"), &p->rlimits));
	ES_TRY(check_ranges(at, rows, ES_N(rows)));
	if (p->scheduler)
		ES_TRY(check_scheduler(IN(at, "scheduler"), p->scheduler));
	if (p->io_priority)
		ES_TRY(check_io_priority(IN(at, "ioPriority"), p->io_priority));
	if (p->exec_cpu_affinity) {
		const struct at *here = IN(at, "execCPUAffinity");

		ES_TRY(check_list(IN(here, "initial"), p->exec_cpu_affinity->initial));
		ES_TRY(check_list(IN(here, "final"), p->exec_cpu_affinity->final));
	}
	return NULL;
}

/* ---- mounts, hooks ---- */

static es_err *check_mounts(const struct at *at, const struct field_list *list)
{
	const struct oci_mount *m = list->items;

	for (size_t i = 0; i < list->n; i++) {
		const struct at *here = NTH(at, i);
		bool bind = str_eq(m[i].type, "bind") || strv_has(m[i].options, "bind") || strv_has(m[i].options, "rbind");

		if (str_empty(m[i].destination))
			return bad(IN(here, "destination"), "is empty");
		if (bind && str_empty(m[i].source))
			return bad(IN(here, "source"), "a bind mount needs one");
		if (!bind && str_empty(m[i].type) && !strv_has(m[i].options, "remount"))
			return bad(IN(here, "type"), "a mount that is no bind mount needs one");
		if (!m[i].uid_mappings.n != !m[i].gid_mappings.n)
			return bad(IN(here, m[i].uid_mappings.n ? "gidMappings" : "uidMappings"), "uidMappings and gidMappings must both be given");
		ES_TRY(check_id_maps(IN(here, "uidMappings"), &m[i].uid_mappings));
		ES_TRY(check_id_maps(IN(here, "gidMappings"), &m[i].gid_mappings));
	}
	return NULL;
}

static es_err *check_hooks(const struct at *at, const struct oci_hooks *h)
{
	const struct {
		const char *name;
		const struct field_list *list;
	} stages[] = {
		{ "prestart", &h->prestart },		    { "createRuntime", &h->create_runtime }, { "createContainer", &h->create_container },
		{ "startContainer", &h->start_container }, { "poststart", &h->poststart },	      { "poststop", &h->poststop },
	};

	for (size_t k = 0; k < ES_N(stages); k++) {
		const struct oci_hook *hook = stages[k].list->items;

		for (size_t i = 0; i < stages[k].list->n; i++) {
			const struct at *here = NTH(IN(at, stages[k].name), i);

			ES_TRY(check_absolute(IN(here, "path"), hook[i].path));
			if (hook[i].timeout.set && hook[i].timeout.v <= 0)
				return bad(IN(here, "timeout"), "must be greater than 0");
		}
	}
	return NULL;
}

/* ---- linux.resources ---- */

static es_err *check_device_rules(const struct at *at, const struct field_list *list)
{
	const struct oci_device_rule *r = list->items;

	for (size_t i = 0; i < list->n; i++) {
		const char *access = r[i].access;
		const struct range rows[] = { { "major", r[i].major, -1, UINT32_MAX }, { "minor", r[i].minor, -1, UINT32_MAX } };

		if (access && access[strspn(access, "rwm")])
			return bad(IN(NTH(at, i), "access"), "\"%s\" has letters other than r, w and m", access);
		ES_TRY(check_ranges(NTH(at, i), rows, ES_N(rows)));
	}
	return NULL;
}

static es_err *check_memory(const struct at *at, const struct oci_memory *m)
{
	const struct range rows[] = {
		{ "limit", m->limit, -1, INT64_MAX },	{ "reservation", m->reservation, -1, INT64_MAX },
		{ "swap", m->swap, -1, INT64_MAX },	{ "kernel", m->kernel, -1, INT64_MAX },
		{ "kernelTCP", m->kernel_tcp, -1, INT64_MAX }, { "swappiness", m->swappiness, -1, 200 },
	};

	return check_ranges(at, rows, ES_N(rows));
}

static es_err *check_cpu(const struct at *at, const struct oci_cpu *c)
{
	const struct range rows[] = {
		{ "shares", c->shares, 0, INT64_MAX }, { "quota", c->quota, -1, INT64_MAX },
		{ "burst", c->burst, 0, INT64_MAX },   { "period", c->period, 0, INT64_MAX },
		{ "realtimePeriod", c->realtime_period, 0, INT64_MAX }, { "idle", c->idle, 0, 1 },
	};

	ES_TRY(check_ranges(at, rows, ES_N(rows)));
	ES_TRY(check_list(IN(at, "cpus"), c->cpus));
	return check_list(IN(at, "mems"), c->mems);
}

/* 0 is "not asked for", as other runtimes have it. */
static es_err *check_weight(const struct at *at, const char *name, struct field_opt_i64 v)
{
	if (v.set && v.v && (v.v < 10 || v.v > 1000))
		return bad(IN(at, name), "%lld is not between 10 and 1000", (long long)v.v);
	return NULL;
}

static es_err *check_block_io(const struct at *at, const struct oci_block_io *b)
{
	const struct oci_weight_device *w = b->weight_device.items;

	ES_TRY(check_weight(at, "weight", b->weight));
	ES_TRY(check_weight(at, "leafWeight", b->leaf_weight));
	for (size_t i = 0; i < b->weight_device.n; i++) {
		const struct at *here = NTH(IN(at, "weightDevice"), i);

		if (!w[i].weight.set && !w[i].leaf_weight.set)
			return bad(here, "neither weight nor leafWeight is given");
		ES_TRY(check_weight(here, "weight", w[i].weight));
		ES_TRY(check_weight(here, "leafWeight", w[i].leaf_weight));
	}
	return NULL;
}

/* "64KB", "2MB", "1GB": part of a file's name. */
static bool is_page_size(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n && n < 6 && strchr("KMG", text[n]) && text[n] && str_eq(text + n + 1, "B");
}

static es_err *check_hugepages(const struct at *at, const struct field_list *list)
{
	const struct oci_hugepage_limit *h = list->items;

	for (size_t i = 0; i < list->n; i++) {
		if (!is_page_size(h[i].page_size))
			return bad(IN(NTH(at, i), "pageSize"), "\"%s\" is not a size like 2MB", h[i].page_size);
		for (size_t j = 0; j < i; j++)
			if (str_eq(h[i].page_size, h[j].page_size))
				return bad(IN(NTH(at, i), "pageSize"), "second \"%s\"", h[i].page_size);
	}
	return NULL;
}

static es_err *check_net(const struct at *at, const struct oci_net *n)
{
	const struct range rows[] = { { "classID", n->class_id, 0, UINT32_MAX } };
	const struct oci_net_priority *p = n->priorities.items;

	ES_TRY(check_ranges(at, rows, ES_N(rows)));
	for (size_t i = 0; i < n->priorities.n; i++)
		if (str_empty(p[i].name) || strpbrk(p[i].name, "/: \n"))
			return bad(IN(NTH(IN(at, "priorities"), i), "name"), "\"%s\" is not a network device's name", p[i].name);
	return NULL;
}

static es_err *check_resources(const struct at *at, const struct oci_resources *r)
{
	ES_TRY(check_device_rules(IN(at, "devices"), &r->devices));
	if (r->memory)
		ES_TRY(check_memory(IN(at, "memory"), r->memory));
	if (r->cpu)
		ES_TRY(check_cpu(IN(at, "cpu"), r->cpu));
	if (r->pids && r->pids->limit.v < -1)
		return bad(IN(IN(at, "pids"), "limit"), "%lld is out of range", (long long)r->pids->limit.v);
	if (r->block_io)
		ES_TRY(check_block_io(IN(at, "blockIO"), r->block_io));
	ES_TRY(check_hugepages(IN(at, "hugepageLimits"), &r->hugepage_limits));
	if (r->network)
		ES_TRY(check_net(IN(at, "network"), r->network));
	ES_TRY(check_no_null(IN(at, "rdma"), r->rdma));
	FIELD_MAP_EACH(e, r->rdma) {
		const struct oci_rdma *d = e->value;
		const struct range rows[] = { { "hcaHandles", d->hca_handles, 0, UINT32_MAX }, { "hcaObjects", d->hca_objects, 0, UINT32_MAX } };

		if (!*e->key || strpbrk(e->key, " \n"))
			return bad(IN(at, "rdma"), "\"%s\" is not a device's name", e->key);
		ES_TRY(check_ranges(IN(IN(at, "rdma"), e->key), rows, ES_N(rows)));
	}
	ES_TRY(check_no_null(IN(at, "unified"), r->unified));
	FIELD_MAP_EACH(e, r->unified)
		if (!*e->key || strchr(e->key, '/') || str_eq(e->key, ".") || str_eq(e->key, ".."))
			return bad(IN(at, "unified"), "\"%s\" is not a file name", e->key);
	return NULL;
}

/* ---- linux.seccomp ---- */

const char *const ocicheck_seccomp_actions[] = { "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
						 "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
						 "SCMP_ACT_TRAP", NULL };
const char *const ocicheck_seccomp_operators[] = { "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE",
						   "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL };
const char *const ocicheck_seccomp_flags[] = { "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
					       "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL };
const char *const ocicheck_seccomp_arches[] = {
	"SCMP_ARCH_AARCH64",	 "SCMP_ARCH_ARM",	    "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",	   "SCMP_ARCH_MIPS",	"SCMP_ARCH_MIPS64",
	"SCMP_ARCH_MIPS64N32",	 "SCMP_ARCH_MIPSEL",	    "SCMP_ARCH_MIPSEL64",    "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_PPC",	 "SCMP_ARCH_PPC64",	    "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_RISCV64",  "SCMP_ARCH_S390",	"SCMP_ARCH_S390X",
	"SCMP_ARCH_SH",		 "SCMP_ARCH_SHEB",	    "SCMP_ARCH_X32",	     "SCMP_ARCH_X86",	   "SCMP_ARCH_X86_64",	NULL
};

/* The texts are runc's. */
static es_err *check_action(const struct at *at, const char *name, const char *action, const char *errno_name, struct field_opt_i64 number)
{
	const struct range rows[] = { { errno_name, number, 0, 0xffff } };

	if (!is_one_of(ocicheck_seccomp_actions, action))
		return bad(IN(at, name), "string %s is not a valid action for seccomp", action ? action : "");
	if (number.set && !str_eq(action, "SCMP_ACT_ERRNO") && !str_eq(action, "SCMP_ACT_TRACE"))
		return bad(IN(at, errno_name), "%s takes no errno", action);
	return check_ranges(at, rows, ES_N(rows));
}

static es_err *check_call(const struct at *at, const struct oci_seccomp_rule *r)
{
	const struct oci_seccomp_arg *arg = r->args.items;

	if (!r->names || !r->names[0])
		return bad(IN(at, "names"), "must not be empty");
	ES_TRY(check_action(at, "action", r->action, "errnoRet", r->errno_ret));
	/* the runtime itself needs it to hand the listener over, and would wait for itself */
	if (str_eq(r->action, "SCMP_ACT_NOTIFY") && strv_has(r->names, "write"))
		return bad(IN(at, "action"), "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	for (size_t i = 0; i < r->args.n; i++) {
		const struct at *here = NTH(IN(at, "args"), i);

		if (arg[i].index > 5)
			return bad(IN(here, "index"), "%u: a system call has six arguments", arg[i].index);
		if (!is_one_of(ocicheck_seccomp_operators, arg[i].op))
			return bad(IN(here, "op"), "string %s is not a valid operator for seccomp", arg[i].op);
	}
	return NULL;
}

static es_err *check_seccomp(const struct at *at, const struct oci_seccomp *s)
{
	const struct oci_seccomp_rule *r = s->syscalls.items;

	ES_TRY(check_action(at, "defaultAction", s->default_action, "defaultErrnoRet", s->default_errno_ret));
	if (str_eq(s->default_action, "SCMP_ACT_NOTIFY"))
		return bad(IN(at, "defaultAction"), "SCMP_ACT_NOTIFY cannot be used as default action");
	for (size_t i = 0; s->architectures && s->architectures[i]; i++)
		if (!is_one_of(ocicheck_seccomp_arches, s->architectures[i]))
			return bad(NTH(IN(at, "architectures"), i), "string %s is not a valid arch for seccomp", s->architectures[i]);
	ES_TRY(check_words(IN(at, "flags"), ocicheck_seccomp_flags, s->flags));
	if (!str_empty(s->listener_metadata) && str_empty(s->listener_path))
		return bad(IN(at, "listenerMetadata"), "is for listenerPath, which is not set");
	for (size_t i = 0; i < s->syscalls.n; i++) {
		ES_TRY(check_call(NTH(IN(at, "syscalls"), i), &r[i]));
		if (str_eq(r[i].action, "SCMP_ACT_NOTIFY") && str_empty(s->listener_path))
			return bad(IN(at, "listenerPath"), "SCMP_ACT_NOTIFY needs one");
	}
	return NULL;
}

/* ---- the rest of linux ---- */

static es_err *check_namespaces(const struct at *at, const struct field_list *list)
{
	const struct oci_namespace *ns = list->items;

	for (size_t i = 0; i < list->n; i++) {
		if (str_empty(ns[i].type))
			return bad(IN(NTH(at, i), "type"), "is empty");
		if (!str_empty(ns[i].path))
			ES_TRY(check_absolute(IN(NTH(at, i), "path"), ns[i].path));
		for (size_t j = 0; j < i; j++)
			if (str_eq(ns[i].type, ns[j].type))
				return bad(IN(NTH(at, i), "type"), "second \"%s\"", ns[i].type);
	}
	return NULL;
}

static es_err *check_devices(const struct at *at, const struct field_list *list)
{
	const struct oci_device *d = list->items;

	for (size_t i = 0; i < list->n; i++) {
		const struct at *here = NTH(at, i);
		const struct range rows[] = {
			{ "major", SET(d[i].major), 0, UINT32_MAX }, { "minor", SET(d[i].minor), 0, UINT32_MAX },
			{ "fileMode", d[i].file_mode, 0, UINT32_MAX }, { "uid", d[i].uid, 0, UINT32_MAX }, { "gid", d[i].gid, 0, UINT32_MAX },
		};

		if (str_empty(d[i].type))
			return bad(IN(here, "type"), "is empty");
		ES_TRY(check_absolute(IN(here, "path"), d[i].path));
		ES_TRY(check_ranges(here, rows, ES_N(rows)));
	}
	return NULL;
}

/* As the kernel has it (dev_valid_name); a name to be given may have one %d. */
static bool is_device_name(const char *name)
{
	return *name && strlen(name) < 16 && !str_eq(name, ".") && !str_eq(name, "..") && !strpbrk(name, "/: \t\n");
}

static es_err *check_net_devices(const struct at *at, const struct field_map *map)
{
	ES_TRY(check_no_null(at, map));
	FIELD_MAP_EACH(e, map) {
		const struct oci_net_device *d = e->value;

		if (!is_device_name(e->key))
			return bad(at, "\"%s\" is not a network device's name", e->key);
		if (!str_empty(d->name) && !is_device_name(d->name))
			return bad(IN(IN(at, e->key), "name"), "\"%s\" is not a network device's name", d->name);
	}
	return NULL;
}

static es_err *check_sysctl(const struct at *at, const struct field_map *map)
{
	ES_TRY(check_no_null(at, map));
	FIELD_MAP_EACH(e, map)
		if (!*e->key || *e->key == '/' || *e->key == '.' || strstr(e->key, "..") || strstr(e->key, "//"))
			return bad(at, "\"%s\" is not a name", e->key);
	return NULL;
}

static es_err *check_time_offsets(const struct at *at, const struct field_map *map)
{
	static const char *const clocks[] = { "monotonic", "boottime", NULL };

	ES_TRY(check_no_null(at, map));
	FIELD_MAP_EACH(e, map) {
		const struct oci_time_offset *o = e->value;

		if (!is_one_of(clocks, e->key))
			return bad(at, "\"%s\" is not a clock that has an offset", e->key);
		if (o->nanosecs > 999999999)
			return bad(IN(IN(at, e->key), "nanosecs"), "%u is out of range", o->nanosecs);
	}
	return NULL;
}

static es_err *check_schema(const struct at *at, const char *line, const char *prefix)
{
	if (str_empty(line))
		return NULL;
	if (strchr(line, '\n'))
		return bad(at, "has more than one line");
	return prefix && !str_starts(line, prefix) ? bad(at, "\"%s\" does not begin with %s", line, prefix) : NULL;
}

static es_err *check_intel_rdt(const struct at *at, const struct oci_intel_rdt *r)
{
	const char *id = r->clos_id;

	if (id && (str_eq(id, ".") || str_eq(id, "..") || (strchr(id, '/') && !str_eq(id, "/"))))
		return bad(IN(at, "closID"), "\"%s\" is not the name of a directory", id);
	ES_TRY(check_schema(IN(at, "l3CacheSchema"), r->l3_cache_schema, NULL));
	ES_TRY(check_schema(IN(at, "memBwSchema"), r->mem_bw_schema, "MB:"));
	for (size_t i = 0; r->schemata && r->schemata[i]; i++)
		ES_TRY(check_schema(NTH(IN(at, "schemata"), i), r->schemata[i], NULL));
	return NULL;
}

const char *const ocicheck_memory_modes[] = { "MPOL_DEFAULT",	       "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED",
					      "MPOL_PREFERRED_MANY", "MPOL_LOCAL", NULL };
const char *const ocicheck_memory_flags[] = { "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES", NULL };

static es_err *check_memory_policy(const struct at *at, const struct oci_memory_policy *p)
{
	ES_TRY(check_word(IN(at, "mode"), ocicheck_memory_modes, p->mode));
	ES_TRY(check_words(IN(at, "flags"), ocicheck_memory_flags, p->flags));
	return check_list(IN(at, "nodes"), p->nodes);
}

static es_err *check_personality(const struct at *at, const struct oci_personality *p)
{
	static const char *const domains[] = { "LINUX", "LINUX32", NULL }, *const none[] = { NULL };

	ES_TRY(check_word(IN(at, "domain"), domains, p->domain));
	return check_words(IN(at, "flags"), none, p->flags); /* the specification has no value for them */
}

static es_err *check_linux(const struct at *at, const struct oci_linux *l)
{
	ES_TRY(check_namespaces(IN(at, "namespaces"), &l->namespaces));
	ES_TRY(check_id_maps(IN(at, "uidMappings"), &l->uid_mappings));
	ES_TRY(check_id_maps(IN(at, "gidMappings"), &l->gid_mappings));
	ES_TRY(check_devices(IN(at, "devices"), &l->devices));
	ES_TRY(check_net_devices(IN(at, "netDevices"), l->net_devices));
	ES_TRY(check_sysctl(IN(at, "sysctl"), l->sysctl));
	ES_TRY(check_time_offsets(IN(at, "timeOffsets"), l->time_offsets));
	ES_TRY(check_paths(IN(at, "maskedPaths"), l->masked_paths));
	ES_TRY(check_paths(IN(at, "readonlyPaths"), l->readonly_paths));
	if (l->resources)
		ES_TRY(check_resources(IN(at, "resources"), l->resources));
	if (l->seccomp)
		ES_TRY(check_seccomp(IN(at, "seccomp"), l->seccomp));
	if (l->intel_rdt)
		ES_TRY(check_intel_rdt(IN(at, "intelRdt"), l->intel_rdt));
	if (l->memory_policy)
		ES_TRY(check_memory_policy(IN(at, "memoryPolicy"), l->memory_policy));
	if (l->personality)
		ES_TRY(check_personality(IN(at, "personality"), l->personality));
	return NULL;
}

/* ---- the three doors ---- */

/* "1.2.0", "1.0.2-dev": version 1 and nothing that is no version. */
static bool is_version_1(const char *v)
{
	unsigned major, minor, patch;
	int end = 0;

	if (sscanf(v, "%u.%u.%u%n", &major, &minor, &patch, &end) != 3)
		return false;
	return major == 1 && (!v[end] || v[end] == '-' || v[end] == '+');
}

es_err *ocicheck_spec(const struct oci_spec *s)
{
	static const struct at top = { .name = "" };

	if (!is_version_1(s->oci_version))
		return bad(IN(&top, "ociVersion"), "\"%s\" is not a version 1 of the specification", s->oci_version);
	if (s->process)
		ES_TRY(check_process(IN(&top, "process"), s->process));
	if (s->root && str_empty(s->root->path))
		return bad(IN(IN(&top, "root"), "path"), "is empty");
	if (s->hostname && strlen(s->hostname) > 64)
		return bad(IN(&top, "hostname"), "is longer than 64 bytes");
	if (s->domainname && strlen(s->domainname) > 64)
		return bad(IN(&top, "domainname"), "is longer than 64 bytes");
	ES_TRY(check_mounts(IN(&top, "mounts"), &s->mounts));
	if (s->hooks)
		ES_TRY(check_hooks(IN(&top, "hooks"), s->hooks));
	ES_TRY(check_no_null(IN(&top, "annotations"), s->annotations));
	if (field_map_has(s->annotations, ""))
		return bad(IN(&top, "annotations"), "a key is empty");
	return s->linux_ ? check_linux(IN(&top, "linux"), s->linux_) : NULL;
}

es_err *ocicheck_process(const struct oci_process *p)
{
	return check_process(&(struct at){ .name = "" }, p);
}

es_err *ocicheck_resources(const struct oci_resources *r)
{
	return check_resources(&(struct at){ .name = "" }, r);
}

es_err *ocicheck_seccomp(const struct oci_seccomp *s)
{
	return check_seccomp(&(struct at){ .name = "" }, s);
}

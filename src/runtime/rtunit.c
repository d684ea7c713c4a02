/* SPDX-License-Identifier: Apache-2.0 */
/* rtunit.c: what a unit property means for each limit, and the text form of values. */
#include "runtime/rtunit.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/str.h"
#include "runtime/rtcgroup.h"

#define RTUNIT_MAX 256    /* properties of one unit */
#define RTUNIT_CPUS 8192  /* highest processor or memory node of a list, and one more */
#define ANNOTATION "org.systemd.property."
#define INFINITE "18446744073709551615" /* systemd's "no limit" */
#define SECOND_US 1000000
#define PERIOD_US 100000 /* the kernel's default */

/* ---- names ---- */

es_err *rtunit_parse(struct arena *a, const char *path, const char *id, bool user, struct scope_request *r)
{
	es_autostrv parts = strv_split(str_empty(path) ? "::" : path, ':');
	const char *prefix;

	if (strv_len(parts) != 3)
		return es_err_new(ES_E_INVALID,
				  "linux.cgroupsPath: expected \"slice:prefix:name\" for the systemd driver, got \"%s\"", path);
	prefix = parts[1];
	r->slice = arena_strdup(a, *parts[0] ? parts[0] : user ? "user.slice" : "system.slice");
	if (!str_ends(r->slice, ".slice"))
		return es_err_new(ES_E_INVALID, "linux.cgroupsPath: \"%s\" is not the name of a slice", r->slice);
	if (str_empty(path))
		prefix = "estiba";
	if (!*parts[2])
		r->unit = arena_printf(a, "%s%s%s.scope", prefix, *prefix ? "-" : "", id);
	else
		r->unit = arena_printf(a, "%s%s%s.scope", prefix, *prefix ? "-" : "", parts[2]);
	r->description = arena_printf(a, "container %s", id);
	return NULL;
}

/* ---- adding properties ---- */

struct unit {
	struct arena *a;
	struct scope_property *p;
	size_t n;
	bool v2;
};

/* A later one takes the place of an earlier one. */
static struct scope_property *slot(struct unit *u, const char *name, const char *type)
{
	for (size_t i = 0; i < u->n; i++)
		if (str_eq(u->p[i].name, name)) {
			u->p[i] = (struct scope_property){ .name = u->p[i].name, .type = type };
			return &u->p[i];
		}
	if (u->n == RTUNIT_MAX)
		return NULL;
	u->p[u->n] = (struct scope_property){ .name = arena_strdup(u->a, name), .type = type };
	return &u->p[u->n++];
}

static es_err *add(struct unit *u, const char *name, const char *type, const char *value)
{
	struct scope_property *p = slot(u, name, type);

	if (!p)
		return es_err_new(ES_E_LIMIT, "more than %d unit properties", RTUNIT_MAX);
	p->values = strv_arena_add(u->a, p->values, value);
	return NULL;
}

/* A number of bytes, tasks, … where a negative one means no limit. */
static es_err *add_max(struct unit *u, const char *name, int64_t v)
{
	return add(u, name, "t", v < 0 ? INFINITE : arena_printf(u->a, "%lld", (long long)v));
}

static es_err *add_u64(struct unit *u, const char *name, uint64_t v)
{
	return add(u, name, "t", arena_printf(u->a, "%llu", (unsigned long long)v));
}

/* "0-3,7" as bytes of a bit mask, lowest first. */
static es_err *add_mask(struct unit *u, const char *name, const char *list)
{
	unsigned char mask[RTUNIT_CPUS / 8] = { 0 };
	es_autostrv parts = strv_split(list, ',');
	struct scope_property *p = slot(u, name, "ay");
	size_t used = 0;

	if (!p)
		return es_err_new(ES_E_LIMIT, "more than %d unit properties", RTUNIT_MAX);
	for (char **at = parts; at && *at; at++) {
		char *dash = strchr(*at, '-'), *first = str_trim(*at);
		uint64_t lo, hi;

		if (dash)
			*dash++ = '\0';
		if (!*first)
			continue;
		ES_TRY(str_to_u64(str_trim(first), 10, &lo));
		hi = lo;
		if (dash)
			ES_TRY(str_to_u64(str_trim(dash), 10, &hi));
		if (lo > hi || hi >= RTUNIT_CPUS)
			return es_err_new(ES_E_INVALID, "\"%s\" is not a list of numbers below %d", list, RTUNIT_CPUS);
		for (uint64_t i = lo; i <= hi; i++)
			mask[i / 8] = (unsigned char)(mask[i / 8] | 1u << i % 8);
		if (hi / 8 + 1 > used)
			used = hi / 8 + 1;
	}
	for (size_t i = 0; i < used; i++)
		p->values = strv_arena_add(u->a, p->values, arena_printf(u->a, "%u", mask[i]));
	return NULL;
}

/* ---- limits ---- */

/* systemd counts in whole percents of a processor: a quota is rounded up to the next, so that the container's own is never cut. */
static es_err *add_quota(struct unit *u, int64_t quota, int64_t period)
{
	uint64_t per_second;

	if (quota == 0 && period == 0)
		return NULL;
	if (period > 0)
		ES_TRY(add_u64(u, "CPUQuotaPeriodUSec", (uint64_t)period));
	if (quota <= 0)
		return add(u, "CPUQuotaPerSecUSec", "t", INFINITE);
	if ((uint64_t)quota > UINT64_MAX / SECOND_US)
		return es_err_new(ES_E_INVALID, "quota %lld", (long long)quota);
	per_second = (uint64_t)quota * SECOND_US / (uint64_t)(period > 0 ? period : PERIOD_US);
	return add_u64(u, "CPUQuotaPerSecUSec", (per_second + 9999) / 10000 * 10000);
}

static int64_t value_of(struct field_opt_i64 v)
{
	return v.set ? v.v : 0;
}

static es_err *cpu(struct unit *u, const struct oci_cpu *c)
{
	if (!c)
		return NULL;
	if (value_of(c->shares) > 0)
		ES_TRY(u->v2 ? add_u64(u, "CPUWeight", rtcgroup_cpu_weight((uint64_t)c->shares.v)) : add_u64(u, "CPUShares", (uint64_t)c->shares.v));
	ES_TRY(add_quota(u, value_of(c->quota), value_of(c->period)));
	if (u->v2 && c->idle.set && c->idle.v == 1)
		ES_TRY(add_u64(u, "CPUWeight", 0));
	if (u->v2 && !str_empty(c->cpus)) /* v1 has no cpuset in systemd */
		ES_TRY(add_mask(u, "AllowedCPUs", c->cpus));
	if (u->v2 && !str_empty(c->mems))
		ES_TRY(add_mask(u, "AllowedMemoryNodes", c->mems));
	return NULL;
}

static es_err *memory(struct unit *u, const struct oci_memory *m)
{
	int64_t limit = m ? value_of(m->limit) : 0, swap = m ? value_of(m->swap) : 0, low = m ? value_of(m->reservation) : 0;

	if (limit)
		ES_TRY(add_max(u, u->v2 ? "MemoryMax" : "MemoryLimit", limit));
	if (!u->v2)
		return NULL;
	if (low)
		ES_TRY(add_max(u, "MemoryLow", low));
	if (swap < 0 || (limit < 0 && swap == 0))
		return add(u, "MemorySwapMax", "t", INFINITE);
	if (swap > 0 && limit > 0 && swap >= limit) /* else it is refused when it is written */
		return add_u64(u, "MemorySwapMax", (uint64_t)(swap - limit));
	return NULL;
}

static es_err *block_io(struct unit *u, const struct oci_block_io *b)
{
	int64_t w = b ? value_of(b->weight) : 0;

	if (w < 10)
		return NULL;
	return u->v2 ? add_u64(u, "IOWeight", rtcgroup_io_weight((uint64_t)w)) : add_u64(u, "BlockIOWeight", (uint64_t)w);
}

/* ---- the v2 files of linux.resources.unified that systemd has a property for ---- */

static es_err *unified_max(struct unit *u, const char *property, const char *text)
{
	uint64_t v;

	if (str_eq(text, "max"))
		return add(u, property, "t", INFINITE);
	ES_TRY(str_to_u64(text, 10, &v));
	return add_u64(u, property, v);
}

static es_err *unified_cpu_max(struct unit *u, const char *property, const char *text)
{
	es_autostrv parts = strv_split(text, ' ');
	int64_t quota = -1, period = PERIOD_US;

	(void)property;
	if (strv_len(parts) < 1 || strv_len(parts) > 2)
		return es_err_new(ES_E_INVALID, "\"%s\" is not \"quota period\"", text);
	if (!str_eq(parts[0], "max"))
		ES_TRY(str_to_i64(parts[0], 10, &quota));
	if (parts[1])
		ES_TRY(str_to_i64(parts[1], 10, &period));
	return add_quota(u, quota, period);
}

static es_err *unified_idle(struct unit *u, const char *property, const char *text)
{
	return str_eq(text, "1") ? add_u64(u, property, 0) : NULL;
}

static const struct {
	const char *file, *property;
	es_err *(*add)(struct unit *u, const char *property, const char *text);
} unified_rows[] = {
	{ "cpu.idle", "CPUWeight", unified_idle },
	{ "cpu.max", "", unified_cpu_max },
	{ "cpu.weight", "CPUWeight", unified_max },
	{ "cpuset.cpus", "AllowedCPUs", add_mask },
	{ "cpuset.mems", "AllowedMemoryNodes", add_mask },
	{ "memory.high", "MemoryHigh", unified_max },
	{ "memory.low", "MemoryLow", unified_max },
	{ "memory.max", "MemoryMax", unified_max },
	{ "memory.min", "MemoryMin", unified_max },
	{ "memory.swap.max", "MemorySwapMax", unified_max },
	{ "pids.max", "TasksMax", unified_max },
};

static es_err *unified(struct unit *u, const struct field_map *m)
{
	FIELD_MAP_EACH(e, u->v2 ? m : NULL) /* v1 refuses it when it is written */
		for (size_t i = 0; i < ES_N(unified_rows); i++)
			if (str_eq(e->key, unified_rows[i].file))
				ES_TRY(es_err_in(unified_rows[i].add(u, unified_rows[i].property, e->value), "unified.%s", e->key));
	return NULL;
}

static es_err *limits(struct unit *u, const struct oci_resources *r)
{
	if (!r)
		return NULL;
	ES_TRY(memory(u, r->memory));
	ES_TRY(es_err_in(cpu(u, r->cpu), "cpu"));
	if (r->pids && r->pids->limit.set)
		ES_TRY(add_max(u, "TasksMax", r->pids->limit.v == 0 ? 1 : r->pids->limit.v));
	ES_TRY(block_io(u, r->block_io));
	return unified(u, r->unified);
}

/* ---- devices ---- */

/* What every container may use (rtcgroup.c writes the same into the group). */
static const char *const default_devices[] = {
	"char-*", "m", "block-*", "m", "/dev/char/1:3", "rwm", "/dev/char/1:8", "rwm", "/dev/char/1:7", "rwm", "/dev/char/5:0", "rwm",
	"/dev/char/1:5", "rwm", "/dev/char/1:9", "rwm", "char-pts", "rwm", "/dev/char/5:2", "rwm",
};

static const char *device_node(struct unit *u, const struct oci_device_rule *r)
{
	bool block = str_eq(r->type, "b");

	if (r->major.set && r->major.v >= 0 && r->minor.set && r->minor.v >= 0)
		return arena_printf(u->a, "/dev/%s/%lld:%lld", block ? "block" : "char", (long long)r->major.v, (long long)r->minor.v);
	return block ? "block-*" : "char-*";
}

/* systemd only knows lists of what is allowed. Its list is the second lid on the same pot, there because systemd writes it anew
 * whenever it reloads; so a rule that it cannot express (all minors of one number, a denial of single devices) makes it wider, and the
 * rules that the runtime writes decide. */
static es_err *devices(struct unit *u, const struct oci_resources *r)
{
	char **allowed = NULL;
	bool all = true;
	struct scope_property *p;

	if (!r || r->devices.n == 0)
		return NULL;
	FIELD_LIST_EACH(const struct oci_device_rule, d, &r->devices) {
		bool any = str_empty(d->type) || str_eq(d->type, "a");

		if (any) {
			all = d->allow;
			allowed = NULL;
		} else if (d->allow && !all) {
			allowed = strv_arena_add(u->a, allowed, device_node(u, d));
			allowed = strv_arena_add(u->a, allowed, str_empty(d->access) ? "rwm" : d->access);
		}
	}
	if (all)
		return add(u, "DevicePolicy", "s", "auto");
	ES_TRY(add(u, "DevicePolicy", "s", "strict"));
	p = slot(u, "DeviceAllow", "a(ss)");
	if (!p)
		return es_err_new(ES_E_LIMIT, "more than %d unit properties", RTUNIT_MAX);
	for (size_t i = 0; i < ES_N(default_devices); i++)
		allowed = strv_arena_add(u->a, allowed, default_devices[i]);
	p->values = allowed;
	return NULL;
}

/* ---- values as text ---- */

/* Words before a number that say its type. */
static const struct {
	const char *word;
	const char *type;
} type_words[] = {
	{ "boolean", "b" }, { "byte", "y" },   { "int16", "n" },  { "uint16", "q" }, { "int32", "i" },
	{ "uint32", "u" },  { "int64", "x" },  { "uint64", "t" }, { "double", "d" }, { "string", "s" },
};

static void skip_blanks(const char **at)
{
	while (**at == ' ' || **at == '\t' || **at == '\n')
		(*at)++;
}

static es_err *quoted(struct arena *a, const char **at, const char **ret)
{
	char quote = *(*at)++, *out = arena_alloc(a, strlen(*at) + 1);
	size_t n = 0;

	for (; **at && **at != quote; (*at)++) {
		if (**at == '\\' && (*at)[1]) {
			(*at)++;
			out[n++] = **at == 'n' ? '\n' : **at == 't' ? '\t' : **at;
		} else {
			out[n++] = **at;
		}
	}
	if (**at != quote)
		return es_err_new(ES_E_INVALID, "a string without its end");
	(*at)++;
	out[n] = '\0';
	*ret = out;
	return NULL;
}

/* A string, or a word: a number or a truth. *TYPE is what was said before it, or NULL; then it says what was found. */
static es_err *basic(struct arena *a, const char **at, const char **type, const char **ret)
{
	size_t n;

	skip_blanks(at);
	if (**at == '\'' || **at == '"') {
		if (*type && !str_eq(*type, "s"))
			return es_err_new(ES_E_INVALID, "a string where type %s is expected", *type);
		*type = "s";
		return quoted(a, at, ret);
	}
	n = strcspn(*at, " \t\n,[]()'\"");
	if (!n)
		return es_err_new(ES_E_INVALID, "a value is missing");
	*ret = arena_strndup(a, *at, n);
	*at += n;
	if (str_eq(*ret, "true") || str_eq(*ret, "false")) {
		if (*type && !str_eq(*type, "b"))
			return es_err_new(ES_E_INVALID, "%s where type %s is expected", *ret, *type);
		*type = "b";
		return NULL;
	}
	for (size_t i = 0; !*type && i < ES_N(type_words); i++)
		if (str_eq(*ret, type_words[i].word)) {
			*type = type_words[i].type;
			return basic(a, at, type, ret);
		}
	if (!isdigit((unsigned char)**ret) && **ret != '-' && **ret != '+')
		return es_err_new(ES_E_INVALID, "\"%s\" is not a value", *ret);
	if (*type && (str_eq(*type, "s") || str_eq(*type, "b")))
		return es_err_new(ES_E_INVALID, "a number where type %s is expected", *type);
	if (!*type)
		*type = strchr(*ret, '.') ? "d" : "i";
	return NULL;
}

static es_err *list(struct arena *a, const char **at, const char *type, struct scope_property *ret)
{
	const char *value;

	(*at)++;
	skip_blanks(at);
	while (**at != ']') {
		const char *kind = type;

		ES_TRY(basic(a, at, &kind, &value));
		type = kind;
		ret->values = strv_arena_add(a, ret->values, value);
		skip_blanks(at);
		if (**at == ',')
			(*at)++;
		else if (**at != ']')
			return es_err_new(ES_E_INVALID, "a list without its end");
		skip_blanks(at);
	}
	(*at)++;
	if (!type)
		return es_err_new(ES_E_INVALID, "an empty list needs its type before it: @as []");
	ret->type = arena_printf(a, "a%s", type);
	if (!ret->values)
		ret->values = ARENA_ARRAY(a, char *, 1);
	return NULL;
}

/* "@as [...]", "@t 5": a signature before the value; the part of it that a single value has. */
static es_err *signature(struct arena *a, const char **at, const char **ret_element)
{
	const char *s;
	size_t n;

	*ret_element = NULL;
	if (**at != '@')
		return NULL;
	n = strcspn(++*at, " \t\n");
	s = *at + (**at == 'a');
	if (n != (size_t)(s - *at) + 1 || !strchr("bynqiuxtds", *s))
		return es_err_new(ES_E_INVALID, "type \"%.*s\" is not supported", (int)n, *at);
	*ret_element = arena_strndup(a, s, 1);
	*at += n;
	skip_blanks(at);
	if ((s[-1] == 'a') != (**at == '['))
		return es_err_new(ES_E_INVALID, "type and value do not go together");
	return NULL;
}

es_err *rtunit_value(struct arena *a, const char *name, const char *text, struct scope_property *ret)
{
	struct scope_property p = { .name = name };
	const char *at = text, *type, *value;

	skip_blanks(&at);
	ES_TRY(signature(a, &at, &type));
	if (*at == '[') {
		ES_TRY(list(a, &at, type, &p));
	} else {
		ES_TRY(basic(a, &at, &type, &value));
		p.type = type;
		p.values = strv_arena_add(a, NULL, value);
	}
	skip_blanks(&at);
	if (*at)
		return es_err_new(ES_E_INVALID, "\"%s\" after the value", at);
	*ret = p;
	return NULL;
}

/* "TimeoutStopSec" is what unit files say; the bus has "TimeoutStopUSec" in microseconds. */
static es_err *seconds(struct arena *a, struct scope_property *p)
{
	size_t n = strlen(p->name);
	double d;
	char *end;

	if (n < 4 || !str_ends(p->name, "Sec") || !islower((unsigned char)p->name[n - 4]))
		return NULL;
	if (p->type[1] || !strchr("nqiuxtd", *p->type))
		return es_err_new(ES_E_INVALID, "a number of seconds is expected");
	d = strtod(p->values[0], &end);
	if (*end || d < 0 || d > 9e12)
		return es_err_new(ES_E_INVALID, "%s seconds", p->values[0]);
	p->name = arena_printf(a, "%.*sUSec", (int)(n - 3), p->name);
	p->type = "t";
	p->values = strv_arena_add(a, NULL, arena_printf(a, "%" PRIu64, (uint64_t)(d * SECOND_US)));
	return NULL;
}

static es_err *annotation(struct unit *u, const char *name, const char *text)
{
	struct scope_property p, *to;

	for (const char *c = name; *c; c++)
		if (!isalpha((unsigned char)*c))
			return es_err_new(ES_E_INVALID, "the name of a property has letters only");
	if (strlen(name) < 3)
		return es_err_new(ES_E_INVALID, "too short for the name of a property");
	ES_TRY(rtunit_value(u->a, name, text, &p));
	ES_TRY(seconds(u->a, &p));
	to = slot(u, p.name, p.type);
	if (!to)
		return es_err_new(ES_E_LIMIT, "more than %d unit properties", RTUNIT_MAX);
	to->values = p.values;
	return NULL;
}

/* ---- */

es_err *rtunit_limits(struct arena *a, const struct oci_resources *r, bool v2, struct scope_request *out)
{
	struct unit u = { .a = a, .p = ARENA_ARRAY(a, struct scope_property, RTUNIT_MAX), .v2 = v2 };

	ES_TRY(es_err_in(limits(&u, r), "linux.resources"));
	out->properties = (struct field_list){ .items = u.p, .n = u.n, .set = true };
	return NULL;
}

es_err *rtunit_start(struct arena *a, const struct oci_resources *r, const struct field_map *annotations, bool v2,
		     struct scope_request *out)
{
	struct unit u = { .a = a, .p = ARENA_ARRAY(a, struct scope_property, RTUNIT_MAX), .v2 = v2 };
	const struct {
		const char *name, *value;
	} always[] = {
		{ "Delegate", "true" },
		{ "DefaultDependencies", "false" },
		{ "CPUAccounting", "true" },
		{ "MemoryAccounting", "true" },
		{ "TasksAccounting", "true" },
		{ v2 ? "IOAccounting" : "BlockIOAccounting", "true" },
	};

	for (size_t i = 0; i < ES_N(always); i++)
		ES_TRY(add(&u, always[i].name, "b", always[i].value));
	ES_TRY(es_err_in(devices(&u, r), "linux.resources.devices"));
	ES_TRY(es_err_in(limits(&u, r), "linux.resources"));
	FIELD_MAP_EACH(e, annotations)
		if (str_starts(e->key, ANNOTATION))
			ES_TRY(es_err_in(annotation(&u, str_after(e->key, ANNOTATION), e->value), "annotation %s", e->key));
	out->properties = (struct field_list){ .items = u.p, .n = u.n, .set = true };
	return NULL;
}

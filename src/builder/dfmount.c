/* SPDX-License-Identifier: Apache-2.0 */
/* dfmount.c: the value of RUN --mount: comma-separated keys, each allowed for some types only. */
#include <ctype.h>

#include "base/str.h"
#include "builder/dfinstr.h"

static const char *const types[] = {
	[DF_M_BIND] = "bind", [DF_M_CACHE] = "cache", [DF_M_TMPFS] = "tmpfs", [DF_M_SECRET] = "secret", [DF_M_SSH] = "ssh",
};
_Static_assert(ES_N(types) == DF_M_N, "a mount type without a name");

#define AT(member) offsetof(struct df_mount, member)
#define FOR(type) (1u << (type))
#define ALL (FOR(DF_M_N) - 1)
#define FILES (FOR(DF_M_BIND) | FOR(DF_M_CACHE))
#define OWNED (FOR(DF_M_CACHE) | FOR(DF_M_SECRET) | FOR(DF_M_SSH))

static const struct key_row {
	const char *name;
	unsigned types; /* FOR(type) | … */
	bool is_bool;
	size_t offset;
	size_t opposite; /* of a flag that takes another one back; 0: none */
} keys[] = {
	{ "target", ALL, false, AT(target), 0 },
	{ "dst", ALL, false, AT(target), 0 },
	{ "destination", ALL, false, AT(target), 0 },
	{ "source", FILES, false, AT(source), 0 },
	{ "src", FILES, false, AT(source), 0 },
	{ "from", FILES, false, AT(from), 0 },
	{ "ro", FILES, true, AT(readonly), AT(readwrite) },
	{ "readonly", FILES, true, AT(readonly), AT(readwrite) },
	{ "rw", FILES, true, AT(readwrite), AT(readonly) },
	{ "readwrite", FILES, true, AT(readwrite), AT(readonly) },
	{ "id", OWNED, false, AT(id), 0 },
	{ "sharing", FOR(DF_M_CACHE), false, AT(sharing), 0 },
	{ "required", FOR(DF_M_SECRET) | FOR(DF_M_SSH), true, AT(required), 0 },
	{ "env", FOR(DF_M_SECRET), false, AT(env), 0 },
	{ "size", FOR(DF_M_TMPFS), false, AT(size), 0 },
	{ "mode", OWNED, false, AT(mode), 0 },
	{ "uid", OWNED, false, AT(uid), 0 },
	{ "gid", OWNED, false, AT(gid), 0 },
	{ "z", FOR(DF_M_BIND), true, 0, 0 }, /* a label of SELinux, which this house does not write */
	{ "Z", FOR(DF_M_BIND), true, 0, 0 },
};

/* One field of a CSV record at *S: "a,b" in quotes is one, a doubled quote is a quote. */
static const char *next_field(struct arena *a, const char **s)
{
	char *field = ARENA_ARRAY(a, char, strlen(*s) + 1), *f = field;
	const char *p = *s;
	bool quoted = *p == '"';

	for (p += quoted; *p && (quoted || *p != ','); p++) {
		if (quoted && *p == '"') {
			if (p[1] != '"') {
				quoted = false;
				continue;
			}
			p++;
		}
		*f++ = *p;
	}
	*s = *p ? p + 1 : p;
	return str_trim(field);
}

static es_err *find_type(const char *name, enum df_mount_type *ret)
{
	for (int t = 0; t < DF_M_N; t++)
		if (str_eq_nocase(types[t], name)) {
			*ret = (enum df_mount_type)t;
			return NULL;
		}
	return es_err_new(ES_E_INVALID, "unsupported mount type \"%s\"", name);
}

static es_err *set_bool(const struct key_row *row, const char *value, struct df_mount *m)
{
	bool on = !value || str_eq_nocase(value, "true") || str_eq(value, "1");

	if (!on && !str_eq_nocase(value, "false") && !str_eq(value, "0"))
		return es_err_new(ES_E_INVALID, "invalid value for %s: %s", row->name, value);
	if (row->opposite)
		*(bool *)((char *)m + row->opposite) = !on;
	if (row->offset)
		*(bool *)((char *)m + row->offset) = on;
	return NULL;
}

static es_err *set_key(struct arena *a, const char *field, struct df_mount *m)
{
	const char *eq = strchr(field, '=');
	const char *name = str_lower(arena_strndup(a, field, eq ? (size_t)(eq - field) : strlen(field)));
	const char *value = eq ? eq + 1 : NULL;

	if (str_eq(name, "type"))
		return NULL; /* read first */
	for (size_t k = 0; k < ES_N(keys); k++) {
		if (!str_eq_nocase(keys[k].name, name))
			continue;
		if (!(keys[k].types & FOR(m->type)))
			return es_err_new(ES_E_INVALID, "unexpected key '%s' for mount type '%s'", name, types[m->type]);
		if (keys[k].is_bool)
			return set_bool(&keys[k], value, m);
		if (!value)
			return es_err_new(ES_E_INVALID, "invalid field '%s' must be a key=value pair", field);
		*(const char **)((char *)m + keys[k].offset) = value;
		return NULL;
	}
	return es_err_new(ES_E_INVALID, "unexpected key '%s' in '%s'", name, field);
}

static es_err *check_mount(const struct df_mount *m)
{
	static const char *const sharings[] = { "shared", "private", "locked", NULL };

	if (!m->target && (m->type == DF_M_BIND || m->type == DF_M_CACHE || m->type == DF_M_TMPFS))
		return es_err_new(ES_E_INVALID, "%s mount needs a target", types[m->type]);
	if (m->type == DF_M_SECRET && !m->id && !m->target)
		return es_err_new(ES_E_INVALID, "secret mount needs an id or a target");
	if (m->from && strchr(m->from, '$'))
		return es_err_new(ES_E_INVALID, "'%s' doesn't support variable expansion, define alias stage instead", m->from);
	if (m->sharing && !strv_has((char *const *)sharings, m->sharing))
		return es_err_new(ES_E_INVALID, "unsupported sharing value \"%s\"", m->sharing);
	return NULL;
}

es_err *dfmount_parse(struct arena *a, const char *text, struct df_mount *ret)
{
	struct df_mount m = { .type = DF_M_BIND };

	/* the type first: it says which keys are known */
	for (const char *s = text; *s;) {
		const char *field = next_field(a, &s);

		if (strncasecmp(field, "type=", 5) == 0)
			ES_TRY(find_type(field + 5, &m.type));
	}
	for (const char *s = text; *s;)
		ES_TRY(set_key(a, next_field(a, &s), &m));
	ES_TRY(check_mount(&m));
	*ret = m;
	return NULL;
}

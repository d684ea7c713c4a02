/* SPDX-License-Identifier: Apache-2.0 */
/* mountspec.c: --mount (comma-separated keys) and --volume (colons). */
#include "cli/mountspec.h"

#include <ctype.h>
#include <limits.h>

#include "base/str.h"

es_err *mountspec_csv(struct arena *a, const char *text, char ***ret)
{
	es_autobuf cell = ES_BUF(1u << 20);
	char **cells = NULL;
	bool quoted = false;

	for (const char *p = text;; p++) {
		if (*p == '"' && quoted && p[1] == '"') {
			es_buf_addc(&cell, *++p);
		} else if (*p == '"' && (quoted || cell.len == 0)) {
			quoted = !quoted;
		} else if (*p == '"') {
			return es_err_new(ES_E_INVALID, "parse error on line 1, column %zu: bare \" in non-quoted-field", (size_t)(p - text) + 1);
		} else if (!*p || (*p == ',' && !quoted)) {
			cells = strv_arena_add(a, cells, es_buf_str(&cell));
			es_buf_reset(&cell);
			if (!*p)
				break;
		} else {
			es_buf_addc(&cell, *p);
		}
	}
	if (quoted)
		return es_err_new(ES_E_INVALID, "parse error on line 1, column %zu: extraneous or missing \" in quoted-field", strlen(text) + 1);
	*ret = cells;
	return NULL;
}

/* What a mount is told, key by key. */
struct parse {
	struct arena *a;
	struct docker_mount *m;
	char **volume_labels, **volume_opts;
};

static struct docker_mount_bind *bind_of(struct parse *p)
{
	if (!p->m->bind)
		p->m->bind = ARENA_NEW(p->a, struct docker_mount_bind);
	return p->m->bind;
}

static struct docker_mount_volume *volume_of(struct parse *p)
{
	if (!p->m->volume)
		p->m->volume = ARENA_NEW(p->a, struct docker_mount_volume);
	if (!p->m->volume->driver_config)
		p->m->volume->driver_config = ARENA_NEW(p->a, struct docker_mount_driver);
	return p->m->volume;
}

static struct docker_mount_tmpfs *tmpfs_of(struct parse *p)
{
	if (!p->m->tmpfs)
		p->m->tmpfs = ARENA_NEW(p->a, struct docker_mount_tmpfs);
	return p->m->tmpfs;
}

static es_err *parse_bool(const char *key, const char *value, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True", NULL };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False", NULL };

	*ret = !value || strv_has((char *const *)yes, value);
	if (!*ret && !strv_has((char *const *)no, value))
		return es_err_new(ES_E_INVALID, "invalid value for %s: %s", key, value);
	return NULL;
}

/* A path relative to the current directory as an absolute one; links stay as they are. */
static es_err *absolute(struct arena *a, const char *path, const char **ret)
{
	char here[PATH_MAX];

	if (!getcwd(here, sizeof here))
		return es_err_sys(errno, "current directory");
	*ret = arena_printf(a, "/%s", str_clean_path(arena_printf(a, "%s/%s", here, path)));
	return NULL;
}

static es_err *set_type(struct parse *p, const char *key, const char *value)
{
	p->m->type = str_lower(arena_strdup(p->a, value));
	return NULL;
}
static es_err *set_source(struct parse *p, const char *key, const char *value)
{
	bool relative = str_eq(value, ".") || str_eq(value, "..") || str_starts(value, "./") || str_starts(value, "../");

	p->m->source = value;
	return relative ? absolute(p->a, value, &p->m->source) : NULL;
}
static es_err *set_target(struct parse *p, const char *key, const char *value)
{
	p->m->target = value;
	return NULL;
}
static es_err *set_readonly(struct parse *p, const char *key, const char *value)
{
	return parse_bool(key, value, &p->m->read_only);
}
static es_err *set_consistency(struct parse *p, const char *key, const char *value)
{
	p->m->consistency = str_lower(arena_strdup(p->a, value));
	return NULL;
}
static es_err *set_propagation(struct parse *p, const char *key, const char *value)
{
	bind_of(p)->propagation = str_lower(arena_strdup(p->a, value));
	return NULL;
}
static es_err *set_recursive(struct parse *p, const char *key, const char *value)
{
	struct docker_mount_bind *b = bind_of(p);

	if (str_eq(value, "disabled"))
		b->non_recursive = true;
	else if (str_eq(value, "writable"))
		b->read_only_non_recursive = true;
	else if (str_eq(value, "readonly"))
		b->read_only_force_recursive = true;
	else if (!str_eq(value, "enabled"))
		return es_err_new(ES_E_INVALID, "invalid value for %s: %s (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")", key, value);
	return NULL;
}
static es_err *set_create_src(struct parse *p, const char *key, const char *value)
{
	return parse_bool(key, value, &bind_of(p)->create_mountpoint);
}
static es_err *set_subpath(struct parse *p, const char *key, const char *value)
{
	volume_of(p)->subpath = value;
	return NULL;
}
static es_err *set_nocopy(struct parse *p, const char *key, const char *value)
{
	return parse_bool(key, value, &volume_of(p)->no_copy);
}
static es_err *set_label(struct parse *p, const char *key, const char *value)
{
	p->volume_labels = strv_arena_add(p->a, p->volume_labels, value);
	volume_of(p);
	return NULL;
}
static es_err *set_driver(struct parse *p, const char *key, const char *value)
{
	volume_of(p)->driver_config->name = value;
	return NULL;
}
static es_err *set_volume_opt(struct parse *p, const char *key, const char *value)
{
	p->volume_opts = strv_arena_add(p->a, p->volume_opts, value);
	volume_of(p);
	return NULL;
}
static es_err *set_tmpfs_size(struct parse *p, const char *key, const char *value)
{
	es_err *err = str_to_bytes(value, &tmpfs_of(p)->size_bytes);

	if (!err)
		return NULL;
	es_err_free(err);
	return es_err_new(ES_E_INVALID, "invalid value for %s: %s", key, value);
}
static es_err *set_tmpfs_mode(struct parse *p, const char *key, const char *value)
{
	es_err *err = str_to_i64(value, 8, &tmpfs_of(p)->mode);

	if (!err)
		return NULL;
	es_err_free(err);
	return es_err_new(ES_E_INVALID, "invalid value for %s: %s", key, value);
}

static const struct mount_key {
	const char *name;
	bool flag; /* may stand without a value */
	es_err *(*set)(struct parse *p, const char *key, const char *value);
} keys[] = {
	{ "type", false, set_type },
	{ "source", false, set_source },
	{ "src", false, set_source },
	{ "target", false, set_target },
	{ "dst", false, set_target },
	{ "destination", false, set_target },
	{ "readonly", true, set_readonly },
	{ "ro", true, set_readonly },
	{ "consistency", false, set_consistency },
	{ "bind-propagation", false, set_propagation },
	{ "bind-recursive", false, set_recursive },
	{ "bind-create-src", true, set_create_src },
	{ "volume-subpath", false, set_subpath },
	{ "volume-nocopy", true, set_nocopy },
	{ "volume-label", false, set_label },
	{ "volume-driver", false, set_driver },
	{ "volume-opt", false, set_volume_opt },
	{ "tmpfs-size", false, set_tmpfs_size },
	{ "tmpfs-mode", false, set_tmpfs_mode },
};

static es_err *take_field(struct parse *p, const char *field)
{
	char *key = arena_strdup(p->a, field), *value = strchr(key, '=');

	if (value)
		*value++ = '\0';
	str_lower(key);
	for (size_t i = 0; i < ES_N(keys); i++) {
		if (!str_eq(keys[i].name, key))
			continue;
		if (!value && !keys[i].flag)
			break;
		return keys[i].set(p, key, value);
	}
	if (!value)
		return es_err_new(ES_E_INVALID, "invalid field '%s' must be a key=value pair", field);
	return es_err_new(ES_E_INVALID, "unexpected key '%s' in '%s'", key, field);
}

static es_err *check_mix(const struct docker_mount *m)
{
	static const struct {
		const char *type;
		size_t at;
	} rows[] = {
		{ "volume", offsetof(struct docker_mount, volume) },
		{ "bind", offsetof(struct docker_mount, bind) },
		{ "tmpfs", offsetof(struct docker_mount, tmpfs) },
	};
	for (size_t i = 0; i < ES_N(rows); i++)
		if (*(void *const *)(const void *)((const char *)m + rows[i].at) && !str_eq(m->type, rows[i].type))
			return es_err_new(ES_E_INVALID, "cannot mix '%s-*' options with mount type '%s'", rows[i].type, m->type);
	return NULL;
}

static struct field_map *map_of(struct arena *a, char *const *items)
{
	struct field_map *map = field_map_new(a);

	for (; items && *items; items++) {
		size_t n = strcspn(*items, "=");

		field_map_put(a, map, arena_strndup(a, *items, n), (*items)[n] ? *items + n + 1 : *items + n);
	}
	return map;
}

es_err *mountspec_parse(struct arena *a, const char *text, struct docker_mount *ret)
{
	struct parse p = { .a = a, .m = ret };
	char **fields;

	ret->type = "volume";
	ES_TRY(mountspec_csv(a, text, &fields));
	for (size_t i = 0; i < strv_len(fields); i++)
		ES_TRY(take_field(&p, fields[i]));
	if (p.volume_labels)
		ret->volume->labels = map_of(a, p.volume_labels);
	if (p.volume_opts)
		ret->volume->driver_config->options = map_of(a, p.volume_opts);
	if (str_empty(ret->type))
		return es_err_new(ES_E_INVALID, "type is required");
	if (str_empty(ret->target))
		return es_err_new(ES_E_INVALID, "target is required");
	return check_mix(ret);
}

es_err *mountspec_check(const char *text)
{
	es_autoarena *a = arena_new();
	struct docker_mount m = { 0 };

	return mountspec_parse(a, text, &m);
}

/* Docker's client reads a text of one or two bytes as a path, and "C:" in front as a drive. */
static const char *first_colon(const char *text)
{
	bool drive = isalpha((unsigned char)text[0]) && text[1] == ':';

	return strlen(text) <= 2 ? NULL : strchr(drive ? text + 2 : text, ':');
}

static es_err *check_sections(const char *text)
{
	size_t n = strlen(text);

	if (n > 2 && (*text == ':' || text[n - 1] == ':' || strstr(text, "::")))
		return es_err_new(ES_E_INVALID, "invalid spec: %s: empty section between colons", text);
	return n ? NULL : es_err_new(ES_E_INVALID, "invalid empty volume spec");
}

es_err *mountspec_volume(struct arena *a, const char *text, char ***binds, struct field_map *volumes)
{
	const char *colon = first_colon(text), *source;

	ES_TRY(check_sections(text));
	if (!colon) {
		field_map_put(a, volumes, text, NULL);
		return NULL;
	}
	if (*text == '.') {
		ES_TRY(absolute(a, arena_strndup(a, text, (size_t)(colon - text)), &source));
		text = arena_printf(a, "%s%s", source, colon);
	}
	*binds = strv_arena_add(a, *binds, text);
	return NULL;
}

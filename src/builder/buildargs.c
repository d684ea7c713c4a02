/* SPDX-License-Identifier: Apache-2.0 */
/* buildargs.c: the scopes of ARG. */
#include "builder/buildargs.h"

#include "base/str.h"
#include "spec/oci_image.h"

static const char *const proxies[] = { "ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY",
				       "all_proxy", "ftp_proxy", "http_proxy", "https_proxy", "no_proxy" };

static bool is_proxy(const char *name)
{
	for (size_t i = 0; i < ES_N(proxies); i++)
		if (str_eq(proxies[i], name))
			return true;
	return false;
}

/* BUILDPLATFORM and its kin, and the same for TARGET. */
static void declare_platform(struct buildargs *b, const char *prefix, const char *platform)
{
	es_autostrv parts = strv_split(platform, '/');
	size_t n = strv_len(parts);
	const struct { const char *name, *value; } rows[] = {
		{ "PLATFORM", platform },
		{ "OS", parts[0] },
		{ "ARCH", n > 1 ? parts[1] : "" },
		{ "VARIANT", n > 2 ? parts[2] : "" },
		{ "OSVERSION", "" },
	};
	for (size_t i = 0; i < ES_N(rows); i++)
		field_map_put(b->arena, b->global, arena_printf(b->arena, "%s%s", prefix, rows[i].name),
			      arena_strdup(b->arena, rows[i].value));
}

void buildargs_init(struct buildargs *b, struct arena *a, const struct field_map *given, const char *platform)
{
	*b = (struct buildargs){ .arena = a, .given = given, .global = field_map_new(a), .declared = field_map_new(a),
				 .used = field_map_new(a) };
	declare_platform(b, "BUILD", arena_printf(a, "linux/%s", oci_machine_arch()));
	declare_platform(b, "TARGET", platform);
}

void buildargs_declare_global(struct buildargs *b, const char *name, const char *value)
{
	field_map_put(b->arena, b->global, name, value ? arena_strdup(b->arena, value) : NULL);
	field_map_put(b->arena, b->used, name, NULL);
}

void buildargs_declare(struct buildargs *b, const char *name, const char *value)
{
	field_map_put(b->arena, b->declared, name, value ? arena_strdup(b->arena, value) : NULL);
	field_map_put(b->arena, b->used, name, NULL);
}

void buildargs_leave_stage(struct buildargs *b)
{
	b->declared = field_map_new(b->arena);
}

/* The client's value, else OTHERWISE. */
static const char *value_of(const struct buildargs *b, const char *name, const char *otherwise)
{
	const char *given = field_map_get(b->given, name);

	return given ? given : otherwise;
}

static char **add(struct arena *a, char **env, const char *name, const char *value)
{
	return value ? strv_arena_add(a, env, arena_printf(a, "%s=%s", name, value)) : env;
}

char **buildargs_global_env(const struct buildargs *b)
{
	char **env = NULL;

	FIELD_MAP_EACH(e, b->global)
		env = add(b->arena, env, e->key, value_of(b, e->key, e->value));
	return env;
}

/* A declared name without a default takes the global one. */
static const char *declared_value(const struct buildargs *b, const struct field_map_entry *e)
{
	return value_of(b, e->key, e->value ? e->value : field_map_get(b->global, e->key));
}

char **buildargs_stage_env(const struct buildargs *b, char *const *env)
{
	char **all = strv_arena_dup(b->arena, env);

	FIELD_MAP_EACH(e, b->declared)
		if (!strv_env_get(env, e->key)) /* ENV beats ARG */
			all = add(b->arena, all, e->key, declared_value(b, e));
	return all;
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

char **buildargs_run_env(const struct buildargs *b, char *const *env, bool keyed)
{
	char **all = NULL;

	FIELD_MAP_EACH(e, b->declared)
		if (!strv_env_get(env, e->key))
			all = add(b->arena, all, e->key, declared_value(b, e));
	for (size_t i = 0; !keyed && i < ES_N(proxies); i++)
		if (!field_map_has(b->declared, proxies[i]) && !strv_env_get(env, proxies[i]))
			all = add(b->arena, all, proxies[i], value_of(b, proxies[i], NULL));
	if (all)
		qsort(all, strv_len(all), sizeof *all, by_text);
	return all;
}

char **buildargs_unused(const struct buildargs *b)
{
	char **names = NULL;

	FIELD_MAP_EACH(e, b->given)
		if (!field_map_has(b->used, e->key) && !is_proxy(e->key))
			names = strv_arena_add(b->arena, names, e->key);
	if (names)
		qsort(names, strv_len(names), sizeof *names, by_text);
	return names;
}

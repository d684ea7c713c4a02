/* SPDX-License-Identifier: Apache-2.0 */
/* buildconf.c: what instructions do to an image's config, and the words that history keeps of them. */
#include "builder/buildconf.h"

#include <ctype.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/signame.h"
#include "base/str.h"
#include "builder/dfword.h"
#include "builder/inroot.h"

#define COMMENT_MAX (4u << 20)
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PORTS_MAX 65536

/* All that one instruction's function works with. */
struct apply {
	struct arena *a;
	struct buildconf *c;
	struct buildargs *args;
	const struct df_instr *i;
	char escape;
	struct es_buf *comment;
};

char *const *buildconf_shell(const struct buildconf *c)
{
	static char *const standard[] = { (char *)"/bin/sh", (char *)"-c", NULL };

	return c->config.shell && *c->config.shell ? c->config.shell : standard;
}

char **buildconf_argv(struct arena *a, const struct buildconf *c, const struct df_instr *i)
{
	char **argv = i->shell ? strv_arena_dup(a, (char **)buildconf_shell(c)) : ARENA_ARRAY(a, char *, 1);

	if (i->shell && !i->args)
		return ARENA_ARRAY(a, char *, 1);
	for (char **arg = i->args; arg && *arg; arg++)
		argv = strv_arena_add(a, argv, *arg);
	return argv;
}

es_err *buildconf_expand(struct arena *a, const struct buildconf *c, const struct buildargs *args, char escape,
			 const char *text, const char **ret)
{
	struct dfword_ctx ctx = { .escape = escape, .env = buildargs_stage_env(args, c->config.env) };

	return dfword_expand(a, &ctx, text, ret);
}

static es_err *expand(const struct apply *x, const char *text, const char **ret)
{
	return buildconf_expand(x->a, x->c, x->args, x->escape, text, ret);
}

void buildconf_default_path(struct arena *a, struct buildconf *c)
{
	if (!strv_env_get(c->config.env, "PATH"))
		c->config.env = strv_arena_add(a, c->config.env, "PATH=" DEFAULT_PATH);
}

/* ---- Go's ways to print ---- */

static void put_quoted(struct es_buf *b, const char *s)
{
	static const char plain[] = "abtnvfr";

	es_buf_addc(b, '"');
	for (; *s; s++) {
		unsigned char ch = (unsigned char)*s;

		if (ch == '"' || ch == '\\')
			es_buf_printf(b, "\\%c", ch);
		else if (ch >= '\a' && ch <= '\r')
			es_buf_printf(b, "\\%c", plain[ch - '\a']);
		else if (ch < 0x20 || ch == 0x7f)
			es_buf_printf(b, "\\x%02x", ch);
		else
			es_buf_addc(b, (char)ch);
	}
	es_buf_addc(b, '"');
}

/* ["a" "b"] */
static void put_quoted_list(struct es_buf *b, char *const *v)
{
	es_buf_addc(b, '[');
	for (size_t i = 0; v && v[i]; i++) {
		if (i)
			es_buf_addc(b, ' ');
		put_quoted(b, v[i]);
	}
	es_buf_addc(b, ']');
}

/* Go prints durations as 1h2m3.5s. */
static void put_duration(struct es_buf *b, int64_t ns)
{
	int64_t s = ns / 1000000000, rest = ns % 1000000000;

	es_buf_addc(b, '"');
	if (ns && ns < 1000000000) {
		es_buf_printf(b, "%lldms", (long long)(ns / 1000000));
	} else {
		if (s >= 3600)
			es_buf_printf(b, "%lldh", (long long)(s / 3600));
		if (s >= 60)
			es_buf_printf(b, "%lldm", (long long)(s / 60 % 60));
		es_buf_printf(b, "%lld", (long long)(s % 60));
		if (rest) {
			char digits[16];

			snprintf(digits, sizeof digits, "%09lld", (long long)rest);
			for (size_t n = 9; n && digits[n - 1] == '0'; n--)
				digits[n - 1] = 0;
			es_buf_printf(b, ".%s", digits);
		}
		es_buf_addc(b, 's');
	}
	es_buf_addc(b, '"');
}

/* ---- one function per instruction ---- */

static es_err *apply_arg(struct apply *x)
{
	es_buf_adds(x->comment, "ARG");
	for (size_t k = 0; k < x->i->n_pairs; k++) {
		const struct df_pair *p = &x->i->pairs[k];
		const char *name, *value = NULL;

		ES_TRY(expand(x, p->key, &name));
		if (p->value)
			ES_TRY(expand(x, p->value, &value));
		buildargs_declare(x->args, name, value);
		es_buf_printf(x->comment, " %s%s%s", name, value ? "=" : "", value ? value : "");
	}
	return NULL;
}

/* Every pair sees the values from before the instruction. */
static es_err *apply_env(struct apply *x)
{
	char **env = strv_arena_dup(x->a, x->c->config.env);

	es_buf_adds(x->comment, "ENV");
	for (size_t k = 0; k < x->i->n_pairs; k++) {
		const char *name, *value, *pair;
		size_t at = 0, n;

		ES_TRY(expand(x, x->i->pairs[k].key, &name));
		ES_TRY(expand(x, x->i->pairs[k].value, &value));
		pair = arena_printf(x->a, "%s=%s", name, value);
		es_buf_printf(x->comment, " %s", pair);
		for (n = strlen(name); env && env[at]; at++)
			if (strncmp(env[at], name, n) == 0 && env[at][n] == '=')
				break;
		if (env && env[at])
			env[at] = arena_strdup(x->a, pair);
		else
			env = strv_arena_add(x->a, env, pair);
	}
	x->c->config.env = env;
	return NULL;
}

static es_err *apply_label(struct apply *x)
{
	struct field_map *labels = field_map_new(x->a);

	FIELD_MAP_EACH(e, x->c->config.labels)
		field_map_put(x->a, labels, e->key, e->value);
	es_buf_adds(x->comment, "LABEL");
	for (size_t k = 0; k < x->i->n_pairs; k++) {
		const char *name, *value;

		ES_TRY(expand(x, x->i->pairs[k].key, &name));
		ES_TRY(expand(x, x->i->pairs[k].value, &value));
		field_map_put(x->a, labels, name, arena_strdup(x->a, value));
		es_buf_printf(x->comment, " %s=%s", name, value);
	}
	x->c->config.labels = labels;
	return NULL;
}

static es_err *apply_maintainer(struct apply *x)
{
	x->c->author = x->i->args[0];
	es_buf_printf(x->comment, "MAINTAINER %s", x->c->author);
	return NULL;
}

static bool read_port(const char *text, int64_t *ret)
{
	es_autoerr es_err *err = str_to_i64(text, 10, ret);

	return !err && *ret >= 0 && *ret <= 65535 && isdigit((unsigned char)*text);
}

/* "80", "80/udp", "8000-8010/tcp" into PORTS. */
static es_err *add_ports(struct arena *a, struct field_map *ports, const char *word)
{
	char *range = arena_strdup(a, word), *slash = strchr(range, '/'), *dash;
	const char *proto = slash ? str_lower(slash + 1) : "tcp";
	int64_t low, high;

	if (slash)
		*slash = 0;
	dash = strchr(range, '-');
	if (dash)
		*dash = 0;
	if (!read_port(range, &low) || !read_port(dash ? dash + 1 : range, &high) || high < low)
		return es_err_new(ES_E_INVALID, "Invalid containerPort: %s%s%s", range, dash ? "-" : "", dash ? dash + 1 : "");
	if (!str_eq(proto, "tcp") && !str_eq(proto, "udp") && !str_eq(proto, "sctp"))
		return es_err_new(ES_E_INVALID, "Invalid proto: %s", proto);
	for (; low <= high; low++)
		field_map_put(a, ports, arena_printf(a, "%lld/%s", (long long)low, proto), NULL);
	return NULL;
}

static es_err *apply_expose(struct apply *x)
{
	struct dfword_ctx ctx = { .escape = x->escape, .env = buildargs_stage_env(x->args, x->c->config.env) };
	struct field_map *ports = field_map_new(x->a);
	char **words;

	FIELD_MAP_EACH(e, x->c->config.exposed_ports)
		field_map_put(x->a, ports, e->key, NULL);
	es_buf_adds(x->comment, "EXPOSE");
	for (char **arg = x->i->args; *arg; arg++) {
		ES_TRY(dfword_split(x->a, &ctx, *arg, &words));
		for (; words && *words; words++) {
			ES_TRY(add_ports(x->a, ports, *words));
			if (ports->n > PORTS_MAX)
				return es_err_new(ES_E_LIMIT, "more than %d exposed ports", PORTS_MAX);
			es_buf_printf(x->comment, " %s", *words);
		}
	}
	x->c->config.exposed_ports = ports;
	return NULL;
}

static es_err *apply_volume(struct apply *x)
{
	struct field_map *volumes = field_map_new(x->a);

	FIELD_MAP_EACH(e, x->c->config.volumes)
		field_map_put(x->a, volumes, e->key, NULL);
	es_buf_adds(x->comment, "VOLUME [");
	for (char **arg = x->i->args; *arg; arg++) {
		const char *path;

		ES_TRY(expand(x, *arg, &path));
		if (!*path)
			return es_err_new(ES_E_INVALID, "VOLUME specified can not be an empty string");
		field_map_put(x->a, volumes, path, NULL);
		es_buf_printf(x->comment, "%s%s", arg == x->i->args ? "" : " ", path);
	}
	es_buf_addc(x->comment, ']');
	x->c->config.volumes = volumes;
	return NULL;
}

static es_err *apply_workdir(struct apply *x)
{
	const char *path;

	ES_TRY(expand(x, x->i->args[0], &path));
	if (!*path)
		return es_err_new(ES_E_INVALID, "cannot normalize nothing");
	x->c->config.working_dir = inroot_join(x->a, x->c->config.working_dir ? x->c->config.working_dir : "/", path);
	es_buf_printf(x->comment, "WORKDIR %s", x->c->config.working_dir);
	return NULL;
}

static es_err *apply_user(struct apply *x)
{
	ES_TRY(expand(x, x->i->args[0], &x->c->config.user));
	es_buf_printf(x->comment, "USER %s", x->c->config.user);
	return NULL;
}

static es_err *apply_stopsignal(struct apply *x)
{
	const char *name;
	int sig;

	ES_TRY(expand(x, x->i->args[0], &name));
	ES_TRY(signame_parse(name, &sig));
	x->c->config.stop_signal = name;
	es_buf_printf(x->comment, "STOPSIGNAL %s", name);
	return NULL;
}

static es_err *apply_cmd(struct apply *x)
{
	x->c->config.cmd = buildconf_argv(x->a, x->c, x->i);
	x->c->cmd_set = *x->c->config.cmd != NULL;
	es_buf_adds(x->comment, "CMD ");
	put_quoted_list(x->comment, x->c->config.cmd);
	return NULL;
}

static es_err *apply_entrypoint(struct apply *x)
{
	x->c->config.entrypoint = buildconf_argv(x->a, x->c, x->i);
	if (!x->c->cmd_set)
		x->c->config.cmd = NULL; /* an inherited CMD belonged to the inherited ENTRYPOINT */
	es_buf_adds(x->comment, "ENTRYPOINT ");
	put_quoted_list(x->comment, x->c->config.entrypoint);
	return NULL;
}

static es_err *apply_shell(struct apply *x)
{
	es_autofree char *joined = strv_join(x->i->args, " ");

	x->c->config.shell = strv_arena_dup(x->a, x->i->args);
	es_buf_printf(x->comment, "SHELL [%s]", joined);
	return NULL;
}

static es_err *apply_onbuild(struct apply *x)
{
	x->c->config.on_build = strv_arena_add(x->a, x->c->config.on_build, x->i->args[0]);
	es_buf_printf(x->comment, "ONBUILD %s", x->i->args[0]);
	return NULL;
}

static char **health_test(struct apply *x)
{
	char **test = strv_arena_add(x->a, NULL, x->i->none ? "NONE" : x->i->shell ? "CMD-SHELL" : "CMD");

	for (char **arg = x->i->args; arg && *arg; arg++)
		test = strv_arena_add(x->a, test, *arg);
	return test;
}

static es_err *apply_healthcheck(struct apply *x)
{
	struct docker_health_config *h = ARENA_NEW(x->a, struct docker_health_config);
	const int64_t *shown[] = { &h->interval, &h->timeout, &h->start_period, &h->start_interval };

	*h = (struct docker_health_config){ .test = health_test(x), .interval = x->i->interval_ns,
					    .timeout = x->i->timeout_ns, .start_period = x->i->start_period_ns,
					    .start_interval = x->i->start_interval_ns, .retries = x->i->retries_n };
	es_buf_adds(x->comment, "HEALTHCHECK &{");
	put_quoted_list(x->comment, h->test);
	for (size_t k = 0; k < ES_N(shown); k++) {
		es_buf_addc(x->comment, ' ');
		put_duration(x->comment, *shown[k]);
	}
	/* docker prints the number of retries as a character */
	if (h->retries < 0x20 || h->retries >= 0x7f)
		es_buf_printf(x->comment, " '\\x%02llx'}", (unsigned long long)h->retries);
	else
		es_buf_printf(x->comment, " '%c'}", (char)h->retries);
	x->c->config.healthcheck = h;
	return NULL;
}

static es_err *(*const applies[DF_KIND_N])(struct apply *x) = {
	[DF_ARG] = apply_arg,           [DF_CMD] = apply_cmd,           [DF_ENTRYPOINT] = apply_entrypoint,
	[DF_ENV] = apply_env,           [DF_EXPOSE] = apply_expose,     [DF_HEALTHCHECK] = apply_healthcheck,
	[DF_LABEL] = apply_label,       [DF_MAINTAINER] = apply_maintainer, [DF_ONBUILD] = apply_onbuild,
	[DF_SHELL] = apply_shell,       [DF_STOPSIGNAL] = apply_stopsignal, [DF_USER] = apply_user,
	[DF_VOLUME] = apply_volume,     [DF_WORKDIR] = apply_workdir,
};

es_err *buildconf_apply(struct arena *a, struct buildconf *c, struct buildargs *args, const struct df_instr *i, char escape,
			const char **ret_comment)
{
	es_autobuf comment = ES_BUF(COMMENT_MAX);
	struct apply x = { .a = a, .c = c, .args = args, .i = i, .escape = escape, .comment = &comment };

	if (!applies[i->kind])
		return es_err_new(ES_E_INTERNAL, "%s is not for the config alone", dfinstr_name(i->kind));
	ES_TRY(applies[i->kind](&x));
	ES_TRY(es_buf_check(&comment));
	*ret_comment = arena_strdup(a, es_buf_str(&comment));
	return NULL;
}

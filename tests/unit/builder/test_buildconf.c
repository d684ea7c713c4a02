/* SPDX-License-Identifier: Apache-2.0 */
/* test_buildconf.c: what each instruction makes of a config, and the words of history. */
#include "check.h"

#include "base/str.h"
#include "builder/buildconf.h"
#include "builder/dockerfile.h"

struct bench {
	struct arena *a;
	struct buildconf conf;
	struct buildargs args;
	struct field_map *given;
};

static void bench_init(struct bench *b)
{
	*b = (struct bench){ .a = arena_new() };
	b->given = field_map_new(b->a);
	buildargs_init(&b->args, b->a, b->given, "linux/amd64");
}

/* Apply one instruction; the words. */
static es_err *apply(struct bench *b, const char *text, const char **ret_words)
{
	struct df_instr i;

	ES_TRY(dockerfile_parse_trigger(b->a, text, &i));
	return buildconf_apply(b->a, &b->conf, &b->args, &i, '\\', ret_words);
}

static void words_as_docker_keeps_them(void)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "MAINTAINER somebody", "MAINTAINER somebody" },
		{ "LABEL a=b c=\"d e\"", "LABEL a=b c=d e" },
		{ "ARG V=1", "ARG V=1" },
		{ "ARG W", "ARG W" },
		{ "ENV E=$V F=\"x y\"", "ENV E=1 F=x y" },
		{ "WORKDIR w", "WORKDIR /w" },
		{ "WORKDIR ../x/$E", "WORKDIR /x/1" },
		{ "USER user", "USER user" },
		{ "EXPOSE 1 2/udp", "EXPOSE 1 2/udp" },
		{ "VOLUME [\"/v1\", \"/v2\"]", "VOLUME [/v1 /v2]" },
		{ "STOPSIGNAL 9", "STOPSIGNAL 9" },
		{ "HEALTHCHECK NONE", "HEALTHCHECK &{[\"NONE\"] \"0s\" \"0s\" \"0s\" \"0s\" '\\x00'}" },
		{ "HEALTHCHECK --interval=90s --timeout=500ms --retries=3 CMD a \"b\"",
		  "HEALTHCHECK &{[\"CMD-SHELL\" \"a \\\"b\\\"\"] \"1m30s\" \"500ms\" \"0s\" \"0s\" '\\x03'}" },
		{ "SHELL [\"/bin/sh\", \"-c\"]", "SHELL [/bin/sh -c]" },
		{ "ONBUILD COPY x /x", "ONBUILD COPY x /x" },
		{ "ENTRYPOINT echo", "ENTRYPOINT [\"/bin/sh\" \"-c\" \"echo\"]" },
		{ "CMD a b", "CMD [\"/bin/sh\" \"-c\" \"a b\"]" },
		{ "CMD []", "CMD []" },
	};
	struct bench b;

	bench_init(&b);
	for (size_t i = 0; i < ES_N(rows); i++) {
		const char *words;

		CHECK_OK(apply(&b, rows[i].in, &words));
		CHECK_STR(words, rows[i].out);
	}
	CHECK_STR(strv_env_get(b.conf.config.env, "F"), "x y");
	CHECK_STR(b.conf.config.working_dir, "/x/1");
	CHECK(field_map_has(b.conf.config.exposed_ports, "2/udp"));
	arena_free(b.a);
}

static void bad_values(void)
{
	static const struct { const char *in, *err; } rows[] = {
		{ "EXPOSE x", "Invalid containerPort: x" },
		{ "EXPOSE 80/foo", "Invalid proto: foo" },
		{ "EXPOSE 90-80", "Invalid containerPort: 90-80" },
		{ "STOPSIGNAL NOSUCH", "invalid signal: NOSUCH" },
		{ "ENV a=${b:?gone}", "b: gone" },
	};
	struct bench b;

	bench_init(&b);
	for (size_t i = 0; i < ES_N(rows); i++) {
		const char *words;

		CHECK_ERR(apply(&b, rows[i].in, &words), rows[i].err);
	}
	arena_free(b.a);
}

/* An inherited CMD goes with a new ENTRYPOINT; one of this Dockerfile stays. */
static void entrypoint_and_inherited_cmd(void)
{
	struct bench b;
	const char *words;

	bench_init(&b);
	b.conf.config.cmd = strv_arena_add(b.a, NULL, "inherited");
	CHECK_OK(apply(&b, "ENTRYPOINT [\"x\"]", &words));
	CHECK(b.conf.config.cmd == NULL);
	CHECK_OK(apply(&b, "CMD [\"y\"]", &words));
	CHECK_OK(apply(&b, "ENTRYPOINT [\"z\"]", &words));
	CHECK_STR(b.conf.config.cmd[0], "y");
	arena_free(b.a);
}

static void env_snapshot_is_from_before(void)
{
	struct bench b;
	const char *words;

	bench_init(&b);
	CHECK_OK(apply(&b, "ENV a=1", &words));
	CHECK_OK(apply(&b, "ENV a=2 b=$a", &words));
	CHECK_STR(strv_env_get(b.conf.config.env, "a"), "2");
	CHECK_STR(strv_env_get(b.conf.config.env, "b"), "1");
	arena_free(b.a);
}

static void argument_scopes(void)
{
	struct bench b;
	const char *words;

	bench_init(&b);
	field_map_put(b.a, b.given, "X", (void *)(uintptr_t) "x1");
	field_map_put(b.a, b.given, "UNUSED", (void *)(uintptr_t) "1");
	field_map_put(b.a, b.given, "HTTP_PROXY", (void *)(uintptr_t) "p");
	buildargs_declare_global(&b.args, "G", "global");
	CHECK_STR(strv_env_get(buildargs_global_env(&b.args), "TARGETARCH"), "amd64");
	CHECK_OK(apply(&b, "ARG X=default Y=d G", &words));
	CHECK_OK(apply(&b, "ENV Y=env", &words));
	es_autofree char *keyed = strv_join(buildargs_run_env(&b.args, b.conf.config.env, true), " ");
	CHECK_STR(keyed, "G=global X=x1");
	es_autofree char *all = strv_join(buildargs_run_env(&b.args, b.conf.config.env, false), " ");
	CHECK_STR(all, "G=global HTTP_PROXY=p X=x1");
	CHECK_STR(strv_env_get(buildargs_stage_env(&b.args, b.conf.config.env), "Y"), "env");
	es_autofree char *unused = strv_join(buildargs_unused(&b.args), " ");
	CHECK_STR(unused, "UNUSED");
	buildargs_leave_stage(&b.args);
	CHECK(buildargs_run_env(&b.args, NULL, true) == NULL);
	arena_free(b.a);
}

CHECK_MAIN(TEST(words_as_docker_keeps_them), TEST(bad_values), TEST(entrypoint_and_inherited_cmd),
	   TEST(env_snapshot_is_from_before), TEST(argument_scopes))

/* SPDX-License-Identifier: Apache-2.0 */
/* imgbuild.c: a tar becomes a private context, a build becomes an image record with names; on the way everything is said in
 * docker's stream. */
#include "engine/imgbuild.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "engine/engine_priv.h"
#include "catalog/image.h"
#include "catalog/image_net.h"
#include "engine/steprun.h"
#include "spec/ref.h"
#include "store/crashpoint.h"
#include "store/layerprog.h"

#define LINE_MAX_BYTES (4u << 20)

struct imgbuild {
	struct runner runner;
	struct builder *builder;
};

/* ---- the engine as the builder's runner ---- */

/* The builder's sink as the sink of a pull. */
struct pull_sink {
	const struct runner_sink *sink;
};

static es_err *pull_line(void *self, const char *json)
{
	const struct pull_sink *s = self;

	s->sink->write(s->sink->self, 1, json, strlen(json));
	return NULL;
}

/* Docker Hub's credentials are under the address of its old index. */
static const struct fetch_auth *auth_for(const struct field_map *auths, const char *domain)
{
	return field_map_get(auths, str_eq(domain, "docker.io") ? "https://index.docker.io/v1/" : domain);
}

static es_err *pull_image(struct engine *e, struct arena *a, const char *ref, const char *platform, const struct field_map *auths,
			  const struct runner_sink *sink, int cancel_fd, const char **ret_id)
{
	struct pull_sink to = { sink };
	const struct image_sink out = { pull_line, &to };
	struct ref parsed;
	struct image_pull p = { .ref = &parsed, .platform = platform, .cancel_fd = cancel_fd };
	const struct fetch_auth *auth;

	ES_TRY(ref_parse(a, ref, &parsed));
	auth = auth_for(auths, parsed.domain);
	if (auth)
		p.auth = *auth;
	ref_default_tag(&parsed);
	if (parsed.digest)
		parsed.tag = NULL;
	return image_pull(&e->net, a, &p, &out, ret_id);
}

static es_err *find_image(void *self, const char *ref, const char *platform, bool pull, const struct field_map *auths,
			  const struct runner_sink *sink, int cancel_fd, char **ret_image_id)
{
	struct engine *e = self;
	es_autoarena *a = arena_new();
	const char *id;
	es_err *err = pull ? NULL : image_resolve(&e->images, a, ref, &id);

	if (pull || (err && es_err_class(err) == ES_E_NOT_FOUND)) {
		es_err_drop(err);
		err = pull_image(e, a, ref, platform, auths, sink, cancel_fd, &id);
	}
	ES_TRY(err);
	*ret_image_id = es_xstrdup(id);
	return NULL;
}

static const struct runner_ops runner_ops = { .run = steprun_run, .image = find_image };

es_err *imgbuild_open(struct engine *e)
{
	e->imgbuild = ES_NEW(struct imgbuild);
	e->imgbuild->runner = (struct runner){ .ops = &runner_ops, .self = e };
	steprun_sweep(e);
	e->imgbuild->builder = builder_new(e->store, &e->imgbuild->runner, &e->net.fetch);
	return NULL;
}

void imgbuild_close(struct engine *e)
{
	if (!e->imgbuild)
		return;
	builder_free(e->imgbuild->builder);
	free(e->imgbuild);
	e->imgbuild = NULL;
}

es_err *imgbuild_prune(struct engine *e, struct arena *a, bool all, char ***ret_ids, uint64_t *ret_bytes, struct gc_result *ret)
{
	ES_TRY(builder_prune(e->imgbuild->builder, a, all, ret_ids, ret_bytes));
	return gc_run(e->store, ret); /* what only steps stood on */
}

/* ---- the context ---- */

/* A body that is no tar, or only half of one, in docker's words. */
static es_err *context_error(es_err *err)
{
	if (err && es_err_class(err) == ES_E_INVALID && str_ends(es_err_text(err), "unexpected end")) {
		es_err_free(err);
		return es_err_new(ES_E_INTERNAL, "unexpected EOF");
	}
	return err;
}

/* partial/context-X with what the tar holds, read by the unprivileged unpacker alone. What lies in partial/ does not survive the
 * next start of the engine. */
static es_err *open_context(struct engine *e, struct arena *a, int tar_fd, char **ret_name, int *ret_fd)
{
	static const char *const argv[] = { "estiba-layer", "unpack", "--plain", NULL };
	int root = store_root_fd(e->store);
	struct json *report;
	char id[17];

	rand_hex(id, 16);
	*ret_name = arena_printf(a, "partial/context-%s", id);
	ES_TRY(file_mkdir_p(root, *ret_name, 0700));
	*ret_fd = openat(root, *ret_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return es_err_sys(errno, "open %s", *ret_name);
	return context_error(layerprog_run(
		e->store, a, &(struct layerprog_call){ .argv = argv, .stream_fd = tar_fd, .dir_fd = *ret_fd, .out_fd = -1 }, &report));
}

/* ---- words ---- */

struct talk {
	const struct imgbuild_out *out;
	bool quiet;
};

static void say_member(struct talk *t, const char *head, const char *text, size_t n, const char *tail)
{
	es_autobuf line = ES_BUF(LINE_MAX_BYTES);

	es_buf_adds(&line, head);
	json_write_str(&line, text, n, 0);
	es_buf_adds(&line, tail);
	t->out->line(t->out->self, es_buf_str(&line));
}

static void say_text(void *self, const char *text, size_t n)
{
	struct talk *t = self;

	if (!t->quiet)
		say_member(t, "{\"stream\":", text, n, "}");
}

static void say_json(void *self, const char *json, size_t n)
{
	struct talk *t = self;
	es_autofree char *line = es_xstrndup(json, n);

	if (!t->quiet)
		t->out->line(t->out->self, line);
}

static void say(struct talk *t, const char *fmt, ...) ES_PRINTF(2, 3);
static void say(struct talk *t, const char *fmt, ...)
{
	es_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = es_xvasprintf(fmt, ap);
	va_end(ap);
	say_text(t, text, strlen(text));
}

/* ---- the result ---- */

static es_err *parse_tags(struct arena *a, char *const *tags, struct ref **ret)
{
	struct ref *refs = ARENA_ARRAY(a, struct ref, strv_len(tags) + 1);

	for (size_t i = 0; tags && tags[i]; i++) {
		ES_TRY(ref_parse(a, tags[i], &refs[i]));
		if (refs[i].digest)
			return es_err_new(ES_E_INVALID, "build tag cannot contain a digest");
		ref_default_tag(&refs[i]);
	}
	*ret = refs;
	return NULL;
}

static es_err *keep_image(struct engine *e, struct arena *a, const struct builder_result *r, const struct ref *refs, size_t n)
{
	char **names = ARENA_ARRAY(a, char *, n + 1);
	const struct image_new new = { .config_text = r->config_text, .config_len = r->config_len, .parent = r->base_id,
				       .names = names };
	const char *id;

	if (!r->config_text) { /* nothing but FROM: new names for an image that exists */
		for (size_t i = 0; i < n; i++)
			ES_TRY(image_tag(&e->images, r->image_id, &refs[i]));
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		names[i] = ref_full(a, &refs[i]);
	return image_add(&e->images, a, &new, &id);
}

static es_err *finish(struct engine *e, struct arena *a, struct talk *t, const struct builder_result *r, const struct ref *refs,
		      size_t n)
{
	ES_TRY(keep_image(e, a, r, refs, n));
	crash_point(e->store, CRASH_BUILD_IMAGE);
	if (t->quiet) {
		const char *line = arena_printf(a, "%s\n", r->image_id);

		say_member(t, "{\"stream\":", line, strlen(line), "}");
		return NULL;
	}
	if (r->unused_args) {
		es_autofree char *names = strv_join(r->unused_args, " ");

		say(t, "[Warning] One or more build-args [%s] were not consumed\n", names);
	}
	say_member(t, "{\"aux\":{\"ID\":", r->image_id, strlen(r->image_id), "}}");
	say(t, "Successfully built %.12s\n", str_after(r->image_id, "sha256:"));
	for (size_t i = 0; i < n; i++)
		say(t, "Successfully tagged %s\n", ref_familiar(a, &refs[i]));
	return NULL;
}

static es_err *build(struct engine *e, struct arena *a, struct lease *lease, const struct imgbuild_opts *opts, int context_fd,
		     struct talk *t, int *ret_code)
{
	const struct builder_out out = { .text = say_text, .json = say_json, .self = t };
	struct builder_opts b = opts->build;
	struct builder_result result;
	struct ref *refs = NULL;

	b.context_fd = context_fd;
	ES_TRY(parse_tags(a, opts->tags, &refs));
	ES_TRY(builder_run(e->imgbuild->builder, a, lease, &b, &out, &result, ret_code));
	if (opts->cache_from)
		say(t, "[Warning] --cache-from is not used by this builder\n");
	return finish(e, a, t, &result, refs, strv_len(opts->tags));
}

es_err *imgbuild_run(struct engine *e, struct arena *a, const struct imgbuild_opts *opts, int tar_fd,
		     const struct imgbuild_out *out, int *ret_code)
{
	struct talk t = { .out = out, .quiet = opts->quiet };
	es_autolease *lease = lease_new(e->store);
	char *name = NULL;
	int fd = -1;
	es_err *err = open_context(e, a, tar_fd, &name, &fd);

	*ret_code = 0;
	crash_point(e->store, CRASH_BUILD_CONTEXT);
	if (!err)
		err = build(e, a, lease, opts, fd, &t, ret_code);
	es_close(fd);
	log_err(store_discard(e->store, name), "remove %s", name);
	return err;
}

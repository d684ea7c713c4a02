/* SPDX-License-Identifier: Apache-2.0 */
/* builder.c: build an image: which stages, in which order, step by step; then pack the layers and write the config. */
#include "builder/builder.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "builder/builder_priv.h"
#include "builder/dfword.h"
#include "builder/ignoredir.h"
#include "builder/initlayer.h"
#include "builder/inroot.h"
#include "store/blob.h"
#include "store/crashpoint.h"
#include "store/record.h"
#include "store/snapshot.h"

/*
 * What stays true, in this order of a step's life:
 *  1. A step writes into a snapshot of its own; nothing else refers to it before it is frozen.
 *  2. Its cache record is written after it was frozen, so a record never leads to a half-done step.
 *  3. A step that fails takes its snapshot with it; what is finished stays, as cache.
 *  4. Layers are packed at the end of a build, for the target's stages only; their records become durable then.
 *  5. Frozen steps are swept only while no build runs (SWEEP below), so no build loses what it stands on.
 */

struct builder {
	struct store *store;
	const struct runner *runner;
	const struct fetch *fetch;
	pthread_mutex_t lock;
	unsigned running; /* builds; while it is 0 and LOCK is held, steps may be swept */
	struct lease *lease; /* holds INIT_LAYER */
	char *init_layer;    /* diffID; NULL: not needed yet */
};

struct builder *builder_new(struct store *st, const struct runner *runner, const struct fetch *fetch)
{
	struct builder *b = ES_NEW(struct builder);
	uint64_t bytes;

	b->store = st;
	b->runner = runner;
	b->fetch = fetch;
	b->lease = lease_new(st);
	lease_rest(b->lease);
	pthread_mutex_init(&b->lock, NULL);
	log_err(buildcache_sweep(st, &bytes), "sweep of build steps"); /* what a crash left */
	return b;
}

void builder_free(struct builder *b)
{
	if (!b)
		return;
	lease_end(b->lease);
	free(b->init_layer);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

const struct runner *builder_runner(const struct builder *b)
{
	return b->runner;
}

const struct fetch *builder_fetch(const struct builder *b)
{
	return b->fetch;
}

/* ---- words that every file of a build uses ---- */

void build_say(struct build *b, const char *fmt, ...)
{
	va_list ap;
	es_autofree char *text = NULL;

	va_start(ap, fmt);
	text = es_xvasprintf(fmt, ap);
	va_end(ap);
	b->out->text(b->out->self, text, strlen(text));
}

es_err *build_check_cancel(const struct build *b)
{
	struct pollfd p = { .fd = b->opts->cancel_fd, .events = POLLIN };

	if (p.fd >= 0 && poll(&p, 1, 0) > 0)
		return es_err_new(ES_E_CANCELLED, "context canceled");
	return NULL;
}

es_err *build_expand(struct build *b, const char *text, const char **ret)
{
	return buildconf_expand(b->a, &build_here(b)->conf, &b->args, b->df.directives.escape, text, ret);
}

es_err *build_tmp(struct build *b, int *ret_fd)
{
	char id[17];

	if (b->tmp_fd < 0) {
		rand_hex(id, 16);
		b->tmp_name = arena_printf(b->a, "partial/build-%s", id);
		ES_TRY(file_mkdir_p(store_root_fd(b->store), b->tmp_name, 0700));
		ES_TRY(inroot_open(store_root_fd(b->store), b->tmp_name, O_RDONLY | O_DIRECTORY, &b->tmp_fd));
	}
	*ret_fd = b->tmp_fd;
	return NULL;
}

static es_err *find_init_layer(struct builder *b, const char **ret)
{
	struct layers_info info;
	es_err *err = NULL;

	pthread_mutex_lock(&b->lock);
	if (!b->init_layer) {
		err = initlayer_import(b->store, b->lease, &info);
		if (!err)
			b->init_layer = es_xstrdup(info.diff_id);
	}
	*ret = b->init_layer;
	pthread_mutex_unlock(&b->lock);
	return err;
}

es_err *build_open_step(struct build *b, bool runs, char *id, int *ret_mount)
{
	struct build_stage *st = build_here(b);
	struct snapshot_spec spec = { .kind = SNAPSHOT_STEP, .id = id, .stack = st->stack, .class = RECORD_RUN,
				      .is_volatile = true };
	const char *init;
	es_err *err;

	if (runs) {
		ES_TRY(find_init_layer(b->builder, &init));
		spec.stack = strv_arena_add(b->a, st->stack, init);
	}
	if (strv_len(st->stack) >= OCI_LAYERS_MAX)
		return es_err_new(ES_E_LIMIT, "max depth exceeded: more than %u layers", OCI_LAYERS_MAX);
	rand_hex(id, BUILD_ID);
	ES_TRY(snapshot_prepare(b->store, &spec));
	err = snapshot_mount(b->store, SNAPSHOT_STEP, id, ret_mount);
	if (err)
		es_err_drop(snapshot_remove(b->store, SNAPSHOT_STEP, id));
	crash_point(b->store, CRASH_BUILD_STEP_OPEN);
	return err;
}

void build_drop_step(struct build *b, const char *id, int mount)
{
	es_close(mount);
	es_err_drop(snapshot_remove(b->store, SNAPSHOT_STEP, id));
}

es_err *build_keep_step(struct build *b, const char *id, int mount, const char **ret_layer)
{
	crash_point(b->store, CRASH_BUILD_STEP_RAN);
	es_close(mount);
	es_err *err = snapshot_freeze(b->store, id);

	if (err)
		es_err_drop(snapshot_remove(b->store, SNAPSHOT_STEP, id));
	else
		*ret_layer = arena_printf(b->a, "step:%s", id);
	crash_point(b->store, CRASH_BUILD_STEP_KEPT);
	return err;
}

/* ---- images and stages as sources ---- */

static void say_progress(void *self, int stream, const void *bytes, size_t n)
{
	struct build *b = self;

	b->out->json(b->out->self, bytes, n);
}

/* An image of another machine that is here by its name would be built on in silence. */
static es_err *check_platform(const char *ref, const char *wanted, const struct oci_image *image)
{
	es_autofree char *actual = es_xasprintf("%s/%s%s%s", image->os, image->architecture, str_empty(image->variant) ? "" : "/",
						str_empty(image->variant) ? "" : image->variant);
	const char *rest = wanted ? str_after(actual, wanted) : "";

	if (rest && (!*rest || *rest == '/'))
		return NULL;
	return es_err_new(ES_E_NOT_FOUND,
			  "image with reference %s was found but its platform (%s) does not match the specified platform (%s)", ref,
			  actual, wanted);
}

static es_err *load_image(struct build *b, const char *ref, const char *platform, struct oci_image *ret, const char **ret_id)
{
	const struct runner_sink sink = { .write = say_progress, .self = b };
	const struct runner *r = b->builder->runner;
	es_autofree char *id = NULL;
	char *text;
	size_t n;

	ES_TRY(r->ops->image(r->self, ref, platform, b->opts->pull, b->opts->auths, &sink, b->opts->cancel_fd, &id));
	lease_hold(b->lease, id);
	ES_TRY(blob_read(b->store, b->a, id, &text, &n));
	ES_TRY(oci_image_decode(b->a, text, n, ret));
	ES_TRY(check_platform(ref, platform, ret));
	for (char **diff = ret->rootfs.diff_ids; diff && *diff; diff++)
		lease_hold(b->lease, *diff);
	*ret_id = arena_strdup(b->a, id);
	return NULL;
}

es_err *build_find_from(struct build *b, const char *from, char ***ret_stack)
{
	int index = dockerfile_find_stage(&b->df, from, b->at);
	struct oci_image image = { 0 };
	const char *id;
	int64_t number;

	if (index >= 0) {
		*ret_stack = b->stages[index].stack;
		return NULL;
	}
	es_autoerr es_err *not_number = str_to_i64(from, 10, &number);
	if (!not_number)
		return es_err_new(ES_E_INVALID, "invalid from flag value %s: index out of bounds", from);
	if (b->df.stages[b->at].name && str_eq_nocase(from, b->df.stages[b->at].name))
		return es_err_new(ES_E_INVALID, "invalid from flag value %s: refers to current build stage", from);
	ES_TRY(es_err_in(load_image(b, from, NULL, &image, &id), "invalid from flag value %s", from));
	*ret_stack = image.rootfs.diff_ids;
	return NULL;
}

/* ---- which stages ---- */

static void need(struct build *b, size_t index);

static void need_from(struct build *b, size_t at, const char *from)
{
	int index = from ? dockerfile_find_stage(&b->df, from, at) : -1;

	if (index >= 0)
		need(b, (size_t)index);
}

/* Mark a stage and what it takes from: stages only look back, so this ends. FROM may hide its stage behind a variable; its
 * word is expanded before it is looked up. */
static void need(struct build *b, size_t index)
{
	const struct df_stage *s = &b->df.stages[index];
	struct dfword_ctx ctx = { .escape = b->df.directives.escape, .env = buildargs_global_env(&b->args) };
	const char *name;

	if (b->stages[index].needed)
		return;
	b->stages[index].needed = true;
	es_autoerr es_err *err = dfword_expand(b->a, &ctx, s->from->image, &name);
	need_from(b, index, err ? NULL : name);
	for (size_t k = 0; k < s->n_instrs; k++) {
		need_from(b, index, s->instrs[k].from);
		for (size_t m = 0; m < s->instrs[k].n_mounts; m++)
			need_from(b, index, s->instrs[k].mounts[m].from);
	}
}

static es_err *find_target(struct build *b)
{
	int index;

	b->target = b->df.n_stages - 1;
	if (str_empty(b->opts->target))
		return NULL;
	index = dockerfile_find_stage(&b->df, b->opts->target, b->df.n_stages);
	if (index < 0)
		return es_err_new(ES_E_INVALID, "target stage \"%s\" could not be found", b->opts->target);
	b->target = (size_t)index;
	return NULL;
}

/* --label is one more LABEL at the target's end. */
static es_err *labels_instr(struct build *b, struct df_instr *ret)
{
	es_autobuf text = ES_BUF(1u << 20);
	struct field_map *labels = field_map_new(b->a);
	size_t n = 0;

	*ret = (struct df_instr){ .kind = DF_LABEL };
	FIELD_MAP_EACH(e, b->opts->labels)
		field_map_put(b->a, labels, e->key, e->value);
	ret->pairs = ARENA_ARRAY(b->a, struct df_pair, labels->n + 1);
	es_buf_adds(&text, "LABEL");
	FIELD_MAP_EACH(e, labels) {
		/* literal text: its special characters are escaped for the expansion that every LABEL goes through */
		es_autobuf quoted = ES_BUF(1u << 20);

		for (const char *s = e->value ? e->value : ""; *s; s++) {
			if (strchr("$\"'\\` \t\n", *s))
				es_buf_addc(&quoted, b->df.directives.escape);
			es_buf_addc(&quoted, *s);
		}
		ES_TRY(es_buf_check(&quoted));
		ret->pairs[n++] = (struct df_pair){ e->key, arena_strdup(b->a, es_buf_str(&quoted)) };
		es_buf_printf(&text, " %s=%s", e->key, e->value ? (const char *)e->value : "");
	}
	ret->n_pairs = n;
	ret->text = arena_strdup(b->a, es_buf_str(&text));
	return es_buf_check(&text);
}

/* ---- steps ---- */

static void say_step(struct build *b, const struct df_instr *i)
{
	build_say(b, "Step %u/%u : %s", ++b->step, b->steps_total, i->text);
	build_say(b, "\n");
}

static void add_step(struct build *b, const struct build_step *step)
{
	struct build_stage *st = build_here(b);
	struct build_step **steps = ARENA_ARRAY(b->a, struct build_step *, st->n_steps + 1);

	if (st->n_steps)
		memcpy(steps, st->steps, st->n_steps * sizeof *steps);
	steps[st->n_steps] = ARENA_NEW(b->a, struct build_step);
	*steps[st->n_steps++] = *step;
	st->steps = steps;
	if (step->layer)
		st->stack = strv_arena_add(b->a, st->stack, step->layer);
	memcpy(st->key, step->key, sizeof st->key);
}

/* What does the work of a step that writes files. */
struct work {
	es_err *(*go)(struct build *b, void *plan, const char *id, int root);
	void *plan;
	bool says_container; /* docker shows a container for it */
	bool runs;           /* there is one */
};

static es_err *run_work(struct build *b, const struct work *w, const char **ret_layer)
{
	char id[BUILD_ID + 1];
	es_err *err;
	int root;

	ES_TRY(build_open_step(b, w->runs, id, &root));
	if (w->says_container)
		build_say(b, " ---> Running in %.12s\n", id);
	err = w->go(b, w->plan, id, root);
	if (err) {
		build_drop_step(b, id, root);
		return err;
	}
	ES_TRY(build_keep_step(b, id, root, ret_layer));
	if (w->says_container && b->opts->rm)
		build_say(b, " ---> Removed intermediate container %.12s\n", id);
	return NULL;
}

/* One step: known already, or done now. WORDS and DIGEST name it; W is NULL when only the config changes. */
static es_err *do_step(struct build *b, const char *words, const char *digest, const struct work *w)
{
	struct build_stage *st = build_here(b);
	struct build_step step = { .created_by = words, .stack = st->stack, .author = st->conf.author };
	char id[BUILD_ID + 1];

	buildcache_key(st->key, words, digest, step.key);
	if (!b->opts->no_cache && buildcache_find(b, step.key, &step)) {
		build_say(b, " ---> Using cache\n");
		add_step(b, &step);
		return NULL;
	}
	if (w) {
		ES_TRY(run_work(b, w, &step.layer));
	} else {
		rand_hex(id, BUILD_ID);
		build_say(b, " ---> Running in %.12s\n", id);
		if (b->opts->rm)
			build_say(b, " ---> Removed intermediate container %.12s\n", id);
	}
	step.created_ns = clock_now_ns();
	step.stack = st->stack;
	ES_TRY(buildcache_put(b, &step, false));
	add_step(b, &step);
	return NULL;
}

static const char *nop_words(struct build *b, const char *words)
{
	es_autofree char *shell = strv_join(buildconf_shell(&build_here(b)->conf), " ");

	return arena_printf(b->a, "%s #(nop) %s", shell, words);
}

static es_err *go_copy(struct build *b, void *plan, const char *id, int root)
{
	return buildcopy_run(b, plan, root);
}

static es_err *step_copy(struct build *b, const struct df_instr *i)
{
	struct buildcopy *c = NULL;
	const char *words, *digest;
	es_err *err = buildcopy_plan(b, i, &c, &words, &digest);

	if (!err)
		err = do_step(b, nop_words(b, words), digest, &(struct work){ .go = go_copy, .plan = c });
	buildcopy_free(c);
	return err;
}

static es_err *go_run(struct build *b, void *plan, const char *id, int root)
{
	return buildrun_run(b, plan, id, root);
}

static es_err *step_run(struct build *b, const struct df_instr *i)
{
	struct buildrun *r = NULL;
	const char *words, *digest;
	es_err *err = buildrun_plan(b, i, &r, &words, &digest);

	if (!err)
		err = do_step(b, words, digest, &(struct work){ .go = go_run, .plan = r, .says_container = true, .runs = true });
	buildrun_free(r);
	return err;
}

static es_err *go_workdir(struct build *b, void *plan, const char *id, int root)
{
	return inroot_mkdir_p(root, plan, 0755, 0, 0, NULL, NULL);
}

static es_err *step_config(struct build *b, const struct df_instr *i)
{
	struct build_stage *st = build_here(b);
	/* history names the shell from before the instruction, as SHELL itself shows */
	es_autofree char *shell = strv_join(buildconf_shell(&st->conf), " ");
	const char *words;

	ES_TRY(buildconf_apply(b->a, &st->conf, &b->args, i, b->df.directives.escape, &words));
	if (i->kind == DF_WORKDIR)
		return do_step(b, nop_words(b, words), NULL,
			       &(struct work){ .go = go_workdir, .plan = (void *)(uintptr_t)st->conf.config.working_dir,
					       .says_container = true });
	return do_step(b, arena_printf(b->a, "%s #(nop)  %s", shell, words), NULL, NULL);
}

static es_err *step(struct build *b, const struct df_instr *i)
{
	ES_TRY(build_check_cancel(b));
	switch (i->kind) {
	case DF_RUN:
		return step_run(b, i);
	case DF_COPY:
	case DF_ADD:
		return step_copy(b, i);
	default:
		return step_config(b, i);
	}
}

/* The name of what there is so far: the base image, or the last step. */
static void say_arrow(struct build *b)
{
	struct build_stage *st = build_here(b);
	const char *id = st->n_steps ? st->key : st->base_id ? str_after(st->base_id, "sha256:") : "";

	build_say(b, " ---> %.12s\n", id);
}

/* ---- FROM ---- */

/* A stage goes on where another one ended. */
static void from_stage(struct build *b, size_t index)
{
	struct build_stage *st = build_here(b);
	const struct build_stage *base = &b->stages[index];
	bool needed = st->needed;

	*st = *base;
	st->needed = needed;
	st->is_done = false;
	st->conf.cmd_set = false;
}

static es_err *from_image(struct build *b, const char *ref, const char *platform)
{
	struct build_stage *st = build_here(b);

	ES_TRY(load_image(b, ref, platform, &st->base, &st->base_id));
	st->conf.config = st->base.config;
	st->conf.author = st->base.author;
	st->stack = st->base.rootfs.diff_ids;
	st->conf.config.image = st->base_id;
	buildcache_key("image", st->base_id, NULL, st->key);
	return NULL;
}

static es_err *run_triggers(struct build *b)
{
	struct build_stage *st = build_here(b);
	char **triggers = st->conf.config.on_build;
	size_t n = strv_len(triggers);
	struct df_instr i;

	st->conf.config.on_build = NULL;
	if (n)
		build_say(b, "# Executing %zu build trigger%s\n", n, n > 1 ? "s" : "");
	for (size_t k = 0; k < n; k++) {
		ES_TRY(dockerfile_parse_trigger(b->a, triggers[k], &i));
		ES_TRY(step(b, &i));
		if (k + 1 < n)
			say_arrow(b);
	}
	return NULL;
}

static es_err *step_from(struct build *b, const struct df_instr *i)
{
	struct dfword_ctx ctx = { .escape = b->df.directives.escape, .env = buildargs_global_env(&b->args) };
	struct build_stage *st = build_here(b);
	const char *image, *platform = b->opts->platform;
	int index;

	buildargs_leave_stage(&b->args);
	ES_TRY(dfword_expand(b->a, &ctx, i->image, &image));
	if (i->platform)
		ES_TRY(dfword_expand(b->a, &ctx, i->platform, &platform));
	if (!*image)
		return es_err_new(ES_E_INVALID, "base name (%s) should not be blank", i->image);
	index = dockerfile_find_stage(&b->df, image, b->at);
	if (index >= 0 && b->df.stages[index].name)
		from_stage(b, (size_t)index);
	else if (str_eq(image, "scratch"))
		buildcache_key("scratch", "", NULL, st->key);
	else
		ES_TRY(from_image(b, image, str_empty(platform) ? NULL : platform));
	buildconf_default_path(b->a, &st->conf);
	return NULL;
}

/* ---- the end ---- */

/* Pack a frozen step; NULL in its place when it changed nothing. */
static es_err *pack_step(struct build *b, struct build_step *s)
{
	const char *id = s->layer ? str_after(s->layer, "step:") : NULL;
	struct layers_info info;
	bool changed = true;

	if (!id)
		return NULL;
	ES_TRY(build_check_cancel(b));
	ES_TRY(snapshot_to_layer(b->store, b->lease, SNAPSHOT_STEP, id, &info, &changed));
	crash_point(b->store, CRASH_BUILD_PACKED);
	s->layer = changed ? arena_strdup(b->a, info.diff_id) : NULL;
	return buildcache_put(b, s, true);
}

static es_err *write_config(struct build *b, struct builder_result *ret)
{
	struct build_stage *st = &b->stages[b->target];
	struct oci_image image = st->base;
	size_t old = st->base.history.n, n = old;
	struct oci_history *history = ARENA_ARRAY(b->a, struct oci_history, old + st->n_steps + 1);
	es_autobuf text = ES_BUF(OCI_CONFIG_MAX);
	char digest[BLOB_DIGEST_MAX];

	if (old)
		memcpy(history, st->base.history.items, old * sizeof *history);
	for (size_t k = 0; k < st->n_steps; k++) {
		const struct build_step *s = st->steps[k];

		history[n++] = (struct oci_history){ .created = s->created_ns, .created_by = s->created_by,
						     .author = s->author, .empty_layer = !s->layer };
		image.created = s->created_ns;
		if (s->layer)
			image.rootfs.diff_ids = strv_arena_add(b->a, image.rootfs.diff_ids, s->layer);
	}
	image.history = (struct field_list){ .items = history, .n = n, .set = true };
	image.rootfs.type = "layers";
	image.config = st->conf.config;
	image.author = st->conf.author;
	image.comment = NULL; /* the base's */
	image.parent = NULL;
	if (!image.architecture) { /* from scratch */
		image.architecture = oci_machine_arch();
		image.os = "linux";
	}
	field_encode_text(&text, oci_image_fields, &image);
	ES_TRY(es_buf_check(&text));
	ret->config_len = text.len;
	ret->config_text = arena_strdup(b->a, es_buf_str(&text));
	ret->image_id = arena_strdup(b->a, blob_digest(ret->config_text, ret->config_len, digest));
	return NULL;
}

static es_err *finish(struct build *b, struct builder_result *ret)
{
	struct build_stage *st = &b->stages[b->target];

	ret->base_id = st->base_id;
	ret->unused_args = buildargs_unused(&b->args);
	if (!st->n_steps) {
		ret->image_id = st->base_id;
		return NULL;
	}
	for (size_t k = 0; k < st->n_steps; k++)
		ES_TRY(pack_step(b, st->steps[k]));
	ES_TRY(write_config(b, ret));
	build_say(b, " ---> %.12s\n", str_after(ret->image_id, "sha256:"));
	return NULL;
}

/* ---- the whole ---- */

static es_err *run_stage(struct build *b, size_t index, const struct df_instr *labels)
{
	const struct df_stage *s = &b->df.stages[index];
	bool is_target = index == b->target;
	size_t n = s->n_instrs + (is_target && labels->n_pairs);

	b->at = index;
	say_step(b, s->from);
	ES_TRY(step_from(b, s->from));
	say_arrow(b);
	ES_TRY(run_triggers(b));
	if (build_here(b)->n_steps && n == 0 && !is_target)
		say_arrow(b);
	for (size_t k = 0; k < n; k++) {
		const struct df_instr *i = k < s->n_instrs ? &s->instrs[k] : labels;

		say_step(b, i);
		ES_TRY(step(b, i));
		if (!is_target || k + 1 < n)
			say_arrow(b); /* the target's last one waits for the image's own name */
	}
	build_here(b)->is_done = true;
	return NULL;
}

static es_err *run_global_args(struct build *b, bool say)
{
	for (size_t k = 0; k < b->df.n_global_args; k++) {
		const struct df_instr *i = &b->df.instrs[k];

		if (say)
			say_step(b, i);
		for (size_t p = 0; p < i->n_pairs; p++) {
			struct dfword_ctx ctx = { .escape = b->df.directives.escape, .env = buildargs_global_env(&b->args) };
			const char *value = NULL;

			if (i->pairs[p].value)
				ES_TRY(dfword_expand(b->a, &ctx, i->pairs[p].value, &value));
			buildargs_declare_global(&b->args, i->pairs[p].key, value);
		}
	}
	return NULL;
}

static void count_steps(struct build *b, const struct df_instr *labels)
{
	b->steps_total = (unsigned)b->df.n_global_args + (labels->n_pairs > 0);
	for (size_t k = 0; k < b->df.n_stages; k++)
		if (b->stages[k].needed)
			b->steps_total += 1 + (unsigned)b->df.stages[k].n_instrs;
}

static es_err *read_dockerfile(struct build *b)
{
	const char *name = str_empty(b->opts->dockerfile) ? "Dockerfile" : b->opts->dockerfile;
	char *text = NULL;
	size_t len = 0;
	es_err *err = inroot_read(b->opts->context_fd, name, DFLEX_BYTES_MAX, &text, &len);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return es_err_new(ES_E_INTERNAL, "Cannot locate specified Dockerfile: %s", name);
	}
	ES_TRY(err);
	arena_own(b->a, text);
	ES_TRY(dockerfile_parse(b->a, name, text, len, &b->df));
	return ignoredir_apply(b->opts->context_fd, name);
}

static es_err *run_all(struct build *b, struct builder_result *ret)
{
	struct df_instr labels;

	ES_TRY(read_dockerfile(b));
	ES_TRY(find_target(b));
	b->stages = ARENA_ARRAY(b->a, struct build_stage, b->df.n_stages);
	buildargs_init(&b->args, b->a, b->opts->build_args, b->platform);
	ES_TRY(labels_instr(b, &labels));
	ES_TRY(run_global_args(b, false)); /* names of stages may hang on them */
	need(b, b->target);
	count_steps(b, &labels);
	ES_TRY(run_global_args(b, true));
	for (size_t k = 0; k <= b->target; k++)
		if (b->stages[k].needed)
			ES_TRY(run_stage(b, k, &labels));
	if (!b->stages[b->target].n_steps && !b->stages[b->target].base_id)
		return es_err_new(ES_E_INVALID, "No image was generated. Is your Dockerfile empty?");
	return finish(b, ret);
}

/* ---- several builds, and the sweep ---- */

static void enter(struct builder *b)
{
	pthread_mutex_lock(&b->lock);
	b->running++;
	pthread_mutex_unlock(&b->lock);
}

/* The last build to end sweeps; LOCK keeps new ones waiting meanwhile. */
static void leave(struct builder *b)
{
	uint64_t bytes;

	pthread_mutex_lock(&b->lock);
	if (--b->running == 0)
		log_err(buildcache_sweep(b->store, &bytes), "sweep of build steps");
	pthread_mutex_unlock(&b->lock);
}

static es_err *prune(struct builder *b, struct arena *a, bool all, char ***ret_ids, uint64_t *ret_bytes)
{
	uint64_t steps = 0, mounts = 0;

	ES_TRY(buildcache_forget(b->store, a, all, ret_ids));
	if (b->running) /* what they stand on goes when they end */
		return NULL;
	ES_TRY(buildcache_sweep(b->store, &steps));
	if (all)
		ES_TRY(buildcache_drop_mounts(b->store, &mounts));
	*ret_bytes = steps + mounts;
	return NULL;
}

es_err *builder_prune(struct builder *b, struct arena *a, bool all, char ***ret_ids, uint64_t *ret_bytes)
{
	es_err *err;

	*ret_ids = NULL;
	*ret_bytes = 0;
	pthread_mutex_lock(&b->lock);
	err = prune(b, a, all, ret_ids, ret_bytes);
	pthread_mutex_unlock(&b->lock);
	return err;
}

es_err *builder_run(struct builder *builder, struct arena *a, struct lease *lease, const struct builder_opts *opts,
		    const struct builder_out *out, struct builder_result *ret, int *ret_code)
{
	struct build b = { .builder = builder, .a = a, .store = builder->store, .lease = lease, .opts = opts, .out = out,
			   .tmp_fd = -1, .ret_code = ret_code };
	struct builder_result result = { 0 };
	es_err *err;

	*ret_code = 0;
	b.platform = str_empty(opts->platform) ? arena_printf(a, "linux/%s", oci_machine_arch()) : opts->platform;
	enter(builder);
	err = run_all(&b, &result);
	leave(builder);
	es_close(b.tmp_fd);
	if (b.tmp_name)
		es_err_drop(file_remove_tree(store_root_fd(b.store), b.tmp_name));
	if (!err)
		*ret = result;
	return err;
}

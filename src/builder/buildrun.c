/* SPDX-License-Identifier: Apache-2.0 */
/* buildrun.c: RUN: its command, its mounts, its words for history and cache, and what its end means. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/str.h"
#include "builder/builder_priv.h"
#include "builder/fstree.h"
#include "builder/inroot.h"

#define CACHE_COPIES_MAX 64 /* directories of one private cache mount that are in use at once */
#define SCRIPT_TARGET "/dev/pipes/"

struct buildrun {
	const struct df_instr *i;
	char **argv, **env;
	const char *shown; /* the command as messages print it */
	struct runner_mount *mounts;
	size_t n_mounts;
	int *fds; /* held until the end: sources of mounts, locks of caches */
	size_t n_fds;
};

void buildrun_free(struct buildrun *r)
{
	for (size_t k = 0; r && k < r->n_fds; k++)
		es_close(r->fds[k]);
}

static void hold(struct buildrun *r, int fd)
{
	r->fds[r->n_fds++] = fd;
}

static const char *shown_argv(struct arena *a, char *const *argv)
{
	es_autofree char *joined = strv_join(argv, " ");

	return arena_strdup(a, joined ? joined : "");
}

/* ---- mounts ---- */

static es_err *mount_target(struct build *b, const struct df_mount *m, const char **ret)
{
	const char *workdir = build_here(b)->conf.config.working_dir, *text;

	ES_TRY(build_expand(b, m->target, &text));
	*ret = inroot_join(b->a, str_empty(workdir) ? "/" : workdir, text);
	if (str_eq(*ret, "/"))
		return es_err_new(ES_E_INVALID, "a mount may not cover the whole root");
	return NULL;
}

/* type=bind: a file or directory of the context, a stage or an image. Its content is part of the key. */
static es_err *plan_bind(struct build *b, struct buildrun *r, const struct df_mount *m, struct sha256 *digest)
{
	struct runner_mount *out = &r->mounts[r->n_mounts];
	int root = b->opts->context_fd, source;
	const char *path = "";
	char **stack;

	if (m->readwrite)
		return es_err_new(ES_E_UNSUPPORTED, "RUN --mount=type=bind,rw is not supported by this builder");
	if (m->from) {
		ES_TRY(build_find_from(b, m->from, &stack));
		ES_TRY(layers_mount(b->store, stack, NULL, &root));
		hold(r, root);
	}
	if (m->source)
		ES_TRY(build_expand(b, m->source, &path));
	path = str_clean_path(arena_strdup(b->a, path));
	es_err *err = inroot_open(root, path, O_PATH, &source);
	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return es_err_new(ES_E_INVALID, "mount source /%s: file does not exist", path);
	}
	ES_TRY(err);
	hold(r, source);
	ES_TRY(fstree_digest(&(struct fstree_from){ .root = root, .path = path, .with_owner = m->from != NULL }, digest));
	*out = (struct runner_mount){ .kind = RUNNER_M_BIND, .source_fd = source, .readonly = true };
	ES_TRY(mount_target(b, m, &out->target));
	r->n_mounts++;
	return NULL;
}

static es_err *read_number(const char *text, int base, uint64_t otherwise, uint64_t *ret)
{
	if (!text) {
		*ret = otherwise;
		return NULL;
	}
	return str_to_u64(text, base, ret);
}

/* The directory NAME of the caches, made when it is missing. */
static es_err *open_cache(struct build *b, const struct df_mount *m, const char *name, int *ret_fd)
{
	uint64_t uid, gid, mode;
	bool made;

	ES_TRY(read_number(m->uid, 10, 0, &uid));
	ES_TRY(read_number(m->gid, 10, 0, &gid));
	ES_TRY(read_number(m->mode, 8, 0755, &mode));
	ES_TRY(inroot_mkdir_p(store_root_fd(b->store), BUILD_MOUNTS_DIR, 0711, 0, 0, NULL, NULL));
	return inroot_mkdir_p(store_root_fd(b->store), name, (mode_t)mode & 07777, (uid_t)uid, (gid_t)gid, ret_fd, &made);
}

/* A lock dies with its descriptor, so a crash leaves none. */
static es_err *lock_dir(struct build *b, int path_fd, bool wait, bool *ret_got, int *ret_lock)
{
	es_autoclose int fd = -1;

	ES_TRY(inroot_open(path_fd, "", O_RDONLY | O_DIRECTORY, &fd));
	for (;;) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			break;
		if (errno != EWOULDBLOCK)
			return es_err_sys(errno, "lock the cache");
		*ret_got = false;
		if (!wait)
			return NULL;
		ES_TRY(build_check_cancel(b));
		usleep(20000);
	}
	*ret_got = true;
	*ret_lock = ES_TAKE_FD(fd);
	return NULL;
}

/* type=cache: a directory of ours that outlives the build. shared: as it is; locked: one step at a time; private: the first
 * copy that nobody uses. */
static es_err *plan_cache(struct build *b, struct buildrun *r, const struct df_mount *m)
{
	struct runner_mount *out = &r->mounts[r->n_mounts];
	bool is_private = str_eq(m->sharing, "private"), shared = !m->sharing || str_eq(m->sharing, "shared"), got = true;
	const char *id = m->id, *target;
	char key[BUILD_ID + 1];
	int fd = -1, lock = -1;

	if (m->from || m->source)
		return es_err_new(ES_E_UNSUPPORTED, "RUN --mount=type=cache with from or source is not supported by this builder");
	ES_TRY(mount_target(b, m, &target));
	if (id)
		ES_TRY(build_expand(b, id, &id));
	buildcache_key("cache mount", id ? id : target, NULL, key);
	for (int n = 0; n < CACHE_COPIES_MAX; n++) {
		const char *name = arena_printf(b->a, BUILD_MOUNTS_DIR "/%s-%d", key, n);

		ES_TRY(open_cache(b, m, name, &fd));
		hold(r, fd);
		if (shared)
			break;
		ES_TRY(lock_dir(b, fd, !is_private, &got, &lock));
		if (got)
			hold(r, lock);
		if (got || n + 1 == CACHE_COPIES_MAX)
			break;
		es_close(r->fds[--r->n_fds]);
	}
	if (!got)
		return es_err_new(ES_E_LIMIT, "more than %d steps use the cache %s at once", CACHE_COPIES_MAX, target);
	*out = (struct runner_mount){ .kind = RUNNER_M_BIND, .source_fd = fd, .target = target, .readonly = m->readonly };
	r->n_mounts++;
	return NULL;
}

static es_err *plan_tmpfs(struct build *b, struct buildrun *r, const struct df_mount *m)
{
	struct runner_mount *out = &r->mounts[r->n_mounts];
	int64_t size = 0;

	if (m->size)
		ES_TRY(str_to_bytes(m->size, &size));
	*out = (struct runner_mount){ .kind = RUNNER_M_TMPFS, .size_bytes = (uint64_t)size };
	ES_TRY(mount_target(b, m, &out->target));
	r->n_mounts++;
	return NULL;
}

/* Nothing can give secrets or keys to a build by this door yet: one that may be missing is missing. */
static es_err *plan_secret(const struct df_mount *m)
{
	const char *what = m->type == DF_M_SSH ? "ssh key" : "secret";

	if (m->required)
		return es_err_new(ES_E_INVALID, "%s %s: not found", what, m->id ? m->id : m->target ? m->target : "default");
	return NULL;
}

static es_err *plan_mounts(struct build *b, struct buildrun *r, struct sha256 *digest)
{
	r->mounts = ARENA_ARRAY(b->a, struct runner_mount, r->i->n_mounts + 1);
	r->fds = ARENA_ARRAY(b->a, int, 3 * r->i->n_mounts + 1);
	for (size_t k = 0; k < r->i->n_mounts; k++) {
		const struct df_mount *m = &r->i->mounts[k];

		switch (m->type) {
		case DF_M_BIND:
			ES_TRY(plan_bind(b, r, m, digest));
			break;
		case DF_M_CACHE:
			break; /* opened when the step runs: it has no part in the key */
		case DF_M_TMPFS:
			ES_TRY(plan_tmpfs(b, r, m));
			break;
		default:
			ES_TRY(plan_secret(m));
		}
	}
	return NULL;
}

/* A script with its own interpreter is a file that only this step sees. */
static es_err *plan_script(struct build *b, struct buildrun *r)
{
	const struct df_heredoc *h = r->i->heredocs;
	const char *dir = arena_printf(b->a, "%zu-%u", b->at, b->step), *path = arena_printf(b->a, "%s/script", dir);
	int tmp, fd;

	ES_TRY(build_tmp(b, &tmp));
	ES_TRY(file_mkdir_p(tmp, dir, 0700));
	ES_TRY(file_replace(tmp, path, h->body, strlen(h->body), 0755, false));
	ES_TRY(inroot_open(tmp, path, O_PATH, &fd));
	hold(r, fd);
	const char *target = arena_printf(b->a, SCRIPT_TARGET "%s", h->name);
	r->mounts[r->n_mounts++] =
		(struct runner_mount){ .kind = RUNNER_M_BIND, .source_fd = fd, .target = target, .readonly = true };
	r->argv = strv_arena_add(b->a, NULL, target);
	return NULL;
}

/* ---- the words ---- */

static es_err *check_flags(const struct df_instr *i)
{
	if (str_eq(i->security, "insecure"))
		return es_err_new(ES_E_FORBIDDEN, "security.insecure is not allowed");
	if (i->devices)
		return es_err_new(ES_E_UNSUPPORTED, "RUN --device is not supported by this builder");
	return NULL;
}

/* history: |2 A=x B=y /bin/sh -c …, with the arguments that this command could see. */
static const char *run_words(struct build *b, const struct buildrun *r)
{
	char **args = buildargs_run_env(&b->args, build_here(b)->conf.config.env, true);

	if (!args)
		return r->shown;
	return arena_printf(b->a, "|%zu %s %s", strv_len(args), shown_argv(b->a, args), r->shown);
}

es_err *buildrun_plan(struct build *b, const struct df_instr *i, struct buildrun **ret, const char **ret_words,
		      const char **ret_digest)
{
	struct buildrun *r = ARENA_NEW(b->a, struct buildrun);
	struct build_stage *st = build_here(b);
	char hex[SHA256_HEX + 1];
	struct sha256 digest;

	*ret = r;
	r->i = i;
	sha256_init(&digest);
	ES_TRY(check_flags(i));
	ES_TRY(plan_mounts(b, r, &digest));
	r->argv = buildconf_argv(b->a, &st->conf, i);
	r->shown = shown_argv(b->a, r->argv);
	if (i->n_heredocs) {
		ES_TRY(plan_script(b, r));
		sha256_add(&digest, i->heredocs[0].body, strlen(i->heredocs[0].body) + 1);
	}
	r->env = strv_arena_dup(b->a, st->conf.config.env);
	for (char **arg = buildargs_run_env(&b->args, st->conf.config.env, false); arg && *arg; arg++)
		r->env = strv_arena_add(b->a, r->env, *arg);
	for (char **m = i->mount_texts; m && *m; m++)
		sha256_add(&digest, *m, strlen(*m) + 1);
	*ret_words = run_words(b, r);
	*ret_digest = arena_printf(b->a, "%s network=%s exec=%d", sha256_end_hex(&digest, hex), i->network ? i->network : "",
				   !i->shell);
	return NULL;
}

/* ---- the run ---- */

/* docker's daemon colours what a step says on its standard error. */
static void say_output(void *self, int stream, const void *bytes, size_t n)
{
	struct build *b = self;

	if (stream != 2) {
		b->out->text(b->out->self, bytes, n);
		return;
	}
	es_autobuf text = ES_BUF(n + 16);
	es_buf_adds(&text, "\x1b[91m");
	es_buf_add(&text, bytes, n);
	es_buf_adds(&text, "\x1b[0m");
	b->out->text(b->out->self, es_buf_str(&text), text.len);
}

static es_err *failed(struct build *b, const struct buildrun *r, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

	if (!code)
		return NULL;
	*b->ret_code = code;
	return es_err_new(ES_E_INVALID, "The command '%s' returned a non-zero code: %d", r->shown, code);
}

es_err *buildrun_run(struct build *b, struct buildrun *r, const char *id, int root)
{
	const struct docker_config *config = &build_here(b)->conf.config;
	const struct runner_sink sink = { .write = say_output, .self = b };
	const struct runner *runner = builder_runner(b->builder);
	const char *network = r->i->network ? r->i->network : b->opts->network;
	int status;

	for (size_t k = 0; k < r->i->n_mounts; k++)
		if (r->i->mounts[k].type == DF_M_CACHE)
			ES_TRY(plan_cache(b, r, &r->i->mounts[k]));
	if (!*r->argv)
		return es_err_new(ES_E_INVALID, "no command specified");
	const struct runner_step step = {
		.id = id,
		.rootfs_fd = root,
		.argv = r->argv,
		.env = r->env,
		.user = config->user ? config->user : "",
		.workdir = str_empty(config->working_dir) ? "/" : config->working_dir,
		.network = str_empty(network) ? "default" : network,
		.extra_hosts = b->opts->extra_hosts,
		.mounts = r->mounts,
		.n_mounts = r->n_mounts,
		.limits = b->opts->limits,
	};
	ES_TRY(runner->ops->run(runner->self, &step, &sink, b->opts->cancel_fd, &status));
	return failed(b, r, status);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* buildcopy.c: COPY and ADD: find the sources, name them for history and cache, write them into a step's root. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "builder/builder_priv.h"
#include "builder/dfword.h"
#include "builder/fstree.h"
#include "codec/goglob.h"
#include "builder/inroot.h"
#include "codec/passwd.h"
#include "spec/ref.h"
#include "store/layerprog.h"

#define SOURCES_MAX 100000

struct source {
	int root;         /* borrowed */
	const char *path; /* cleaned */
	bool is_dir;
	bool is_archive;  /* ADD unpacks it */
	bool is_remote, is_unnamed; /* from a URL; with no name of its own */
	char digest[SHA256_HEX + 1];
};

struct buildcopy {
	const struct df_instr *i;
	int from_mount; /* of --from; -1: the context */
	struct source *sources;
	size_t n, cap;
	const char *dest; /* absolute; a slash at its end counts */
	const char *chown, *chmod, *checksum;
	struct ignore *exclude;
};

void buildcopy_free(struct buildcopy *c)
{
	if (c)
		es_close(c->from_mount);
}

/* ---- sources ---- */

static es_err *add_source(struct build *b, struct buildcopy *c, int root, const char *path)
{
	struct stat st;

	if (c->n == SOURCES_MAX)
		return es_err_new(ES_E_LIMIT, "more than %d sources", SOURCES_MAX);
	ES_TRY(inroot_stat(root, path, &st));
	if (c->n == c->cap) {
		struct source *more = ARENA_ARRAY(b->a, struct source, 2 * c->cap + 8);

		if (c->n)
			memcpy(more, c->sources, c->n * sizeof *more);
		c->sources = more;
		c->cap = 2 * c->cap + 8;
	}
	c->sources[c->n++] = (struct source){ .root = root, .path = path, .is_dir = S_ISDIR(st.st_mode) };
	return NULL;
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

/* Names in the directory PATH that match PATTERN, sorted; none when it is no directory. */
static es_err *match_names(struct build *b, int root, const char *path, const char *pattern, char ***ret)
{
	char **names = NULL;
	int fd = -1;
	DIR *dir;

	es_autoerr es_err *err = inroot_open(root, path, O_RDONLY | O_DIRECTORY, &fd);
	if (err)
		return es_err_class(err) == ES_E_NOT_FOUND ? NULL : ES_TAKE(err);
	dir = fdopendir(fd);
	if (!dir) {
		es_close(fd);
		return es_err_sys(errno, "read %s", path);
	}
	for (struct dirent *d; (d = readdir(dir));)
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, "..") && goglob_match(pattern, d->d_name, false))
			names = strv_arena_add(b->a, names, d->d_name);
	closedir(dir);
	if (names)
		qsort(names, strv_len(names), sizeof *names, by_text);
	*ret = names;
	return NULL;
}

/* Component by component: what of REST exists below PATH. */
static es_err *match_sources(struct build *b, struct buildcopy *c, int root, const char *path, const char *rest)
{
	size_t n = strcspn(rest, "/");
	const char *part = arena_strndup(b->a, rest, n), *next = rest[n] ? rest + n + 1 : rest + n;
	char **names = NULL;
	struct stat st;

	if (!goglob_is_pattern(part))
		names = strv_arena_add(b->a, NULL, part);
	else
		ES_TRY(match_names(b, root, path, part, &names));
	for (; names && *names; names++) {
		const char *at = arena_printf(b->a, "%s%s%s", path, *path ? "/" : "", *names);

		if (*next) {
			ES_TRY(match_sources(b, c, root, at, next));
			continue;
		}
		es_autoerr es_err *err = inroot_stat(root, at, &st);
		if (!err)
			ES_TRY(add_source(b, c, root, at));
		else if (es_err_class(err) != ES_E_NOT_FOUND)
			return ES_TAKE(err);
	}
	return NULL;
}

static es_err *missing_source(const struct buildcopy *c, const char *path)
{
	if (c->from_mount >= 0)
		return es_err_new(ES_E_INVALID, "stat %s: file does not exist", path);
	return es_err_new(ES_E_INVALID, "file not found in build context or excluded by .dockerignore: stat %s: file does not exist",
			  path);
}

/* "../x" leaves the context: said, not silently cut. */
static bool leaves_root(struct arena *a, const char *text)
{
	int depth = 0;

	for (char *save = NULL, *part = strtok_r(arena_strdup(a, text), "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		depth += str_eq(part, "..") ? -1 : !str_eq(part, ".");
		if (depth < 0)
			return true;
	}
	return false;
}

static es_err *find_source(struct build *b, struct buildcopy *c, int root, const char *text)
{
	char *path = str_clean_path(arena_strdup(b->a, text));

	if (c->from_mount < 0 && leaves_root(b->a, text))
		return es_err_new(ES_E_INVALID, "forbidden path outside the build context: %s ()", text);
	if (goglob_is_pattern(path)) {
		ES_TRY(goglob_check(path));
		return match_sources(b, c, root, "", path);
	}
	es_err *err = add_source(b, c, root, path);
	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return missing_source(c, path);
	}
	return err;
}

/* A here-document becomes a file of its name in the build's own directory. */
static es_err *inline_source(struct build *b, struct buildcopy *c, const struct df_heredoc *h)
{
	struct dfword_ctx ctx = { .escape = b->df.directives.escape, .flags = DFWORD_RAW_QUOTES,
				  .env = buildargs_stage_env(&b->args, build_here(b)->conf.config.env) };
	const char *body = h->body, *dir = arena_printf(b->a, "%zu-%u", b->at, b->step);
	const char *path = arena_printf(b->a, "%s/%s", dir, h->name);
	int tmp;

	if (strchr(h->name, '/') || str_eq(h->name, ".."))
		return es_err_new(ES_E_INVALID, "invalid heredoc name %s", h->name);
	if (h->expand)
		ES_TRY(dfword_expand(b->a, &ctx, h->body, &body));
	ES_TRY(build_tmp(b, &tmp));
	ES_TRY(file_mkdir_p(tmp, dir, 0700));
	ES_TRY(file_replace(tmp, path, body, strlen(body), 0644, false));
	return add_source(b, c, tmp, path);
}

static bool is_git(const char *text)
{
	return str_starts(text, "git@") || str_starts(text, "git://") || str_starts(text, "ssh://") ||
	       (buildurl_is(text) && strstr(text, ".git") && (str_ends(text, ".git") || strstr(text, ".git#")));
}

static es_err *remote_source(struct build *b, struct buildcopy *c, const char *url)
{
	const char *path;
	bool named;
	int tmp;

	ES_TRY(buildurl_fetch(b, url, c->checksum, c->n, &path, &named));
	ES_TRY(build_tmp(b, &tmp));
	ES_TRY(add_source(b, c, tmp, path));
	c->sources[c->n - 1].is_remote = true;
	c->sources[c->n - 1].is_unnamed = !named;
	if (!named && str_ends(c->dest, "/"))
		return es_err_new(ES_E_INVALID, "cannot determine filename from url: %s", url);
	return NULL;
}

static es_err *find_sources(struct build *b, struct buildcopy *c)
{
	int root = c->from_mount >= 0 ? c->from_mount : b->opts->context_fd;
	struct df_heredoc h;
	size_t heredoc = 0;

	for (char **arg = c->i->args; *arg; arg++) {
		const char *text;

		if (heredoc < c->i->n_heredocs && dflex_heredoc_word(b->a, *arg, b->df.directives.escape, &h)) {
			ES_TRY(inline_source(b, c, &c->i->heredocs[heredoc++]));
			continue;
		}
		ES_TRY(build_expand(b, *arg, &text));
		if (c->i->kind == DF_ADD && is_git(text))
			return es_err_new(ES_E_UNSUPPORTED, "%s: adding a git repository is not supported by this builder", text);
		if (c->i->kind == DF_ADD && buildurl_is(text))
			ES_TRY(remote_source(b, c, text));
		else if (c->checksum)
			return es_err_new(ES_E_INVALID, "checksum can't be specified for non-HTTP(S) & non-Git sources");
		else
			ES_TRY(find_source(b, c, root, text));
	}
	if (c->checksum && c->n > 1)
		return es_err_new(ES_E_INVALID, "checksum can't be specified for multiple sources");
	return c->n ? NULL : es_err_new(ES_E_INVALID, "no source files were specified");
}

/* ---- archives ---- */

/* A stranger's archive is read by the unprivileged unpacker alone. Without DIR_FD (-1) it only says whether it can. */
static es_err *unpack(struct build *b, const struct source *s, int dir_fd, const char *owner)
{
	const char *argv[] = { "estiba-layer", "unpack", "--plain", dir_fd < 0 ? "--no-extract" : owner ? "--chown" : NULL, owner, NULL };
	es_autoclose int tar = -1;
	struct json *report;

	ES_TRY(inroot_open(s->root, s->path, O_RDONLY, &tar));
	ES_TRY(file_set_nonblock(tar, false));
	return es_err_in(layerprog_run(b->store, b->a, &(struct layerprog_call){ .argv = argv, .stream_fd = tar,
										.dir_fd = dir_fd, .out_fd = -1 }, &report),
			 "%s", s->path);
}

/* Is it a tar? What is only compressed is a file like any other. */
static es_err *detect_archive(struct build *b, struct source *s)
{
	static const struct { size_t at, n; const char *bytes; bool sure; } magics[] = {
		{ 257, 5, "ustar", true },
		{ 0, 3, "\x1f\x8b\x08", false },
		{ 0, 3, "BZh", false },
		{ 0, 6, "\xfd" "7zXZ\0", false },
		{ 0, 4, "\x28\xb5\x2f\xfd", false },
	};
	es_autoclose int fd = -1;
	char head[512] = { 0 };

	if (s->is_dir)
		return NULL;
	ES_TRY(inroot_open(s->root, s->path, O_RDONLY, &fd));
	if (file_read_some(fd, head, sizeof head) < 0)
		return es_err_sys(errno, "read %s", s->path);
	for (size_t k = 0; k < ES_N(magics) && !s->is_archive; k++) {
		if (memcmp(head + magics[k].at, magics[k].bytes, magics[k].n) != 0)
			continue;
		es_autoerr es_err *err = magics[k].sure ? NULL : unpack(b, s, -1, NULL);
		s->is_archive = !err;
	}
	return NULL;
}

/* ---- the plan ---- */

static es_err *digest_sources(struct build *b, struct buildcopy *c, const char **ret_name)
{
	struct sha256 all;
	char hex[SHA256_HEX + 1];

	for (size_t k = 0; k < c->n; k++) {
		struct source *s = &c->sources[k];
		struct sha256 one;

		ES_TRY(build_check_cancel(b));
		sha256_init(&one);
		ES_TRY(fstree_digest(&(struct fstree_from){ .root = s->root, .path = s->path, .exclude = c->exclude,
							    .with_owner = c->from_mount >= 0 && !c->chown }, &one));
		sha256_end_hex(&one, s->digest);
	}
	if (c->n == 1) {
		*ret_name = arena_printf(b->a, "%s:%s", c->sources[0].is_dir ? "dir" : "file", c->sources[0].digest);
		return NULL;
	}
	sha256_init(&all);
	for (size_t k = 0; k < c->n; k++)
		sha256_add(&all, c->sources[k].digest, SHA256_HEX);
	*ret_name = arena_printf(b->a, "multi:%s", sha256_end_hex(&all, hex));
	return NULL;
}

static es_err *plan_dest(struct build *b, struct buildcopy *c)
{
	const char *text, *workdir = build_here(b)->conf.config.working_dir;
	const char *path;

	ES_TRY(build_expand(b, c->i->dest, &text));
	path = inroot_join(b->a, str_empty(workdir) ? "/" : workdir, text);
	c->dest = arena_printf(b->a, "%s%s", path, str_ends(text, "/") && !str_eq(path, "/") ? "/" : "");
	return NULL;
}

static es_err *plan_flags(struct build *b, struct buildcopy *c)
{
	es_autofree char *lines = NULL;
	mode_t mode;

	if (c->i->parents)
		return es_err_new(ES_E_UNSUPPORTED, "the --parents option is not supported by this builder");
	if (c->i->checksum) {
		ES_TRY(build_expand(b, c->i->checksum, &c->checksum));
		if (!str_starts(c->checksum, "sha256:") || !ref_is_digest(c->checksum))
			return es_err_new(ES_E_INVALID, "invalid checksum %s: want sha256:HEX", c->checksum);
	}
	if (c->i->keep_git_dir)
		return es_err_new(ES_E_INVALID, "keep-git-dir can only be specified for Git sources");
	if (c->i->chown)
		ES_TRY(build_expand(b, c->i->chown, &c->chown));
	if (c->i->chmod) {
		ES_TRY(build_expand(b, c->i->chmod, &c->chmod));
		ES_TRY(fstree_chmod(c->chmod, 0, false, &mode));
	}
	if (!c->i->excludes)
		return NULL;
	lines = strv_join(c->i->excludes, "\n");
	return ignore_parse(b->a, lines, strlen(lines), &c->exclude);
}

static es_err *plan_from(struct build *b, struct buildcopy *c)
{
	char **stack;

	if (!c->i->from)
		return NULL;
	ES_TRY(build_find_from(b, c->i->from, &stack));
	return layers_mount(b->store, stack, NULL, &c->from_mount);
}

static es_err *plan_words(struct build *b, struct buildcopy *c, const char **ret_words, const char **ret_digest)
{
	const char *name = dfinstr_name(c->i->kind), *sum;

	for (size_t k = 0; k < c->n && c->i->kind == DF_ADD; k++)
		if (c->i->unpack_given ? c->i->unpack : !c->sources[k].is_remote) /* what comes from the web stays packed unless asked */
			ES_TRY(detect_archive(b, &c->sources[k]));
	ES_TRY(digest_sources(b, c, &sum));
	*ret_words = arena_printf(b->a, "%s %s%s%s%s%s%s%s in %s ", name, c->chown ? "--chown=" : "", c->chown ? c->chown : "",
				  c->chown ? " " : "", c->chmod ? "--chmod=" : "", c->chmod ? c->chmod : "",
				  c->chmod ? " " : "", sum, c->dest);
	/* the names of several files matter too: they keep them */
	es_autobuf names = ES_BUF(64u << 20);
	for (size_t k = 0; k < c->n; k++)
		es_buf_printf(&names, "%s\n", c->sources[k].path);
	ES_TRY(es_buf_check(&names));
	*ret_digest = arena_printf(b->a, "%s%s", sum, es_buf_str(&names));
	return NULL;
}

es_err *buildcopy_plan(struct build *b, const struct df_instr *i, struct buildcopy **ret, const char **ret_words,
		       const char **ret_digest)
{
	struct buildcopy *c = ARENA_NEW(b->a, struct buildcopy);
	const char *name = dfinstr_name(i->kind);

	*ret = c;
	*c = (struct buildcopy){ .i = i, .from_mount = -1 };
	ES_TRY(plan_flags(b, c));
	ES_TRY(plan_from(b, c));
	ES_TRY(plan_dest(b, c));
	ES_TRY(es_err_in(find_sources(b, c), "%s failed", name));
	if (c->n > 1 && !str_ends(c->dest, "/"))
		return es_err_new(ES_E_INVALID,
				  "When using %s with more than one source file, the destination must be a directory and end with a /",
				  name);
	return es_err_in(plan_words(b, c, ret_words, ret_digest), "%s failed", name);
}

/* ---- the run ---- */

/* USER[:GROUP] looked up in the root's own files; a lone name is also the group's if there is one. */
static es_err *find_owner(struct build *b, const struct buildcopy *c, int root, struct passwd_user *ret)
{
	es_autofree char *passwd = NULL, *group = NULL;

	*ret = (struct passwd_user){ 0 };
	if (!c->chown)
		return NULL;
	es_err_drop(inroot_read(root, "etc/passwd", PASSWD_FILE_MAX, &passwd, NULL));
	es_err_drop(inroot_read(root, "etc/group", PASSWD_FILE_MAX, &group, NULL));
	return passwd_lookup(b->a, c->chown, passwd, group, NULL, ret);
}

/* Where one source goes: into the destination if that is, or must be, a directory; else it is its name. */
static const char *dest_of(struct build *b, const struct buildcopy *c, const struct source *s, int root)
{
	const char *slash = strrchr(s->path, '/');
	struct stat st;
	bool into = str_ends(c->dest, "/");

	if (!into && !s->is_dir) {
		es_autoerr es_err *err = inroot_stat(root, c->dest, &st);
		into = !err && S_ISDIR(st.st_mode);
	}
	if (s->is_dir || !into)
		return c->dest;
	return arena_printf(b->a, "%s/%s", c->dest, slash ? slash + 1 : s->path);
}

static es_err *add_archive(struct build *b, const struct buildcopy *c, const struct source *s, int root,
			   const struct passwd_user *owner)
{
	es_autoclose int dest = -1;

	ES_TRY(inroot_mkdir_p(root, c->dest, 0755, owner->uid, owner->gid, NULL, NULL));
	ES_TRY(inroot_open(root, c->dest, O_RDONLY | O_DIRECTORY, &dest));
	return unpack(b, s, dest, c->chown ? arena_printf(b->a, "%u:%u", owner->uid, owner->gid) : NULL);
}

es_err *buildcopy_run(struct build *b, struct buildcopy *c, int root)
{
	const char *name = dfinstr_name(c->i->kind);
	struct passwd_user owner;

	ES_TRY(find_owner(b, c, root, &owner));
	for (size_t k = 0; k < c->n; k++) {
		const struct source *s = &c->sources[k];
		struct fstree_from from = { .root = s->root, .path = s->path, .exclude = c->exclude,
					    .with_owner = c->from_mount >= 0 && !c->chown };
		struct fstree_to to = { .root = root, .path = dest_of(b, c, s, root), .uid = owner.uid, .gid = owner.gid,
					.chmod = c->chmod, .cancel_fd = b->opts->cancel_fd };

		if (s->is_archive)
			ES_TRY(es_err_in(add_archive(b, c, s, root, &owner), "%s failed", name));
		else
			ES_TRY(es_err_in(fstree_copy(&from, &to), "%s failed", name));
	}
	return NULL;
}

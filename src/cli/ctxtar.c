/* SPDX-License-Identifier: Apache-2.0 */
/* ctxtar.c: a build context as a tar stream, made while it is sent.
 *
 * First the names are collected; then each read makes the next header or passes on the next piece of a file. A file that
 * shrinks meanwhile is an error, one that grows is cut at the size that its header has. */
#include "cli/ctxtar.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/tar.h"

#define DEPTH_MAX 200     /* directories deep */
#define PIECE 65536       /* bytes read from a file at a time */
#define PENDING_MAX (4u << 20)

struct extra {
	const char *name, *bytes;
	size_t n;
};

struct ctxtar {
	struct arena *arena;
	int dirfd;
	const char *rename; /* NULL: names as they are */
	bool only, owners;
	char **paths; /* relative; in the arena */
	size_t n, at, cap;
	struct extra extras[2];
	size_t n_extras, extra_at;
	int fd;        /* of the file that is being sent; -1: none */
	uint64_t left; /* of it */
	struct tar_writer writer;
	struct es_buf pending; /* made, not yet given out */
	size_t given;          /* of pending */
	uint64_t sent;
	bool ended;
};

static void add_path(struct ctxtar *t, char *path)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 256;
		t->paths = es_xrealloc(t->paths, t->cap * sizeof *t->paths);
	}
	t->paths[t->n++] = path;
}

struct walk {
	struct ctxtar *t;
	const struct ignore *ignore;
	char *const *keep;
};

static es_err *list_names(int dirfd, const char *path, char ***ret)
{
	int fd = openat(dirfd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char **names = NULL;

	if (!dir) {
		es_err *err = es_err_sys(errno, "open %s", *path ? path : "the context");

		es_close(fd);
		return err;
	}
	for (struct dirent *d; (d = readdir(dir));)
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			strv_add(&names, d->d_name);
	closedir(dir);
	strv_sort(names);
	*ret = names;
	return NULL;
}

static es_err *walk_dir(struct walk *w, const char *prefix, unsigned depth)
{
	es_autostrv names = NULL;

	if (depth > DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "the context is more than %d directories deep", DEPTH_MAX);
	ES_TRY(list_names(w->t->dirfd, prefix, &names));
	for (char **name = names; name && *name; name++) {
		char *path = arena_printf(w->t->arena, "%s%s%s", prefix, *prefix ? "/" : "", *name);
		bool out = w->ignore && ignore_has(w->ignore, path) && !strv_has(w->keep, path);
		struct stat st;

		if (fstatat(w->t->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return es_err_sys(errno, "stat %s", path);
		if (S_ISSOCK(st.st_mode) || (out && !S_ISDIR(st.st_mode)))
			continue;
		if (!out)
			add_path(w->t, path);
		if (S_ISDIR(st.st_mode) && (!out || ignore_may_return(w->ignore, path)))
			ES_TRY(walk_dir(w, path, depth + 1));
	}
	return NULL;
}

static es_err *sink(void *self, const void *bytes, size_t n)
{
	struct ctxtar *t = self;

	es_buf_add(&t->pending, bytes, n);
	return es_buf_check(&t->pending);
}

es_err *ctxtar_new(int dirfd, const struct ctxtar_what *what, struct ctxtar **ret)
{
	struct ctxtar *t = ES_NEW(struct ctxtar);
	struct walk w = { t, what->ignore, what->keep };
	es_err *err = NULL;

	t->arena = arena_new();
	t->dirfd = dirfd;
	t->fd = -1;
	t->pending = ES_BUF(PENDING_MAX);
	t->writer.sink = (struct tar_sink){ sink, t };
	t->rename = what->rename ? arena_strdup(t->arena, what->rename) : NULL;
	t->only = what->only != NULL;
	t->owners = what->owners;
	if (t->only || t->rename)
		add_path(t, arena_strdup(t->arena, t->only ? what->only : "."));
	if (dirfd >= 0 && !t->only)
		err = walk_dir(&w, "", 0);
	if (err) {
		ctxtar_free(t);
		return err;
	}
	*ret = t;
	return NULL;
}

void ctxtar_free(struct ctxtar *t)
{
	if (!t)
		return;
	es_close(t->fd);
	es_buf_done(&t->pending);
	free(t->paths);
	arena_free(t->arena);
	free(t);
}

void ctxtar_add(struct ctxtar *t, const char *name, const char *bytes, size_t n)
{
	if (t->n_extras < ES_N(t->extras))
		t->extras[t->n_extras++] = (struct extra){ name, bytes, n };
}

uint64_t ctxtar_sent(const struct ctxtar *t)
{
	return t->sent;
}

/* Steps: each puts something into pending. */

static es_err *put_extra(struct ctxtar *t)
{
	const struct extra *x = &t->extras[t->extra_at++];
	const struct tar_entry e = { .type = TAR_FILE, .path = x->name, .link = "", .mode = 0600, .size = x->n };

	ES_TRY(tar_write_header(&t->writer, &e));
	return x->n ? tar_write_data(&t->writer, x->bytes, x->n) : NULL;
}

static bool type_of(mode_t mode, enum tar_type *ret)
{
	static const struct {
		mode_t mode;
		enum tar_type type;
	} rows[] = {
		{ S_IFREG, TAR_FILE }, { S_IFDIR, TAR_DIR },	      { S_IFLNK, TAR_SYMLINK },
		{ S_IFCHR, TAR_CHAR }, { S_IFBLK, TAR_BLOCK_DEVICE }, { S_IFIFO, TAR_FIFO },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		if ((mode & S_IFMT) == rows[i].mode) {
			*ret = rows[i].type;
			return true;
		}
	}
	return false;
}

/* PATH as the archive calls it. */
static const char *name_of(const struct ctxtar *t, const char *path)
{
	if (!t->rename)
		return path;
	return t->only || str_eq(path, ".") ? t->rename : arena_printf(t->arena, "%s/%s", t->rename, path);
}

static es_err *put_path(struct ctxtar *t)
{
	const char *path = t->paths[t->at++];
	struct tar_entry e = { .path = name_of(t, path), .link = "" };
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstatat(t->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "stat %s", path);
	if (!type_of(st.st_mode, &e.type))
		return NULL;
	e.mode = st.st_mode & 07777;
	e.mtime_s = st.st_mtim.tv_sec;
	if (t->owners) {
		e.uid = st.st_uid;
		e.gid = st.st_gid;
	}
	if (e.type == TAR_DIR)
		e.path = arena_printf(t->arena, "%s/", e.path);
	if (e.type == TAR_CHAR || e.type == TAR_BLOCK_DEVICE) {
		e.dev_major = major(st.st_rdev);
		e.dev_minor = minor(st.st_rdev);
	}
	if (e.type == TAR_SYMLINK) {
		n = readlinkat(t->dirfd, path, target, sizeof target - 1);
		if (n < 0)
			return es_err_sys(errno, "read link %s", path);
		target[n] = '\0';
		e.link = target;
	}
	if (e.type == TAR_FILE) {
		t->fd = openat(t->dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (t->fd < 0)
			return es_err_sys(errno, "open %s", path);
		t->left = e.size = (uint64_t)st.st_size;
	}
	return tar_write_header(&t->writer, &e);
}

static es_err *put_piece(struct ctxtar *t)
{
	char buf[PIECE];
	ssize_t n;

	if (!t->left) {
		es_close_p(&t->fd);
		return NULL;
	}
	n = file_read_some(t->fd, buf, t->left < sizeof buf ? (size_t)t->left : sizeof buf);
	if (n < 0)
		return es_err_sys(errno, "read %s", t->paths[t->at - 1]);
	if (n == 0)
		return es_err_new(ES_E_CONFLICT, "%s became shorter while it was read", t->paths[t->at - 1]);
	t->left -= (uint64_t)n;
	return tar_write_data(&t->writer, buf, (size_t)n);
}

static es_err *step(struct ctxtar *t)
{
	if (t->fd >= 0)
		return put_piece(t);
	if (t->extra_at < t->n_extras)
		return put_extra(t);
	if (t->at < t->n)
		return put_path(t);
	t->ended = true;
	return tar_write_end(&t->writer);
}

es_err *ctxtar_read(void *self, void *buf, size_t max, size_t *ret_n)
{
	struct ctxtar *t = self;
	size_t n;

	while (t->given == t->pending.len && !t->ended) {
		es_buf_reset(&t->pending);
		t->given = 0;
		ES_TRY(step(t));
	}
	n = t->pending.len - t->given;
	n = n < max ? n : max;
	memcpy(buf, es_buf_str(&t->pending) + t->given, n);
	t->given += n;
	t->sent += n;
	*ret_n = n;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* snapdiff.c: what a snapshot's upper holds: its size, and its changes against the layers below. */
#include "store/snapdiff.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/str.h"

#define DEPTH_MAX 1000 /* each level holds a descriptor */
#define PATH_TEXT_MAX (1u << 20)

/* --- size --- */

struct seen {
	dev_t dev;
	ino_t ino;
};

struct size_walk {
	uint64_t bytes;
	struct seen *links; /* files of several names that were counted */
	size_t n, cap;
};

static bool counted_before(struct size_walk *w, const struct stat *st)
{
	if (st->st_nlink < 2)
		return false;
	for (size_t i = 0; i < w->n; i++)
		if (w->links[i].dev == st->st_dev && w->links[i].ino == st->st_ino)
			return true;
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 64;
		w->links = es_xrealloc(w->links, w->cap * sizeof *w->links);
	}
	w->links[w->n++] = (struct seen){ st->st_dev, st->st_ino };
	return false;
}

static DIR *open_dir(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		es_close(fd);
	return dir;
}

static void close_dir_p(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static bool is_dot(const char *name)
{
	return str_eq(name, ".") || str_eq(name, "..");
}

/* What vanishes meanwhile is not counted: the container may be running. */
static es_err *size_walk(struct size_walk *w, int parent, const char *name, int depth)
{
	es_auto(close_dir_p) DIR *dir = open_dir(parent, name);

	if (!dir)
		return errno == ENOENT ? NULL : es_err_sys(errno, "open %s", name);
	if (depth > DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "directories nested deeper than %d", DEPTH_MAX);
	for (struct dirent *e; (e = readdir(dir));) {
		struct stat st;

		if (is_dot(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			ES_TRY(size_walk(w, dirfd(dir), e->d_name, depth + 1));
		else if (!counted_before(w, &st))
			w->bytes += (uint64_t)st.st_size;
	}
	return NULL;
}

es_err *snapdiff_size(int upper_fd, uint64_t *ret_bytes)
{
	struct size_walk w = { 0 };
	es_err *err = size_walk(&w, upper_fd, ".", 0);

	free(w.links);
	if (!err)
		*ret_bytes = w.bytes;
	return err;
}

/* --- changes --- */

struct diff {
	struct arena *a;
	const struct stack_lowers *lowers;
	struct es_buf path; /* "/x/y" of where we are, "" at the root */
	struct snapshot_change *items;
	size_t n, cap;
};

static es_err *note(struct diff *d, enum snapshot_change_kind kind)
{
	if (d->n >= SNAPSHOT_CHANGES_MAX)
		return es_err_new(ES_E_LIMIT, "more than %u changes", SNAPSHOT_CHANGES_MAX);
	if (d->n == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 64;
		d->items = es_xrealloc(d->items, d->cap * sizeof *d->items);
	}
	d->items[d->n++] = (struct snapshot_change){ kind, arena_strdup(d->a, es_buf_str(&d->path)) };
	return NULL;
}

static void path_cut(struct es_buf *path, size_t len)
{
	path->len = len;
	path->p[len] = '\0';
}

static bool same_dir(const struct stat *x, const struct stat *y)
{
	return x->st_mode == y->st_mode && x->st_uid == y->st_uid && x->st_gid == y->st_gid && x->st_mtim.tv_sec == y->st_mtim.tv_sec &&
	       x->st_mtim.tv_nsec == y->st_mtim.tv_nsec;
}

static const char *relative(const struct diff *d)
{
	return es_buf_str(&d->path) + (d->path.len ? 1 : 0);
}

/* The directory at d->path was emptied and filled anew: what the lowers have there and UPPER has not is gone. */
static es_err *note_hidden(struct diff *d, int upper)
{
	size_t len = d->path.len;
	es_autostrv done = NULL;

	for (size_t i = 0; i < d->lowers->n; i++) {
		es_auto(close_dir_p) DIR *dir = open_dir(d->lowers->fds[i], len ? relative(d) : ".");

		for (struct dirent *e; dir && (e = readdir(dir));) {
			struct stat st;

			if (is_dot(e->d_name) || fstatat(upper, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 || strv_has(done, e->d_name))
				continue;
			es_buf_printf(&d->path, "/%s", e->d_name);
			if (stack_lookup(d->lowers, relative(d), &st, NULL)) {
				strv_add(&done, e->d_name);
				ES_TRY(note(d, SNAPSHOT_DELETED));
			}
			path_cut(&d->path, len);
		}
	}
	return NULL;
}

static es_err *diff_dir(struct diff *d, int parent, const char *name, int depth);

/* One name of the upper; d->path is its path. */
static es_err *diff_entry(struct diff *d, int parent, const char *name, const struct stat *st, int depth)
{
	struct stat below;
	bool was = stack_lookup(d->lowers, relative(d), &below, NULL);
	size_t before = d->n;

	if (stack_is_whiteout(st))
		return was ? note(d, SNAPSHOT_DELETED) : NULL;
	if (!was || !S_ISDIR(st->st_mode) || !S_ISDIR(below.st_mode)) {
		ES_TRY(note(d, was ? SNAPSHOT_MODIFIED : SNAPSHOT_ADDED));
		return S_ISDIR(st->st_mode) ? diff_dir(d, parent, name, depth) : NULL;
	}
	ES_TRY(diff_dir(d, parent, name, depth));
	return d->n > before || !same_dir(st, &below) ? note(d, SNAPSHOT_MODIFIED) : NULL;
}

static es_err *diff_dir(struct diff *d, int parent, const char *name, int depth)
{
	es_auto(close_dir_p) DIR *dir = open_dir(parent, name);
	size_t len = d->path.len;

	if (!dir)
		return errno == ENOENT ? NULL : es_err_sys(errno, "open %s", es_buf_str(&d->path));
	if (depth > DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "directories nested deeper than %d", DEPTH_MAX);
	if (stack_is_opaque(dirfd(dir)))
		ES_TRY(note_hidden(d, dirfd(dir)));
	for (struct dirent *e; (e = readdir(dir));) {
		struct stat st;

		if (is_dot(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		es_buf_printf(&d->path, "/%s", e->d_name);
		ES_TRY(es_buf_check(&d->path));
		ES_TRY(diff_entry(d, dirfd(dir), e->d_name, &st, depth + 1));
		path_cut(&d->path, len);
	}
	return NULL;
}

static int by_path(const void *x, const void *y)
{
	return strcmp(((const struct snapshot_change *)x)->path, ((const struct snapshot_change *)y)->path);
}

es_err *snapdiff_changes(struct arena *a, int upper_fd, const struct stack_lowers *lowers, struct snapshot_changes *ret)
{
	struct diff d = { .a = a, .lowers = lowers, .path = ES_BUF(PATH_TEXT_MAX) };
	es_err *err;

	es_buf_adds(&d.path, "");
	err = diff_dir(&d, upper_fd, ".", 0);
	if (d.items)
		arena_own(a, d.items);
	es_buf_done(&d.path);
	ES_TRY(err);
	if (d.n)
		qsort(d.items, d.n, sizeof *d.items, by_path);
	*ret = (struct snapshot_changes){ d.items, d.n };
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image_view.c: images looked at through a mount of their layers. */
#include "catalog/image_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "catalog/image_priv.h"
#include "store/layers.h"
#include "store/lease.h"
#include "sys/mount.h"

#define MOUNT_KIND "image-mount" /* run state: id is the target, ref the image */
#define DEPTH_MAX 1000 /* directories nested below each other; each level holds a descriptor or two */
#define CHUNK ((size_t)64 << 10)
#define LINK_MAX 4096

#define T struct image_file
const struct field image_file_fields[] = {
	F_STR(T, path, "Path", 0),
	F_STR(T, target, "Target", FIELD_OMIT_EMPTY),
	F_I64(T, mode, "Mode", 0),
	F_I64(T, uid, "Uid", 0),
	F_I64(T, gid, "Gid", 0),
	F_I64(T, size, "Size", 0),
	F_TIME(T, mtime, "ModTime", 0),
	F_END,
};
#undef T
#define T struct image_change
const struct field image_change_fields[] = {
	F_STR(T, path, "Path", 0),
	F_I64(T, kind, "Kind", 0),
	F_END,
};
#undef T
#define T struct image_mounted
const struct field image_mounted_fields[] = {
	F_STR(T, target, "Target", 0),
	F_STR(T, image, "Image", 0),
	F_STRV(T, names, "Names", FIELD_EMPTY_LIST),
	F_END,
};
#undef T

/* The descriptor holds the layers; the lease covers the moment until it does. */
static es_err *view(const struct images *im, struct arena *a, const char *word, struct image *ret, int *ret_fd)
{
	es_autolease *lease = lease_new(im->store);

	ES_TRY(image_get(im, a, word, ret));
	for (char **layer = ret->layers; layer && *layer; layer++)
		lease_hold(lease, *layer);
	return es_err_in(layers_mount(im->store, ret->layers, NULL, ret_fd), "image %s", word);
}

/* --- one and many --- */

struct listing {
	struct arena *a;
	struct image_file *items;
	size_t n, cap;
	bool recursive;
};

static es_err *add_file(struct listing *l, int dir, const char *name, const char *path, const struct stat *st)
{
	struct image_file *old = l->items;
	struct image_file f = { .path = arena_strdup(l->a, path), .mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid, .size = st->st_size,
				.mtime = st->st_mtim.tv_sec * CLOCK_NS_PER_S + st->st_mtim.tv_nsec };

	if (l->n == IMAGE_FILES_MAX)
		return es_err_new(ES_E_LIMIT, "more than %u files: ask for a directory below", IMAGE_FILES_MAX);
	if (S_ISLNK(st->st_mode)) {
		char text[LINK_MAX];
		ssize_t n = readlinkat(dir, name, text, sizeof text);

		if (n < 0)
			return es_err_sys(errno, "read the link %s", path);
		f.target = arena_strndup(l->a, text, (size_t)n);
	}
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->items = ARENA_ARRAY(l->a, struct image_file, l->cap);
		if (l->n)
			memcpy(l->items, old, l->n * sizeof *old);
	}
	l->items[l->n++] = f;
	return NULL;
}

static es_err *list_dir(struct listing *l, int fd, const char *path, int depth)
{
	es_autostrv names = NULL;

	if (depth > DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "directories nested deeper than %d", DEPTH_MAX);
	ES_TRY(file_names(fd, ".", &names));
	for (size_t i = 0; names && names[i]; i++) {
		es_autofree char *at = es_xasprintf("%s/%s", str_eq(path, "/") ? "" : path, names[i]);
		struct stat st;

		if (fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			return es_err_sys(errno, "look at %s", at);
		ES_TRY(add_file(l, fd, names[i], at, &st));
		if (!l->recursive || !S_ISDIR(st.st_mode))
			continue;
		es_autoclose int below = openat(fd, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0)
			return es_err_sys(errno, "open %s", at);
		ES_TRY(list_dir(l, below, at, depth + 1));
	}
	return NULL;
}

static es_err *no_file(const char *word, const char *path)
{
	return errno == ENOENT || errno == ENOTDIR ? es_err_new(ES_E_NOT_FOUND, "image %s has no file %s", word, path) : es_err_sys(errno, "open %s", path);
}

/* "/a/b" of "a//b/" and "". */
static char *clean(struct arena *a, const char *path)
{
	char *out = arena_printf(a, "/%s", path ? path : ""), *to = out;

	for (const char *p = out; *p; p++)
		if (*p != '/' || to == out || to[-1] != '/')
			*to++ = *p;
	if (to > out + 1 && to[-1] == '/')
		to--;
	*to = '\0';
	return out;
}

es_err *image_files(const struct images *im, struct arena *a, const char *word, const char *path, bool recursive, struct field_list *ret)
{
	struct listing l = { .a = a, .recursive = recursive };
	es_autoclose int root = -1, fd = -1;
	struct image img;
	struct stat st;

	path = clean(a, path);
	ES_TRY(view(im, a, word, &img, &root));
	fd = mount_open_in(root, path, O_PATH);
	if (fd < 0 && errno == ENOENT) /* a link to nothing is a file all the same */
		fd = mount_open_in(root, path, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return no_file(word, path);
	if (fstat(fd, &st) < 0)
		return es_err_sys(errno, "look at %s", path);
	if (S_ISDIR(st.st_mode)) {
		es_autoclose int dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0)
			return es_err_sys(errno, "open %s", path);
		ES_TRY(list_dir(&l, dir, path, 0));
	} else {
		es_autoclose int self = mount_open_in(root, path, O_PATH | O_NOFOLLOW);

		if (self < 0 || fstat(self, &st) < 0)
			return no_file(word, path);
		ES_TRY(add_file(&l, self, "", path, &st));
	}
	*ret = (struct field_list){ l.items, l.n, true };
	return NULL;
}

es_err *image_file_open(const struct images *im, struct arena *a, const char *word, const char *path, int *ret_fd)
{
	es_autoclose int root = -1, fd = -1;
	struct image img;
	struct stat st;

	path = clean(a, path);
	ES_TRY(view(im, a, word, &img, &root));
	fd = mount_open_in(root, path, O_PATH); /* a device or pipe is not touched */
	if (fd < 0 || fstat(fd, &st) < 0)
		return no_file(word, path);
	if (!S_ISREG(st.st_mode))
		return es_err_new(ES_E_INVALID, "%s in image %s is %s", path, word, S_ISDIR(st.st_mode) ? "a directory" : "not a regular file");
	*ret_fd = mount_open_in(root, path, O_RDONLY);
	return *ret_fd < 0 ? no_file(word, path) : NULL;
}

/* --- two images --- */

struct diff {
	struct arena *a;
	int news; /* a view of the layers that only the new one has; -1: they have none in common. What is not in it is the same file */
	struct image_change *items;
	size_t n, cap;
};

static es_err *note(struct diff *d, int64_t kind, const char *path)
{
	struct image_change *old = d->items;

	if (d->n == IMAGE_FILES_MAX)
		return es_err_new(ES_E_LIMIT, "more than %u changes", IMAGE_FILES_MAX);
	if (d->n == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 64;
		d->items = ARENA_ARRAY(d->a, struct image_change, d->cap);
		if (d->n)
			memcpy(d->items, old, d->n * sizeof *old);
	}
	d->items[d->n++] = (struct image_change){ kind, arena_strdup(d->a, path) };
	return NULL;
}

static es_err *same_bytes(int x, int y, const char *name, bool *ret)
{
	es_autoclose int a = openat(x, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), b = openat(y, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	es_autofree char *chunks = es_xmalloc(2 * CHUNK);
	ssize_t n, m;

	if (a < 0 || b < 0)
		return es_err_sys(errno, "open %s", name);
	do {
		n = file_read_some(a, chunks, CHUNK);
		m = file_read_some(b, chunks + CHUNK, CHUNK);
		if (n < 0 || m < 0)
			return es_err_sys(errno, "read %s", name);
		*ret = n == m && !memcmp(chunks, chunks + CHUNK, (size_t)n);
	} while (*ret && n > 0);
	return NULL;
}

static es_err *same_target(int x, int y, const char *name, bool *ret)
{
	char a[LINK_MAX], b[LINK_MAX];
	ssize_t n = readlinkat(x, name, a, sizeof a), m = readlinkat(y, name, b, sizeof b);

	if (n < 0 || m < 0)
		return es_err_sys(errno, "read the link %s", name);
	*ret = n == m && !memcmp(a, b, (size_t)n);
	return NULL;
}

static es_err *same_file(struct diff *d, int x, int y, const char *name, const char *path, const struct stat *a, const struct stat *b, bool *ret)
{
	struct stat st;

	*ret = a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid;
	if (!*ret || S_ISDIR(a->st_mode))
		return NULL;
	*ret = a->st_size == b->st_size && a->st_rdev == b->st_rdev && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
	if (!*ret || (d->news >= 0 && fstatat(d->news, path + 1, &st, AT_SYMLINK_NOFOLLOW) < 0))
		return NULL;
	if (S_ISLNK(a->st_mode))
		return same_target(x, y, name, ret);
	return S_ISREG(a->st_mode) ? same_bytes(x, y, name, ret) : NULL;
}

static es_err *diff_dir(struct diff *d, int x, int y, const char *path, int depth, bool *ret_names);

/* Everything below NAME of FD, and NAME itself, is KIND. */
static es_err *all_of(struct diff *d, int64_t kind, int fd, const char *name, const char *path, int depth)
{
	es_autoclose int below = -1;
	es_autostrv names = NULL;
	struct stat st;

	if (depth > DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "directories nested deeper than %d", DEPTH_MAX);
	ES_TRY(note(d, kind, path));
	if (kind == 2 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return NULL; /* docker tells what is deleted once, not file by file */
	below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return es_err_sys(errno, "open %s", path);
	ES_TRY(file_names(below, ".", &names));
	for (size_t i = 0; names && names[i]; i++) {
		es_autofree char *at = es_xasprintf("%s/%s", path, names[i]);

		ES_TRY(all_of(d, kind, below, names[i], at, depth + 1));
	}
	return NULL;
}

static es_err *diff_entry(struct diff *d, int x, int y, const char *name, const char *path, int depth)
{
	bool same, changed = false;
	struct stat a, b;

	if (fstatat(x, name, &a, AT_SYMLINK_NOFOLLOW) < 0 || fstatat(y, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "look at %s", path);
	ES_TRY(same_file(d, x, y, name, path, &a, &b, &same));
	if (S_ISDIR(a.st_mode) && S_ISDIR(b.st_mode)) {
		es_autoclose int p = openat(x, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		es_autoclose int q = openat(y, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (p < 0 || q < 0)
			return es_err_sys(errno, "open %s", path);
		size_t before = d->n;
		ES_TRY(diff_dir(d, p, q, path, depth + 1, &changed));
		return same && d->n == before ? NULL : note(d, 0, path);
	}
	if (same)
		return NULL;
	size_t at = d->n; /* a directory in the place of a file comes with all that is in it */
	ES_TRY(all_of(d, 1, y, name, path, depth + 1));
	d->items[at].kind = 0;
	return NULL;
}

/* Both lists are sorted. */
static es_err *diff_dir(struct diff *d, int x, int y, const char *path, int depth, bool *ret_names)
{
	es_autostrv was = NULL;
	es_autostrv is = NULL;
	size_t i = 0, k = 0;

	if (depth > DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "directories nested deeper than %d", DEPTH_MAX);
	ES_TRY(file_names(x, ".", &was));
	ES_TRY(file_names(y, ".", &is));
	while ((was && was[i]) || (is && is[k])) {
		int order = !was || !was[i] ? 1 : !is || !is[k] ? -1 : strcmp(was[i], is[k]);
		const char *name = order <= 0 ? was[i] : is[k];
		es_autofree char *at = es_xasprintf("%s/%s", path, name);

		if (order < 0)
			ES_TRY(all_of(d, 2, x, name, at, depth));
		else if (order > 0)
			ES_TRY(all_of(d, 1, y, name, at, depth));
		else
			ES_TRY(diff_entry(d, x, y, name, at, depth));
		*ret_names |= order != 0;
		i += order <= 0;
		k += order >= 0;
	}
	return NULL;
}

static int by_path(const void *x, const void *y)
{
	return strcmp(((const struct image_change *)x)->path, ((const struct image_change *)y)->path);
}

static size_t common_prefix(char *const *x, char *const *y)
{
	size_t n = 0;

	while (x && y && x[n] && y[n] && str_eq(x[n], y[n]))
		n++;
	return n;
}

/* The image whose layers IMG begins with, the most of them. */
static es_err *find_base(const struct images *im, struct arena *a, const struct image *img, const char **ret)
{
	struct record_list images;
	struct record r;
	size_t best = 0;

	*ret = NULL;
	es_err *err = img->parent ? record_get(im->store, a, IMAGE_KIND, img->parent, &r) : es_err_new(ES_E_NOT_FOUND, "none");
	if (!err) {
		*ret = img->parent;
		return NULL;
	}
	es_err_drop(err);
	ES_TRY(record_list(im->store, a, IMAGE_KIND, NULL, &images));
	for (size_t i = 0; i < images.n; i++) {
		struct image_doc doc;

		ES_TRY(image_doc_read(a, &images.items[i], &doc));
		size_t n = strv_len(doc.layers);
		if (n > best && n < strv_len(img->layers) && common_prefix(doc.layers, img->layers) == n) {
			best = n;
			*ret = images.items[i].id;
		}
	}
	return NULL;
}

es_err *image_diff(const struct images *im, struct arena *a, const char *word, const char *base, struct field_list *ret)
{
	struct diff d = { .a = a, .news = -1 };
	es_autoclose int x = -1, y = -1, news = -1;
	struct image from, to;
	bool names = false;
	size_t common;

	ES_TRY(view(im, a, word, &to, &y));
	if (str_empty(base))
		ES_TRY(find_base(im, a, &to, &base));
	if (!base)
		return es_err_new(ES_E_NOT_FOUND, "no image here is the base of %s: name one to compare it with", word);
	ES_TRY(view(im, a, base, &from, &x));
	common = common_prefix(from.layers, to.layers);
	if (common && common == strv_len(from.layers)) {
		ES_TRY(layers_mount(im->store, to.layers + common, NULL, &news));
		d.news = news;
	}
	es_autoclose int p = openat(x, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), q = openat(y, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p < 0 || q < 0)
		return es_err_sys(errno, "open an image");
	ES_TRY(diff_dir(&d, p, q, "", 0, &names));
	if (d.n)
		qsort(d.items, d.n, sizeof *d.items, by_path);
	*ret = (struct field_list){ d.items, d.n, true };
	return NULL;
}

/* --- on the host --- */

/* The record's document: the mount is told from another one at the same place by its device. */
struct mount_doc {
	int64_t dev;
	bool own; /* we made the directory */
};
#define T struct mount_doc
static const struct field mount_doc_fields[] = {
	F_I64(T, dev, "dev", 0),
	F_BOOL(T, own, "own", 0),
	F_END,
};
#undef T

/* Is the mount of record R still there? */
static bool is_there(struct arena *a, const struct record *r)
{
	struct mount_doc doc = { 0 };
	struct stat st;
	es_err *err = field_decode_text(a, mount_doc_fields, r->json, strlen(r->json), &doc);
	bool there = !err && lstat(r->id, &st) == 0 && (int64_t)st.st_dev == doc.dev;

	es_err_free(err);
	return there;
}

/* Those that the user unmounted by hand are forgotten. */
static es_err *each_mount(const struct images *im, struct arena *a, const char *image_id, struct record_list *ret)
{
	struct record_list all;
	size_t n = 0;

	ES_TRY(record_list(im->store, a, MOUNT_KIND, image_id, &all));
	for (size_t i = 0; i < all.n; i++) {
		if (is_there(a, &all.items[i]))
			all.items[n++] = all.items[i];
		else
			ES_TRY(record_delete(im->store, MOUNT_KIND, all.items[i].id));
	}
	*ret = (struct record_list){ all.items, n };
	return NULL;
}

static es_err *attach(int view_fd, const char *target, int64_t *ret_dev)
{
	es_autoclose int at = open(target, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (at < 0)
		return errno == ENOENT ? es_err_new(ES_E_NOT_FOUND, "%s: no such directory", target) : es_err_sys(errno, "open %s", target);
	if (fstat(view_fd, &st) < 0)
		return es_err_sys(errno, "look at the mount");
	ES_TRY(mount_change(view_fd, &(struct mount_attr_change){ .set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV }));
	ES_TRY(es_err_in(mount_attach(view_fd, at), "mount on %s", target));
	*ret_dev = (int64_t)st.st_dev;
	return NULL;
}

es_err *image_mount(const struct images *im, struct arena *a, const char *word, const char *target, const char *dir, struct image_mounted *ret)
{
	es_autobuf json = ES_BUF(256);
	es_autoclose int fd = -1;
	struct mount_doc doc = { .own = str_empty(target) };
	struct record_list there;
	struct image img;

	ES_TRY(view(im, a, word, &img, &fd));
	if (str_empty(target)) {
		target = arena_printf(a, "%s/images/%.12s", dir, img.id + strlen("sha256:"));
		ES_TRY(file_mkdir_p(AT_FDCWD, target, 0755));
	} else if (*target != '/') {
		return es_err_new(ES_E_INVALID, "%s: the directory to mount on must be an absolute path", target);
	}
	target = clean(a, target);
	ES_TRY(each_mount(im, a, NULL, &there));
	for (size_t i = 0; i < there.n; i++)
		if (str_eq(there.items[i].id, target))
			return es_err_new(ES_E_CONFLICT, "image %.12s is mounted on %s already", there.items[i].ref + strlen("sha256:"), target);
	ES_TRY(attach(fd, target, &doc.dev));
	field_encode_text(&json, mount_doc_fields, &doc);
	es_err *err = record_put(im->store, &(struct record){ .kind = MOUNT_KIND, .id = target, .ref = img.id, .class = RECORD_RUN, .json = es_buf_str(&json) });
	if (err) {
		(void)umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
		return err;
	}
	*ret = (struct image_mounted){ target, img.id, img.tags };
	return NULL;
}

es_err *image_mounts(const struct images *im, struct arena *a, struct field_list *ret)
{
	struct image_mounted *items;
	struct record_list list;

	ES_TRY(each_mount(im, a, NULL, &list));
	items = ARENA_ARRAY(a, struct image_mounted, list.n + 1);
	for (size_t i = 0; i < list.n; i++) {
		struct image_refs refs;

		items[i] = (struct image_mounted){ list.items[i].id, list.items[i].ref, NULL };
		ES_TRY(image_refs_of(im, a, list.items[i].ref, &refs));
		for (size_t k = 0; k < refs.n; k++)
			items[i].names = strv_arena_add(a, items[i].names, ref_familiar(a, &refs.items[k]));
	}
	*ret = (struct field_list){ items, list.n, true };
	return NULL;
}

es_err *image_mounts_of(const struct images *im, struct arena *a, const char *id, char ***ret_targets)
{
	struct record_list list;

	*ret_targets = NULL;
	ES_TRY(each_mount(im, a, id, &list));
	for (size_t i = 0; i < list.n; i++)
		*ret_targets = strv_arena_add(a, *ret_targets, list.items[i].id);
	return NULL;
}

es_err *image_unmount(const struct images *im, struct arena *a, const char *word, char ***ret_targets)
{
	const char *id;

	if (*word == '/') {
		struct record r;
		es_err *err = record_get(im->store, a, MOUNT_KIND, clean(a, word), &r);

		if (err || !is_there(a, &r)) {
			es_err_drop(err);
			return es_err_new(ES_E_NOT_FOUND, "no image is mounted on %s", word);
		}
		*ret_targets = strv_arena_add(a, NULL, r.id);
	} else {
		ES_TRY(image_resolve(im, a, word, &id));
		ES_TRY(image_mounts_of(im, a, id, ret_targets));
		if (!*ret_targets)
			return es_err_new(ES_E_NOT_FOUND, "image %s is not mounted", word);
	}
	for (char **target = *ret_targets; *target; target++) {
		struct mount_doc doc = { 0 };
		struct record r;

		ES_TRY(record_get(im->store, a, MOUNT_KIND, *target, &r));
		ES_TRY(field_decode_text(a, mount_doc_fields, r.json, strlen(r.json), &doc));
		if (umount2(*target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			return es_err_sys(errno, "unmount %s", *target);
		ES_TRY(record_delete(im->store, MOUNT_KIND, *target));
		if (doc.own)
			(void)rmdir(*target);
	}
	return NULL;
}

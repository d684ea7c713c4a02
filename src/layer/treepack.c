/* SPDX-License-Identifier: Apache-2.0 */
/* treepack.c: walks a tree by descriptor, and the lowers beside it where there are some. */
#include "layer/treepack.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/str.h"
#include "layer/xattr.h"

#define OPAQUE_XATTR "trusted.overlay.opaque"
#define XATTR_LIST_MAX 65536 /* XATTR_LIST_MAX and XATTR_SIZE_MAX of the kernel */
#define CHUNK ((size_t)256 << 10)
#define DEPTH_MAX 2000 /* directories inside each other */

/* The first name of a file with several, by device and inode. */
struct seen {
	dev_t dev;
	ino_t ino;
	const char *path; /* NULL: the slot is free */
};

struct pack {
	struct tar_writer *w;
	const struct layer_options *o;
	struct layer_counts *counts;
	struct arena *a;
	char *chunk, *xattr_names, *xattr_values;
	struct tar_xattr xattrs[TAR_XATTR_MAX];
	size_t n_xattrs;
	struct seen *seen;
	size_t n_seen, cap_seen;
};

/* The directories that the lowers have where we are, top first. */
struct lowers {
	int *fds;
	size_t n;
};

/* A thing in its directory and in the archive. */
struct item {
	int parent;
	const char *name;
	const char *path; /* in the archive, without a slash at the end; "": the root */
	struct stat st;
};

/* Hard links */

static struct seen *find_seen(const struct pack *k, dev_t dev, ino_t ino)
{
	size_t i = (ino * 0x9e3779b97f4a7c15u + dev) & (k->cap_seen - 1);

	while (k->seen[i].path && (k->seen[i].ino != ino || k->seen[i].dev != dev))
		i = (i + 1) & (k->cap_seen - 1);
	return &k->seen[i];
}

static void grow_seen(struct pack *k)
{
	struct seen *old = k->seen;
	size_t n = k->cap_seen;

	k->cap_seen = n ? n * 2 : 1024;
	k->seen = es_xcalloc(k->cap_seen, sizeof *k->seen);
	for (size_t i = 0; i < n; i++)
		if (old[i].path)
			*find_seen(k, old[i].dev, old[i].ino) = old[i];
	free(old);
}

/* The earlier name of ST, or NULL when this is the first. */
static const char *earlier_name(struct pack *k, const struct stat *st, const char *path)
{
	struct seen *s;

	if (k->n_seen * 2 >= k->cap_seen)
		grow_seen(k);
	s = find_seen(k, st->st_dev, st->st_ino);
	if (s->path)
		return s->path;
	*s = (struct seen){st->st_dev, st->st_ino, arena_strdup(k->a, path)};
	k->n_seen++;
	return NULL;
}

/* Attributes */

/* FD -1: by NAME in the working directory, not following links. */
static ssize_t list_xattrs(int fd, const char *name, char *out, size_t n)
{
	return fd >= 0 ? flistxattr(fd, out, n) : llistxattr(name, out, n);
}

static ssize_t get_xattr(int fd, const char *name, const char *key, char *out, size_t n)
{
	return fd >= 0 ? fgetxattr(fd, key, out, n) : lgetxattr(name, key, out, n);
}

static es_err *read_xattrs(struct pack *k, int fd, const struct item *it)
{
	ssize_t n;
	size_t used = 0;

	k->n_xattrs = 0;
	if (fd < 0 && fchdir(it->parent) < 0)
		return es_err_sys(errno, "enter parent of %s", it->path);
	n = list_xattrs(fd, it->name, k->xattr_names, XATTR_LIST_MAX);
	if (n < 0)
		return errno == EOPNOTSUPP ? NULL : es_err_sys(errno, "list attributes of %s", it->path);
	for (const char *key = k->xattr_names; key < k->xattr_names + n; key += strlen(key) + 1) {
		ssize_t len;

		if (!xattr_is_portable(key))
			continue;
		if (k->n_xattrs == TAR_XATTR_MAX || used + XATTR_LIST_MAX > TAR_EXTENDED_MAX)
			return es_err_new(ES_E_LIMIT, "%s has too many extended attributes", it->path);
		len = get_xattr(fd, it->name, key, k->xattr_values + used, XATTR_LIST_MAX);
		if (len < 0 && errno == ENODATA)
			continue;
		if (len < 0)
			return es_err_sys(errno, "read %s of %s", key, it->path);
		k->xattrs[k->n_xattrs++] =
			(struct tar_xattr){.name = key, .value = k->xattr_values + used, .len = (size_t)len};
		used += (size_t)len;
	}
	return NULL;
}

static enum tar_type type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return TAR_DIR;
	case S_IFLNK:
		return TAR_SYMLINK;
	case S_IFCHR:
		return TAR_CHAR;
	case S_IFBLK:
		return TAR_BLOCK_DEVICE;
	case S_IFIFO:
		return TAR_FIFO;
	default:
		return TAR_FILE;
	}
}

static es_err *write_header(struct pack *k, const struct item *it, const char *path, const char *link)
{
	const struct stat *st = &it->st;
	struct tar_entry e = {
		.type = type_of(st->st_mode),
		.path = path,
		.link = link,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
		.mtime_s = st->st_mtim.tv_sec, /* whole seconds, as docker's layers have them */
		.dev_major = major(st->st_rdev),
		.dev_minor = minor(st->st_rdev),
		.xattrs = k->xattrs,
		.n_xattrs = k->n_xattrs,
	};

	if (link && S_ISREG(st->st_mode)) {
		e.type = TAR_HARDLINK;
		e.size = e.n_xattrs = 0;
	}
	k->counts->entries++;
	return tar_write_header(k->w, &e);
}

/* Files */

/* Exactly the size that the header says: a file that grew is cut, one that shrank is filled with zeros. */
static es_err *write_data(struct pack *k, const struct item *it, int fd)
{
	uint64_t left = (uint64_t)it->st.st_size;
	bool ended = false;

	while (left > 0) {
		size_t want = left < CHUNK ? (size_t)left : CHUNK;
		ssize_t n = ended ? 0 : read(fd, k->chunk, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return es_err_sys(errno, "read %s", it->path);
		if (n == 0) {
			ended = true;
			n = (ssize_t)want;
			memset(k->chunk, 0, want);
		}
		ES_TRY(tar_write_data(k->w, k->chunk, (size_t)n));
		left -= (uint64_t)n;
	}
	return NULL;
}

static es_err *pack_file(struct pack *k, struct item *it)
{
	const char *first = it->st.st_nlink > 1 ? earlier_name(k, &it->st, it->path) : NULL;
	es_autoclose int fd = -1;

	if (first)
		return write_header(k, it, it->path, first);
	fd = openat(it->parent, it->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &it->st) < 0)
		return es_err_sys(errno, "open %s", it->path);
	if (!S_ISREG(it->st.st_mode))
		return es_err_new(ES_E_CONFLICT, "%s changed while it was read", it->path);
	ES_TRY(read_xattrs(k, fd, it));
	ES_TRY(write_header(k, it, it->path, NULL));
	k->counts->content_size += (uint64_t)it->st.st_size;
	return write_data(k, it, fd);
}

static es_err *pack_other(struct pack *k, const struct item *it)
{
	char target[TAR_PATH_MAX] = "";
	bool link = S_ISLNK(it->st.st_mode);

	if (link) {
		ssize_t n = readlinkat(it->parent, it->name, target, sizeof target - 1);

		if (n < 0)
			return es_err_sys(errno, "read link %s", it->path);
		target[n] = '\0';
		k->counts->content_size += (uint64_t)n;
	}
	ES_TRY(read_xattrs(k, -1, it));
	return write_header(k, it, it->path, link ? target : NULL);
}

/* Overlays */

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static bool is_opaque(int fd)
{
	char value;

	return fgetxattr(fd, OPAQUE_XATTR, &value, 1) == 1 && value == 'y';
}

static void close_lowers(struct lowers *l)
{
	for (size_t i = 0; i < l->n; i++)
		es_close(l->fds[i]);
	free(l->fds);
	*l = (struct lowers){0};
}

static bool in_lowers(const struct lowers *l, const char *name)
{
	struct stat st;

	for (size_t i = 0; i < l->n; i++)
		if (fstatat(l->fds[i], name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return !is_whiteout(&st);
	return false;
}

/* What overlayfs merges under NAME: directories from the top down, until something else or an opaque one ends it. */
static es_err *lowers_below(const struct lowers *up, const char *name, struct lowers *ret)
{
	ret->fds = es_xmalloc(up->n * sizeof *ret->fds);
	ret->n = 0;
	for (size_t i = 0; i < up->n; i++) {
		int fd = openat(up->fds[i], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
			break;
		if (fd < 0)
			return es_err_sys(errno, "open %s in a lower layer", name);
		ret->fds[ret->n++] = fd;
		if (is_opaque(fd))
			break;
	}
	return NULL;
}

/* An entry of overlayfs' own meaning: an empty file with the times and owner of what it stands for. */
static es_err *write_mark(struct pack *k, const struct item *of, const char *path)
{
	struct item mark = {.path = path, .st = of->st};

	mark.st.st_mode = S_IFREG;
	mark.st.st_size = 0;
	k->n_xattrs = 0;
	return write_header(k, &mark, path, NULL);
}

static es_err *pack_whiteout(struct pack *k, const struct item *it, const struct lowers *l)
{
	const char *name = strrchr(it->path, '/');
	es_autofree char *path = name ? es_xasprintf("%.*s/.wh.%s", (int)(name - it->path), it->path, name + 1)
				      : es_xasprintf(".wh.%s", it->path);

	return in_lowers(l, it->name) ? write_mark(k, it, path) : NULL;
}

/* Directories */

static int by_name(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

/* The names in FD, sorted; FD is closed. */
static es_err *read_names(int fd, const char *path, char ***ret)
{
	DIR *dir = fdopendir(fd);
	es_autostrv names = NULL;
	size_t n = 0, cap = 0;
	struct dirent *e;

	if (!dir) {
		es_err *err = es_err_sys(errno, "read %s", path);

		es_close(fd);
		return err;
	}
	while ((errno = 0, e = readdir(dir))) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (n + 2 > cap) {
			cap = cap ? cap * 2 : 32;
			names = es_xrealloc(names, cap * sizeof *names);
		}
		names[n++] = es_xstrdup(e->d_name);
		names[n] = NULL;
	}
	if (errno) {
		es_err *err = es_err_sys(errno, "read %s", path);

		(void)closedir(dir);
		return err;
	}
	(void)closedir(dir);
	if (n)
		qsort(names, n, sizeof *names, by_name);
	*ret = ES_TAKE(names);
	return NULL;
}

static es_err *pack_item(struct pack *k, struct item *it, const struct lowers *l, int depth);

static es_err *pack_names(struct pack *k, int fd, const char *path, const struct lowers *l, int depth)
{
	es_autostrv names = NULL;
	int list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (list < 0)
		return es_err_sys(errno, "open %s", path);
	ES_TRY(read_names(list, path, &names));
	for (char **name = names; name && *name; name++) {
		es_autofree char *full = *path ? es_xasprintf("%s/%s", path, *name) : es_xstrdup(*name);
		struct item it = {.parent = fd, .name = *name, .path = full};

		if (fstatat(fd, *name, &it.st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue; /* it went meanwhile */
			return es_err_sys(errno, "look at %s", full);
		}
		ES_TRY(pack_item(k, &it, l, depth));
	}
	return NULL;
}

/* The entry of a directory and, in an upper, its opaque mark. BELOW: what the lowers have under it; emptied when
 * hidden. */
static es_err *dir_header(struct pack *k, const struct item *it, int fd, struct lowers *below)
{
	es_autofree char *path = es_xasprintf("%s/", it->path), *mark = es_xasprintf("%s/.wh..wh..opq", it->path);

	ES_TRY(read_xattrs(k, fd, it));
	if (*it->path)
		ES_TRY(write_header(k, it, path, NULL));
	if (below->n == 0 || !is_opaque(fd))
		return NULL;
	close_lowers(below);
	return write_mark(k, it, mark);
}

static es_err *pack_dir(struct pack *k, struct item *it, const struct lowers *l, int depth)
{
	es_autoclose int fd = openat(it->parent, it->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct lowers below = {0};
	es_err *err;

	if (fd < 0)
		return es_err_sys(errno, "open %s", it->path);
	if (depth > DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "%s: directories nested deeper than %d", it->path, DEPTH_MAX);
	err = lowers_below(l, it->name, &below);
	if (!err)
		err = dir_header(k, it, fd, &below);
	if (!err)
		err = pack_names(k, fd, it->path, &below, depth + 1);
	close_lowers(&below);
	return err;
}

static es_err *pack_item(struct pack *k, struct item *it, const struct lowers *l, int depth)
{
	k->n_xattrs = 0;
	if (k->o->upper && is_whiteout(&it->st))
		return pack_whiteout(k, it, l);
	switch (it->st.st_mode & S_IFMT) {
	case S_IFDIR:
		return pack_dir(k, it, l, depth);
	case S_IFREG:
		return pack_file(k, it);
	case S_IFSOCK:
		return NULL;
	default:
		return pack_other(k, it);
	}
}

/* --path: its parent resolved inside the root, the last component as it is. */
static es_err *pack_path(struct pack *k, int root_fd, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	es_autofree char *copy = es_xstrdup(path);
	struct item it = {0};
	struct lowers none = {0};
	char *slash;

	for (size_t n = strlen(copy); n > 0 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	it.name = slash ? slash + 1 : copy;
	if (!*it.name || str_eq(it.name, ".")) {
		it.path = k->o->rename ? k->o->rename : "";
		it.name = ".";
	} else {
		it.path = k->o->rename ? k->o->rename : it.name;
	}
	if (str_eq(it.name, ".."))
		return es_err_new(ES_E_INVALID, "\"%s\" ends in \"..\"", path);
	es_autoclose int parent = (int)syscall(SYS_openat2, root_fd, slash && *copy ? copy : ".", &how, sizeof how);
	if (parent < 0 || fstatat(parent, it.name, &it.st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? es_err_new(ES_E_NOT_FOUND, "no %s", path)
							   : es_err_sys(errno, "open %s", path);
	it.parent = parent;
	return pack_item(k, &it, &none, 0);
}

es_err *treepack_all(struct tar_writer *w, int root_fd, const int *lowers, size_t n_lowers,
		     const struct layer_options *o, struct layer_counts *counts)
{
	es_autoarena *a = arena_new();
	struct pack *k = ES_NEW(struct pack);
	struct lowers l = {.fds = (int *)lowers, .n = n_lowers};
	es_err *err;

	*k = (struct pack){.w = w, .o = o, .counts = counts, .a = a};
	k->chunk = es_xmalloc(CHUNK);
	k->xattr_names = es_xmalloc(XATTR_LIST_MAX);
	k->xattr_values = es_xmalloc(TAR_EXTENDED_MAX);
	err = o->path ? pack_path(k, root_fd, o->path) : pack_names(k, root_fd, "", &l, 0);
	if (!err)
		err = tar_write_end(w);
	free(k->chunk);
	free(k->xattr_names);
	free(k->xattr_values);
	free(k->seen);
	free(k);
	return err;
}

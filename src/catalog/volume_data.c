/* SPDX-License-Identifier: Apache-2.0 */
/* volume_data.c: the data of volumes: their size, their own mounts, and what an image has at the mount point copied up. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/str.h"
#include "catalog/volume.h"
#include "catalog/volume_priv.h"
#include "sys/mount.h"

#define DEPTH_MAX 512       /* of directories; a path of the kernel has at most 4096 bytes, so 2048 */
#define XATTR_LIST_MAX 65536
#define XATTR_VALUE_MAX 65536

/* ---- walking ---- */

static es_err *open_dir(int at, const char *path, DIR **ret)
{
	es_autoclose int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	*ret = fdopendir(fd);
	if (!*ret)
		return es_err_sys(errno, "read %s", path);
	(void)ES_TAKE_FD(fd);
	return NULL;
}

static void close_dir_p(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}
#define es_autodir es_auto(close_dir_p) DIR

/* Next entry besides "." and ".."; NULL at the end. */
static const char *next_name(DIR *d)
{
	struct dirent *e;

	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			return e->d_name;
	return NULL;
}

/* Blocks so far, and the files of several names that are among them: an open hash of inode numbers, at most half full. */
struct tree_size {
	dev_t dev;
	uint64_t bytes;
	ino_t *links; /* 0: free */
	size_t n, cap;
};

static ino_t *link_slot(const struct tree_size *t, ino_t ino)
{
	size_t at = (size_t)(ino * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (t->cap - 1);

	while (t->links[at] && t->links[at] != ino)
		at = (at + 1) & (t->cap - 1);
	return &t->links[at];
}

static bool is_counted(struct tree_size *t, const struct stat *st)
{
	ino_t *slot;

	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return false;
	if (2 * (t->n + 1) > t->cap) {
		struct tree_size grown = { .cap = t->cap ? 2 * t->cap : 64 };

		grown.links = es_xcalloc(grown.cap, sizeof *grown.links);
		for (size_t i = 0; i < t->cap; i++)
			if (t->links[i])
				*link_slot(&grown, t->links[i]) = t->links[i];
		free(t->links);
		t->links = grown.links;
		t->cap = grown.cap;
	}
	slot = link_slot(t, st->st_ino);
	if (*slot)
		return true;
	*slot = st->st_ino;
	t->n++;
	return false;
}

static es_err *add_size(int parent, const char *path, unsigned depth, struct tree_size *t)
{
	es_autodir *d = NULL;
	const char *name;

	if (depth == DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "directories nest deeper than %d", DEPTH_MAX);
	ES_TRY(open_dir(parent, path, &d));
	while ((name = next_name(d))) {
		struct stat st;

		if (fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != t->dev)
			continue; /* gone meanwhile, or a mount */
		if (!is_counted(t, &st))
			t->bytes += (uint64_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode))
			ES_TRY(add_size(dirfd(d), name, depth + 1, t));
	}
	return NULL;
}

es_err *volume_tree_size(int at, const char *path, uint64_t *ret_bytes)
{
	struct tree_size t = { 0 };
	struct stat st;
	es_err *err;

	if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "stat %s", path);
	t.dev = st.st_dev;
	err = add_size(at, path, 0, &t);
	free(t.links);
	if (!err)
		*ret_bytes = t.bytes;
	return err;
}

/* ---- mounts of their own ---- */

bool volume_is_mounted(int at, const char *path)
{
	struct statx st;

	return statx(at, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &st) == 0 &&
	       (st.stx_attributes_mask & st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* Options of mount(8) that belong to the mount; the others go to the file system. */
static const struct {
	const char *name;
	uint64_t set, clear;
} attrs[] = {
	{ "ro", MOUNT_ATTR_RDONLY, 0 },	     { "rw", 0, MOUNT_ATTR_RDONLY },	{ "nosuid", MOUNT_ATTR_NOSUID, 0 },
	{ "suid", 0, MOUNT_ATTR_NOSUID },    { "nodev", MOUNT_ATTR_NODEV, 0 },	{ "dev", 0, MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0 },  { "exec", 0, MOUNT_ATTR_NOEXEC },	{ "noatime", MOUNT_ATTR_NOATIME, 0 },
	{ "relatime", 0, 0 },		     { "nodiratime", MOUNT_ATTR_NODIRATIME, 0 }, { "defaults", 0, 0 },
	{ "bind", 0, 0 },		     { "rbind", 0, 0 },
};

struct wanted_mount {
	bool bind, rbind;
	uint64_t set;
	char **params; /* for the file system */
};

static void read_options(const char *o, struct wanted_mount *w)
{
	es_autostrv words = str_empty(o) ? NULL : strv_split(o, ',');

	for (size_t i = 0; words && words[i]; i++) {
		size_t k = 0;

		while (k < ES_N(attrs) && strcmp(attrs[k].name, words[i]) != 0)
			k++;
		if (k == ES_N(attrs)) {
			if (*words[i])
				strv_add(&w->params, words[i]);
			continue;
		}
		w->bind |= strcmp(words[i], "bind") == 0;
		w->rbind |= strcmp(words[i], "rbind") == 0;
		w->set = (w->set | attrs[k].set) & ~attrs[k].clear;
	}
}

es_err *volume_mount_options(const struct field_map *options, int target)
{
	const char *type = field_map_get(options, "type"), *device = field_map_get(options, "device");
	struct wanted_mount w = { 0 };
	es_autoclose int fd = -1;
	es_err *err;

	read_options(field_map_get(options, "o"), &w);
	if (w.bind || w.rbind) {
		const struct mount_attr_change change = { .set = w.set, .set_below = w.rbind ? w.set : 0 };

		err = str_empty(device) ? es_err_new(ES_E_INVALID, "missing device in volume options") :
					  mount_clone(AT_FDCWD, device, w.rbind, &fd);
		if (!err && w.set)
			err = mount_change(fd, &change);
	} else if (str_empty(type)) {
		err = es_err_new(ES_E_INVALID, "missing required option: \"type\"");
	} else {
		err = mount_new(type, device, (const char *const *)w.params, w.set, &fd);
	}
	strv_free(w.params);
	ES_TRY(err);
	return mount_attach(fd, target);
}

/* ---- copy-up ---- */

/* Files with several names, so that they stay one file: (device, inode) → where it lies now. */
struct copied {
	dev_t dev;
	ino_t ino;
	int dirfd; /* a duplicate */
	char *name;
};
struct copy {
	struct copied *links;
	size_t n_links, cap_links;
};

static void copy_done(struct copy *c)
{
	for (size_t i = 0; i < c->n_links; i++) {
		es_close(c->links[i].dirfd);
		free(c->links[i].name);
	}
	free(c->links);
}

static es_err *copy_xattrs(int from, int to)
{
	es_autofree char *names = es_xmalloc(XATTR_LIST_MAX), *value = es_xmalloc(XATTR_VALUE_MAX);
	ssize_t len = flistxattr(from, names, XATTR_LIST_MAX);

	for (char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		ssize_t n;

		if (str_starts(name, "trusted.overlay.") || str_starts(name, "user.overlay."))
			continue;
		n = fgetxattr(from, name, value, XATTR_VALUE_MAX);
		if (n >= 0 && fsetxattr(to, name, value, (size_t)n, 0) < 0 && errno != ENOTSUP)
			return es_err_sys(errno, "set attribute %s", name);
	}
	return NULL;
}

/* Owner before mode: chown clears the setuid bit. */
static es_err *copy_meta(int from, int to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return es_err_sys(errno, "set owner and mode");
	ES_TRY(copy_xattrs(from, to));
	return futimens(to, times) < 0 ? es_err_sys(errno, "set times") : NULL;
}

static es_err *copy_file(int src, int dst, const char *name, const struct stat *st)
{
	es_autoclose int from = openat(src, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	es_autoclose int to = openat(dst, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (from < 0 || to < 0)
		return es_err_sys(errno, "open");
	ES_TRY(file_pump(from, to, NULL));
	return copy_meta(from, to, st);
}

static es_err *copy_symlink(int src, int dst, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char target[4096];
	ssize_t n = readlinkat(src, name, target, sizeof target - 1);

	if (n < 0)
		return es_err_sys(errno, "read link");
	target[n] = '\0';
	if (symlinkat(target, dst, name) < 0 || fchownat(dst, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    utimensat(dst, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "make link");
	return NULL;
}

static es_err *copy_node(int dst, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (mknodat(dst, name, st->st_mode, st->st_rdev) < 0 || fchownat(dst, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dst, name, st->st_mode & 07777, 0) < 0 || utimensat(dst, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "make node");
	return NULL;
}

static const struct copied *find_link(const struct copy *c, const struct stat *st)
{
	for (size_t i = 0; st->st_nlink > 1 && i < c->n_links; i++)
		if (c->links[i].dev == st->st_dev && c->links[i].ino == st->st_ino)
			return &c->links[i];
	return NULL;
}

static void remember_link(struct copy *c, const struct stat *st, int dst, const char *name)
{
	int fd;

	if (st->st_nlink < 2 || (fd = fcntl(dst, F_DUPFD_CLOEXEC, 3)) < 0)
		return; /* then its other names become files of their own */
	if (c->n_links == c->cap_links) {
		c->cap_links = c->cap_links ? 2 * c->cap_links : 16;
		c->links = es_xrealloc(c->links, c->cap_links * sizeof *c->links);
	}
	c->links[c->n_links++] = (struct copied){ st->st_dev, st->st_ino, fd, es_xstrdup(name) };
}

static es_err *copy_dir(struct copy *c, int src, int dst, unsigned depth);

static es_err *copy_subdir(struct copy *c, int src, int dst, const char *name, const struct stat *st, unsigned depth)
{
	es_autoclose int from = -1, to = -1;

	if (mkdirat(dst, name, 0700) < 0)
		return es_err_sys(errno, "make directory");
	from = openat(src, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to = openat(dst, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return es_err_sys(errno, "open directory");
	ES_TRY(copy_dir(c, from, to, depth + 1));
	return copy_meta(from, to, st);
}

static es_err *copy_entry(struct copy *c, int src, int dst, const char *name, unsigned depth)
{
	const struct copied *known;
	struct stat st;
	es_err *err;

	if (fstatat(src, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "stat");
	if (S_ISDIR(st.st_mode))
		return copy_subdir(c, src, dst, name, &st, depth);
	known = find_link(c, &st);
	if (known)
		return linkat(known->dirfd, known->name, dst, name, 0) < 0 ? es_err_sys(errno, "link") : NULL;
	if (S_ISREG(st.st_mode))
		err = copy_file(src, dst, name, &st);
	else if (S_ISLNK(st.st_mode))
		err = copy_symlink(src, dst, name, &st);
	else
		err = copy_node(dst, name, &st);
	if (!err)
		remember_link(c, &st, dst, name);
	return err;
}

static es_err *copy_dir(struct copy *c, int src, int dst, unsigned depth)
{
	es_autodir *d = NULL;
	const char *name;

	if (depth == DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "directories nest deeper than %d", DEPTH_MAX);
	ES_TRY(open_dir(src, ".", &d));
	while ((name = next_name(d)))
		ES_TRY(es_err_in(copy_entry(c, src, dst, name, depth), "%s", name));
	return NULL;
}

es_err *volume_is_empty(int fd, bool *ret)
{
	es_autodir *d = NULL;
	const char *name;

	ES_TRY(open_dir(fd, ".", &d));
	do
		name = next_name(d);
	while (name && strcmp(name, "lost+found") == 0);
	*ret = !name;
	return NULL;
}

static void make_empty(int fd)
{
	es_autostrv names = NULL;

	es_err_drop(file_names(fd, ".", &names));
	for (char **name = names; name && *name; name++)
		if (strcmp(*name, "lost+found") != 0)
			es_err_drop(file_remove_tree(fd, *name));
}

es_err *volume_copy_up(int src_fd, int dst_fd)
{
	struct copy c = { 0 };
	struct stat st;
	bool empty;
	es_err *err;

	ES_TRY(volume_is_empty(dst_fd, &empty));
	if (!empty)
		return NULL;
	if (fstat(src_fd, &st) < 0)
		return es_err_sys(errno, "stat");
	err = copy_dir(&c, src_fd, dst_fd, 0);
	copy_done(&c);
	if (!err)
		err = copy_meta(src_fd, dst_fd, &st);
	else
		make_empty(dst_fd); /* half of it would be taken for the volume's own the next time */
	return es_err_in(err, "copy the image's content");
}

es_err *volume_move_up(int from_fd, int to_fd)
{
	es_autostrv names = NULL;
	struct stat st;

	ES_TRY(file_names(from_fd, ".", &names));
	for (char **name = names; name && *name; name++)
		if (renameat2(from_fd, *name, to_fd, *name, RENAME_NOREPLACE) < 0 && errno != EEXIST)
			return es_err_sys(errno, "move %s", *name);
	if (fstat(from_fd, &st) < 0)
		return es_err_sys(errno, "stat");
	return copy_meta(from_fd, to_fd, &st);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* unpack.c: an entry is made inside its parent's descriptor and never by a path that a link could bend. */
#include "layer/unpack.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/str.h"
#include "layer/name.h"
#include "layer/xattr.h"

#define SCRATCH_ENTRIES 4096

/* A directory that an entry describes: its times are set when nothing more is written into it. */
struct dir {
	const char *path;
	struct timespec mtime;
};

struct unpack {
	int root;
	const struct layer_options *o;
	struct arena *a;       /* for what is kept to the end */
	struct arena *scratch; /* for names of a few thousand entries at a time */
	const char *prefix;    /* --subdir, cleaned; NULL: none */
	struct layer_counts *counts;
	/* The parent that was used last. It cannot have been replaced: only what lies in it is ever touched. */
	char *parent;
	int parent_fd;
	struct dir *dirs;
	size_t n_dirs, cap_dirs;
	char **implied;
	size_t n_implied, cap_implied;
};

/* Where an entry goes: an open parent, and a name in it without slash that is neither "" nor "." nor "..". */
struct place {
	const char *path; /* cleaned, relative to the root; for errors */
	const char *name;
	int parent;
};

/* Names */

static es_err *clean_entry(struct unpack *u, const char *path, const char **ret)
{
	char *cleaned = name_clean(u->scratch, path);

	if (!cleaned)
		return es_err_new(ES_E_INVALID, "\"%s\" is outside of the root", path);
	if (u->prefix)
		cleaned = str_eq(cleaned, ".") ? arena_strdup(u->scratch, u->prefix)
					       : arena_printf(u->scratch, "%s/%s", u->prefix, cleaned);
	*ret = cleaned;
	return NULL;
}

/* Directories */

static int open_in(const struct unpack *u, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (u->o->plain ? 0 : RESOLVE_NO_XDEV),
	};
	long fd;

	do
		fd = syscall(SYS_openat2, u->root, path, &how, sizeof how);
	while (fd < 0 && errno == EAGAIN); /* a rename somewhere while it resolved */
	return (int)fd;
}

static void forget_parent(struct unpack *u)
{
	es_close(ES_TAKE_FD(u->parent_fd));
	free(u->parent);
	u->parent = NULL;
}

static es_err *add_implied(struct unpack *u, const char *path)
{
	if (u->n_implied == LAYER_IMPLIED_MAX)
		return es_err_new(ES_E_LIMIT, "more than %u directories without an entry", LAYER_IMPLIED_MAX);
	if (u->n_implied == u->cap_implied) {
		u->cap_implied = u->cap_implied ? u->cap_implied * 2 : 64;
		u->implied = es_xrealloc(u->implied, u->cap_implied * sizeof *u->implied);
	}
	u->implied[u->n_implied++] = arena_strdup(u->a, path);
	return NULL;
}

/* The directory PATH, made with mode 0755 where it is missing, one component after the other. */
static es_err *open_dir(struct unpack *u, const char *path, int *ret_fd)
{
	es_autofree char *part = es_xstrdup(path);
	int fd = open_in(u, path, O_RDONLY | O_DIRECTORY);

	for (char *slash = fd < 0 && errno == ENOENT ? part : NULL; slash;) {
		es_autoclose int up = -1;
		char *name;

		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		name = strrchr(part, '/');
		if (name)
			*name = '\0';
		up = open_in(u, name ? part : ".", O_PATH | O_DIRECTORY);
		if (name)
			*name = '/';
		if (up < 0)
			return es_err_sys(errno, "open parent of %s", part);
		if (mkdirat(up, name ? name + 1 : part, 0755) == 0) {
			if (u->o->has_owner &&
			    fchownat(up, name ? name + 1 : part, u->o->uid, u->o->gid, AT_SYMLINK_NOFOLLOW) < 0)
				return es_err_sys(errno, "chown %s", part);
			ES_TRY(add_implied(u, part));
		} else if (errno != EEXIST) {
			return es_err_sys(errno, "make %s", part);
		}
		if (slash)
			*slash++ = '/';
		else
			fd = open_in(u, path, O_RDONLY | O_DIRECTORY);
	}
	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	*ret_fd = fd;
	return NULL;
}

/* PATH is cleaned and not ".". */
static es_err *find_place(struct unpack *u, const char *path, struct place *ret)
{
	const char *name = name_base(path);
	es_autofree char *parent = name == path ? es_xstrdup(".") : es_xstrndup(path, (size_t)(name - path) - 1);

	if (!u->parent || strcmp(u->parent, parent) != 0) {
		int fd = -1;

		forget_parent(u);
		ES_TRY(open_dir(u, parent, &fd));
		u->parent_fd = fd;
		u->parent = ES_TAKE(parent);
	}
	*ret = (struct place){.path = path, .name = name, .parent = u->parent_fd};
	return NULL;
}

/* Attributes */

static es_err *owner_of(const struct unpack *u, const struct tar_entry *e, uid_t *ret_uid, gid_t *ret_gid)
{
	uint32_t uid = e->uid, gid = e->gid;

	if (u->o->has_owner) {
		uid = u->o->uid;
		gid = u->o->gid;
	}
	ES_TRY(idmap_uid(&u->o->map, uid, &uid));
	ES_TRY(idmap_gid(&u->o->map, gid, &gid));
	*ret_uid = uid;
	*ret_gid = gid;
	return NULL;
}

/* A file system without a kind of attribute, or one that is full of them for this inode, is told; one that never has
 * user.* or ACLs is not. */
static bool may_be_missing(int errnum)
{
	return errnum == EOPNOTSUPP;
}

/* FD -1: the object is no file or directory and is named in the working directory, which is its parent. */
static es_err *set_xattrs(struct unpack *u, const struct tar_entry *e, int fd, const struct place *p)
{
	bool moved = false;

	for (size_t i = 0; i < e->n_xattrs; i++) {
		const struct tar_xattr *x = &e->xattrs[i];
		int rc;

		if (!xattr_is_portable(x->name)) {
			u->counts->dropped++;
			continue;
		}
		if (fd < 0 && str_starts(x->name, "user."))
			continue; /* the kernel allows them on files and directories only */
		if (fd < 0 && !moved && fchdir(p->parent) < 0)
			return es_err_sys(errno, "enter parent of %s", p->path);
		moved = fd < 0;
		rc = fd >= 0 ? fsetxattr(fd, x->name, x->value, x->len, 0)
			     : lsetxattr(p->name, x->name, x->value, x->len, 0);
		if (rc < 0 && !may_be_missing(errno))
			return es_err_sys(errno, "set %s of %s", x->name, p->path);
	}
	return NULL;
}

static void times_of(const struct tar_entry *e, struct timespec ts[2])
{
	ts[0] = ts[1] = (struct timespec){.tv_sec = e->mtime_s, .tv_nsec = e->mtime_ns};
}

/* Owner before mode (chown clears set-user-ID) and before capabilities (it clears them too). */
static es_err *set_attributes(struct unpack *u, const struct tar_entry *e, int fd, const struct place *p)
{
	struct timespec ts[2];
	uid_t uid;
	gid_t gid;

	times_of(e, ts);
	ES_TRY(owner_of(u, e, &uid, &gid));
	if (fchown(fd, uid, gid) < 0)
		return es_err_sys(errno, "chown %s", p->path);
	if (fchmod(fd, e->mode) < 0)
		return es_err_sys(errno, "chmod %s", p->path);
	ES_TRY(set_xattrs(u, e, fd, p));
	if (futimens(fd, ts) < 0)
		return es_err_sys(errno, "set times of %s", p->path);
	return NULL;
}

/* What was made at P and cannot be opened: links, devices, pipes. */
static es_err *set_attributes_at(struct unpack *u, const struct tar_entry *e, const struct place *p)
{
	struct timespec ts[2];
	uid_t uid;
	gid_t gid;

	times_of(e, ts);
	ES_TRY(owner_of(u, e, &uid, &gid));
	if (fchownat(p->parent, p->name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "chown %s", p->path);
	ES_TRY(set_xattrs(u, e, -1, p));
	if (utimensat(p->parent, p->name, ts, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "set times of %s", p->path);
	return NULL;
}

/* Entries */

static es_err *write_data(struct tar_reader *r, const struct tar_entry *e, int fd, const struct place *p)
{
	bool sparse = e->pieces != NULL;

	for (;;) {
		const char *bytes;
		uint64_t offset;
		size_t n;

		ES_TRY(tar_data(r, &bytes, &n, &offset));
		if (n == 0)
			break;
		for (size_t done = 0; done < n;) {
			ssize_t w = pwrite(fd, bytes + done, n - done, (off_t)(offset + done));

			if (w < 0 && errno == EINTR)
				continue;
			if (w < 0)
				return es_err_sys(errno, "write %s", p->path);
			done += (size_t)w;
		}
	}
	if (sparse && ftruncate(fd, (off_t)e->size) < 0)
		return es_err_sys(errno, "write %s", p->path);
	return NULL;
}

static es_err *make_file(struct unpack *u, struct tar_reader *r, const struct tar_entry *e, const struct place *p)
{
	es_autoclose int fd = openat(p->parent, p->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return es_err_sys(errno, "make %s", p->path);
	ES_TRY(write_data(r, e, fd, p));
	u->counts->content_size += e->size;
	return set_attributes(u, e, fd, p);
}

static es_err *keep_dir(struct unpack *u, const char *path, const struct tar_entry *e)
{
	if (u->n_dirs == u->cap_dirs) {
		u->cap_dirs = u->cap_dirs ? u->cap_dirs * 2 : 256;
		u->dirs = es_xrealloc(u->dirs, u->cap_dirs * sizeof *u->dirs);
	}
	u->dirs[u->n_dirs++] = (struct dir){
		.path = arena_strdup(u->a, path),
		.mtime = {.tv_sec = e->mtime_s, .tv_nsec = e->mtime_ns},
	};
	return NULL;
}

static es_err *make_opaque(const struct unpack *u, int fd, const char *path)
{
	if (fsetxattr(fd, OPAQUE_XATTR, "y", 1, 0) < 0)
		return es_err_sys(errno, "mark %s opaque", path);
	return NULL;
}

/* OPAQUE_DIR: a whiteout of the same name came before it in this layer. */
static es_err *make_dir(struct unpack *u, const struct tar_entry *e, const struct place *p, bool opaque)
{
	es_autoclose int fd = -1;

	if (mkdirat(p->parent, p->name, 0700) < 0 && errno != EEXIST)
		return es_err_sys(errno, "make %s", p->path);
	fd = openat(p->parent, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return es_err_sys(errno, "open %s", p->path);
	if (opaque)
		ES_TRY(make_opaque(u, fd, p->path));
	ES_TRY(set_attributes(u, e, fd, p));
	return keep_dir(u, p->path, e);
}

static es_err *make_hardlink(struct unpack *u, const struct tar_entry *e, const struct place *p)
{
	es_autoclose int parent = -1, into = -1;
	const char *target, *name;
	struct stat st;

	ES_TRY(es_err_in(clean_entry(u, e->link, &target), "hard link %s", p->path));
	if (str_eq(target, "."))
		return es_err_new(ES_E_INVALID, "hard link %s: its target is the root", p->path);
	name = name_base(target);
	parent = open_in(u, name == target ? "." : arena_strndup(u->scratch, target, (size_t)(name - target) - 1),
			 O_PATH | O_DIRECTORY);
	if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return es_err_new(ES_E_INVALID, "hard link %s: no %s before it", p->path, target);
		return es_err_sys(errno, "hard link %s to %s", p->path, target);
	}
	if (S_ISDIR(st.st_mode))
		return es_err_new(ES_E_INVALID, "hard link %s: %s is a directory", p->path, target);
	if (linkat(parent, name, p->parent, p->name, 0) < 0)
		return es_err_sys(errno, "hard link %s to %s", p->path, target);
	return NULL;
}

static es_err *make_node(struct unpack *u, const struct tar_entry *e, const struct place *p)
{
	mode_t type = e->type == TAR_CHAR ? S_IFCHR : e->type == TAR_BLOCK_DEVICE ? S_IFBLK : S_IFIFO;

	if (e->type == TAR_CHAR && e->dev_major == 0 && e->dev_minor == 0 && !u->o->plain) {
		u->counts->dropped++; /* overlayfs would take it for a whiteout, which layers spell otherwise */
		return NULL;
	}
	if (mknodat(p->parent, p->name, type | e->mode, makedev(e->dev_major, e->dev_minor)) < 0)
		return es_err_sys(errno, "make %s", p->path);
	return set_attributes_at(u, e, p);
}

static es_err *make_symlink(struct unpack *u, const struct tar_entry *e, const struct place *p)
{
	if (symlinkat(e->link, p->parent, p->name) < 0)
		return es_err_sys(errno, "make link %s", p->path);
	u->counts->content_size += strlen(e->link);
	return set_attributes_at(u, e, p);
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* What stands in the way of the entry goes, as docker does it: a directory stays for a directory. */
static es_err *clear_place(struct unpack *u, const struct tar_entry *e, const struct place *p, bool *ret_was_whiteout)
{
	bool strict = u->o->plain && u->o->no_overwrite_dir_non_dir;
	const char *into = u->prefix ? u->prefix : ""; /* docker's texts name the directory that is unpacked into */
	struct stat st;

	*ret_was_whiteout = false;
	if (fstatat(p->parent, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : es_err_sys(errno, "look at %s", p->path);
	if (S_ISDIR(st.st_mode) && e->type == TAR_DIR)
		return NULL;
	if (strict && S_ISDIR(st.st_mode))
		return es_err_new(ES_E_INVALID, "cannot overwrite directory \"/%s\" with non-directory \"/%s\"", p->path, into);
	if (strict && e->type == TAR_DIR)
		return es_err_new(ES_E_INVALID, "cannot overwrite non-directory \"/%s\" with directory \"/%s\"", p->path, into);
	*ret_was_whiteout = !u->o->plain && is_whiteout(&st);
	if (!S_ISDIR(st.st_mode)) {
		if (unlinkat(p->parent, p->name, 0) < 0)
			return es_err_sys(errno, "remove %s", p->path);
		return NULL;
	}
	return es_err_in(file_remove_tree(p->parent, p->name), "remove %s", p->path);
}

/* A hard link to the place where it is made would lose its target when that is cleared. */
static bool links_to_itself(struct unpack *u, const struct tar_entry *e, const char *path)
{
	char *target = e->type == TAR_HARDLINK ? name_clean(u->scratch, e->link) : NULL;

	if (target && u->prefix)
		target = arena_printf(u->scratch, "%s/%s", u->prefix, target);
	return target && str_eq(target, path);
}

static es_err *make_entry(struct unpack *u, struct tar_reader *r, const struct tar_entry *e, const char *path)
{
	bool was_whiteout;
	struct place p;

	if (links_to_itself(u, e, path))
		return es_err_new(ES_E_INVALID, "hard link %s: it is its own target", path);
	ES_TRY(find_place(u, path, &p));
	ES_TRY(clear_place(u, e, &p, &was_whiteout));
	switch (e->type) {
	case TAR_FILE:
		return make_file(u, r, e, &p);
	case TAR_HARDLINK:
		return make_hardlink(u, e, &p);
	case TAR_SYMLINK:
		return make_symlink(u, e, &p);
	case TAR_DIR:
		return make_dir(u, e, &p, was_whiteout);
	case TAR_CHAR:
	case TAR_BLOCK_DEVICE:
	case TAR_FIFO:
		return make_node(u, e, &p);
	case TAR_OTHER:
		break;
	}
	return es_err_new(ES_E_INVALID, "%s: entries of type '%c' are not known", path, e->flag);
}

/* ".wh.NAME": NAME of the layers below is gone. Whatever this layer itself has there stays. */
static es_err *make_whiteout(struct unpack *u, const char *path)
{
	const char *name = name_base(path) + strlen(WHITEOUT);
	struct place p;
	struct stat st;

	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return es_err_new(ES_E_INVALID, "whiteout \"%s\" names nothing", path);
	ES_TRY(find_place(u, path, &p));
	if (fstatat(p.parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		es_autoclose int fd = -1;

		if (!S_ISDIR(st.st_mode))
			return NULL;
		fd = openat(p.parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? es_err_sys(errno, "open %s", path) : make_opaque(u, fd, path);
	}
	if (mknodat(p.parent, name, S_IFCHR, makedev(0, 0)) < 0)
		return es_err_sys(errno, "make whiteout %s", path);
	return NULL;
}

/* True: the entry is one of those names, and dealt with. */
static es_err *overlay_name(struct unpack *u, const char *path, bool *ret_done)
{
	const char *name = name_base(path);
	struct place p;

	*ret_done = !u->o->plain && str_starts(name, WHITEOUT);
	if (!*ret_done)
		return NULL;
	if (str_eq(name, OPAQUE)) {
		ES_TRY(find_place(u, path, &p));
		return make_opaque(u, p.parent, path);
	}
	return str_starts(name, WHITEOUT_META) ? NULL : make_whiteout(u, path);
}

static es_err *root_entry(struct unpack *u, const struct tar_entry *e, const char *path)
{
	es_autoclose int fd = -1;

	if (e->type != TAR_DIR)
		return es_err_new(ES_E_INVALID, "the root is to become something else than a directory");
	if (u->o->plain)
		return NULL; /* docker: the directory that is copied into stays as it is */
	fd = open_in(u, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	ES_TRY(set_attributes(u, e, fd, &(struct place){.path = path, .name = path, .parent = fd}));
	return keep_dir(u, path, e);
}

static es_err *one(struct unpack *u, struct tar_reader *r, const struct tar_entry *e)
{
	const char *path;
	bool done;

	ES_TRY(clean_entry(u, e->path, &path));
	if (u->root < 0) {
		u->counts->content_size += e->type == TAR_FILE ? e->size : e->type == TAR_SYMLINK ? strlen(e->link) : 0;
		return NULL;
	}
	if (str_eq(path, u->prefix ? u->prefix : "."))
		return root_entry(u, e, path);
	ES_TRY(overlay_name(u, path, &done));
	if (done)
		return NULL;
	return make_entry(u, r, e, path);
}

static es_err *set_dir_times(struct unpack *u)
{
	for (size_t i = u->n_dirs; i-- > 0;) {
		es_autoclose int fd = open_in(u, u->dirs[i].path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		const struct timespec ts[2] = {u->dirs[i].mtime, u->dirs[i].mtime};

		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
			continue; /* a later entry took its place */
		if (fd < 0 || futimens(fd, ts) < 0)
			return es_err_sys(errno, "set times of %s", u->dirs[i].path);
	}
	return NULL;
}

static int by_path(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static int dir_by_path(const void *x, const void *y)
{
	return strcmp(((const struct dir *)x)->path, ((const struct dir *)y)->path);
}

/* Implied are those that were made on the way and that no later entry described. */
static void list_implied(struct unpack *u, struct json *implied)
{
	if (u->n_implied)
		qsort(u->implied, u->n_implied, sizeof *u->implied, by_path);
	if (u->n_dirs)
		qsort(u->dirs, u->n_dirs, sizeof *u->dirs, dir_by_path);
	for (size_t i = 0; i < u->n_implied; i++) {
		struct dir key = {.path = u->implied[i]};

		if (i > 0 && str_eq(u->implied[i], u->implied[i - 1]))
			continue;
		if (!u->n_dirs || !bsearch(&key, u->dirs, u->n_dirs, sizeof key, dir_by_path))
			json_append(implied, json_new_str(u->a, u->implied[i]));
	}
}

static es_err *all(struct unpack *u, struct tar_reader *r)
{
	const struct tar_entry *e;

	if (u->root >= 0 && !u->o->plain)
		ES_TRY(add_implied(u, "."));
	for (;;) {
		ES_TRY(tar_next(r, &e));
		if (!e)
			break;
		if (u->counts->entries % SCRATCH_ENTRIES == 0) {
			arena_free(u->scratch);
			u->scratch = arena_new();
		}
		if (++u->counts->entries > u->o->max_entries)
			return es_err_new(ES_E_LIMIT, "more than %" PRIu64 " entries", u->o->max_entries);
		ES_TRY(one(u, r, e));
	}
	return u->root >= 0 ? set_dir_times(u) : NULL;
}

es_err *unpack_all(struct tar_reader *r, int root_fd, const struct layer_options *o, struct arena *a,
		   struct layer_counts *counts, struct json *implied)
{
	struct unpack u = {.root = root_fd, .o = o, .a = a, .counts = counts, .parent_fd = -1};
	es_err *err;

	if (o->subdir) {
		u.prefix = name_clean(a, o->subdir);
		if (!u.prefix)
			return es_err_new(ES_E_INVALID, "\"%s\" is outside of the root", o->subdir);
		if (str_eq(u.prefix, "."))
			u.prefix = NULL;
	}
	err = all(&u, r);
	if (!err)
		list_implied(&u, implied);
	forget_parent(&u);
	arena_free(u.scratch);
	free(u.dirs);
	free(u.implied);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rtmount.c: from the options of config.json to detached mounts, attached one after the other inside the root. */
#include "runtime/rtmount.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/str.h"
#include "sys/procfs.h"

/* MS_* of mount(2) that are not in linux/mount.h's new half. */
enum { RTMOUNT_UNBINDABLE = 1 << 17, RTMOUNT_PRIVATE = 1 << 18, RTMOUNT_SLAVE = 1 << 19, RTMOUNT_SHARED = 1 << 20 };

enum what {
	OPT_ATTR,      /* attributes of this mount */
	OPT_ATTR_REC,  /* attributes of this mount and those below */
	OPT_PROP,      /* propagation */
	OPT_PROP_REC,
	OPT_FS,        /* a flag that is the file system's (superblock's) */
	OPT_FLAG,      /* one of ours */
	OPT_NOTHING,
};
enum flag { FLAG_BIND, FLAG_RBIND, FLAG_COPY_UP, FLAG_IDMAP, FLAG_RIDMAP, FLAG_REMOUNT };

static const struct option_row {
	const char *name;
	enum what what;
	uint64_t set, clear;
} rows[] = {
	{ "acl", OPT_FS, 0, 0 },
	{ "async", OPT_NOTHING, 0, 0 },
	{ "atime", OPT_ATTR, 0, MOUNT_ATTR__ATIME },
	{ "bind", OPT_FLAG, FLAG_BIND, 0 },
	{ "defaults", OPT_NOTHING, 0, 0 },
	{ "dev", OPT_ATTR, 0, MOUNT_ATTR_NODEV },
	{ "diratime", OPT_ATTR, 0, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", OPT_FS, 0, 0 },
	{ "exec", OPT_ATTR, 0, MOUNT_ATTR_NOEXEC },
	{ "idmap", OPT_FLAG, FLAG_IDMAP, 0 },
	{ "iversion", OPT_FS, 0, 0 },
	{ "lazytime", OPT_FS, 0, 0 },
	{ "loud", OPT_NOTHING, 0, 0 },
	{ "mand", OPT_FS, 0, 0 },
	{ "noacl", OPT_FS, 0, 0 },
	{ "noatime", OPT_ATTR, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "nodev", OPT_ATTR, MOUNT_ATTR_NODEV, 0 },
	{ "nodiratime", OPT_ATTR, MOUNT_ATTR_NODIRATIME, 0 },
	{ "noexec", OPT_ATTR, MOUNT_ATTR_NOEXEC, 0 },
	{ "noiversion", OPT_NOTHING, 0, 0 },
	{ "nolazytime", OPT_NOTHING, 0, 0 },
	{ "nomand", OPT_NOTHING, 0, 0 },
	{ "norelatime", OPT_ATTR, 0, MOUNT_ATTR__ATIME },
	{ "nostrictatime", OPT_ATTR, 0, MOUNT_ATTR__ATIME },
	{ "nosuid", OPT_ATTR, MOUNT_ATTR_NOSUID, 0 },
	{ "nosymfollow", OPT_ATTR, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "private", OPT_PROP, RTMOUNT_PRIVATE, 0 },
	{ "ratime", OPT_ATTR_REC, 0, MOUNT_ATTR__ATIME },
	{ "rbind", OPT_FLAG, FLAG_RBIND, 0 },
	{ "rdev", OPT_ATTR_REC, 0, MOUNT_ATTR_NODEV },
	{ "rdiratime", OPT_ATTR_REC, 0, MOUNT_ATTR_NODIRATIME },
	{ "relatime", OPT_ATTR, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "remount", OPT_FLAG, FLAG_REMOUNT, 0 },
	{ "rexec", OPT_ATTR_REC, 0, MOUNT_ATTR_NOEXEC },
	{ "ridmap", OPT_FLAG, FLAG_RIDMAP, 0 },
	{ "rnoatime", OPT_ATTR_REC, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "rnodev", OPT_ATTR_REC, MOUNT_ATTR_NODEV, 0 },
	{ "rnodiratime", OPT_ATTR_REC, MOUNT_ATTR_NODIRATIME, 0 },
	{ "rnoexec", OPT_ATTR_REC, MOUNT_ATTR_NOEXEC, 0 },
	{ "rnorelatime", OPT_ATTR_REC, 0, MOUNT_ATTR__ATIME },
	{ "rnostrictatime", OPT_ATTR_REC, 0, MOUNT_ATTR__ATIME },
	{ "rnosuid", OPT_ATTR_REC, MOUNT_ATTR_NOSUID, 0 },
	{ "rnosymfollow", OPT_ATTR_REC, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "ro", OPT_ATTR, MOUNT_ATTR_RDONLY, 0 },
	{ "rprivate", OPT_PROP_REC, RTMOUNT_PRIVATE, 0 },
	{ "rrelatime", OPT_ATTR_REC, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "rro", OPT_ATTR_REC, MOUNT_ATTR_RDONLY, 0 },
	{ "rrw", OPT_ATTR_REC, 0, MOUNT_ATTR_RDONLY },
	{ "rshared", OPT_PROP_REC, RTMOUNT_SHARED, 0 },
	{ "rslave", OPT_PROP_REC, RTMOUNT_SLAVE, 0 },
	{ "rstrictatime", OPT_ATTR_REC, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "rsuid", OPT_ATTR_REC, 0, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", OPT_ATTR_REC, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", OPT_PROP_REC, RTMOUNT_UNBINDABLE, 0 },
	{ "rw", OPT_ATTR, 0, MOUNT_ATTR_RDONLY },
	{ "shared", OPT_PROP, RTMOUNT_SHARED, 0 },
	{ "silent", OPT_NOTHING, 0, 0 },
	{ "slave", OPT_PROP, RTMOUNT_SLAVE, 0 },
	{ "strictatime", OPT_ATTR, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "suid", OPT_ATTR, 0, MOUNT_ATTR_NOSUID },
	{ "symfollow", OPT_ATTR, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", OPT_FS, 0, 0 },
	{ "tmpcopyup", OPT_FLAG, FLAG_COPY_UP, 0 },
	{ "unbindable", OPT_PROP, RTMOUNT_UNBINDABLE, 0 },
};

const char *rtmount_option_name(size_t i)
{
	return i < ES_N(rows) ? rows[i].name : NULL;
}

uint64_t rtmount_propagation(const char *word)
{
	for (size_t i = 0; word && i < ES_N(rows); i++)
		if ((rows[i].what == OPT_PROP || rows[i].what == OPT_PROP_REC) && str_eq(rows[i].name, word))
			return rows[i].set;
	return 0;
}

static void set_flag(struct rtmount_options *o, enum flag flag)
{
	switch (flag) {
	case FLAG_BIND:
		o->bind = true;
		break;
	case FLAG_RBIND:
		o->bind = o->recursive = true;
		break;
	case FLAG_COPY_UP:
		o->copy_up = true;
		break;
	case FLAG_RIDMAP:
		o->idmap_recursive = true;
		/* fallthrough */
	case FLAG_IDMAP:
		o->idmap = true;
		break;
	case FLAG_REMOUNT:
		o->remount = true;
		break;
	}
}

/* Later options win: what is set leaves the clear mask and the other way round. ATIME is a field, not a bit. */
static void change_attr(uint64_t *set, uint64_t *clear, const struct option_row *r)
{
	uint64_t field = r->clear & MOUNT_ATTR__ATIME;

	*set = (*set & ~(r->clear | field)) | r->set;
	*clear = (*clear & ~(r->set & ~field)) | r->clear;
}

static void apply_row(struct rtmount_options *o, const struct option_row *r, const char *word)
{
	switch (r->what) {
	case OPT_ATTR:
		change_attr(&o->change.set, &o->change.clear, r);
		break;
	case OPT_ATTR_REC:
		change_attr(&o->change.set_below, &o->change.clear_below, r);
		break;
	case OPT_PROP:
	case OPT_PROP_REC:
		o->change.propagation = r->set;
		o->change.propagation_below = r->what == OPT_PROP_REC;
		break;
	case OPT_FS:
		o->params[o->n_params++] = word;
		break;
	case OPT_FLAG:
		set_flag(o, (enum flag)r->set);
		break;
	case OPT_NOTHING:
		break;
	}
}

es_err *rtmount_options(struct arena *a, char *const *options, struct rtmount_options *ret)
{
	struct rtmount_options o = { .params = ARENA_ARRAY(a, const char *, strv_len(options) + 1) };

	for (; options && *options; options++) {
		const struct option_row *found = NULL;

		for (size_t i = 0; !found && i < ES_N(rows); i++)
			if (str_eq(rows[i].name, *options))
				found = &rows[i];
		if (found)
			apply_row(&o, found, *options);
		else if (**options)
			o.params[o.n_params++] = *options;
	}
	*ret = o;
	return NULL;
}

/* ---- the place ---- */

/* What /proc of the container is by now. */
static es_err *look_at_proc(struct rtmount_ctx *c)
{
	es_autoclose int fd = mount_open_in(c->root, "/proc", O_PATH);
	struct stat st = { 0 };
	struct statfs fs;

	if (fd < 0 ? errno != ENOENT : fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return es_err_sys(errno, "stat /proc in the root file system");
	c->proc_dev = st.st_dev;
	c->proc_ino = st.st_ino;
	c->has_procfs = fd >= 0 && fs.f_type == PROC_SUPER_MAGIC;
	return NULL;
}

/* Files of procfs that only tell numbers, which lxcfs shows a container's own of. */
static bool may_cover(const char *path)
{
	static const char *const harmless[] = {
		"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg",
		"/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled",
	};

	for (size_t i = 0; i < ES_N(harmless); i++)
		if (str_eq(path, harmless[i]))
			return true;
	return false;
}

/* Programs outside and inside write labels and limits through the container's procfs: /proc is a procfs and nothing else,
 * and what is in it is not covered (CVE-2019-16884, CVE-2025-52881). TARGET, not the name, says where PATH leads. */
static es_err *check_proc(const struct rtmount_ctx *c, int fd, const char *path, int target, bool *ret_is_proc)
{
	es_autoerr es_err *not_root = NULL;
	struct stat st;

	if (fstat(target, &st) < 0)
		return es_err_sys(errno, "stat %s in the root file system", path);
	*ret_is_proc = st.st_dev == c->proc_dev && st.st_ino == c->proc_ino;
	if (!*ret_is_proc) {
		if (c->has_procfs && st.st_dev == c->proc_dev && !may_cover(path))
			return es_err_new(ES_E_INVALID, "\"%s\" cannot be mounted because it is inside /proc", path);
		return NULL;
	}
	not_root = procfs_check(fd);
	if (not_root)
		return es_err_new(ES_E_INVALID, "\"%s\" cannot be mounted because it is not of type proc", path);
	return NULL;
}

/* procfs and sysfs steer the kernel: their place must be what its name says, never a link to elsewhere in the image
 * (CVE-2019-19921, CVE-2023-27561, CVE-2023-28642). */
static es_err *check_plain(struct rtmount_ctx *c, const char *path, int target)
{
	struct stat st;
	bool plain;

	ES_TRY(mount_is_plain(c->root, path, target, &plain));
	if (fstat(target, &st) < 0)
		return es_err_sys(errno, "stat %s in the root file system", path);
	if (!plain || !S_ISDIR(st.st_mode))
		return es_err_new(ES_E_INVALID, "%s is not a directory in the image", path);
	return NULL;
}

/* Attach the mount FD at PATH. Whoever can rename things in the container's volumes meanwhile gains nothing: what was checked
 * and what is mounted on is one descriptor (CVE-2021-30465, CVE-2024-45310). */
static es_err *attach_in(struct rtmount_ctx *c, int fd, const char *path, bool directory, bool plain)
{
	es_autoclose int target = -1;
	bool is_proc = false;

	ES_TRY(mount_target_in(c->root, path, directory, &target));
	if (plain)
		ES_TRY(check_plain(c, path, target));
	ES_TRY(check_proc(c, fd, path, target, &is_proc));
	ES_TRY(es_err_in(mount_attach(fd, target), "%s", path));
	return is_proc || c->proc_ino == 0 ? look_at_proc(c) : NULL;
}

/* ---- making one ---- */

static es_err *id_map_of(struct arena *a, const struct oci_mount *m, struct idmap *ret)
{
	const struct field_list *lists[] = { &m->uid_mappings, &m->gid_mappings };
	struct idmap_range *out[2];

	for (size_t k = 0; k < 2; k++) {
		const struct oci_id_map *in = lists[k]->items;

		out[k] = ARENA_ARRAY(a, struct idmap_range, lists[k]->n + 1);
		for (size_t i = 0; i < lists[k]->n; i++)
			out[k][i] = (struct idmap_range){ in[i].container_id, in[i].host_id, in[i].size };
	}
	*ret = (struct idmap){ out[0], out[1], lists[0]->n, lists[1]->n };
	if (!ret->n_uids != !ret->n_gids)
		return es_err_new(ES_E_INVALID, "uidMappings and gidMappings must both be given");
	return NULL;
}

/* A copy of what SOURCE shows. A detached mount that we inherited belongs to no namespace that we may copy from: it is taken
 * itself, and serves one destination. */
static es_err *bind_source(const char *source, bool recursive, int *ret_fd)
{
	const char *number = str_after(source, "/proc/self/fd/");
	es_err *err = mount_clone(AT_FDCWD, source, recursive, ret_fd);
	int64_t fd;

	if (!err || !number || es_err_errno(err) != EINVAL)
		return err;
	es_autoerr es_err *bad = str_to_i64(number, 10, &fd);
	if (bad)
		return err;
	*ret_fd = fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
	if (*ret_fd < 0)
		return err;
	es_err_free(err);
	return NULL;
}

static const char *source_path(const struct rtmount_ctx *c, const struct oci_mount *m)
{
	return *m->source == '/' ? m->source : arena_printf(c->a, "%s/%s", c->bundle, m->source);
}

es_err *rtmount_take_shared(struct rtmount_ctx *c, const struct oci_spec *spec)
{
	const struct oci_mount *first = spec->mounts.items;

	if (c->ahead_done)
		return NULL;
	c->ahead = ARENA_ARRAY(c->a, int, spec->mounts.n + 1);
	FIELD_LIST_EACH(const struct oci_mount, m, &spec->mounts) {
		struct rtmount_options o;

		c->ahead[m - first] = -1;
		ES_TRY(rtmount_options(c->a, m->options, &o));
		if (o.bind && o.change.propagation == RTMOUNT_SHARED && !str_empty(m->source))
			ES_TRY(bind_source(source_path(c, m), o.recursive, &c->ahead[m - first]));
	}
	return NULL;
}

/* MAP's ids, or with option idmap and none of its own those of the container's user namespace. */
static es_err *map_ids(struct rtmount_ctx *c, const struct oci_mount *m, const struct rtmount_options *o, int fd)
{
	struct idmap map;

	ES_TRY(id_map_of(c->a, m, &map));
	if (!o->idmap || !idmap_is_identity(&map))
		return mount_idmap(fd, &map, o->idmap_recursive);
	if (c->userns >= 0)
		return mount_idmap_as(fd, c->userns, o->idmap_recursive);
	if (idmap_is_identity(c->idmap))
		return es_err_new(ES_E_INVALID, "option idmap needs uidMappings and gidMappings, of the mount or of a new user namespace");
	return mount_idmap(fd, c->idmap, o->idmap_recursive);
}

/* What is mounted below the source must not be uncovered by somebody in a user namespace. */
static es_err *explain_bind(es_err *err, const struct rtmount_options *o, bool in_userns)
{
	if (!err || o->recursive || !in_userns || es_err_errno(err) != EINVAL)
		return err;
	return es_err_in(err, "below it are mounts that a user namespace cannot leave out (rbind takes them along)");
}

static bool in_userns(const struct rtmount_ctx *c)
{
	return !idmap_is_identity(c->idmap) || c->userns >= 0;
}

/* Options that name an attribute name all of them: what the source has beyond is cleared, as a bind remount does it. In a user
 * namespace the source's are locked: there, and where the kernel says so, they stay. */
static es_err *change_bind(const struct rtmount_ctx *c, int fd, const struct rtmount_options *o)
{
	const uint64_t plain = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;
	struct mount_attr_change all = o->change;
	es_err *err;

	if (in_userns(c) || !(all.set | all.clear))
		return mount_change(fd, &o->change);
	all.clear |= plain & ~(all.set | all.set_below);
	if ((all.set & MOUNT_ATTR_NODIRATIME) && !(all.clear_below & MOUNT_ATTR__ATIME))
		all.clear |= MOUNT_ATTR__ATIME; /* any word on times names all of them; 0 is relatime */
	else if ((all.clear & MOUNT_ATTR__ATIME) && !((all.set | all.set_below) & MOUNT_ATTR_NODIRATIME))
		all.clear |= MOUNT_ATTR_NODIRATIME;
	err = mount_change(fd, &all);
	if (!err || es_err_errno(err) != EPERM)
		return err;
	es_err_free(err);
	return mount_change(fd, &o->change);
}

static es_err *bound(struct rtmount_ctx *c, const struct oci_spec *spec, const struct oci_mount *m, const struct rtmount_options *o, int *ret_fd)
{
	es_autoclose int fd = c->ahead ? ES_TAKE_FD(c->ahead[m - (const struct oci_mount *)spec->mounts.items]) : -1;

	if (o->n_params)
		return es_err_new(ES_E_INVALID, "a bind mount takes no file system options (%s)", o->params[0]);
	if (fd >= 0 && c->ahead_done) {
		*ret_fd = ES_TAKE_FD(fd);
		return NULL;
	}
	if (fd < 0)
		ES_TRY(explain_bind(bind_source(source_path(c, m), o->recursive, &fd), o, in_userns(c)));
	ES_TRY(change_bind(c, fd, o));
	ES_TRY(map_ids(c, m, o, fd));
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

static es_err *make_bind(struct rtmount_ctx *c, const struct oci_spec *spec, const struct oci_mount *m, const struct rtmount_options *o,
			 int *ret_fd, bool *ret_dir)
{
	es_autoclose int fd = -1;
	struct stat st;

	ES_TRY(bound(c, spec, m, o, &fd));
	if (fstat(fd, &st) < 0)
		return es_err_sys(errno, "stat %s", m->source);
	*ret_dir = S_ISDIR(st.st_mode);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

/* SELinux's context for all files of a new file system; proc and sysfs have labels of their own. */
static void add_label(struct arena *a, const char *label, struct rtmount_options *o)
{
	const char **params = ARENA_ARRAY(a, const char *, o->n_params + 2);

	if (o->n_params)
		memcpy(params, o->params, o->n_params * sizeof *params);
	params[o->n_params++] = arena_printf(a, "context=%s", label);
	o->params = params;
}

static bool is_bind(const struct oci_mount *m, const struct rtmount_options *o)
{
	return o->bind || str_eq(m->type, "bind");
}

/* Our mounts are the host's: what is cut from them must not stay a peer, unless it shall be one. */
static es_err *take_bind(struct rtmount_ctx *c, const struct oci_spec *spec, const struct oci_mount *m, struct rtmount_options *o, int *ret_fd)
{
	uint64_t p = rtmount_propagation(spec->linux_->rootfs_propagation);
	struct mount_attr_change first = { .propagation = p && p != RTMOUNT_SHARED ? p : RTMOUNT_SLAVE, .propagation_below = true };
	es_autoclose int fd = -1;

	if (o->n_params)
		return es_err_new(ES_E_INVALID, "a bind mount takes no file system options (%s)", o->params[0]);
	ES_TRY(bind_source(source_path(c, m), o->recursive, &fd));
	if (p != RTMOUNT_SHARED || o->change.propagation != RTMOUNT_SHARED)
		ES_TRY(mount_change(fd, &first));
	ES_TRY(change_bind(c, fd, o));
	ES_TRY(map_ids(c, m, o, fd));
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *rtmount_take_binds(struct rtmount_ctx *c, const struct oci_spec *spec)
{
	const struct oci_mount *first = spec->mounts.items;

	c->ahead = ARENA_ARRAY(c->a, int, spec->mounts.n + 1);
	c->ahead_done = true;
	for (size_t i = 0; i < spec->mounts.n; i++)
		c->ahead[i] = -1;
	FIELD_LIST_EACH(const struct oci_mount, m, &spec->mounts) {
		struct rtmount_options o;

		ES_TRY(rtmount_options(c->a, m->options, &o));
		if (is_bind(m, &o) && !str_empty(m->source))
			ES_TRY(es_err_in(take_bind(c, spec, m, &o, &c->ahead[m - first]), "error mounting \"%s\" to rootfs at \"%s\"",
					 m->source, m->destination));
	}
	return NULL;
}

void rtmount_drop_ahead(struct rtmount_ctx *c, const struct oci_spec *spec)
{
	for (size_t i = 0; c->ahead && i < spec->mounts.n; i++) {
		es_close(c->ahead[i]);
		c->ahead[i] = -1;
	}
}

/* A file system of the kernel's own: tmpfs, devpts, mqueue, sysfs, overlay … */
static es_err *make_new(const struct oci_mount *m, const struct rtmount_options *o, int *ret_fd)
{
	es_autoclose int fd = -1;
	struct mount_attr_change rest = o->change;

	ES_TRY(mount_new(m->type, str_empty(m->source) ? m->type : m->source, o->params, o->change.set, &fd));
	rest.set = rest.clear = 0;
	ES_TRY(mount_change(fd, &rest));
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

/* What was in the directory that a tmpfs covers appears in it: made by the rules of cp -a for plain trees. */
static es_err *copy_up(int from, int to);

static es_err *copy_entry(int from, int to, const char *name, const struct stat *st)
{
	if (S_ISDIR(st->st_mode)) {
		es_autoclose int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		es_autoclose int out = -1;

		if (in < 0 || (mkdirat(to, name, 0700) < 0 && errno != EEXIST))
			return es_err_sys(errno, "copy %s", name);
		out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (out < 0)
			return es_err_sys(errno, "copy %s", name);
		ES_TRY(copy_up(in, out));
	} else if (S_ISREG(st->st_mode)) {
		es_autoclose int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		es_autoclose int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (in < 0 || out < 0)
			return es_err_sys(errno, "copy %s", name);
		ES_TRY(file_pump(in, out, NULL));
	} else if (S_ISLNK(st->st_mode)) {
		char target[4097];
		ssize_t n = readlinkat(from, name, target, sizeof target - 1);

		if (n < 0)
			return es_err_sys(errno, "copy %s", name);
		target[n] = '\0';
		if (symlinkat(target, to, name) < 0)
			return es_err_sys(errno, "copy %s", name);
	} else if (mknodat(to, name, st->st_mode, st->st_rdev) < 0) {
		return es_err_sys(errno, "copy %s", name);
	}
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "copy owner of %s", name);
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return es_err_sys(errno, "copy mode of %s", name);
	return NULL;
}

static es_err *copy_up(int from, int to)
{
	int dup = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dup < 0 ? NULL : fdopendir(dup);
	es_err *err = NULL;

	if (!d) {
		es_close(dup);
		return es_err_sys(errno, "list directory");
	}
	for (struct dirent *e; !err && (e = readdir(d));) {
		struct stat st;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			err = es_err_sys(errno, "stat %s", e->d_name);
		else
			err = copy_entry(from, to, e->d_name, &st);
	}
	closedir(d);
	return err;
}

/* ---- cgroup ---- */


/* With a cgroup namespace a new mount begins at the container's group; without one, the group is bound there. */
static es_err *cgroup_hier_fd(struct rtmount_ctx *c, const struct cgroup_hier *h, uint64_t attrs, int *ret_fd)
{
	const char *none[] = { "none", h->controllers, NULL };
	es_autofree char *path = NULL, *params_text = es_xstrdup(h->controllers);
	es_autostrv params = NULL;
	struct mount_attr_change change = { .set_below = attrs }; /* and what is mounted below it: CVE-2023-25809 */

	if (c->cgroup_ns && h->v2)
		return mount_new("cgroup2", "cgroup", NULL, attrs, ret_fd);
	if (c->cgroup_ns && str_starts(h->controllers, "name="))
		return mount_new("cgroup", "cgroup", none, attrs, ret_fd);
	if (c->cgroup_ns) {
		params = strv_split(params_text, ',');
		return mount_new("cgroup", "cgroup", (const char *const *)params, attrs, ret_fd);
	}
	path = *c->cgroup_path == '/' ? es_xasprintf("%s%s", h->mount, c->cgroup_path)
				      : es_xasprintf("%s%s/%s", h->mount, h->own_path, c->cgroup_path);
	ES_TRY(mount_clone(AT_FDCWD, path, true, ret_fd));
	return mount_change(*ret_fd, &change);
}

/* "cpu,cpuacct" is found under each of its names too. */
static es_err *cgroup_links(int dir, const char *controllers)
{
	es_autostrv names = strv_split(controllers, ',');

	for (char **n = names; strv_len(names) > 1 && *n; n++)
		if (symlinkat(controllers, dir, *n) < 0)
			return es_err_sys(errno, "link %s", *n);
	return NULL;
}

static es_err *cgroup_v1(struct rtmount_ctx *c, const struct oci_mount *m, uint64_t attrs)
{
	const char *params[] = { "mode=755", NULL };
	es_autoclose int dir = -1;
	struct mount_attr_change change = { .set = attrs & MOUNT_ATTR_RDONLY };

	ES_TRY(mount_new("tmpfs", "tmpfs", params, attrs & ~(uint64_t)MOUNT_ATTR_RDONLY, &dir));
	ES_TRY(attach_in(c, dir, m->destination, true, false));
	for (size_t i = 0; i < c->cgroup_host->n; i++) {
		const struct cgroup_hier *h = &c->cgroup_host->hier[i];
		const char *name = str_starts(h->controllers, "name=") ? h->controllers + 5 : h->controllers;
		es_autoclose int fd = -1, at = -1;

		if (mkdirat(dir, name, 0755) < 0)
			return es_err_sys(errno, "make %s/%s", m->destination, name);
		at = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (at < 0)
			return es_err_sys(errno, "open %s/%s", m->destination, name);
		ES_TRY(es_err_in(cgroup_hier_fd(c, h, attrs, &fd), "cgroup %s", name));
		ES_TRY(mount_attach(fd, at));
		ES_TRY(cgroup_links(dir, name));
	}
	return mount_change(dir, &change);
}

static es_err *cgroup_mount(struct rtmount_ctx *c, const struct oci_mount *m, const struct rtmount_options *o)
{
	es_autoclose int fd = -1;

	ES_TRY(c->cgroup_ready(c->arg));
	if (c->cgroup_host->mode == CGROUP_NONE)
		return es_err_new(ES_E_UNSUPPORTED, "no cgroup hierarchy is mounted here");
	if (c->cgroup_host->mode != CGROUP_V2)
		return cgroup_v1(c, m, o->change.set);
	ES_TRY(cgroup_hier_fd(c, &c->cgroup_host->hier[0], o->change.set, &fd));
	return attach_in(c, fd, m->destination, true, false);
}

/* ---- all of them ---- */

static es_err *tmpfs_copy_up(struct rtmount_ctx *c, const char *path, int fd)
{
	es_autoclose int from = mount_open_in(c->root, path, O_RDONLY | O_DIRECTORY);

	return from < 0 ? NULL : es_err_in(copy_up(from, fd), "tmpcopyup %s", path);
}

/* A tmpfs that names no mode looks like the directory it covers; where there is none, the kernel's 1777 holds. */
static void add_mode(struct rtmount_ctx *c, const struct oci_mount *m, struct rtmount_options *o)
{
	es_autoclose int at = mount_open_in(c->root, m->destination, O_PATH | O_DIRECTORY);
	const char **params = ARENA_ARRAY(c->a, const char *, o->n_params + 2);
	struct stat st;

	for (size_t i = 0; i < o->n_params; i++) {
		if (str_starts(o->params[i], "mode="))
			return;
		params[i] = o->params[i];
	}
	if (at < 0 || fstat(at, &st) < 0)
		return;
	params[o->n_params++] = arena_printf(c->a, "mode=%04o", (unsigned)(st.st_mode & 07777));
	o->params = params;
}

/* What is mounted there already gets other attributes and parameters; what is not named stays, as mount(8) has it. */
static es_err *remount(struct rtmount_ctx *c, const struct oci_mount *m, const struct rtmount_options *o)
{
	es_autoclose int at = mount_open_in(c->root, m->destination, O_PATH);

	if (at < 0)
		return es_err_sys(errno, "remount %s", m->destination);
	ES_TRY(es_err_in(mount_change(at, &o->change), "remount %s", m->destination));
	return o->n_params ? es_err_in(mount_reconfigure(at, o->params), "remount %s", m->destination) : NULL;
}

static es_err *mount_one(struct rtmount_ctx *c, const struct oci_spec *spec, const struct oci_mount *m)
{
	struct rtmount_options o;
	es_autoclose int fd = -1;
	bool directory = true, read_only_later = false, plain;

	ES_TRY(rtmount_options(c->a, m->options, &o));
	if (o.remount)
		return remount(c, m, &o);
	if (!is_bind(m, &o) && (o.idmap || m->uid_mappings.n || m->gid_mappings.n))
		return es_err_new(ES_E_UNSUPPORTED, "idmap, uidMappings and gidMappings are for bind mounts, not for a new %s", m->type);
	if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2"))
		return cgroup_mount(c, m, &o);
	if (is_bind(m, &o)) {
		if (str_empty(m->source))
			return es_err_new(ES_E_INVALID, "bind mount without a source");
		ES_TRY(make_bind(c, spec, m, &o, &fd, &directory));
		return attach_in(c, fd, m->destination, directory, false);
	}
	if (str_empty(m->type))
		return es_err_new(ES_E_INVALID, "mount without a type");
	if (o.copy_up && !str_eq(m->type, "tmpfs"))
		return es_err_new(ES_E_INVALID, "tmpcopyup is for tmpfs");
	plain = str_eq(m->type, "proc") || str_eq(m->type, "sysfs");
	if (str_eq(m->type, "proc") && c->proc >= 0 && o.n_params == 0) {
		ES_TRY(mount_change(c->proc, &o.change));
		ES_TRY(attach_in(c, c->proc, m->destination, true, plain));
		c->proc = -1; /* one place; another gets a mount of its own */
		return NULL;
	}
	if (str_eq(m->type, "tmpfs") && (o.change.set & MOUNT_ATTR_RDONLY)) {
		read_only_later = true; /* devices and copied files first */
		o.change.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	}
	if (!str_empty(spec->linux_->mount_label) && !plain)
		add_label(c->a, spec->linux_->mount_label, &o);
	if (str_eq(m->type, "tmpfs"))
		add_mode(c, m, &o);
	ES_TRY(make_new(m, &o, &fd));
	if (o.copy_up)
		ES_TRY(tmpfs_copy_up(c, m->destination, fd));
	if (read_only_later && str_eq(m->destination, "/dev"))
		c->dev_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	else if (read_only_later)
		ES_TRY(mount_change(fd, &(struct mount_attr_change){ .set = MOUNT_ATTR_RDONLY }));
	return attach_in(c, fd, m->destination, true, plain);
}

es_err *rtmount_all(struct rtmount_ctx *c, const struct oci_spec *spec)
{
	ES_TRY(look_at_proc(c));
	FIELD_LIST_EACH(const struct oci_mount, m, &spec->mounts)
		ES_TRY(es_err_in(mount_one(c, spec, m), "error mounting \"%s\" to rootfs at \"%s\"", m->source ? m->source : "",
				 m->destination));
	return NULL;
}

/* Read-only, but otherwise as the mount it is cut from. */
static es_err *read_only(struct rtmount_ctx *c, const char *path)
{
	es_autoclose int at = mount_open_in(c->root, path, O_PATH), fd = -1;

	if (at < 0)
		return errno == ENOENT || errno == ENOTDIR ? NULL : es_err_sys(errno, "open");
	ES_TRY(mount_clone(at, "", true, &fd));
	ES_TRY(mount_change(fd, &(struct mount_attr_change){ .set = MOUNT_ATTR_RDONLY }));
	return mount_attach(fd, at);
}

/* What masks are made of, opened when first needed. */
struct covers {
	int empty; /* read-only tmpfs; -1 */
	int null;  /* the null device, no peer of the host's mount; -1 */
};

/* The host's, looked up while its /dev is still ours, and proven: whatever were mounted in its place would be readable and
 * writable where a mask should be (CVE-2025-31133). */
static es_err *open_null(int *ret_fd)
{
	es_autoclose int fd = openat(AT_FDCWD, "/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC), clone = -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return es_err_sys(errno, "open /dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return es_err_new(ES_E_FORBIDDEN, "/dev/null of the host is not the null device");
	ES_TRY(mount_clone(fd, "", false, &clone));
	ES_TRY(mount_change(clone, &(struct mount_attr_change){ .propagation = MS_PRIVATE }));
	*ret_fd = ES_TAKE_FD(clone);
	return NULL;
}

/* AT shows the root of the mount COVER already: two paths, or the same twice, lead to one place. */
static bool is_covered(const struct stat *at, int cover)
{
	struct stat st;

	return cover >= 0 && fstat(cover, &st) == 0 && st.st_dev == at->st_dev && st.st_ino == at->st_ino;
}

/* A directory is covered by an empty read-only tmpfs (one for all of them), a file by the null device. */
static es_err *mask(struct rtmount_ctx *c, const char *path, struct covers *with)
{
	es_autoclose int at = mount_open_in(c->root, path, O_PATH), fd = -1;
	struct stat st;

	if (at < 0)
		return errno == ENOENT || errno == ENOTDIR ? NULL : es_err_sys(errno, "open");
	if (fstat(at, &st) < 0)
		return es_err_sys(errno, "stat");
	if (is_covered(&st, S_ISDIR(st.st_mode) ? with->empty : with->null))
		return NULL;
	if (!S_ISDIR(st.st_mode) && with->null < 0) {
		ES_TRY(open_null(&with->null));
		return mount_attach(with->null, at); /* attached, it can be cloned again */
	} else if (!S_ISDIR(st.st_mode)) {
		ES_TRY(mount_clone(with->null, "", false, &fd));
	} else if (with->empty < 0) {
		const char *params[] = { "nr_blocks=1", "nr_inodes=1", NULL };

		ES_TRY(mount_new("tmpfs", "tmpfs", params, MOUNT_ATTR_RDONLY, &with->empty));
		return mount_attach(with->empty, at);
	} else {
		ES_TRY(mount_clone(with->empty, "", false, &fd));
	}
	return mount_attach(fd, at);
}

es_err *rtmount_masks(struct rtmount_ctx *c, const struct oci_linux *l)
{
	struct covers with = { -1, -1 };
	es_err *err = NULL;

	for (char **p = l->readonly_paths; p && *p; p++)
		ES_TRY(es_err_in(read_only(c, *p), "readonly path %s", *p));
	for (char **p = l->masked_paths; !err && p && *p; p++)
		err = es_err_in(mask(c, *p, &with), "masked path %s", *p);
	es_close(with.empty);
	es_close(with.null);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rtdev.c: /dev of a container (OCI runtime specification, config-linux, default devices). */
#include "runtime/rtdev.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/str.h"
#include "sys/mount.h"

static const struct oci_device defaults[] = {
	{ .type = "c", .path = "/dev/null", .major = 1, .minor = 3 },
	{ .type = "c", .path = "/dev/zero", .major = 1, .minor = 5 },
	{ .type = "c", .path = "/dev/full", .major = 1, .minor = 7 },
	{ .type = "c", .path = "/dev/random", .major = 1, .minor = 8 },
	{ .type = "c", .path = "/dev/urandom", .major = 1, .minor = 9 },
	{ .type = "c", .path = "/dev/tty", .major = 5, .minor = 0 },
};

static const struct {
	const char *name, *target;
} links[] = {
	{ "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" }, { "ptmx", "pts/ptmx" },
};

static mode_t node_type(const char *type)
{
	return type[0] == 'b' ? S_IFBLK : type[0] == 'p' ? S_IFIFO : S_IFCHR;
}

static es_err *bind_node(int root, const struct oci_device *d)
{
	es_autoclose int target = -1, fd = -1;
	struct stat st;

	ES_TRY(mount_target_in(root, d->path, false, &target));
	ES_TRY(mount_clone(AT_FDCWD, d->path, false, &fd));
	if (fstat(fd, &st) < 0)
		return es_err_sys(errno, "stat node of the host");
	if ((st.st_mode & S_IFMT) != node_type(d->type) || st.st_rdev != makedev((unsigned)d->major, (unsigned)d->minor))
		return es_err_new(ES_E_CONFLICT, "the host has something else there");
	return mount_attach(fd, target);
}

/* The directory that holds D and the name in it. */
static es_err *parent_of(int root, const char *path, int *ret_fd, const char **ret_name)
{
	es_autofree char *copy = es_xstrdup(path);
	char *slash = strrchr(copy, '/');

	*slash = '\0';
	*ret_name = strrchr(path, '/') + 1;
	if (!**ret_name)
		return es_err_new(ES_E_INVALID, "not a file name");
	return mount_target_in(root, *copy ? copy : "/", true, ret_fd);
}

static es_err *make_node(int root, int dev, const struct oci_device *d)
{
	mode_t mode = node_type(d->type) | (d->file_mode.set ? (mode_t)(d->file_mode.v & 07777) : 0666);
	const char *name = str_after(d->path, "/dev/");
	es_autoclose int parent = -1;
	int at = dev;

	if (!name || strchr(name, '/')) {
		ES_TRY(parent_of(root, d->path, &parent, &name));
		at = parent;
	}
	if (mknodat(at, name, mode, makedev((unsigned)d->major, (unsigned)d->minor)) < 0) {
		struct stat st;

		if (errno != EEXIST || fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return es_err_sys(errno, "make node");
		if ((st.st_mode & S_IFMT) != (mode & S_IFMT) || st.st_rdev != makedev((unsigned)d->major, (unsigned)d->minor))
			return es_err_new(ES_E_CONFLICT, "something else is there");
		return NULL;
	}
	if (!d->uid.set && !d->gid.set)
		return NULL;
	if (fchownat(at, name, d->uid.set ? (uid_t)d->uid.v : 0, d->gid.set ? (gid_t)d->gid.v : 0, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "own node");
	return NULL;
}

static bool is_default(const struct oci_device *d)
{
	for (size_t i = 0; i < ES_N(defaults); i++)
		if (str_eq(d->path, defaults[i].path))
			return true;
	return str_eq(d->path, "/dev/ptmx");
}

static es_err *make_device(int root, int dev, const struct oci_device *d, bool bind)
{
	return es_err_in(bind ? bind_node(root, d) : make_node(root, dev, d), "device %s", d->path);
}

static es_err *make_links(int dev)
{
	for (size_t i = 0; i < ES_N(links); i++)
		if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST)
			return es_err_sys(errno, "link /dev/%s", links[i].name);
	if (access("/proc/kcore", F_OK) == 0 && symlinkat("/proc/kcore", dev, "core") < 0 && errno != EEXIST) /* not in every kernel */
		return es_err_sys(errno, "link /dev/core");
	return NULL;
}

/* A /dev that is bound from elsewhere has its nodes already, and is not ours to fill. */
static bool dev_is_bound(const struct oci_spec *spec)
{
	bool bound = false;

	FIELD_LIST_EACH(const struct oci_mount, m, &spec->mounts)
		if (str_eq(m->destination, "/dev") || str_eq(m->destination, "/dev/"))
			bound = str_eq(m->type, "bind") || strv_has(m->options, "bind") || strv_has(m->options, "rbind");
	return bound;
}

es_err *rtdev_make(int root, const struct oci_spec *spec, bool bind)
{
	es_autoclose int dev = -1;

	if (dev_is_bound(spec))
		return NULL;
	ES_TRY(mount_target_in(root, "/dev", true, &dev));
	for (size_t i = 0; i < ES_N(defaults); i++)
		ES_TRY(make_device(root, dev, &defaults[i], bind));
	if (spec->linux_)
		FIELD_LIST_EACH(const struct oci_device, d, &spec->linux_->devices)
			if (!is_default(d))
				ES_TRY(make_device(root, dev, d, bind));
	return make_links(dev);
}

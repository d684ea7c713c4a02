/* SPDX-License-Identifier: Apache-2.0 */
/* mount.c: the calls of the mount API, with the kernel's explanations, and paths resolved inside a root. */
#include "sys/mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/str.h"

/* <sys/mount.h> and <linux/mount.h> do not live together in every C library; these are all we need of the first. */
#define MOUNT_MS_REC 0x4000ul
#define MOUNT_MS_SLAVE 0x80000ul
#define MOUNT_DETACH 2
#define MOUNT_TRIES 128
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);

/* What the kernel has to say about a file system context, else strerror. */
static es_err *explained(int ctx, int errnum, const char *what, const char *word)
{
	char text[256];
	ssize_t n = read(ctx, text, sizeof text - 1);

	if (n > 2 && text[1] == ' ') { /* "e reason" */
		text[n] = '\0';
		return es_err_with_errno(
			es_err_new(ES_E_SYSTEM, "%s %s: %s: %s", what, word, strerror(errnum), str_trim(text + 2)), errnum);
	}
	return es_err_sys(errnum, "%s %s", what, word);
}

static es_err *set_param(int ctx, const char *param)
{
	es_autofree char *key = es_xstrdup(param);
	char *value = strchr(key, '=');
	long rc;

	if (value)
		*value++ = '\0';
	rc = value ? syscall(SYS_fsconfig, ctx, FSCONFIG_SET_STRING, key, value, 0)
		   : syscall(SYS_fsconfig, ctx, FSCONFIG_SET_FLAG, key, NULL, 0);
	return rc < 0 ? explained(ctx, errno, "mount option", param) : NULL;
}

es_err *mount_new(const char *type, const char *source, const char *const *params, uint64_t attrs, int *ret_fd)
{
	es_autoclose int ctx = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	int fd;

	if (ctx < 0)
		return es_err_sys(errno, "file system %s", type);
	if (source && syscall(SYS_fsconfig, ctx, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return explained(ctx, errno, "mount source", source);
	for (; params && *params; params++)
		ES_TRY(es_err_in(set_param(ctx, *params), "%s", type));
	if (syscall(SYS_fsconfig, ctx, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return explained(ctx, errno, "mount", type);
	fd = (int)syscall(SYS_fsmount, ctx, FSMOUNT_CLOEXEC, (unsigned)attrs);
	if (fd < 0)
		return explained(ctx, errno, "mount", type);
	*ret_fd = fd;
	return NULL;
}

es_err *mount_clone_read_only(int dirfd, const char *path, int *ret_fd)
{
	es_autoclose int fd = -1;

	ES_TRY(mount_clone(dirfd, path, false, &fd));
	ES_TRY(mount_change(fd, &(struct mount_attr_change){ .set = MOUNT_READ_ONLY }));
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *mount_reconfigure(int fd, const char *const *params)
{
	es_autoclose int ctx = (int)syscall(SYS_fspick, fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

	if (ctx < 0)
		return es_err_sys(errno, "file system under the mount");
	for (; params && *params; params++)
		ES_TRY(set_param(ctx, *params));
	return syscall(SYS_fsconfig, ctx, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? explained(ctx, errno, "remount", "") : NULL;
}

es_err *mount_clone(int dirfd, const char *path, bool recursive, int *ret_fd)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
	int fd = (int)syscall(SYS_open_tree, dirfd, path, flags);

	if (fd < 0)
		return es_err_sys(errno, "clone mount %s", *path ? path : "by descriptor");
	*ret_fd = fd;
	return NULL;
}

static es_err *setattr(int fd, bool recursive, const struct mount_attr *attr)
{
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), attr, sizeof *attr) < 0)
		return es_err_sys(errno, "set mount attributes");
	return NULL;
}

es_err *mount_change(int fd, const struct mount_attr_change *c)
{
	struct mount_attr own = { .attr_set = c->set, .attr_clr = c->clear };
	struct mount_attr below = { .attr_set = c->set_below, .attr_clr = c->clear_below };

	if (c->propagation_below)
		below.propagation = c->propagation;
	else
		own.propagation = c->propagation;
	if (below.attr_set || below.attr_clr || below.propagation)
		ES_TRY(setattr(fd, true, &below));
	if (own.attr_set || own.attr_clr || own.propagation)
		ES_TRY(setattr(fd, false, &own));
	return NULL;
}

es_err *mount_idmap(int fd, const struct idmap *map, bool recursive)
{
	es_autoclose int userns = -1;

	if (idmap_is_identity(map))
		return NULL;
	ES_TRY(idmap_userns(map, &userns));
	return mount_idmap_as(fd, userns, recursive);
}

es_err *mount_idmap_as(int fd, int userns, bool recursive)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };

	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &attr, sizeof attr) == 0)
		return NULL;
	if (errno == EINVAL)
		return es_err_with_errno(es_err_new(ES_E_UNSUPPORTED, "idmapped mount (mount_setattr MOUNT_ATTR_IDMAP): this kernel has "
						    "none for this file system"), errno);
	if (errno == EPERM)
		return es_err_with_errno(es_err_new(ES_E_FORBIDDEN, "idmapped mount (mount_setattr MOUNT_ATTR_IDMAP): not permitted here: the "
						    "file system is not of our user namespace, or the mount is mapped already"), errno);
	return es_err_sys(errno, "idmapped mount (mount_setattr MOUNT_ATTR_IDMAP)");
}

es_err *mount_attach(int fd, int target)
{
	if (syscall(SYS_move_mount, fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return es_err_sys(errno, "attach mount");
	return NULL;
}

es_err *mount_propagate_all(uint64_t propagation)
{
	if (mount(NULL, "/", NULL, (unsigned long)propagation | MOUNT_MS_REC, NULL) < 0)
		return es_err_sys(errno, "mount propagation of /");
	return NULL;
}

/* pivot_root(".", ".") stacks the old root on the new one, where "." does not lead to it: hence the descriptor. The old one is made
 * a slave first so that the unmount does not travel to the host. */
es_err *mount_pivot(int root_fd)
{
	es_autoclose int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0)
		return es_err_sys(errno, "open the old root");
	if (fchdir(root_fd) < 0)
		return es_err_sys(errno, "enter new root");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return es_err_sys(errno, "pivot_root");
	if (fchdir(old) < 0)
		return es_err_sys(errno, "enter the old root");
	if (mount(NULL, ".", NULL, MOUNT_MS_SLAVE | MOUNT_MS_REC, NULL) < 0)
		return es_err_sys(errno, "mount propagation of the old root");
	if (umount2(".", MOUNT_DETACH) < 0)
		return es_err_sys(errno, "detach old root");
	if (chdir("/") < 0)
		return es_err_sys(errno, "enter /");
	return NULL;
}

int mount_open_in(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	int fd;

	/* EAGAIN: something was renamed or mounted while ".." was walked, so the kernel cannot vouch for the way */
	for (int tries = 0; tries < MOUNT_TRIES; tries++) {
		fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

es_err *mount_target_in(int root_fd, const char *path, bool directory, int *ret_fd)
{
	es_autofree char *copy = es_xstrdup(path);
	size_t n = strlen(copy);
	es_autoclose int parent = -1;
	char *name;
	int fd = mount_open_in(root_fd, path, O_PATH);

	if (fd >= 0) {
		*ret_fd = fd;
		return NULL;
	}
	if (errno != ENOENT)
		return es_err_sys(errno, "open %s in the root file system", path);
	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	name = strrchr(copy, '/');
	if (name)
		*name++ = '\0';
	else
		name = copy;
	if (str_empty(name) || str_eq(name, ".") || str_eq(name, ".."))
		return es_err_new(ES_E_INVALID, "%s in the root file system: not a name", path);
	ES_TRY(mount_target_in(root_fd, name == copy || str_empty(copy) ? "/" : copy, true, &parent));
	if (directory ? mkdirat(parent, name, 0755) < 0 : mknodat(parent, name, S_IFREG | 0644, 0) < 0)
		if (errno != EEXIST)
			return es_err_sys(errno, "make %s in the root file system", path);
	fd = mount_open_in(root_fd, path, O_PATH);
	if (fd < 0)
		return es_err_sys(errno, "open %s in the root file system", path);
	*ret_fd = fd;
	return NULL;
}

es_err *mount_is_plain(int root_fd, const char *path, int target, bool *ret)
{
	es_autoclose int itself = mount_open_in(root_fd, path, O_PATH | O_NOFOLLOW);
	struct stat a, b;

	if (itself < 0 || fstat(itself, &a) < 0 || fstat(target, &b) < 0)
		return es_err_sys(errno, "look at %s in the root file system", path);
	*ret = a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* mount.h: mounts by descriptor (the mount API of Linux 5.2): make, clone, set attributes, attach; resolve inside a root. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "sys/idmap.h"

#define MOUNT_READ_ONLY UINT64_C(1) /* MOUNT_ATTR_RDONLY, for those who cannot include linux/mount.h */

/* MOUNT_ATTR_* of linux/mount.h: set and clear for this mount alone and, separately, for the mounts below it. */
struct mount_attr_change {
	uint64_t set, clear;
	uint64_t set_below, clear_below;
	uint64_t propagation; /* MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE; 0: as it is */
	bool propagation_below;
};

/* A new file system instance as a detached mount. PARAMS is a NULL-terminated list of "key=value" and "flag" words as in
 * /proc/mounts; SOURCE may be NULL. ATTRS are MOUNT_ATTR_*. The error carries the kernel's own explanation. */
es_err *mount_new(const char *type, const char *source, const char *const *params, uint64_t attrs, int *ret_fd) ES_CHECKED;
/* A detached copy of the mount that holds PATH (below DIRFD), seen from PATH on; with RECURSIVE the mounts below it too. */
es_err *mount_clone(int dirfd, const char *path, bool recursive, int *ret_fd) ES_CHECKED;
/* The same, not recursive, read-only: for a program that whoever runs it must not be able to write to. */
es_err *mount_clone_read_only(int dirfd, const char *path, int *ret_fd) ES_CHECKED;
/* Change a mount held by descriptor. */
es_err *mount_change(int fd, const struct mount_attr_change *c) ES_CHECKED;
/* Change the parameters of the file system under a mount (fspick(2)), PARAMS as for mount_new(). */
es_err *mount_reconfigure(int fd, const char *const *params) ES_CHECKED;
/* Make a detached mount translate ids (mount_setattr(2) MOUNT_ATTR_IDMAP). Identity changes nothing. */
es_err *mount_idmap(int fd, const struct idmap *map, bool recursive) ES_CHECKED;
/* The same with the maps of the user namespace USERNS. */
es_err *mount_idmap_as(int fd, int userns, bool recursive) ES_CHECKED;
/* Attach a detached mount on the directory or file TARGET (an O_PATH descriptor). */
es_err *mount_attach(int fd, int target) ES_CHECKED;
/* Change the propagation of "/" and all below it. */
es_err *mount_propagate_all(uint64_t propagation) ES_CHECKED;
/* The calling process's root becomes the mount ROOT_FD (attached somewhere); the old root and all below it go away. */
es_err *mount_pivot(int root_fd) ES_CHECKED;

/* PATH, with every symbolic link and "..", resolved as if ROOT_FD were "/" (openat2(2) RESOLVE_IN_ROOT). FLAGS as for
 * open(2); O_CLOEXEC is added. -1 with errno. */
int mount_open_in(int root_fd, const char *path, int flags);
/* The same, but what is missing is made first: directories of mode 0755, and for !DIRECTORY an empty file. */
es_err *mount_target_in(int root_fd, const char *path, bool directory, int *ret_fd) ES_CHECKED;
/* Whether TARGET, opened by PATH, was reached without a symbolic link as the last component. */
es_err *mount_is_plain(int root_fd, const char *path, int target, bool *ret) ES_CHECKED;

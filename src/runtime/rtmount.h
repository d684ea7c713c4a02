/* SPDX-License-Identifier: Apache-2.0 */
/* rtmount.h: the mounts of config.json, made inside the container's root before the process moves there. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "spec/oci_runtime.h"
#include "sys/cgroup.h"
#include "sys/mount.h"

/* One mount's options, sorted by what they mean to the kernel. */
struct rtmount_options {
	bool bind, recursive, copy_up, remount;
	bool idmap, idmap_recursive;
	struct mount_attr_change change; /* for new file systems, change.set are the attributes of the mount */
	const char **params;             /* for the file system, NULL-terminated; in the arena */
	size_t n_params;
};

/* Options as runc reads them; everything unknown is the file system's. ES_E_INVALID for one that cannot be. */
es_err *rtmount_options(struct arena *a, char *const *options, struct rtmount_options *ret) ES_CHECKED;
/* Names that rtmount_options knows, NULL at the end, for `features`. */
const char *rtmount_option_name(size_t i);

/* What the mounts need to know. All descriptors are borrowed. */
struct rtmount_ctx {
	struct arena *a;
	int root;   /* the container's root, attached in this mount namespace */
	const char *bundle; /* directory that relative sources start from */
	int proc;   /* detached procfs of the container, mounted where config.json first wants one; then -1 */
	const struct cgroup_host *cgroup_host;
	const char *cgroup_path;
	bool cgroup_ns;        /* the process is in a cgroup namespace of its own */
	es_err *(*cgroup_ready)(void *arg); /* called once before a cgroup file system is mounted */
	void *arg;
	int *ahead; /* sources taken by rtmount_take_…(), by the mount's place in config.json; NULL: none */
	bool ahead_done; /* they are whole mounts, ready to be attached */
	const struct idmap *idmap; /* of the container's user namespace, for options idmap and ridmap; NULL or identity: none */
	int userns; /* the same as a descriptor, when it was joined; else -1 */
	/* Of rtmount.c: which directory /proc is, and whether a procfs is on it by now. */
	dev_t proc_dev;
	ino_t proc_ino; /* 0: there is none yet */
	bool has_procfs;
	int dev_fd; /* /dev of the container when it was a mount that must become read-only in the end, else -1 */
};

/* To be called before the host's mounts are made slaves of themselves: the sources of binds that stay peers of them, in C->ahead. */
es_err *rtmount_take_shared(struct rtmount_ctx *c, const struct oci_spec *spec) ES_CHECKED;
/* To be called outside, before a process is born in a user namespace that may not reach the sources or map their ids: all binds, made, in
 * C->ahead. Needs the right to mount. */
es_err *rtmount_take_binds(struct rtmount_ctx *c, const struct oci_spec *spec) ES_CHECKED;
void rtmount_drop_ahead(struct rtmount_ctx *c, const struct oci_spec *spec);
es_err *rtmount_all(struct rtmount_ctx *c, const struct oci_spec *spec) ES_CHECKED;
/* maskedPaths and readonlyPaths; missing paths are fine. */
es_err *rtmount_masks(struct rtmount_ctx *c, const struct oci_linux *l) ES_CHECKED;
/* MS_* of a rootfsPropagation word; 0 for "" or NULL. */
uint64_t rtmount_propagation(const char *word);

/* SPDX-License-Identifier: Apache-2.0 */
/* rtinit.h: the container's first process, from its birth in new namespaces to the exec of the container's command. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "runtime/rtproc.h"
#include "runtime/rtstate.h"
#include "spec/oci_runtime.h"
#include "sys/cgroup.h"
#include "sys/idmap.h"
#include "sys/ns.h"

/* How far it came; the parent reads this when the channel closes. */
enum rtinit_stage { RTINIT_SETUP, RTINIT_WAITING, RTINIT_EXEC };

/* Bytes on the two channels. The child speaks first and then waits; nothing is sent after exec. */
enum rtinit_word {
	RTINIT_GO = 'g',      /* parent: you are in your cgroups and your ids are mapped */
	RTINIT_HOOKS = 'h',   /* child: mounts are made, run the hooks of the runtime's namespace */
	RTINIT_HOOKED = 'H',  /* parent: done */
	RTINIT_DEVICES = 'n', /* child: linux.netDevices are to be moved into my network namespace */
	RTINIT_MOVED = 'N',   /* parent: done */
	RTINIT_LISTENER = 'l', /* child: proc.listener is to be handed over */
	RTINIT_LISTENED = 'L', /* parent: done */
	RTINIT_CREATED = 'c', /* child: all done, waiting for `start` */
};

/* Shared by parent and child: the child is born with CLONE_VM and speaks to its parent by writing here. All pointers are
 * the parent's. Descriptors are numbers of the parent's table, which the child has a copy of. */
struct rtinit {
	struct arena *a;
	const struct oci_spec *spec;
	struct rtproc proc;
	const char *rootfs; /* path to bind and attach; NULL: rootfs_fd */
	int rootfs_fd;      /* detached mount; -1: rootfs */
	int state_dir;
	int console; /* console socket, -1: no terminal */
	bool wait_for_start;
	const struct cgroup_host *cgroup_host;
	const struct cgroup *cgroup;
	bool join_cgroup;         /* the child does it, before anything else; else the parent has */
	uint64_t new_ns;          /* CLONE_NEW* flags it was born with */
	bool new_cgroup_ns, new_time_ns;
	bool new_ipc_ns; /* to be made by root of the user namespace: its message queues belong to whoever makes it */
	int join[NS_N];           /* descriptors of namespaces to enter, -1: none; pid was joined by the parent */
	bool in_user_ns;          /* new or joined */
	bool by_parent;           /* limits and the owner of the standard streams are the parent's work, who has the rights to */
	bool bind_devices;        /* nodes cannot be made here */
	const struct idmap *idmap;
	int *ahead;               /* binds that the parent made (rtmount_take_binds); NULL: none */
	const struct rtstate *state; /* for the hooks that run in the container's namespaces */
	pid_t pid;                /* its number outside; written by the kernel before it runs */
	int up, down;             /* write end to, read end from the parent */
	int parents[2];           /* the parent's ends, of which the child has copies that it must close */
	/* Written by the child. */
	bool went;                /* RTINIT_GO was read */
	enum rtinit_stage stage;
	es_err *err;
};

/* The child's main function; ARG is a struct rtinit. */
int rtinit_main(void *arg);

/* SPDX-License-Identifier: Apache-2.0 */
/* rtproc.h: what config.json says about a process, prepared outside and put on by the process itself. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/oci_runtime.h"
#include "sys/caps.h"

/* Prepared by the parent, in its arena; applied by the child. */
struct rtproc {
	const struct oci_process *p;
	char **env;
	bool has_caps;
	struct caps caps; /* as asked; what the process does not have then is left out */
	uint32_t *gids;
	size_t n_gids;
	const void *seccomp; /* BPF program; NULL: none */
	size_t seccomp_len;
	unsigned seccomp_flags;
	bool notify;         /* the program asks a listener: see hand_over */
	int listener;        /* descriptor of the child, written by it before hand_over */
	es_err *(*hand_over)(void *arg); /* in the child: have the parent send the listener to who is to answer; waits for that */
	void *hand_over_arg;
	const struct oci_memory_policy *memory; /* NULL: the caller's */
	const char *keyring; /* name of a session keyring of its own; NULL: keep the caller's */
	int preserve_fds;    /* descriptors 3 .. 2+N stay open */
	const char *lsm_text, *lsm_file; /* security label and the file of procfs that takes it; NULL: none */
	int lsm_fd;                      /* that file, opened by the child */
};

/* Run the caller on the processors of LIST ("0-3,7"); NULL or "" changes nothing. FIELD is its JSON path. */
es_err *rtproc_run_on(const char *list, const char *field) ES_CHECKED;
/* PID (0: the caller) may run on all processors that its cgroup has, wherever the runtime was told to run. */
void rtproc_run_anywhere(pid_t pid);

/* CONTAINER is the container's config (its seccomp profile and label hold for exec too); P the process. */
es_err *rtproc_prepare(struct arena *a, const struct oci_spec *container, const struct oci_process *p,
		       struct rtproc *ret) ES_CHECKED;

/* In the child, in this order. */
/* Descriptors above the standard streams and those to preserve do not survive exec. */
es_err *rtproc_seal_fds(const struct rtproc *r) ES_CHECKED;
/* Limits and priorities of process PID (0: the caller); PROC is a descriptor of a procfs that shows it under that number, for 0 that of
 * the caller's pid namespace or the host. */
es_err *rtproc_limits(const struct rtproc *r, int proc, pid_t pid) ES_CHECKED;
/* The file that takes the security label of the caller. */
es_err *rtproc_open_label(struct rtproc *r, int proc) ES_CHECKED;
/* Standard streams belong to the container's user, who is UID here, so that re-opening /dev/stdout works for him. */
es_err *rtproc_own_stdio(uint32_t uid) ES_CHECKED;
/* Keyring, working directory, user, command, seccomp, capabilities: afterwards the process is the container's, and *RET_COMMAND (heap)
 * what it executes; that is looked for with the container's rights, and runc's text says why it cannot be: exec: "x": executable
 * file not found in $PATH. The filter comes after all that, so that it need not allow it; with no_new_privs it waits for rtproc_exec, unless it
 * has a listener, for whose sake the parent must still be there. */
es_err *rtproc_become(struct rtproc *r, char **ret_command) ES_CHECKED;
/* Does not return unless it fails. */
es_err *rtproc_exec(const struct rtproc *r, const char *path) ES_CHECKED;

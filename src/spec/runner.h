/* SPDX-License-Identifier: Apache-2.0 */
/* runner.h: the door through which a builder asks for things that only a whole engine can do: run a step, find an image. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct field_map;

enum runner_mount_kind { RUNNER_M_BIND, RUNNER_M_TMPFS, RUNNER_M_N };

struct runner_mount {
	enum runner_mount_kind kind;
	const char *target; /* absolute, inside the step's root; the runner makes it (without following links out of the root) */
	int source_fd;      /* BIND: an O_PATH descriptor of a directory or file, borrowed */
	bool readonly;
	uint64_t size_bytes; /* TMPFS: 0: the kernel's default */
	mode_t mode;         /* TMPFS: 0: 1777 */
};

/* Limits of POST /build; zero: none. */
struct runner_limits {
	int64_t memory_bytes, memory_swap_bytes; /* swap: memory plus swap; -1: unlimited swap */
	int64_t cpu_shares, cpu_period_us, cpu_quota_us;
	const char *cpuset_cpus, *cpuset_mems; /* NULL: all */
	int64_t shm_size_bytes;
	const char *cgroup_parent; /* NULL: the engine's */
};

/* One step: everything is borrowed for the time of the call. */
struct runner_step {
	const char *id; /* 64 hexadecimal digits: the name of this step's container and, cut to 12, its host name */
	int rootfs_fd;  /* a mount of the snapshot to run in; what the step writes stays there */
	char *const *argv;
	char *const *env;       /* complete; the runner adds nothing but HOSTNAME, and HOME where it is missing */
	const char *user;       /* as in an image config ("", "u", "u:g", "1000:100"), looked up inside the root */
	const char *workdir;    /* absolute; made when it is missing */
	const char *network;    /* "default" (or NULL), "none", "host", or a network's name */
	char *const *extra_hosts; /* "name:address" */
	const struct runner_mount *mounts;
	size_t n_mounts;
	struct runner_limits limits;
};

/* Where the output goes, in the order in which it comes; STREAM is 1 or 2. Called from one thread at a time. A sink that
 * cannot write any more (its client left) says so by cancelling. */
struct runner_sink {
	void (*write)(void *self, int stream, const void *bytes, size_t n);
	void *self;
};

struct runner_ops {
	/* Run STEP until it ends and its output is drained. Blocks. *RET_STATUS is the wait status of its first process.
	 * CANCEL_FD (or -1): once it polls readable the step is killed and the call returns ES_E_CANCELLED. On return
	 * nothing of the step lives. Any other error: the step could not be started (docker's words, as of `run`). */
	es_err *(*run)(void *self, const struct runner_step *step, const struct runner_sink *sink, int cancel_fd,
		       int *ret_status) ES_CHECKED;
	/* Find image REF as a user writes it; with PULL ask its registry first, else only when it is not here. Progress
	 * goes to SINK as JSON objects, one a call. PLATFORM: "os/arch[/variant]" or NULL for ours. AUTHS: a registry's
	 * name to struct fetch_auth, as X-Registry-Config has them, or NULL. *RET_IMAGE_ID is
	 * "sha256:…" (heap). Errors: ES_E_NOT_FOUND, ES_E_UNAUTHORIZED, ES_E_CANCELLED, docker's words. */
	es_err *(*image)(void *self, const char *ref, const char *platform, bool pull, const struct field_map *auths,
			 const struct runner_sink *sink, int cancel_fd, char **ret_image_id) ES_CHECKED;
};

struct runner {
	const struct runner_ops *ops;
	void *self; /* borrowed; outlives the build */
};

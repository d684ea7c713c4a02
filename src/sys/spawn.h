/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.h: start a program with exactly the descriptors, environment and directory that were named. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct spawn_fd {
	int from; /* ours */
	int to;   /* number in the child; may be equal */
};

/* Everything is borrowed for the length of the call. Zeroed members mean "not asked for". */
struct spawn {
	const char *path;       /* of the program; not searched in $PATH */
	int program_fd;         /* the program itself, PATH is then its name only; 0: PATH */
	const char *const *argv; /* NULL-terminated; NULL: { path } */
	char *const *env;       /* NULL-terminated; NULL: empty */
	const struct spawn_fd *fds; /* the only descriptors it gets; 0, 1, 2 not named here are /dev/null */
	size_t n_fds;
	const char *cwd;        /* NULL: ours */
	bool new_session;       /* setsid(2) */
	int cgroup_fd;          /* directory of a v2 cgroup to be born in; 0: ours */
	int parent_death_signal; /* prctl(2) PR_SET_PDEATHSIG; 0: none */
};

/* vfork-like (no page table is copied, the calling thread waits until exec): safe with threads. The child has default
 * signal dispositions and an empty mask. RET_PIDFD may be NULL; else the caller closes it. An exec that fails is
 * reported here, with its errno (es_err_errno). */
es_err *spawn_start(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd) ES_CHECKED;
/* Start, wait and reap; *RET_STATUS as from waitpid(2). */
es_err *spawn_wait(const struct spawn *s, int *ret_status) ES_CHECKED;

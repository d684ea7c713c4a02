/* SPDX-License-Identifier: Apache-2.0 */
/* rtcreate.h: make a container from a bundle, up to a waiting or a running first process. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "runtime/rtcgroup.h"

struct rtcreate_options {
	const char *root, *id, *bundle;
	const char *console_socket; /* NULL: none */
	int *own_console;           /* in the foreground: gets our end of the terminal's socket, if there is a terminal; else NULL */
	const char *pid_file;       /* NULL: none */
	int preserve_fds;
	bool no_new_keyring;
	bool rootless; /* no control group is no failure unless a limit is asked for */
	enum rtcgroup_driver cgroup_driver;
	bool wait_for_start; /* `create`; else the command runs at once */
};

/* On success *RET_PIDFD is the process's descriptor (caller closes). On failure nothing is left: no process, cgroup, or
 * state directory. The text of a command that cannot be run is runc's. */
es_err *rtcreate(const struct rtcreate_options *o, pid_t *ret_pid, int *ret_pidfd) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* rtexec.h: one more process in a running container. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct rtexec_options {
	const char *root, *id;
	const char *process_file; /* process.json; NULL: the container's process with what follows */
	char **args, **env, **caps, **gids;
	char **cgroups; /* "[CONTROLLER,...:]PATH", groups below the container's; NULL: that itself */
	const char *cwd, *user, *apparmor, *label; /* NULL: the container's */
	bool tty, no_new_privs, ignore_paused;
	const char *console_socket, *pid_file; /* NULL: none */
	int *own_console;                      /* in the foreground: gets our end of the terminal's socket, if there is one; else NULL */
	int preserve_fds;
};

/* On success the command runs; the caller closes *RET_PIDFD. */
es_err *rtexec(const struct rtexec_options *o, pid_t *ret_pid, int *ret_pidfd) ES_CHECKED;

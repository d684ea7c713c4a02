/* SPDX-License-Identifier: Apache-2.0 */
/* daemon_proc.h: estibad as a process: the lock of its roots, its pid file, its sockets, and freedom from whoever started it. */
#pragma once

#include "engine/daemon_conf.h"

/* Descriptors that hold both roots; closing them (or dying) gives the lock back. */
struct daemon_lock {
	int data_fd, exec_fd;
};

/* Make both roots (data 0711, exec 0711) and lock them. ES_E_CONFLICT names the process that has them. */
es_err *daemon_lock(const struct daemon_conf *c, struct daemon_lock *ret) ES_CHECKED;
void daemon_lock_done(struct daemon_lock *l);
es_err *daemon_pidfile_write(const char *path) ES_CHECKED;

/* One listening socket for "unix://path", "tcp://host:port"; those of the service manager for "fd://" come from
 * daemon_inherited(). GROUP NULL: "estiba" if it exists. */
es_err *daemon_listen(const char *host, const char *group, int *ret_fd) ES_CHECKED;
/* Descriptors 3 … 3+n-1 that a service manager passed (LISTEN_PID, LISTEN_FDS; removed from the environment). Returns n. */
size_t daemon_inherited(void);
/* Tell the service manager (NOTIFY_SOCKET) STATE, such as "READY=1". Nothing happens without one. */
void daemon_notify(const char *state);

/* As many descriptors as the hard limit allows. */
void daemon_raise_nofile(void);
/* Give back memory that is only kept for speed; and keep the allocator to few arenas. */
void daemon_tune_memory(void);

/* Run this program again in the background, with ARGV (as main has it) and --ready-fd: a process that has nothing of the
 * caller's (session, control group, environment, directory, umask, limits, signals, priority, descriptors). Returns in the
 * caller, after the new one said that it is ready or failed (its words are the error). */
es_err *daemon_detach(const struct daemon_conf *c, char *const *argv) ES_CHECKED;
/* The last thing that such a process does: out of the control group of its own, which goes unless a monitor is in it. */
void daemon_leave_group(void);
/* ERR NULL: ready. ERR is borrowed. Closes READY_FD; nothing when it is -1. */
void daemon_ready(int ready_fd, const es_err *err);
/* Wait until somebody answers at the first unix socket of C: another daemon won the race. ES_E_TIMEOUT. */
es_err *daemon_wait_other(const struct daemon_conf *c) ES_CHECKED;

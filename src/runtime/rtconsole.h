/* SPDX-License-Identifier: Apache-2.0 */
/* rtconsole.h: a terminal of the container's own devpts, handed out through the console socket. */
#pragma once

#include "spec/oci_runtime.h"

/* The socket that the master of a process's terminal goes through: a connection to the unix socket PATH (of any length), or,
 * in the foreground, one end of a pair whose other end is put into *OURS (NULL: detached). -1 when there is no TERMINAL.
 * The caller closes both. Errors are runc's where the three do not fit together. */
es_err *rtconsole_open(bool terminal, const char *path, int *ours, int *ret_fd) ES_CHECKED;
/* In the container, root entered: open a pty, send its master over SOCKET as runc does, and make the slave the
 * controlling terminal and the standard streams of this session. With BIND it also becomes /dev/console. */
es_err *rtconsole_take(int socket, const struct oci_process *p, bool bind) ES_CHECKED;
/* Receive the master that rtconsole_take sent. */
es_err *rtconsole_receive(int socket, int *ret_master) ES_CHECKED;
/* Foreground: our terminal in raw mode, bytes both ways, size changes followed, until the master ends or EXITED (a
 * pidfd) is over and drained. Restores the terminal. */
es_err *rtconsole_relay(int master, int exited) ES_CHECKED;

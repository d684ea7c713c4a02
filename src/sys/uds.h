/* SPDX-License-Identifier: Apache-2.0 */
/* uds.h: unix sockets by directory and name (so that no path is too long), with descriptors and peer credentials. */
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include "base/err.h"

#define UDS_FDS_MAX 8 /* descriptors in one message */

/* TYPE is SOCK_STREAM or SOCK_SEQPACKET; descriptors are CLOEXEC; listening ones do not block, connections do. The path given to the kernel is
 * /proc/self/fd/DIRFD/NAME, which always fits; NAME has no slash. DIRFD may be AT_FDCWD for a short NAME or path. */

/* Bind and listen with MODE; a stale socket file of that name is replaced (the caller holds a lock or owns the
 * directory). */
es_err *uds_listen(int dirfd, const char *name, int type, mode_t mode, int *ret_fd) ES_CHECKED;
/* ES_E_NOT_FOUND when nobody listens there (no such file, or a file left by the dead). */
es_err *uds_connect(int dirfd, const char *name, int type, int *ret_fd) ES_CHECKED;
/* ES_E_UNAVAILABLE when nobody waits. */
es_err *uds_accept(int listen_fd, int *ret_fd) ES_CHECKED;

/* One message with N_FDS descriptors (borrowed). FLAGS as for sendmsg(2), MSG_NOSIGNAL is added; a would-block is
 * ES_E_UNAVAILABLE. A stream may take less: *RET_SENT (may be NULL for SOCK_SEQPACKET). */
es_err *uds_send(int fd, const void *bytes, size_t n, const int *fds, size_t n_fds, int flags, size_t *ret_sent) ES_CHECKED;
/* One message: *RET_LEN bytes (0: the peer closed) and up to UDS_FDS_MAX descriptors, CLOEXEC, the caller's. FDS may
 * be NULL with RET_N_FDS: then descriptors are refused. A datagram longer than SIZE is ES_E_LIMIT, a would-block
 * ES_E_UNAVAILABLE; nothing is left open after an error. */
es_err *uds_recv(int fd, void *bytes, size_t size, int *fds, size_t *ret_n_fds, int flags, size_t *ret_len) ES_CHECKED;

/* Who connected (SO_PEERCRED). RET_PID may be NULL. */
es_err *uds_peer(int fd, uid_t *ret_uid, pid_t *ret_pid) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* sock.h: stream sockets: connect and listen on unix paths of any length and on TCP addresses. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* PATH may be longer than sockaddr_un allows. The error's errno tells ENOENT (no socket) from ECONNREFUSED (no listener). */
es_err *sock_connect_unix(const char *path, int *ret_fd) ES_CHECKED;
/* HOST a name or an address ("[::1]" too), PORT a number. Waits at most TIMEOUT_MS for each address. */
es_err *sock_connect_tcp(const char *host, const char *port, int timeout_ms, int *ret_fd) ES_CHECKED;
/* "unix:///path", "tcp://host:port", "http://host:port". DEFAULT_PORT: for a tcp address without one. */
es_err *sock_connect_url(const char *url, const char *default_port, int timeout_ms, int *ret_fd) ES_CHECKED;

/* Removes a dead socket in the way (one that nobody listens on); ES_E_CONFLICT when somebody does. GID -1: unchanged. */
es_err *sock_listen_unix(const char *path, mode_t mode, gid_t gid, int *ret_fd) ES_CHECKED;
es_err *sock_listen_tcp(const char *host, const char *port, int *ret_fd) ES_CHECKED;
/* Cut "host:port", "[v6]:port" or "host" in two (heap); the port is DEFAULT_PORT (may be NULL) when there is none. */
es_err *sock_split_host_port(const char *text, const char *default_port, char **ret_host, char **ret_port) ES_CHECKED;

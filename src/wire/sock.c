/* SPDX-License-Identifier: Apache-2.0 */
/* sock.c: stream sockets. */
#include "wire/sock.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/str.h"

#define BACKLOG 512

/* A path that does not fit goes through its directory: /proc/self/fd/N/name. *RET_DIR stays open while ADDR is used. */
static es_err *unix_address(const char *path, struct sockaddr_un *addr, int *ret_dir)
{
	const char *slash = strrchr(path, '/');
	es_autofree char *parent = NULL;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) < sizeof addr->sun_path) {
		strcpy(addr->sun_path, path);
		return NULL;
	}
	parent = slash ? es_xstrndup(path, (size_t)(slash - path) + 1) : es_xstrdup(".");
	*ret_dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir < 0)
		return es_err_sys(errno, "open %s", parent);
	if ((size_t)snprintf(addr->sun_path, sizeof addr->sun_path, "/proc/self/fd/%d/%s", *ret_dir,
			     slash ? slash + 1 : path) >= sizeof addr->sun_path)
		return es_err_new(ES_E_INVALID, "socket name %s is too long", path);
	return NULL;
}

es_err *sock_connect_unix(const char *path, int *ret_fd)
{
	es_autoclose int dir = -1, fd = -1;
	struct sockaddr_un addr;

	ES_TRY(unix_address(path, &addr, &dir));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return es_err_sys(errno, "socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		return es_err_sys(errno, "connect to %s", path);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *sock_split_host_port(const char *text, const char *default_port, char **ret_host, char **ret_port)
{
	const char *close = *text == '[' ? strchr(text, ']') : NULL;
	const char *colon = strrchr(close ? close : text, ':');
	const char *port = colon ? colon + 1 : default_port;
	const char *end = close ? close : colon ? colon : text + strlen(text);

	if ((*text == '[' && (!close || (close[1] && close[1] != ':'))) || (!close && colon && strchr(text, ':') != colon))
		return es_err_new(ES_E_INVALID, "invalid address %s", text);
	if (str_empty(port) || strspn(port, "0123456789") != strlen(port))
		return es_err_new(ES_E_INVALID, "no port in address %s", text);
	text += close != NULL;
	*ret_host = es_xstrndup(text, (size_t)(end - text));
	*ret_port = es_xstrdup(port);
	return NULL;
}

/* connect(2) with a limit, on a socket that is blocking before and after. */
static int connect_within(int fd, const struct addrinfo *ai, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof error;

	es_err_drop(file_set_nonblock(fd, true));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return errno;
		if (poll(&p, 1, timeout_ms) == 0)
			return ETIMEDOUT;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			return errno;
	}
	es_err_drop(file_set_nonblock(fd, false));
	return error;
}

static es_err *resolve(const char *host, const char *port, int flags, struct addrinfo **ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	int rc = getaddrinfo(*host ? host : NULL, port, &hints, ret);

	if (rc)
		return es_err_new(ES_E_UNAVAILABLE, "lookup %s: %s", host, gai_strerror(rc));
	return NULL;
}

es_err *sock_connect_tcp(const char *host, const char *port, int timeout_ms, int *ret_fd)
{
	struct addrinfo *list;
	int error = ECONNREFUSED, one = 1;

	ES_TRY(resolve(*host ? host : "localhost", port, AI_ADDRCONFIG, &list));
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		es_autoclose int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);

		error = fd < 0 ? errno : connect_within(fd, ai, timeout_ms);
		if (error)
			continue;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		*ret_fd = ES_TAKE_FD(fd);
		break;
	}
	freeaddrinfo(list);
	return error ? es_err_sys(error, "connect to %s:%s", host, port) : NULL;
}

es_err *sock_connect_url(const char *url, const char *default_port, int timeout_ms, int *ret_fd)
{
	static const char *const tcp[] = { "tcp://", "http://" };
	const char *path = str_after(url, "unix://");

	if (path)
		return sock_connect_unix(path, ret_fd);
	for (size_t i = 0; i < ES_N(tcp); i++) {
		es_autofree char *host = NULL, *port = NULL, *text = NULL;
		const char *rest = str_after(url, tcp[i]);

		if (!rest)
			continue;
		text = es_xstrndup(rest, strcspn(rest, "/"));
		ES_TRY(sock_split_host_port(text, default_port, &host, &port));
		return sock_connect_tcp(host, port, timeout_ms, ret_fd);
	}
	return es_err_new(ES_E_INVALID, "unable to parse docker host `%s`", url);
}

static es_err *remove_dead_socket(const char *path)
{
	struct stat st;
	int fd;
	es_err *err;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return NULL; /* bind(2) will tell */
	err = sock_connect_unix(path, &fd);
	if (!err) {
		es_close(fd);
		return es_err_new(ES_E_CONFLICT, "somebody listens on %s already", path);
	}
	es_err_drop(err);
	if (unlink(path) < 0 && errno != ENOENT)
		return es_err_sys(errno, "remove %s", path);
	return NULL;
}

es_err *sock_listen_unix(const char *path, mode_t mode, gid_t gid, int *ret_fd)
{
	es_autoclose int dir = -1, fd = -1;
	struct sockaddr_un addr;
	mode_t before;
	int rc;

	ES_TRY(remove_dead_socket(path));
	ES_TRY(unix_address(path, &addr, &dir));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return es_err_sys(errno, "socket");
	/* Nobody may connect before owner and mode are right. */
	before = umask(0177);
	rc = bind(fd, (struct sockaddr *)&addr, sizeof addr);
	umask(before);
	if (rc < 0)
		return es_err_sys(errno, "listen on %s", path);
	if (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0)
		return es_err_sys(errno, "chown %s", path);
	if (chmod(path, mode) < 0)
		return es_err_sys(errno, "chmod %s", path);
	if (listen(fd, BACKLOG) < 0)
		return es_err_sys(errno, "listen on %s", path);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *sock_listen_tcp(const char *host, const char *port, int *ret_fd)
{
	struct addrinfo *list;
	int error = EADDRNOTAVAIL, one = 1;

	ES_TRY(resolve(host, port, AI_PASSIVE, &list));
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		es_autoclose int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);

		error = fd < 0 ? errno : 0;
		if (error)
			continue;
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		error = bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ? errno : 0;
		if (error)
			continue;
		*ret_fd = ES_TAKE_FD(fd);
		break;
	}
	freeaddrinfo(list);
	return error ? es_err_sys(error, "listen on %s:%s", host, port) : NULL;
}

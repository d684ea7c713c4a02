/* SPDX-License-Identifier: Apache-2.0 */
/* uds.c: bind, connect, sendmsg and recvmsg on unix sockets. */
#include "sys/uds.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

#define UDS_BACKLOG 64

static es_err *address(int dirfd, const char *name, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (dirfd == AT_FDCWD)
		n = snprintf(ret->sun_path, sizeof ret->sun_path, "%s", name);
	else
		n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", dirfd, name);
	if (n < 0 || (size_t)n >= sizeof ret->sun_path)
		return es_err_new(ES_E_INVALID, "socket %s: path too long", name);
	return NULL;
}

es_err *uds_listen(int dirfd, const char *name, int type, mode_t mode, int *ret_fd)
{
	es_autoclose int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;

	if (fd < 0)
		return es_err_sys(errno, "socket");
	ES_TRY(address(dirfd, name, &sa));
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return es_err_sys(errno, "remove old socket %s", name);
	/* On Linux the file gets the socket inode's mode (and the umask): set before bind, there is no open moment. */
	if (fchmod(fd, mode) < 0)
		return es_err_sys(errno, "mode of socket %s", name);
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		return es_err_sys(errno, "bind socket %s", name);
	if (fchmodat(dirfd, name, mode, 0) < 0) /* what the umask took away */
		return es_err_sys(errno, "mode of socket %s", name);
	if (listen(fd, UDS_BACKLOG) < 0)
		return es_err_sys(errno, "listen on socket %s", name);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *uds_connect(int dirfd, const char *name, int type, int *ret_fd)
{
	es_autoclose int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;

	if (fd < 0)
		return es_err_sys(errno, "socket");
	ES_TRY(address(dirfd, name, &sa));
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return es_err_new(ES_E_NOT_FOUND, "nobody listens on socket %s", name);
		return es_err_sys(errno, "connect to socket %s", name);
	}
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *uds_accept(int listen_fd, int *ret_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR))
		return es_err_new(ES_E_UNAVAILABLE, "nobody waits");
	if (fd < 0)
		return es_err_sys(errno, "accept");
	*ret_fd = fd;
	return NULL;
}

union uds_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * UDS_FDS_MAX)];
};

es_err *uds_send(int fd, const void *bytes, size_t n, const int *fds, size_t n_fds, int flags, size_t *ret_sent)
{
	union uds_control control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (n_fds > UDS_FDS_MAX)
		return es_err_new(ES_E_LIMIT, "%zu descriptors in one message", n_fds);
	if (n_fds) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = (__typeof__(m.msg_controllen))CMSG_SPACE(sizeof(int) * n_fds); /* the two libcs differ */
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = (__typeof__(c->cmsg_len))CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		sent = sendmsg(fd, &m, flags | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EAGAIN)
		return es_err_new(ES_E_UNAVAILABLE, "socket is full");
	if (sent < 0)
		return es_err_sys(errno, "send");
	if (ret_sent)
		*ret_sent = (size_t)sent;
	return NULL;
}

/* Collect the descriptors of M into FDS (room for UDS_FDS_MAX). */
static size_t take_fds(struct msghdr *m, int *fds)
{
	size_t got = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds + got, CMSG_DATA(c), n * sizeof(int)); /* the control buffer holds UDS_FDS_MAX at most */
		got += n;
	}
	return got;
}

es_err *uds_recv(int fd, void *bytes, size_t size, int *fds, size_t *ret_n_fds, int flags, size_t *ret_len)
{
	union uds_control control = { 0 };
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes,
	};
	int got[UDS_FDS_MAX];
	size_t n_got;
	ssize_t n;
	bool cut, unwanted;

	do
		n = recvmsg(fd, &m, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return es_err_new(ES_E_UNAVAILABLE, "no message");
	if (n < 0)
		return es_err_sys(errno, "receive");
	n_got = take_fds(&m, got);
	cut = m.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
	unwanted = n_got && !fds;
	if (cut || unwanted) {
		for (size_t i = 0; i < n_got; i++)
			es_close(got[i]);
		return cut ? es_err_new(ES_E_LIMIT, "message too long") : es_err_new(ES_E_PROTOCOL, "unexpected descriptors");
	}
	if (n_got)
		memcpy(fds, got, n_got * sizeof(int));
	if (ret_n_fds)
		*ret_n_fds = n_got;
	*ret_len = (size_t)n;
	return NULL;
}

es_err *uds_peer(int fd, uid_t *ret_uid, pid_t *ret_pid)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return es_err_sys(errno, "peer of socket");
	*ret_uid = cred.uid;
	if (ret_pid)
		*ret_pid = cred.pid;
	return NULL;
}

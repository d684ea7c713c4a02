/* SPDX-License-Identifier: Apache-2.0 */
/* test_uds.c: long directories, descriptors in messages, what is refused; and the pseudo terminal. */
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "sys/pty.h"
#include "sys/uds.h"

/* A directory whose path alone is longer than sun_path. */
static int long_dir(char *top)
{
	int fd;

	CHECK(mkdtemp(top));
	fd = open(top, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 4; i++) {
		int deeper;

		CHECK_INT(mkdirat(fd, "a-directory-name-of-forty-characters-....", 0700), 0);
		deeper = openat(fd, "a-directory-name-of-forty-characters-....", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		CHECK(deeper >= 0);
		close(fd);
		fd = deeper;
	}
	return fd;
}

static void long_path_and_descriptors(void)
{
	char top[] = "/tmp/estiba-uds-XXXXXX", got[64];
	int dir = long_dir(top), listener, client, server, fds[UDS_FDS_MAX], pair[2];
	size_t n_fds, len;
	uid_t uid;
	pid_t pid;
	struct stat st;

	CHECK_ERR(uds_connect(dir, "s", SOCK_SEQPACKET, &client), "nobody listens");
	CHECK_OK(uds_listen(dir, "s", SOCK_SEQPACKET, 0600, &listener));
	CHECK_INT(fstatat(dir, "s", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_OK(uds_connect(dir, "s", SOCK_SEQPACKET, &client));
	CHECK_OK(uds_accept(listener, &server));
	CHECK_OK(uds_peer(server, &uid, &pid));
	CHECK_INT(uid, geteuid());
	CHECK_INT(pid, getpid());

	CHECK_INT(pipe2(pair, O_CLOEXEC), 0);
	CHECK_OK(uds_send(client, "hello", 5, &pair[1], 1, 0, NULL));
	CHECK_OK(uds_recv(server, got, sizeof got, fds, &n_fds, 0, &len));
	CHECK_INT(len, 5);
	CHECK_INT(n_fds, 1);
	CHECK_INT(write(fds[0], "x", 1), 1);
	CHECK_INT(read(pair[0], got, 1), 1);

	CHECK_ERR(uds_recv(server, got, sizeof got, fds, &n_fds, MSG_DONTWAIT, &len), "no message");
	CHECK_OK(uds_send(client, "0123456789", 10, NULL, 0, 0, NULL));
	CHECK_ERR(uds_recv(server, got, 4, fds, &n_fds, 0, &len), "too long");
	CHECK_OK(uds_send(client, "x", 1, &pair[1], 1, 0, NULL));
	CHECK_ERR(uds_recv(server, got, sizeof got, NULL, NULL, 0, &len), "unexpected");
	close(client);
	CHECK_OK(uds_recv(server, got, sizeof got, fds, &n_fds, 0, &len));
	CHECK_INT(len, 0);

	/* A second listener takes the name over; the file of a dead one is no listener. */
	close(listener);
	CHECK_ERR(uds_connect(dir, "s", SOCK_SEQPACKET, &client), "nobody listens");
	CHECK_OK(uds_listen(dir, "s", SOCK_SEQPACKET, 0600, &listener));
	CHECK_OK(file_remove_tree(AT_FDCWD, top));
}

static void pty_pair(void)
{
	int master, slave;
	uint16_t w, h;
	char got[8];

	CHECK_OK(pty_open(&master, &slave));
	CHECK(pty_is_tty(slave));
	CHECK_OK(pty_resize(master, 132, 43));
	CHECK_OK(pty_size(slave, &w, &h));
	CHECK_INT(w, 132);
	CHECK_INT(h, 43);
	CHECK_INT(write(slave, "ab", 2), 2);
	CHECK_INT(read(master, got, sizeof got), 2);
	CHECK(!pty_is_tty(open("/dev/null", O_RDONLY | O_CLOEXEC)));
}

CHECK_MAIN(TEST(long_path_and_descriptors), TEST(pty_pair))

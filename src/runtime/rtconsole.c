/* SPDX-License-Identifier: Apache-2.0 */
/* rtconsole.c: open, hand out, attach and relay a container's terminal. */
#include "runtime/rtconsole.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <termios.h>

#include "base/file.h"
#include "base/str.h"
#include "sys/mount.h"

/* asm/ioctls.h; an older C library does not name it. */
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static es_err *connect_to(const char *path, int *ret_fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	es_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	es_autoclose int at = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return es_err_sys(errno, "socket");
	if (at < 0)
		return es_err_sys(errno, "console socket %s", path);
	snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d", at);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		return es_err_sys(errno, "connect to console socket %s", path);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *rtconsole_open(bool terminal, const char *path, int *ours, int *ret_fd)
{
	int pair[2];

	*ret_fd = -1;
	if (!terminal && path)
		return es_err_new(ES_E_INVALID, "cannot use console socket if runc will not detach or allocate tty");
	if (!terminal)
		return NULL;
	if (path)
		return connect_to(path, ret_fd);
	if (!ours)
		return es_err_new(ES_E_INVALID, "cannot allocate tty if runc will detach without setting console socket");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return es_err_sys(errno, "socketpair");
	*ours = pair[0];
	*ret_fd = pair[1];
	return NULL;
}

static es_err *send_fd(int socket, int fd, const char *name)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)name, .iov_len = strlen(name) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(socket, &msg, MSG_NOSIGNAL) < 0 ? es_err_sys(errno, "send terminal to the console socket") : NULL;
}

es_err *rtconsole_receive(int socket, int *ret_master)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char name[256];
	struct iovec iov = { .iov_base = name, .iov_len = sizeof name };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf };
	struct cmsghdr *c;

	if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) < 0)
		return es_err_sys(errno, "receive terminal");
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return es_err_new(ES_E_PROTOCOL, "no terminal was sent");
	memcpy(ret_master, CMSG_DATA(c), sizeof(int));
	return NULL;
}

/* The image or a mount could have put anything at /dev/ptmx: take only the multiplexer of a devpts. */
static es_err *open_ptmx(int *ret_fd)
{
	es_autoclose int fd = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	struct statfs fs;

	if (fd < 0)
		return es_err_sys(errno, "open /dev/pts/ptmx of the container");
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return es_err_sys(errno, "stat /dev/pts/ptmx");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2) || fs.f_type != DEVPTS_SUPER_MAGIC)
		return es_err_new(ES_E_FORBIDDEN, "/dev/pts/ptmx of the container is not a pty multiplexer");
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

static es_err *bind_console(int slave)
{
	es_autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), target = -1, fd = -1;
	bool plain;

	ES_TRY(mount_target_in(root, "/dev/console", false, &target));
	/* A link of the image would put the terminal somewhere else: over a file of procfs, say. */
	ES_TRY(mount_is_plain(root, "/dev/console", target, &plain));
	if (!plain)
		return es_err_new(ES_E_FORBIDDEN, "/dev/console of the image is a symbolic link");
	ES_TRY(mount_clone(slave, "", false, &fd));
	return es_err_in(mount_attach(fd, target), "/dev/console");
}

es_err *rtconsole_take(int socket, const struct oci_process *p, bool bind)
{
	es_autoclose int master = -1, slave = -1;
	unsigned number = 0;
	int zero = 0;
	char name[40];

	ES_TRY(open_ptmx(&master));
	if (ioctl(master, TIOCSPTLCK, &zero) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return es_err_sys(errno, "unlock terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return es_err_sys(errno, "open terminal");
	if (p->console_size) {
		struct winsize ws = { .ws_row = (unsigned short)p->console_size->height,
				      .ws_col = (unsigned short)p->console_size->width };

		if (ioctl(master, TIOCSWINSZ, &ws) < 0)
			return es_err_sys(errno, "size of terminal");
	}
	snprintf(name, sizeof name, "/dev/pts/%u", number);
	if (bind)
		ES_TRY(bind_console(slave));
	ES_TRY(send_fd(socket, master, name));
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return es_err_sys(errno, "controlling terminal");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			return es_err_sys(errno, "standard stream %d", fd);
	return NULL;
}

/* ---- foreground ---- */

static void follow_size(int master)
{
	struct winsize ws;

	if (ioctl(0, TIOCGWINSZ, &ws) == 0)
		ioctl(master, TIOCSWINSZ, &ws);
}

/* Copy what is there; false at the end. */
static bool copy_some(int from, int to)
{
	char buf[16384];
	ssize_t n = file_read_some(from, buf, sizeof buf);
	es_err *err;

	if (n <= 0)
		return false;
	err = file_write_all(to, buf, (size_t)n);
	if (err) {
		es_err_drop(err);
		return false;
	}
	return true;
}

es_err *rtconsole_relay(int master, int exited)
{
	struct termios old;
	bool tty = tcgetattr(0, &old) == 0;
	sigset_t winch;
	es_autoclose int resized = -1;

	sigemptyset(&winch);
	sigaddset(&winch, SIGWINCH);
	sigprocmask(SIG_BLOCK, &winch, NULL);
	resized = signalfd(-1, &winch, SFD_CLOEXEC);
	if (tty) {
		struct termios raw = old;

		cfmakeraw(&raw);
		raw.c_oflag |= OPOST;
		tcsetattr(0, TCSANOW, &raw);
		follow_size(master);
	}
	for (bool in = true, out = true; out;) {
		struct pollfd p[] = { { master, POLLIN, 0 }, { in ? 0 : -1, POLLIN, 0 }, { resized, POLLIN, 0 }, { exited, POLLIN, 0 } };

		if (poll(p, ES_N(p), -1) < 0 && errno != EINTR)
			break;
		if (p[0].revents)
			out = copy_some(master, 1);
		else if (p[3].revents)
			out = false;
		if (p[1].revents)
			in = copy_some(0, master);
		if (p[2].revents) {
			struct signalfd_siginfo si;

			(void)!read(resized, &si, sizeof si);
			follow_size(master);
		}
	}
	if (tty)
		tcsetattr(0, TCSANOW, &old);
	return NULL;
}

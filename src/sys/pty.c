/* SPDX-License-Identifier: Apache-2.0 */
/* pty.c: /dev/ptmx and the window size ioctls. */
#include "sys/pty.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

/* From linux/tty.h; the libraries hide it. */
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

es_err *pty_open(int *ret_master, int *ret_slave)
{
	es_autoclose int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int slave, unlock = 0;

	if (master < 0)
		return es_err_sys(errno, "open /dev/ptmx");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return es_err_sys(errno, "unlock terminal");
	/* By descriptor, not by the name under /dev/pts, which another mount could cover. */
	slave = ioctl(master, (int)TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return es_err_sys(errno, "open terminal");
	*ret_master = ES_TAKE_FD(master);
	*ret_slave = slave;
	return NULL;
}

es_err *pty_resize(int fd, uint16_t width, uint16_t height)
{
	struct winsize ws = { .ws_col = width, .ws_row = height };

	if (ioctl(fd, TIOCSWINSZ, &ws) < 0)
		return es_err_sys(errno, "resize terminal");
	return NULL;
}

es_err *pty_size(int fd, uint16_t *ret_width, uint16_t *ret_height)
{
	struct winsize ws;

	if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return es_err_sys(errno, "size of terminal");
	*ret_width = ws.ws_col;
	*ret_height = ws.ws_row;
	return NULL;
}

bool pty_is_tty(int fd)
{
	struct winsize ws;

	return ioctl(fd, TIOCGWINSZ, &ws) == 0;
}

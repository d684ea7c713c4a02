/* SPDX-License-Identifier: Apache-2.0 */
/* loopdev.c: take a free loop device. */
#include "sys/loopdev.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define TRIES 64 /* others take devices, too */
#define SECTOR 512

es_err *loopdev_new(int file_fd, int *ret_fd)
{
	const struct loop_config config = {
		.fd = (__u32)file_fd,
		.block_size = SECTOR,
		.info = { .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR },
	};
	es_autoclose int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return es_err_sys(errno, "open /dev/loop-control");
	for (int i = 0; i < TRIES; i++) {
		char path[32];
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		if (n < 0)
			return es_err_sys(errno, "find a free loop device");
		(void)snprintf(path, sizeof path, "/dev/loop%d", n);
		es_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return es_err_sys(errno, "open %s", path);
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			*ret_fd = ES_TAKE_FD(fd);
			return NULL;
		}
		if (errno != EBUSY)
			return es_err_sys(errno, "configure %s", path);
	}
	return es_err_new(ES_E_SYSTEM, "no loop device stays free");
}

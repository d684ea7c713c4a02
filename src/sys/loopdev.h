/* SPDX-License-Identifier: Apache-2.0 */
/* loopdev.h: loop devices (LOOP_CONFIGURE, Linux 5.8): a file as a block device, for file systems that take no file. */
#pragma once

#include "base/err.h"

/* A read-only device of FILE_FD (borrowed) with sectors of 512 bytes. *RET_FD keeps it; it goes when the last user, mounts included, has gone. */
es_err *loopdev_new(int file_fd, int *ret_fd) ES_CHECKED;

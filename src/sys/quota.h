/* SPDX-License-Identifier: Apache-2.0 */
/* quota.h: how many bytes a directory tree may hold, by project quotas of ext4, xfs and f2fs (quotactl_fd(2), Linux 5.14). */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* FD: anything on the file system (O_PATH is fine), borrowed. ES_E_UNSUPPORTED says what is missing there: enforced project quotas, or
 * in an older kernel the call. */
es_err *quota_check(int fd) ES_CHECKED;
/* Hard limit of PROJECT; BYTES 0: none. Whole KiB, rounded up. Needs CAP_SYS_ADMIN in the first user namespace. */
es_err *quota_limit(int fd, uint32_t project, uint64_t bytes) ES_CHECKED;
/* Inodes that PROJECT has: 0 means that nothing is left of it. */
es_err *quota_inodes(int fd, uint32_t project, uint64_t *ret) ES_CHECKED;
/* Put the (empty) directory DIR_FD, not O_PATH, and all that is made in it from now on into PROJECT. */
es_err *quota_join(int dir_fd, uint32_t project) ES_CHECKED;
/* The project of DIR_FD, not O_PATH; 0: none, or the file system has no such thing. */
uint32_t quota_project(int dir_fd);

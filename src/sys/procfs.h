/* SPDX-License-Identifier: Apache-2.0 */
/* procfs.h: files of a procfs that is proven to be one, so that a write reaches the process it is meant for. */
#pragma once

#include "base/err.h"

/* /proc as the caller sees it, as an O_PATH descriptor, after the proof that it is the root of a procfs. The caller closes it. */
es_err *procfs_host(int *ret_fd) ES_CHECKED;
/* ES_E_FORBIDDEN unless FD is the root of a procfs. */
es_err *procfs_check(int fd) ES_CHECKED;
/* Open PATH ("self/oom_score_adj", "sys/net/…") below PROC, the root of a procfs. What is mounted on top of a file inside it is
 * refused (EXDEV), and so are its magic links: CVE-2025-52881. */
es_err *procfs_open(int proc, const char *path, int flags, int *ret_fd) ES_CHECKED;
/* Write TEXT with one call, as the kernel's files want it. */
es_err *procfs_put(int proc, const char *path, const char *text) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* file.h: whole files by descriptor: read, write so that a crash leaves the old or the new, make and remove trees. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

/* DIRFD + PATH as for openat(2). ES_E_NOT_FOUND when it does not exist; ES_E_LIMIT above MAX bytes. The text is
 * NUL-terminated and the caller's; RET_LEN may be NULL. */
es_err *file_read(int dirfd, const char *path, size_t max, char **ret_text, size_t *ret_len) ES_CHECKED;
/* The rest of FD. */
es_err *file_read_all(int fd, size_t max, char **ret_text, size_t *ret_len) ES_CHECKED;
/* Every byte, over short writes and EINTR. */
es_err *file_write_all(int fd, const void *bytes, size_t n) ES_CHECKED;
/* Write into an existing file such as one of procfs or cgroupfs, in one write(2). */
es_err *file_put(int dirfd, const char *path, const char *text) ES_CHECKED;
/* Write PATH.XXXX beside it and rename over PATH; with SYNC also fdatasync and fsync of the directory. */
es_err *file_replace(int dirfd, const char *path, const void *bytes, size_t n, mode_t mode, bool sync) ES_CHECKED;
/* mkdir -p; MODE is for what is made. */
es_err *file_mkdir_p(int dirfd, const char *path, mode_t mode) ES_CHECKED;
/* rm -rf without following links or crossing into another mount; a missing PATH is success. */
es_err *file_remove_tree(int dirfd, const char *path) ES_CHECKED;
/* The same until *STOP is true (another thread's word): then ES_E_CANCELLED, and what is left can be removed again. */
es_err *file_remove_tree_until(int dirfd, const char *path, const atomic_bool *stop) ES_CHECKED;
/* read(2)/write(2) that retry on EINTR only. */
ssize_t file_read_some(int fd, void *bytes, size_t n);
/* Copy from IN to OUT until end of file (splice or copy_file_range where possible). RET_BYTES may be NULL. */
es_err *file_pump(int in, int out, uint64_t *ret_bytes) ES_CHECKED;
/* Set or clear O_NONBLOCK / FD_CLOEXEC. */
es_err *file_set_nonblock(int fd, bool on) ES_CHECKED;
es_err *file_set_cloexec(int fd, bool on) ES_CHECKED;
/* Directory of the running program, for finding companions beside it (or in ../libexec/estiba). Heap. */
es_err *file_companion(const char *name, char **ret_path) ES_CHECKED;
/* Names in directory PATH but for "." and "..", sorted (a char ** vector). ES_E_NOT_FOUND. */
es_err *file_names(int dirfd, const char *path, char ***ret_names) ES_CHECKED;

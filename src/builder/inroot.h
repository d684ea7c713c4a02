/* SPDX-License-Identifier: Apache-2.0 */
/* inroot.h: paths inside a root that strangers filled: every look-up stays below a directory descriptor, whatever links say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"

/* BASE (may be "/", "") and PATH joined as docker does (an absolute PATH replaces BASE), cleaned, with a leading slash. */
char *inroot_join(struct arena *a, const char *base, const char *path);

/* open(2) of PATH as if ROOT were "/" (openat2(2), RESOLVE_IN_ROOT; never blocks on a pipe or a device). ES_E_NOT_FOUND. */
es_err *inroot_open(int root, const char *path, int flags, int *ret_fd) ES_CHECKED;
/* fstatat(2) that follows links inside the root. ES_E_NOT_FOUND. */
es_err *inroot_stat(int root, const char *path, struct stat *ret) ES_CHECKED;
/* mkdir -p; what is made gets MODE and the owner. RET_FD (O_PATH) may be NULL, so may RET_MADE: was the last part made? */
es_err *inroot_mkdir_p(int root, const char *path, mode_t mode, uid_t uid, gid_t gid, int *ret_fd, bool *ret_made) ES_CHECKED;
/* A whole regular file. ES_E_NOT_FOUND, ES_E_LIMIT. Heap; RET_LEN may be NULL. */
es_err *inroot_read(int root, const char *path, size_t max, char **ret_text, size_t *ret_len) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp.h: load a compiled system call filter into the calling thread (seccomp(2)). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SECCOMP_PROGRAM_MAX (4096u * 8u) /* bytes: BPF_MAXINSNS instructions */

/* The whole of FD (from its start, by pread) as one program: heap, *RET_LEN bytes, a multiple of eight. */
es_err *seccomp_read(int fd, void **ret_program, size_t *ret_len) ES_CHECKED;
/* "SECCOMP_FILTER_FLAG_LOG" to its bit; ES_E_INVALID for an unknown name. */
es_err *seccomp_flag(const char *name, unsigned *ret_bit) ES_CHECKED;
/* Needs no_new_privs or CAP_SYS_ADMIN. FLAGS as for seccomp(2). */
es_err *seccomp_load(const void *program, size_t len, unsigned flags) ES_CHECKED;
/* The same for a program that asks somebody (SECCOMP_RET_USER_NOTIF): the descriptor that the questions come out of, CLOEXEC. */
es_err *seccomp_load_notify(const void *program, size_t len, unsigned flags, int *ret_listener) ES_CHECKED;
/* Flags that this kernel takes, of those that seccomp_flag() knows. */
bool seccomp_flag_works(unsigned bit);

struct sock_filter;
#define SECCOMP_ALLOW_MAX 160 /* numbers of a list */
#define SECCOMP_EXTRA_MAX 32  /* instructions of one's own */

/* All threads of a helper keep the calls in ALLOWED and clone(2) for threads; what else it calls fails with ENOSYS, so that libraries
 * take their older ways, and another architecture's calls kill. EXTRA (may be NULL) stands before the list, is entered with the
 * call's number in the accumulator, and must leave it there where it goes on. A program built with a sanitizer keeps everything,
 * for sanitizers do as they like. Needs no_new_privs. */
es_err *seccomp_allow_only(const int *allowed, size_t n, const struct sock_filter *extra, size_t n_extra) ES_CHECKED;

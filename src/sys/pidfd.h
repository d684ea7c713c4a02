/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd.h: processes held by descriptor, and the proof that a recorded pid is still the process that was meant. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* ES_E_NOT_FOUND when no such process exists (a zombie still does). */
es_err *pidfd_of(pid_t pid, int *ret_pidfd) ES_CHECKED;
/* Start time of PID in clock ticks since boot (proc(5), field 22 of /proc/PID/stat): with the pid and the boot it
 * names a process uniquely. ES_E_NOT_FOUND when it is gone. */
es_err *pidfd_start_ticks(pid_t pid, uint64_t *ret_ticks) ES_CHECKED;
/* Open PID only if it is the process that started at START_TICKS; ES_E_NOT_FOUND when it is gone or another one. The
 * time is read after the descriptor is open, so the number cannot be reused in between. */
es_err *pidfd_of_proven(pid_t pid, uint64_t start_ticks, int *ret_pidfd) ES_CHECKED;
/* ES_E_NOT_FOUND when it has exited and was reaped. */
es_err *pidfd_signal(int pidfd, int sig) ES_CHECKED;
/* True once the process has exited (poll(2) with no wait). */
bool pidfd_has_exited(int pidfd);
/* Wait until it has exited, at most TIMEOUT_MS (-1: for ever); ES_E_TIMEOUT. Does not reap. */
es_err *pidfd_wait_exit(int pidfd, int timeout_ms) ES_CHECKED;
/* Wait for our own child and reap it; *RET_STATUS is as from waitpid(2). */
es_err *pidfd_reap(int pidfd, int *ret_status) ES_CHECKED;

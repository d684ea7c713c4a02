/* SPDX-License-Identifier: Apache-2.0 */
/* rtnotify.h: hand the listener of a process's system call filter to the agent that answers its questions (OCI config-linux,
 * seccomp: listenerPath, and the container process state). */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/rtstate.h"
#include "spec/oci_runtime.h"

/* Whether a rule of P asks (SCMP_ACT_NOTIFY); else listenerPath means nothing. */
bool rtnotify_wanted(const struct oci_seccomp *p);
/* Take the descriptor LISTENER of the process PID (held by PIDFD) and send it over a connection of its own to P's agent, with the
 * state of the container, whose status is STATUS. */
es_err *rtnotify_send(const struct oci_seccomp *p, const struct rtstate *s, const char *status, pid_t pid, int pidfd, int listener) ES_CHECKED;

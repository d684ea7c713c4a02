/* SPDX-License-Identifier: Apache-2.0 */
/* rtscope.h: a container's scope of systemd, made, changed and stopped by estiba-systemd (doc/format/scope.md). */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "spec/scope.h"

/* The helper, which is in the scope as long as no process of the container is. */
struct rtscope {
	int to, from; /* its standard input and output */
	pid_t pid;    /* 0: none runs */
};

/* Whether this build has the helper. */
bool rtscope_is_built(void);
/* Whether the caller's own service manager is the one to ask: without root's rights, or with those of a user namespace. */
bool rtscope_is_users(void);

/* R->op "start": *RET_CGROUP (in A) is the scope's control group, and *RET is to be released. ES_E_UNSUPPORTED where systemd does not
 * run or the helper is missing. */
es_err *rtscope_start(struct arena *a, struct scope_request *r, struct rtscope *ret, const char **ret_cgroup) ES_CHECKED;
/* A helper that puts processes into the scope that exists. */
es_err *rtscope_open(struct arena *a, const char *unit, bool user, struct rtscope *ret) ES_CHECKED;
/* Have systemd put PID into it. Allocates nothing: 0 or errno. */
int rtscope_attach(const struct rtscope *s, pid_t pid);
/* Let the helper go and wait until it is out of the scope. Allocates nothing; none is fine. */
void rtscope_release(struct rtscope *s);
/* R->op "set" or "stop". */
es_err *rtscope_call(struct arena *a, struct scope_request *r) ES_CHECKED;

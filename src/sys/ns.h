/* SPDX-License-Identifier: Apache-2.0 */
/* ns.h: the kinds of namespaces: names, clone flags, joining. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum ns_kind { NS_USER, NS_MOUNT, NS_UTS, NS_IPC, NS_PID, NS_NET, NS_CGROUP, NS_TIME, NS_N };

/* Row: the OCI name, the file under /proc/PID/ns, the clone flag. */
struct ns_row {
	const char *name, *file;
	uint64_t flag;
};
extern const struct ns_row ns_rows[NS_N];

/* Whether the calling process is in the first user namespace, whose root is the machine's. */
bool ns_user_is_first(void);
/* Kind by OCI name ("network"); -1 when unknown. */
int ns_kind_of(const char *name);
/* Open a namespace file and check that it is one of KIND. */
es_err *ns_open(enum ns_kind kind, const char *path, int *ret_fd) ES_CHECKED;
/* Move the calling thread (pid, time: its future children). */
es_err *ns_join(enum ns_kind kind, int fd) ES_CHECKED;
/* Move the calling thread into FLAGS' namespaces of a process, in one system call. */
es_err *ns_join_of(int pidfd, uint64_t flags) ES_CHECKED;

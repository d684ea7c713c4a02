/* SPDX-License-Identifier: Apache-2.0 */
/* devbpf.h: which devices a v2 cgroup may use, as a BPF program made from a list of rules. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DEVBPF_MKNOD = 1, DEVBPF_READ = 2, DEVBPF_WRITE = 4, DEVBPF_ALL = 7 }; /* bits of linux/bpf.h */

struct devbpf_rule {
	bool allow;
	char type;            /* 'a', 'b', 'c' */
	int64_t major, minor; /* -1: any */
	unsigned access;
};

/* The later rule wins; without any rule everything is denied. */
es_err *devbpf_attach(int cgroup_fd, const struct devbpf_rule *rules, size_t n) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* oom.h: notice that the kernel killed for lack of memory inside one cgroup, v1 or v2. */
#pragma once

#include "sys/loop.h"

struct oom {
	struct loop *loop;
	struct loop_io io;
	int dir_fd;  /* the cgroup's directory, -1: not watched */
	int file_fd; /* v2: memory.events; v1: memory.oom_control */
	const char *file;
	int64_t kills; /* seen so far */
	uint64_t early; /* pokes of the eventfd that no kill was seen for yet */
	void (*fn)(void *self); /* more kills than before */
	void *self;
};

/* Watch the cgroup at DIR (borrowed only here). fn and self are set before. */
es_err *oom_open(struct oom *o, struct loop *l, const char *dir) ES_CHECKED;
void oom_done(struct oom *o); /* a zeroed one is fine */
/* Look now; true (and remembered) when kills happened since the last look. */
bool oom_check(struct oom *o);

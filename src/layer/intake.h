/* SPDX-License-Identifier: Apache-2.0 */
/* intake.h: the stream that comes in: decompressed in its own thread, hashed, copied, and handed to the tar reader. */
#pragma once

#include "codec/tar.h"
#include "pack/ahead.h"
#include "pack/digest.h"
#include "pack/expand.h"

struct intake {
	struct expand *expand;
	struct ahead *ahead;
	struct digest *digest; /* of the bytes inside */
	int copy_fd;           /* gets them too; -1: nobody does */
	uint64_t bytes, max;
};

/* FD and COPY_FD are borrowed. ES_E_LIMIT later, when more than MAX bytes come out. */
es_err *intake_open(struct intake *in, int fd, int copy_fd, uint64_t max) ES_CHECKED;
/* The stream is what FN hands to ahead_put, in a thread of its own: made here, not compressed; expand is NULL. */
es_err *intake_run(struct intake *in, es_err *(*fn)(void *self, struct ahead *to), void *self, int copy_fd) ES_CHECKED;
void intake_close(struct intake *in); /* zeroed is fine */
/* The next bytes, borrowed until the next call; *RET_N is 0 at the end. A tar_source's read. */
es_err *intake_read(void *in, const char **ret_bytes, size_t *ret_n) ES_CHECKED;
/* What is left, for digests and copy. */
es_err *intake_drain(struct intake *in) ES_CHECKED;
#define es_autointake es_auto(intake_close) struct intake

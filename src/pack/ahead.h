/* SPDX-License-Identifier: Apache-2.0 */
/* ahead.h: a producer in its own thread, a bounded ring of buffers, and a consumer that borrows them. */
#pragma once

#include "base/err.h"

#define AHEAD_BUFFERS 8
#define AHEAD_BUFFER_SIZE ((size_t)256 << 10)

struct ahead;

/* PRODUCE is called in the new thread with a buffer to fill, until it gives 0 bytes or an error. SELF must outlive it. */
es_err *ahead_start(es_err *(*produce)(void *self, char *out, size_t size, size_t *ret_n), void *self,
		    struct ahead **ret) ES_CHECKED;
/* The other way round: RUN is called once in the new thread and hands its bytes to ahead_put. */
es_err *ahead_start_run(es_err *(*run)(void *self, struct ahead *to), void *self, struct ahead **ret) ES_CHECKED;
/* In RUN only: copies. ES_E_CANCELLED when the consumer has gone. */
es_err *ahead_put(struct ahead *to, const void *bytes, size_t n) ES_CHECKED;
/* The next buffer, borrowed until the next call; *RET_N is 0 at the end. The producer's error comes after what it produced. */
es_err *ahead_read(struct ahead *a, const char **ret_bytes, size_t *ret_n) ES_CHECKED;
/* Tells the producer to stop after its current call and waits for it. NULL is fine. */
void ahead_free(struct ahead *a);

static inline void ahead_free_p(struct ahead **a)
{
	ahead_free(*a);
	*a = NULL;
}
#define es_autoahead es_auto(ahead_free_p) struct ahead

/* SPDX-License-Identifier: Apache-2.0 */
/* ctxtar.h: a build context as a tar stream, made while it is sent. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "codec/ignore.h"

struct ctxtar;

/* Everything below DIRFD (borrowed) that IGNORE does not leave out, in the order of names, owned by root. KEEP: paths that are
 * sent whatever IGNORE says (the Dockerfile, .dockerignore). IGNORE and KEEP may be NULL. */
es_err *ctxtar_new(int dirfd, const struct ignore *ignore, char *const *keep, struct ctxtar **ret) ES_CHECKED;
void ctxtar_free(struct ctxtar *t); /* NULL is fine */
/* One more file, with content from memory (borrowed), in front of the rest. */
void ctxtar_add(struct ctxtar *t, const char *name, const char *bytes, size_t n);
/* Up to MAX bytes of the stream; *RET_N 0 is its end. The signature is that of a request body's source. */
es_err *ctxtar_read(void *self, void *buf, size_t max, size_t *ret_n) ES_CHECKED;
/* Bytes given out so far. */
uint64_t ctxtar_sent(const struct ctxtar *t);

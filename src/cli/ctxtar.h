/* SPDX-License-Identifier: Apache-2.0 */
/* ctxtar.h: a build context as a tar stream, made while it is sent. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "codec/ignore.h"

struct ctxtar;

/* What is packed. Zeroed: everything below the directory, under its own names, owned by root. */
struct ctxtar_what {
	const struct ignore *ignore; /* leave out what it names… */
	char *const *keep;           /* …but not these paths */
	const char *only;            /* this one entry of the directory (a file or a link) instead of everything */
	const char *rename;          /* the name of the whole in the archive: of ONLY, or of a directory around everything */
	bool owners;                 /* owners as they are */
};
/* DIRFD (borrowed) -1: nothing but what ctxtar_add brings. Names come in their order. */
es_err *ctxtar_new(int dirfd, const struct ctxtar_what *what, struct ctxtar **ret) ES_CHECKED;
void ctxtar_free(struct ctxtar *t); /* NULL is fine */
/* One more file, with content from memory (borrowed), in front of the rest. */
void ctxtar_add(struct ctxtar *t, const char *name, const char *bytes, size_t n);
/* Up to MAX bytes of the stream; *RET_N 0 is its end. The signature is that of a request body's source. */
es_err *ctxtar_read(void *self, void *buf, size_t max, size_t *ret_n) ES_CHECKED;
/* Bytes given out so far. */
uint64_t ctxtar_sent(const struct ctxtar *t);

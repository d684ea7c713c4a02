/* SPDX-License-Identifier: Apache-2.0 */
/* expand.h: a compressed stream from a descriptor, its kind told by its first bytes, as the bytes inside it. */
#pragma once

#include <stdint.h>

#include "base/err.h"

enum pack_kind { PACK_PLAIN, PACK_GZIP, PACK_ZSTD, PACK_XZ, PACK_BZIP2 };

#define EXPAND_WINDOW_LOG_MAX 27            /* zstd: 128 MiB of window, its own default */
#define EXPAND_MEMORY_MAX ((uint64_t)128 << 20) /* bytes that xz may want */

struct expand;

/* Reads the first bytes of FD (borrowed). ES_E_UNSUPPORTED when this build cannot read the kind. */
es_err *expand_open(int fd, struct expand **ret) ES_CHECKED;
void expand_free(struct expand *x); /* NULL is fine */
/* Up to SIZE bytes to OUT; *RET_N is 0 only at the end of the stream. Concatenated streams are one. Errors: ES_E_INVALID
 * when it is damaged, cut short or followed by something else. */
es_err *expand_read(struct expand *x, char *out, size_t size, size_t *ret_n) ES_CHECKED;
enum pack_kind expand_kind(const struct expand *x);
const char *pack_kind_name(enum pack_kind kind); /* "gzip" */
/* At the end: how many bytes FD gave, and their digest ("sha256:…", DIGEST_TEXT_MAX bytes at OUT). */
uint64_t expand_input_bytes(const struct expand *x);
char *expand_input_digest(struct expand *x, char *out);

static inline void expand_free_p(struct expand **x)
{
	expand_free(*x);
	*x = NULL;
}
#define es_autoexpand es_auto(expand_free_p) struct expand

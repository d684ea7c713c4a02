/* SPDX-License-Identifier: Apache-2.0 */
/* blob.h: small content by digest: manifests, indexes, image configs. Layers are in layers.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/lease.h"
#include "store/store.h"

#define BLOB_MAX (8u << 20)    /* bytes; image configs of real images stay below 1 MB, registries refuse manifests over 4 MiB */
#define BLOB_DIGEST_MAX 72     /* "sha256:" + 64 + NUL */

/* "sha256:" + 64 lower-case hexadecimal digits, and nothing else. */
bool blob_is_digest(const char *text);
/* Digest of bytes in memory. RET has BLOB_DIGEST_MAX bytes; returned. */
char *blob_digest(const void *bytes, size_t n, char *ret);

/* Keep BYTES; LEASE holds them. WANT: the digest they must have (ES_E_INVALID otherwise), or NULL. RET_DIGEST
 * (BLOB_DIGEST_MAX bytes) may be NULL. On disk when it returns. */
es_err *blob_put(struct store *st, struct lease *lease, const void *bytes, size_t n, const char *want, char *ret_digest) ES_CHECKED;
bool blob_has(struct store *st, const char *digest);
/* Whole content, NUL-terminated, in ARENA, verified against its digest. ES_E_NOT_FOUND; ES_E_INTERNAL when it is damaged. */
es_err *blob_read(struct store *st, struct arena *a, const char *digest, char **ret_bytes, size_t *ret_n) ES_CHECKED;

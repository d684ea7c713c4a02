/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h: SHA-256 at the speed of OpenSSL, for helpers that hash whole layers. */
#pragma once

#include <stddef.h>

#define DIGEST_TEXT_MAX 72 /* "sha256:", 64 digits, NUL */

struct digest;

struct digest *digest_new(void);
void digest_free(struct digest *d); /* NULL is fine */
void digest_add(struct digest *d, const void *bytes, size_t n);
/* "sha256:…" at OUT (DIGEST_TEXT_MAX bytes); D is at its end afterwards. Returns OUT. */
char *digest_end(struct digest *d, char *out);

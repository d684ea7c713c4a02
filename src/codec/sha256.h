/* SPDX-License-Identifier: Apache-2.0 */
/* sha256.h: SHA-256 (FIPS 180-4) in pieces; a plain struct, so that a half-done digest can be copied and kept. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_HEX 64

struct sha256 {
	uint32_t h[8];
	uint64_t n;               /* bytes so far */
	unsigned char block[64];  /* the last n % 64 of them */
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t n);
/* Ends S, which must be initialised again before its next use. */
void sha256_end(struct sha256 *s, unsigned char out[SHA256_BYTES]);
/* The same as 64 lower-case digits and a NUL; returns OUT. */
char *sha256_end_hex(struct sha256 *s, char out[SHA256_HEX + 1]);

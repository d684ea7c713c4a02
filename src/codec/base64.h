/* SPDX-License-Identifier: Apache-2.0 */
/* base64.h: bytes as text and back (RFC 4648), both alphabets, with and without padding. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum base64_kind {
	BASE64_STD,     /* + and /, padded */
	BASE64_URL,     /* - and _, padded */
	BASE64_STD_RAW, /* not padded */
	BASE64_URL_RAW,
};

/* Bytes that base64_encode may write for N bytes, without the NUL; unpadded kinds write fewer. */
static inline size_t base64_encoded_len(size_t n)
{
	return (n + 2) / 3 * 4;
}
/* Bytes that base64_decode may write at most for N characters. */
static inline size_t base64_decoded_max(size_t n)
{
	return n / 4 * 3 + 3;
}
/* Writes base64_encoded_len(N) + 1 bytes at most, with a NUL; returns the length. */
size_t base64_encode(const void *bytes, size_t n, enum base64_kind kind, char *out);
/* Strict: padding exactly as KIND says, no blanks except line ends (skipped, as Go does), unused bits are not looked at.
 * False when TEXT is not base64. */
bool base64_decode(const char *text, size_t n, enum base64_kind kind, unsigned char *out, size_t *ret_n);

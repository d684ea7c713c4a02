/* SPDX-License-Identifier: Apache-2.0 */
/* base64.c: four characters for three bytes. */
#include "codec/base64.h"

#include <stdint.h>

static const char alphabets[2][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

static bool is_url(enum base64_kind kind)
{
	return kind == BASE64_URL || kind == BASE64_URL_RAW;
}

static bool is_padded(enum base64_kind kind)
{
	return kind == BASE64_STD || kind == BASE64_URL;
}

size_t base64_encode(const void *bytes, size_t n, enum base64_kind kind, char *out)
{
	const char *alphabet = alphabets[is_url(kind)];
	const unsigned char *in = bytes;
	char *at = out;

	for (; n > 0; in += 3) {
		size_t here = n < 3 ? n : 3;
		uint32_t v = (uint32_t)in[0] << 16 | (here > 1 ? (uint32_t)in[1] << 8 : 0) | (here > 2 ? in[2] : 0);

		for (size_t i = 0; i < 4; i++, v <<= 6)
			if (i <= here)
				*at++ = alphabet[v >> 18 & 63];
			else if (is_padded(kind))
				*at++ = '=';
		n -= here;
	}
	*at = '\0';
	return (size_t)(at - out);
}

static int digit(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	return c == (url ? '_' : '/') ? 63 : -1;
}

bool base64_decode(const char *text, size_t n, enum base64_kind kind, unsigned char *out, size_t *ret_n)
{
	uint32_t v = 0;
	size_t digits = 0, pads = 0, len = 0;

	for (size_t i = 0; i < n; i++) {
		int d;

		if (text[i] == '\r' || text[i] == '\n')
			continue;
		if (text[i] == '=') {
			pads++;
			continue;
		}
		d = digit(text[i], is_url(kind));
		if (d < 0 || pads > 0)
			return false;
		v = v << 6 | (uint32_t)d;
		if (++digits % 4 == 0) {
			out[len++] = (unsigned char)(v >> 16);
			out[len++] = (unsigned char)(v >> 8);
			out[len++] = (unsigned char)v;
		}
	}
	if (digits % 4 == 1 || pads != (is_padded(kind) ? (4 - digits % 4) % 4 : 0))
		return false;
	if (digits % 4 == 2)
		out[len++] = (unsigned char)(v >> 4);
	if (digits % 4 == 3) {
		out[len++] = (unsigned char)(v >> 10);
		out[len++] = (unsigned char)(v >> 2);
	}
	*ret_n = len;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_sha256.c: the vectors of FIPS 180-4, and every way to cut the same bytes. */
#include "check.h"

#include "codec/sha256.h"

static void vectors(void)
{
	static const struct { const char *in, *hex; } rows[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		char hex[SHA256_HEX + 1];
		struct sha256 s;

		sha256_init(&s);
		sha256_add(&s, rows[i].in, strlen(rows[i].in));
		CHECK_STR(sha256_end_hex(&s, hex), rows[i].hex);
	}
}

static void pieces(void)
{
	char text[300], whole[SHA256_HEX + 1], cut[SHA256_HEX + 1];

	memset(text, 'x', sizeof text);
	for (size_t n = 0; n < sizeof text; n++)
		for (size_t at = 0; at <= n; at += 1 + n / 7) {
			struct sha256 s;

			sha256_init(&s);
			sha256_add(&s, text, n);
			sha256_end_hex(&s, whole);
			sha256_init(&s);
			sha256_add(&s, text, at);
			sha256_add(&s, text + at, n - at);
			CHECK_STR(sha256_end_hex(&s, cut), whole);
		}
}

CHECK_MAIN(TEST(vectors), TEST(pieces))

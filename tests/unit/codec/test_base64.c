/* SPDX-License-Identifier: Apache-2.0 */
/* test_base64.c: RFC 4648's own rows, both alphabets, and text that is not base64. */
#include "codec/base64.h"

#include "check.h"

static void encode_rows(void)
{
	static const struct {
		const char *in, *std, *raw;
	} rows[] = {
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" },
		{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
		{ "\xfb\xff\xfe", "+//+", "+//+" },
	};
	char text[64];
	unsigned char back[64];
	size_t n;

	for (size_t i = 0; i < ES_N(rows); i++) {
		CHECK_INT(base64_encode(rows[i].in, strlen(rows[i].in), BASE64_STD, text), strlen(rows[i].std));
		CHECK_STR(text, rows[i].std);
		CHECK(base64_decode(text, strlen(text), BASE64_STD, back, &n));
		CHECK_INT(n, strlen(rows[i].in));
		CHECK(memcmp(back, rows[i].in, n) == 0);
		base64_encode(rows[i].in, strlen(rows[i].in), BASE64_STD_RAW, text);
		CHECK_STR(text, rows[i].raw);
	}
	base64_encode("\xfb\xff\xfe", 3, BASE64_URL, text);
	CHECK_STR(text, "-__-");
}

static void bad_rows(void)
{
	static const struct {
		const char *in;
		enum base64_kind kind;
	} rows[] = {
		{ "Zg", BASE64_STD }, { "Zg=", BASE64_STD }, { "Z===", BASE64_STD }, { "Zg==Zg==", BASE64_STD },
		{ "Zg==", BASE64_STD_RAW }, { "-__-", BASE64_STD }, { "+//+", BASE64_URL }, { "Z g=", BASE64_STD },
	};
	unsigned char back[64];
	size_t n;

	for (size_t i = 0; i < ES_N(rows); i++)
		CHECK(!base64_decode(rows[i].in, strlen(rows[i].in), rows[i].kind, back, &n));
	CHECK(base64_decode("Zm9v\r\nYg==\n", 11, BASE64_STD, back, &n));
	CHECK_INT(n, 4);
}

CHECK_MAIN(TEST(encode_rows), TEST(bad_rows))

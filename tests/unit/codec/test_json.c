/* SPDX-License-Identifier: Apache-2.0 */
/* test_json.c: texts and what they become when read and written again, refusals, and building. */
#include "codec/json.h"

#include "check.h"

static void round_rows(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "null", "null" },
		{ " [ ] ", "[]" },
		{ "{}", "{}" },
		{ "{\"a\": [1, -2.5e10, true, false, null]}", "{\"a\":[1,-2.5e10,true,false,null]}" },
		{ "18446744073709551615", "18446744073709551615" },
		{ "\"\"", "\"\"" },
		{ "\"a\\u0000b\"", "\"a\\u0000b\"" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
		{ "\"\\u00e9\\ud83d\\ude00\"", "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
		{ "\"\\ud83d\"", "\"\xef\xbf\xbd\"" },
		{ "\"\\ud83dx\\ude00\"", "\"\xef\xbf\xbdx\xef\xbf\xbd\"" },
		{ "\"\xff\"", "\"\xef\xbf\xbd\"" },
		{ "\"ab\\n\xff\xfe\\tcd\xc3\xa9\"", "\"ab\\n\xef\xbf\xbd\xef\xbf\xbd\\tcd\xc3\xa9\"" },
		{ "\"\xff\\\\\"", "\"\xef\xbf\xbd\\\\\"" },
		{ "\"\xed\xa0\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\"<a>&\"", "\"\\u003ca\\u003e\\u0026\"" },
		{ "\"\xe2\x80\xa8\"", "\"\\u2028\"" },
		{ "\"\\u007f\\u001f\"", "\"\x7f\\u001f\"" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		es_autobuf out = ES_BUF(1000);
		struct json *v;

		CHECK_OK(json_parse(a, rows[i].in, strlen(rows[i].in), &v));
		json_write(&out, v, 0);
		CHECK_STR(es_buf_str(&out), rows[i].out);
	}
}

static void bad_rows(void)
{
	static const struct {
		const char *in, *err;
	} rows[] = {
		{ "", "unexpected end of JSON input" },
		{ "{", "unexpected end" },
		{ "\"a", "unexpected end" },
		{ "\"\\", "unexpected end" },
		{ "\"\\u12", "unexpected end" },
		{ "\"\xff", "unexpected end" },
		{ "\"\xff\\", "unexpected end" },
		{ "[1,]", "invalid character ']' looking for beginning of value at byte 3" },
		{ "[1 2]", "invalid character '2' after array element" },
		{ "{a:1}", "invalid character 'a' looking for beginning of object key string" },
		{ "{\"a\" 1}", "invalid character '1' after object key" },
		{ "{\"a\":1 \"b\"}", "after object key:value pair" },
		{ "{\"a\":1,}", "looking for beginning of object key string" },
		{ "nul", "unexpected end" },
		{ "nulx", "invalid character 'x' in literal null (expecting 'l')" },
		{ "01", "invalid character '1' after top-level value" },
		{ "1.x", "after decimal point in numeric literal" },
		{ "1ex", "in exponent of numeric literal" },
		{ "-", "unexpected end" },
		{ "+1", "looking for beginning of value" },
		{ "\"\n\"", "invalid character '\\x0a' in string literal" },
		{ "\"\\x\"", "in string escape code" },
		{ "\"\\u12g4\"", "in \\u hexadecimal character escape" },
		{ "1 2", "after top-level value" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct json *v = NULL;

		CHECK_ERR(json_parse(a, rows[i].in, strlen(rows[i].in), &v), rows[i].err);
		CHECK(v == NULL);
	}
}

static void depth(void)
{
	es_autoarena *a = arena_new();
	char text[2 * JSON_DEPTH_MAX + 3];
	struct json *v;

	for (int n = JSON_DEPTH_MAX; n <= JSON_DEPTH_MAX + 1; n++) {
		memset(text, '[', (size_t)n);
		memset(text + n, ']', (size_t)n);
		if (n == JSON_DEPTH_MAX)
			CHECK_OK(json_parse(a, text, (size_t)n * 2, &v));
		else
			CHECK_ERR(json_parse(a, text, (size_t)n * 2, &v), "nested deeper than 128");
	}
}

static void nul_in_text(void)
{
	es_autoarena *a = arena_new();
	struct json *v;

	CHECK_ERR(json_parse(a, "\"a\0b\"", 5, &v), "invalid character '\\x00' in string literal");
	CHECK_ERR(json_parse(a, "1\0", 2, &v), "after top-level value");
}

static void prefix_rows(void)
{
	static const struct {
		const char *in;
		size_t used;
	} rows[] = {
		{ "{\"a\":\"}\"} {\"b\":2}", 9 }, { " 12 13", 3 }, { "[[],[1]]x", 8 }, { "\"a\\\"\"\"b\"", 5 },
		{ "true,", 4 },			  { "null", 4 },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct json *v;
		size_t used;

		CHECK_OK(json_parse_prefix(a, rows[i].in, strlen(rows[i].in), &v, &used));
		CHECK_INT(used, rows[i].used);
	}
}

static void lookups(void)
{
	static const char text[] = "{\"a\":{\"b\":[\"x\",7,1.5]},\"a2\":true,\"d\":1,\"d\":2,\"big\":9223372036854775808}";
	es_autoarena *a = arena_new();
	struct json *v, *b;

	CHECK_OK(json_parse(a, text, sizeof text - 1, &v));
	b = json_get(json_get(v, "a"), "b");
	CHECK_STR(json_str(json_at(b, 0)), "x");
	CHECK_INT(json_i64(json_at(b, 1), -1), 7);
	CHECK_INT(json_i64(json_at(b, 2), -1), -1);
	CHECK(json_at(b, 3) == NULL);
	CHECK(json_get(json_get(v, "none"), "b") == NULL);
	CHECK(json_bool(json_get(v, "a2"), false));
	CHECK_INT(json_i64(json_get(v, "d"), 0), 2);
	CHECK_INT(json_i64(json_get(v, "big"), -5), -5);
}

static void building(void)
{
	es_autoarena *a = arena_new();
	es_autobuf out = ES_BUF(1000);
	struct json *o = json_new_object(a), *list = json_new_array(a);

	json_set_str(a, o, "z", "1");
	json_set_i64(a, o, "y", -3);
	json_set(a, o, "x", list);
	json_append(list, json_new_u64(a, UINT64_MAX));
	json_append(list, json_new_str(a, NULL));
	json_set_bool(a, o, "z", true);
	json_write(&out, o, 0);
	CHECK_STR(es_buf_str(&out), "{\"z\":true,\"y\":-3,\"x\":[18446744073709551615,null]}");
	es_buf_reset(&out);
	json_write(&out, json_copy(a, o), JSON_W_SORT_KEYS);
	CHECK_STR(es_buf_str(&out), "{\"x\":[18446744073709551615,null],\"y\":-3,\"z\":true}");
	es_buf_reset(&out);
	json_set(a, o, "x", json_new_array(a)); /* the last one is replaced in its place */
	json_set(a, o, "w", json_new_object(a));
	json_write_indent(&out, o, ">", "  ", 0);
	CHECK_STR(es_buf_str(&out), "{\n>  \"z\": true,\n>  \"y\": -3,\n>  \"x\": [],\n>  \"w\": {}\n>}");
	CHECK(json_remove(o, "w") && json_remove(o, "z") && !json_remove(o, "z"));
	json_set_str(a, o, "v", "<");
	es_buf_reset(&out);
	json_write(&out, o, JSON_W_NO_HTML_ESCAPE);
	CHECK_STR(es_buf_str(&out), "{\"y\":-3,\"x\":[],\"v\":\"<\"}");
}

static void double_rows(void)
{
	static const struct {
		double in;
		const char *want;
	} rows[] = {
		{ 0, "0" },	  { 1, "1" },		{ -1.5, "-1.5" },      { 0.1, "0.1" },
		{ 1e20, "100000000000000000000" },	{ 1e21, "1e+21" },     { 123456789, "123456789" },
		{ 1e-6, "0.000001" }, { 1e-7, "1e-7" }, { 1.25e-10, "1.25e-10" }, { 1.0 / 3, "0.3333333333333333" },
		{ 5e-324, "5e-324" }, { 1.7976931348623157e308, "1.7976931348623157e+308" },
	};
	char text[JSON_DOUBLE_MAX];

	for (size_t i = 0; i < ES_N(rows); i++)
		CHECK_STR(json_double(rows[i].in, text), rows[i].want);
}

CHECK_MAIN(TEST(round_rows), TEST(bad_rows), TEST(depth), TEST(nul_in_text), TEST(prefix_rows), TEST(lookups),
	   TEST(building), TEST(double_rows))

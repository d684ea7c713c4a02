/* SPDX-License-Identifier: Apache-2.0 */
/* test_field.c: one struct with a member of every kind, there and back, and what decoding refuses. */
#include "codec/field.h"

#include "check.h"

struct inner {
	const char *name;
	uint32_t port;
};
static const struct field inner_rows[] = {
	F_STR(struct inner, name, "Name", FIELD_REQUIRED),
	F_U32(struct inner, port, "Port", FIELD_OMIT_EMPTY),
	F_END,
};

struct all {
	const char *s, *color;
	bool b;
	int64_t i64, time;
	uint64_t u64;
	int32_t i32;
	uint16_t u16;
	double d;
	struct field_opt_bool ob;
	struct field_opt_i64 oi;
	char **v;
	struct field_map *labels, *set, *map, *ports;
	struct inner in, *ptr;
	struct field_list list;
	struct json *raw;
	struct field_bytes bytes;
};
static const char *const colors[] = { "red", "green", NULL };
static const struct field all_rows[] = {
	F_STR(struct all, s, "S", 0),
	F_ENUM(struct all, color, "Color", FIELD_OMIT_EMPTY, colors),
	F_BOOL(struct all, b, "B", 0),
	F_I64(struct all, i64, "I64", 0),
	F_TIME(struct all, time, "Time", FIELD_OMIT_EMPTY),
	F_U64(struct all, u64, "U64", FIELD_OMIT_EMPTY),
	F_I32(struct all, i32, "I32", FIELD_OMIT_EMPTY),
	F_U16(struct all, u16, "U16", FIELD_OMIT_EMPTY),
	F_DOUBLE(struct all, d, "D", FIELD_OMIT_EMPTY),
	F_OPT_BOOL(struct all, ob, "OB", 0),
	F_OPT_I64(struct all, oi, "OI", 0),
	F_STRV(struct all, v, "V", 0),
	F_STR_MAP(struct all, labels, "Labels", FIELD_EMPTY_LIST),
	F_SET(struct all, set, "Set", FIELD_OMIT_EMPTY),
	F_MAP(struct all, map, "Map", FIELD_OMIT_EMPTY, struct inner, inner_rows),
	F_LIST_MAP(struct all, ports, "Ports", FIELD_OMIT_EMPTY, struct inner, inner_rows),
	F_STRUCT(struct all, in, "In", 0, struct inner, inner_rows),
	F_PTR(struct all, ptr, "Ptr", 0, struct inner, inner_rows),
	F_LIST(struct all, list, "List", FIELD_EMPTY_LIST, struct inner, inner_rows),
	F_RAW(struct all, raw, "Raw", FIELD_OMIT_EMPTY),
	F_BYTES(struct all, bytes, "Bytes", FIELD_OMIT_EMPTY),
	F_END,
};

static void there_and_back(void)
{
	static const char text[] =
		"{\"S\":\"x\",\"Color\":\"green\",\"B\":true,\"I64\":-9223372036854775808,\"Time\":\"2024-01-02T03:04:05.5Z\","
		"\"U64\":18446744073709551615,\"I32\":-1,\"U16\":65535,\"D\":0.5,\"OB\":false,\"OI\":0,\"V\":[\"a\",\"b\"],"
		"\"Labels\":{\"a\":\"1\",\"b\":\"2\"},\"Set\":{\"80/tcp\":{}},\"Map\":{\"k\":{\"Name\":\"n\"},\"l\":null},"
		"\"Ports\":{\"80\":[{\"Name\":\"p\",\"Port\":8080}],\"81\":null,\"82\":[]},\"In\":{\"Name\":\"i\"},"
		"\"Ptr\":{\"Name\":\"q\",\"Port\":4294967295},\"List\":[{\"Name\":\"l1\"},{\"Name\":\"l2\"}],"
		"\"Raw\":{\"any\":[1,{}]},\"Bytes\":\"Zm9v\"}";
	es_autoarena *a = arena_new();
	es_autobuf out = ES_BUF(10000);
	struct all x = { 0 };

	CHECK_OK(field_decode_text(a, all_rows, text, sizeof text - 1, &x));
	CHECK_INT(x.list.n, 2);
	CHECK_STR(((struct inner *)x.list.items)[1].name, "l2");
	CHECK_STR(field_map_get(x.labels, "b"), "2");
	CHECK(field_map_has(x.set, "80/tcp"));
	FIELD_LIST_EACH(struct inner, p, (struct field_list *)field_map_get(x.ports, "80"))
		CHECK_INT(p->port, 8080);
	field_encode_text(&out, all_rows, &x);
	CHECK_STR(es_buf_str(&out), text);
}

static void copy_outlives_its_source(void)
{
	static const char text[] = "{\"S\":\"x\",\"V\":[\"a\"],\"Labels\":{\"k\":\"v\"},\"Ptr\":{\"Name\":\"q\"},\"List\":[{\"Name\":\"l\"}],"
				   "\"Raw\":{\"any\":[\"r\"]}}";
	es_autoarena *a = arena_new();
	es_autobuf before = ES_BUF(10000), after = ES_BUF(10000);
	struct arena *source = arena_new();
	struct all x = { 0 }, y = { 0 };

	CHECK_OK(field_decode_text(source, all_rows, arena_strdup(source, text), sizeof text - 1, &x));
	field_encode_text(&before, all_rows, &x);
	CHECK_OK(field_copy(a, all_rows, &x, &y));
	arena_free(source); /* the sanitizer sees whoever still looks there */
	field_encode_text(&after, all_rows, &y);
	CHECK_STR(es_buf_str(&after), es_buf_str(&before));
}

static void empty(void)
{
	es_autobuf out = ES_BUF(10000);
	struct all x = { 0 };

	field_encode_text(&out, all_rows, &x);
	CHECK_STR(es_buf_str(&out), "{\"S\":\"\",\"B\":false,\"I64\":0,\"OB\":null,\"OI\":null,\"V\":null,\"Labels\":{},"
				    "\"In\":{\"Name\":\"\"},\"Ptr\":null,\"List\":[]}");
}

static void lenient_rows(void)
{
	static const struct {
		const char *in;
	} rows[] = {
		{ "{\"s\":\"x\",\"i64\":3,\"unknown\":{\"a\":[]}}" }, /* Go: names without regard to case */
		{ "{\"I64\":3,\"S\":\"x\",\"B\":null,\"V\":null,\"In\":null}" },
		{ "{\"S\":\"y\",\"S\":\"x\",\"I64\":3}" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct all x = { .b = true };

		CHECK_OK(field_decode_text(a, all_rows, rows[i].in, strlen(rows[i].in), &x));
		CHECK_STR(x.s, "x");
		CHECK_INT(x.i64, 3);
		CHECK(x.b);
	}
}

static void bad_rows(void)
{
	static const struct {
		const char *in, *err;
	} rows[] = {
		{ "[]", "expected an object, got a list" },
		{ "{\"S\":1}", "S: expected a string, got a number" },
		{ "{\"i64\":1.5}", "I64: expected an integer, got 1.5" },
		{ "{\"I64\":9223372036854775808}", "I64: 9223372036854775808 is out of range" },
		{ "{\"U64\":-1}", "U64: -1 is out of range" },
		{ "{\"U16\":65536}", "U16: 65536 is out of range" },
		{ "{\"Color\":\"blue\"}", "Color: \"blue\" is not one of its values" },
		{ "{\"V\":[\"a\",1]}", "V[1]: expected a string, got a number" },
		{ "{\"List\":[{\"Name\":\"\"},{}]}", "List[1].Name: is missing" },
		{ "{\"Ports\":{\"80\":[{\"Name\":\"x\",\"Port\":\"y\"}]}}", "Ports.80[0].Port: expected a number, got a string" },
		{ "{\"Ptr\":{\"Name\":null}}", "Ptr.Name: is missing" },
		{ "{\"Time\":\"yesterday\"}", "Time: \"yesterday\" is not an RFC 3339 time" },
		{ "{\"Set\":{\"a\":1}}", "Set.a: expected an object, got a number" },
		{ "{\"Bytes\":\"?\"}", "Bytes: not base64" },
		{ "{\"In\":\"x\"}", "In: expected an object, got a string" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct all x = { 0 };

		CHECK_ERR(field_decode_text(a, all_rows, rows[i].in, strlen(rows[i].in), &x), rows[i].err);
	}
}

static void maps(void)
{
	es_autoarena *a = arena_new();
	struct field_map *m = field_map_new(a);
	char keys[20][4], three[] = "three";

	for (int i = 0; i < 20; i++) {
		(void)snprintf(keys[i], sizeof keys[i], "%d", i);
		field_map_put(a, m, keys[i], keys[i]);
	}
	field_map_put(a, m, "3", three);
	CHECK_INT(m->n, 20);
	CHECK_STR(field_map_get(m, "3"), "three");
	CHECK(field_map_remove(m, "0") && field_map_remove(m, "19") && !field_map_remove(m, "0"));
	CHECK_INT(m->n, 18);
	CHECK(!field_map_get(NULL, "x") && !field_map_has(m, "19"));
}

CHECK_MAIN(TEST(there_and_back), TEST(copy_outlives_its_source), TEST(empty), TEST(lenient_rows), TEST(bad_rows), TEST(maps))

/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_field.c: decode any document into a struct with a member of every kind and encode it again. */
#include "codec/field.h"

#include "fuzz.h"

struct node {
	const char *s, *e;
	bool b;
	int64_t i64, time;
	uint64_t u64;
	int32_t i32;
	uint32_t u32;
	uint16_t u16;
	double d;
	struct field_opt_bool ob;
	struct field_opt_i64 oi;
	char **v;
	struct field_map *labels, *set, *map, *ports;
	struct node *ptr;
	struct field_list list;
	struct json *raw;
	struct field_bytes bytes;
};
static const char *const names[] = { "one", "two", NULL };
static const struct field rows[] = {
	F_STR(struct node, s, "s", FIELD_REQUIRED),
	F_ENUM(struct node, e, "e", FIELD_OMIT_EMPTY, names),
	F_BOOL(struct node, b, "b", FIELD_OMIT_EMPTY),
	F_I64(struct node, i64, "i64", 0),
	F_TIME(struct node, time, "time", 0),
	F_U64(struct node, u64, "u64", 0),
	F_I32(struct node, i32, "i32", 0),
	F_U32(struct node, u32, "u32", 0),
	F_U16(struct node, u16, "u16", 0),
	F_DOUBLE(struct node, d, "d", 0),
	F_OPT_BOOL(struct node, ob, "ob", 0),
	F_OPT_I64(struct node, oi, "oi", 0),
	F_STRV(struct node, v, "v", FIELD_EMPTY_LIST),
	F_STR_MAP(struct node, labels, "labels", FIELD_EMPTY_LIST),
	F_SET(struct node, set, "set", 0),
	F_MAP(struct node, map, "map", 0, struct node, rows),
	F_LIST_MAP(struct node, ports, "ports", 0, struct node, rows),
	F_PTR(struct node, ptr, "ptr", 0, struct node, rows),
	F_LIST(struct node, list, "list", FIELD_OMIT_EMPTY, struct node, rows),
	F_RAW(struct node, raw, "raw", 0),
	F_BYTES(struct node, bytes, "bytes", 0),
	F_END,
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoarena *a = arena_new();
	es_autobuf one = ES_BUF((size_t)64 << 20), two = ES_BUF((size_t)64 << 20);
	es_autoerr es_err *err = NULL;
	struct node x = { 0 }, y = { 0 };

	err = field_decode_text(a, rows, (const char *)bytes, n, &x);
	if (err)
		return 0;
	field_encode_text(&one, rows, &x);
	err = field_decode_text(a, rows, one.p, one.len, &y);
	if (err)
		abort();
	field_encode_text(&two, rows, &y);
	if (one.len != two.len || memcmp(one.p, two.p, one.len) != 0)
		abort();
	return 0;
}

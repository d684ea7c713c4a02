/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_fetch.c: the messages between estibad and estiba-fetch, both ways: what is accepted is written, and read the same again; and the
 * choice from an index. */
#include "spec/fetch.h"

#include "base/str.h"
#include "fuzz.h"
#include "spec/platform.h"

static void both_ways(struct arena *a, const struct field *rows, void *one, void *two, const char *text, size_t n)
{
	es_autobuf first = ES_BUF((size_t)64 << 20), second = ES_BUF((size_t)64 << 20);
	es_autoerr es_err *err = field_decode_text(a, rows, text, n, one);

	if (err)
		return;
	field_encode_text(&first, rows, one);
	err = field_decode_text(a, rows, first.p, first.len, two);
	if (err)
		abort();
	field_encode_text(&second, rows, two);
	if (first.len != second.len || memcmp(first.p, second.p, first.len) != 0)
		abort();
}

static void choose(struct arena *a, const char *text, size_t n)
{
	struct oci_platform want;
	struct oci_index idx;
	es_autoerr es_err *err = oci_index_decode(a, text, n, &idx);

	if (err)
		return;
	err = platform_parse(a, "linux/arm64", &want);
	if (err)
		abort();
	(void)platform_choose(&idx, &want);
	FIELD_LIST_EACH(struct oci_descriptor, d, &idx.manifests)
		if (d->platform)
			(void)platform_text(a, d->platform);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoarena *a = arena_new();
	struct fetch_request q[2] = { 0 };
	struct fetch_reply r[2] = { 0 };
	const char *text = (const char *)bytes;
	struct oci_platform platform;

	both_ways(a, fetch_request_fields, &q[0], &q[1], text, n);
	both_ways(a, fetch_reply_fields, &r[0], &r[1], text, n);
	(void)fetch_op_of(q[0].op);
	choose(a, text, n);
	es_err_drop(platform_parse(a, arena_strndup(a, text, n), &platform));
	return 0;
}

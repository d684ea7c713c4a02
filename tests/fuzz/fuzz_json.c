/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_json.c: what parses is written, parses again and is written the same. */
#include "codec/json.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoarena *a = arena_new();
	es_autobuf one = ES_BUF((size_t)64 << 20), two = ES_BUF((size_t)64 << 20);
	struct json *v;
	size_t used;
	es_autoerr es_err *err = NULL;

	es_err_drop(json_parse_prefix(a, (const char *)bytes, n, &v, &used));
	err = json_parse(a, (const char *)bytes, n, &v);
	if (err)
		return 0;
	json_write(&one, v, 0);
	err = json_parse(a, one.p, one.len, &v);
	if (err)
		abort();
	json_write(&two, v, 0);
	if (one.len != two.len || memcmp(one.p, two.p, one.len) != 0)
		abort();
	json_write_indent(&two, json_copy(a, v), "", "    ", JSON_W_SORT_KEYS | JSON_W_NO_HTML_ESCAPE);
	return 0;
}

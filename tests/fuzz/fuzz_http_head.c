/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http_head.c: a head that comes in pieces is found where it is found in one; targets decode or are refused. */
#include "wire/http_parse.h"

#include "fuzz.h"

static void look_at_target(struct arena *a, const char *target)
{
	struct http_field *q;
	const char *path;
	size_t n;

	es_err_drop(http_target_path(a, target, &path));
	es_err_drop(http_target_query(a, target, &q, &n));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoarena *a = arena_new();
	const char *text = (const char *)bytes;
	size_t scan = 0, whole = 0, pieces = 0;
	struct http_head h;
	es_err *err = http_head_end(text, n, &scan, &whole);

	scan = 0;
	for (size_t i = 0; !err && i <= n && !pieces; i++)
		if (http_head_end(text, i, &scan, &pieces))
			abort(); /* a prefix is refused only if the whole is */
	if (!err && pieces != whole)
		abort();
	if (err || !whole) {
		es_err_drop(err);
		return 0;
	}
	err = http_request_parse(a, text, whole, &h);
	if (!err) {
		look_at_target(a, h.target);
		(void)http_field_has(&h, "Connection", "close");
	}
	es_err_drop(err);
	es_err_drop(http_response_parse(a, text, whole, "GET", &h));
	return 0;
}

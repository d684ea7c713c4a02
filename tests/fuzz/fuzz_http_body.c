/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http_body.c: a chunked body decodes to the same bytes, or is refused, however it is cut. */
#include "wire/http_parse.h"

#include "fuzz.h"

#define OUT_MAX ((size_t)1 << 24)

/* Feed BYTES in steps of STEP; returns whether the body is whole. *RET_BAD: it was refused. */
static bool decode(const char *bytes, size_t n, size_t step, struct es_buf *out, bool *ret_bad)
{
	struct http_body b;
	size_t at = 0, end = 0;

	http_body_init(&b, &(struct http_head){ .framing = HTTP_CHUNKED });
	while (!b.done && end < n) {
		end = step < n - at ? at + step : n;
		while (!b.done && at < end) {
			size_t used, len;
			const char *data;
			es_err *err = http_body_feed(&b, bytes + at, end - at, step + 1, &used, &data, &len);

			if (err) {
				es_err_drop(err);
				*ret_bad = true;
				return false;
			}
			if (!used)
				abort(); /* no progress */
			es_buf_add(out, data, len);
			at += used;
		}
	}
	return b.done;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autobuf one = ES_BUF(OUT_MAX), two = ES_BUF(OUT_MAX);
	bool bad_one = false, bad_two = false;
	bool done_one = decode((const char *)bytes, n, n + 1, &one, &bad_one);
	bool done_two = decode((const char *)bytes, n, 1 + n % 7, &two, &bad_two);

	if (done_one != done_two || bad_one != bad_two || one.len != two.len || (one.len && memcmp(one.p, two.p, one.len) != 0))
		abort();
	return 0;
}

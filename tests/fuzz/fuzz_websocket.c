/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_websocket.c: a client's frames say the same however they are cut, or are refused. */
#include "wire/websocket.h"

#include "fuzz.h"

#define OUT_MAX ((size_t)1 << 24)

/* OUT: payload of data frames, and whole control frames in brackets. Returns whether they were refused. */
static bool decode(const uint8_t *bytes, size_t n, size_t step, struct es_buf *out)
{
	struct websocket_reader r = { 0 };
	unsigned char *copy = es_xmalloc(n + 1);
	bool bad = false;
	size_t at = 0;

	memcpy(copy, bytes, n);
	while (!bad && at < n) {
		size_t take = step < n - at ? step : n - at, used;
		struct websocket_event ev;
		es_autoerr es_err *err = websocket_read(&r, copy + at, take, &used, &ev);

		if (!err && (!used || used > take || (ev.op >= WEBSOCKET_CLOSE && ev.n > WEBSOCKET_CONTROL_MAX)))
			abort();
		bad = err != NULL;
		at += err ? 0 : used;
		if (!err && ev.set) {
			es_buf_adds(out, ev.op >= WEBSOCKET_CLOSE ? "[" : "");
			es_buf_add(out, ev.bytes, ev.n);
			es_buf_adds(out, ev.op >= WEBSOCKET_CLOSE ? "]" : "");
		}
	}
	free(copy);
	return bad;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autobuf one = ES_BUF(OUT_MAX), two = ES_BUF(OUT_MAX);
	bool bad_one = decode(bytes, n, n + 1, &one), bad_two = decode(bytes, n, 1 + n % 7, &two);

	if (bad_one != bad_two || one.len != two.len || (one.len && memcmp(one.p, two.p, one.len) != 0))
		abort();
	return 0;
}

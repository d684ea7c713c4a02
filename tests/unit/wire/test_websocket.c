/* SPDX-License-Identifier: Apache-2.0 */
/* test_websocket.c: RFC 6455's own examples, frames in every cut, and what a client may not send. */
#include "wire/websocket.h"

#include "check.h"

static void handshake(void)
{
	static const struct {
		const char *method, *upgrade, *key, *version, *want; /* want NULL: refused */
	} rows[] = {
		{ "GET", "websocket", "dGhlIHNhbXBsZSBub25jZQ==", "13", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
		{ "GET", "WebSocket", "dGhlIHNhbXBsZSBub25jZQ==", "13", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
		{ "POST", "websocket", "dGhlIHNhbXBsZSBub25jZQ==", "13", NULL },
		{ "GET", "tcp", "dGhlIHNhbXBsZSBub25jZQ==", "13", NULL },
		{ "GET", NULL, "dGhlIHNhbXBsZSBub25jZQ==", "13", NULL },
		{ "GET", "websocket", "dGhlIHNhbXBsZSBub25jZQ==", "8", NULL },
		{ "GET", "websocket", "dGhlIHNhbXBsZQ==", "13", NULL },
		{ "GET", "websocket", "not base64, 24 bytes !!!", "13", NULL },
		{ "GET", "websocket", NULL, "13", NULL },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		struct http_field fields[2] = { { "Sec-WebSocket-Version", rows[i].version }, { "Sec-WebSocket-Key", rows[i].key } };
		struct http_head head = { .method = rows[i].method, .upgrade = rows[i].upgrade, .fields = fields,
					  .n_fields = rows[i].key ? 2 : 1 };
		char out[WEBSOCKET_ACCEPT_MAX];

		if (!rows[i].want) {
			CHECK_ERR(websocket_accept(&head, out), NULL);
			continue;
		}
		CHECK_OK(websocket_accept(&head, out));
		CHECK_STR(out, rows[i].want);
	}
}

/* What a reader tells of BYTES, cut into pieces of STEP: "op:payload " for each event, "!" for an error. */
static void told(const char *bytes, size_t n, size_t step, char *out, size_t size)
{
	struct websocket_reader r = { 0 };
	unsigned char copy[256];
	size_t at = 0, len = 0;

	memcpy(copy, bytes, n);
	out[0] = '\0';
	while (at < n) {
		size_t end = at + step < n ? at + step : n, used;
		struct websocket_event ev;
		es_err *err = websocket_read(&r, copy + at, end - at, &used, &ev);

		if (err) {
			es_err_free(err);
			len += (size_t)snprintf(out + len, size - len, "!");
			return;
		}
		if (ev.set)
			len += (size_t)snprintf(out + len, size - len, "%d:%.*s ", ev.op, (int)ev.n, (const char *)ev.bytes);
		CHECK(used > 0);
		at += used;
	}
}

#define MASK "\x37\xfa\x21\x3d"
#define HELLO "\x7f\x9f\x4d\x51\x58"

static void frames(void)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *want;
	} rows[] = {
#define ROW(bytes, want) { bytes, sizeof bytes - 1, want }
		ROW("\x81\x85" MASK HELLO, "1:Hello "),
		ROW("\x82\x85" MASK HELLO, "2:Hello "),
		ROW("\x89\x85" MASK HELLO, "9:Hello "),
		ROW("\x88\x80" MASK, "8: "),
		ROW("\x01\x85" MASK HELLO "\x80\x85" MASK HELLO, "1:Hello 0:Hello "),
		ROW("\x01\x85" MASK HELLO "\x89\x80" MASK "\x80\x85" MASK HELLO, "1:Hello 9: 0:Hello "),
		ROW("\x82\xfe\x00\x05" MASK HELLO, "2:Hello "),
		ROW("\x82\xff\x00\x00\x00\x00\x00\x00\x00\x05" MASK HELLO, "2:Hello "),
		ROW("\x81\x05Hello", "!"),                /* no mask */
		ROW("\xc1\x85" MASK HELLO, "!"),          /* a reserved bit */
		ROW("\x83\x85" MASK HELLO, "!"),          /* unknown */
		ROW("\x09\x85" MASK HELLO, "!"),          /* a cut ping */
		ROW("\x89\xfe\x00\x7e" MASK, "!"),        /* a long ping */
		ROW("\x80\x85" MASK HELLO, "!"),          /* a fragment of nothing */
		ROW("\x01\x85" MASK HELLO "\x81\x80" MASK, "1:Hello !"),
		ROW("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x05" MASK HELLO, "!"),
#undef ROW
	};
	char whole[256], piece[256];

	for (size_t i = 0; i < ES_N(rows); i++) {
		told(rows[i].bytes, rows[i].n, rows[i].n, whole, sizeof whole);
		CHECK_STR(whole, rows[i].want);
	}
	told(rows[7].bytes, rows[7].n, 1, piece, sizeof piece);
	CHECK_STR(piece, "2:H 2:e 2:l 2:l 2:o ");
	told(rows[2].bytes, rows[2].n, 1, piece, sizeof piece);
	CHECK_STR(piece, "9:Hello ");
}

static void heads(void)
{
	static const struct {
		uint64_t n;
		size_t want;
		const char *bytes;
	} rows[] = {
		{ 0, 2, "\x82\x00" }, { 125, 2, "\x82\x7d" }, { 126, 4, "\x82\x7e\x00\x7e" }, { 65535, 4, "\x82\x7e\xff\xff" },
		{ 65536, 10, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		unsigned char out[WEBSOCKET_HEAD_MAX];

		CHECK_INT(websocket_head(WEBSOCKET_BINARY, rows[i].n, out), rows[i].want);
		CHECK(memcmp(out, rows[i].bytes, rows[i].want) == 0);
	}
}

CHECK_MAIN(TEST(handshake), TEST(frames), TEST(heads))

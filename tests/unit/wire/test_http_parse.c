/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_parse.c: heads and bodies that must be read, and those that must be refused. */
#include "wire/http_parse.h"

#include "check.h"

#define BODY_MAX 65536

static void request_rows(void)
{
	static const struct {
		const char *in, *error; /* error NULL: must be read */
		enum http_framing framing;
		uint64_t length;
		bool keep_alive;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", NULL, HTTP_NO_BODY, 0, true },
		{ "\r\nGET / HTTP/1.1\r\nHost:x\r\n\r\n", NULL, HTTP_NO_BODY, 0, true },
		{ "GET / HTTP/1.0\r\n\r\n", NULL, HTTP_NO_BODY, 0, false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", NULL, HTTP_NO_BODY, 0, true },
		{ "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nConnection: a, close\r\n\r\n", NULL, HTTP_LENGTH, 12, false },
		{ "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", NULL, HTTP_NO_BODY, 0, true },
		{ "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n", NULL, HTTP_CHUNKED, 0, true },
		{ "GET / HTTP/1.1\r\n\r\n", "missing required Host", 0, 0, 0 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "too many Host", 0, 0, 0 },
		{ "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "unsupported HTTP version", 0, 0, 0 },
		{ "GET /\r\nHost: x\r\n\r\n", "malformed request line", 0, 0, 0 },
		{ "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "malformed request line", 0, 0, 0 },
		{ "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", "malformed request line", 0, 0, 0 },
		{ "G@T / HTTP/1.1\r\nHost: x\r\n\r\n", "malformed request line", 0, 0, 0 },
		{ "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "malformed header field", 0, 0, 0 },
		{ "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", "malformed header field", 0, 0, 0 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", "control character", 0, 0, 0 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "more than one", 0, 0, 0 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "more than one", 0, 0, 0 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", "bad Content-Length", 0, 0, 0 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n", "bad Content-Length", 0, 0, 0 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999999999\r\n\r\n", "bad Content-Length", 0, 0, 0 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "unsupported transfer", 0, 0, 0 },
		{ "GET / HTTP/1.1\nHost: x\n\n", "does not end in CR LF", 0, 0, 0 },
		{ "\r\n\r\n", "malformed", 0, 0, 0 },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct http_head h;
		size_t scan = 0, len = 0;
		es_err *err = http_head_end(rows[i].in, strlen(rows[i].in), &scan, &len);

		if (!err) {
			CHECK_INT(len, strlen(rows[i].in));
			err = http_request_parse(a, rows[i].in, len, &h);
		}
		if (rows[i].error) {
			CHECK_ERR(err, rows[i].error);
			continue;
		}
		CHECK_OK(err);
		CHECK_INT(h.framing, rows[i].framing);
		CHECK_INT(h.length, rows[i].length);
		CHECK_INT(h.keep_alive, rows[i].keep_alive);
	}
}

static void head_in_pieces(void)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\nrest";
	size_t scan = 0, len = 0;

	for (size_t n = 0; n <= sizeof text - 1 && !len; n++)
		CHECK_OK(http_head_end(text, n, &scan, &len));
	CHECK_INT(len, sizeof text - 1 - 4);
}

static void head_too_large(void)
{
	es_autofree char *big = es_xmalloc(HTTP_HEAD_MAX + 2);
	size_t scan = 0, len = 0;

	memset(big, 'a', HTTP_HEAD_MAX + 2);
	CHECK_ERR(http_head_end(big, HTTP_HEAD_MAX + 2, &scan, &len), "larger than");
}

static void response_rows(void)
{
	static const struct {
		const char *method, *in;
		int status; /* 0: must be refused */
		enum http_framing framing;
	} rows[] = {
		{ "GET", "HTTP/1.1 200 OK\r\n\r\n", 200, HTTP_UNTIL_CLOSE },
		{ "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, HTTP_LENGTH },
		{ "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, HTTP_NO_BODY },
		{ "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, HTTP_NO_BODY },
		{ "POST", "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", 101, HTTP_NO_BODY },
		{ "GET", "HTTP/1.1 20 OK\r\n\r\n", 0, 0 },
		{ "GET", "HTTP/1.1 2000 OK\r\n\r\n", 0, 0 },
		{ "GET", "HTTX/1.1 200 OK\r\n\r\n", 0, 0 },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct http_head h;
		es_err *err = http_response_parse(a, rows[i].in, strlen(rows[i].in), rows[i].method, &h);

		if (!rows[i].status) {
			CHECK_ERR(err, "malformed");
			continue;
		}
		CHECK_OK(err);
		CHECK_INT(h.status, rows[i].status);
		CHECK_INT(h.framing, rows[i].framing);
	}
}

/* Decode IN in steps of STEP bytes; NULL when it is refused. */
static char *unchunk(const char *in, size_t step, bool *ret_done)
{
	struct http_body b;
	es_autobuf out = ES_BUF(BODY_MAX);
	size_t len = strlen(in), at = 0, end = 0;
	char *text;

	http_body_init(&b, &(struct http_head){ .framing = HTTP_CHUNKED });
	while (!b.done && at < len) {
		size_t used, n;
		const char *data;
		es_err *err;

		end = end + step < len ? end + step : len;
		err = http_body_feed(&b, in + at, end - at, 3, &used, &data, &n);
		if (err) {
			es_err_drop(err);
			return NULL;
		}
		es_buf_add(&out, data, n);
		at += used;
		end = at;
	}
	*ret_done = b.done && at == len;
	es_buf_adds(&out, "");
	CHECK_OK(es_buf_finish(&out, &text));
	return text;
}

static void chunked_rows(void)
{
	static const struct {
		const char *in, *out; /* out NULL: must be refused */
		bool done;
	} rows[] = {
		{ "0\r\n\r\n", "", true },
		{ "5\r\nhello\r\n6;ext=\"x\"\r\n world\r\n0\r\n\r\n", "hello world", true },
		{ "A\r\n0123456789\r\n0\r\nTrailer: x\r\nB: y\r\n\r\n", "0123456789", true },
		{ "005\r\nhello\r\n", "hello", false },
		{ "5\nhello\r\n", NULL, false },
		{ "\r\n", NULL, false },
		{ "x\r\n", NULL, false },
		{ "-1\r\n", NULL, false },
		{ "5\r\nhelloX", NULL, false },
		{ "5\r\nhello\rX", NULL, false },
		{ "fffffffffffffffff\r\n", NULL, false },
		{ "0\r\n\n", NULL, false },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		for (size_t step = 1; step < 40; step++) {
			bool done = false;
			es_autofree char *out = unchunk(rows[i].in, step, &done);

			CHECK_STR(out, rows[i].out);
			CHECK_INT(done, rows[i].done);
		}
	}
}

static void targets(void)
{
	es_autoarena *a = arena_new();
	struct http_field *q;
	const char *path;
	size_t n;

	CHECK_OK(http_target_path(a, "/a%2Fb/c+d?x=1", &path));
	CHECK_STR(path, "/a/b/c+d");
	CHECK_OK(http_target_path(a, "http://host/v1?x", &path));
	CHECK_STR(path, "/v1");
	CHECK_ERR(http_target_path(a, "/%zz", &path), "escape");
	CHECK_ERR(http_target_path(a, "/%00", &path), "escape");
	CHECK_ERR(http_target_path(a, "/%4", &path), "escape");
	CHECK_OK(http_target_query(a, "/?a=1&b&c=%7B%22x%22%3A1%7D&&d=a+b", &q, &n));
	CHECK_INT(n, 4);
	CHECK_STR(q[0].value, "1");
	CHECK_STR(q[1].name, "b");
	CHECK_STR(q[1].value, "");
	CHECK_STR(q[2].value, "{\"x\":1}");
	CHECK_STR(q[3].value, "a b");
}

static void field_lists(void)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive , Upgrade\r\nUpgrade: tcp\r\n\r\n";
	es_autoarena *a = arena_new();
	struct http_head h;

	CHECK_OK(http_request_parse(a, text, sizeof text - 1, &h));
	CHECK_STR(h.upgrade, "tcp");
	CHECK(http_field_has(&h, "connection", "KEEP-ALIVE"));
	CHECK(!http_field_has(&h, "connection", "keep"));
}

CHECK_MAIN(TEST(request_rows), TEST(head_in_pieces), TEST(head_too_large), TEST(response_rows), TEST(chunked_rows),
	   TEST(targets), TEST(field_lists))

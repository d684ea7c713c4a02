/* SPDX-License-Identifier: Apache-2.0 */
/* websocket.c: the handshake's digest, the reader's states. */
#include "wire/websocket.h"

#include <string.h>

#include "base/str.h"
#include "codec/base64.h"

#define KEY_BYTES 16
#define KEY_TEXT 24 /* characters of a key */
#define SHA1_BYTES 20
#define HEAD_SHORT 2

/* ---- the handshake ---- */

static inline uint32_t rotl(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static void sha1_block(uint32_t h[5], const unsigned char *p)
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t f = i < 20   ? (b & c) | (~b & d)
			     : i < 40 ? b ^ c ^ d
			     : i < 60 ? (b & c) | (b & d) | (c & d)
				      : b ^ c ^ d;
		uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
		uint32_t t = rotl(a, 5) + f + e + k + w[i];

		e = d;
		d = c;
		c = rotl(b, 30);
		b = a;
		a = t;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

/* SHA-1 (FIPS 180-4) of at most 119 bytes: the handshake wants nothing else of it, least of all security. */
static void sha1(const char *text, unsigned char out[SHA1_BYTES])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	unsigned char padded[128] = { 0 };
	size_t n = strlen(text), blocks = n < 56 ? 1 : 2;

	memcpy(padded, text, n);
	padded[n] = 0x80;
	padded[blocks * 64 - 2] = (unsigned char)(n * 8 >> 8);
	padded[blocks * 64 - 1] = (unsigned char)(n * 8);
	for (size_t i = 0; i < blocks; i++)
		sha1_block(h, padded + 64 * i);
	for (int i = 0; i < SHA1_BYTES; i++)
		out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

es_err *websocket_accept(const struct http_head *head, char *out)
{
	static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	const char *key = http_field_get(head, "Sec-WebSocket-Key"), *version = http_field_get(head, "Sec-WebSocket-Version");
	unsigned char raw[KEY_TEXT], digest[SHA1_BYTES];
	char text[KEY_TEXT + sizeof suffix];
	size_t n;

	if (!str_eq(head->method, "GET") || !head->upgrade || !str_eq_nocase(head->upgrade, "websocket"))
		return es_err_new(ES_E_INVALID, "not websocket protocol");
	if (!str_eq(version, "13"))
		return es_err_new(ES_E_INVALID, "missing or bad WebSocket Version");
	if (!key || strlen(key) != KEY_TEXT || !base64_decode(key, KEY_TEXT, BASE64_STD, raw, &n) || n != KEY_BYTES)
		return es_err_new(ES_E_INVALID, "mismatch challenge/response");
	memcpy(text, key, KEY_TEXT);
	memcpy(text + KEY_TEXT, suffix, sizeof suffix);
	sha1(text, digest);
	(void)base64_encode(digest, sizeof digest, BASE64_STD, out);
	return NULL;
}

/* ---- frames in ---- */

static bool is_control(enum websocket_op op)
{
	return op >= WEBSOCKET_CLOSE;
}

/* Bytes of the head whose first two are there. */
static size_t head_size(const unsigned char *head)
{
	unsigned n = head[1] & 0x7f;

	return HEAD_SHORT + (n == 126 ? 2 : n == 127 ? 8 : 0) + 4;
}

static es_err *check_first(struct websocket_reader *r)
{
	unsigned op = r->head[0] & 0xf, n = r->head[1] & 0x7f;
	bool final = r->head[0] & 0x80;

	if (r->head[0] & 0x70)
		return es_err_new(ES_E_PROTOCOL, "websocket: a frame of an extension that was not agreed on");
	if (!(r->head[1] & 0x80))
		return es_err_new(ES_E_PROTOCOL, "websocket: a client's frame without a mask");
	if (op > WEBSOCKET_PONG || (op > WEBSOCKET_BINARY && op < WEBSOCKET_CLOSE))
		return es_err_new(ES_E_PROTOCOL, "websocket: frame of unknown kind %u", op);
	r->op = (enum websocket_op)op;
	if (is_control(r->op))
		return final && n <= WEBSOCKET_CONTROL_MAX ? NULL : es_err_new(ES_E_PROTOCOL, "websocket: a control frame that is cut or long");
	if ((op == WEBSOCKET_MORE) != r->fragmented)
		return es_err_new(ES_E_PROTOCOL, op == WEBSOCKET_MORE ? "websocket: a fragment of nothing" : "websocket: a message inside another");
	r->fragmented = !final;
	return NULL;
}

static es_err *begin_payload(struct websocket_reader *r)
{
	size_t more = head_size(r->head) - HEAD_SHORT - 4;

	r->left = more ? 0 : r->head[1] & 0x7f;
	for (size_t i = 0; i < more; i++)
		r->left = r->left << 8 | r->head[HEAD_SHORT + i];
	if (r->left >> 63)
		return es_err_new(ES_E_PROTOCOL, "websocket: a frame's length with the highest bit set");
	r->in_payload = true;
	r->at = 0;
	r->n_control = 0;
	return NULL;
}

/* Bytes of the head; *RET_USED of N. */
static es_err *read_head(struct websocket_reader *r, const unsigned char *bytes, size_t n, size_t *ret_used)
{
	size_t used = 0;

	while (used < n && !r->in_payload) {
		r->head[r->n_head++] = bytes[used++];
		if (r->n_head == HEAD_SHORT)
			ES_TRY(check_first(r));
		if (r->n_head > HEAD_SHORT && r->n_head == head_size(r->head))
			ES_TRY(begin_payload(r));
	}
	*ret_used = used;
	return NULL;
}

static void unmask(struct websocket_reader *r, unsigned char *bytes, size_t n)
{
	const unsigned char *mask = r->head + r->n_head - 4;

	for (size_t i = 0; i < n; i++)
		bytes[i] ^= mask[r->at++ & 3];
}

es_err *websocket_read(struct websocket_reader *r, unsigned char *bytes, size_t n, size_t *ret_used, struct websocket_event *ret)
{
	size_t used = 0, take;

	*ret = (struct websocket_event){ 0 };
	*ret_used = 0;
	if (!r->in_payload)
		ES_TRY(read_head(r, bytes, n, &used));
	if (!r->in_payload) {
		*ret_used = used;
		return NULL;
	}
	take = n - used < r->left ? n - used : (size_t)r->left;
	unmask(r, bytes + used, take);
	r->left -= take;
	if (is_control(r->op)) {
		memcpy(r->control + r->n_control, bytes + used, take);
		r->n_control += take;
		*ret = (struct websocket_event){ r->left == 0, r->op, r->control, r->n_control };
	} else {
		*ret = (struct websocket_event){ take > 0, r->op, bytes + used, take };
	}
	if (r->left == 0) {
		r->in_payload = false;
		r->n_head = 0;
	}
	*ret_used = used + take;
	return NULL;
}

/* ---- frames out ---- */

size_t websocket_head(enum websocket_op op, uint64_t n, unsigned char out[WEBSOCKET_HEAD_MAX])
{
	size_t more = n < 126 ? 0 : n <= UINT16_MAX ? 2 : 8;

	out[0] = (unsigned char)(0x80 | op);
	out[1] = (unsigned char)(more == 0 ? n : more == 2 ? 126 : 127);
	for (size_t i = 0; i < more; i++)
		out[HEAD_SHORT + i] = (unsigned char)(n >> 8 * (more - 1 - i));
	return HEAD_SHORT + more;
}

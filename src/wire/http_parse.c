/* SPDX-License-Identifier: Apache-2.0 */
/* http_parse.c: HTTP/1.1 heads and body framing. */
#include "wire/http_parse.h"

#include <strings.h>

#include "base/str.h"

/* A cursor over the bytes of a head. */
struct cur {
	const char *p, *end;
};

static bool is_token_char(char c)
{
	/* RFC 9110, 5.6.2 */
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_text_char(char c)
{
	unsigned char u = (unsigned char)c;

	return u == '\t' || (u >= 0x20 && u != 0x7f);
}

es_err *http_head_end(const char *bytes, size_t len, size_t *scan, size_t *ret_len)
{
	*ret_len = 0;
	for (size_t i = *scan; i < len; i++) {
		if (i >= HTTP_HEAD_MAX)
			return es_err_new(ES_E_LIMIT, "header fields are larger than %u bytes", HTTP_HEAD_MAX);
		if (!bytes[i])
			return es_err_new(ES_E_INVALID, "NUL byte in header");
		if (bytes[i] != '\n')
			continue;
		if (i == 0 || bytes[i - 1] != '\r')
			return es_err_new(ES_E_INVALID, "header line does not end in CR LF");
		if (i >= 3 && bytes[i - 2] == '\n') {
			*ret_len = i + 1;
			break;
		}
	}
	*scan = len;
	return NULL;
}

/* The next line without its CR LF. The head was measured, so every line ends. */
static struct cur next_line(struct cur *c)
{
	const char *nl = memchr(c->p, '\n', (size_t)(c->end - c->p));
	struct cur line = { c->p, nl ? nl - 1 : c->end };

	c->p = nl ? nl + 1 : c->end;
	return line;
}

static char *take_token(struct arena *a, struct cur *c)
{
	const char *start = c->p;

	while (c->p < c->end && is_token_char(*c->p))
		c->p++;
	return c->p > start ? arena_strndup(a, start, (size_t)(c->p - start)) : NULL;
}

static bool take_char(struct cur *c, char want)
{
	if (c->p == c->end || *c->p != want)
		return false;
	c->p++;
	return true;
}

static es_err *take_version(struct cur *c, unsigned *ret_minor)
{
	static const char http[] = "HTTP/";
	size_t n = sizeof http - 1;

	if ((size_t)(c->end - c->p) < n + 3 || memcmp(c->p, http, n) != 0 || c->p[n + 1] != '.')
		return es_err_new(ES_E_INVALID, "malformed HTTP version");
	if (c->p[n] != '1' || (c->p[n + 2] != '0' && c->p[n + 2] != '1'))
		return es_err_new(ES_E_UNSUPPORTED, "unsupported HTTP version");
	*ret_minor = (unsigned)(c->p[n + 2] - '0');
	c->p += n + 3;
	return NULL;
}

static es_err *request_line(struct arena *a, struct cur line, struct http_head *h)
{
	const char *start;

	h->method = take_token(a, &line);
	if (!h->method || !take_char(&line, ' '))
		return es_err_new(ES_E_INVALID, "malformed request line");
	start = line.p;
	while (line.p < line.end && (unsigned char)*line.p > 0x20 && *line.p != 0x7f)
		line.p++;
	h->target = arena_strndup(a, start, (size_t)(line.p - start));
	if (!*h->target || !take_char(&line, ' '))
		return es_err_new(ES_E_INVALID, "malformed request line");
	ES_TRY(take_version(&line, &h->minor));
	if (line.p != line.end)
		return es_err_new(ES_E_INVALID, "malformed request line");
	return NULL;
}

static es_err *status_line(struct arena *a, struct cur line, struct http_head *h)
{
	int digits = 0;

	ES_TRY(take_version(&line, &h->minor));
	if (!take_char(&line, ' '))
		return es_err_new(ES_E_INVALID, "malformed status line");
	for (; line.p < line.end && *line.p >= '0' && *line.p <= '9' && digits < 3; digits++)
		h->status = h->status * 10 + (*line.p++ - '0');
	if (digits != 3 || h->status < 100 || (line.p < line.end && !take_char(&line, ' ')))
		return es_err_new(ES_E_INVALID, "malformed status line");
	h->reason = arena_strndup(a, line.p, (size_t)(line.end - line.p));
	return NULL;
}

static es_err *field_line(struct arena *a, struct cur line, struct http_field *ret)
{
	ret->name = take_token(a, &line);
	if (!ret->name || !take_char(&line, ':'))
		return es_err_new(ES_E_INVALID, "malformed header field");
	while (line.p < line.end && is_blank(*line.p))
		line.p++;
	while (line.end > line.p && is_blank(line.end[-1]))
		line.end--;
	for (const char *p = line.p; p < line.end; p++)
		if (!is_text_char(*p))
			return es_err_new(ES_E_INVALID, "control character in header field %s", ret->name);
	ret->value = arena_strndup(a, line.p, (size_t)(line.end - line.p));
	return NULL;
}

static es_err *field_lines(struct arena *a, struct cur *c, struct http_head *h)
{
	size_t lines = 0;

	for (const char *p = c->p; p < c->end; p++)
		lines += *p == '\n';
	h->fields = ARENA_ARRAY(a, struct http_field, lines < HTTP_FIELDS_MAX ? lines + 1 : HTTP_FIELDS_MAX);
	while (c->p < c->end) {
		struct cur line = next_line(c);

		if (line.p == line.end)
			break;
		if (h->n_fields == HTTP_FIELDS_MAX)
			return es_err_new(ES_E_LIMIT, "more than %d header fields", HTTP_FIELDS_MAX);
		ES_TRY(field_line(a, line, &h->fields[h->n_fields]));
		h->n_fields++;
	}
	return NULL;
}

const char *http_field_get(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (str_eq_nocase(h->fields[i].name, name))
			return h->fields[i].value;
	return NULL;
}

static bool list_has(const char *list, const char *token)
{
	size_t n = strlen(token);

	while (*list) {
		size_t len, item;

		list += strspn(list, " \t,");
		len = item = strcspn(list, ",");
		while (item && is_blank(list[item - 1]))
			item--;
		if (item == n && strncasecmp(list, token, n) == 0)
			return true;
		list += len;
	}
	return false;
}

bool http_field_has(const struct http_head *h, const char *name, const char *token)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (str_eq_nocase(h->fields[i].name, name) && list_has(h->fields[i].value, token))
			return true;
	return false;
}

static size_t count_fields(const struct http_head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n_fields; i++)
		n += str_eq_nocase(h->fields[i].name, name);
	return n;
}

/* Fills framing and length as far as the fields decide; a head with neither field is left as it is. RFC 9112, 6.3: whoever sees
 * both lengths, or two of one kind, must not guess. */
static es_err *read_framing(struct http_head *h)
{
	const char *length = http_field_get(h, "Content-Length");
	const char *coding = http_field_get(h, "Transfer-Encoding");

	if ((length && coding) || count_fields(h, "Content-Length") > 1 || count_fields(h, "Transfer-Encoding") > 1)
		return es_err_new(ES_E_INVALID, "more than one body length");
	if (coding) {
		if (h->minor == 0)
			return es_err_new(ES_E_INVALID, "Transfer-Encoding in HTTP/1.0");
		if (!str_eq_nocase(coding, "chunked"))
			return es_err_new(ES_E_UNSUPPORTED, "unsupported transfer encoding: %s", coding);
		h->framing = HTTP_CHUNKED;
	}
	if (length) {
		if (!*length || strspn(length, "0123456789") != strlen(length) || strlen(length) > 18)
			return es_err_new(ES_E_INVALID, "bad Content-Length %s", length);
		ES_TRY(str_to_u64(length, 10, &h->length));
		h->framing = HTTP_LENGTH;
	}
	return NULL;
}

static void read_connection(struct http_head *h)
{
	h->keep_alive = h->minor ? !http_field_has(h, "Connection", "close") : http_field_has(h, "Connection", "keep-alive");
	if (http_field_has(h, "Connection", "upgrade"))
		h->upgrade = http_field_get(h, "Upgrade");
	h->expect_continue = h->minor && http_field_has(h, "Expect", "100-continue");
}

static es_err *head_parse(struct arena *a, const char *bytes, size_t len,
			  es_err *(*start_line)(struct arena *, struct cur, struct http_head *), struct http_head *h)
{
	struct cur c = { bytes, bytes + len };
	struct cur line = next_line(&c);

	if (line.p == line.end)
		line = next_line(&c);
	*h = (struct http_head){ 0 };
	ES_TRY(start_line(a, line, h));
	ES_TRY(field_lines(a, &c, h));
	ES_TRY(read_framing(h));
	read_connection(h);
	return NULL;
}

es_err *http_request_parse(struct arena *a, const char *bytes, size_t len, struct http_head *ret)
{
	size_t hosts;

	ES_TRY(head_parse(a, bytes, len, request_line, ret));
	hosts = count_fields(ret, "Host");
	if (hosts > 1 || (ret->minor && !hosts))
		return es_err_new(ES_E_INVALID, "%s Host header", hosts ? "too many" : "missing required");
	if (ret->framing == HTTP_LENGTH && ret->length == 0)
		ret->framing = HTTP_NO_BODY;
	return NULL;
}

es_err *http_response_parse(struct arena *a, const char *bytes, size_t len, const char *method, struct http_head *ret)
{
	ES_TRY(es_err_as(head_parse(a, bytes, len, status_line, ret), ES_E_PROTOCOL));
	/* RFC 9112, 6.3: rules 1, 2 and 8. */
	if (str_eq(method, "HEAD") || ret->status < 200 || ret->status == 204 || ret->status == 304)
		ret->framing = HTTP_NO_BODY;
	else if (!http_field_get(ret, "Content-Length") && ret->framing != HTTP_CHUNKED)
		ret->framing = HTTP_UNTIL_CLOSE;
	if (ret->framing == HTTP_UNTIL_CLOSE)
		ret->keep_alive = false;
	return NULL;
}

/* Chunked coding (RFC 9112, 7.1): size line, data, CR LF, … size 0, trailer lines, empty line. */
enum chunk_state { CHUNK_SIZE, CHUNK_EXT, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_DATA_CR, CHUNK_DATA_LF, CHUNK_TRAILER, CHUNK_TRAILER_LF };

void http_body_init(struct http_body *b, const struct http_head *h)
{
	*b = (struct http_body){ .framing = h->framing };
	if (h->framing == HTTP_LENGTH)
		b->left = h->length;
	b->done = h->framing == HTTP_NO_BODY || (h->framing == HTTP_LENGTH && h->length == 0);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static es_err *bad_chunk(const char *what)
{
	return es_err_new(ES_E_PROTOCOL, "malformed chunked encoding: %s", what);
}

/* One byte of a size line; SEEN counts its digits first, then all its bytes. */
static es_err *chunk_size_char(struct http_body *b, char c)
{
	int v = b->state == CHUNK_SIZE ? hex_value(c) : -1;

	if (++b->seen > HTTP_CHUNK_LINE_MAX)
		return bad_chunk("size line too long");
	if (v >= 0) {
		if (b->left >> 56)
			return bad_chunk("size too large");
		b->left = b->left << 4 | (unsigned)v;
		return NULL;
	}
	if (b->seen == 1)
		return bad_chunk("no size");
	if (c == '\r')
		b->state = CHUNK_SIZE_LF;
	else if (b->state == CHUNK_SIZE && (c == ';' || is_blank(c)))
		b->state = CHUNK_EXT;
	else if (b->state == CHUNK_SIZE || !is_text_char(c))
		return bad_chunk("bad size");
	return NULL;
}

/* One byte of the trailer. LEFT counts the bytes of the current line, SEEN all of them. */
static es_err *trailer_char(struct http_body *b, char c)
{
	if (++b->seen > HTTP_TRAILER_MAX)
		return bad_chunk("trailer too long");
	if (c == '\r')
		b->state = CHUNK_TRAILER_LF;
	else if (is_text_char(c))
		b->left++;
	else
		return bad_chunk("bad trailer");
	return NULL;
}

/* One byte of the framing between data. */
static es_err *chunk_char(struct http_body *b, char c)
{
	switch ((enum chunk_state)b->state) {
	case CHUNK_SIZE:
	case CHUNK_EXT:
		return chunk_size_char(b, c);
	case CHUNK_SIZE_LF:
		b->seen = 0;
		b->state = b->left ? CHUNK_DATA : CHUNK_TRAILER;
		break;
	case CHUNK_DATA_LF:
		b->state = CHUNK_SIZE;
		break;
	case CHUNK_DATA_CR:
		b->state = CHUNK_DATA_LF;
		return c == '\r' ? NULL : bad_chunk("data is longer than its size");
	case CHUNK_TRAILER:
		return trailer_char(b, c);
	case CHUNK_TRAILER_LF:
		b->done = b->left == 0;
		b->left = 0;
		b->state = CHUNK_TRAILER;
		break;
	case CHUNK_DATA:
		break;
	}
	return c == '\n' ? NULL : bad_chunk("CR without LF");
}

es_err *http_body_feed(struct http_body *b, const char *in, size_t len, size_t max, size_t *ret_used,
		       const char **ret_data, size_t *ret_n)
{
	size_t used = 0;

	*ret_data = NULL;
	*ret_n = 0;
	while (b->framing == HTTP_CHUNKED && !b->done && b->state != CHUNK_DATA && used < len)
		ES_TRY(chunk_char(b, in[used++]));
	if (!b->done && used < len) {
		size_t n = len - used < max ? len - used : max;

		if (b->framing != HTTP_UNTIL_CLOSE && n > b->left)
			n = (size_t)b->left;
		*ret_data = in + used;
		*ret_n = n;
		used += n;
		b->left -= b->framing == HTTP_UNTIL_CLOSE ? 0 : n;
		if (b->framing == HTTP_CHUNKED && b->left == 0)
			b->state = CHUNK_DATA_CR;
		b->done = b->framing == HTTP_LENGTH && b->left == 0;
	}
	*ret_used = used;
	return NULL;
}

/* Percent-decode N bytes of S. PLUS: "+" is a blank. */
static es_err *unescape(struct arena *a, const char *s, size_t n, bool plus, const char **ret)
{
	char *out = arena_alloc(a, n + 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '%') {
			int hi = i + 2 < n ? hex_value(s[i + 1]) : -1;
			int lo = i + 2 < n ? hex_value(s[i + 2]) : -1;

			if (hi < 0 || lo < 0 || (hi == 0 && lo == 0))
				return es_err_new(ES_E_INVALID, "invalid URL escape in \"%.*s\"", (int)(n < 64 ? n : 64), s);
			out[len++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			out[len++] = plus && s[i] == '+' ? ' ' : s[i];
		}
	}
	*ret = out;
	return NULL;
}

es_err *http_target_path(struct arena *a, const char *target, const char **ret_path)
{
	const char *scheme = strstr(target, "://");

	/* The absolute form, which clients behind a proxy send. */
	if (scheme && *target != '/') {
		target = strchr(scheme + 3, '/');
		if (!target)
			target = "/";
	}
	return unescape(a, target, strcspn(target, "?#"), false, ret_path);
}

es_err *http_target_query(struct arena *a, const char *target, struct http_field **ret, size_t *ret_n)
{
	const char *q = strchr(target, '?');
	struct http_field *fields;
	size_t n = 0, max = 1;

	q = q ? q + 1 : "";
	for (const char *p = q; *p; p++)
		max += *p == '&';
	fields = ARENA_ARRAY(a, struct http_field, max);
	while (*q) {
		size_t len = strcspn(q, "&#"), name = strcspn(q, "=&#");

		if (len) {
			size_t value = name < len ? name + 1 : len;

			ES_TRY(unescape(a, q, name, true, &fields[n].name));
			ES_TRY(unescape(a, q + value, len - value, true, &fields[n].value));
			n++;
		}
		if (q[len] != '&')
			break;
		q += len + 1;
	}
	*ret = fields;
	*ret_n = n;
	return NULL;
}

void http_escape(struct es_buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._~", c))
			es_buf_addc(out, *s);
		else
			es_buf_printf(out, "%%%02X", c);
	}
}

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = {
		{ 100, "Continue" },
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 431, "Request Header Fields Too Large" },
		{ 499, "Client Closed Request" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ES_N(rows); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "Status";
}

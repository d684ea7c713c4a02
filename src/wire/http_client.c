/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.c: the blocking HTTP client. */
#include "wire/http_client.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "wire/sock.h"

#define IO_BYTES (32u << 10)  /* one read, and one chunk of a request body */
#define CHUNK_HEAD 16         /* room for a chunk's size line in front of it */

/* Descriptors are non-blocking while they are ours; waiting is poll(2), for reading and writing at once. The request is a
 * queue OUT of bytes that is refilled from its source; the answer is a buffer IN that is drained by the decoder. */
struct http_client {
	char *url, *default_port, *host;
	http_dial *dial; /* instead of URL */
	void *dial_self;
	int in_fd, out_fd; /* -1: not connected */
	bool used;         /* a request was made on this connection */

	struct es_buf out; /* request bytes not yet written */
	struct http_source source;
	bool source_done;  /* nothing more will be added to OUT */
	bool broken;       /* the server does not take our bytes any more */

	struct es_buf in; /* bytes read and not yet decoded */
	bool in_eof, reset; /* the answer's side ended; because the server threw our bytes away */
	struct http_body body;
	bool keep_alive, has_answer;
};

static void disconnect(struct http_client *c)
{
	if (c->out_fd != c->in_fd)
		es_close(c->out_fd);
	es_close(c->in_fd);
	c->in_fd = c->out_fd = -1;
	es_buf_reset(&c->in);
	es_buf_reset(&c->out);
	c->in_eof = c->reset = c->used = c->broken = c->has_answer = false;
}

static void adopt(struct http_client *c, int in_fd, int out_fd)
{
	disconnect(c);
	c->in_fd = in_fd;
	c->out_fd = out_fd;
	es_err_drop(file_set_nonblock(in_fd, true));
	es_err_drop(file_set_nonblock(out_fd, true));
}

static es_err *connect_again(struct http_client *c)
{
	int in, out;

	if (c->dial) {
		ES_TRY(c->dial(c->dial_self, &in, &out));
	} else if (c->url) {
		ES_TRY(sock_connect_url(c->url, c->default_port, HTTP_CONNECT_TIMEOUT_MS, &in));
		out = in;
	} else {
		return es_err_new(ES_E_UNAVAILABLE, "the connection was closed");
	}
	adopt(c, in, out);
	return NULL;
}

static struct http_client *client_new(const char *host_header)
{
	struct http_client *c = ES_NEW(struct http_client);

	c->in_fd = c->out_fd = -1;
	c->in = ES_BUF(HTTP_HEAD_MAX + IO_BYTES);
	c->out = ES_BUF(SIZE_MAX / 2); /* heads, bodies that the caller holds in memory, one chunk of the others */
	c->host = es_xstrdup(host_header);
	return c;
}

es_err *http_client_open(const char *url, const char *default_port, const char *host_header, struct http_client **ret)
{
	const char *rest = strstr(url, "://");
	es_autofree char *host = NULL;
	es_auto(http_client_free_p) struct http_client *c = NULL;

	if (!host_header && rest && !str_starts(url, "unix:"))
		host_header = host = es_xstrndup(rest + 3, strcspn(rest + 3, "/"));
	c = client_new(host_header ? host_header : "localhost");
	c->url = es_xstrdup(url);
	c->default_port = default_port ? es_xstrdup(default_port) : NULL;
	ES_TRY(connect_again(c));
	*ret = ES_TAKE(c);
	return NULL;
}

es_err *http_client_dial(http_dial *dial, void *self, const char *host_header, struct http_client **ret)
{
	es_auto(http_client_free_p) struct http_client *c = client_new(host_header);

	c->dial = dial;
	c->dial_self = self;
	ES_TRY(connect_again(c));
	*ret = ES_TAKE(c);
	return NULL;
}

struct http_client *http_client_over(int in_fd, int out_fd, const char *host_header)
{
	struct http_client *c = client_new(host_header ? host_header : "localhost");

	adopt(c, in_fd, out_fd);
	return c;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	disconnect(c);
	es_buf_done(&c->in);
	es_buf_done(&c->out);
	free(c->url);
	free(c->default_port);
	free(c->host);
	free(c);
}

/* Put the next piece of the body into OUT as one chunk. */
static es_err *refill(struct http_client *c)
{
	char bytes[IO_BYTES];
	size_t n = 0;

	if (c->source.from_fd) {
		ssize_t got = file_read_some(c->source.fd, bytes, sizeof bytes);

		if (got < 0 && errno == EAGAIN)
			return NULL;
		if (got < 0)
			return es_err_sys(errno, "read");
		n = (size_t)got;
	} else {
		ES_TRY(c->source.read(c->source.self, bytes, sizeof bytes, &n));
	}
	if (n) {
		es_buf_printf(&c->out, "%zx\r\n", n);
		es_buf_add(&c->out, bytes, n);
		es_buf_adds(&c->out, "\r\n");
	} else {
		es_buf_adds(&c->out, "0\r\n\r\n");
		c->source_done = true;
	}
	return NULL;
}

/* A peer that is gone may still have answered: stop sending, go on reading. */
static void stop_sending(struct http_client *c)
{
	c->broken = c->source_done = true;
	es_buf_reset(&c->out);
}

static void write_some(struct http_client *c)
{
	ssize_t n = send(c->out_fd, c->out.p, c->out.len, MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(c->out_fd, c->out.p, c->out.len);
	if (n >= 0)
		es_buf_consume(&c->out, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		stop_sending(c);
}

static es_err *read_some(struct http_client *c)
{
	char *room = es_buf_reserve(&c->in, IO_BYTES);
	ssize_t n;

	if (!room)
		return es_err_new(ES_E_PROTOCOL, "answer header is too large");
	n = read(c->in_fd, room, IO_BYTES);
	if (n > 0)
		es_buf_commit(&c->in, (size_t)n);
	else if (n < 0 && errno == ECONNRESET)
		c->in_eof = c->reset = true;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->in_eof = true; /* a broken connection is an end, too: the framing tells whether it came too early */
	return NULL;
}

/* Wait until something can move, and move it. DEADLINE_NS 0: for ever. */
static es_err *step(struct http_client *c, int64_t deadline_ns)
{
	bool feed = !c->source_done && !c->out.len;
	struct pollfd p[3] = {
		{ .fd = c->in_fd, .events = POLLIN },
		{ .fd = c->out.len ? c->out_fd : -1, .events = POLLOUT },
		{ .fd = feed && c->source.from_fd ? c->source.fd : -1, .events = POLLIN },
	};
	int64_t left_ms = deadline_ns ? (deadline_ns - clock_mono_ns()) / CLOCK_NS_PER_MS : -1;
	int rc;

	if (deadline_ns && left_ms < 0)
		left_ms = 0;
	if (feed && !c->source.from_fd)
		left_ms = 0;
	rc = poll(p, ES_N(p), (int)left_ms);
	if (rc < 0 && errno != EINTR)
		return es_err_sys(errno, "poll");
	if (rc == 0 && deadline_ns && clock_mono_ns() >= deadline_ns)
		return es_err_new(ES_E_TIMEOUT, "no answer in time");
	if (rc > 0 && p[1].revents)
		write_some(c);
	if (rc > 0 && p[0].revents)
		return read_some(c); /* before more is asked of the source: an answer may make the rest pointless */
	if (feed && (!c->source.from_fd || (rc > 0 && p[2].revents)))
		return refill(c);
	return NULL;
}

/* The next head in IN that is not an interim answer. */
static es_err *read_head(struct http_client *c, struct arena *a, const char *method, int64_t deadline_ns, struct http_head *ret)
{
	size_t scan = 0, len = 0;

	for (;;) {
		ES_TRY(es_err_as(http_head_end(es_buf_str(&c->in), c->in.len, &scan, &len), ES_E_PROTOCOL));
		if (len) {
			ES_TRY(http_response_parse(a, c->in.p, len, method, ret));
			es_buf_consume(&c->in, len);
			scan = 0;
			if (ret->status >= 200 || ret->status == 101)
				return NULL;
			continue;
		}
		if (c->reset && !c->in.len)
			return es_err_as(es_err_sys(ECONNRESET, "the server closed the connection without an answer"), ES_E_UNAVAILABLE);
		if (c->in_eof)
			return es_err_new(c->in.len ? ES_E_PROTOCOL : ES_E_UNAVAILABLE, "the server closed the connection without an answer");
		ES_TRY(step(c, deadline_ns));
	}
}

static void queue_head(struct http_client *c, const struct http_request *req)
{
	es_buf_printf(&c->out, "%s %s HTTP/1.1\r\nHost: %s\r\n", req->method, req->target, c->host);
	for (size_t i = 0; i < req->n_fields; i++)
		es_buf_printf(&c->out, "%s: %s\r\n", req->fields[i].name, req->fields[i].value);
	if (req->upgrade)
		es_buf_printf(&c->out, "Connection: Upgrade\r\nUpgrade: %s\r\n", req->upgrade);
	if (req->body.from_fd || req->body.read)
		es_buf_adds(&c->out, "Transfer-Encoding: chunked\r\n");
	else if (req->body.bytes || str_eq(req->method, "POST") || str_eq(req->method, "PUT"))
		es_buf_printf(&c->out, "Content-Length: %zu\r\n", req->body.len);
	es_buf_adds(&c->out, "\r\n");
	es_buf_add(&c->out, req->body.bytes, req->body.len);
}

/* Could another request go over this connection? A server that said something unasked, or closed, makes it useless. */
static bool is_usable(struct http_client *c)
{
	struct pollfd p = { .fd = c->in_fd, .events = POLLIN };

	if (c->in_fd < 0)
		return false;
	if (!c->used)
		return true;
	return c->has_answer && c->body.done && c->keep_alive && c->source_done && !c->broken && !c->out.len && !c->in.len &&
	       poll(&p, 1, 0) == 0;
}

static es_err *attempt(struct http_client *c, struct arena *a, const struct http_request *req, int64_t deadline_ns,
		       struct http_head *ret)
{
	c->used = true;
	c->has_answer = false;
	c->source = req->body;
	c->source_done = !req->body.from_fd && !req->body.read;
	queue_head(c, req);
	ES_TRY(read_head(c, a, req->method, deadline_ns, ret));
	http_body_init(&c->body, ret);
	c->keep_alive = ret->keep_alive;
	c->has_answer = true;
	return NULL;
}

es_err *http_client_do(struct http_client *c, struct arena *a, const struct http_request *req, struct http_head *ret)
{
	int64_t deadline_ns = req->timeout_ms ? clock_mono_ns() + req->timeout_ms * CLOCK_NS_PER_MS : 0;
	bool repeatable = !req->body.from_fd && !req->body.read && (str_eq(req->method, "GET") || str_eq(req->method, "HEAD"));
	bool fresh = !is_usable(c);
	es_err *err;

	if (fresh)
		ES_TRY(connect_again(c));
	else
		fresh = !c->used;
	err = attempt(c, a, req, deadline_ns, ret);
	/* The server may close an idle connection in the moment in which we use it. */
	if (err && es_err_class(err) == ES_E_UNAVAILABLE && !fresh && repeatable && (c->url || c->dial)) {
		es_err_drop(err);
		ES_TRY(connect_again(c));
		err = attempt(c, a, req, deadline_ns, ret);
	}
	return err;
}

es_err *http_client_read(struct http_client *c, void *buf, size_t max, size_t *ret_n)
{
	*ret_n = 0;
	while (!c->body.done) {
		size_t used, n;
		const char *data;

		ES_TRY(http_body_feed(&c->body, es_buf_str(&c->in), c->in.len, max, &used, &data, &n));
		if (n)
			memcpy(buf, data, n);
		es_buf_consume(&c->in, used);
		*ret_n = n;
		if (n)
			return NULL;
		if (used)
			continue;
		if (c->in_eof) {
			c->body.done = true;
			return c->body.framing == HTTP_UNTIL_CLOSE ? NULL : es_err_new(ES_E_PROTOCOL, "unexpected EOF");
		}
		ES_TRY(step(c, 0));
	}
	return NULL;
}

es_err *http_client_read_all(struct http_client *c, size_t max, char **ret_text, size_t *ret_len)
{
	es_autobuf all = ES_BUF(max);
	char bytes[IO_BYTES];
	size_t n;

	do {
		ES_TRY(http_client_read(c, bytes, sizeof bytes, &n));
		es_buf_add(&all, bytes, n);
		if (all.overflow)
			break;
	} while (n);
	if (ret_len)
		*ret_len = all.len;
	return es_err_in(es_buf_finish(&all, ret_text), "answer");
}

void http_client_hijack(struct http_client *c, int *ret_in, int *ret_out, char **ret_head, size_t *ret_len)
{
	*ret_head = c->in.len ? es_xmemdup(c->in.p, c->in.len) : NULL;
	*ret_len = c->in.len;
	es_err_drop(file_set_nonblock(c->in_fd, false));
	es_err_drop(file_set_nonblock(c->out_fd, false));
	if (c->out.len) /* the server answered before it read everything */
		es_err_drop(file_write_all(c->out_fd, c->out.p, c->out.len));
	*ret_in = ES_TAKE_FD(c->in_fd);
	*ret_out = ES_TAKE_FD(c->out_fd);
	disconnect(c);
}

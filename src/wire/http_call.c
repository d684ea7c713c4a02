/* SPDX-License-Identifier: Apache-2.0 */
/* http_call.c: the handler's side of a call: reading the request, making the answer. */
#include "wire/http_call.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "base/str.h"
#include "wire/http_server_priv.h"

#define READ_BYTES (64u << 10)
#define PIECES 3 /* of one piece of output: head or size line, bytes, line end */

struct http_call *http_call_new(struct http_conn *conn, struct arena *a)
{
	struct http_call *c = ARENA_NEW(a, struct http_call);

	c->conn = conn;
	c->arena = a;
	c->status = 200;
	c->held = ES_BUF(HTTP_HELD_MAX);
	c->resume.fd = -1;
	atomic_init(&c->refs, 1);
	return c;
}

void http_call_free(struct http_call *c)
{
	es_buf_done(&c->held);
	arena_free(c->arena);
}

void http_call_ref(struct http_call *c)
{
	atomic_fetch_add(&c->refs, 1);
}

void http_call_unref(struct http_call *c)
{
	struct http_conn *conn = c->conn;

	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	http_call_end(c);
	pthread_mutex_lock(&conn->lock);
	conn->finished = true;
	http_conn_kick(conn); /* with the lock held: the loop frees both as soon as it sees this */
	pthread_mutex_unlock(&conn->lock);
}

void http_call_run_here(struct http_call *c, http_call_fn *fn, void *self)
{
	fn(self, c);
	http_call_unref(c);
}

static void run_job(void *self)
{
	struct http_call *c = self;

	http_call_run_here(c, c->fn, c->fn_self);
}

void http_call_run_later(struct http_call *c, http_call_fn *fn, void *self)
{
	c->fn = fn;
	c->fn_self = self;
	c->job.fn = run_job;
	c->job.self = c;
	workers_add(c->conn->server->workers, &c->job);
}

const struct http_head *http_call_head(const struct http_call *c)
{
	return &c->head;
}

struct arena *http_call_arena(struct http_call *c)
{
	return c->arena;
}

/* Sending. */

static void lock(struct http_call *c)
{
	pthread_mutex_lock(&c->conn->lock);
}

static void unlock(struct http_call *c)
{
	pthread_mutex_unlock(&c->conn->lock);
}

/* What follows the first SKIP bytes of V; returns how many pieces. */
static size_t iov_after(const struct iovec *v, size_t n, size_t skip, struct iovec *out)
{
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		size_t cut = skip < v[i].iov_len ? skip : v[i].iov_len;

		skip -= cut;
		if (v[i].iov_len > cut)
			out[m++] = (struct iovec){ (char *)v[i].iov_base + cut, v[i].iov_len - cut };
	}
	return m;
}

static void mark_broken(struct http_conn *conn)
{
	conn->broken = true;
	http_conn_kick(conn);
}

/* How many bytes the kernel takes now; marks the connection when it takes none any more. */
static size_t send_now(struct http_conn *conn, const struct iovec *v, size_t n)
{
	struct msghdr m = { .msg_iov = (struct iovec *)v, .msg_iovlen = (int)n };
	ssize_t sent = sendmsg(conn->io.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent >= 0)
		return (size_t)sent;
	if (errno != EAGAIN && errno != EINTR)
		mark_broken(conn);
	return 0;
}

static size_t queue(struct http_conn *conn, const struct iovec *v, size_t n, size_t room)
{
	size_t queued = 0;

	for (size_t i = 0; i < n && room; i++) {
		size_t part = v[i].iov_len < room ? v[i].iov_len : room;

		es_buf_add(&conn->out, v[i].iov_base, part);
		queued += part;
		room -= part;
	}
	http_conn_kick(conn);
	return queued;
}

enum put_mode {
	PUT_WAIT, /* until there is room */
	PUT_DROP, /* the client when there is none */
	PUT_ALL,  /* now, room or not: small and last things */
};

/* Lock held (given up while waiting). False: the connection is dead. */
static bool put(struct http_call *c, const struct iovec *v, size_t n, enum put_mode mode)
{
	struct http_conn *conn = c->conn;
	struct iovec rest[PIECES];
	size_t total = 0, done = 0, m;

	for (size_t i = 0; i < n; i++)
		total += v[i].iov_len;
	while (done < total) {
		size_t room;

		if (conn->dead || conn->broken)
			return false;
		m = iov_after(v, n, done, rest);
		if (!conn->out.len) {
			done += send_now(conn, rest, m);
			m = iov_after(v, n, done, rest);
		}
		room = mode == PUT_DROP ? HTTP_POST_MAX : HTTP_STREAM_MAX;
		room = room > conn->out.len ? room - conn->out.len : 0;
		if (mode == PUT_DROP && room < total - done) {
			mark_broken(conn);
			return false;
		}
		if (m)
			done += queue(conn, rest, m, mode == PUT_ALL ? total - done : room);
		if (done < total)
			pthread_cond_wait(&conn->moved, &conn->lock);
	}
	return true;
}

static es_err *gone(void)
{
	return es_err_new(ES_E_CANCELLED, "the client is gone");
}

/* The head of the answer. */

void http_call_status(struct http_call *c, int status)
{
	c->status = status;
}

static char *clean_value(struct arena *a, const char *value)
{
	char *out = arena_strdup(a, value);

	for (char *p = out; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	return out;
}

static void remove_field(struct http_call *c, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_fields; i++)
		if (!str_eq_nocase(c->fields[i].name, name))
			c->fields[n++] = c->fields[i];
	c->n_fields = n;
}

void http_call_field(struct http_call *c, const char *name, const char *value)
{
	struct http_field f;

	if (!value) {
		remove_field(c, name);
		return;
	}
	f = (struct http_field){ arena_strdup(c->arena, name), clean_value(c->arena, value) };
	c->has_length |= str_eq_nocase(name, "Content-Length");
	for (size_t i = 0; i < c->n_fields; i++) {
		if (str_eq_nocase(c->fields[i].name, name)) {
			c->fields[i] = f;
			return;
		}
	}
	if (c->n_fields == c->cap_fields) {
		struct http_field *more = ARENA_ARRAY(c->arena, struct http_field, c->cap_fields + 16);

		if (c->n_fields)
			memcpy(more, c->fields, c->n_fields * sizeof *more);
		c->fields = more;
		c->cap_fields += 16;
	}
	c->fields[c->n_fields++] = f;
}

static bool has_no_body(const struct http_call *c)
{
	return str_eq(c->head.method, "HEAD") || c->status == 204 || c->status == 304 || c->status < 200;
}

static void add_date(struct es_buf *b)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[40];

	gmtime_r(&now, &tm);
	strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	es_buf_printf(b, "Date: %s\r\n", text);
}

/* COMPLETE: the held bytes are the whole body. */
static void add_framing(struct http_call *c, struct es_buf *b, bool complete)
{
	bool bodiless = c->status == 204 || c->status == 304 || c->status < 200;

	if (c->hijacked || c->has_length || bodiless)
		return;
	if (complete)
		es_buf_printf(b, "Content-Length: %zu\r\n", c->held.len);
	else if (c->head.minor && str_eq(c->head.method, "HEAD"))
		return;
	else if (c->head.minor)
		es_buf_adds(b, "Transfer-Encoding: chunked\r\n");
	else
		c->keep_alive = false;
	c->chunked = !complete && c->head.minor;
}

/* Lock held. Send head and held bytes. */
static bool send_head(struct http_call *c, bool complete, enum put_mode mode)
{
	es_autobuf b = ES_BUF(HTTP_ANSWER_FIELDS_MAX + HTTP_HELD_MAX);
	char size[24] = "";
	struct iovec v[PIECES];
	bool body = c->held.len && !has_no_body(c);

	c->sent = true;
	c->keep_alive = c->head.keep_alive && c->head.minor && !c->conn->server->stopping && !c->hijacked;
	es_buf_printf(&b, "HTTP/1.1 %d %s\r\n", c->status, http_reason(c->status));
	for (size_t i = 0; i < c->n_fields; i++)
		es_buf_printf(&b, "%s: %s\r\n", c->fields[i].name, c->fields[i].value);
	add_date(&b);
	add_framing(c, &b, complete);
	if (!c->keep_alive && !c->hijacked)
		es_buf_adds(&b, "Connection: close\r\n");
	es_buf_adds(&b, "\r\n");
	if (body && c->chunked) {
		(void)snprintf(size, sizeof size, "%zx\r\n", c->held.len);
		es_buf_adds(&b, size);
	}
	v[0] = (struct iovec){ b.p, b.len };
	v[1] = (struct iovec){ c->held.p, body ? c->held.len : 0 };
	v[2] = (struct iovec){ (char *)"\r\n", body && c->chunked ? 2 : 0 };
	body = put(c, v, PIECES, mode);
	es_buf_done(&c->held);
	return body;
}

static bool send_body(struct http_call *c, const void *bytes, size_t n, enum put_mode mode)
{
	char size[24];
	int len = snprintf(size, sizeof size, "%zx\r\n", n);
	struct iovec v[PIECES] = {
		{ size, c->chunked ? (size_t)len : 0 },
		{ (void *)(uintptr_t)bytes, n },
		{ (char *)"\r\n", c->chunked ? 2 : 0 },
	};

	if (!n || has_no_body(c))
		return !c->conn->dead;
	return put(c, v, PIECES, mode);
}

es_err *http_call_write(struct http_call *c, const void *bytes, size_t n)
{
	bool ok = true;

	lock(c);
	if (!c->sent && n <= HTTP_HELD_MAX - c->held.len) {
		es_buf_add(&c->held, bytes, n);
		ok = !c->conn->dead;
	} else {
		if (!c->sent)
			ok = send_head(c, false, PUT_WAIT);
		ok = ok && !c->ended && send_body(c, bytes, n, PUT_WAIT);
	}
	unlock(c);
	return ok ? NULL : gone();
}

es_err *http_call_puts(struct http_call *c, const char *text)
{
	return http_call_write(c, text, strlen(text));
}

es_err *http_call_flush(struct http_call *c)
{
	bool ok;

	lock(c);
	ok = c->sent ? !c->conn->dead : send_head(c, false, PUT_WAIT);
	unlock(c);
	return ok ? NULL : gone();
}

bool http_call_post(struct http_call *c, const void *bytes, size_t n)
{
	bool ok;

	lock(c);
	ok = c->sent && !c->ended && send_body(c, bytes, n, PUT_DROP);
	unlock(c);
	return ok;
}

bool http_call_is_sent(struct http_call *c)
{
	return c->sent;
}

void http_call_discard(struct http_call *c)
{
	lock(c);
	es_buf_reset(&c->held);
	unlock(c);
}

void http_call_end(struct http_call *c)
{
	struct iovec last = { (char *)"0\r\n\r\n", 5 };

	lock(c);
	if (!c->ended && !c->hijacked) {
		if (!c->sent)
			(void)send_head(c, true, PUT_ALL);
		else if (c->chunked)
			(void)put(c, &last, 1, PUT_ALL);
	}
	c->ended = true;
	unlock(c);
}

void http_call_abort(struct http_call *c)
{
	lock(c);
	c->ended = true;
	mark_broken(c->conn);
	unlock(c);
}

size_t http_call_room(struct http_call *c)
{
	size_t used;

	lock(c);
	used = c->conn->out.len;
	unlock(c);
	return used < HTTP_STREAM_MAX ? HTTP_STREAM_MAX - used : 0;
}

/* The request body. */

static es_err *receive(struct http_conn *conn)
{
	char *room = es_buf_reserve(&conn->in, READ_BYTES);
	struct pollfd p = { .fd = conn->io.fd, .events = POLLIN };

	if (!room)
		return es_err_new(ES_E_LIMIT, "request body framing is too large");
	for (;;) {
		ssize_t n = recv(conn->io.fd, room, READ_BYTES, MSG_DONTWAIT);

		if (n > 0) {
			es_buf_commit(&conn->in, (size_t)n);
			return NULL;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return es_err_new(ES_E_CANCELLED, "unexpected EOF");
		(void)poll(&p, 1, -1); /* a connection that dies is shut down: that ends this */
	}
}

static void tell_continue(struct http_call *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec v = { (char *)(uintptr_t)text, sizeof text - 1 };

	if (!c->head.expect_continue || c->told_continue)
		return;
	c->told_continue = true;
	lock(c);
	if (!c->sent)
		(void)put(c, &v, 1, PUT_ALL);
	unlock(c);
}

es_err *http_call_read(struct http_call *c, void *buf, size_t max, size_t *ret_n)
{
	struct http_conn *conn = c->conn;

	*ret_n = 0;
	while (!conn->body.done && max) {
		size_t used, n;
		const char *data;

		tell_continue(c);
		ES_TRY(http_body_feed(&conn->body, es_buf_str(&conn->in), conn->in.len, max, &used, &data, &n));
		if (n)
			memcpy(buf, data, n);
		es_buf_consume(&conn->in, used);
		*ret_n = n;
		if (n)
			return NULL;
		if (!used)
			ES_TRY(receive(conn));
	}
	return NULL;
}

es_err *http_call_read_all(struct http_call *c, size_t max, char **ret_text, size_t *ret_len)
{
	es_autobuf b = ES_BUF(max);
	size_t n = 1;
	char *text;

	if (c->head.framing == HTTP_LENGTH && c->head.length > max)
		return es_err_new(ES_E_LIMIT, "request body is larger than %zu bytes", max);
	while (n && !b.overflow) {
		char bytes[4096];

		ES_TRY(http_call_read(c, bytes, sizeof bytes, &n));
		es_buf_add(&b, bytes, n);
	}
	if (ret_len)
		*ret_len = b.len;
	ES_TRY(es_err_in(es_buf_finish(&b, &text), "request body"));
	arena_own(c->arena, text);
	*ret_text = text;
	return NULL;
}

/* The client's leaving, and giving the thread back. */

bool http_call_is_gone(struct http_call *c)
{
	bool left;

	lock(c);
	left = c->conn->left || c->conn->broken;
	unlock(c);
	return left;
}

int http_call_gone_fd(struct http_call *c)
{
	struct http_conn *conn = c->conn;

	lock(c);
	if (conn->gone_fd < 0)
		conn->gone_fd = eventfd(conn->left, EFD_CLOEXEC | EFD_NONBLOCK);
	unlock(c);
	return conn->gone_fd;
}

void http_call_resume(struct http_call *c, int fd, int timeout_ms, bool room, http_call_fn *fn, void *self)
{
	struct http_resume *r = &c->resume;

	http_call_ref(c);
	lock(c);
	r->asked = true;
	r->fd = fd;
	r->timeout_ms = timeout_ms;
	r->room = room;
	r->fn = fn;
	r->self = self;
	http_conn_kick(c->conn);
	unlock(c);
}

void http_call_wake(struct http_call *c)
{
	lock(c);
	c->resume.woken = true;
	if (c->resume.asked)
		http_conn_kick(c->conn);
	unlock(c);
}

es_err *http_call_hijack(struct http_call *c, int *ret_fd, const char **ret_early, size_t *ret_len)
{
	struct http_conn *conn = c->conn;
	bool ok;

	lock(c);
	c->hijacked = true;
	ok = send_head(c, false, PUT_WAIT);
	c->ended = true;
	if (ok) {
		conn->release = true;
		http_conn_kick(conn);
	}
	while (ok && !conn->released && !conn->dead)
		pthread_cond_wait(&conn->moved, &conn->lock);
	if (conn->released)
		*ret_fd = ES_TAKE_FD(conn->io.fd);
	unlock(c);
	if (!conn->released)
		return gone();
	*ret_len = conn->in.len;
	*ret_early = arena_strndup(c->arena, es_buf_str(&conn->in), conn->in.len);
	return NULL;
}

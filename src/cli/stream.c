/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c: the caller's standard streams on one side, a container's on the other.
 *
 * One poll loop and no thread. What is typed waits in one bounded buffer while the daemon is slow; what the container
 * prints is written at once, blocking, so that a slow reader of ours slows the container and nothing piles up. */
#include "cli/stream.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/file.h"

#define STREAM_CHUNK 32768
#define FRAME_HEAD 8
#define WAIT_REPLY_MAX (1u << 20)

/* docker's frames: type, three zeros, length as a big-endian word, bytes. */
struct demux {
	unsigned char head[FRAME_HEAD];
	size_t head_len;
	uint32_t left; /* bytes of the frame still to come */
};

static es_err *write_out(int fd, const char *bytes, size_t n)
{
	es_err *err = file_write_all(fd, bytes, n);

	if (err && es_err_errno(err) == EPIPE)
		_exit(128 + SIGPIPE);
	return es_err_in(err, "write standard %s", fd == STDOUT_FILENO ? "output" : "error");
}

static es_err *demux_feed(struct demux *d, const char *bytes, size_t n)
{
	while (n) {
		size_t take;

		if (d->left == 0) {
			take = FRAME_HEAD - d->head_len < n ? FRAME_HEAD - d->head_len : n;
			memcpy(d->head + d->head_len, bytes, take);
			d->head_len += take;
			if (d->head_len == FRAME_HEAD) {
				if (d->head[0] > 3)
					return es_err_new(ES_E_PROTOCOL, "Unrecognized input header: %u", d->head[0]);
				d->left = (uint32_t)d->head[4] << 24 | (uint32_t)d->head[5] << 16 | (uint32_t)d->head[6] << 8 | d->head[7];
				d->head_len = 0;
			}
		} else {
			take = d->left < n ? d->left : n;
			ES_TRY(write_out(d->head[0] >= 2 ? STDERR_FILENO : STDOUT_FILENO, bytes, take));
			d->left -= (uint32_t)take;
		}
		bytes += take;
		n -= take;
	}
	return NULL;
}

static es_err *deliver(struct demux *d, bool raw, const char *bytes, size_t n)
{
	return raw ? write_out(STDOUT_FILENO, bytes, n) : demux_feed(d, bytes, n);
}

es_err *stream_copy_body(struct http_client *http, bool raw)
{
	es_autofree char *buf = es_xmalloc(STREAM_CHUNK);
	struct demux d = { .left = 0 };

	for (;;) {
		size_t n;

		ES_TRY(http_client_read(http, buf, STREAM_CHUNK, &n));
		if (!n)
			return NULL;
		ES_TRY(deliver(&d, raw, buf, n));
	}
}

/* Opening. */

es_err *stream_open(struct cli *c, const char *path, const char *query, const struct json *body, struct stream *ret)
{
	const struct client_request r = { .method = "POST", .path = path, .query = query, .json = body, .upgrade = true };
	struct http_client *http;
	struct http_head head;
	int in, out;

	ES_TRY(client_send_apart(c, &r, &head, &http));
	http_client_hijack(http, &in, &out, &ret->head, &ret->head_len);
	ret->fd = in;
	if (out != in)
		es_close(out);
	http_client_free(http);
	return NULL;
}

void stream_done(struct stream *s)
{
	es_close_p(&s->fd);
	free(ES_TAKE(s->head));
	es_close_p(&s->signal_fd);
}

/* Typed bytes on their way to the container. */
struct typed {
	char bytes[STREAM_CHUNK];
	size_t at, n;
	bool eof, closed;
};

/* Read some; true when the detach keys were typed. Keys held back at the end of the input go out with it. */
static bool read_typed(struct stream *s, struct typed *t)
{
	char in[STREAM_CHUNK - DETACH_KEYS_MAX];
	ssize_t n = file_read_some(STDIN_FILENO, in, sizeof in);
	bool detached = false;

	t->at = t->n = 0;
	if (n <= 0) {
		t->eof = true;
		memcpy(t->bytes, s->detach.keys, s->watch_keys ? s->detach.at : 0);
		t->n = s->watch_keys ? s->detach.at : 0;
	} else if (s->watch_keys) {
		t->n = detach_feed(&s->detach, in, (size_t)n, t->bytes, &detached);
	} else {
		memcpy(t->bytes, in, (size_t)n);
		t->n = (size_t)n;
	}
	return detached;
}

static void send_typed(struct stream *s, struct typed *t)
{
	if (t->at < t->n) {
		ssize_t n = send(s->fd, t->bytes + t->at, t->n - t->at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			t->at += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			t->eof = true, t->at = t->n; /* nobody reads any more: what it printed still comes */
	}
	if (t->eof && t->at == t->n && !t->closed) {
		shutdown(s->fd, SHUT_WR);
		t->closed = true;
	}
}

static void read_signals(struct stream *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
		if (s->on_signal)
			s->on_signal(s->self, (int)info.ssi_signo);
}

static es_err *read_wait(struct stream_wait *w)
{
	char buf[4096];
	ssize_t n = file_read_some(w->fd, buf, sizeof buf);
	const char *at = buf;
	size_t left = n > 0 ? (size_t)n : 0;

	if (n <= 0)
		w->done = true;
	while (left && !w->body.done) {
		const char *data;
		size_t used, len;

		ES_TRY(http_body_feed(&w->body, at, left, SIZE_MAX, &used, &data, &len));
		es_buf_add(&w->text, data, len);
		at += used;
		left -= used;
	}
	w->done |= w->body.done;
	return NULL;
}

es_err *stream_run(struct stream *s, enum stream_end *ret)
{
	struct typed *typed = es_xcalloc(1, sizeof *typed);
	es_autofree void *typed_owner = typed;
	es_autofree char *buf = es_xmalloc(STREAM_CHUNK);
	struct demux d = { .left = 0 };

	*ret = STREAM_CLOSED;
	if (!s->with_stdin)
		typed->eof = typed->closed = true;
	ES_TRY(deliver(&d, s->raw, s->head, s->head_len));
	for (;;) {
		bool pending = typed->at < typed->n || (typed->eof && !typed->closed);
		struct pollfd fds[] = {
			{ .fd = s->fd, .events = (short)(POLLIN | (pending ? POLLOUT : 0)) },
			{ .fd = typed->eof || pending ? -1 : STDIN_FILENO, .events = POLLIN },
			{ .fd = s->signal_fd, .events = POLLIN },
			{ .fd = s->wait && !s->wait->done ? s->wait->fd : -1, .events = POLLIN },
		};

		if (poll(fds, ES_N(fds), -1) < 0 && errno != EINTR)
			return es_err_sys(errno, "poll");
		if (fds[2].revents)
			read_signals(s);
		if (fds[3].revents)
			ES_TRY(read_wait(s->wait));
		if (fds[1].revents && read_typed(s, typed)) {
			*ret = STREAM_DETACHED;
			return NULL;
		}
		if (fds[1].revents || fds[0].revents & POLLOUT)
			send_typed(s, typed);
		if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
			ssize_t n = file_read_some(s->fd, buf, STREAM_CHUNK);

			if (n <= 0)
				return NULL;
			ES_TRY(deliver(&d, s->raw, buf, (size_t)n));
		}
	}
}

/* Waiting for the exit. */

es_err *stream_wait_open(struct cli *c, const char *id, const char *condition, struct stream_wait *ret)
{
	es_autobuf query = QUERY;
	const struct client_request r = { .method = "POST", .path = client_path(c, "/containers/%s/wait", id) };
	struct client_request with_query = r;
	struct http_head head;
	char *early;
	size_t early_len, used, len;
	const char *data;
	int out;

	*ret = (struct stream_wait){ .fd = -1, .text = ES_BUF(WAIT_REPLY_MAX) };
	query_add(&query, "condition", condition);
	with_query.query = es_buf_str(&query);
	ES_TRY(client_send_apart(c, &with_query, &head, &ret->http));
	http_client_hijack(ret->http, &ret->fd, &out, &early, &early_len);
	http_body_init(&ret->body, &head);
	arena_own(c->arena, early);
	for (size_t at = 0; at < early_len && !ret->body.done; at += used) {
		ES_TRY(http_body_feed(&ret->body, early + at, early_len - at, SIZE_MAX, &used, &data, &len));
		es_buf_add(&ret->text, data, len);
	}
	ret->done = ret->body.done;
	return NULL;
}

es_err *stream_wait_finish(struct cli *c, struct stream *s, int *ret_status, const char **ret_error)
{
	struct stream_wait *w = s->wait;
	struct json *doc;

	while (!w->done) {
		struct pollfd fds[] = { { .fd = w->fd, .events = POLLIN }, { .fd = s->signal_fd, .events = POLLIN } };

		if (poll(fds, ES_N(fds), -1) < 0 && errno != EINTR)
			return es_err_sys(errno, "poll");
		if (fds[1].revents)
			read_signals(s);
		if (fds[0].revents)
			ES_TRY(read_wait(w));
	}
	ES_TRY(es_err_in(json_parse(c->arena, es_buf_str(&w->text), w->text.len, &doc), "answer of wait"));
	*ret_status = (int)json_i64(json_get(doc, "StatusCode"), 125);
	*ret_error = json_str(json_get(json_get(doc, "Error"), "Message"));
	return NULL;
}

void stream_wait_done(struct stream_wait *w)
{
	es_close_p(&w->fd);
	http_client_free(w->http);
	w->http = NULL;
	es_buf_done(&w->text);
}

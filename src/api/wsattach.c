/* SPDX-License-Identifier: Apache-2.0 */
/* wsattach.c: two sockets, two small buffers, one poll(2). A buffer that holds something stops the reading of what would fill it, so a
 * client that does not read makes the container wait, as with every other attach. */
#include "api/wsattach.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/file.h"
#include "wire/websocket.h"

#define CHUNK ((size_t)16 << 10) /* bytes read at once */
#define HEADER 8                 /* of docker's frames */
#define ROOM (CHUNK + 4096)      /* for a chunk with the heads that it gets, and answers to pings */
#define STACK_BYTES ((size_t)256 << 10)

struct wsattachs {
	pthread_mutex_t lock;
	pthread_cond_t less; /* a thread has ended */
	size_t n;
	int stop_fd; /* readable: all are to end */
};

struct pipe_buf {
	unsigned char bytes[ROOM];
	size_t at, len;
};

struct talk {
	struct wsattachs *all;
	struct wsattach w;
	struct websocket_reader reader;
	struct pipe_buf to_client, to_stream;
	unsigned char header[HEADER];
	size_t n_header;
	uint32_t left; /* of the payload of a docker frame */
	bool ending;   /* the last frame for the client is in its buffer */
	bool over;
};

static size_t room(const struct pipe_buf *b)
{
	return b->at == b->len ? ROOM : ROOM - b->len;
}

static void put(struct pipe_buf *b, const void *bytes, size_t n)
{
	if (b->at == b->len)
		b->at = b->len = 0;
	memcpy(b->bytes + b->len, bytes, n);
	b->len += n;
}

static void message(struct talk *t, enum websocket_op op, const void *bytes, size_t n)
{
	unsigned char head[WEBSOCKET_HEAD_MAX];
	size_t n_head = websocket_head(op, n, head);

	if (room(&t->to_client) < n_head + n) /* only answers to pings could be too many: they may be left out (§5.5.3) */
		return;
	put(&t->to_client, head, n_head);
	put(&t->to_client, bytes, n);
}

/* ---- from the container ---- */

static void payload(struct talk *t, const unsigned char *bytes, size_t n)
{
	if (n)
		message(t, t->w.binary ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, bytes, n);
}

/* The eight bytes before each payload are cut away: a WebSocket has no streams to tell apart. */
static void unframe(struct talk *t, const unsigned char *bytes, size_t n)
{
	while (n) {
		size_t take;

		if (!t->left) {
			t->header[t->n_header++] = *bytes++;
			n--;
			if (t->n_header < HEADER)
				continue;
			t->n_header = 0;
			t->left = (uint32_t)t->header[4] << 24 | (uint32_t)t->header[5] << 16 | (uint32_t)t->header[6] << 8 | t->header[7];
			continue;
		}
		take = n < t->left ? n : t->left;
		payload(t, bytes, take);
		bytes += take;
		n -= take;
		t->left -= (uint32_t)take;
	}
}

static void finish(struct talk *t, unsigned code)
{
	const unsigned char why[2] = { (unsigned char)(code >> 8), (unsigned char)code };

	message(t, WEBSOCKET_CLOSE, why, sizeof why);
	t->ending = true;
}

static void from_stream(struct talk *t)
{
	unsigned char bytes[CHUNK];
	ssize_t n = file_read_some(t->w.stream_fd, bytes, sizeof bytes);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		finish(t, 1000);
	else if (t->w.framed)
		unframe(t, bytes, (size_t)n);
	else
		payload(t, bytes, (size_t)n);
}

/* ---- from the client ---- */

static void take(struct talk *t, unsigned char *bytes, size_t n)
{
	while (n && !t->ending) {
		struct websocket_event ev;
		size_t used;
		es_autoerr es_err *err = websocket_read(&t->reader, bytes, n, &used, &ev);

		if (err) {
			finish(t, 1002);
			return;
		}
		bytes += used;
		n -= used;
		if (!ev.set)
			continue;
		if (ev.op == WEBSOCKET_PING)
			message(t, WEBSOCKET_PONG, ev.bytes, ev.n);
		else if (ev.op == WEBSOCKET_CLOSE)
			finish(t, 1000);
		else if (ev.op != WEBSOCKET_PONG)
			put(&t->to_stream, ev.bytes, ev.n);
	}
}

static void from_client(struct talk *t)
{
	unsigned char bytes[CHUNK];
	ssize_t n = file_read_some(t->w.client_fd, bytes, sizeof bytes);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		t->over = true;
	else
		take(t, bytes, (size_t)n);
}

/* ---- both ---- */

/* A reader that is gone: for the client everything is over; a container that takes no input may still have output. */
static void flush(struct talk *t, int fd, struct pipe_buf *b)
{
	ssize_t n = send(fd, b->bytes + b->at, b->len - b->at, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		b->at = b->len;
		t->over |= fd == t->w.client_fd;
	}
	if (n > 0)
		b->at += (size_t)n;
}

static short wanted(const struct pipe_buf *fills, const struct pipe_buf *holds, bool reads)
{
	short read = reads && fills->at == fills->len ? POLLIN : 0, write = holds->at < holds->len ? POLLOUT : 0;

	return (short)(read | write);
}

static void step(struct talk *t)
{
	struct pollfd p[] = {
		{ .fd = t->w.client_fd, .events = wanted(&t->to_stream, &t->to_client, !t->ending) },
		{ .fd = t->w.stream_fd, .events = wanted(&t->to_client, &t->to_stream, !t->ending) },
		{ .fd = t->all->stop_fd, .events = POLLIN },
	};

	if (!p[1].events)
		p[1].fd = -1; /* else its hang-up would be told again and again */
	if (poll(p, ES_N(p), -1) < 0)
		return;
	t->over |= p[2].revents != 0;
	if (p[0].revents & POLLOUT)
		flush(t, t->w.client_fd, &t->to_client);
	if (p[1].revents & POLLOUT)
		flush(t, t->w.stream_fd, &t->to_stream);
	if (p[0].events & POLLIN && p[0].revents & (POLLIN | POLLHUP | POLLERR))
		from_client(t);
	else if (p[0].revents & (POLLHUP | POLLERR))
		t->over = true;
	if (p[1].events & POLLIN && p[1].revents & (POLLIN | POLLHUP | POLLERR) && t->to_client.at == t->to_client.len)
		from_stream(t);
	else if (p[1].revents & (POLLHUP | POLLERR))
		t->to_stream.at = t->to_stream.len;
	if (t->ending && t->to_client.at == t->to_client.len)
		t->over = true;
}

static void end(struct talk *t)
{
	struct wsattachs *all = t->all;

	(void)shutdown(t->w.client_fd, SHUT_RDWR);
	es_close(t->w.client_fd);
	es_close(t->w.stream_fd);
	free(t);
	(void)pthread_mutex_lock(&all->lock);
	all->n--;
	(void)pthread_cond_signal(&all->less);
	(void)pthread_mutex_unlock(&all->lock);
}

static void *carry(void *self)
{
	struct talk *t = self;

	while (!t->over)
		step(t);
	end(t);
	return NULL;
}

static bool start_thread(struct talk *t)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, carry, t);
	(void)pthread_attr_destroy(&attr);
	return rc == 0;
}

es_err *wsattach_start(struct wsattachs *all, const struct wsattach *w)
{
	struct talk *t = ES_NEW(struct talk);
	bool full;

	t->all = all;
	t->w = *w;
	(void)pthread_mutex_lock(&all->lock);
	full = all->n++ >= WSATTACH_MAX;
	(void)pthread_mutex_unlock(&all->lock);
	if (!full && start_thread(t))
		return NULL;
	end(t);
	return es_err_new(ES_E_UNAVAILABLE, "no more than %d clients can be attached by WebSocket", WSATTACH_MAX);
}

struct wsattachs *wsattachs_new(void)
{
	struct wsattachs *all = ES_NEW(struct wsattachs);

	(void)pthread_mutex_init(&all->lock, NULL);
	(void)pthread_cond_init(&all->less, NULL);
	all->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return all;
}

void wsattachs_free(struct wsattachs *all)
{
	const uint64_t one = 1;

	es_err_drop(file_write_all(all->stop_fd, &one, sizeof one));
	(void)pthread_mutex_lock(&all->lock);
	while (all->n)
		(void)pthread_cond_wait(&all->less, &all->lock);
	(void)pthread_mutex_unlock(&all->lock);
	es_close(all->stop_fd);
	(void)pthread_cond_destroy(&all->less);
	(void)pthread_mutex_destroy(&all->lock);
	free(all);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* http_server.c: the loop's side: accepting, reading heads, writing what waits, and the ends of connections. */
#include "wire/http_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "wire/http_server_priv.h"

#define READ_BYTES (16u << 10)
#define IN_MAX (HTTP_HEAD_MAX + (128u << 10)) /* a head, or one read of a body, and a little */
#define ACCEPT_BATCH 16
#define ACCEPT_PAUSE_MS 100 /* when descriptors ran out */

struct listener {
	struct http_server *server;
	struct list link;
	struct loop_io io;
};

static void conn_event(void *self, uint32_t events);
static void conn_read_head(struct http_conn *c);

/* Waking the loop from other threads. */

void http_conn_kick(struct http_conn *c)
{
	struct http_server *s = c->server;
	uint64_t one = 1;

	pthread_mutex_lock(&s->kick_lock);
	if (!c->kicked) {
		c->kicked = true;
		if (list_is_empty(&s->kicks))
			(void)!write(s->kick_io.fd, &one, sizeof one);
		list_append(&s->kicks, &c->kick_link);
	}
	pthread_mutex_unlock(&s->kick_lock);
}

static struct http_conn *next_kicked(struct http_server *s)
{
	struct http_conn *c = NULL;

	pthread_mutex_lock(&s->kick_lock);
	if (!list_is_empty(&s->kicks)) {
		c = LIST_ENTRY(s->kicks.next, struct http_conn, kick_link);
		list_remove(&c->kick_link);
		c->kicked = false;
	}
	pthread_mutex_unlock(&s->kick_lock);
	return c;
}

/* Listening. */

static void listen_on(struct http_server *s, bool on)
{
	if (s->listening == on)
		return;
	s->listening = on;
	LIST_EACH(at, &s->listeners) {
		struct listener *l = LIST_ENTRY(at, struct listener, link);

		if (on)
			log_err(loop_watch(s->loop, &l->io, EPOLLIN), "listen");
		else
			loop_remove(s->loop, &l->io);
	}
}

static void conn_free(struct http_conn *c)
{
	struct http_server *s = c->server;

	loop_timer_cancel(s->loop, &c->timer);
	if (c->io.fd >= 0)
		loop_remove(s->loop, &c->io);
	es_close(c->io.fd);
	es_close(c->gone_fd);
	es_buf_done(&c->in);
	es_buf_done(&c->out);
	list_remove(&c->link);
	list_remove(&c->idle_link);
	pthread_mutex_lock(&s->kick_lock);
	list_remove(&c->kick_link);
	pthread_mutex_unlock(&s->kick_lock);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->moved);
	free(c);
	if (s->n_conns-- == HTTP_CONNS_MAX && !s->stopping)
		listen_on(s, true);
}

/* A call's end of waiting. */

static void resume_disarm(struct http_call *call)
{
	struct http_server *s = call->conn->server;

	if (!call->resume.armed)
		return;
	call->resume.armed = false;
	loop_timer_cancel(s->loop, &call->resume.timer);
	if (call->resume.io.fd >= 0)
		loop_remove(s->loop, &call->resume.io);
}

static void resume_fire(struct http_call *call)
{
	http_call_fn *fn;
	void *self;

	resume_disarm(call);
	pthread_mutex_lock(&call->conn->lock);
	fn = call->resume.fn;
	self = call->resume.self;
	call->resume.asked = call->resume.woken = false;
	pthread_mutex_unlock(&call->conn->lock);
	http_call_run_later(call, fn, self); /* which takes over the reference of http_call_resume() */
}

static void resume_readable(void *self, uint32_t events)
{
	resume_fire(self);
}

static void resume_timeout(void *self)
{
	resume_fire(self);
}

static void resume_arm(struct http_call *call)
{
	struct http_resume *r = &call->resume;
	struct http_server *s = call->conn->server;

	if (r->armed)
		return;
	r->armed = true;
	r->io = (struct loop_io){ .fd = r->fd, .fn = resume_readable, .self = call };
	r->timer.fn = resume_timeout;
	r->timer.self = call;
	if (r->timeout_ms >= 0)
		loop_timer_set(s->loop, &r->timer, r->timeout_ms * CLOCK_NS_PER_MS);
	if (r->fd >= 0) {
		es_err *err = loop_watch(s->loop, &r->io, EPOLLIN);

		if (err)
			resume_fire(call); /* FN finds out by itself */
		es_err_drop(err);
	}
}

static void resume_look(struct http_conn *c)
{
	struct http_call *call = c->call;
	bool asked, now;

	pthread_mutex_lock(&c->lock);
	asked = call->resume.asked;
	now = call->resume.woken || c->left || (call->resume.room && !c->out.len);
	pthread_mutex_unlock(&c->lock);
	if (asked && now)
		resume_fire(call);
	else if (asked)
		resume_arm(call);
}

/* The end of connections. */

/* The client is gone, or is to be treated so: whoever works or waits for it is told. */
static void conn_left(struct http_conn *c)
{
	uint64_t one = 1;

	pthread_mutex_lock(&c->lock);
	if (!c->left && c->gone_fd >= 0)
		(void)!write(c->gone_fd, &one, sizeof one);
	c->left = true;
	pthread_mutex_unlock(&c->lock);
	if (c->call)
		resume_look(c);
}

/* Nothing gets through any more. Frees C unless a call is under way. */
static void conn_die(struct http_conn *c)
{
	if (c->state == HTTP_CONN_DEAD)
		return;
	pthread_mutex_lock(&c->lock);
	c->dead = true;
	es_buf_done(&c->out);
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	c->state = HTTP_CONN_DEAD;
	loop_remove(c->server->loop, &c->io);
	(void)shutdown(c->io.fd, SHUT_RDWR);
	if (c->call)
		conn_left(c);
	else
		conn_free(c);
}

/* False: C died of it. */
static bool conn_watch(struct http_conn *c)
{
	uint32_t events = 0;
	es_err *err;

	if (c->state == HTTP_CONN_DEAD)
		return true;
	if (c->state == HTTP_CONN_CALL)
		events = c->half_closed ? 0 : EPOLLRDHUP;
	else
		events = c->eof ? 0 : EPOLLIN;
	pthread_mutex_lock(&c->lock);
	if (c->out.len)
		events |= EPOLLOUT;
	pthread_mutex_unlock(&c->lock);
	err = loop_watch(c->server->loop, &c->io, events);
	if (!err)
		return true;
	log_err(err, "watch connection");
	conn_die(c);
	return false;
}

/* Answered for the last time: end our side and give the client a moment to end its own, so that it can read the answer although
 * it may still be sending. */
static void conn_linger(struct http_conn *c)
{
	c->state = HTTP_CONN_LINGER;
	es_buf_done(&c->in);
	if (!c->out.len) /* else when it is empty */
		(void)shutdown(c->io.fd, SHUT_WR);
	loop_timer_set(c->server->loop, &c->timer, (c->out.len ? HTTP_HEAD_TIMEOUT_S : HTTP_LINGER_S) * CLOCK_NS_PER_S);
	(void)conn_watch(c);
}

static void conn_timeout(void *self)
{
	conn_die(self);
}

/* Ready for the next head, of which a part may be there. */
static void conn_next(struct http_conn *c)
{
	c->state = HTTP_CONN_HEAD;
	c->scan = 0;
	c->half_closed = false;
	if (!c->in.len)
		es_buf_done(&c->in);
	list_append(&c->server->idle, &c->idle_link);
	if (conn_watch(c) && c->in.len)
		conn_read_head(c);
}

/* Refuse what is not HTTP as we speak it. */
static void conn_refuse(struct http_conn *c, es_err *err)
{
	int status = es_err_class(err) == ES_E_LIMIT ? 431 : es_err_class(err) == ES_E_UNSUPPORTED ? 501 : 400;
	char text[512];
	int n = snprintf(text, sizeof text,
			 "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%d %s: %.200s",
			 status, http_reason(status), status, http_reason(status), es_err_text(err));

	es_err_free(err);
	list_remove(&c->idle_link);
	es_buf_add(&c->out, text, (size_t)n);
	conn_linger(c);
}

/* Calls. */

static void call_start(struct http_conn *c, struct http_call *call)
{
	struct http_server *s = c->server;

	list_remove(&c->idle_link);
	c->state = HTTP_CONN_CALL;
	c->call = call;
	s->n_calls++;
	http_body_init(&c->body, &call->head);
	if (s->cfg.quick && s->cfg.quick(s->cfg.self, call))
		http_call_unref(call);
	else
		http_call_run_later(call, s->cfg.handler, s->cfg.self);
	(void)conn_watch(c);
}

static void conn_read_head(struct http_conn *c)
{
	struct arena *a;
	struct http_call *call;
	size_t len;
	es_err *err = http_head_end(es_buf_str(&c->in), c->in.len, &c->scan, &len);

	if (err) {
		conn_refuse(c, err);
		return;
	}
	if (!len) {
		if (!c->timer.on)
			loop_timer_set(c->server->loop, &c->timer, HTTP_HEAD_TIMEOUT_S * CLOCK_NS_PER_S);
		return;
	}
	loop_timer_cancel(c->server->loop, &c->timer);
	a = arena_new();
	call = http_call_new(c, a);
	err = http_request_parse(a, c->in.p, len, &call->head);
	if (err) {
		http_call_free(call);
		conn_refuse(c, err);
		return;
	}
	es_buf_consume(&c->in, len);
	call_start(c, call);
}

/* Read what the last handler did not want, as far as it is little. */
static void conn_drain(struct http_conn *c)
{
	while (!c->body.done && c->in.len) {
		size_t used, n;
		const char *data;
		es_err *err = http_body_feed(&c->body, c->in.p, c->in.len, SIZE_MAX, &used, &data, &n);

		if (err) {
			es_err_drop(err);
			conn_linger(c);
			return;
		}
		es_buf_consume(&c->in, used);
		c->scan += used;
	}
	if (c->body.done)
		conn_next(c);
	else if (c->scan > HTTP_DRAIN_MAX)
		conn_linger(c);
	else
		(void)conn_watch(c);
}

static void call_finish(struct http_conn *c)
{
	struct http_server *s = c->server;
	struct http_call *call = c->call;
	bool again = call->keep_alive && !s->stopping;
	bool unheard = call->head.expect_continue && !call->told_continue;
	bool hijacked = c->released;

	resume_disarm(call);
	http_call_free(call);
	c->call = NULL;
	c->finished = false;
	s->n_calls--;
	if (hijacked || c->state == HTTP_CONN_DEAD) {
		conn_free(c);
	} else if (!again || (unheard && !c->body.done)) {
		conn_linger(c);
	} else {
		es_close(ES_TAKE_FD(c->gone_fd));
		c->state = HTTP_CONN_DRAIN;
		c->scan = 0;
		conn_drain(c);
	}
	if (s->n_calls == 0 && s->cfg.idle)
		s->cfg.idle(s->cfg.idle_self);
	if (s->n_calls == 0 && s->stopping && s->stopped) {
		void (*stopped)(void *) = ES_TAKE(s->stopped);

		loop_timer_cancel(s->loop, &s->grace_timer);
		stopped(s->stopped_self);
	}
}

/* Events. */

/* Send what waits. Returns false when the connection died of it. */
static bool conn_flush(struct http_conn *c)
{
	ssize_t n = 0;
	bool empty;

	pthread_mutex_lock(&c->lock);
	if (c->out.len)
		n = send(c->io.fd, c->out.p, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		es_buf_consume(&c->out, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		c->broken = true;
	empty = !c->out.len;
	if (empty)
		es_buf_done(&c->out);
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	if (c->broken) {
		conn_die(c);
		return false;
	}
	if (empty && c->state == HTTP_CONN_LINGER) {
		if (c->eof) {
			conn_die(c);
			return false;
		}
		conn_linger(c);
	}
	return true;
}

static void conn_release(struct http_conn *c)
{
	loop_remove(c->server->loop, &c->io);
	pthread_mutex_lock(&c->lock);
	c->release = false;
	c->released = true;
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	c->state = HTTP_CONN_DEAD; /* for the loop; the call goes on */
}

/* Look at what other threads want of C. */
static void conn_kicked(struct http_conn *c)
{
	bool broken, finished, release;

	pthread_mutex_lock(&c->lock);
	broken = c->broken;
	finished = c->finished;
	release = c->release && !c->out.len;
	pthread_mutex_unlock(&c->lock);
	if (broken && c->state != HTTP_CONN_DEAD && c->call)
		conn_die(c);
	if (finished) {
		call_finish(c);
		return;
	}
	if (release && c->state == HTTP_CONN_CALL)
		conn_release(c);
	if (c->call)
		resume_look(c);
	(void)conn_watch(c);
}

static void kick_event(void *self, uint32_t events)
{
	struct http_server *s = self;
	struct http_conn *c;
	uint64_t count;

	(void)!read(s->kick_io.fd, &count, sizeof count);
	while ((c = next_kicked(s)))
		conn_kicked(c);
}

/* Into IN. False: the connection ended. */
static bool conn_receive(struct http_conn *c)
{
	char *room = es_buf_reserve(&c->in, READ_BYTES);
	ssize_t n = room ? recv(c->io.fd, room, READ_BYTES, MSG_DONTWAIT) : 0;

	if (n > 0)
		es_buf_commit(&c->in, (size_t)n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void conn_readable(struct http_conn *c)
{
	if (!conn_receive(c)) {
		/* It may end its side before it took everything. */
		if (c->out.len && !c->eof) {
			c->eof = true;
			list_remove(&c->idle_link);
			conn_linger(c);
		} else {
			conn_die(c);
		}
		return;
	}
	if (c->state == HTTP_CONN_HEAD && c->in.len)
		conn_read_head(c);
	else if (c->state == HTTP_CONN_DRAIN)
		conn_drain(c);
	else if (c->state == HTTP_CONN_LINGER)
		es_buf_reset(&c->in);
}

static void conn_event(void *self, uint32_t events)
{
	struct http_conn *c = self;

	if (events & EPOLLOUT && !conn_flush(c))
		return;
	if (c->state == HTTP_CONN_CALL) {
		/* A unix socket tells an end (HUP) from a half close (RDHUP); for TCP a half close counts as leaving. */
		if (events & (EPOLLHUP | EPOLLERR)) {
			conn_die(c);
			return;
		}
		if (events & EPOLLRDHUP) {
			c->half_closed = true;
			if (!c->is_unix)
				conn_left(c);
		}
		if (c->release && !c->out.len)
			conn_release(c);
		else
			resume_look(c);
	} else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		conn_readable(c);
		return;
	}
	(void)conn_watch(c);
}

/* Accepting. */

/* Is it a unix socket? A TCP connection is set up for talk in small pieces, and for a client that vanishes. */
static bool look_at_socket(int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof addr;
	int one = 1;

	if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && addr.ss_family == AF_UNIX)
		return true;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	return false;
}

static void conn_new(struct http_server *s, int fd)
{
	struct http_conn *c = ES_NEW(struct http_conn);

	c->server = s;
	c->io = (struct loop_io){ .fd = fd, .fn = conn_event, .self = c };
	c->timer.fn = conn_timeout;
	c->timer.self = c;
	c->in = ES_BUF(IN_MAX);
	c->out = ES_BUF(HTTP_POST_MAX + HTTP_STREAM_MAX);
	c->gone_fd = -1;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->moved, NULL);
	list_init(&c->link);
	list_init(&c->idle_link);
	list_init(&c->kick_link);
	list_append(&s->conns, &c->link);
	s->n_conns++;
	c->is_unix = look_at_socket(fd);
	conn_next(c);
}

static bool evict_idle(struct http_server *s)
{
	if (list_is_empty(&s->idle))
		return false;
	conn_die(LIST_ENTRY(s->idle.next, struct http_conn, idle_link));
	return true;
}

static void accept_again(void *self)
{
	struct http_server *s = self;

	if (!s->stopping)
		listen_on(s, true);
}

static void accept_event(void *self, uint32_t events)
{
	struct listener *l = self;
	struct http_server *s = l->server;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd;

		if (s->n_conns == HTTP_CONNS_MAX && !evict_idle(s)) {
			listen_on(s, false); /* until conn_free() */
			return;
		}
		fd = accept4(l->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			conn_new(s, fd);
		} else if (errno == EMFILE || errno == ENFILE) {
			if (evict_idle(s))
				continue;
			listen_on(s, false);
			loop_timer_set(s->loop, &s->accept_timer, ACCEPT_PAUSE_MS * CLOCK_NS_PER_MS);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

/* The server as a whole. */

es_err *http_server_new(struct loop *loop, const struct http_server_config *cfg, struct http_server **ret)
{
	struct http_server *s = ES_NEW(struct http_server);

	s->loop = loop;
	s->cfg = *cfg;
	s->listening = true;
	list_init(&s->listeners);
	list_init(&s->conns);
	list_init(&s->idle);
	list_init(&s->kicks);
	pthread_mutex_init(&s->kick_lock, NULL);
	s->accept_timer.fn = accept_again;
	s->accept_timer.self = s;
	s->kick_io = (struct loop_io){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .fn = kick_event, .self = s };
	s->workers = workers_new(HTTP_WORKERS_MAX);
	if (s->kick_io.fd < 0) {
		es_err *err = es_err_sys(errno, "eventfd");

		http_server_free(s);
		return err;
	}
	*ret = s;
	return loop_watch(loop, &s->kick_io, EPOLLIN);
}

es_err *http_server_listen(struct http_server *s, int fd)
{
	struct listener *l = ES_NEW(struct listener);

	l->server = s;
	l->io = (struct loop_io){ .fd = fd, .fn = accept_event, .self = l };
	list_init(&l->link);
	list_append(&s->listeners, &l->link);
	ES_TRY(file_set_nonblock(fd, true));
	ES_TRY(file_set_cloexec(fd, true));
	return loop_watch(s->loop, &l->io, EPOLLIN);
}

size_t http_server_calls(const struct http_server *s)
{
	return s->n_calls;
}

static void grace_over(void *self)
{
	struct http_server *s = self;

	LIST_EACH(at, &s->conns)
		conn_die(LIST_ENTRY(at, struct http_conn, link));
}

static void close_listeners(struct http_server *s)
{
	listen_on(s, false);
	loop_timer_cancel(s->loop, &s->accept_timer);
	LIST_EACH(at, &s->listeners) {
		struct listener *l = LIST_ENTRY(at, struct listener, link);

		list_remove(&l->link);
		es_close(l->io.fd);
		free(l);
	}
}

void http_server_stop(struct http_server *s, int grace_ms, void (*done)(void *self), void *self)
{
	s->stopping = true;
	close_listeners(s);
	LIST_EACH(at, &s->conns) {
		struct http_conn *c = LIST_ENTRY(at, struct http_conn, link);
		bool waits = false;

		if (!c->call) {
			conn_die(c);
			continue;
		}
		pthread_mutex_lock(&c->lock);
		waits = c->call->resume.asked;
		pthread_mutex_unlock(&c->lock);
		if (waits)
			conn_left(c);
	}
	if (!s->n_calls) {
		done(self);
		return;
	}
	s->stopped = done;
	s->stopped_self = self;
	s->grace_timer.fn = grace_over;
	s->grace_timer.self = s;
	loop_timer_set(s->loop, &s->grace_timer, grace_ms * CLOCK_NS_PER_MS);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	workers_free(s->workers);
	close_listeners(s);
	LIST_EACH(at, &s->conns)
		conn_die(LIST_ENTRY(at, struct http_conn, link));
	loop_timer_cancel(s->loop, &s->grace_timer);
	if (s->kick_io.fd >= 0)
		loop_remove(s->loop, &s->kick_io);
	es_close(s->kick_io.fd);
	pthread_mutex_destroy(&s->kick_lock);
	free(s);
}

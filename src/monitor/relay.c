/* SPDX-License-Identifier: Apache-2.0 */
/* relay.c: pump output into the log and the area, the area to the clients, the clients' input to the container. */
#include "monitor/relay.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "monitor/lazy.h"
#include "sys/pty.h"

/* Read at most this much more of a stream whose process is gone but which somebody else keeps writing. */
#define RELAY_LAST_CHUNKS 128


static void pump(struct relay *r);
static void watch_input(struct relay *r);

/* Watching can fail only for want of kernel memory; the source is then as good as ended. */
static bool watch(struct relay *r, struct loop_io *io, uint32_t events)
{
	es_autoerr es_err *err = loop_watch(r->loop, io, events);

	return !err;
}

static void close_io(struct relay *r, struct loop_io *io)
{
	loop_remove(r->loop, io);
	es_close(io->fd);
	io->fd = -1;
}

/* Clients, output side. */

/* Close without resetting the connection under the last output: a close with unread input would do that. */
static void hang_up(int fd)
{
	char waste[512];

	shutdown(fd, SHUT_WR);
	while (recv(fd, waste, sizeof waste, MSG_DONTWAIT) > 0)
		;
	es_close(fd);
}

static void drop_client(struct relay_client *c)
{
	struct relay *r = c->relay;

	if (!c->used)
		return;
	loop_remove(r->loop, &c->io);
	hang_up(c->io.fd);
	free(c->head);
	*c = (struct relay_client){ .relay = r };
	r->n_clients--;
	if (!r->n_clients && r->idle)
		r->idle(r->self);
}

/* At a frame's beginning: skip it, or its header, or nothing. */
static void enter_frame(struct relay_client *c)
{
	const unsigned char *h = (const unsigned char *)c->relay->area + c->pos;
	size_t len = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
	bool wanted = h[0] == 2 ? c->err : c->out;

	c->frame_end = c->pos + RELAY_HEADER + len;
	if (!wanted)
		c->pos = c->frame_end;
	else if (c->relay->spec->tty)
		c->pos += RELAY_HEADER;
}

/* Send what the client's socket takes. False: the client is dead. */
static bool send_client(struct relay_client *c)
{
	struct relay *r = c->relay;

	while (c->pos < r->area_len) {
		ssize_t n;

		if (c->pos == c->frame_end) {
			enter_frame(c);
			continue;
		}
		n = send(c->io.fd, r->area + c->pos, c->frame_end - c->pos, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->pos += (size_t)n;
	}
	return true;
}

/* The client reads no more. What it sent before is still taken. */
static void client_hung_up(struct relay_client *c)
{
	c->hung_up = true;
	c->out = c->err = false;
	c->pos = c->frame_end = c->relay->area_len;
	if (!c->in || c->closing || c->relay->stdin_io.fd < 0)
		drop_client(c);
}

/* May standard input be read from this client now? */
static bool wants_input(const struct relay_client *c)
{
	const struct relay *r = c->relay;

	return c->in && !c->closing && r->live && r->stdin_io.fd >= 0 && !r->gone && r->in_len == 0;
}

static void watch_client(struct relay_client *c)
{
	uint32_t events = (wants_input(c) ? EPOLLIN : 0) | (c->pos < c->relay->area_len ? EPOLLOUT : 0);

	if (c->hung_up && !events)
		loop_remove(c->relay->loop, &c->io); /* its EPOLLHUP would wake us again and again */
	else if (!watch(c->relay, &c->io, events))
		drop_client(c);
}

/* Give every client what it takes; empty the area when all have everything. */
static void serve_clients(struct relay *r)
{
	bool all = true;

	for (size_t i = 0; i < r->top; i++) {
		struct relay_client *c = &r->clients[i];

		if (!c->used)
			continue;
		if (!send_client(c))
			client_hung_up(c);
		else if (c->closing && c->pos == r->area_len)
			drop_client(c);
		else if (c->pos < r->area_len)
			all = false;
	}
	if (all) {
		r->area_len = 0;
		for (size_t i = 0; i < r->top; i++)
			r->clients[i].pos = r->clients[i].frame_end = 0;
	}
	for (size_t i = 0; i < r->top; i++)
		if (r->clients[i].used)
			watch_client(&r->clients[i]);
}

/* The container's output. */

static bool has_room(const struct relay *r)
{
	size_t limit = r->gone ? RELAY_AREA + RELAY_TAIL : RELAY_AREA;

	return r->area_len + RELAY_HEADER + RELAY_CHUNK <= limit;
}

static bool is_drained(const struct relay *r)
{
	return r->sources[0].io.fd < 0 && r->sources[1].io.fd < 0;
}

static void end_source(struct relay_source *s)
{
	close_io(s->relay, &s->io);
	logfile_end(&s->relay->log, s->stream, clock_now_ns());
}

static void finish_drain(struct relay *r)
{
	void (*drained)(void *self) = r->drained;

	loop_timer_cancel(r->loop, &r->linger);
	r->live = false;
	r->drained = NULL;
	if (drained)
		drained(r->self);
}

/* One read becomes one frame. False: nothing (more) to read now. */
static bool read_source(struct relay_source *s)
{
	struct relay *r = s->relay;
	char *frame = r->area + r->area_len;
	ssize_t n = read(s->io.fd, frame + RELAY_HEADER, RELAY_CHUNK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) { /* EIO: nobody has the terminal open any more */
		end_source(s);
		return false;
	}
	memcpy(frame, (char[RELAY_HEADER]){ s->stream == LOGFILE_STDERR ? 2 : 1, 0, 0, 0, 0, 0, (char)(n >> 8), (char)n },
	       RELAY_HEADER);
	_Static_assert(RELAY_CHUNK <= 0xffff, "two length bytes are written");
	logfile_feed(&r->log, s->stream, frame + RELAY_HEADER, (size_t)n, clock_now_ns());
	r->area_len += RELAY_HEADER + (size_t)n;
	r->worked(r->self);
	return true;
}

/* Read and serve until nothing moves; then watch for what would make it move. */
static void pump(struct relay *r)
{
	bool room;

	serve_clients(r);
	room = has_room(r);
	for (size_t i = 0; i < LOGFILE_STREAM_N; i++) {
		struct relay_source *s = &r->sources[i];

		if (s->io.fd < 0)
			continue;
		if (!room)
			loop_remove(r->loop, &s->io); /* its EPOLLHUP would wake us again and again */
		else if (!watch(r, &s->io, EPOLLIN))
			end_source(s);
	}
	if (r->gone && r->drained && is_drained(r))
		finish_drain(r);
}

static void on_source(void *self, uint32_t events)
{
	struct relay_source *s = self;

	(void)events;
	if (has_room(s->relay))
		read_source(s);
	pump(s->relay);
}

/* Input. */

static void close_stdin(struct relay *r)
{
	close_io(r, &r->stdin_io);
	r->in_len = 0;
}

/* Write what is buffered; false: it has to wait. */
static bool push_input(struct relay *r)
{
	while (r->in_len && r->stdin_io.fd >= 0) {
		ssize_t n = write(r->stdin_io.fd, r->in + r->in_at, r->in_len);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 && errno != EINTR) { /* the container closed its end */
			close_stdin(r);
			break;
		}
		if (n > 0) {
			r->in_at += (size_t)n;
			r->in_len -= (size_t)n;
		}
	}
	return true;
}

/* Put N bytes of C's input into the (empty) buffer. */
static void take_input(struct relay_client *c, const char *bytes, size_t n)
{
	struct relay *r = c->relay;
	bool detached = false;

	r->in_at = 0;
	if (!r->spec->tty) {
		memcpy(r->in, bytes, n);
		r->in_len = n;
		return;
	}
	r->in_len = detach_feed(&c->detach, bytes, n, r->in, &detached);
	if (detached) {
		drop_client(c);
		if (r->detached)
			r->detached(r->self);
	}
}

/* A client has no more input: the container's ends too if it was opened for one client, else the client is served no
 * longer (both as docker does). */
static void end_input(struct relay_client *c)
{
	struct relay *r = c->relay;

	c->in = false;
	if (r->spec->stdin_once && !r->spec->tty) {
		if (r->stdin_io.fd >= 0)
			close_stdin(r);
	} else {
		c->closing = true;
	}
}

/* One piece of input: first what came with the request. False: there is none now. */
static bool read_client(struct relay_client *c)
{
	char bytes[RELAY_INPUT];
	ssize_t n;

	if (c->head) {
		size_t left = c->head_len - c->head_at;

		n = (ssize_t)(left < sizeof bytes ? left : sizeof bytes);
		memcpy(bytes, c->head + c->head_at, (size_t)n);
		c->head_at += (size_t)n;
		if (c->head_at == c->head_len) {
			free(c->head);
			c->head = NULL;
		}
	} else {
		n = recv(c->io.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0)
		end_input(c);
	else
		take_input(c, bytes, (size_t)n);
	return true;
}

/* Heads are not announced by the kernel: take them while the container takes them. */
static void pull_heads(struct relay *r)
{
	for (size_t i = 0; i < r->top; i++) {
		struct relay_client *c = &r->clients[i];

		while (c->used && c->head && wants_input(c)) {
			read_client(c);
			push_input(r);
		}
	}
}

static void watch_input(struct relay *r)
{
	if (r->stdin_io.fd >= 0) {
		if (r->in_len)
			watch(r, &r->stdin_io, EPOLLOUT);
		else
			loop_remove(r->loop, &r->stdin_io);
	}
}

static void on_stdin(void *self, uint32_t events)
{
	struct relay *r = self;

	(void)events;
	push_input(r);
	pull_heads(r);
	watch_input(r);
	pump(r);
}

static void on_client(void *self, uint32_t events)
{
	struct relay_client *c = self;
	struct relay *r = c->relay;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && wants_input(c) && read_client(c))
		push_input(r);
	if (c->used && events & (EPOLLERR | EPOLLHUP))
		client_hung_up(c);
	pull_heads(r);
	watch_input(r);
	pump(r);
}

/* Set-up and end. */

bool relay_trim(struct relay *r)
{
	logfile_trim(&r->log);
	if (!r->in_len)
		lazy_trim(r->in, RELAY_INPUT + DETACH_KEYS_MAX);
	if (!r->area_len)
		lazy_trim(r->area, RELAY_AREA + RELAY_TAIL);
	return !r->area_len;
}

/* Somebody still holds the stream open, or a client is too slow for what is left: the log gets what is there. */
static void on_linger(void *self)
{
	struct relay *r = self;

	for (size_t i = 0; i < LOGFILE_STREAM_N; i++) {
		struct relay_source *s = &r->sources[i];

		for (int chunks = 0; s->io.fd >= 0 && chunks < RELAY_LAST_CHUNKS; chunks++) {
			if (!has_room(r)) {
				relay_drop_clients(r);
				serve_clients(r);
			}
			if (!read_source(s))
				break;
		}
		if (s->io.fd >= 0)
			end_source(s);
	}
	pump(r);
}

es_err *relay_init(struct relay *r, struct loop *l, const struct mon_spec *spec, const char *log_attrs)
{
	bool keep = spec->log.path && strcmp(spec->log.driver ? spec->log.driver : "", "json-file") == 0;

	r->loop = l;
	r->spec = spec;
	r->stdin_io = (struct loop_io){ .fd = -1, .fn = on_stdin, .self = r };
	r->linger = (struct loop_timer){ .fn = on_linger, .self = r };
	for (size_t i = 0; i < LOGFILE_STREAM_N; i++)
		r->sources[i] = (struct relay_source){
			.relay = r, .stream = (enum logfile_stream)i,
			.io = { .fd = -1, .fn = on_source, .self = &r->sources[i] },
		};
	r->in = lazy_new(RELAY_INPUT + DETACH_KEYS_MAX);
	r->area = lazy_new(RELAY_AREA + RELAY_TAIL);
	return logfile_open(&r->log, keep ? spec->log.path : NULL, log_attrs, spec->log.max_size, spec->log.max_file);
}

static es_err *make_pipe(const struct mon_spec *spec, int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	/* So that the container's user can open /dev/stdout again. */
	if (fchown(fds[0], spec->uid, spec->gid) < 0)
		return es_err_sys(errno, "give pipe to %u:%u", spec->uid, spec->gid);
	return NULL;
}

es_err *relay_pipes(struct relay *r, int child[3])
{
	child[0] = child[1] = child[2] = -1;
	if (r->spec->open_stdin) {
		ES_TRY(make_pipe(r->spec, &child[0], &r->stdin_io.fd));
		ES_TRY(file_set_nonblock(r->stdin_io.fd, true));
	}
	for (int i = 0; i < LOGFILE_STREAM_N; i++) {
		ES_TRY(make_pipe(r->spec, &r->sources[i].io.fd, &child[1 + i]));
		ES_TRY(file_set_nonblock(r->sources[i].io.fd, true));
	}
	return NULL;
}

es_err *relay_start(struct relay *r, int master)
{
	r->live = true;
	r->gone = false;
	for (size_t i = 0; i < r->top; i++) /* of the previous run, slower than the restart */
		if (r->clients[i].closing)
			drop_client(&r->clients[i]);
	if (master >= 0) {
		r->sources[LOGFILE_STDOUT].io.fd = master;
		ES_TRY(file_set_nonblock(master, true));
		if (r->spec->open_stdin) {
			r->stdin_io.fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
			if (r->stdin_io.fd < 0)
				return es_err_sys(errno, "duplicate terminal");
		}
	}
	pull_heads(r);
	watch_input(r);
	pump(r);
	return NULL;
}

void relay_abandon(struct relay *r)
{
	for (size_t i = 0; i < LOGFILE_STREAM_N; i++)
		close_io(r, &r->sources[i].io);
	close_stdin(r);
}

static es_err *fill_client(struct relay_client *c, const struct mon_attach *how, int fd)
{
	const char *keys = how->detach_keys ? how->detach_keys : c->relay->spec->detach_keys;

	ES_TRY(detach_parse(keys, &c->detach));
	c->in = how->in && c->relay->spec->open_stdin;
	c->out = how->out;
	c->err = how->err;
	c->pos = c->frame_end = c->relay->area_len; /* from now on */
	if (c->in && how->head.n) {
		c->head = es_xmemdup(how->head.p, how->head.n);
		c->head_len = how->head.n;
	}
	c->io = (struct loop_io){ .fd = fd, .fn = on_client, .self = c };
	return NULL;
}

es_err *relay_attach(struct relay *r, const struct mon_attach *how, int fd)
{
	es_autoclose int own = fd;

	for (size_t i = 0; i < MON_CLIENTS_MAX; i++) {
		struct relay_client *c = &r->clients[i];

		if (c->used)
			continue;
		c->relay = r;
		ES_TRY(fill_client(c, how, fd));
		own = -1;
		c->used = true;
		r->n_clients++;
		if (r->top <= i)
			r->top = i + 1;
		if (!r->live)
			return NULL; /* relay_start() begins */
		pull_heads(r);
		watch_input(r);
		pump(r);
		return NULL;
	}
	return es_err_new(ES_E_LIMIT, "more than %d clients attached", MON_CLIENTS_MAX);
}

es_err *relay_resize(struct relay *r, int64_t width, int64_t height)
{
	if (width < 0 || width > UINT16_MAX || height < 0 || height > UINT16_MAX)
		return es_err_new(ES_E_INVALID, "size %lldx%lld", (long long)width, (long long)height);
	if (!r->spec->tty || r->sources[LOGFILE_STDOUT].io.fd < 0)
		return NULL;
	return pty_resize(r->sources[LOGFILE_STDOUT].io.fd, (uint16_t)width, (uint16_t)height);
}

void relay_drain(struct relay *r)
{
	r->gone = true;
	close_stdin(r);
	/* The kernel frees no terminal while this end is open, and tells its end by EIO; both kinds end by themselves
	 * unless somebody else still holds the other side. */
	loop_timer_set(r->loop, &r->linger, RELAY_LINGER_NS);
	pump(r);
}

void relay_close_clients(struct relay *r)
{
	for (size_t i = 0; i < r->top; i++)
		r->clients[i].closing = true;
	pump(r);
}

void relay_drop_clients(struct relay *r)
{
	for (size_t i = 0; i < r->top; i++)
		drop_client(&r->clients[i]);
}

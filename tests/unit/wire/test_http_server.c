/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_server.c: the server in a thread of the test, spoken to by our client and by raw sockets. */
#include "wire/http_server.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "wire/http_client.h"
#include "wire/sock.h"
#include "check.h"

#define TEXT_MAX (8u << 20)
#define STREAMS 200
#define BIG_BYTES (3u << 20)

struct house {
	struct loop loop;
	struct http_server *server;
	pthread_t thread;
	struct loop_io quit;
	char dir[32], path[64], url[80];
	_Atomic int gone, resumed;
};

static void h_echo(struct house *h, struct http_call *c)
{
	char *text;
	size_t n;

	CHECK_OK(http_call_read_all(c, TEXT_MAX, &text, &n));
	http_call_field(c, "Content-Type", "text/x");
	CHECK_OK(http_call_write(c, text, n));
}

static void h_big(struct house *h, struct http_call *c)
{
	static const char block[10000];

	for (size_t n = 0; n < BIG_BYTES; n += sizeof block) {
		es_err *err = http_call_write(c, block, sizeof block);

		if (err) {
			h->gone++;
			es_err_drop(err);
			return;
		}
	}
}

static void tick(void *self, struct http_call *c)
{
	struct house *h = self;

	h->resumed++;
	if (http_call_is_gone(c)) {
		h->gone++;
		return;
	}
	CHECK(http_call_post(c, "tick\n", 5));
	http_call_resume(c, -1, -1, false, tick, h);
}

static void h_stream(struct house *h, struct http_call *c)
{
	CHECK_OK(http_call_flush(c));
	http_call_resume(c, -1, 1, false, tick, h);
}

/* Fills the stream beyond its maximum: the client that does not read is dropped. */
static void h_flood(struct house *h, struct http_call *c)
{
	static const char block[10000];

	CHECK_OK(http_call_flush(c));
	while (http_call_post(c, block, sizeof block))
		;
	h->gone++;
}

static void h_hijack(struct house *h, struct http_call *c)
{
	const char *early;
	size_t n;
	int fd;

	http_call_status(c, 101);
	http_call_field(c, "Connection", "Upgrade");
	http_call_field(c, "Upgrade", "tcp");
	CHECK_OK(http_call_hijack(c, &fd, &early, &n));
	CHECK_OK(file_set_nonblock(fd, false));
	CHECK_OK(file_write_all(fd, early, n));
	CHECK_OK(file_pump(fd, fd, NULL));
	close(fd);
}

static void handle(void *self, struct http_call *c)
{
	static const struct {
		const char *target;
		void (*fn)(struct house *h, struct http_call *c);
	} rows[] = {
		{ "/echo", h_echo }, { "/big", h_big },	      { "/stream", h_stream },
		{ "/flood", h_flood }, { "/hijack", h_hijack },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		if (str_eq(http_call_head(c)->target, rows[i].target)) {
			rows[i].fn(self, c);
			return;
		}
	}
	http_call_status(c, 404);
	CHECK_OK(http_call_puts(c, "what?"));
}

static bool quick(void *self, struct http_call *c)
{
	if (!str_eq(http_call_head(c)->target, "/ping"))
		return false;
	CHECK_OK(http_call_puts(c, "OK"));
	return true;
}

static void stopped(void *self)
{
	struct house *h = self;

	loop_stop(&h->loop);
}

static void quit_event(void *self, uint32_t events)
{
	struct house *h = self;

	loop_remove(&h->loop, &h->quit);
	http_server_stop(h->server, 500, stopped, h);
}

static void *loop_main(void *arg)
{
	struct house *h = arg;

	CHECK_OK(loop_run(&h->loop));
	return NULL;
}

static void open_house(struct house *h)
{
	struct http_server_config cfg = { .handler = handle, .quick = quick, .self = h };
	int fd;

	*h = (struct house){ .dir = "/tmp/estiba-http-XXXXXX" };
	CHECK(mkdtemp(h->dir) != NULL);
	(void)snprintf(h->path, sizeof h->path, "%s/s", h->dir);
	(void)snprintf(h->url, sizeof h->url, "unix://%s", h->path);
	CHECK_OK(loop_init(&h->loop));
	CHECK_OK(http_server_new(&h->loop, &cfg, &h->server));
	CHECK_OK(sock_listen_unix(h->path, 0600, (gid_t)-1, &fd));
	CHECK_OK(http_server_listen(h->server, fd));
	h->quit = (struct loop_io){ .fd = eventfd(0, EFD_CLOEXEC), .fn = quit_event, .self = h };
	CHECK_OK(loop_watch(&h->loop, &h->quit, EPOLLIN));
	CHECK(pthread_create(&h->thread, NULL, loop_main, h) == 0);
}

static void close_house(struct house *h)
{
	uint64_t one = 1;

	CHECK(write(h->quit.fd, &one, sizeof one) == sizeof one);
	pthread_join(h->thread, NULL);
	http_server_free(h->server);
	close(h->quit.fd);
	loop_done(&h->loop);
	unlink(h->path);
	rmdir(h->dir);
}

/* Everything the server answers to BYTES, after which we end our side. Dates are cut out. */
static char *raw(struct house *h, const char *bytes)
{
	char *text, *date;
	int fd;

	CHECK_OK(sock_connect_unix(h->path, &fd));
	CHECK_OK(file_write_all(fd, bytes, strlen(bytes)));
	shutdown(fd, SHUT_WR);
	CHECK_OK(file_read_all(fd, TEXT_MAX, &text, NULL));
	close(fd);
	while ((date = strstr(text, "Date: ")))
		memmove(date, strchr(date, '\n') + 1, strlen(strchr(date, '\n') + 1) + 1);
	return text;
}

static void raw_rows(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK" },
		{ "GET /nix HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nwhat?" },
		{ "HEAD /nix HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n" },
		{ "GET /ping HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK" },
		/* pipelining, with an unread body between */
		{ "POST /nix HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
		  "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nwhat?HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK" },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
		  "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK" },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
		  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 2\r\n\r\nhi" },
		{ "GET /ping\r\n\r\n",
		  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request: malformed request line" },
		{ "GET /hijack HTTP/1.1\r\nHost: x\r\n\r\nearly",
		  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly" },
		{ "GET", "" },
	};
	struct house h;

	open_house(&h);
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autofree char *out = raw(&h, rows[i].in);

		CHECK_STR(out, rows[i].out);
	}
	close_house(&h);
}

static void one_connection_many_requests(void)
{
	es_autoarena *a = arena_new();
	struct http_client *c;
	struct house h;

	open_house(&h);
	CHECK_OK(http_client_open(h.url, NULL, NULL, &c));
	for (int i = 0; i < 500; i++) {
		struct http_request req = { .method = "POST", .target = "/echo", .body = { .bytes = "abc", .len = 3 } };
		es_autofree char *text = NULL;
		struct http_head head;

		CHECK_OK(http_client_do(c, a, &req, &head));
		CHECK_OK(http_client_read_all(c, TEXT_MAX, &text, NULL));
		CHECK_STR(text, "abc");
	}
	http_client_free(c);
	close_house(&h);
}

static es_err *megabytes(void *self, void *buf, size_t max, size_t *ret_n)
{
	size_t *left = self;

	*ret_n = *left < max ? *left : max;
	memset(buf, 'm', *ret_n);
	*left -= *ret_n;
	return NULL;
}

static void large_bodies_both_ways(void)
{
	es_autoarena *a = arena_new();
	size_t left = BIG_BYTES, n;
	struct http_request req = { .method = "POST", .target = "/echo", .body = { .read = megabytes, .self = &left } };
	es_autofree char *text = NULL;
	struct http_client *c;
	struct http_head head;
	struct house h;

	open_house(&h);
	CHECK_OK(http_client_open(h.url, NULL, NULL, &c));
	CHECK_OK(http_client_do(c, a, &req, &head));
	CHECK_OK(http_client_read_all(c, TEXT_MAX, &text, &n));
	CHECK_INT(n, BIG_BYTES);
	http_client_free(c);
	close_house(&h);
}

static void say(int fd, const char *text)
{
	CHECK_OK(file_write_all(fd, text, strlen(text)));
}

static void until(_Atomic int *what, int want)
{
	for (int i = 0; i < 500 && *what < want; i++)
		usleep(10000);
	CHECK_INT(*what, want);
}

static void idle_streams_hold_no_thread(void)
{
	struct house h;
	int fds[STREAMS];

	open_house(&h);
	for (int i = 0; i < STREAMS; i++) {
		CHECK_OK(sock_connect_unix(h.path, &fds[i]));
		say(fds[i], "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	until(&h.resumed, STREAMS);
	free(raw(&h, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"));
	CHECK_INT(h.gone, 0);
	for (int i = 0; i < STREAMS / 2; i++)
		close(fds[i]);
	until(&h.gone, STREAMS / 2);
	close_house(&h); /* tells the others */
	CHECK_INT(h.gone, STREAMS);
	for (int i = STREAMS / 2; i < STREAMS; i++)
		close(fds[i]);
}

static void slow_and_gone_clients(void)
{
	struct house h;
	int slow, flood;

	open_house(&h);
	CHECK_OK(sock_connect_unix(h.path, &slow));
	say(slow, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	CHECK_OK(sock_connect_unix(h.path, &flood));
	say(flood, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
	until(&h.gone, 1); /* the flooded one; the writer of the slow one waits */
	free(raw(&h, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"));
	close(slow);
	until(&h.gone, 2);
	close(flood);
	close_house(&h);
}

static void stop_with_a_blocked_writer(void)
{
	struct house h;
	int slow;

	open_house(&h);
	CHECK_OK(sock_connect_unix(h.path, &slow));
	say(slow, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	usleep(50000);
	close_house(&h);
	CHECK_INT(h.gone, 1);
	close(slow);
}

CHECK_MAIN(TEST(raw_rows), TEST(one_connection_many_requests), TEST(large_bodies_both_ways), TEST(idle_streams_hold_no_thread),
	   TEST(slow_and_gone_clients), TEST(stop_with_a_blocked_writer))

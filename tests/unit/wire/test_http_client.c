/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_client.c: the client against a scripted peer on a socket pair. */
#include "wire/http_client.h"

#include <pthread.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/str.h"
#include "check.h"

#define TEXT_MAX (4u << 20)

/* The peer says ANSWER at once, then reads until the client is gone. */
struct peer {
	int fd;
	const char *answer;
	char *seen;
	size_t seen_len;
	pthread_t thread;
};

static void *peer_main(void *arg)
{
	struct peer *p = arg;

	CHECK_OK(file_write_all(p->fd, p->answer, strlen(p->answer)));
	shutdown(p->fd, SHUT_WR);
	es_err_drop(file_read_all(p->fd, TEXT_MAX, &p->seen, &p->seen_len));
	close(p->fd);
	return NULL;
}

static struct http_client *peer_start(struct peer *p, const char *answer)
{
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	*p = (struct peer){ .fd = fds[1], .answer = answer };
	CHECK(pthread_create(&p->thread, NULL, peer_main, p) == 0);
	return http_client_over(fds[0], fds[0], "box");
}

static void answer_rows(void)
{
	static const struct {
		const char *answer, *body, *error;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", NULL },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "abc", NULL },
		{ "HTTP/1.1 200 OK\r\n\r\nabc", "abc", NULL },
		{ "HTTP/1.1 204 No Content\r\n\r\n", "", NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", NULL, "unexpected EOF" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", NULL, "unexpected EOF" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc", NULL, "malformed chunked" },
		{ "", NULL, "without an answer" },
		{ "HTTP/1.1 200 OK\r\n", NULL, "without an answer" },
		{ "nonsense\r\n\r\n", NULL, "malformed" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct http_request req = { .method = "GET", .target = "/x" };
		es_autofree char *text = NULL;
		struct http_head head;
		struct peer p;
		struct http_client *c = peer_start(&p, rows[i].answer);
		es_err *err = http_client_do(c, a, &req, &head);

		if (!err)
			err = http_client_read_all(c, TEXT_MAX, &text, NULL);
		if (rows[i].error) {
			CHECK_ERR(err, rows[i].error);
		} else {
			CHECK_OK(err);
			CHECK_STR(text, rows[i].body);
		}
		http_client_free(c);
		pthread_join(p.thread, NULL);
		CHECK_STR(p.seen, "GET /x HTTP/1.1\r\nHost: box\r\n\r\n");
		free(p.seen);
	}
}

static es_err *thousand(void *self, void *buf, size_t max, size_t *ret_n)
{
	int *left = self;

	*ret_n = *left > 0 ? 1000 : 0;
	memset(buf, 'z', *ret_n);
	(*left)--;
	return NULL;
}

static void body_is_chunked(void)
{
	es_autoarena *a = arena_new();
	int left = 1000;
	struct http_request req = { .method = "PUT", .target = "/", .body = { .read = thousand, .self = &left } };
	struct http_head head;
	struct peer p;
	struct http_client *c = peer_start(&p, "HTTP/1.1 200 OK\r\n\r\n");
	es_autofree char *text = NULL;

	CHECK_OK(http_client_do(c, a, &req, &head));
	CHECK_OK(http_client_read_all(c, TEXT_MAX, &text, NULL));
	http_client_free(c);
	pthread_join(p.thread, NULL);
	CHECK(strstr(p.seen, "Transfer-Encoding: chunked\r\n\r\n") != NULL);
	free(p.seen);
}

static void hijack_keeps_early_bytes(void)
{
	es_autoarena *a = arena_new();
	struct http_request req = { .method = "POST", .target = "/", .upgrade = "tcp" };
	struct http_head head;
	struct peer p;
	struct http_client *c = peer_start(&p, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly");
	char *early;
	size_t n;
	int in, out;

	CHECK_OK(http_client_do(c, a, &req, &head));
	CHECK_INT(head.status, 101);
	http_client_hijack(c, &in, &out, &early, &n);
	CHECK_INT(in, out);
	if (n == 0) {
		early = es_xcalloc(1, 6);
		n = (size_t)read(in, early, 5);
	}
	CHECK_INT(n, 5);
	CHECK(memcmp(early, "early", 5) == 0);
	free(early);
	CHECK_OK(file_write_all(out, "late", 4));
	close(in);
	http_client_free(c);
	pthread_join(p.thread, NULL);
	CHECK(str_ends(p.seen, "\r\n\r\nlate"));
	free(p.seen);
}

CHECK_MAIN(TEST(answer_rows), TEST(body_is_chunked), TEST(hijack_keeps_early_bytes))

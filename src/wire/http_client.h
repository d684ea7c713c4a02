/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.h: a blocking HTTP/1.1 client for one connection at a time; knows no docker word. One thread per client. */
#pragma once

#include "wire/http_parse.h"

struct http_client;

#define HTTP_CONNECT_TIMEOUT_MS 10000

/* A client for "unix:///path" or "tcp://host:port". Connects at once, and again for a later request when the server closed the
 * connection meanwhile. HOST_HEADER NULL: taken from the URL. Errors: those of sock.h. */
es_err *http_client_open(const char *url, const char *default_port, const char *host_header,
			 struct http_client **ret) ES_CHECKED;
/* A client whose connections DIAL makes, now and again for a later request; *RET_IN and *RET_OUT may be one socket. */
typedef es_err *http_dial(void *self, int *ret_in, int *ret_out);
es_err *http_client_dial(http_dial *dial, void *self, const char *host_header, struct http_client **ret) ES_CHECKED;
/* A client over descriptors that are connected already (a helper's pipes, or twice one socket); takes them. It cannot
 * reconnect. With pipes the program must ignore SIGPIPE. */
struct http_client *http_client_over(int in_fd, int out_fd, const char *host_header);
void http_client_free(struct http_client *c); /* NULL is fine */
static inline void http_client_free_p(struct http_client **c)
{
	http_client_free(*c);
	*c = NULL;
}

/* Where a request body comes from: memory, a descriptor until its end, or a function. Zeroed: no body. */
struct http_source {
	const void *bytes; /* with LEN: sent with Content-Length */
	size_t len;
	bool from_fd;      /* sent chunked from FD (borrowed; the server may answer while it is quiet) */
	int fd;
	/* Sent chunked: up to MAX bytes into BUF, *RET_N 0 is the end. Blocks. */
	es_err *(*read)(void *self, void *buf, size_t max, size_t *ret_n);
	void *self;
};

struct http_request {
	const char *method, *target;
	const struct http_field *fields; /* Host and the body's length are added */
	size_t n_fields;
	struct http_source body;
	const char *upgrade; /* "tcp": ask for "Connection: Upgrade", "Upgrade: tcp" */
	int timeout_ms;      /* for the response head; 0: for ever */
};

/* Send the request and wait for the head of its answer, which lives in A. The body is sent meanwhile and, if the server answers
 * early, while the answer is read: neither side can block the other. What is left of an earlier answer is
 * given up. REQ and its body must live until the answer was read. Errors: ES_E_UNAVAILABLE when the connection broke before an
 * answer (with errno ECONNRESET over a unix socket: the server did not read it all), ES_E_TIMEOUT, ES_E_PROTOCOL, and those
 * of the source. */
es_err *http_client_do(struct http_client *c, struct arena *a, const struct http_request *req, struct http_head *ret) ES_CHECKED;
/* Body of the answer: at least one byte, *RET_N 0 is its end. ES_E_PROTOCOL when the server breaks off in the middle. */
es_err *http_client_read(struct http_client *c, void *buf, size_t max, size_t *ret_n) ES_CHECKED;
/* The rest of the body; the text is NUL-terminated and the caller's. ES_E_LIMIT above MAX bytes. */
es_err *http_client_read_all(struct http_client *c, size_t max, char **ret_text, size_t *ret_len) ES_CHECKED;
/* After the head (101, or 200 of a server that takes the connection over without a word): the connection becomes the caller's.
 * *RET_IN and *RET_OUT may be the same descriptor (close it once); both are blocking. *RET_HEAD (heap, may be NULL) are
 * *RET_LEN bytes that were read already. C can only be freed afterwards (or, with a URL, used for a new connection). */
void http_client_hijack(struct http_client *c, int *ret_in, int *ret_out, char **ret_head, size_t *ret_len);

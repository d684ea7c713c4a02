/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.h: one HTTP exchange over libcurl: redirects without leaking credentials, bounded answers, Go's error texts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "registry/challenge.h"

#define TRANSFER_REDIRECTS_MAX 10

struct transfer; /* one connection cache; not thread-safe */

struct transfer_config {
	const char *ca; /* PEM, trusted besides the system's; NULL: none. Borrowed */
	size_t ca_len;
	bool (*gone)(void *self); /* asked now and then: is the one who waits gone? */
	void *self;
};
es_err *transfer_open(const struct transfer_config *cfg, struct transfer **ret) ES_CHECKED;
void transfer_close(struct transfer *t); /* NULL is fine */

struct transfer_request {
	const char *method, *url;
	const char *authorization;  /* value of the field; sent to the origin of URL only. NULL: none */
	const char *const *headers; /* further "Name: value", NULL-terminated or NULL */
	bool unverified;            /* TLS without checking the certificate */
	uint64_t from;              /* Range: bytes=FROM-; 0: all */
	const char *body;           /* NULL: none, or BODY_FD */
	size_t body_len;
	int body_fd;                /* a regular file, read by position, when BODY_SIZE > 0 */
	uint64_t body_size;
	size_t max;                 /* bytes of an answer that is kept in memory */
	/* Where the body of a 200 or 206 goes instead; STATUS and the position it starts at are told with it. */
	es_err *(*sink)(void *self, uint64_t start, const char *bytes, size_t n);
	void (*sent)(void *self, uint64_t n); /* bytes of the body that are on their way */
	void *self;
};

struct transfer_reply {
	long status;
	const char *reason; /* the words behind the status; "" when absent */
	const char *modified, *disposition; /* fields Last-Modified, Content-Disposition */
	uint64_t length;    /* Content-Length; 0: not said */
	const char *content_type, *digest, *location, *link; /* fields; NULL when absent. location is absolute */
	uint64_t start; /* first byte of a 206 */
	struct challenge challenges[CHALLENGES_MAX];
	size_t n_challenges;
	const char *body; /* NUL-terminated; what the sink did not get */
	size_t body_len;
};

/* Strings in A. Any status is success. Errors: ES_E_UNAVAILABLE when the connection could not be made or broke (trying again may
 * help), ES_E_PROTOCOL, ES_E_LIMIT, ES_E_CANCELLED, and whatever the sink returned. Texts begin with 'Get "URL": '. */
es_err *transfer_do(struct transfer *t, struct arena *a, const struct transfer_request *q, struct transfer_reply *ret) ES_CHECKED;
/* Percent-encoded, for queries. */
char *transfer_escape(struct transfer *t, struct arena *a, const char *text);
/* URL relative to BASE, or NULL when it is none, or neither http nor https. */
char *transfer_resolve_url(struct arena *a, const char *base, const char *url);
bool transfer_same_origin(const char *x, const char *y);

/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h: the door to registries, and the messages between estibad and estiba-fetch (doc/format/fetch.md). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/field.h"
#include "spec/oci_image.h"

/* --- the door --- */

/* Who asks: docker's AuthConfig, as X-Registry-Auth and POST /auth carry it. */
struct fetch_auth {
	const char *username, *password, *auth, *server_address, *identity_token, *registry_token, *email;
};
extern const struct field fetch_auth_fields[];

/* A repository: whom to speak to, and as who. */
struct fetch_place {
	const char *domain; /* "docker.io", "localhost:5000" */
	const char *path;   /* "library/alpine"; NULL: only login is possible */
	struct fetch_auth auth;
	bool push;          /* ask for the right to push; mirrors are left out */
};

/* A manifest or an index. Everything in the caller's arena. */
struct fetch_doc {
	const char *text; /* as the registry gave it: DIGEST is checked against these bytes */
	size_t len;
	const char *plain; /* the same re-encoded by the helper: what may be decoded here */
	size_t plain_len;
	const char *media_type, *digest;
};

/* Bytes so far, from time to time. Called on the thread of the request. */
struct fetch_progress {
	void (*at)(void *self, uint64_t current, uint64_t total);
	void *self;
};

/* What came from a URL. */
struct fetch_file {
	const char *name;  /* as Content-Disposition has it; NULL: it does not say */
	int64_t modified;  /* Unix seconds; INT64_MIN: not said */
};

/* A repository that a search found. */
struct fetch_hit {
	const char *name, *description;
	int64_t stars;
	bool official, automated;
};
extern const struct field fetch_hit_fields[];

struct fetch_hits {
	struct field_list list; /* of struct fetch_hit */
};
extern const struct field fetch_hits_fields[];

struct fetch_session;

/* A session is one helper and does one thing at a time; several of them run at once. All calls block; once the CANCEL_FD given to
 * open polls readable they return ES_E_CANCELLED and the session is good for nothing but close. Errors are in docker's words. */
struct fetch_ops {
	es_err *(*open)(void *self, const struct fetch_place *place, int cancel_fd, struct fetch_session **ret) ES_CHECKED;
	void (*close)(struct fetch_session *s); /* NULL is fine */
	/* Name and password: *RET_TOKEN (arena) is an identity token to keep instead of the password, or "". ES_E_UNAUTHORIZED. */
	es_err *(*login)(struct fetch_session *s, struct arena *a, const char **ret_token) ES_CHECKED;
	/* REF: a tag or a digest. ES_E_NOT_FOUND. */
	es_err *(*resolve)(struct fetch_session *s, struct arena *a, const char *ref, struct fetch_doc *ret) ES_CHECKED;
	es_err *(*tags)(struct fetch_session *s, struct arena *a, char ***ret) ES_CHECKED;
	/* Write SIZE bytes of DIGEST to OUT_FD (borrowed; a pipe or a file). The helper checks the digest, after the last byte: whoever
	 * uses them checks again. ES_E_CANCELLED also when the reader of OUT_FD went away. */
	es_err *(*blob)(struct fetch_session *s, const char *digest, uint64_t size, int out_fd, const struct fetch_progress *p) ES_CHECKED;
	es_err *(*has)(struct fetch_session *s, const char *digest, bool *ret) ES_CHECKED;
	/* Send IN_FD (a regular file, read by position), or take the blob from FROM, another repository of that registry (NULL: none
	 * known): then *RET_MOUNTED. IN_FD -1: only the latter is tried. */
	es_err *(*upload)(struct fetch_session *s, const char *digest, uint64_t size, const char *from, int in_fd,
			  const struct fetch_progress *p, bool *ret_mounted) ES_CHECKED;
	/* REF: tag or digest. */
	es_err *(*put)(struct fetch_session *s, const char *ref, const char *media_type, const char *text, size_t n) ES_CHECKED;

	/* Without a session, each a helper of its own. GET: a URL (http or https) into OUT_FD (borrowed). Errors in the words of docker's ADD
	 * and import; classes follow the status. */
	es_err *(*get)(void *self, struct arena *a, const char *url, int out_fd, int cancel_fd, const struct fetch_progress *p,
		       struct fetch_file *ret) ES_CHECKED;
	/* The index of PLACE's domain (its path is left alone): at most LIMIT repositories that fit TERM. */
	es_err *(*search)(void *self, struct arena *a, const struct fetch_place *place, const char *term, int64_t limit, int cancel_fd,
			  struct fetch_hits *ret) ES_CHECKED;
};

struct fetch {
	const struct fetch_ops *ops;
	void *self; /* borrowed */
};

/* --- the messages: JSON datagrams on a SOCK_SEQPACKET pair --- */

#define FETCH_VERSION 1
#define FETCH_MESSAGE_MAX (64u << 10) /* bytes of one message */
#define FETCH_FD_CONTROL 3
#define FETCH_FDS_MAX 2
#define FETCH_TAGS_MAX 20000u         /* names in a repository's list */
#define FETCH_LIST_MAX (4u << 20)     /* bytes of that list */
#define FETCH_CA_MAX (1u << 20)       /* bytes of certificates */

/* In the order of fetch_op_rows. */
enum fetch_op { FETCH_OPEN, FETCH_LOGIN, FETCH_RESOLVE, FETCH_TAGS, FETCH_BLOB, FETCH_HAS, FETCH_UPLOAD, FETCH_PUT, FETCH_GET, FETCH_SEARCH, FETCH_OP_N };

/* Which message is allowed when, and with how many descriptors. */
struct fetch_op_row {
	const char *name;
	size_t min_fds, max_fds;
	bool first;     /* only as the first message */
	bool with_path; /* needs a repository */
};
extern const struct fetch_op_row fetch_op_rows[FETCH_OP_N];
int fetch_op_of(const char *name); /* -1: unknown */

struct fetch_request {
	int64_t version;
	const char *op;
	const char *domain, *path; /* open */
	char **mirrors, **insecure;
	struct fetch_auth auth;
	bool push;
	const char *ref;                /* resolve, put */
	const char *digest, *from;      /* blob, has, upload */
	int64_t size;                   /* blob, upload, put: bytes */
	const char *media_type;         /* put */
	const char *url;                /* get */
	const char *term;               /* search; size: how many at most */
};
extern const struct field fetch_request_fields[];

/* Until one has ok or error, a message tells progress. */
struct fetch_reply {
	bool ok;
	int64_t current, total;
	const char *digest, *media_type; /* resolve */
	bool there, mounted;
	const char *token;               /* login */
	const char *name, *modified;     /* get: a name, an HTTP date */
	const char *error, *class;       /* text and es_err_class_name */
};
extern const struct field fetch_reply_fields[];

/* SPDX-License-Identifier: Apache-2.0 */
/* remote.h: one repository of a registry (distribution-spec v2): manifests, tags, blobs, login. */
#pragma once

#include "registry/transfer.h"
#include "spec/fetch.h"

struct remote;

struct remote_config {
	const char *domain, *path; /* path NULL: login only */
	char *const *mirrors, *const *insecure;
	struct fetch_auth auth;
	bool push;
	struct transfer_config transfer;
};

/* Everything borrowed must live as long as the remote. Nothing is sent yet. */
es_err *remote_open(struct arena *a, const struct remote_config *cfg, struct remote **ret) ES_CHECKED;
/* Find an endpoint that answers, in their order; the error is the last one's. Other requests do it, if it was not done yet. */
es_err *remote_find(struct remote *r) ES_CHECKED;
void remote_close(struct remote *r); /* NULL is fine */

/* Errors of all of them are in docker's words. */
es_err *remote_login(struct remote *r, const char **ret_token) ES_CHECKED; /* "" : there is none to keep */

/* A document with its digest checked. PLAIN is its re-encoding: one of our field tables, within OCI_MANIFEST_MAX. */
struct remote_doc {
	const char *text, *media_type;
	size_t len;
	char digest[72];
	const char *plain;
	size_t plain_len;
};
es_err *remote_resolve(struct remote *r, struct arena *a, const char *ref, struct remote_doc *ret) ES_CHECKED;
/* The pure part: check and re-encode TEXT, which came as MEDIA_TYPE (NULL or general: what the document itself says). WANT: the digest
 * it must have, or NULL. */
es_err *remote_doc_read(struct arena *a, const char *text, size_t n, const char *media_type, const char *want, struct remote_doc *ret) ES_CHECKED;
es_err *remote_tags(struct remote *r, struct arena *a, char ***ret) ES_CHECKED;

struct remote_progress {
	void (*at)(void *self, uint64_t current, uint64_t total);
	void *self;
};
/* SIZE bytes to FD, each once, over broken connections; the digest is checked at the end. ES_E_CANCELLED when nobody reads FD. */
es_err *remote_blob(struct remote *r, const char *digest, uint64_t size, int fd, const struct remote_progress *p) ES_CHECKED;
es_err *remote_has(struct remote *r, const char *digest, bool *ret) ES_CHECKED;
es_err *remote_upload(struct remote *r, const char *digest, uint64_t size, const char *from, int fd, const struct remote_progress *p,
		      bool *ret_mounted) ES_CHECKED;
es_err *remote_put(struct remote *r, const char *ref, const char *media_type, const char *text, size_t n) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* image_net.h: images from and to registries: pull, push, login, and looking at what a registry has. */
#pragma once

#include "catalog/image_io.h"
#include "spec/fetch.h"

#define IMAGE_DOWNLOADS 3 /* layers of one pull at the same time, as docker */
#define IMAGE_UPLOADS 5

/* Layers that are being fetched now, so that two pulls do not fetch one twice. */
struct image_flights;
struct image_flights *image_flights_new(void);
void image_flights_free(struct image_flights *f);

struct image_net {
	const struct images *im;
	struct fetch fetch;
	struct image_flights *flights;
};

/* CANCEL_FD (or -1) polls readable once the client is gone: the call ends with ES_E_CANCELLED and leaves nothing behind. Errors are in
 * docker's words; those before the first line of SINK have the class of an HTTP status. */
struct image_pull {
	const struct ref *ref; /* without tag and digest: every tag */
	const char *platform;  /* "os/arch[/variant]", NULL: ours */
	struct fetch_auth auth;
	int cancel_fd;
};
/* *RET_ID (in A; A and RET_ID may be NULL): the image's id, of the last tag. */
es_err *image_pull(const struct image_net *net, struct arena *a, const struct image_pull *p, const struct image_sink *sink,
		   const char **ret_id) ES_CHECKED;

struct image_push {
	const struct ref *ref; /* without a tag: every tag */
	struct fetch_auth auth;
	int cancel_fd;
};
es_err *image_push(const struct image_net *net, const struct image_push *p, const struct image_sink *sink) ES_CHECKED;

/* *RET_TOKEN (in A) is to be kept instead of the password, or "". */
es_err *image_login(const struct image_net *net, struct arena *a, const struct fetch_auth *auth, int cancel_fd, const char **ret_token) ES_CHECKED;

/* What GET /distribution/{name}/json answers. */
struct image_remote {
	struct oci_descriptor descriptor;
	struct field_list platforms; /* of struct oci_platform */
};
extern const struct field image_remote_fields[];
/* The archive at URL (http or https; without a scheme: http) becomes an image, as image_import() has it, with progress. */
es_err *image_import_url(const struct image_net *net, struct arena *a, const char *url, const struct image_import *opts, int cancel_fd,
			 const struct image_sink *sink, const char **ret_id) ES_CHECKED;

/* TERM as users write it: "DOMAIN/WORDS" asks that registry, else Docker Hub. LIMIT 0: docker's 25; ES_E_INVALID beyond 100. */
es_err *image_search(const struct image_net *net, struct arena *a, const char *term, int64_t limit, const struct fetch_auth *auth, int cancel_fd,
		     struct fetch_hits *ret) ES_CHECKED;

es_err *image_remote_inspect(const struct image_net *net, struct arena *a, const struct ref *ref, const struct fetch_auth *auth, int cancel_fd,
			     struct image_remote *ret) ES_CHECKED;

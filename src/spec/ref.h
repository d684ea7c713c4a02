/* SPDX-License-Identifier: Apache-2.0 */
/* ref.h: image references as people write them: "alpine", "ghcr.io/x/y:1", "x@sha256:…", and their full and familiar forms. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

/* docker.io/library/alpine:3.20@sha256:… . Everything lives in the arena it was parsed in. */
struct ref {
	const char *domain; /* "docker.io", "localhost:5000" */
	const char *path;   /* "library/alpine" */
	const char *tag;    /* NULL: none written */
	const char *digest; /* "sha256:…"; NULL: none written */
};

/* Normalise TEXT: default domain docker.io (index.docker.io too), "library/" there, no tag added. Errors are ES_E_INVALID in
 * docker's words: "invalid reference format", "invalid reference format: repository name (…) must be lowercase", "invalid
 * reference format: repository name must not be more than 255 characters" (older daemons and clients say the same),
 * "invalid repository name (…), cannot specify 64-byte hexadecimal strings". Source: the distribution project's reference grammar. */
es_err *ref_parse(struct arena *a, const char *text, struct ref *ret) ES_CHECKED;
/* Add the tag "latest" when there is neither a tag nor a digest. */
void ref_default_tag(struct ref *r);

char *ref_name(struct arena *a, const struct ref *r);          /* docker.io/library/alpine */
char *ref_full(struct arena *a, const struct ref *r);          /* docker.io/library/alpine:3.20@sha256:… */
char *ref_familiar_name(struct arena *a, const struct ref *r); /* alpine */
char *ref_familiar(struct arena *a, const struct ref *r);      /* alpine:3.20@sha256:… */

bool ref_is_tag(const char *text);    /* [A-Za-z0-9_][A-Za-z0-9_.-]{0,127} */
bool ref_is_digest(const char *text); /* algorithm:hex; sha256 (64) and sha512 (128) digits */
/* TEXT is 64 hexadecimal digits, or such a thing with "sha256:" before it. */
bool ref_is_full_id(const char *text);
/* 1 to 64 hexadecimal digits: could be a short image id. */
bool ref_is_short_id(const char *text);

/* SPDX-License-Identifier: Apache-2.0 */
/* regauth.h: what to put into Authorization: basic credentials, or a token fetched from where the registry says. */
#pragma once

#include "registry/transfer.h"
#include "spec/fetch.h"

#define REGAUTH_TOKEN_MAX (256u << 10) /* bytes of a token server's answer */

/* Credentials of one session and the token that is in use. Strings live in A. */
struct regauth {
	struct arena *a;
	struct transfer *transfer;
	struct fetch_auth auth;
	bool unverified;          /* as of the registry's endpoint */
	struct challenge challenge; /* scheme NULL: the registry asks for nothing */
	const char *token, *scope;  /* bearer; NULL: none yet */
	int64_t expires_ns;         /* CLOCK_MONOTONIC */
	const char *refresh_token;  /* what a token server gave to keep */
};

/* Choose from what the registry offers: bearer before basic. */
void regauth_learn(struct regauth *r, const struct challenge *c, size_t n);
/* The field's value for SCOPE ("repository:x:pull", NULL: none), or NULL when the registry asks for nothing. ES_E_UNAUTHORIZED
 * "no basic auth credentials"; what the token server said. */
es_err *regauth_value(struct regauth *r, const char *scope, const char **ret) ES_CHECKED;
/* The next regauth_value() fetches a new token. */
void regauth_forget(struct regauth *r);

/* A token server's answer. */
struct regauth_token {
	const char *token, *refresh_token;
	int64_t expires_in; /* seconds; 60 when it does not say */
};
es_err *regauth_token_parse(struct arena *a, const char *text, size_t n, struct regauth_token *ret) ES_CHECKED;
/* "user:password" of docker's "auth" member and of username and password; false: there are no credentials. */
bool regauth_credentials(struct arena *a, const struct fetch_auth *auth, const char **ret_user, const char **ret_password);

/* SPDX-License-Identifier: Apache-2.0 */
/* regauth.c: basic and token authentication (docker's token specification, RFC 6750). */
#include "registry/regauth.h"

#include "base/clock.h"
#include "base/str.h"
#include "codec/base64.h"
#include "registry/regerr.h"

#define EXPIRES_DEFAULT_S 60 /* the token specification's */
#define EXPIRES_MAX_S 3600
#define MARGIN_S 5
#define CLIENT_ID "docker" /* token servers know it */

struct token_doc {
	const char *token, *access_token, *refresh_token;
	int64_t expires_in;
};
#define T struct token_doc
static const struct field token_fields[] = {
	F_STR(T, token, "token", 0),
	F_STR(T, access_token, "access_token", 0),
	F_STR(T, refresh_token, "refresh_token", 0),
	F_I64(T, expires_in, "expires_in", 0),
	F_END,
};
#undef T

es_err *regauth_token_parse(struct arena *a, const char *text, size_t n, struct regauth_token *ret)
{
	struct token_doc doc = { 0 };
	const char *token;

	if (n > REGAUTH_TOKEN_MAX)
		return es_err_new(ES_E_LIMIT, "token answer of %zu bytes", n);
	ES_TRY(es_err_as(es_err_in(field_decode_text(a, token_fields, text, n, &doc), "unable to decode token response"), ES_E_PROTOCOL));
	token = str_empty(doc.token) ? doc.access_token : doc.token;
	if (str_empty(token))
		return es_err_new(ES_E_PROTOCOL, "authorization server did not include a token in the response");
	for (const char *p = token; *p; p++)
		if (*p <= ' ' || *p >= 0x7f) /* it becomes a header field */
			return es_err_new(ES_E_PROTOCOL, "authorization server gave a token that is none");
	if (doc.expires_in < EXPIRES_DEFAULT_S)
		doc.expires_in = EXPIRES_DEFAULT_S;
	if (doc.expires_in > EXPIRES_MAX_S)
		doc.expires_in = EXPIRES_MAX_S;
	*ret = (struct regauth_token){ token, doc.refresh_token, doc.expires_in };
	return NULL;
}

bool regauth_credentials(struct arena *a, const struct fetch_auth *auth, const char **ret_user, const char **ret_password)
{
	size_t n = auth->auth ? strlen(auth->auth) : 0, len;
	char *text, *colon;

	if (!str_empty(auth->username)) {
		*ret_user = auth->username;
		*ret_password = auth->password ? auth->password : "";
		return true;
	}
	if (!n)
		return false;
	text = arena_alloc(a, base64_decoded_max(n) + 1);
	if (!base64_decode(auth->auth, n, BASE64_STD, (unsigned char *)text, &len))
		return false;
	text[len] = '\0';
	colon = strchr(text, ':');
	if (!colon)
		return false;
	*colon = '\0';
	*ret_user = text;
	*ret_password = colon + 1;
	return true;
}

static const char *basic_value(struct regauth *r)
{
	const char *user, *password;
	char *pair, *out;

	if (!regauth_credentials(r->a, &r->auth, &user, &password))
		return NULL;
	pair = arena_printf(r->a, "%s:%s", user, password);
	out = arena_alloc(r->a, base64_encoded_len(strlen(pair)) + 1);
	(void)base64_encode(pair, strlen(pair), BASE64_STD, out);
	return arena_printf(r->a, "Basic %s", out);
}

static void add_pair(struct regauth *r, struct es_buf *b, const char *name, const char *value)
{
	if (!str_empty(value))
		es_buf_printf(b, "%s%s=%s", b->len ? "&" : "", name, transfer_escape(r->transfer, r->a, value));
}

/* A scope with blanks is several. */
static void add_scopes(struct regauth *r, struct es_buf *b, const char *scope)
{
	es_autostrv parts = scope ? strv_split(scope, ' ') : NULL;

	for (char **p = parts; p && *p; p++)
		add_pair(r, b, "scope", *p);
}

/* The registry's realm says where; a token server without TLS is only for registries that need none. */
static es_err *check_realm(const struct regauth *r)
{
	const char *realm = r->challenge.realm;

	if (str_empty(realm))
		return es_err_new(ES_E_PROTOCOL, "no realm specified for token auth challenge");
	if (!str_starts(realm, "https://") && !(r->unverified && str_starts(realm, "http://")))
		return es_err_new(ES_E_PROTOCOL, "token realm %s is not https", realm);
	return NULL;
}

static es_err *fetch_token(struct regauth *r, const char *scope, struct regauth_token *ret)
{
	static const char *const form_headers[] = { "Content-Type: application/x-www-form-urlencoded", NULL };
	struct transfer_request q = { .method = "GET", .unverified = r->unverified, .max = REGAUTH_TOKEN_MAX };
	es_autobuf pairs = ES_BUF(REGAUTH_TOKEN_MAX);
	struct transfer_reply reply;
	const char *user = NULL, *password;

	ES_TRY(check_realm(r));
	add_pair(r, &pairs, "service", r->challenge.service);
	add_scopes(r, &pairs, scope);
	if (!str_empty(r->auth.identity_token)) {
		add_pair(r, &pairs, "grant_type", "refresh_token");
		add_pair(r, &pairs, "refresh_token", r->auth.identity_token);
		add_pair(r, &pairs, "client_id", CLIENT_ID);
		q.method = "POST";
		q.url = r->challenge.realm;
		q.headers = form_headers;
		q.body = es_buf_str(&pairs);
		q.body_len = pairs.len;
	} else {
		if (regauth_credentials(r->a, &r->auth, &user, &password)) {
			add_pair(r, &pairs, "account", user);
			add_pair(r, &pairs, "client_id", CLIENT_ID);
			add_pair(r, &pairs, "offline_token", "true");
			q.authorization = basic_value(r);
		}
		q.url = arena_printf(r->a, "%s%c%s", r->challenge.realm, strchr(r->challenge.realm, '?') ? '&' : '?', es_buf_str(&pairs));
	}
	ES_TRY(es_buf_check(&pairs));
	ES_TRY(transfer_do(r->transfer, r->a, &q, &reply));
	if (reply.status != 200)
		return regerr_reply(reply.status, reply.body, reply.body_len, NULL, 0);
	return regauth_token_parse(r->a, reply.body, reply.body_len, ret);
}

void regauth_learn(struct regauth *r, const struct challenge *c, size_t n)
{
	for (; n > 0; c++, n--)
		if (str_eq(c->scheme, "bearer") || (str_eq(c->scheme, "basic") && !str_eq(r->challenge.scheme, "bearer")))
			r->challenge = *c;
}

void regauth_forget(struct regauth *r)
{
	r->token = NULL;
}

es_err *regauth_value(struct regauth *r, const char *scope, const char **ret)
{
	int64_t now = clock_mono_ns();
	struct regauth_token token;

	*ret = NULL;
	if (!r->challenge.scheme)
		return NULL;
	if (str_eq(r->challenge.scheme, "basic")) {
		*ret = basic_value(r);
		return *ret ? NULL : es_err_new(ES_E_UNAUTHORIZED, "no basic auth credentials");
	}
	if (!str_empty(r->auth.registry_token)) {
		*ret = arena_printf(r->a, "Bearer %s", r->auth.registry_token);
		return NULL;
	}
	if (!r->token || !str_eq(r->scope, scope) || now >= r->expires_ns) {
		ES_TRY(fetch_token(r, scope, &token));
		r->token = token.token;
		r->scope = scope ? arena_strdup(r->a, scope) : NULL;
		r->expires_ns = now + (token.expires_in - MARGIN_S) * CLOCK_NS_PER_S;
		r->refresh_token = token.refresh_token;
	}
	*ret = arena_printf(r->a, "Bearer %s", r->token);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_challenge.c: WWW-Authenticate as registries write it, and as nobody should; error bodies and what they are called. */
#include "registry/challenge.h"

#include "base/buf.h"
#include "base/str.h"
#include "check.h"
#include "registry/regerr.h"

static void rows(void)
{
	static const struct {
		const char *in;
		size_t n;
		const char *scheme, *realm, *service, *scope; /* of the first; NULL: not looked at */
	} rows[] = {
		{ "Basic realm=\"Registry Realm\"", 1, "basic", "Registry Realm", NULL, NULL },
		{ "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:library/x:pull\"", 1,
		  "bearer", "https://auth.docker.io/token", "registry.docker.io", "repository:library/x:pull" },
		{ "Bearer realm=\"https://a/t\", error=\"invalid_token\", error_description=\"it \\\"is\\\" old\"", 1, "bearer", "https://a/t", NULL, NULL },
		{ "bearer REALM = \"x\" , Service=y", 1, "bearer", "x", "y", NULL },
		{ "Negotiate, Basic realm=x", 2, "negotiate", NULL, NULL, NULL },
		{ "Basic realm=\"a\", Bearer realm=\"b\"", 2, "basic", "a", NULL, NULL },
		{ "  ,, Basic", 1, "basic", NULL, NULL, NULL },
		{ "Basic realm=\"no end", 1, "basic", NULL, NULL, NULL },
		{ "realm=x", 0, NULL, NULL, NULL, NULL },
		{ "", 0, NULL, NULL, NULL, NULL },
		{ "\x01 Basic", 0, NULL, NULL, NULL, NULL },
		{ "Digest realm=\"r\", nonce=\"n, Basic\", qop=\"auth\"", 1, "digest", "r", NULL, NULL },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct challenge got[CHALLENGES_MAX];
		size_t n = challenge_parse(a, rows[i].in, got);

		if (n != rows[i].n)
			fail_msg("%s: %zu challenges", rows[i].in, n);
		if (!n)
			continue;
		CHECK_STR(got[0].scheme, rows[i].scheme);
		if (rows[i].realm)
			CHECK_STR(got[0].realm, rows[i].realm);
		if (rows[i].service)
			CHECK_STR(got[0].service, rows[i].service);
		if (rows[i].scope)
			CHECK_STR(got[0].scope, rows[i].scope);
	}
}

static void quotes(void)
{
	es_autoarena *a = arena_new();
	struct challenge got[CHALLENGES_MAX];

	CHECK_INT(challenge_parse(a, "Bearer error=insufficient_scope,error_description=\"it \\\"is\\\" old\"", got), 1);
	CHECK_STR(got[0].error, "insufficient_scope");
	CHECK_STR(got[0].error_description, "it \"is\" old");
}

static void too_many(void)
{
	es_autoarena *a = arena_new();
	struct challenge got[CHALLENGES_MAX];
	es_autobuf b = ES_BUF(10000);

	for (int i = 0; i < 100; i++)
		es_buf_adds(&b, "Basic realm=x,");
	CHECK_INT(challenge_parse(a, es_buf_str(&b), got), CHALLENGES_MAX);
}

static void errors(void)
{
	static const struct {
		long status;
		const char *body, *challenge, *text;
		enum es_err_class class;
	} rows[] = {
		{ 404, "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\",\"detail\":{}}]}", NULL,
		  "manifest unknown: manifest unknown", ES_E_NOT_FOUND },
		{ 401, "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}", NULL,
		  "unauthorized: authentication required", ES_E_UNAUTHORIZED },
		{ 401, "<html>", NULL, "unauthorized: authentication required", ES_E_UNAUTHORIZED },
		{ 401, "", "Bearer realm=x,error=insufficient_scope", "denied: requested access to the resource is denied", ES_E_FORBIDDEN },
		{ 403, "{\"errors\":[{\"code\":\"DENIED\"}]}", NULL, "denied: requested access to the resource is denied", ES_E_FORBIDDEN },
		{ 404, "{\"errors\":[]}", NULL,
		  "error parsing HTTP 404 response body: no error details found in HTTP response body: \"{\"errors\":[]}\"", ES_E_NOT_FOUND },
		{ 400, "{\"errors\":[{\"code\":\"SOME_THING\",\"message\":\"m\"}]}", NULL, "some thing: m", ES_E_PROTOCOL },
		{ 429, "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"slow\"}]}", NULL, "toomanyrequests: slow", ES_E_UNAVAILABLE },
		{ 500, "{\"errors\":[{\"code\":\"UNAUTHORIZED\"}]}", NULL, "received unexpected HTTP status: 500 Internal Server Error",
		  ES_E_UNAVAILABLE },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct challenge c[CHALLENGES_MAX];
		size_t n = rows[i].challenge ? challenge_parse(a, rows[i].challenge, c) : 0;
		es_autoerr es_err *err = regerr_reply(rows[i].status, rows[i].body, strlen(rows[i].body), c, n);

		CHECK_STR(es_err_text(err), rows[i].text);
		CHECK_INT(es_err_class(err), rows[i].class);
	}
}

static void verbs(void)
{
	es_autoerr es_err *err = regerr_at(es_err_new(ES_E_SYSTEM, "EOF"), "GET", "http://x/v2/");

	CHECK_STR(es_err_text(err), "Get \"http://x/v2/\": EOF");
	CHECK(regerr_at(NULL, "GET", "x") == NULL);
}

CHECK_MAIN(TEST(rows), TEST(quotes), TEST(too_many), TEST(errors), TEST(verbs))

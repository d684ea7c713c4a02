/* SPDX-License-Identifier: Apache-2.0 */
/* test_regauth.c: what token servers answer, and the forms in which clients send credentials. */
#include "registry/regauth.h"

#include "check.h"

static void tokens(void)
{
	static const struct {
		const char *in, *token, *refresh; /* token NULL: refused with this text in refresh */
		int64_t expires;
	} rows[] = {
		{ "{\"token\":\"a\"}", "a", NULL, 60 },
		{ "{\"access_token\":\"b\",\"expires_in\":300}", "b", NULL, 300 },
		{ "{\"token\":\"a\",\"access_token\":\"b\"}", "a", NULL, 60 },
		{ "{\"token\":\"a\",\"refresh_token\":\"r\",\"issued_at\":\"2020\"}", "a", "r", 60 },
		{ "{\"token\":\"a\",\"expires_in\":1}", "a", NULL, 60 },
		{ "{\"token\":\"a\",\"expires_in\":99999999}", "a", NULL, 3600 },
		{ "{\"token\":\"a\",\"expires_in\":-5}", "a", NULL, 60 },
		{ "{}", NULL, "did not include a token", 0 },
		{ "{\"token\":\"\"}", NULL, "did not include a token", 0 },
		{ "{\"token\":\"a\\r\\nHost: x\"}", NULL, "token that is none", 0 },
		{ "{\"token\":5}", NULL, "unable to decode token response", 0 },
		{ "<html>", NULL, "unable to decode token response", 0 },
		{ "", NULL, "unable to decode token response", 0 },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct regauth_token got;

		if (!rows[i].token) {
			CHECK_ERR(regauth_token_parse(a, rows[i].in, strlen(rows[i].in), &got), rows[i].refresh);
			continue;
		}
		CHECK_OK(regauth_token_parse(a, rows[i].in, strlen(rows[i].in), &got));
		CHECK_STR(got.token, rows[i].token);
		CHECK_STR(got.refresh_token, rows[i].refresh);
		CHECK_INT(got.expires_in, rows[i].expires);
	}
}

static void credentials(void)
{
	static const struct {
		struct fetch_auth auth;
		const char *user, *password; /* user NULL: none */
	} rows[] = {
		{ { .username = "u", .password = "p" }, "u", "p" },
		{ { .username = "u" }, "u", "" },
		{ { .auth = "dTpw" }, "u", "p" },
		{ { .auth = "dTpwOnc=" }, "u", "p:w" },
		{ { .username = "x", .password = "y", .auth = "dTpw" }, "x", "y" },
		{ { .auth = "dQ==" }, NULL, NULL },
		{ { .auth = "!" }, NULL, NULL },
		{ { 0 }, NULL, NULL },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		const char *user, *password;

		CHECK_INT(regauth_credentials(a, &rows[i].auth, &user, &password), rows[i].user != NULL);
		if (!rows[i].user)
			continue;
		CHECK_STR(user, rows[i].user);
		CHECK_STR(password, rows[i].password);
	}
}

static void choice(void)
{
	es_autoarena *a = arena_new();
	const struct challenge offers[] = { { .scheme = "negotiate" }, { .scheme = "bearer", .realm = "x" }, { .scheme = "basic" } };
	struct regauth r = { .a = a };
	const char *value;

	CHECK_OK(regauth_value(&r, NULL, &value));
	CHECK(value == NULL);
	regauth_learn(&r, offers, ES_N(offers));
	CHECK_STR(r.challenge.scheme, "bearer");
	CHECK_ERR(regauth_value(&r, NULL, &value), "token realm x is not https");
	r.auth.registry_token = "t";
	CHECK_OK(regauth_value(&r, NULL, &value));
	CHECK_STR(value, "Bearer t");
	r.challenge = offers[2];
	CHECK_ERR(regauth_value(&r, NULL, &value), "no basic auth credentials");
	r.auth.username = "u";
	r.auth.password = "p";
	CHECK_OK(regauth_value(&r, NULL, &value));
	CHECK_STR(value, "Basic dTpw");
}

CHECK_MAIN(TEST(tokens), TEST(credentials), TEST(choice))

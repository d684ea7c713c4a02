/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_registry.c: what registries and token servers say. The first byte chooses: a challenge, an error, a token, a manifest, a URL, a web server. What is
 * passed on of a manifest must decode, and must be passed on the same again. */
#include "base/clock.h"
#include "base/str.h"
#include "fuzz.h"
#include "registry/endpoint.h"
#include "registry/regauth.h"
#include "registry/regerr.h"
#include "registry/remote.h"
#include "registry/webfile.h"

static void manifest(struct arena *a, const char *text, size_t n)
{
	struct remote_doc doc, again;
	es_autoerr es_err *err = remote_doc_read(a, text, n, NULL, NULL, &doc);

	if (err)
		return;
	err = remote_doc_read(a, doc.plain, doc.plain_len, doc.media_type, NULL, &again);
	if (err && es_err_class(err) == ES_E_LIMIT)
		return;
	if (err || !str_eq(doc.plain, again.plain))
		abort();
}

static void token(struct arena *a, const char *text, size_t n)
{
	const struct fetch_auth auth = { .auth = text };
	const char *user, *password;
	struct regauth_token got;
	es_autoerr es_err *err = regauth_token_parse(a, text, n, &got);

	if (!err && (str_empty(got.token) || strpbrk(got.token, "\r\n ")))
		abort();
	(void)regauth_credentials(a, &auth, &user, &password);
}

static void challenge(struct arena *a, const char *text, size_t n)
{
	struct challenge got[CHALLENGES_MAX];
	size_t n_got = challenge_parse(a, text, got);
	es_autoerr es_err *err = regerr_reply(401, text, n, got, n_got);

	if (!err || n_got > CHALLENGES_MAX)
		abort();
}

static void url(struct arena *a, const char *text)
{
	const char *got = transfer_resolve_url(a, "https://registry.example/v2/x/blobs/uploads/", text);

	if (got && !str_starts(got, "https://") && !str_starts(got, "http://"))
		abort();
	(void)endpoint_in_cidr("10.0.0.1", text);
	(void)endpoint_in_cidr("fd00::1", text);
}

/* What a web server says of a file, and what an index found. */
static void web(struct arena *a, const char *text, size_t n)
{
	const char *name = webfile_name(a, text);
	struct fetch_hits hits = { 0 };
	int64_t seconds;

	if (name && (!*name || strchr(name, '/')))
		abort();
	es_err_drop(clock_parse_http(text, &seconds));
	es_err_drop(field_decode_text(a, fetch_hits_fields, text, n, &hits));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoarena *a = arena_new();
	const char *text;

	if (!n)
		return 0;
	text = arena_strndup(a, (const char *)bytes + 1, n - 1);
	switch (bytes[0]) {
	case 'c':
		challenge(a, text, n - 1);
		break;
	case 't':
		token(a, text, n - 1);
		break;
	case 'm':
		manifest(a, text, n - 1);
		break;
	case 'w':
		web(a, text, n - 1);
		break;
	case 'u':
		url(a, text);
		break;
	}
	return 0;
}

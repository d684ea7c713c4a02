/* SPDX-License-Identifier: Apache-2.0 */
/* test_ref.c: the reference grammar as rows: what people write, its full form, its familiar form, or docker's refusal. */
#include "spec/ref.h"

#include "base/str.h"
#include "check.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void rows(void)
{
	static const struct {
		const char *in, *full, *familiar; /* full NULL: refused, familiar is in the text */
	} rows[] = {
		{ "alpine", "docker.io/library/alpine", "alpine" },
		{ "alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20" },
		{ "library/alpine", "docker.io/library/alpine", "alpine" },
		{ "docker.io/alpine:a", "docker.io/library/alpine:a", "alpine:a" },
		{ "index.docker.io/library/alpine", "docker.io/library/alpine", "alpine" },
		{ "docker.io/library/a/b", "docker.io/library/a/b", "library/a/b" },
		{ "docker.io/a.b/c", "docker.io/a.b/c", "docker.io/a.b/c" },
		{ "docker.io/" HEX64, "docker.io/library/" HEX64, "docker.io/library/" HEX64 },
		{ "me/app", "docker.io/me/app", "me/app" },
		{ "localhost/app", "localhost/app", "localhost/app" },
		{ "localhost:5000/app:b", "localhost:5000/app:b", "localhost:5000/app:b" },
		{ "127.0.0.1:1/x", "127.0.0.1:1/x", "127.0.0.1:1/x" },
		{ "[::1]:5000/x:y", "[::1]:5000/x:y", "[::1]:5000/x:y" },
		{ "Host/app", "Host/app", "Host/app" },
		{ "ghcr.io/x/y_z/a__b/c--d.e:T_1.-x", "ghcr.io/x/y_z/a__b/c--d.e:T_1.-x", "ghcr.io/x/y_z/a__b/c--d.e:T_1.-x" },
		{ "a@sha256:" HEX64, "docker.io/library/a@sha256:" HEX64, "a@sha256:" HEX64 },
		{ "a:1@sha256:" HEX64, "docker.io/library/a:1@sha256:" HEX64, "a:1@sha256:" HEX64 },
		{ HEX64, NULL, "cannot specify 64-byte hexadecimal strings" },
		{ "", NULL, "invalid reference format" },
		{ "UPPER", NULL, "invalid reference format: repository name (library/UPPER) must be lowercase" },
		{ "a/B:T", NULL, "repository name (a/B) must be lowercase" },
		{ "a@sha256:123", NULL, "invalid reference format" },
		{ "a@md5:" HEX64, NULL, "invalid reference format" },
		{ "a:", NULL, "invalid reference format" },
		{ "a:.b", NULL, "invalid reference format" },
		{ "a:b c", NULL, "invalid reference format" },
		{ ":b", NULL, "invalid reference format" },
		{ "/a", NULL, "invalid reference format" },
		{ "a//b", NULL, "invalid reference format" },
		{ "a/", NULL, "invalid reference format" },
		{ "a..b", NULL, "invalid reference format" },
		{ "a___b", NULL, "invalid reference format" },
		{ "-a", NULL, "invalid reference format" },
		{ "a.-b/x", NULL, "invalid reference format" },
		{ "a.b:/x", NULL, "invalid reference format" },
		{ "a.b:80x/x", NULL, "invalid reference format" },
		{ "a\xc3\xa4", NULL, "invalid reference format" },
		{ "https://a.b/c", NULL, "invalid reference format" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct ref r;

		if (!rows[i].full) {
			CHECK_ERR(ref_parse(a, rows[i].in, &r), rows[i].familiar);
			continue;
		}
		CHECK_OK(es_err_in(ref_parse(a, rows[i].in, &r), "%s", rows[i].in));
		CHECK_STR(ref_full(a, &r), rows[i].full);
		CHECK_STR(ref_familiar(a, &r), rows[i].familiar);
		/* The full form is a fixed point. */
		CHECK_OK(ref_parse(a, rows[i].full, &r));
		CHECK_STR(ref_full(a, &r), rows[i].full);
	}
}

static void limits(void)
{
	es_autoarena *a = arena_new();
	char name[300];
	struct ref r;

	memset(name, 'a', sizeof name);
	name[255 - strlen("docker.io/library/")] = '\0';
	CHECK_OK(ref_parse(a, name, &r));
	strcat(name, "a");
	CHECK_ERR(ref_parse(a, name, &r), "repository name must not be more than 255 characters");
	memset(name, 'a', sizeof name);
	name[1] = ':';
	name[2 + 128] = '\0';
	CHECK_OK(ref_parse(a, name, &r));
	strcat(name, "a");
	CHECK_ERR(ref_parse(a, name, &r), "invalid reference format");
}

static void words(void)
{
	static const struct {
		const char *in;
		bool tag, digest, full_id, short_id;
	} rows[] = {
		{ "latest", true, false, false, false },
		{ "abc123", true, false, false, true },
		{ "", false, false, false, false },
		{ "_x", true, false, false, false },
		{ "-x", false, false, false, false },
		{ HEX64, true, false, true, true },
		{ "sha256:" HEX64, false, true, true, false },
		{ "sha512:" HEX64, false, false, false, false },
		{ "sha512:" HEX64 HEX64, false, true, false, false },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		CHECK_INT(ref_is_tag(rows[i].in), rows[i].tag);
		CHECK_INT(ref_is_digest(rows[i].in), rows[i].digest);
		CHECK_INT(ref_is_full_id(rows[i].in), rows[i].full_id);
		CHECK_INT(ref_is_short_id(rows[i].in), rows[i].short_id);
	}
}

CHECK_MAIN(TEST(rows), TEST(limits), TEST(words))

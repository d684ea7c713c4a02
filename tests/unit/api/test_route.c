/* SPDX-License-Identifier: Apache-2.0 */
/* test_route.c: paths, patterns and versions. */
#include "api/route.h"

#include "check.h"

static void patterns(void)
{
	static const struct {
		const char *pattern, *path, *a, *b; /* A NULL: does not match */
	} rows[] = {
		{ "/info", "/info", "", "" },
		{ "/info", "/info/", NULL, NULL },
		{ "/info", "/inf", NULL, NULL },
		{ "/containers/{}/json", "/containers/x/json", "x", "" },
		{ "/containers/{}/json", "/containers//json", NULL, NULL },
		{ "/containers/{}/json", "/containers/a/b/json", NULL, NULL },
		{ "/images/{*}/json", "/images/a/b:1/json", "a/b:1", "" },
		{ "/images/{*}/json", "/images/json/json", "json", "" },
		{ "/images/{*}", "/images/a/b", "a/b", "" },
		{ "/c/{}/cp/{}", "/c/1/cp/2", "1", "2" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		const char *args[REQ_ARGS_MAX] = { "", "" };
		bool ok = route_match(a, rows[i].pattern, rows[i].path, args);

		CHECK_INT(ok, rows[i].a != NULL);
		if (ok) {
			CHECK_STR(args[0], rows[i].a);
			CHECK_STR(args[1], rows[i].b);
		}
	}
}

static void versions(void)
{
	static const struct {
		const char *in, *path, *error;
		unsigned version;
	} rows[] = {
		{ "/info", "/info", NULL, 145 },
		{ "/v1.24/info", "/info", NULL, 124 },
		{ "/v1.45/info", "/info", NULL, 145 },
		{ "/v1.40.0/info", "/info", NULL, 140 },
		{ "/v1.x/info", "/v1.x/info", NULL, 145 },
		{ "/v1.23/info", "/info", "client version 1.23 is too old. Minimum supported API version is 1.24", 0 },
		{ "/v1/info", "/info", "client version 1 is too old", 0 },
		{ "/v1.45.1/info", "/info", "client version 1.45.1 is too new. Maximum supported API version is 1.45", 0 },
		{ "/v9.99/info", "/info", "too new", 0 },
		{ "/volumes", "/volumes", NULL, 145 },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		const char *path = rows[i].in;
		unsigned version;
		es_err *err = route_version(&path, &version);

		CHECK_STR(path, rows[i].path);
		if (rows[i].error) {
			CHECK_ERR(err, rows[i].error);
			continue;
		}
		CHECK_OK(err);
		CHECK_INT(version, rows[i].version);
	}
}

static void unclean_paths(void)
{
	static const struct {
		const char *path, *clean;
	} rows[] = {
		{ "/v1.45/containers//c1/json", "/v1.45/containers/c1/json" },
		{ "/networks//", "/networks/" },
		{ "/a/../b/./c", "/b/c" },
		{ "//", "/" },
		{ "/a//b\r\nx: y", "/a/b%0D%0Ax%3A%20y" },
	};

	CHECK(route_is_clean("/v1.45/images/a/b:1/json") && route_is_clean("/networks/"));
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();

		CHECK(!route_is_clean(rows[i].path));
		CHECK_STR(route_clean(a, rows[i].path), rows[i].clean);
	}
}

CHECK_MAIN(TEST(patterns), TEST(versions), TEST(unclean_paths))

/* SPDX-License-Identifier: Apache-2.0 */
/* test_platform.c: platforms as people write them, and the entry of an index that is taken. */
#include "spec/platform.h"

#include "base/str.h"
#include "check.h"

static void texts(void)
{
	static const struct {
		const char *in, *want; /* NULL: refused */
	} rows[] = {
		{ "linux/amd64", "linux/amd64" }, { "amd64", "linux/amd64" }, { "linux/x86_64", "linux/amd64" }, { "linux/arm", "linux/arm/v7" },
		{ "linux/arm/v6", "linux/arm/v6" }, { "linux/arm64/v8", "linux/arm64/v8" }, { "aarch64", "linux/arm64" },
		{ "nosuch", NULL }, { "windows/amd64", NULL }, { "linux/nosuch", NULL }, { "linux/arm/v7/x", NULL }, { "/", NULL },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct oci_platform p;

		if (!rows[i].want) {
			CHECK_ERR(platform_parse(a, rows[i].in, &p), "unknown operating system or architecture: invalid argument");
			continue;
		}
		CHECK_OK(platform_parse(a, rows[i].in, &p));
		CHECK_STR(platform_text(a, &p), rows[i].want);
	}
}

/* The index, in order: what is wanted of it, and which entry (from 0) it is; -1: none. */
static void choices(void)
{
	struct oci_platform p[] = {
		{ .os = "linux", .architecture = "arm", .variant = "v5" }, { .os = "linux", .architecture = "arm", .variant = "v7" },
		{ .os = "linux", .architecture = "amd64" },		   { .os = "windows", .architecture = "amd64" },
		{ .os = "linux", .architecture = "arm64", .variant = "v8" }, { .os = "unknown", .architecture = "unknown" },
		{ .os = "linux", .architecture = "amd64", .variant = "v3" },
	};
	struct oci_descriptor d[ES_N(p)];
	const struct oci_index idx = { .manifests = { d, ES_N(p), true } };
	static const struct {
		const char *want;
		int entry;
	} rows[] = { { "linux/amd64", 2 }, { "linux/amd64/v3", 6 }, { "linux/amd64/v2", 2 }, { "linux/arm64", 4 }, { "linux/arm", 1 },
		     { "linux/arm/v6", 0 }, { "linux/s390x", -1 } };

	for (size_t i = 0; i < ES_N(p); i++)
		d[i] = (struct oci_descriptor){ .platform = &p[i] };
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		const struct oci_descriptor *got;
		struct oci_platform want;

		CHECK_OK(platform_parse(a, rows[i].want, &want));
		got = platform_choose(&idx, &want);
		CHECK_INT(got ? got - d : -1, rows[i].entry);
	}
}

/* An old index without platforms: what is there is taken, but never before what fits. */
static void without_platform(void)
{
	struct oci_platform ours = { .os = "linux", .architecture = "amd64" };
	struct oci_descriptor d[] = { { .digest = "a" }, { .digest = "b", .platform = &ours } };
	struct oci_index idx = { .manifests = { d, 2, true } };

	CHECK(platform_choose(&idx, &ours) == &d[1]);
	idx.manifests.n = 1;
	CHECK(platform_choose(&idx, &ours) == &d[0]);
	idx.manifests.n = 0;
	CHECK(platform_choose(&idx, &ours) == NULL);
}

CHECK_MAIN(TEST(texts), TEST(choices), TEST(without_platform))

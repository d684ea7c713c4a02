/* SPDX-License-Identifier: Apache-2.0 */
/* test_oci_image.c: image documents that are accepted, and those that are refused by name. */
#include "spec/oci_image.h"

#include "base/str.h"
#include "check.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"

static void config_rows(void)
{
	static const struct {
		const char *text, *err; /* err NULL: accepted */
	} rows[] = {
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]}}", NULL },
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}", NULL },
		{ "{}", NULL },
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]},\"history\":[{\"empty_layer\":true},{\"created_by\":\"x\"}]}", NULL },
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]},\"history\":[{},{}]}", "history has 2 entries with a layer" },
		{ "{\"rootfs\":{\"type\":\"x\",\"diff_ids\":[]}}", "rootfs.type is \"x\"" },
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"../../etc\"]}}", "is not a sha256 digest" },
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[1]}}", "diff_ids" },
		{ "{\"config\":{\"Env\":\"x\"}}", "Env" },
		{ "[]", "image config" },
		{ "", "image config" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct oci_image img;
		es_err *err = oci_image_decode(a, rows[i].text, strlen(rows[i].text), &img);

		if (rows[i].err)
			CHECK_ERR(err, rows[i].err);
		else
			CHECK_OK(err);
	}
}

static void manifest_rows(void)
{
	static const struct {
		const char *text, *err;
	} rows[] = {
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1 "\",\"size\":2},\"layers\":[{\"digest\":\"" D2 "\",\"size\":3}]}", NULL },
		{ "{\"schemaVersion\":1}", "schemaVersion 1 is not supported" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"x\",\"size\":2},\"layers\":[]}", "config: \"x\" is not a digest" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1 "\",\"size\":-1},\"layers\":[]}", "negative size" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1 "\",\"size\":1},\"layers\":[{}]}", "layers: \"\" is not a digest" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct oci_manifest m;
		es_err *err = oci_manifest_decode(a, rows[i].text, strlen(rows[i].text), &m);

		if (rows[i].err)
			CHECK_ERR(err, rows[i].err);
		else
			CHECK_OK(err);
	}
}

static void media_types(void)
{
	CHECK(oci_is_index(DOCKER_MT_LIST) && oci_is_index(OCI_MT_INDEX) && !oci_is_index(OCI_MT_MANIFEST) && !oci_is_index(NULL));
	CHECK(oci_is_manifest(DOCKER_MT_MANIFEST) && !oci_is_manifest(""));
	CHECK(oci_is_layer(OCI_MT_LAYER_ZSTD) && !oci_is_layer(OCI_MT_CONFIG));
}

CHECK_MAIN(TEST(config_rows), TEST(manifest_rows), TEST(media_types))

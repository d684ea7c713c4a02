/* SPDX-License-Identifier: Apache-2.0 */
/* test_remote.c: manifests as registries give them: type, digest, and the form in which they are passed on. */
#include "registry/remote.h"

#include "base/str.h"
#include "check.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CONFIG "\"config\":{\"mediaType\":\"" DOCKER_MT_CONFIG "\",\"digest\":\"sha256:" HEX "\",\"size\":2}"
#define LAYER(type) "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX "\",\"size\":1,\"urls\":[\"http://x\"],\"annotations\":{\"a\":\"b\"}}"

static void rows(void)
{
	static const struct {
		const char *in, *type, *want_type; /* want_type NULL: refused */
		const char *text;		   /* in the error, or the whole of what is passed on */
	} rows[] = {
		{ "{\"schemaVersion\":2,\"mediaType\":\"" DOCKER_MT_MANIFEST "\"," CONFIG ",\"layers\":[" LAYER(DOCKER_MT_LAYER_GZIP) "]}",
		  DOCKER_MT_MANIFEST, DOCKER_MT_MANIFEST,
		  "{\"schemaVersion\":2,\"mediaType\":\"" DOCKER_MT_MANIFEST "\"," CONFIG ",\"layers\":[{\"mediaType\":\"" DOCKER_MT_LAYER_GZIP
		  "\",\"digest\":\"sha256:" HEX "\",\"size\":1}]}" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"annotations\":{\"x\":\"y\"}}", "application/json; charset=utf-8", OCI_MT_MANIFEST, NULL },
		{ "{\"schemaVersion\":2,\"manifests\":[]}", NULL, OCI_MT_INDEX, NULL },
		{ "{\"schemaVersion\":2,\"mediaType\":\"" DOCKER_MT_LIST "\",\"manifests\":[]}", "text/plain", DOCKER_MT_LIST, NULL },
		{ "{\"schemaVersion\":1}", "application/vnd.docker.distribution.manifest.v1+prettyjws", NULL, "unsupported manifest media type" },
		{ "{\"schemaVersion\":1}", DOCKER_MT_MANIFEST, NULL, "schemaVersion 1 is not supported" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(DOCKER_MT_FOREIGN) "]}", OCI_MT_MANIFEST, NULL, "unsupported media type" },
		{ "<html>", "text/html", NULL, "unsupported manifest media type" },
		{ "<html>", DOCKER_MT_MANIFEST, NULL, "manifest: " },
		{ "", NULL, NULL, "unsupported manifest media type" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct remote_doc doc;

		if (!rows[i].want_type) {
			CHECK_ERR(remote_doc_read(a, rows[i].in, strlen(rows[i].in), rows[i].type, NULL, &doc), rows[i].text);
			continue;
		}
		CHECK_OK(remote_doc_read(a, rows[i].in, strlen(rows[i].in), rows[i].type, NULL, &doc));
		CHECK_STR(doc.media_type, rows[i].want_type);
		if (rows[i].text)
			CHECK_STR(doc.plain, rows[i].text);
	}
}

static void digests(void)
{
	static const char text[] = "{\"schemaVersion\":2,\"manifests\":[]}";
	es_autoarena *a = arena_new();
	struct remote_doc doc;

	CHECK_ERR(remote_doc_read(a, text, strlen(text), NULL, "sha256:" HEX, &doc), "manifest verification failed for digest sha256:" HEX);
	CHECK_OK(remote_doc_read(a, text, strlen(text), NULL, NULL, &doc));
	CHECK_OK(remote_doc_read(a, text, strlen(text), NULL, arena_strdup(a, doc.digest), &doc));
}

static void urls(void)
{
	static const struct {
		const char *base, *url, *want;
	} rows[] = {
		{ "https://a/v2/x/blobs/uploads/", "/v2/y?z=1", "https://a/v2/y?z=1" },
		{ "http://a:5000/v2/", "https://b/c", "https://b/c" },
		{ "https://a/", "//c/d", "https://c/d" },
		{ "https://a/", "file:///etc/passwd", NULL },
		{ "https://a/", "ftp://b/", NULL },
		{ "https://a/", "http://b c/", NULL },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();

		CHECK_STR(transfer_resolve_url(a, rows[i].base, rows[i].url), rows[i].want);
	}
	CHECK(transfer_same_origin("https://a/x", "https://A:443/y"));
	CHECK(!transfer_same_origin("https://a/x", "http://a/x"));
	CHECK(!transfer_same_origin("https://a/x", "https://a:444/x"));
	CHECK(!transfer_same_origin("https://a/x", "https://a.evil/x"));
	CHECK(!transfer_same_origin("https://a/x", "https://a@evil/x"));
}

CHECK_MAIN(TEST(rows), TEST(digests), TEST(urls))

/* SPDX-License-Identifier: Apache-2.0 */
/* blob.c: small content in blobs/sha256/HEX. */
#include "store/blob.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/sha256.h"
#include "store/store_priv.h"

#define PREFIX "sha256:"
#define DIR "blobs/sha256"
#define PATH_MAX_LEN (sizeof DIR "/" + 64)

bool blob_is_digest(const char *text)
{
	const char *hex = text ? str_after(text, PREFIX) : NULL;

	return hex && strspn(hex, "0123456789abcdef") == 64 && !hex[64];
}

char *blob_digest(const void *bytes, size_t n, char *ret)
{
	struct sha256 sum;

	memcpy(ret, PREFIX, sizeof PREFIX - 1);
	sha256_init(&sum);
	sha256_add(&sum, bytes, n);
	sha256_end_hex(&sum, ret + sizeof PREFIX - 1);
	return ret;
}

/* The path of a well-formed digest. */
static es_err *path_of(const char *digest, char out[PATH_MAX_LEN])
{
	if (!blob_is_digest(digest))
		return es_err_new(ES_E_INVALID, "\"%s\" is not a sha256 digest", digest);
	snprintf(out, PATH_MAX_LEN, DIR "/%s", digest + sizeof PREFIX - 1);
	return NULL;
}

bool blob_has(struct store *st, const char *digest)
{
	char path[PATH_MAX_LEN];
	es_err *err = path_of(digest, path);

	if (err) {
		es_err_drop(err);
		return false;
	}
	return faccessat(st->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

es_err *blob_put(struct store *st, struct lease *lease, const void *bytes, size_t n, const char *want, char *ret_digest)
{
	char digest[BLOB_DIGEST_MAX], path[PATH_MAX_LEN];

	if (n > BLOB_MAX)
		return es_err_new(ES_E_LIMIT, "blob of %zu bytes is larger than %u", n, BLOB_MAX);
	blob_digest(bytes, n, digest);
	if (want && !str_eq(want, digest))
		return es_err_new(ES_E_INVALID, "digest is %s, want %s", digest, want);
	lease_hold(lease, digest);
	ES_TRY(path_of(digest, path));
	if (!blob_has(st, digest))
		ES_TRY(es_err_in(file_replace(st->root_fd, path, bytes, n, 0600, true), "keep blob %s", digest));
	crash_point(st, CRASH_BLOB_KEPT);
	if (ret_digest)
		memcpy(ret_digest, digest, sizeof digest);
	return NULL;
}

es_err *blob_read(struct store *st, struct arena *a, const char *digest, char **ret_bytes, size_t *ret_n)
{
	char path[PATH_MAX_LEN], is[BLOB_DIGEST_MAX], *bytes;
	size_t n;
	es_err *err;

	ES_TRY(path_of(digest, path));
	err = file_read(st->root_fd, path, BLOB_MAX, &bytes, &n);
	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_drop(err);
		return es_err_new(ES_E_NOT_FOUND, "no blob %s", digest);
	}
	ES_TRY(err);
	arena_own(a, bytes);
	if (!str_eq(blob_digest(bytes, n, is), digest))
		return es_err_new(ES_E_INTERNAL, "blob %s is damaged: its digest is %s", digest, is);
	*ret_bytes = bytes;
	if (ret_n)
		*ret_n = n;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* remote_blob.c: blobs down and up. */
#include <inttypes.h>
#include <openssl/evp.h>

#include "base/file.h"
#include "base/str.h"
#include "registry/regerr.h"
#include "registry/remote_priv.h"
#include "spec/ref.h"

/* --- down --- */

struct download {
	const char *digest;
	uint64_t size, at; /* at: bytes written, and hashed */
	int fd;
	EVP_MD_CTX *sum;
	const struct remote_progress *progress;
};

/* Bytes at START; what was written before (a registry that ignores Range begins anew) is skipped. */
static es_err *take(void *self, uint64_t start, const char *bytes, size_t n)
{
	struct download *d = self;
	es_err *err;

	if (start > d->at)
		return es_err_new(ES_E_PROTOCOL, "blob %s: the registry left out bytes", d->digest);
	if (start + n <= d->at)
		return NULL;
	bytes += d->at - start;
	n -= (size_t)(d->at - start);
	if (n > d->size - d->at)
		return es_err_new(ES_E_PROTOCOL, "blob %s is longer than its manifest says", d->digest);
	err = file_write_all(d->fd, bytes, n);
	if (err && es_err_errno(err) == EPIPE)
		return es_err_as(err, ES_E_CANCELLED);
	ES_TRY(err);
	(void)EVP_DigestUpdate(d->sum, bytes, n);
	d->at += n;
	if (d->progress->at)
		d->progress->at(d->progress->self, d->at, d->size);
	return NULL;
}

static es_err *check_digest(struct download *d)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned n = 0;

	(void)EVP_DigestFinal_ex(d->sum, sum, &n);
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(hex + 2 * (size_t)i, 3, "%02x", sum[i]);
	if (!str_eq(strchr(d->digest, ':') + 1, hex))
		return es_err_new(ES_E_PROTOCOL, "filesystem layer verification failed for digest %s", d->digest);
	return NULL;
}

/* The attempts are counted anew whenever one brought something. */
static es_err *download(struct remote *r, struct download *d)
{
	es_autoarena *a = arena_new();
	struct transfer_request q = { .method = "GET", .sink = take, .self = d };
	struct transfer_reply reply;

	q.url = arena_printf(a, "blobs/%s", d->digest);
	for (int n = 1;; n++) {
		uint64_t before = d->at;
		es_err *err;

		q.from = d->at;
		err = remote_request(r, a, &q, NULL, &reply);
		if (!err && d->at == d->size)
			return NULL;
		if (!err)
			err = es_err_new(ES_E_UNAVAILABLE, "blob %s: unexpected EOF", d->digest);
		if (d->at > before)
			n = 1;
		if (es_err_class(err) != ES_E_UNAVAILABLE || !remote_pause(r, n))
			return err;
		es_err_drop(err);
	}
}

es_err *remote_blob(struct remote *r, const char *digest, uint64_t size, int fd, const struct remote_progress *p)
{
	struct download d = { digest, size, 0, fd, NULL, p };
	const EVP_MD *md = str_starts(digest, "sha512:") ? EVP_sha512() : EVP_sha256();
	es_err *err = NULL;

	d.sum = EVP_MD_CTX_new();
	if (!d.sum || EVP_DigestInit_ex(d.sum, md, NULL) != 1)
		err = es_err_new(ES_E_SYSTEM, "libcrypto has no %s", EVP_MD_get0_name(md));
	if (!err)
		err = download(r, &d);
	if (!err)
		err = check_digest(&d);
	EVP_MD_CTX_free(d.sum);
	return err;
}

/* --- up --- */

es_err *remote_has(struct remote *r, const char *digest, bool *ret)
{
	static const long ok[] = { 404, 0 };
	es_autoarena *a = arena_new();
	struct transfer_request q = { .method = "HEAD" };
	struct transfer_reply reply;

	q.url = arena_printf(a, "blobs/%s", digest);
	ES_TRY(remote_request(r, a, &q, ok, &reply));
	*ret = reply.status == 200;
	return NULL;
}

struct upload {
	uint64_t size;
	const struct remote_progress *progress;
};

static void sent(void *self, uint64_t n)
{
	const struct upload *u = self;

	if (u->progress->at)
		u->progress->at(u->progress->self, n, u->size);
}

/* Open an upload; with FROM the registry may take the blob from there instead (201). *RET_URL is NULL then. */
static es_err *begin(struct remote *r, struct arena *a, const char *digest, const char *from, const char **ret_url)
{
	struct transfer_request q = { .method = "POST", .url = "blobs/uploads/" };
	const char *scope = r->scope;
	struct transfer_reply reply;
	es_err *err;

	if (from) {
		q.url = arena_printf(a, "blobs/uploads/?mount=%s&from=%s", digest, transfer_escape(r->transfer, a, from));
		r->scope = arena_printf(r->a, "%s repository:%s:pull", scope, from);
	}
	err = remote_request(r, a, &q, NULL, &reply);
	r->scope = scope;
	ES_TRY(err);
	*ret_url = reply.status == 201 ? NULL : reply.location;
	if (reply.status != 201 && !reply.location)
		return es_err_new(ES_E_PROTOCOL, "the registry accepted an upload but did not say where to");
	return NULL;
}

/* An upload that is not wanted is taken back; what the registry says to that does not matter. */
static void cancel(struct remote *r, struct arena *a, const char *url)
{
	const struct transfer_request q = { .method = "DELETE", .url = url };
	struct transfer_reply reply;

	es_err_drop(remote_request(r, a, &q, NULL, &reply));
}

static es_err *send(struct remote *r, struct arena *a, const char *url, const char *digest, int fd, struct upload *u)
{
	static const char *const headers[] = { "Content-Type: application/octet-stream", NULL };
	struct transfer_request q = { .method = "PUT", .headers = headers, .body_fd = fd, .body_size = u->size, .sent = sent, .self = u };
	struct transfer_reply reply;

	q.url = arena_printf(a, "%s%cdigest=%s", url, strchr(url, '?') ? '&' : '?', digest);
	return remote_request(r, a, &q, NULL, &reply);
}

es_err *remote_upload(struct remote *r, const char *digest, uint64_t size, const char *from, int fd, const struct remote_progress *p,
		      bool *ret_mounted)
{
	es_autoarena *a = arena_new();
	struct upload u = { size, p };
	const char *url = NULL;

	*ret_mounted = false;
	ES_TRY(begin(r, a, digest, from, &url));
	if (!url) {
		*ret_mounted = true;
		return NULL;
	}
	if (fd < 0) {
		cancel(r, a, url);
		return NULL;
	}
	return send(r, a, url, digest, fd, &u);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c: EVP's SHA-256; OpenSSL fails here only when it is broken, so that ends the process. */
#include "pack/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/mem.h"

struct digest {
	EVP_MD_CTX *ctx;
};

static void must(int ok)
{
	if (ok == 1)
		return;
	(void)fputs("libcrypto cannot do SHA-256\n", stderr);
	abort();
}

struct digest *digest_new(void)
{
	struct digest *d = ES_NEW(struct digest);

	/* No configuration file: it may not be readable any more, and its engines are none of ours. */
	must(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL));
	d->ctx = EVP_MD_CTX_new();
	must(d->ctx && EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL));
	return d;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_add(struct digest *d, const void *bytes, size_t n)
{
	must(EVP_DigestUpdate(d->ctx, bytes, n));
}

char *digest_end(struct digest *d, char *out)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char *at = out + sprintf(out, "sha256:");

	must(EVP_DigestFinal_ex(d->ctx, sum, &n));
	for (unsigned i = 0; i < n; i++)
		at += sprintf(at, "%02x", sum[i]);
	return out;
}

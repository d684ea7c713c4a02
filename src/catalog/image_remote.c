/* SPDX-License-Identifier: Apache-2.0 */
/* image_remote.c: what a registry has under a name, without fetching it. */
#include <fcntl.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/str.h"
#include "catalog/image_net.h"
#include "store/blob.h"

#define T struct image_remote
const struct field image_remote_fields[] = {
	F_STRUCT(T, descriptor, "Descriptor", 0, struct oci_descriptor, oci_descriptor_fields),
	F_LIST(T, platforms, "Platforms", FIELD_EMPTY_LIST, struct oci_platform, oci_platform_fields),
	F_END,
};
#undef T

/* An index says its platforms. */
static es_err *of_index(struct arena *a, const struct fetch_doc *doc, struct image_remote *ret)
{
	struct oci_platform *list;
	struct oci_index idx;
	size_t n = 0;

	ES_TRY(oci_index_decode(a, doc->plain, doc->plain_len, &idx));
	list = ARENA_ARRAY(a, struct oci_platform, idx.manifests.n + 1);
	FIELD_LIST_EACH(struct oci_descriptor, d, &idx.manifests)
		if (d->platform)
			list[n++] = *d->platform;
	ret->platforms = (struct field_list){ list, n, true };
	return NULL;
}

/* A manifest's is in its config. */
static es_err *of_manifest(const struct fetch_ops *ops, struct fetch_session *s, struct arena *a, const struct fetch_doc *doc,
			   struct image_remote *ret)
{
	es_autoclose int fd = memfd_create("config", MFD_CLOEXEC);
	const struct fetch_progress quiet = { 0 };
	struct oci_platform *p = ARENA_NEW(a, struct oci_platform);
	struct oci_manifest m;
	struct oci_image config;
	char digest[BLOB_DIGEST_MAX], *text;
	size_t n;

	if (fd < 0)
		return es_err_sys(errno, "memory file");
	ES_TRY(oci_manifest_decode(a, doc->plain, doc->plain_len, &m));
	if (m.config.size > OCI_CONFIG_MAX)
		return es_err_new(ES_E_LIMIT, "image config of %lld bytes", (long long)m.config.size);
	ES_TRY(ops->blob(s, m.config.digest, (uint64_t)m.config.size, fd, &quiet));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "memory file");
	ES_TRY(file_read_all(fd, OCI_CONFIG_MAX, &text, &n));
	arena_own(a, text);
	if (!str_eq(blob_digest(text, n, digest), m.config.digest))
		return es_err_new(ES_E_PROTOCOL, "image config verification failed for digest %s", m.config.digest);
	ES_TRY(oci_image_decode(a, text, n, &config));
	*p = (struct oci_platform){ .architecture = config.architecture, .os = config.os, .os_version = config.os_version,
				    .variant = config.variant, .os_features = config.os_features };
	ret->platforms = (struct field_list){ p, 1, true };
	return NULL;
}

es_err *image_remote_inspect(const struct image_net *net, struct arena *a, const struct ref *ref, const struct fetch_auth *auth, int cancel_fd,
			     struct image_remote *ret)
{
	const struct fetch_place place = { .domain = ref->domain, .path = ref->path, .auth = *auth };
	const struct fetch_ops *ops = net->fetch.ops;
	struct fetch_session *s;
	struct fetch_doc doc;
	es_err *err;

	ES_TRY(ops->open(net->fetch.self, &place, cancel_fd, &s));
	err = ops->resolve(s, a, ref->digest ? ref->digest : ref->tag, &doc);
	if (!err) {
		*ret = (struct image_remote){ .descriptor = { .media_type = doc.media_type, .digest = doc.digest, .size = (int64_t)doc.len } };
		err = oci_is_index(doc.media_type) ? of_index(a, &doc, ret) : of_manifest(ops, s, a, &doc, ret);
	}
	ops->close(s);
	return err;
}

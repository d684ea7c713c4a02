/* SPDX-License-Identifier: Apache-2.0 */
/* oci_image.c: field tables of the OCI image format and docker's twins, and the checks that a table cannot say. */
#include "spec/oci_image.h"

#include "base/str.h"
#include "spec/ref.h"

#define OMIT FIELD_OMIT_EMPTY

#define T struct oci_platform
const struct field oci_platform_fields[] = {
	F_STR(T, architecture, "architecture", 0),
	F_STR(T, os, "os", 0),
	F_STR(T, os_version, "os.version", OMIT),
	F_STRV(T, os_features, "os.features", OMIT),
	F_STR(T, variant, "variant", OMIT),
	F_END,
};
#undef T

#define T struct oci_descriptor
const struct field oci_descriptor_fields[] = {
	F_STR(T, media_type, "mediaType", 0),
	F_STR(T, digest, "digest", 0),
	F_I64(T, size, "size", 0),
	F_STRV(T, urls, "urls", OMIT),
	F_STR_MAP(T, annotations, "annotations", OMIT),
	F_PTR(T, platform, "platform", OMIT, struct oci_platform, oci_platform_fields),
	F_STR(T, artifact_type, "artifactType", OMIT),
	F_END,
};
#undef T

#define T struct oci_manifest
const struct field oci_manifest_fields[] = {
	F_I64(T, schema_version, "schemaVersion", 0),
	F_STR(T, media_type, "mediaType", OMIT),
	F_STR(T, artifact_type, "artifactType", OMIT),
	F_STRUCT(T, config, "config", 0, struct oci_descriptor, oci_descriptor_fields),
	F_LIST(T, layers, "layers", FIELD_EMPTY_LIST, struct oci_descriptor, oci_descriptor_fields),
	F_PTR(T, subject, "subject", OMIT, struct oci_descriptor, oci_descriptor_fields),
	F_STR_MAP(T, annotations, "annotations", OMIT),
	F_END,
};
#undef T

#define T struct oci_index
const struct field oci_index_fields[] = {
	F_I64(T, schema_version, "schemaVersion", 0),
	F_STR(T, media_type, "mediaType", OMIT),
	F_STR(T, artifact_type, "artifactType", OMIT),
	F_LIST(T, manifests, "manifests", FIELD_EMPTY_LIST, struct oci_descriptor, oci_descriptor_fields),
	F_PTR(T, subject, "subject", OMIT, struct oci_descriptor, oci_descriptor_fields),
	F_STR_MAP(T, annotations, "annotations", OMIT),
	F_END,
};
#undef T

#define T struct oci_history
const struct field oci_history_fields[] = {
	F_TIME(T, created, "created", OMIT),
	F_STR(T, author, "author", OMIT),
	F_STR(T, created_by, "created_by", OMIT),
	F_STR(T, comment, "comment", OMIT),
	F_BOOL(T, empty_layer, "empty_layer", OMIT),
	F_END,
};
#undef T

#define T struct oci_rootfs
static const struct field rootfs_fields[] = {
	F_STR(T, type, "type", 0),
	F_STRV(T, diff_ids, "diff_ids", FIELD_EMPTY_LIST),
	F_END,
};
#undef T

#define T struct oci_image
const struct field oci_image_fields[] = {
	F_STR(T, architecture, "architecture", 0),
	F_STR(T, author, "author", OMIT),
	F_STR(T, comment, "comment", OMIT),
	F_STRUCT(T, config, "config", 0, struct docker_config, docker_config_fields),
	F_TIME(T, created, "created", OMIT),
	F_STR(T, docker_version, "docker_version", OMIT),
	F_LIST(T, history, "history", OMIT, struct oci_history, oci_history_fields),
	F_STR(T, os, "os", 0),
	F_STRV(T, os_features, "os.features", OMIT),
	F_STR(T, os_version, "os.version", OMIT),
	F_STR(T, parent, "parent", OMIT),
	F_STRUCT(T, rootfs, "rootfs", 0, struct oci_rootfs, rootfs_fields),
	F_STR(T, variant, "variant", OMIT),
	F_END,
};
#undef T

#define T struct oci_archive_item
const struct field oci_archive_item_fields[] = {
	F_STR(T, config, "Config", 0),
	F_STRV(T, repo_tags, "RepoTags", 0),
	F_STRV(T, layers, "Layers", 0),
	F_STR(T, parent, "Parent", OMIT),
	F_MAP(T, layer_sources, "LayerSources", OMIT, struct oci_descriptor, oci_descriptor_fields),
	F_END,
};
#undef T

static es_err *decode(struct arena *a, const struct field *rows, const char *what, const char *text, size_t n, size_t max, void *ret)
{
	if (n > max)
		return es_err_new(ES_E_LIMIT, "%s of %zu bytes is larger than %zu", what, n, max);
	return es_err_in(field_decode_text(a, rows, text, n, ret), "%s", what);
}

static es_err *check_history(const struct oci_image *img, size_t layers)
{
	size_t filled = 0;

	if (img->history.n > OCI_HISTORY_MAX)
		return es_err_new(ES_E_LIMIT, "image config: more than %u history entries", OCI_HISTORY_MAX);
	FIELD_LIST_EACH(struct oci_history, h, &img->history)
		filled += !h->empty_layer;
	if (img->history.n && filled != layers)
		return es_err_new(ES_E_INVALID, "image config: history has %zu entries with a layer, rootfs.diff_ids has %zu", filled, layers);
	return NULL;
}

es_err *oci_image_decode(struct arena *a, const char *text, size_t n, struct oci_image *ret)
{
	struct oci_image img = { .created = INT64_MIN };
	size_t layers;

	ES_TRY(decode(a, oci_image_fields, "image config", text, n, OCI_CONFIG_MAX, &img));
	layers = strv_len(img.rootfs.diff_ids);
	if (str_empty(img.rootfs.type) && !layers)
		img.rootfs.type = "layers";
	if (!str_eq(img.rootfs.type, "layers"))
		return es_err_new(ES_E_INVALID, "image config: rootfs.type is \"%s\", want \"layers\"", img.rootfs.type ? img.rootfs.type : "");
	if (layers > OCI_LAYERS_MAX)
		return es_err_new(ES_E_LIMIT, "image config: %zu layers, the maximum is %u", layers, OCI_LAYERS_MAX);
	for (size_t i = 0; i < layers; i++)
		if (!str_starts(img.rootfs.diff_ids[i], "sha256:") || !ref_is_digest(img.rootfs.diff_ids[i]))
			return es_err_new(ES_E_INVALID, "image config: rootfs.diff_ids[%zu]: \"%s\" is not a sha256 digest", i, img.rootfs.diff_ids[i]);
	ES_TRY(check_history(&img, layers));
	*ret = img;
	return NULL;
}

static es_err *check_descriptor(const struct oci_descriptor *d, const char *where)
{
	if (!d->digest || !ref_is_digest(d->digest))
		return es_err_new(ES_E_INVALID, "%s: \"%s\" is not a digest", where, d->digest ? d->digest : "");
	if (d->size < 0)
		return es_err_new(ES_E_INVALID, "%s: negative size", where);
	return NULL;
}

static es_err *check_list(const struct field_list *list, const char *where, size_t max)
{
	if (list->n > max)
		return es_err_new(ES_E_LIMIT, "%s: %zu entries, the maximum is %zu", where, list->n, max);
	FIELD_LIST_EACH(struct oci_descriptor, d, list)
		ES_TRY(check_descriptor(d, where));
	return NULL;
}

es_err *oci_manifest_decode(struct arena *a, const char *text, size_t n, struct oci_manifest *ret)
{
	struct oci_manifest m = { 0 };

	ES_TRY(decode(a, oci_manifest_fields, "manifest", text, n, OCI_MANIFEST_MAX, &m));
	if (m.schema_version != 2)
		return es_err_new(ES_E_INVALID, "manifest: schemaVersion %lld is not supported", (long long)m.schema_version);
	ES_TRY(check_descriptor(&m.config, "manifest: config"));
	ES_TRY(check_list(&m.layers, "manifest: layers", OCI_LAYERS_MAX));
	*ret = m;
	return NULL;
}

es_err *oci_index_decode(struct arena *a, const char *text, size_t n, struct oci_index *ret)
{
	struct oci_index idx = { 0 };

	ES_TRY(decode(a, oci_index_fields, "index", text, n, OCI_MANIFEST_MAX, &idx));
	if (idx.schema_version != 2)
		return es_err_new(ES_E_INVALID, "index: schemaVersion %lld is not supported", (long long)idx.schema_version);
	ES_TRY(check_list(&idx.manifests, "index: manifests", OCI_MANIFESTS_MAX));
	*ret = idx;
	return NULL;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; text && *words; words++)
		if (str_eq(text, *words))
			return true;
	return false;
}

bool oci_is_index(const char *media_type)
{
	return is_one_of(media_type, (const char *const[]){ OCI_MT_INDEX, DOCKER_MT_LIST, NULL });
}

bool oci_is_manifest(const char *media_type)
{
	return is_one_of(media_type, (const char *const[]){ OCI_MT_MANIFEST, DOCKER_MT_MANIFEST, NULL });
}

bool oci_is_layer(const char *media_type)
{
	return is_one_of(media_type, (const char *const[]){ OCI_MT_LAYER, OCI_MT_LAYER_GZIP, OCI_MT_LAYER_ZSTD, DOCKER_MT_LAYER,
							    DOCKER_MT_LAYER_GZIP, NULL });
}

const char *oci_machine_arch(void)
{
	static const char *const arch =
#if defined(__x86_64__)
		"amd64";
#elif defined(__aarch64__)
		"arm64";
#else
#error "name this architecture as OCI spells it"
#endif
	return arch;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image.c: records of images and of their names: find, add, tag. */
#include "catalog/image.h"

#include "base/clock.h"
#include "base/str.h"
#include "catalog/image_priv.h"
#include "store/blob.h"
#include "store/crashpoint.h"
#include "store/layers.h"

#define T struct image_doc
const struct field image_doc_fields[] = {
	F_STRV(T, layers, "layers", FIELD_EMPTY_LIST),
	F_STRV(T, blobs, "blobs", FIELD_OMIT_EMPTY),
	F_STR(T, parent, "parent", FIELD_OMIT_EMPTY),
	F_TIME(T, created, "created", 0),
	F_TIME(T, tagged, "tagged", 0),
	F_I64(T, size, "size", 0),
	F_STR_MAP(T, labels, "labels", 0),
	F_END,
};
#undef T

void image_event(const struct images *im, const char *action, const char *id, const char *name)
{
	if (im->ops && im->ops->event)
		im->ops->event(im->self, action, id, name);
}

es_err *image_doc_read(struct arena *a, const struct record *r, struct image_doc *ret)
{
	*ret = (struct image_doc){ .created = INT64_MIN, .tagged = INT64_MIN };
	return es_err_in(field_decode_text(a, image_doc_fields, r->json, strlen(r->json), ret), "record of image %s", r->id);
}

static bool is_not_found(const es_err *err)
{
	return err && es_err_class(err) == ES_E_NOT_FOUND;
}

es_err *image_missing(struct arena *a, const char *word)
{
	struct ref ref;
	es_err *err = ref_is_full_id(word) ? es_err_new(ES_E_NOT_FOUND, "an id") : ref_parse(a, word, &ref);

	if (err) {
		es_err_drop(err);
		return es_err_new(ES_E_NOT_FOUND, "No such image: %s", word);
	}
	ref_default_tag(&ref);
	return es_err_new(ES_E_NOT_FOUND, "No such image: %s", ref_familiar(a, &ref));
}

bool image_is_id_prefix(const char *id, const char *word)
{
	return str_starts(id, word) || str_starts(id + strlen("sha256:"), word);
}

/* --- finding --- */

static es_err *find_id(const struct images *im, struct arena *a, const char *word, const char **ret_id)
{
	const char *hex = str_after(word, "sha256:");
	struct record r;

	if (!ref_is_short_id(hex ? hex : word))
		return image_missing(a, word);
	es_err *err = record_get_prefix(im->store, a, IMAGE_KIND, hex ? word : arena_printf(a, "sha256:%s", word), &r);
	/* Several images with this prefix: docker finds none. */
	if (is_not_found(err) || (err && es_err_class(err) == ES_E_INVALID)) {
		es_err_drop(err);
		return image_missing(a, word);
	}
	ES_TRY(err);
	*ret_id = r.id;
	return NULL;
}

/* Name first, then id, as docker: an image may be called "abc". */
es_err *image_resolve(const struct images *im, struct arena *a, const char *word, const char **ret_id)
{
	struct ref ref;
	struct record r;
	es_err *err;

	if (ref_is_full_id(word))
		return find_id(im, a, word, ret_id);
	ES_TRY(ref_parse(a, word, &ref));
	ref_default_tag(&ref);
	if (ref.digest)
		ref.tag = NULL; /* name:tag@digest means the digest */
	err = record_get(im->store, a, IMAGE_TAG_KIND, ref_full(a, &ref), &r);
	if (is_not_found(err)) {
		es_err_drop(err);
		return find_id(im, a, word, ret_id);
	}
	ES_TRY(err);
	*ret_id = r.ref;
	return NULL;
}

es_err *image_refs_of(const struct images *im, struct arena *a, const char *id, struct image_refs *ret)
{
	struct record_list tags;

	ES_TRY(record_list(im->store, a, IMAGE_TAG_KIND, id, &tags));
	*ret = (struct image_refs){ ARENA_ARRAY(a, struct ref, tags.n + 1), tags.n };
	for (size_t i = 0; i < tags.n; i++)
		ES_TRY(es_err_in(ref_parse(a, tags.items[i].id, &ret->items[i]), "record of tag %s", tags.items[i].id));
	return NULL;
}

es_err *image_get(const struct images *im, struct arena *a, const char *word, struct image *ret)
{
	struct image img = { 0 };
	struct image_doc doc;
	struct image_refs refs;
	struct record r;
	char *text;

	ES_TRY(image_resolve(im, a, word, &img.id));
	es_err *err = record_get(im->store, a, IMAGE_KIND, img.id, &r);
	if (is_not_found(err)) {
		es_err_drop(err);
		return image_missing(a, word);
	}
	ES_TRY(err);
	ES_TRY(image_doc_read(a, &r, &doc));
	ES_TRY(blob_read(im->store, a, img.id, &text, &img.config_len));
	img.config_text = text;
	ES_TRY(oci_image_decode(a, text, img.config_len, &img.config));
	ES_TRY(image_refs_of(im, a, img.id, &refs));
	img.tags = strv_arena_dup(a, (char *[]){ NULL });
	img.digests = strv_arena_dup(a, (char *[]){ NULL });
	for (size_t i = 0; i < refs.n; i++) {
		char ***list = refs.items[i].digest ? &img.digests : &img.tags;

		*list = strv_arena_add(a, *list, ref_familiar(a, &refs.items[i]));
	}
	img.layers = doc.layers;
	img.blobs = doc.blobs;
	img.parent = doc.parent;
	img.created = doc.created;
	img.tagged = doc.tagged;
	img.size = doc.size;
	*ret = img;
	return NULL;
}

/* --- adding --- */

/* Bytes of content of LAYERS; a layer that stands there twice counts twice, as with docker. */
static es_err *size_of(const struct images *im, char *const *layers, int64_t *ret)
{
	*ret = 0;
	for (; layers && *layers; layers++) {
		struct layers_info info;

		ES_TRY(layers_stat(im->store, *layers, &info));
		*ret += (int64_t)info.content_size;
	}
	return NULL;
}

static es_err *doc_of(const struct images *im, struct arena *a, const struct image_new *new, const char *id, struct image_doc *ret)
{
	struct oci_image config;
	struct image_doc doc = { .tagged = INT64_MIN };

	ES_TRY(oci_image_decode(a, new->config_text, new->config_len, &config));
	doc.layers = config.rootfs.diff_ids;
	doc.blobs = strv_arena_add(a, NULL, id);
	for (char *const *b = new->blobs; b && *b; b++)
		doc.blobs = strv_arena_add(a, doc.blobs, *b);
	doc.parent = new->parent;
	doc.created = config.created ? config.created : INT64_MIN;
	doc.labels = config.config.labels;
	ES_TRY(size_of(im, doc.layers, &doc.size));
	*ret = doc;
	return NULL;
}

static void tx_put_doc(struct record_tx *tx, struct arena *a, const char *id, const struct image_doc *doc)
{
	struct es_buf json = ES_BUF(RECORD_JSON_MAX);

	field_encode_text(&json, image_doc_fields, doc);
	record_tx_put(tx, &(struct record){ .kind = IMAGE_KIND, .id = id, .ref = doc->parent, .json = es_buf_str(&json) });
	es_buf_done(&json);
}

static void tx_put_tag(struct record_tx *tx, const char *full, const char *id)
{
	record_tx_put(tx, &(struct record){ .kind = IMAGE_TAG_KIND, .id = full, .ref = id, .json = "{}" });
}

/* An image that is here already keeps its parent; manifests that come with it are added. */
static void merge_doc(struct arena *a, struct image_doc *doc, const struct image_doc *old)
{
	doc->parent = old->parent ? old->parent : doc->parent;
	doc->tagged = old->tagged;
	for (char **b = old->blobs; b && *b; b++)
		if (!strv_has(doc->blobs, *b))
			doc->blobs = strv_arena_add(a, doc->blobs, *b);
}

es_err *image_add(const struct images *im, struct arena *a, const struct image_new *new, const char **ret_id)
{
	es_autotx *tx = record_tx_new();
	es_autolease *lease = lease_new(im->store);
	struct image_doc doc, old;
	struct record r;
	char *id = arena_alloc(a, BLOB_DIGEST_MAX);

	ES_TRY(blob_put(im->store, lease, new->config_text, new->config_len, NULL, id));
	crash_point(im->store, CRASH_IMAGE_CONFIG);
	ES_TRY(doc_of(im, a, new, id, &doc));
	es_err *err = record_get(im->store, a, IMAGE_KIND, id, &r);
	if (!err)
		err = image_doc_read(a, &r, &old);
	if (!err)
		merge_doc(a, &doc, &old);
	else if (is_not_found(err))
		es_err_drop(err);
	else
		return err;
	if (new->names && *new->names)
		doc.tagged = clock_now_ns();
	tx_put_doc(tx, a, id, &doc);
	for (char *const *name = new->names; name && *name; name++)
		tx_put_tag(tx, *name, id);
	ES_TRY(record_commit(im->store, tx));
	crash_point(im->store, CRASH_IMAGE_ADDED);
	*ret_id = id;
	return NULL;
}

/* --- tagging --- */

es_err *image_tag_parse(struct arena *a, const char *repo, const char *tag, struct ref *ret)
{
	struct ref ref;

	ES_TRY(ref_parse(a, repo ? repo : "", &ref));
	if (ref.digest)
		return es_err_new(ES_E_INVALID, "refusing to create a tag with a digest reference");
	if (!str_empty(tag)) {
		if (!ref_is_tag(tag))
			return es_err_new(ES_E_INVALID, "invalid tag format");
		ref.tag = arena_strdup(a, tag);
	}
	ref_default_tag(&ref);
	*ret = ref;
	return NULL;
}

es_err *image_tag(const struct images *im, const char *word, const struct ref *ref)
{
	es_autoarena *a = arena_new();
	es_autotx *tx = record_tx_new();
	struct image_doc doc;
	struct record r;
	const char *id;

	ES_TRY(image_resolve(im, a, word, &id));
	es_err *err = record_get(im->store, a, IMAGE_KIND, id, &r);
	if (is_not_found(err)) {
		es_err_drop(err);
		return image_missing(a, word);
	}
	ES_TRY(err);
	ES_TRY(image_doc_read(a, &r, &doc));
	doc.tagged = clock_now_ns();
	record_tx_require(tx, IMAGE_KIND, id);
	tx_put_doc(tx, a, id, &doc);
	tx_put_tag(tx, ref_full(a, ref), id);
	ES_TRY(record_commit(im->store, tx));
	image_event(im, "tag", id, ref_familiar(a, ref));
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image_save.c: images as one tar that is a docker-archive (manifest.json) and an OCI layout (index.json) at once. */
#include "base/file.h"
#include "base/str.h"
#include "codec/tar.h"
#include "catalog/image_io.h"
#include "catalog/image_priv.h"
#include "store/blob.h"
#include "store/layers.h"

#define SMALL_FILE_MAX (64u << 20) /* manifest.json and its kin, all images together */
#define CHUNK ((size_t)256 << 10)

/* One image to save and the names it was asked for by. */
struct item {
	struct image img;
	struct ref *refs;
	size_t n_refs;
	char manifest_digest[BLOB_DIGEST_MAX];
	char *manifest_text;
};

/* A blob of the archive: bytes in memory, or a layer. */
struct blob {
	const char *digest;
	const char *bytes; /* NULL: the layer of that digest */
	uint64_t size;
};

struct save {
	const struct images *im;
	struct arena *a;
	struct item *items;
	size_t n, max;
	struct blob *blobs;
	size_t n_blobs;
	struct tar_writer tar;
};

/* --- what was asked for --- */

static es_err *no_such(const char *word)
{
	return es_err_new(ES_E_NOT_FOUND, "No such image: %s", word);
}

static es_err *add_item(struct save *s, const char *id, const struct ref *ref)
{
	struct item *item = s->items;

	while (item < s->items + s->n && !str_eq(item->img.id, id))
		item++;
	if (item == s->items + s->n) {
		if (s->n == s->max) /* an image came meanwhile */
			return es_err_new(ES_E_UNAVAILABLE, "images changed while they were saved");
		ES_TRY(image_get(s->im, s->a, id, &item->img));
		s->n++;
	}
	if (!ref)
		return NULL;
	struct ref *refs = ARENA_ARRAY(s->a, struct ref, item->n_refs + 1);
	if (item->n_refs)
		memcpy(refs, item->refs, item->n_refs * sizeof *refs);
	refs[item->n_refs++] = *ref;
	item->refs = refs;
	return NULL;
}

/* A bare name means every tag of it. */
static es_err *add_repository(struct save *s, const struct ref *ref, bool *ret_found)
{
	struct record_list tags;
	const char *name = ref_name(s->a, ref);

	*ret_found = false;
	ES_TRY(record_list(s->im->store, s->a, IMAGE_TAG_KIND, NULL, &tags));
	for (size_t i = 0; i < tags.n; i++) {
		struct ref tag;

		ES_TRY(ref_parse(s->a, tags.items[i].id, &tag));
		if (tag.digest || !str_eq(ref_name(s->a, &tag), name))
			continue;
		ES_TRY(add_item(s, tags.items[i].ref, &tag));
		*ret_found = true;
	}
	return NULL;
}

static es_err *add_word(struct save *s, const char *word)
{
	struct ref ref = { 0 };
	const char *id;
	bool found = false;
	es_err *err;

	if (!ref_is_full_id(word)) {
		ES_TRY(ref_parse(s->a, word, &ref));
		if (!ref.tag && !ref.digest)
			ES_TRY(add_repository(s, &ref, &found));
		if (found)
			return NULL;
	}
	err = image_resolve(s->im, s->a, word, &id);
	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_drop(err);
		return no_such(word);
	}
	ES_TRY(err);
	return add_item(s, id, ref.tag && !ref.digest && !image_is_id_prefix(id, word) ? &ref : NULL);
}

/* --- the documents --- */

static void add_blob(struct save *s, const char *digest, const char *bytes, uint64_t size)
{
	for (size_t i = 0; i < s->n_blobs; i++)
		if (str_eq(s->blobs[i].digest, digest))
			return;
	s->blobs[s->n_blobs++] = (struct blob){ digest, bytes, size };
}

static es_err *text_of(struct save *s, const struct field *rows, const void *in, char **ret)
{
	es_autobuf b = ES_BUF(SMALL_FILE_MAX);

	field_encode_text(&b, rows, in);
	ES_TRY(es_buf_finish(&b, ret));
	arena_own(s->a, *ret);
	return NULL;
}

static es_err *make_manifest(struct save *s, struct item *item)
{
	struct oci_descriptor *layers = ARENA_ARRAY(s->a, struct oci_descriptor, strv_len(item->img.layers) + 1);
	struct oci_manifest m = {
		.schema_version = 2,
		.media_type = OCI_MT_MANIFEST,
		.config = { .media_type = OCI_MT_CONFIG, .digest = item->img.id, .size = (int64_t)item->img.config_len },
	};
	size_t n = 0;

	for (char **layer = item->img.layers; layer && *layer; layer++) {
		struct layers_info info;

		ES_TRY(layers_stat(s->im->store, *layer, &info));
		layers[n++] = (struct oci_descriptor){ .media_type = OCI_MT_LAYER, .digest = *layer, .size = (int64_t)info.tar_size };
		add_blob(s, *layer, NULL, info.tar_size);
	}
	m.layers = (struct field_list){ layers, n, true };
	ES_TRY(text_of(s, oci_manifest_fields, &m, &item->manifest_text));
	blob_digest(item->manifest_text, strlen(item->manifest_text), item->manifest_digest);
	add_blob(s, item->img.id, item->img.config_text, item->img.config_len);
	add_blob(s, item->manifest_digest, item->manifest_text, strlen(item->manifest_text));
	return NULL;
}

static char *blob_path(struct arena *a, const char *digest)
{
	return arena_printf(a, "blobs/sha256/%s", digest + strlen("sha256:"));
}

static struct json *archive_item(struct save *s, const struct item *item)
{
	struct oci_archive_item out = { .config = blob_path(s->a, item->img.id), .layer_sources = field_map_new(s->a) };

	out.layers = strv_arena_dup(s->a, (char *[]){ NULL });
	for (size_t i = 0; i < item->n_refs; i++)
		out.repo_tags = strv_arena_add(s->a, out.repo_tags, ref_familiar(s->a, &item->refs[i]));
	for (char **layer = item->img.layers; layer && *layer; layer++) {
		struct oci_descriptor *d = ARENA_NEW(s->a, struct oci_descriptor);

		out.layers = strv_arena_add(s->a, out.layers, blob_path(s->a, *layer));
		*d = (struct oci_descriptor){ .media_type = OCI_MT_LAYER, .digest = *layer };
		for (size_t i = 0; i < s->n_blobs; i++)
			if (str_eq(s->blobs[i].digest, *layer))
				d->size = (int64_t)s->blobs[i].size;
		field_map_put(s->a, out.layer_sources, *layer, d);
	}
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->items[i].img.id, item->img.parent))
			out.parent = item->img.parent;
	return field_encode(s->a, oci_archive_item_fields, &out);
}

/* One descriptor for each name, or one without. */
static struct json *index_of(struct save *s)
{
	struct oci_index idx = { .schema_version = 2, .media_type = OCI_MT_INDEX };
	struct oci_descriptor *out;
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->items[i].n_refs ? s->items[i].n_refs : 1;
	out = ARENA_ARRAY(s->a, struct oci_descriptor, n + 1);
	idx.manifests = (struct field_list){ out, n, true };
	for (size_t i = 0; i < s->n; i++) {
		const struct item *item = &s->items[i];
		size_t k = 0;

		do {
			*out = (struct oci_descriptor){ .media_type = OCI_MT_MANIFEST, .digest = item->manifest_digest,
							.size = (int64_t)strlen(item->manifest_text) };
			if (k < item->n_refs) {
				out->annotations = field_map_new(s->a);
				field_map_put(s->a, out->annotations, "io.containerd.image.name", ref_full(s->a, &item->refs[k]));
				field_map_put(s->a, out->annotations, "org.opencontainers.image.ref.name",
					      (void *)(uintptr_t)item->refs[k].tag);
			}
			out++;
		} while (++k < item->n_refs);
	}
	return field_encode(s->a, oci_index_fields, &idx);
}

/* {"repository":{"tag":"layer"}}: what docker's oldest readers looked for. */
static struct json *repositories_of(struct save *s)
{
	struct json *all = json_new_object(s->a);

	for (size_t i = 0; i < s->n; i++) {
		const struct item *item = &s->items[i];
		size_t n = strv_len(item->img.layers);

		for (size_t k = 0; n && k < item->n_refs; k++) {
			const char *name = ref_familiar_name(s->a, &item->refs[k]);
			struct json *tags = json_get(all, name);

			if (!tags)
				json_set(s->a, all, name, tags = json_new_object(s->a));
			json_set_str(s->a, tags, item->refs[k].tag, item->img.layers[n - 1] + strlen("sha256:"));
		}
	}
	return all;
}

/* --- the tar --- */

static es_err *put_dir(struct save *s, const char *path)
{
	return tar_write_header(&s->tar, &(struct tar_entry){ .type = TAR_DIR, .path = path, .link = "", .mode = 0755 });
}

static es_err *put_header(struct save *s, const char *path, uint64_t size)
{
	return tar_write_header(&s->tar, &(struct tar_entry){ .type = TAR_FILE, .path = path, .link = "", .mode = 0644, .size = size });
}

static es_err *put_bytes(struct save *s, const char *path, const char *bytes, size_t n)
{
	ES_TRY(put_header(s, path, n));
	return tar_write_data(&s->tar, bytes, n);
}

static es_err *put_json(struct save *s, const char *path, const struct json *v)
{
	es_autobuf b = ES_BUF(SMALL_FILE_MAX);

	json_write(&b, v, 0);
	ES_TRY(es_buf_check(&b));
	return put_bytes(s, path, es_buf_str(&b), b.len);
}

static es_err *put_layer(struct save *s, const char *path, const char *diff_id)
{
	es_autoclose int fd = -1;
	es_autofree char *chunk = es_xmalloc(CHUNK);
	uint64_t left;

	ES_TRY(layers_open_tar(s->im->store, diff_id, &fd, &left));
	ES_TRY(put_header(s, path, left));
	while (left) {
		ssize_t n = file_read_some(fd, chunk, left < CHUNK ? (size_t)left : CHUNK);

		if (n < 0)
			return es_err_sys(errno, "read layer %s", diff_id);
		if (n == 0)
			return es_err_new(ES_E_INTERNAL, "layer %s is shorter than its record says", diff_id);
		ES_TRY(tar_write_data(&s->tar, chunk, (size_t)n));
		left -= (uint64_t)n;
	}
	return NULL;
}

static int by_digest(const void *x, const void *y)
{
	return strcmp(((const struct blob *)x)->digest, ((const struct blob *)y)->digest);
}

static es_err *put_all(struct save *s)
{
	struct json *archive = json_new_array(s->a), *layout = json_new_object(s->a);

	qsort(s->blobs, s->n_blobs, sizeof *s->blobs, by_digest);
	ES_TRY(put_dir(s, "blobs/"));
	ES_TRY(put_dir(s, "blobs/sha256/"));
	for (size_t i = 0; i < s->n_blobs; i++) {
		const struct blob *b = &s->blobs[i];
		const char *path = blob_path(s->a, b->digest);

		ES_TRY(b->bytes ? put_bytes(s, path, b->bytes, (size_t)b->size) : put_layer(s, path, b->digest));
	}
	for (size_t i = 0; i < s->n; i++)
		json_append(archive, archive_item(s, &s->items[i]));
	json_set_str(s->a, layout, "imageLayoutVersion", "1.0.0");
	ES_TRY(put_json(s, "index.json", index_of(s)));
	ES_TRY(put_json(s, "manifest.json", archive));
	ES_TRY(put_json(s, "oci-layout", layout));
	struct json *repositories = repositories_of(s);
	if (repositories->n)
		ES_TRY(put_json(s, "repositories", repositories));
	return tar_write_end(&s->tar);
}

static es_err *to_fd(void *self, const void *bytes, size_t n)
{
	return file_write_all(*(const int *)self, bytes, n);
}

es_err *image_save(const struct images *im, char *const *words, int fd)
{
	es_autoarena *a = arena_new();
	struct save s = { .im = im, .a = a, .tar = { .sink = { to_fd, &fd } } };
	struct record_list images;
	size_t max_blobs = 1;

	ES_TRY(record_list(im->store, a, IMAGE_KIND, NULL, &images));
	s.max = images.n;
	s.items = ARENA_ARRAY(a, struct item, s.max + 1);
	for (; *words; words++)
		ES_TRY(add_word(&s, *words));
	for (size_t i = 0; i < s.n; i++)
		max_blobs += strv_len(s.items[i].img.layers) + 2;
	s.blobs = ARENA_ARRAY(a, struct blob, max_blobs);
	for (size_t i = 0; i < s.n; i++)
		ES_TRY(make_manifest(&s, &s.items[i]));
	ES_TRY(put_all(&s));
	for (size_t i = 0; i < s.n; i++)
		image_event(im, "save", s.items[i].img.id, s.items[i].img.id);
	return NULL;
}

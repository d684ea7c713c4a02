/* SPDX-License-Identifier: Apache-2.0 */
/* image_load.c: read images from a docker-archive, an oci-archive or a tarred OCI layout. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "catalog/image_io.h"
#include "catalog/image_priv.h"
#include "store/blob.h"
#include "store/crashpoint.h"
#include "store/gc.h"
#include "store/layers.h"
#include "sys/mount.h"

/* The archive is unpacked by the sandboxed program into a private directory; what is read there is still a stranger's: every path is
 * resolved inside the directory, only regular files are opened, every document is bounded, every blob has its digest checked. */
#define INDEX_DEPTH_MAX 4 /* indexes inside indexes */
#define LABEL_IMAGE_NAME "io.containerd.image.name"
#define LABEL_REF_NAME "org.opencontainers.image.ref.name"

struct load {
	const struct images *im;
	struct arena *a;
	struct lease *lease;
	int dir; /* the unpacked archive */
	bool quiet;
	const struct image_sink *sink;
};

/* --- files of the archive --- */

/* ES_E_NOT_FOUND when there is none. */
static es_err *open_file(struct load *l, const char *path, int *ret_fd)
{
	es_autoclose int fd = mount_open_in(l->dir, path, O_PATH);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return es_err_new(ES_E_NOT_FOUND, "the archive has no %s", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return es_err_sys(errno, "open %s in the archive", path);
	if (!S_ISREG(st.st_mode))
		return es_err_new(ES_E_INVALID, "%s in the archive is not a regular file", path);
	es_autofree char *name = es_xasprintf("/proc/self/fd/%d", fd);
	*ret_fd = open(name, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? es_err_sys(errno, "open %s in the archive", path) : NULL;
}

static es_err *read_file(struct load *l, const char *path, size_t max, char **ret_text, size_t *ret_n)
{
	es_autoclose int fd = -1;

	ES_TRY(open_file(l, path, &fd));
	ES_TRY(es_err_in(file_read_all(fd, max, ret_text, ret_n), "%s in the archive", path));
	arena_own(l->a, *ret_text);
	return NULL;
}

static bool is_there(struct load *l, const char *path)
{
	es_autoclose int fd = mount_open_in(l->dir, path, O_PATH);

	return fd >= 0;
}

static es_err *read_blob(struct load *l, const char *digest, size_t max, char **ret_text, size_t *ret_n)
{
	char is[BLOB_DIGEST_MAX];

	if (!blob_is_digest(digest))
		return es_err_new(ES_E_INVALID, "digest %s is not supported", digest);
	ES_TRY(read_file(l, arena_printf(l->a, "blobs/sha256/%s", digest + strlen("sha256:")), max, ret_text, ret_n));
	if (!str_eq(blob_digest(*ret_text, *ret_n, is), digest))
		return es_err_new(ES_E_INVALID, "blob %s has digest %s", digest, is);
	return NULL;
}

/* --- telling --- */

static es_err *tell(struct load *l, struct json *line)
{
	es_autobuf b = ES_BUF(64 << 10);

	json_write(&b, line, 0);
	ES_TRY(es_buf_check(&b));
	return l->sink ? l->sink->line(l->sink->self, es_buf_str(&b)) : NULL;
}

static es_err *tell_stream(struct load *l, const char *text)
{
	struct json *line = json_new_object(l->a);

	json_set_str(l->a, line, "stream", text);
	return tell(l, line);
}

static es_err *tell_layer(struct load *l, const char *diff_id, uint64_t size)
{
	struct json *line = json_new_object(l->a), *detail = json_new_object(l->a);

	if (l->quiet)
		return NULL;
	json_set_i64(l->a, detail, "current", (int64_t)size);
	json_set_i64(l->a, detail, "total", (int64_t)size);
	json_set_str(l->a, line, "status", "Loading layer");
	json_set(l->a, line, "progressDetail", detail);
	json_set_str(l->a, line, "id", arena_strndup(l->a, diff_id + strlen("sha256:"), 12));
	return tell(l, line);
}

/* --- one image --- */

struct found {
	const char *config_text;
	size_t config_len;
	struct oci_image config;
	char **names; /* full references */
	char **blobs; /* manifests and indexes in the store */
};

static es_err *take_layer(struct load *l, int fd, const char *diff_id, const char *digest)
{
	struct layers_want want = { .diff_id = diff_id, .digest = digest };
	struct layers_info info;
	bool was = layers_has(l->im->store, diff_id);

	ES_TRY(es_err_in(layers_import(l->im->store, l->lease, fd, &want, &info), "layer %s", diff_id));
	crash_point(l->im->store, CRASH_LOAD_LAYER);
	return was ? NULL : tell_layer(l, diff_id, info.size);
}

/* docker says which older image loses its name. */
static es_err *tell_renamed(struct load *l, const char *full, const char *id)
{
	struct record r;
	struct ref ref;
	es_err *err = record_get(l->im->store, l->a, IMAGE_TAG_KIND, full, &r);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_drop(err);
		return NULL;
	}
	ES_TRY(err);
	if (str_eq(r.ref, id))
		return NULL;
	ES_TRY(ref_parse(l->a, full, &ref));
	return tell_stream(l, arena_printf(l->a, "The image %s already exists, renaming the old one with ID %s to empty string\n",
					   ref_familiar(l->a, &ref), r.ref));
}

static es_err *add(struct load *l, const struct found *f)
{
	struct image_new new = { f->config_text, f->config_len, NULL, f->names, f->blobs };
	char digest[BLOB_DIGEST_MAX];
	const char *id;

	blob_digest(f->config_text, f->config_len, digest);
	for (char **name = f->names; name && *name; name++)
		ES_TRY(tell_renamed(l, *name, digest));
	ES_TRY(image_add(l->im, l->a, &new, &id));
	crash_point(l->im->store, CRASH_LOAD_IMAGE);
	image_event(l->im, "load", id, id);
	if (!f->names)
		return tell_stream(l, arena_printf(l->a, "Loaded image ID: %s\n", id));
	for (char **name = f->names; *name; name++) {
		struct ref ref;

		ES_TRY(ref_parse(l->a, *name, &ref));
		ES_TRY(tell_stream(l, arena_printf(l->a, "Loaded image: %s\n", ref_familiar(l->a, &ref))));
	}
	return NULL;
}

/* --- docker-archive --- */

static es_err *archive_names(struct load *l, char *const *repo_tags, char ***ret)
{
	*ret = NULL;
	for (; repo_tags && *repo_tags; repo_tags++) {
		struct ref ref;

		ES_TRY(ref_parse(l->a, *repo_tags, &ref));
		if (!ref.tag || ref.digest)
			return es_err_new(ES_E_INVALID, "invalid tag \"%s\"", *repo_tags);
		*ret = strv_arena_add(l->a, *ret, ref_full(l->a, &ref));
	}
	return NULL;
}

static es_err *load_archive_item(struct load *l, const struct oci_archive_item *item)
{
	struct found f = { 0 };
	char *text;
	size_t want;

	if (str_empty(item->config))
		return es_err_new(ES_E_INVALID, "manifest.json: an image without Config");
	ES_TRY(read_file(l, item->config, OCI_CONFIG_MAX, &text, &f.config_len));
	f.config_text = text;
	ES_TRY(oci_image_decode(l->a, text, f.config_len, &f.config));
	ES_TRY(archive_names(l, item->repo_tags, &f.names));
	want = strv_len(f.config.rootfs.diff_ids);
	if (strv_len(item->layers) != want)
		return es_err_new(ES_E_INVALID, "invalid manifest, layers length mismatch: expected %zu, got %zu", want, strv_len(item->layers));
	for (size_t i = 0; i < want; i++) {
		es_autoclose int fd = -1;

		ES_TRY(open_file(l, item->layers[i], &fd));
		ES_TRY(take_layer(l, fd, f.config.rootfs.diff_ids[i], NULL));
	}
	return add(l, &f);
}

static es_err *load_archive(struct load *l)
{
	struct json *list;
	char *text;
	size_t n;

	ES_TRY(read_file(l, "manifest.json", OCI_MANIFEST_MAX, &text, &n));
	ES_TRY(es_err_in(json_parse(l->a, text, n, &list), "manifest.json"));
	if (list->type != JSON_ARRAY)
		return es_err_new(ES_E_INVALID, "manifest.json: expected a list");
	JSON_EACH(at, list) {
		struct oci_archive_item item = { 0 };

		ES_TRY(es_err_in(field_decode(l->a, oci_archive_item_fields, at, &item), "manifest.json"));
		ES_TRY(load_archive_item(l, &item));
	}
	return NULL;
}

/* --- OCI layout --- */

/* A descriptor's name: containerd's annotation is a full reference; ref.name is free text, taken when it reads as more than a tag. */
static es_err *layout_names(struct load *l, const struct oci_descriptor *d, char ***ret)
{
	const char *full = field_map_get(d->annotations, LABEL_IMAGE_NAME);
	const char *name = field_map_get(d->annotations, LABEL_REF_NAME);
	struct ref ref;

	*ret = NULL;
	if (!full && name && (strchr(name, ':') || strchr(name, '/')))
		full = name;
	if (!full)
		return NULL;
	ES_TRY(es_err_in(ref_parse(l->a, full, &ref), "index.json: %s", full));
	ref_default_tag(&ref);
	*ret = strv_arena_add(l->a, NULL, ref_full(l->a, &ref));
	return NULL;
}

static es_err *keep_blob(struct load *l, const char *digest, const char *text, size_t n, char ***blobs)
{
	ES_TRY(blob_put(l->im->store, l->lease, text, n, digest, NULL));
	*blobs = strv_arena_add(l->a, *blobs, digest);
	return NULL;
}

static es_err *load_manifest(struct load *l, const struct oci_descriptor *d, struct found *f)
{
	struct oci_manifest m;
	char *text;
	size_t n, i = 0;

	ES_TRY(read_blob(l, d->digest, OCI_MANIFEST_MAX, &text, &n));
	ES_TRY(oci_manifest_decode(l->a, text, n, &m));
	ES_TRY(keep_blob(l, d->digest, text, n, &f->blobs));
	ES_TRY(read_blob(l, m.config.digest, OCI_CONFIG_MAX, &text, &f->config_len));
	f->config_text = text;
	ES_TRY(oci_image_decode(l->a, text, f->config_len, &f->config));
	if (m.layers.n != strv_len(f->config.rootfs.diff_ids))
		return es_err_new(ES_E_INVALID, "manifest %s has %zu layers, its config %zu", d->digest, m.layers.n,
				  strv_len(f->config.rootfs.diff_ids));
	FIELD_LIST_EACH(struct oci_descriptor, layer, &m.layers) {
		es_autoclose int fd = -1;

		if (!blob_is_digest(layer->digest))
			return es_err_new(ES_E_INVALID, "digest %s is not supported", layer->digest);
		ES_TRY(open_file(l, arena_printf(l->a, "blobs/sha256/%s", layer->digest + strlen("sha256:")), &fd));
		ES_TRY(take_layer(l, fd, f->config.rootfs.diff_ids[i++], layer->digest));
	}
	return add(l, f);
}

static bool is_ours(const struct oci_descriptor *d)
{
	return !d->platform || (str_eq(d->platform->os, "linux") && str_eq(d->platform->architecture, oci_machine_arch()));
}

/* The manifest for this machine; an index that has none for it is told by name. */
static es_err *load_descriptor(struct load *l, const struct oci_descriptor *d, struct found *f, int depth)
{
	struct oci_index idx;
	char *text;
	size_t n;

	if (!oci_is_index(d->media_type))
		return load_manifest(l, d, f);
	if (depth >= INDEX_DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "indexes nested deeper than %d", INDEX_DEPTH_MAX);
	ES_TRY(read_blob(l, d->digest, OCI_MANIFEST_MAX, &text, &n));
	ES_TRY(oci_index_decode(l->a, text, n, &idx));
	ES_TRY(keep_blob(l, d->digest, text, n, &f->blobs));
	FIELD_LIST_EACH(struct oci_descriptor, child, &idx.manifests)
		if (is_ours(child))
			return load_descriptor(l, child, f, depth + 1);
	return es_err_new(ES_E_INVALID, "index %s has no image for linux/%s", d->digest, oci_machine_arch());
}

static es_err *load_layout(struct load *l)
{
	struct oci_index idx;
	char *text;
	size_t n;

	ES_TRY(read_file(l, "index.json", OCI_MANIFEST_MAX, &text, &n));
	ES_TRY(oci_index_decode(l->a, text, n, &idx));
	FIELD_LIST_EACH(struct oci_descriptor, d, &idx.manifests) {
		struct found f = { 0 };

		ES_TRY(layout_names(l, d, &f.names));
		ES_TRY(load_descriptor(l, d, &f, 0));
	}
	return NULL;
}

es_err *image_archive_err(es_err *err)
{
	if (!err || es_err_class(err) != ES_E_INVALID)
		return err;
	if (!str_ends(es_err_text(err), "unexpected end"))
		return es_err_as(err, ES_E_PROTOCOL);
	es_err_free(err);
	return es_err_new(ES_E_PROTOCOL, "unexpected EOF");
}

es_err *image_load(const struct images *im, int fd, bool quiet, const struct image_sink *sink)
{
	es_autoarena *a = arena_new();
	es_autolease *lease = lease_new(im->store);
	es_autoclose int dir = -1;
	struct load l = { im, a, lease, -1, quiet, sink };
	const char *partial;
	es_err *err;

	ES_TRY(image_archive_err(layers_unpack_plain(im->store, a, fd, &partial, &dir)));
	l.dir = dir;
	crash_point(im->store, CRASH_LOAD_UNPACKED);
	if (is_there(&l, "manifest.json"))
		err = load_archive(&l);
	else if (is_there(&l, "index.json"))
		err = load_layout(&l);
	else
		err = es_err_new(ES_E_INVALID, "invalid archive: does not contain a manifest.json");
	es_err_drop(store_discard(im->store, partial));
	crash_point(im->store, CRASH_LOAD_DISCARDED);
	if (err) { /* layers of the image that did not come about */
		lease_end(ES_TAKE(lease));
		log_err(gc_run(im->store, NULL), "collect garbage");
	}
	return err;
}

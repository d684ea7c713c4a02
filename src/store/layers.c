/* SPDX-License-Identifier: Apache-2.0 */
/* layers.c: layers by name: their records, how one comes in, and views of them. */
#include "store/layers.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/str.h"
#include "codec/erofs_fmt.h"
#include "codec/field.h"
#include "store/layerform.h"
#include "store/layerprog.h"
#include "store/layers_priv.h"
#include "store/layertree.h"
#include "store/mounts.h"
#include "store/record.h"
#include "store/stack.h"
#include "store/store_priv.h"

#define KIND "layer"
#define EMPTY_DIR "skel/empty"

static const char *const form_names[] = { [LAYERS_DIRECTORY] = "directory", [LAYERS_FILE] = "file" };
_Static_assert(ES_N(form_names) == LAYERS_FORM_N, "a form without a name");

#define T struct layers_doc
const struct field layers_doc_fields[] = {
	F_STR(T, digest, "digest", FIELD_REQUIRED),
	F_U64(T, size, "size", 0),
	F_U64(T, tar_size, "tar_size", 0),
	F_U64(T, content_size, "content_size", 0),
	F_U64(T, entries, "entries", 0),
	F_STRV(T, implied, "implied", FIELD_OMIT_EMPTY),
	F_STR(T, form, "form", FIELD_OMIT_EMPTY),
	F_END,
};
#undef T

es_err *layers_doc_read(struct store *st, struct arena *a, const char *diff_id, struct layers_doc *ret, enum layers_form *ret_form)
{
	struct record r;

	ES_TRY(record_get(st, a, KIND, diff_id, &r));
	*ret = (struct layers_doc){ 0 };
	ES_TRY(es_err_in(field_decode_text(a, layers_doc_fields, r.json, strlen(r.json), ret), "record of layer %s", diff_id));
	*ret_form = str_eq(ret->form, form_names[LAYERS_FILE]) ? LAYERS_FILE : LAYERS_DIRECTORY;
	return NULL;
}

es_err *layers_doc_write(struct store *st, const char *diff_id, struct layers_doc *doc, enum layers_form form)
{
	es_autobuf json = ES_BUF(RECORD_JSON_MAX);

	doc->form = form_names[form];
	field_encode_text(&json, layers_doc_fields, doc);
	ES_TRY(es_buf_check(&json));
	return record_put(st, &(struct record){ .kind = KIND, .id = diff_id, .json = es_buf_str(&json) });
}

es_err *layers_dir_path(struct store *st, struct arena *a, const char *name, char **ret_path)
{
	const char *step = str_after(name, "step:");

	if (blob_is_digest(name)) {
		*ret_path = arena_printf(a, "layers/%s/fs", name + strlen("sha256:"));
		if (faccessat(st->root_fd, *ret_path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			*ret_path = arena_printf(a, "layers/%s/layer", name + strlen("sha256:"));
	} else if (step && *step && strspn(step, "0123456789abcdef") == strlen(step)) {
		*ret_path = arena_printf(a, "steps/%s/upper", step);
	} else {
		return es_err_new(ES_E_INVALID, "\"%s\" is not a layer", name);
	}
	return NULL;
}

bool layers_has(struct store *st, const char *diff_id)
{
	es_autoarena *a = arena_new();
	struct record r;
	es_err *err = record_get(st, a, KIND, diff_id, &r);

	es_err_free(err);
	return !err;
}

es_err *layers_stat(struct store *st, const char *diff_id, struct layers_info *ret)
{
	es_autoarena *a = arena_new();
	enum layers_form form;
	struct layers_doc doc;

	ES_TRY(layers_doc_read(st, a, diff_id, &doc, &form));
	*ret = (struct layers_info){ .size = doc.size, .tar_size = doc.tar_size, .content_size = doc.content_size, .entries = doc.entries };
	snprintf(ret->diff_id, sizeof ret->diff_id, "%s", diff_id);
	snprintf(ret->digest, sizeof ret->digest, "%s", doc.digest);
	return NULL;
}

es_err *layers_open_tar(struct store *st, const char *diff_id, int *ret_fd, uint64_t *ret_size)
{
	struct layers_info info;
	es_autoclose int fd = -1;

	ES_TRY(layers_stat(st, diff_id, &info));
	es_autofree char *file = es_xasprintf("layers/%s/layer", diff_id + strlen("sha256:"));
	es_autofree char *tar = es_xasprintf("layers/%s/tar", diff_id + strlen("sha256:"));
	fd = openat(st->root_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && lseek(fd, LAYER_FILE_HEAD, SEEK_SET) < 0)
		return es_err_sys(errno, "open %s", file);
	if (fd < 0 && errno == ENOENT)
		fd = openat(st->root_fd, tar, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return es_err_sys(errno, "open %s", tar);
	*ret_fd = ES_TAKE_FD(fd);
	*ret_size = info.tar_size;
	return NULL;
}

char *layers_chain_id(char *const *stack, char *ret)
{
	es_autoarena *a = arena_new();
	char **chains = stack_chains(a, stack);

	snprintf(ret, BLOB_DIGEST_MAX, "%s", chains[strv_len(stack) - 1]);
	return ret;
}

/* --- bringing one in --- */

/* The place of a layer that has no record: what a crash left between the rename and the record goes first. */
static es_err *place(struct store *st, const char *partial, const char *dir, const struct layerform_made *made)
{
	es_autoclose int fd = -1;
	es_err *err;

	ES_TRY(layertree_forget(st, made->info.diff_id));
	ES_TRY(store_discard(st, dir));
	if (renameat(st->root_fd, partial, st->root_fd, dir) < 0)
		return es_err_sys(errno, "rename to %s/%s", st->root, dir);
	if (made->form == LAYERS_FILE) {
		err = layertree_mount(st, made->info.diff_id + strlen("sha256:"), dir, &fd);
		if (err) {
			if (renameat(st->root_fd, dir, st->root_fd, partial) < 0)
				log_line(LOG_L_WARN, "rename %s/%s back: %s", st->root, dir, strerror(errno));
			return err;
		}
	}
	return store_sync_dir(st, "layers");
}

/* Rule 1 and 2 of store.h: everything on disk, then the name, then the record. A layer file is mounted in between: one that the kernel
 * does not take has never been there. */
static es_err *publish_new(struct store *st, const char *partial, const struct layerform_made *made)
{
	const struct layers_info *i = &made->info;
	struct layers_doc doc = { i->digest, i->size, i->tar_size, i->content_size, i->entries, made->implied, NULL };
	es_autofree char *dir = es_xasprintf("layers/%s", i->diff_id + strlen("sha256:"));
	es_err *err = NULL;

	crash_point(st, CRASH_LAYER_UNPACKED);
	ES_TRY(layerform_sync(st, partial, made->form));
	crash_point(st, CRASH_LAYER_SYNCED);
	pthread_mutex_lock(&st->content_lock);
	if (!layers_has(st, i->diff_id)) {
		err = place(st, partial, dir, made);
		if (!err) {
			crash_point(st, CRASH_LAYER_RENAMED);
			err = layers_doc_write(st, i->diff_id, &doc, made->form);
		}
		crash_point(st, CRASH_LAYER_RECORDED);
	}
	pthread_mutex_unlock(&st->content_lock);
	return err;
}

es_err *layers_publish(struct store *st, struct arena *a, struct lease *lease, const char *partial, struct layerform_made *made)
{
	es_err *err;

	lease_hold(lease, made->info.diff_id);
	if (layers_has(st, made->info.diff_id))
		return NULL;
	err = publish_new(st, partial, made);
	if (!err || made->form != LAYERS_FILE || !layertree_cannot_mount(err))
		return err;
	log_err(err, "layer %s becomes a directory", made->info.diff_id);
	ES_TRY(layerform_extract(st, a, partial, made));
	return publish_new(st, partial, made);
}

static es_err *check_wanted(const struct layers_want *want, const struct layers_info *is)
{
	if (want->digest && !str_eq(want->digest, is->digest))
		return es_err_new(ES_E_INVALID, "layer has digest %s, want %s", is->digest, want->digest);
	if (want->diff_id && !str_eq(want->diff_id, is->diff_id))
		return es_err_new(ES_E_INVALID, "layer has diffID %s, want %s", is->diff_id, want->diff_id);
	return NULL;
}

static es_err *import(struct store *st, struct lease *lease, int fd, const char *partial, const struct layers_want *want,
		      struct layers_info *ret)
{
	es_autoarena *a = arena_new();
	struct layerform_made made = { 0 };

	ES_TRY(layerform_unpack(st, a, partial, fd, &made));
	ES_TRY(check_wanted(want, &made.info));
	*ret = made.info;
	return layers_publish(st, a, lease, partial, &made);
}

es_err *layers_import(struct store *st, struct lease *lease, int fd, const struct layers_want *want, struct layers_info *ret)
{
	static const struct layers_want nothing = { 0 };
	es_autofree char *partial = store_partial_name();
	struct layers_info info;
	es_err *err;

	if (!want)
		want = &nothing;
	if (want->diff_id) {
		lease_hold(lease, want->diff_id);
		if (layers_has(st, want->diff_id))
			return ret ? layers_stat(st, want->diff_id, ret) : NULL;
	}
	err = import(st, lease, fd, partial, want, &info);
	es_err_drop(store_discard(st, partial)); /* gone already if it became the layer */
	ES_TRY(err);
	if (ret)
		*ret = info;
	return NULL;
}

es_err *layers_unpack_plain(struct store *st, struct arena *a, int fd, const char **ret_partial, int *ret_dir_fd)
{
	static const char *const argv[] = { "estiba-layer", "unpack", "--plain", NULL };
	es_autofree char *partial = store_partial_name();
	es_autoclose int dir_fd = -1;
	struct json *report;
	es_err *err;

	if (mkdirat(st->root_fd, partial, 0700) < 0)
		return es_err_sys(errno, "make %s", partial);
	dir_fd = openat(st->root_fd, partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = dir_fd < 0 ? es_err_sys(errno, "open %s", partial)
			 : layerprog_run(st, a, &(struct layerprog_call){ .argv = argv, .stream_fd = fd, .dir_fd = dir_fd, .out_fd = -1 }, &report);
	if (err) {
		es_err_drop(store_discard(st, partial));
		return err;
	}
	*ret_partial = arena_strdup(a, partial);
	*ret_dir_fd = ES_TAKE_FD(dir_fd);
	return NULL;
}

/* --- a view of a stack --- */

es_err *layers_mount(struct store *st, char *const *stack, const struct idmap *map, int *ret_fd)
{
	es_autoarena *a = arena_new();
	es_autolowers l = { 0 };
	es_autoclose int empty = openat(mounts_data(st->mounts), EMPTY_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (empty < 0)
		return es_err_sys(errno, "open " EMPTY_DIR);
	ES_TRY(stack_open(st, a, stack, false, &l));
	return stack_mount(st, a, &l, &(struct stack_mount){ .upper_fd = -1, .work_fd = -1, .empty_fd = empty, .map = map }, ret_fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* layers.c: layers as directories with their tar beside them: layers/HEX/{tar,fs}. */
#include "store/layers.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/field.h"
#include "store/layerprog.h"
#include "store/layers_priv.h"
#include "store/mounts.h"
#include "store/record.h"
#include "store/stack.h"
#include "store/store_priv.h"

#define KIND "layer"
#define EMPTY_DIR "skel/empty"

/* The record's document. */
struct doc {
	const char *digest;
	uint64_t size, tar_size, content_size, entries;
	char **implied;
};
#define T struct doc
static const struct field doc_fields[] = {
	F_STR(T, digest, "digest", FIELD_REQUIRED),
	F_U64(T, size, "size", 0),
	F_U64(T, tar_size, "tar_size", 0),
	F_U64(T, content_size, "content_size", 0),
	F_U64(T, entries, "entries", 0),
	F_STRV(T, implied, "implied", FIELD_OMIT_EMPTY),
	F_END,
};
#undef T

static es_err *doc_read(struct store *st, struct arena *a, const char *diff_id, struct doc *ret)
{
	struct record r;

	ES_TRY(record_get(st, a, KIND, diff_id, &r));
	*ret = (struct doc){ 0 };
	return es_err_in(field_decode_text(a, doc_fields, r.json, strlen(r.json), ret), "record of layer %s", diff_id);
}

es_err *layers_dir_path(struct arena *a, const char *name, char **ret_path)
{
	const char *step = str_after(name, "step:");

	if (blob_is_digest(name))
		*ret_path = arena_printf(a, "layers/%s/fs", name + strlen("sha256:"));
	else if (step && *step && strspn(step, "0123456789abcdef") == strlen(step))
		*ret_path = arena_printf(a, "steps/%s/upper", step);
	else
		return es_err_new(ES_E_INVALID, "\"%s\" is not a layer", name);
	return NULL;
}

es_err *layers_open_dir(struct store *st, struct arena *a, const char *name, int *ret_fd, char ***ret_implied)
{
	struct doc doc = { 0 };
	char *path;

	ES_TRY(layers_dir_path(a, name, &path));
	if (blob_is_digest(name))
		ES_TRY(doc_read(st, a, name, &doc));
	*ret_fd = openat(mounts_data(st->mounts), path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_fd < 0)
		return errno == ENOENT ? es_err_new(ES_E_NOT_FOUND, "no layer %s", name) : es_err_sys(errno, "open layer %s", name);
	*ret_implied = doc.implied;
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
	struct doc doc;

	ES_TRY(doc_read(st, a, diff_id, &doc));
	*ret = (struct layers_info){ .size = doc.size, .tar_size = doc.tar_size, .content_size = doc.content_size, .entries = doc.entries };
	snprintf(ret->diff_id, sizeof ret->diff_id, "%s", diff_id);
	snprintf(ret->digest, sizeof ret->digest, "%s", doc.digest);
	return NULL;
}

es_err *layers_open_tar(struct store *st, const char *diff_id, int *ret_fd, uint64_t *ret_size)
{
	struct layers_info info;

	ES_TRY(layers_stat(st, diff_id, &info));
	es_autofree char *path = es_xasprintf("layers/%s/tar", diff_id + strlen("sha256:"));
	*ret_fd = openat(st->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*ret_fd < 0)
		return es_err_sys(errno, "open %s", path);
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

/* Rule 1 and 2 of store.h: everything on disk, then the name, then the record. */
static es_err *publish_new(struct store *st, const char *partial, const struct layers_info *info, char *const *implied)
{
	const char *hex = info->diff_id + strlen("sha256:");
	es_autofree char *dir = es_xasprintf("layers/%s", hex);
	es_autobuf json = ES_BUF(RECORD_JSON_MAX);
	struct doc doc = { info->digest, info->size, info->tar_size, info->content_size, info->entries, (char **)implied };
	es_err *err = NULL;

	crash_point(st, CRASH_LAYER_UNPACKED);
	if (syncfs(st->root_fd) < 0)
		return es_err_sys(errno, "sync layer %s", info->diff_id);
	crash_point(st, CRASH_LAYER_SYNCED);
	pthread_mutex_lock(&st->content_lock);
	if (!layers_has(st, info->diff_id)) {
		/* A directory without a record is what a crash left between the rename and the record. */
		err = store_discard(st, dir);
		if (!err && renameat(st->root_fd, partial, st->root_fd, dir) < 0)
			err = es_err_sys(errno, "rename to %s", dir);
		if (!err)
			err = store_sync_dir(st, "layers");
		crash_point(st, CRASH_LAYER_RENAMED);
		field_encode_text(&json, doc_fields, &doc);
		if (!err)
			err = es_buf_check(&json);
		if (!err)
			err = record_put(st, &(struct record){ .kind = KIND, .id = info->diff_id, .json = es_buf_str(&json) });
		crash_point(st, CRASH_LAYER_RECORDED);
	}
	pthread_mutex_unlock(&st->content_lock);
	return err;
}

es_err *layers_publish(struct store *st, struct lease *lease, const char *partial, const struct layers_info *info, char *const *implied)
{
	lease_hold(lease, info->diff_id);
	return layers_has(st, info->diff_id) ? NULL : publish_new(st, partial, info, implied);
}

static es_err *unpack(struct store *st, struct arena *a, const char *partial, int stream_fd, struct layers_info *ret, char ***ret_implied)
{
	static const char *const argv[] = { "estiba-layer", "unpack", NULL };
	struct json *report;
	struct doc doc = { 0 };
	char *fs = arena_printf(a, "%s/fs", partial), *tar = arena_printf(a, "%s/tar", partial);

	if (mkdirat(st->root_fd, partial, 0700) < 0 || mkdirat(st->root_fd, fs, 0755) < 0)
		return es_err_sys(errno, "make %s", fs);
	es_autoclose int dir_fd = openat(st->root_fd, fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	es_autoclose int tar_fd = openat(st->root_fd, tar, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (dir_fd < 0 || tar_fd < 0)
		return es_err_sys(errno, "make %s", tar);
	if (fchmod(dir_fd, 0755) < 0) /* whatever our umask */
		return es_err_sys(errno, "chmod %s", fs);
	ES_TRY(layerprog_run(st, a, &(struct layerprog_call){ .argv = argv, .stream_fd = stream_fd, .dir_fd = dir_fd, .out_fd = tar_fd }, &report));
	ES_TRY(layerprog_info(report, ret));
	ES_TRY(es_err_in(field_decode(a, doc_fields, report, &doc), "report of estiba-layer"));
	*ret_implied = doc.implied;
	return NULL;
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
	char **implied = NULL;

	ES_TRY(unpack(st, a, partial, fd, ret, &implied));
	ES_TRY(check_wanted(want, ret));
	return layers_publish(st, lease, partial, ret, implied);
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

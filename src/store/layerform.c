/* SPDX-License-Identifier: Apache-2.0 */
/* layerform.c: the sandboxed helper makes a layer file or a directory; what it made is checked before the kernel sees it. */
#include "store/layerform.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/erofs_check.h"
#include "codec/field.h"
#include "store/layerprog.h"
#include "store/layertree.h"
#include "store/mounts.h"
#include "store/store_priv.h"

#define KEEP_CACHED ((uint64_t)16 << 20) /* bytes of a tar that stay in the page cache: small layers are wanted at once */
#define PROBE "probe"

/* --- running the helper --- */

/* What the report says, with the directories that the tar did not name. */
static es_err *take_report(struct arena *a, const struct json *report, struct layerform_made *ret)
{
	struct layers_doc doc = { 0 };

	ES_TRY(layerprog_info(report, &ret->info));
	ES_TRY(es_err_in(field_decode(a, layers_doc_fields, report, &doc), "report of estiba-layer"));
	ret->implied = doc.implied;
	return NULL;
}

static es_err *make_file(struct store *st, const char *path, int *ret_fd)
{
	*ret_fd = openat(st->root_fd, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? es_err_sys(errno, "make %s/%s", st->root, path) : NULL;
}

static es_err *make_tree(struct store *st, const char *path, int *ret_fd)
{
	es_autoclose int fd = -1;

	if (mkdirat(st->root_fd, path, 0755) < 0)
		return es_err_sys(errno, "make %s/%s", st->root, path);
	fd = openat(st->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0755) < 0) /* whatever our umask */
		return es_err_sys(errno, "open %s/%s", st->root, path);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

static es_err *unpack_directory(struct store *st, struct arena *a, const char *partial, int stream_fd, struct layerform_made *ret)
{
	static const char *const argv[] = { "estiba-layer", "unpack", NULL };
	es_autoclose int dir = -1, tar = -1;
	struct json *report;

	ret->form = LAYERS_DIRECTORY;
	ES_TRY(make_tree(st, arena_printf(a, "%s/fs", partial), &dir));
	ES_TRY(make_file(st, arena_printf(a, "%s/tar", partial), &tar));
	ES_TRY(layerprog_run(st, a, &(struct layerprog_call){ .argv = argv, .stream_fd = stream_fd, .dir_fd = dir, .out_fd = tar }, &report));
	return take_report(a, report, ret);
}

/* --- layer files --- */

static es_err *read_at(int fd, void *out, uint64_t n, uint64_t at)
{
	for (uint64_t done = 0; done < n;) {
		ssize_t r = pread(fd, (char *)out + done, n - done, (off_t)(at + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return es_err_sys(errno, "read the layer file");
		if (r == 0)
			return es_err_new(ES_E_INVALID, "the layer file ends early");
		done += (uint64_t)r;
	}
	return NULL;
}

/* The helper has ended, so nobody writes the file any more. */
static es_err *check_file(int fd, const struct layers_info *info, uint64_t *ret_meta_at)
{
	es_autofree char *head = es_xmalloc(LAYER_FILE_HEAD), *meta = NULL;
	struct erofs_area area;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return es_err_sys(errno, "look at the layer file");
	ES_TRY(read_at(fd, head, LAYER_FILE_HEAD, 0));
	ES_TRY(erofs_check_head(head, (uint64_t)st.st_size, &area));
	if (area.tar_size != info->tar_size || !str_eq(area.diff_id, info->diff_id))
		return es_err_new(ES_E_INVALID, "the layer file is not the one that was reported");
	meta = es_xmalloc(area.meta_size);
	ES_TRY(read_at(fd, meta, area.meta_size, area.meta_at));
	ES_TRY(erofs_check_meta(&area, meta, NULL));
	*ret_meta_at = area.meta_at;
	return NULL;
}

es_err *layerform_check(struct store *st, const struct layers_info *info)
{
	es_autofree char *path = es_xasprintf("layers/%s/layer", info->diff_id + strlen("sha256:"));
	es_autoclose int fd = openat(st->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t meta_at;

	return fd < 0 ? es_err_sys(errno, "open %s", path) : check_file(fd, info, &meta_at);
}

/* On the disk. The tar's pages are not needed again: what containers read of it has pages of its own. */
static es_err *settle_file(int fd, uint64_t meta_at)
{
	if (fdatasync(fd) < 0)
		return es_err_sys(errno, "sync the layer file");
	if (meta_at > KEEP_CACHED)
		(void)posix_fadvise(fd, 0, (off_t)meta_at, POSIX_FADV_DONTNEED);
	return NULL;
}

/* The tar is whole, its index has become too large for a layer file. */
static es_err *without_index(struct store *st, struct arena *a, const char *partial, const char *why, struct layerform_made *ret)
{
	log_line(LOG_L_INFO, "layer %s becomes a directory: %s", ret->info.diff_id, why);
	return layerform_extract(st, a, partial, ret);
}

static es_err *take_file(struct store *st, struct arena *a, const char *partial, int fd, const struct json *report, struct layerform_made *ret)
{
	const char *why = json_str(json_get(report, "unindexed"));
	uint64_t meta_at = 0;

	ret->form = LAYERS_FILE;
	ES_TRY(take_report(a, report, ret));
	if (why)
		return without_index(st, a, partial, why, ret);
	ES_TRY(es_err_in(check_file(fd, &ret->info, &meta_at), "what estiba-layer made of layer %s", ret->info.diff_id));
	return settle_file(fd, meta_at);
}

static es_err *unpack_file(struct store *st, struct arena *a, const char *partial, int stream_fd, struct layerform_made *ret)
{
	static const char *const argv[] = { "estiba-layer", "unpack", "--file", NULL };
	es_autoclose int fd = -1;
	struct json *report;

	ES_TRY(make_file(st, arena_printf(a, "%s/layer", partial), &fd));
	ES_TRY(layerprog_run(st, a, &(struct layerprog_call){ .argv = argv, .stream_fd = stream_fd, .dir_fd = -1, .out_fd = fd }, &report));
	return take_file(st, a, partial, fd, report, ret);
}

static es_err *pack_file(struct store *st, struct arena *a, const char *partial, int upper, const struct stack_lowers *l, struct layerform_made *ret)
{
	static const char *const argv[] = { "estiba-layer", "pack", "--upper", "--file", NULL };
	es_autoclose int fd = -1;
	struct json *report;

	ES_TRY(make_file(st, arena_printf(a, "%s/layer", partial), &fd));
	ES_TRY(layerprog_run(st, a,
			     &(struct layerprog_call){ .argv = argv, .stream_fd = -1, .dir_fd = upper, .out_fd = fd, .lower_fds = l->fds,
						       .n_lowers = l->n },
			     &report));
	return take_file(st, a, partial, fd, report, ret);
}

/* The tar first, then the tree out of it. */
static es_err *pack_directory(struct store *st, struct arena *a, const char *partial, int upper, const struct stack_lowers *l,
			      struct layerform_made *ret)
{
	static const char *const pack[] = { "estiba-layer", "pack", "--upper", NULL }, *const unpack[] = { "estiba-layer", "unpack", NULL };
	es_autoclose int dir = -1, tar = -1;
	struct json *report;

	ret->form = LAYERS_DIRECTORY;
	ES_TRY(make_tree(st, arena_printf(a, "%s/fs", partial), &dir));
	ES_TRY(make_file(st, arena_printf(a, "%s/tar", partial), &tar));
	ES_TRY(layerprog_run(st, a,
			     &(struct layerprog_call){ .argv = pack, .stream_fd = -1, .dir_fd = upper, .out_fd = tar, .lower_fds = l->fds,
						       .n_lowers = l->n },
			     &report));
	if (lseek(tar, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "rewind");
	ES_TRY(layerprog_run(st, a, &(struct layerprog_call){ .argv = unpack, .stream_fd = tar, .dir_fd = dir, .out_fd = -1 }, &report));
	return take_report(a, report, ret);
}

/* What stands behind the tar would belong to it when it is read to its end. */
es_err *layerform_extract(struct store *st, struct arena *a, const char *dir, struct layerform_made *made)
{
	static const char *const argv[] = { "estiba-layer", "unpack", NULL };
	const char *path = arena_printf(a, "%s/layer", dir), *fs = arena_printf(a, "%s/fs", dir);
	es_autoclose int tar = openat(st->root_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), tree = -1;
	struct layerform_made tree_of = { 0 };
	struct json *report;

	if (tar < 0 || ftruncate(tar, (off_t)(LAYER_FILE_HEAD + made->info.tar_size)) < 0 || lseek(tar, LAYER_FILE_HEAD, SEEK_SET) < 0)
		return es_err_sys(errno, "open %s/%s", st->root, path);
	ES_TRY(store_discard(st, fs));
	ES_TRY(make_tree(st, fs, &tree));
	ES_TRY(layerprog_run(st, a, &(struct layerprog_call){ .argv = argv, .stream_fd = tar, .dir_fd = tree, .out_fd = -1 }, &report));
	ES_TRY(take_report(a, report, &tree_of));
	if (!str_eq(tree_of.info.diff_id, made->info.diff_id))
		return es_err_new(ES_E_INVALID, "layer %s is damaged: its tar has digest %s", made->info.diff_id, tree_of.info.diff_id);
	made->info.content_size = tree_of.info.content_size;
	made->info.entries = tree_of.info.entries;
	made->implied = tree_of.implied;
	made->form = LAYERS_DIRECTORY;
	return NULL;
}

es_err *layerform_sync(struct store *st, const char *dir, enum layers_form form)
{
	if (form == LAYERS_DIRECTORY && syncfs(st->root_fd) < 0)
		return es_err_sys(errno, "sync %s", st->root);
	return form == LAYERS_FILE ? store_sync_dir(st, dir) : NULL; /* the file itself is synced */
}

/* --- which form --- */

/* An empty layer, made and mounted as every other. */
static es_err *probe(struct store *st)
{
	static const char tar[1024];
	es_autoarena *a = arena_new();
	es_autofree char *partial = store_partial_name();
	es_autoclose int stream = memfd_create("empty.tar", MFD_CLOEXEC), fd = -1;
	struct layerform_made made;
	es_err *err;

	if (stream < 0 || pwrite(stream, tar, sizeof tar, 0) != (ssize_t)sizeof tar)
		return es_err_sys(errno, "memfd");
	if (mkdirat(st->root_fd, partial, 0700) < 0)
		return es_err_sys(errno, "make %s/%s", st->root, partial);
	err = unpack_file(st, a, partial, stream, &made);
	if (!err)
		err = layertree_mount(st, PROBE, partial, &fd);
	if (!err)
		err = mounts_drop(st->mounts, PROBE);
	es_err_drop(store_discard(st, partial));
	return err;
}

enum layers_form layerform_pick(struct store *st)
{
	bool files = st->form != STORE_FORM_DIRECTORY;

	if (st->form != STORE_FORM_AUTO)
		return files ? LAYERS_FILE : LAYERS_DIRECTORY;
	pthread_mutex_lock(&st->probe_lock);
	if (!st->is_probed) {
		es_err *err = probe(st);

		st->takes_files = !err;
		st->is_probed = true;
		log_err(err, "layers of %s are directories", st->root);
	}
	files = st->takes_files;
	pthread_mutex_unlock(&st->probe_lock);
	return files ? LAYERS_FILE : LAYERS_DIRECTORY;
}

es_err *layerform_unpack(struct store *st, struct arena *a, const char *partial, int stream_fd, struct layerform_made *ret)
{
	enum layers_form form = layerform_pick(st);

	if (mkdirat(st->root_fd, partial, 0700) < 0)
		return es_err_sys(errno, "make %s/%s", st->root, partial);
	return form == LAYERS_FILE ? unpack_file(st, a, partial, stream_fd, ret) : unpack_directory(st, a, partial, stream_fd, ret);
}

es_err *layerform_pack(struct store *st, struct arena *a, const char *partial, int upper, const struct stack_lowers *lowers,
		       struct layerform_made *ret)
{
	enum layers_form form = layerform_pick(st);

	if (mkdirat(st->root_fd, partial, 0700) < 0)
		return es_err_sys(errno, "make %s/%s", st->root, partial);
	return form == LAYERS_FILE ? pack_file(st, a, partial, upper, lowers, ret) : pack_directory(st, a, partial, upper, lowers, ret);
}

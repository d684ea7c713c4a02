/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.c: a writable directory over a stack of layers. */
#include "store/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/field.h"
#include "store/layerform.h"
#include "store/mounts.h"
#include "store/rootfit.h"
#include "store/snapdiff.h"
#include "store/stack.h"
#include "store/store_priv.h"
#include "sys/idmap.h"
#include "sys/quota.h"

#define KIND "snapshot"
#define ID_LEN 64u
#define MOUNT_ROOM ((uint64_t)1 << 20) /* bytes beyond the limit while nothing but the mount writes */

static const struct {
	const char *dir;  /* below the data root */
	const char *word; /* first part of the record's id */
} kinds[] = {
	[SNAPSHOT_CONTAINER] = { "containers", "container" },
	[SNAPSHOT_STEP] = { "steps", "step" },
};
_Static_assert(ES_N(kinds) == SNAPSHOT_KIND_N, "a kind without a place");

/* The record's document; gc.c reads "stack" too. */
struct doc {
	char **stack;
	bool is_volatile, frozen;
	uint32_t project; /* 0: no limit */
	uint64_t limit;
};
#define T struct doc
static const struct field doc_fields[] = {
	F_STRV(T, stack, "stack", FIELD_EMPTY_LIST),
	F_BOOL(T, is_volatile, "volatile", FIELD_OMIT_EMPTY),
	F_BOOL(T, frozen, "frozen", FIELD_OMIT_EMPTY),
	F_U32(T, project, "project", FIELD_OMIT_EMPTY),
	F_U64(T, limit, "limit", FIELD_OMIT_EMPTY),
	F_END,
};
#undef T

static es_err *check_id(const char *id)
{
	if (!id || strlen(id) != ID_LEN || strspn(id, "0123456789abcdef") != ID_LEN)
		return es_err_new(ES_E_INVALID, "\"%s\" is not an id of %u hexadecimal digits", id ? id : "", ID_LEN);
	return NULL;
}

static char *record_id(struct arena *a, enum snapshot_kind kind, const char *id)
{
	return arena_printf(a, "%s/%s", kinds[kind].word, id);
}

/* PART "": its directory itself. */
static char *place(struct arena *a, enum snapshot_kind kind, const char *id, const char *part)
{
	return arena_printf(a, "%s/%s%s", kinds[kind].dir, id, part);
}

static es_err *doc_read(struct store *st, struct arena *a, enum snapshot_kind kind, const char *id, struct record *ret_record, struct doc *ret)
{
	*ret = (struct doc){ 0 };
	ES_TRY(check_id(id));
	ES_TRY(record_get(st, a, KIND, record_id(a, kind, id), ret_record));
	return es_err_in(field_decode_text(a, doc_fields, ret_record->json, strlen(ret_record->json), ret), "record of %s %s", kinds[kind].word,
			 id);
}

static es_err *doc_write(struct store *st, struct arena *a, enum snapshot_kind kind, const char *id, enum record_class class,
			 const struct doc *doc, bool add)
{
	es_autobuf json = ES_BUF(RECORD_JSON_MAX);
	struct record r = { .kind = KIND, .id = record_id(a, kind, id), .class = class };

	field_encode_text(&json, doc_fields, doc);
	ES_TRY(es_buf_check(&json));
	r.json = es_buf_str(&json);
	return add ? record_add(st, &r) : record_put(st, &r);
}

static es_err *open_part(struct store *st, struct arena *a, enum snapshot_kind kind, const char *id, const char *part, int *ret_fd)
{
	char *path = place(a, kind, id, part);

	*ret_fd = openat(mounts_data(st->mounts), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? es_err_sys(errno, "open %s/%s", st->root, path) : NULL;
}

/* --- limits --- */

static int by_number(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return a < b ? -1 : a > b;
}

/* Projects that records have, sorted, in A; quota_lock is taken. */
static es_err *projects(struct store *st, struct arena *a, uint32_t **ret, size_t *ret_n)
{
	struct record_list list;

	*ret_n = 0;
	ES_TRY(record_list(st, a, KIND, NULL, &list));
	*ret = ARENA_ARRAY(a, uint32_t, list.n + 1);
	for (size_t i = 0; i < list.n; i++) {
		struct doc doc = { 0 };

		ES_TRY(es_err_in(field_decode_text(a, doc_fields, list.items[i].json, strlen(list.items[i].json), &doc), "record of %s",
				 list.items[i].id));
		if (doc.project)
			(*ret)[(*ret_n)++] = doc.project;
	}
	if (*ret_n)
		qsort(*ret, *ret_n, sizeof **ret, by_number);
	return NULL;
}

static es_err *choose_project(struct store *st, struct arena *a, uint32_t *ret)
{
	uint32_t *used;
	size_t n;

	ES_TRY(projects(st, a, &used, &n));
	for (uint32_t i = 0; i < SNAPSHOT_PROJECT_N; i++) {
		uint32_t id = SNAPSHOT_PROJECT_FIRST + i;
		uint64_t inodes;

		if (n && bsearch(&id, used, n, sizeof *used, by_number))
			continue;
		ES_TRY(quota_inodes(st->root_fd, id, &inodes));
		if (inodes == 0) {
			*ret = id;
			return NULL;
		}
	}
	return es_err_new(ES_E_LIMIT, "all %u project ids of %s are in use", SNAPSHOT_PROJECT_N, st->root);
}

static es_err *check_quota(struct store *st)
{
	es_err *err = quota_check(st->root_fd);

	return err ? es_err_in(err, "--storage-opt size is supported only over ext4, xfs or f2fs with project quotas: data root %s is on %s", st->root,
			       rootfit_name(st->root_fd))
		   : NULL;
}

/* The record of a snapshot with a limit: its project is another's no more once the record is there. */
static es_err *add_limited(struct store *st, struct arena *a, const struct snapshot_spec *spec, struct doc *doc)
{
	es_err *err;

	ES_TRY(check_quota(st));
	pthread_mutex_lock(&st->quota_lock);
	err = choose_project(st, a, &doc->project);
	if (!err)
		err = doc_write(st, a, spec->kind, spec->id, spec->class, doc, true);
	pthread_mutex_unlock(&st->quota_lock);
	return err;
}

/* Take the limit from the project of a container that goes. Its record may be gone already, so the directory says which; whoever was root
 * in there can have written another's number into it, whose limit stays. */
static es_err *forget_limit(struct store *st, struct arena *a, enum snapshot_kind kind, const char *id)
{
	es_autoclose int upper = openat(st->root_fd, place(a, kind, id, "/upper"), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint32_t project = upper < 0 ? 0 : quota_project(upper), *used;
	bool is_anothers = false;
	struct record r;
	struct doc doc;
	es_err *err;
	size_t n;

	if (project < SNAPSHOT_PROJECT_FIRST || project - SNAPSHOT_PROJECT_FIRST >= SNAPSHOT_PROJECT_N)
		return NULL;
	es_err_drop(doc_read(st, a, kind, id, &r, &doc));
	pthread_mutex_lock(&st->quota_lock);
	err = projects(st, a, &used, &n);
	if (!err && doc.project != project)
		is_anothers = n && bsearch(&project, used, n, sizeof *used, by_number);
	if (!err && !is_anothers)
		err = quota_limit(st->root_fd, project, 0);
	pthread_mutex_unlock(&st->quota_lock);
	return err;
}

/* --- life --- */

static es_err *make_dirs(struct store *st, struct arena *a, const struct snapshot_spec *spec, const struct stack_lowers *l, uint32_t project)
{
	es_autoclose int upper = -1, work = -1;
	const char *dir = place(a, spec->kind, spec->id, "");

	if (mkdirat(st->root_fd, dir, 0710) < 0 && errno != EEXIST) /* a container's directory may be there for its files */
		return es_err_sys(errno, "make %s/%s", st->root, dir);
	if (mkdirat(st->root_fd, place(a, spec->kind, spec->id, "/upper"), 0755) < 0 ||
	    mkdirat(st->root_fd, place(a, spec->kind, spec->id, "/work"), 0700) < 0)
		return es_err_sys(errno, "make %s/%s/upper", st->root, dir);
	ES_TRY(open_part(st, a, spec->kind, spec->id, "/upper", &upper));
	if (project) {
		ES_TRY(open_part(st, a, spec->kind, spec->id, "/work", &work));
		ES_TRY(quota_limit(st->root_fd, project, spec->limit));
		ES_TRY(quota_join(upper, project));
		ES_TRY(quota_join(work, project));
	}
	return l->n ? stack_copy_attrs(l->fds[0], upper) : NULL;
}

/* The record comes first: it is what keeps the layers from being collected. A record whose directories are missing is what a
 * crash in between leaves; nobody was told of it, and removing it is what its owner does anyway. */
es_err *snapshot_prepare(struct store *st, const struct snapshot_spec *spec)
{
	es_autoarena *a = arena_new();
	es_autolowers l = { 0 };
	struct doc doc = { .stack = (char **)spec->stack, .is_volatile = spec->is_volatile, .limit = spec->limit };
	es_err *err;

	ES_TRY(check_id(spec->id));
	if (!idmap_is_identity(spec->map))
		return es_err_new(ES_E_UNSUPPORTED, "id maps for root file systems are not supported yet");
	/* The lease covers the moment in which a collection has read the records and ours is not among them yet. */
	es_autolease *lease = lease_new(st);
	for (size_t i = 0; i < strv_len(doc.stack); i++)
		lease_hold(lease, doc.stack[i]);
	ES_TRY(spec->limit ? add_limited(st, a, spec, &doc) : doc_write(st, a, spec->kind, spec->id, spec->class, &doc, true));
	crash_point(st, CRASH_SNAPSHOT_RECORDED);
	err = stack_open(st, a, spec->stack, true, &l);
	if (!err)
		err = make_dirs(st, a, spec, &l, doc.project);
	crash_point(st, CRASH_SNAPSHOT_MADE);
	if (err)
		es_err_drop(snapshot_remove(st, spec->kind, spec->id));
	return err;
}

es_err *snapshot_mount(struct store *st, enum snapshot_kind kind, const char *id, int *ret_fd)
{
	es_autoarena *a = arena_new();
	es_autolowers l = { 0 };
	es_autoclose int upper = -1, work = -1, fd = -1;
	struct record r;
	struct doc doc;
	es_err *err;

	ES_TRY(doc_read(st, a, kind, id, &r, &doc));
	if (doc.frozen)
		return es_err_new(ES_E_CONFLICT, "step %s is finished", id);
	ES_TRY(open_part(st, a, kind, id, "/upper", &upper));
	ES_TRY(open_part(st, a, kind, id, "/work", &work));
	ES_TRY(stack_open(st, a, doc.stack, true, &l));
	/* overlayfs refuses an upper that was mounted volatile before: what it left says so. */
	if (doc.is_volatile)
		ES_TRY(file_remove_tree(work, "work/incompat"));
	/* overlayfs makes some directories in work, and without the room for them a mount that cannot be written to. */
	if (doc.project) {
		ES_TRY(check_quota(st));
		ES_TRY(quota_limit(st->root_fd, doc.project, doc.limit + MOUNT_ROOM));
	}
	err = stack_mount(st, a, &l, &(struct stack_mount){ .upper_fd = upper, .work_fd = work, .is_volatile = doc.is_volatile }, &fd);
	if (doc.project && !err)
		err = quota_limit(st->root_fd, doc.project, doc.limit);
	ES_TRY(es_err_in(err, "mount the root of %s %s", kinds[kind].word, id));
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *snapshot_remove(struct store *st, enum snapshot_kind kind, const char *id)
{
	es_autoarena *a = arena_new();

	ES_TRY(check_id(id));
	if (kind == SNAPSHOT_STEP) {
		ES_TRY(store_discard(st, place(a, kind, id, "")));
	} else {
		log_err(forget_limit(st, a, kind, id), "%s %s: its limit", kinds[kind].word, id);
		ES_TRY(store_discard(st, place(a, kind, id, "/upper")));
		ES_TRY(store_discard(st, place(a, kind, id, "/work")));
		if (unlinkat(st->root_fd, place(a, kind, id, ""), AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != ENOENT)
			return es_err_sys(errno, "remove %s/%s", st->root, place(a, kind, id, ""));
	}
	crash_point(st, CRASH_SNAPSHOT_DISCARDED);
	return record_delete(st, KIND, record_id(a, kind, id));
}

es_err *snapshot_ids(struct store *st, struct arena *a, enum snapshot_kind kind, char ***ret)
{
	const char *prefix = record_id(a, kind, "");
	struct record_list all;

	*ret = NULL;
	ES_TRY(record_list(st, a, KIND, NULL, &all));
	for (size_t i = 0; i < all.n; i++)
		if (str_starts(all.items[i].id, prefix))
			*ret = strv_arena_add(a, *ret, all.items[i].id + strlen(prefix));
	return NULL;
}

void snapshot_tx_forget(struct record_tx *tx, enum snapshot_kind kind, const char *id)
{
	es_autoarena *a = arena_new();

	record_tx_delete(tx, KIND, record_id(a, kind, id));
}

es_err *snapshot_freeze(struct store *st, const char *id)
{
	es_autoarena *a = arena_new();
	struct record r;
	struct doc doc;

	ES_TRY(doc_read(st, a, SNAPSHOT_STEP, id, &r, &doc));
	doc.frozen = true;
	ES_TRY(doc_write(st, a, SNAPSHOT_STEP, id, r.class, &doc, false));
	crash_point(st, CRASH_STEP_FROZEN);
	return NULL;
}

es_err *snapshot_paths(struct store *st, struct arena *a, enum snapshot_kind kind, const char *id, struct snapshot_paths *ret)
{
	struct record r;
	struct doc doc;
	const char *lower = "";

	ES_TRY(doc_read(st, a, kind, id, &r, &doc));
	for (size_t i = strv_len(doc.stack); i-- > 0;) {
		char *path;

		ES_TRY(layers_dir_path(st, a, doc.stack[i], &path));
		lower = arena_printf(a, "%s%s%s/%s", lower, *lower ? ":" : "", st->root, path);
	}
	*ret = (struct snapshot_paths){
		.upper = arena_printf(a, "%s/%s", st->root, place(a, kind, id, "/upper")),
		.work = arena_printf(a, "%s/%s", st->root, place(a, kind, id, "/work")),
		.merged = arena_printf(a, "%s/%s", st->root, place(a, kind, id, "/merged")),
		.lower = lower,
	};
	return NULL;
}

/* --- packing --- */

es_err *snapshot_to_layer(struct store *st, struct lease *lease, enum snapshot_kind kind, const char *id, struct layers_info *ret, bool *ret_changed)
{
	es_autoarena *a = arena_new();
	es_autolowers l = { 0 };
	es_autoclose int upper = -1;
	es_autofree char *partial = store_partial_name();
	struct layerform_made made = { 0 };
	struct record r;
	struct doc doc;
	es_err *err;

	ES_TRY(doc_read(st, a, kind, id, &r, &doc));
	ES_TRY(open_part(st, a, kind, id, "/upper", &upper));
	ES_TRY(stack_open(st, a, doc.stack, true, &l));
	err = es_err_in(layerform_pack(st, a, partial, upper, &l, &made), "pack the changes of %s %s", kinds[kind].word, id);
	crash_point(st, CRASH_UPPER_PACKED);
	if (!err)
		err = layers_publish(st, a, lease, partial, &made);
	es_err_drop(store_discard(st, partial)); /* gone already if it became the layer */
	ES_TRY(err);
	if (ret_changed)
		*ret_changed = made.info.entries > 0;
	return layers_stat(st, made.info.diff_id, ret);
}

/* --- looking at it --- */

es_err *snapshot_size(struct store *st, enum snapshot_kind kind, const char *id, uint64_t *ret_bytes)
{
	es_autoarena *a = arena_new();
	es_autoclose int upper = -1;

	ES_TRY(check_id(id));
	ES_TRY(open_part(st, a, kind, id, "/upper", &upper));
	return snapdiff_size(upper, ret_bytes);
}

es_err *snapshot_diff(struct store *st, struct arena *a, enum snapshot_kind kind, const char *id, struct snapshot_changes *ret)
{
	es_autolowers l = { 0 };
	es_autoclose int upper = -1;
	struct record r;
	struct doc doc;

	ES_TRY(doc_read(st, a, kind, id, &r, &doc));
	ES_TRY(open_part(st, a, kind, id, "/upper", &upper));
	ES_TRY(stack_open(st, a, doc.stack, true, &l));
	return snapdiff_changes(a, upper, &l, ret);
}

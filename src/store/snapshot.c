/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.c: a writable directory over a stack of layers. */
#include "store/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/field.h"
#include "store/layerform.h"
#include "store/mounts.h"
#include "store/snapdiff.h"
#include "store/stack.h"
#include "store/store_priv.h"
#include "sys/idmap.h"

#define KIND "snapshot"
#define ID_LEN 64u

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
};
#define T struct doc
static const struct field doc_fields[] = {
	F_STRV(T, stack, "stack", FIELD_EMPTY_LIST),
	F_BOOL(T, is_volatile, "volatile", FIELD_OMIT_EMPTY),
	F_BOOL(T, frozen, "frozen", FIELD_OMIT_EMPTY),
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

/* --- life --- */

static es_err *make_dirs(struct store *st, struct arena *a, const struct snapshot_spec *spec, const struct stack_lowers *l)
{
	es_autoclose int upper = -1;
	const char *dir = place(a, spec->kind, spec->id, "");

	if (mkdirat(st->root_fd, dir, 0710) < 0 && errno != EEXIST) /* a container's directory may be there for its files */
		return es_err_sys(errno, "make %s/%s", st->root, dir);
	if (mkdirat(st->root_fd, place(a, spec->kind, spec->id, "/upper"), 0755) < 0 ||
	    mkdirat(st->root_fd, place(a, spec->kind, spec->id, "/work"), 0700) < 0)
		return es_err_sys(errno, "make %s/%s/upper", st->root, dir);
	ES_TRY(open_part(st, a, spec->kind, spec->id, "/upper", &upper));
	return l->n ? stack_copy_attrs(l->fds[0], upper) : NULL;
}

/* The record comes first: it is what keeps the layers from being collected. A record whose directories are missing is what a
 * crash in between leaves; nobody was told of it, and removing it is what its owner does anyway. */
es_err *snapshot_prepare(struct store *st, const struct snapshot_spec *spec)
{
	es_autoarena *a = arena_new();
	es_autolowers l = { 0 };
	struct doc doc = { .stack = (char **)spec->stack, .is_volatile = spec->is_volatile };
	es_err *err;

	ES_TRY(check_id(spec->id));
	if (!idmap_is_identity(spec->map))
		return es_err_new(ES_E_UNSUPPORTED, "id maps for root file systems are not supported yet");
	/* The lease covers the moment in which a collection has read the records and ours is not among them yet. */
	es_autolease *lease = lease_new(st);
	for (size_t i = 0; i < strv_len(doc.stack); i++)
		lease_hold(lease, doc.stack[i]);
	ES_TRY(doc_write(st, a, spec->kind, spec->id, spec->class, &doc, true));
	crash_point(st, CRASH_SNAPSHOT_RECORDED);
	err = stack_open(st, a, spec->stack, true, &l);
	if (!err)
		err = make_dirs(st, a, spec, &l);
	crash_point(st, CRASH_SNAPSHOT_MADE);
	if (err)
		es_err_drop(snapshot_remove(st, spec->kind, spec->id));
	return err;
}

es_err *snapshot_mount(struct store *st, enum snapshot_kind kind, const char *id, int *ret_fd)
{
	es_autoarena *a = arena_new();
	es_autolowers l = { 0 };
	es_autoclose int upper = -1, work = -1;
	struct record r;
	struct doc doc;

	ES_TRY(doc_read(st, a, kind, id, &r, &doc));
	if (doc.frozen)
		return es_err_new(ES_E_CONFLICT, "step %s is finished", id);
	ES_TRY(open_part(st, a, kind, id, "/upper", &upper));
	ES_TRY(open_part(st, a, kind, id, "/work", &work));
	ES_TRY(stack_open(st, a, doc.stack, true, &l));
	/* overlayfs refuses an upper that was mounted volatile before: what it left says so. */
	if (doc.is_volatile)
		ES_TRY(file_remove_tree(work, "work/incompat"));
	return es_err_in(stack_mount(st, a, &l, &(struct stack_mount){ .upper_fd = upper, .work_fd = work, .is_volatile = doc.is_volatile }, ret_fd),
			 "mount the root of %s %s", kinds[kind].word, id);
}

es_err *snapshot_remove(struct store *st, enum snapshot_kind kind, const char *id)
{
	es_autoarena *a = arena_new();

	ES_TRY(check_id(id));
	if (kind == SNAPSHOT_STEP) {
		ES_TRY(store_discard(st, place(a, kind, id, "")));
	} else {
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

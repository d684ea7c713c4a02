/* SPDX-License-Identifier: Apache-2.0 */
/* buildcache.c: the cache of steps: one record of kind "buildstep" per key. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/str.h"
#include "builder/builder_priv.h"
#include "store/crashpoint.h"
#include "store/record.h"
#include "store/snapshot.h"

#define FORMAT 1

/* The document of a record (doc/format/store.md). */
struct step_record {
	int64_t version;
	int64_t created;
	const char *layer; /* diffID or "step:ID"; "" when the step changed no file */
	char **stack;      /* what was below it: other steps in it must stay while this one is a "step:ID" */
};
#define T struct step_record
static const struct field step_record_fields[] = {
	F_I64(T, version, "version", FIELD_REQUIRED),
	F_TIME(T, created, "created", 0),
	F_STR(T, layer, "layer", 0),
	F_STRV(T, stack, "stack", FIELD_OMIT_EMPTY),
	F_END,
};
#undef T

void buildcache_key(const char *parent, const char *words, const char *digest, char *ret_key)
{
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, parent, strlen(parent) + 1);
	sha256_add(&s, words, strlen(words) + 1);
	if (digest)
		sha256_add(&s, digest, strlen(digest) + 1);
	sha256_end_hex(&s, ret_key);
}

/* A layer may have gone with its image, a step with the last boot. */
static bool has_layer(struct build *b, const char *layer)
{
	const char *step_id = str_after(layer, "step:");
	struct snapshot_paths paths;

	if (!*layer)
		return true;
	if (step_id) {
		es_autoerr es_err *err = snapshot_paths(b->store, b->a, SNAPSHOT_STEP, step_id, &paths);
		return !err;
	}
	lease_hold(b->lease, layer);
	return layers_has(b->store, layer);
}

bool buildcache_find(struct build *b, const char *key, struct build_step *step)
{
	struct step_record doc = { 0 };
	struct record r;

	es_autoerr es_err *err = record_get(b->store, b->a, "buildstep", key, &r);
	if (!err)
		err = field_decode_text(b->a, step_record_fields, r.json, strlen(r.json), &doc);
	if (err || doc.version != FORMAT || !doc.layer || !has_layer(b, doc.layer))
		return false;
	step->created_ns = doc.created;
	step->layer = *doc.layer ? doc.layer : NULL;
	step->stack = doc.stack;
	return true;
}

es_err *buildcache_put(struct build *b, const struct build_step *step, bool durable)
{
	struct step_record doc = { .version = FORMAT, .created = step->created_ns, .layer = step->layer ? step->layer : "" };
	es_autobuf json = ES_BUF(RECORD_JSON_MAX);

	if (str_starts(doc.layer, "step:"))
		doc.stack = step->stack;
	field_encode_text(&json, step_record_fields, &doc);
	ES_TRY(es_buf_check(&json));
	ES_TRY(record_put(b->store, &(struct record){ .kind = "buildstep", .id = step->key, .json = es_buf_str(&json),
						      .class = durable ? RECORD_DURABLE : RECORD_RUN }));
	crash_point(b->store, CRASH_BUILD_STEP_CACHED);
	return NULL;
}

/* ---- the sweep ---- */

static es_err *decode(struct arena *a, const struct record *r, struct step_record *ret)
{
	*ret = (struct step_record){ 0 };
	return es_err_in(field_decode_text(a, step_record_fields, r->json, strlen(r->json), ret), "record of build step %s", r->id);
}

/* Every step that a record needs: its own layer and, as long as that is a step, the steps below it. */
static es_err *mark_steps(struct store *st, struct arena *a, struct field_map *ret)
{
	struct record_list list;
	struct step_record doc;

	ES_TRY(record_list(st, a, "buildstep", NULL, &list));
	for (size_t k = 0; k < list.n; k++) {
		ES_TRY(decode(a, &list.items[k], &doc));
		if (!str_starts(doc.layer ? doc.layer : "", "step:"))
			continue;
		field_map_put(a, ret, doc.layer, NULL);
		for (char **below = doc.stack; below && *below; below++)
			if (str_starts(*below, "step:"))
				field_map_put(a, ret, *below, NULL);
	}
	return NULL;
}

es_err *buildcache_sweep(struct store *st, uint64_t *ret_bytes)
{
	es_autoarena *a = arena_new();
	struct field_map *needed = field_map_new(a);
	struct record_list list;

	*ret_bytes = 0;
	ES_TRY(mark_steps(st, a, needed));
	ES_TRY(record_list(st, a, "snapshot", NULL, &list));
	for (size_t k = 0; k < list.n; k++) {
		const char *id = str_after(list.items[k].id, "step/");
		uint64_t bytes = 0;

		if (!id || field_map_has(needed, arena_printf(a, "step:%s", id)))
			continue;
		es_err_drop(snapshot_size(st, SNAPSHOT_STEP, id, &bytes));
		ES_TRY(snapshot_remove(st, SNAPSHOT_STEP, id));
		*ret_bytes += bytes;
	}
	return NULL;
}

/* Bytes of the files below NAME; what cannot be read counts as nothing. */
static uint64_t tree_bytes(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uint64_t bytes = 0;
	struct stat st;

	if (!dir) {
		es_close(fd);
		return 0;
	}
	for (struct dirent *d; (d = readdir(dir));) {
		if (str_eq(d->d_name, ".") || str_eq(d->d_name, "..") || fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		bytes += S_ISDIR(st.st_mode) ? tree_bytes(fd, d->d_name) : (uint64_t)st.st_size;
	}
	closedir(dir);
	return bytes;
}

es_err *buildcache_drop_mounts(struct store *st, uint64_t *ret_bytes)
{
	*ret_bytes = tree_bytes(store_root_fd(st), BUILD_MOUNTS_DIR);
	return store_discard(st, BUILD_MOUNTS_DIR);
}

es_err *buildcache_forget(struct store *st, struct arena *a, bool all, char ***ret_ids)
{
	es_autotx *tx = record_tx_new();
	struct record_list list;
	struct step_record doc;
	char **ids = NULL;

	ES_TRY(record_list(st, a, "buildstep", NULL, &list));
	for (size_t k = 0; k < list.n; k++) {
		ES_TRY(decode(a, &list.items[k], &doc));
		if (!all && doc.layer && (!*doc.layer || layers_has(st, doc.layer)))
			continue;
		record_tx_delete(tx, "buildstep", list.items[k].id);
		ids = strv_arena_add(a, ids, list.items[k].id);
	}
	*ret_ids = ids;
	if (ids)
		ES_TRY(record_commit(st, tx));
	crash_point(st, CRASH_BUILD_FORGOTTEN);
	return NULL;
}

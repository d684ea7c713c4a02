/* SPDX-License-Identifier: Apache-2.0 */
/* gc.c: mark what records and leases lead to, sweep the rest. */
#include "store/gc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/json.h"
#include "store/blob.h"
#include "store/layertree.h"
#include "store/record.h"
#include "store/snapshot.h"
#include "store/stack.h"
#include "store/store_priv.h"

/* --- mark --- */

/* Names that stay: digests of layers and blobs, chain ids of skeletons. Sorted before use. */
struct marks {
	struct arena *a;
	const char **names;
	size_t n, cap;
};

static void mark(struct marks *m, const char *name)
{
	if (m->n == m->cap) {
		const char **old = m->names;

		m->cap = m->cap ? 2 * m->cap : 256;
		m->names = ARENA_ARRAY(m->a, const char *, m->cap);
		if (m->n)
			memcpy(m->names, old, m->n * sizeof *old);
	}
	m->names[m->n++] = name;
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static bool is_marked(const struct marks *m, const char *name)
{
	return m->n && bsearch(&name, m->names, m->n, sizeof *m->names, by_text);
}

static void mark_list(struct marks *m, const struct json *list)
{
	JSON_EACH(at, list)
		if (json_str(at))
			mark(m, json_str(at));
}

/* A stack keeps its layers and the skeletons of all its prefixes. */
static void mark_stack(struct marks *m, const struct json *list)
{
	char **stack = NULL, **chains;

	mark_list(m, list);
	JSON_EACH(at, list)
		if (json_str(at))
			stack = strv_arena_add(m->a, stack, json_str(at));
	chains = stack_chains(m->a, stack);
	for (; *chains; chains++)
		mark(m, *chains);
}

static es_err *mark_kind(struct store *st, struct marks *m, const char *kind)
{
	struct record_list list;

	ES_TRY(record_list(st, m->a, kind, NULL, &list));
	for (size_t i = 0; i < list.n; i++) {
		struct json *doc;

		ES_TRY(es_err_in(json_parse(m->a, list.items[i].json, strlen(list.items[i].json), &doc), "record of %s %s", kind,
				 list.items[i].id));
		mark(m, list.items[i].id);
		mark_stack(m, json_get(doc, "layers"));
		mark_stack(m, json_get(doc, "stack"));
		mark_list(m, json_get(doc, "blobs"));
	}
	return NULL;
}

static es_err *mark_all(struct store *st, struct marks *m)
{
	mark(m, "scratch");
	ES_TRY(mark_kind(st, m, "image"));
	ES_TRY(mark_kind(st, m, "snapshot"));
	if (m->n)
		qsort(m->names, m->n, sizeof *m->names, by_text);
	return NULL;
}

/* --- sweep --- */

static es_err *each_name(struct store *st, const char *path, es_err *(*fn)(void *self, const char *name), void *self)
{
	int fd = openat(st->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	es_err *err = NULL;

	if (!dir) {
		es_close(fd);
		return es_err_sys(errno, "open %s/%s", st->root, path);
	}
	for (struct dirent *e; !err && (e = readdir(dir));)
		if (e->d_name[0] != '.')
			err = fn(self, e->d_name);
	closedir(dir);
	return err;
}

struct sweep {
	struct store *st;
	struct marks *marks;
	struct gc_result *result;
};

/* The lease is asked again under the lock under which content becomes visible, and the content leaves under the same lock: so
 * whoever holds first and looks then, sees the truth. */
static es_err *sweep_layer(void *self, const char *hex)
{
	struct sweep *s = self;
	char digest[BLOB_DIGEST_MAX];
	es_autofree char *path = es_xasprintf("layers/%s", hex);
	struct layers_info info = { 0 };
	es_err *err = NULL;
	bool goes;

	snprintf(digest, sizeof digest, "sha256:%s", hex);
	if (is_marked(s->marks, digest))
		return NULL;
	es_err_drop(layers_stat(s->st, digest, &info));
	pthread_mutex_lock(&s->st->content_lock);
	goes = !lease_holds(s->st, digest);
	if (goes) {
		err = record_delete(s->st, "layer", digest);
		crash_point(s->st, CRASH_GC_RECORD);
		if (!err)
			err = layertree_forget(s->st, digest);
		if (!err)
			err = store_discard(s->st, path);
	}
	pthread_mutex_unlock(&s->st->content_lock);
	if (goes && !err) {
		crash_point(s->st, CRASH_GC_LAYER);
		s->result->layers++;
		s->result->bytes += info.content_size;
	}
	return err;
}

/* Records whose directory somebody took away. */
static es_err *sweep_layer_records(struct store *st, struct sweep *s)
{
	struct record_list list;

	ES_TRY(record_list(st, s->marks->a, "layer", NULL, &list));
	for (size_t i = 0; i < list.n; i++)
		if (blob_is_digest(list.items[i].id))
			ES_TRY(sweep_layer(s, list.items[i].id + strlen("sha256:")));
	return NULL;
}

static es_err *sweep_blob(void *self, const char *hex)
{
	struct sweep *s = self;
	char digest[BLOB_DIGEST_MAX];
	es_autofree char *path = es_xasprintf("blobs/sha256/%s", hex);
	struct stat st;
	es_err *err = NULL;
	bool goes;

	snprintf(digest, sizeof digest, "sha256:%s", hex);
	if (is_marked(s->marks, digest) || fstatat(s->st->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	pthread_mutex_lock(&s->st->content_lock);
	goes = !lease_holds(s->st, digest);
	if (goes)
		err = store_discard(s->st, path);
	pthread_mutex_unlock(&s->st->content_lock);
	if (goes && !err) {
		crash_point(s->st, CRASH_GC_BLOB);
		s->result->blobs++;
		s->result->bytes += (uint64_t)st.st_size;
	}
	return err;
}

/* Skeletons are made again when they are needed: a lost race costs nothing. */
static es_err *sweep_skel(void *self, const char *name)
{
	struct sweep *s = self;
	char chain[BLOB_DIGEST_MAX];
	size_t n = strcspn(name, ".");
	es_autofree char *path = es_xasprintf("skel/%s", name);

	if (!name[n])
		return NULL;
	snprintf(chain, sizeof chain, "sha256:%.*s", (int)n, name);
	if (is_marked(s->marks, chain) || is_marked(s->marks, chain + strlen("sha256:")))
		return NULL;
	return store_discard(s->st, path);
}

/* Steps and uppers that no record knows: what a crash or a reboot left of snapshots of class RUN. */
static es_err *sweep_snapshot(struct sweep *s, enum snapshot_kind kind, const char *dir, const char *word, const char *id)
{
	es_autofree char *record = es_xasprintf("%s/%s", word, id), *upper = es_xasprintf("%s/%s/upper", dir, id);

	if (is_marked(s->marks, record) || faccessat(s->st->root_fd, upper, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	s->result->snapshots++;
	return snapshot_remove(s->st, kind, id);
}

static es_err *sweep_container(void *self, const char *id)
{
	return sweep_snapshot(self, SNAPSHOT_CONTAINER, "containers", "container", id);
}

static es_err *sweep_step(void *self, const char *id)
{
	return sweep_snapshot(self, SNAPSHOT_STEP, "steps", "step", id);
}

static es_err *run(struct store *st, struct sweep *s)
{
	ES_TRY(mark_all(st, s->marks));
	crash_point(st, CRASH_GC_MARKED);
	ES_TRY(each_name(st, "layers", sweep_layer, s));
	ES_TRY(sweep_layer_records(st, s));
	ES_TRY(each_name(st, "blobs/sha256", sweep_blob, s));
	return each_name(st, "skel", sweep_skel, s);
}

es_err *gc_run(struct store *st, struct gc_result *ret)
{
	es_autoarena *a = arena_new();
	struct marks marks = { .a = a };
	struct gc_result result = { 0 };
	struct sweep s = { st, &marks, &result };
	es_err *err;

	lease_collect(st, true);
	err = run(st, &s);
	lease_collect(st, false);
	if (!err && ret)
		*ret = result;
	return err;
}

es_err *gc_sweep_snapshots(struct store *st)
{
	es_autoarena *a = arena_new();
	struct marks marks = { .a = a };
	struct gc_result result = { 0 };
	struct sweep s = { st, &marks, &result };

	ES_TRY(mark_all(st, &marks));
	ES_TRY(each_name(st, "containers", sweep_container, &s));
	return each_name(st, "steps", sweep_step, &s);
}

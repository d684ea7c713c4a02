/* SPDX-License-Identifier: Apache-2.0 */
/* ctr.c: the table of containers: find by id, prefix and name; records to and from the store; their events. */
#include "engine/ctr_priv.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/events.h"
#include "catalog/volume.h"
#include "store/snapshot.h"

const char *const ctr_status_name[CTR_STATUS_N] = {
	[CTR_CREATED] = "created",   [CTR_RUNNING] = "running", [CTR_PAUSED] = "paused", [CTR_RESTARTING] = "restarting",
	[CTR_REMOVING] = "removing", [CTR_EXITED] = "exited",   [CTR_DEAD] = "dead",
};

struct ctrs {
	pthread_rwlock_t lock;
	struct ctr **items; /* in order of creation */
	size_t n, cap;
};

/* ---- tables ---- */

#define T struct ctr_mount
static const struct field mount_fields[] = {
	F_STR(T, type, "type", 0),
	F_STR(T, name, "name", FIELD_OMIT_EMPTY),
	F_STR(T, source, "source", FIELD_OMIT_EMPTY),
	F_STR(T, destination, "destination", 0),
	F_STR(T, driver, "driver", FIELD_OMIT_EMPTY),
	F_STR(T, mode, "mode", FIELD_OMIT_EMPTY),
	F_BOOL(T, rw, "rw", 0),
	F_STR(T, propagation, "propagation", FIELD_OMIT_EMPTY),
	F_STR(T, options, "options", FIELD_OMIT_EMPTY),
	F_STR(T, subpath, "subpath", FIELD_OMIT_EMPTY),
	F_BOOL(T, no_copy, "no_copy", FIELD_OMIT_EMPTY),
	F_BOOL(T, anonymous, "anonymous", FIELD_OMIT_EMPTY),
	F_BOOL(T, from_mounts, "from_mounts", FIELD_OMIT_EMPTY),
	F_BOOL(T, non_recursive, "non_recursive", FIELD_OMIT_EMPTY),
	F_BOOL(T, ro_shallow, "ro_shallow", FIELD_OMIT_EMPTY),
	F_END,
};
#undef T

#define T struct ctr_record
const struct field ctr_record_fields[] = {
	F_I64(T, version, "version", 0),
	F_STR(T, id, "id", 0),
	F_STR(T, name, "name", 0),
	F_I64(T, created, "created", 0),
	F_STR(T, image_id, "image_id", 0),
	F_STR(T, image_name, "image_name", 0),
	F_STRV(T, layers, "layers", 0),
	F_STR(T, path, "path", 0),
	F_STRV(T, args, "args", 0),
	F_PTR(T, config, "config", 0, struct docker_config, docker_config_fields),
	F_PTR(T, host_config, "host_config", 0, struct docker_host_config, docker_host_config_fields),
	F_LIST(T, mounts, "mounts", 0, struct ctr_mount, mount_fields),
	F_RAW(T, endpoints, "endpoints", 0),
	F_END,
};
#undef T

#define T struct ctr_run
const struct field ctr_run_fields[] = {
	F_I64(T, version, "version", 0),
	F_STR(T, status, "status", 0),
	F_I64(T, pid, "pid", 0),
	F_U64(T, start_ticks, "start_ticks", 0),
	F_I64(T, exit_code, "exit_code", 0),
	F_STR(T, error, "error", FIELD_OMIT_EMPTY),
	F_BOOL(T, oom_killed, "oom_killed", 0),
	F_BOOL(T, committing, "committing", FIELD_OMIT_EMPTY),
	F_BOOL(T, stopped_by_user, "stopped_by_user", 0),
	F_I64(T, started_at, "started_at", 0),
	F_I64(T, finished_at, "finished_at", 0),
	F_I64(T, restart_count, "restart_count", 0),
	F_I64(T, journal_seq, "journal_seq", 0),
	F_RAW(T, networks, "networks", 0),
	F_RAW(T, ports, "ports", 0),
	F_END,
};
#undef T

/* ---- objects ---- */

struct ctrs *ctrs_new(void)
{
	struct ctrs *t = ES_NEW(struct ctrs);

	(void)pthread_rwlock_init(&t->lock, NULL);
	return t;
}

void ctrs_free(struct ctrs *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		ctr_unref(t->items[i]);
	free(t->items);
	(void)pthread_rwlock_destroy(&t->lock);
	free(t);
}

struct ctr *ctr_new(struct engine *e, struct arena *arena, struct ctr_record *rec)
{
	struct ctr *c = ES_NEW(struct ctr);

	c->refs = 1;
	c->e = e;
	(void)snprintf(c->id, sizeof c->id, "%s", rec->id);
	c->created = rec->created;
	c->class = rec->host_config->auto_remove ? RECORD_RUN : RECORD_DURABLE;
	(void)pthread_mutex_init(&c->op, NULL);
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->changed, NULL);
	c->arena = arena;
	c->rec = rec;
	c->started_at = c->finished_at = INT64_MIN;
	list_init(&c->waits);
	list_init(&c->pending);
	list_init(&c->execs);
	c->run_dirfd = c->rootfs_fd = -1;
	return c;
}

struct ctr *ctr_ref(struct ctr *c)
{
	c->refs++;
	return c;
}

void ctr_unref(struct ctr *c)
{
	if (!c || --c->refs > 0)
		return;
	LIST_EACH(at, &c->pending)
		ctr_pending_free(LIST_ENTRY(at, struct ctr_pending, link));
	es_close(c->run_dirfd);
	es_close(c->rootfs_fd);
	arena_free(c->arena);
	arena_free(c->health_arena);
	arena_free(c->net_arena);
	free(c->error);
	(void)pthread_mutex_destroy(&c->op);
	(void)pthread_mutex_destroy(&c->lock);
	(void)pthread_cond_destroy(&c->changed);
	free(c);
}

char *ctr_dir(const struct ctr *c)
{
	return es_xasprintf("containers/%s", c->id);
}

/* ---- the table. rec->name changes only under the table's write lock and the container's lock ---- */

static bool name_is(const struct ctr *c, const char *name)
{
	return strcmp(c->rec->name, name) == 0;
}

static es_err *find_locked(struct ctrs *t, const char *word, struct ctr **ret)
{
	const char *name = *word == '/' ? word + 1 : word;
	struct ctr *by_prefix = NULL;
	size_t len = strlen(word);

	if (!len)
		return es_err_new(ES_E_INVALID, "invalid name or ID supplied: \"\"");
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->items[i]->id, word) == 0) {
			*ret = ctr_ref(t->items[i]);
			return NULL;
		}
	for (size_t i = 0; i < t->n; i++)
		if (name_is(t->items[i], name)) {
			*ret = ctr_ref(t->items[i]);
			return NULL;
		}
	for (size_t i = 0; len && i < t->n; i++) {
		if (strncmp(t->items[i]->id, word, len) != 0)
			continue;
		if (by_prefix)
			return es_err_new(ES_E_INVALID, "multiple IDs found with provided prefix: %s", word);
		by_prefix = t->items[i];
	}
	if (!by_prefix)
		return es_err_new(ES_E_NOT_FOUND, "No such container: %s", word);
	*ret = ctr_ref(by_prefix);
	return NULL;
}

es_err *ctr_find(struct engine *e, const char *word, struct ctr **ret)
{
	es_err *err;

	(void)pthread_rwlock_rdlock(&e->ctrs->lock);
	err = find_locked(e->ctrs, word, ret);
	(void)pthread_rwlock_unlock(&e->ctrs->lock);
	return err;
}

static es_err *name_conflict(struct ctrs *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (name_is(t->items[i], name))
			return es_err_new(ES_E_CONFLICT,
					  "Conflict. The container name \"/%s\" is already in use by container \"%s\". You have to remove "
					  "(or rename) that container to be able to reuse that name.",
					  name, t->items[i]->id);
	return NULL;
}

es_err *ctr_insert(struct engine *e, struct ctr *c)
{
	struct ctrs *t = e->ctrs;
	es_err *err;

	(void)pthread_rwlock_wrlock(&t->lock);
	err = name_conflict(t, c->rec->name);
	if (!err) {
		if (t->n == t->cap) {
			t->cap = t->cap ? 2 * t->cap : 16;
			t->items = es_xrealloc(t->items, t->cap * sizeof *t->items);
		}
		t->items[t->n++] = ctr_ref(c);
	}
	(void)pthread_rwlock_unlock(&t->lock);
	return err;
}

void ctr_take_out(struct engine *e, struct ctr *c)
{
	struct ctrs *t = e->ctrs;
	size_t i = 0;
	bool found;

	(void)pthread_rwlock_wrlock(&t->lock);
	while (i < t->n && t->items[i] != c)
		i++;
	found = i < t->n;
	if (found) {
		memmove(&t->items[i], &t->items[i + 1], (t->n - i - 1) * sizeof *t->items);
		t->n--;
	}
	(void)pthread_rwlock_unlock(&t->lock);
	if (found)
		ctr_unref(c);
}

es_err *ctr_reindex(struct engine *e, struct ctr *c, const char *new_name)
{
	es_err *err;

	(void)pthread_rwlock_wrlock(&e->ctrs->lock);
	err = name_conflict(e->ctrs, new_name);
	if (!err) {
		(void)pthread_mutex_lock(&c->lock);
		c->rec->name = arena_strdup(c->arena, new_name);
		(void)pthread_mutex_unlock(&c->lock);
	}
	(void)pthread_rwlock_unlock(&e->ctrs->lock);
	return err;
}

struct ctr **ctr_snapshot(struct engine *e, size_t *ret_n)
{
	struct ctrs *t = e->ctrs;
	struct ctr **all;

	(void)pthread_rwlock_rdlock(&t->lock);
	all = es_xcalloc(t->n + 1, sizeof(struct ctr *));
	for (size_t i = 0; i < t->n; i++)
		all[t->n - 1 - i] = ctr_ref(t->items[i]);
	*ret_n = t->n;
	(void)pthread_rwlock_unlock(&t->lock);
	return all;
}

void ctr_count(struct engine *e, struct ctr_counts *ret)
{
	size_t n;
	struct ctr **all = ctr_snapshot(e, &n);

	*ret = (struct ctr_counts){ .all = n };
	for (size_t i = 0; i < n; i++) {
		enum ctr_status status;

		(void)pthread_mutex_lock(&all[i]->lock);
		status = all[i]->status;
		(void)pthread_mutex_unlock(&all[i]->lock);
		if (status == CTR_PAUSED)
			ret->paused++;
		else if (status == CTR_RUNNING || status == CTR_RESTARTING)
			ret->running++;
		else
			ret->stopped++;
		ctr_unref(all[i]);
	}
	free(all);
}

/* ---- records ---- */

static es_err *save(struct ctr *c, struct record_tx *tx)
{
	es_autobuf text = ES_BUF(CTR_RECORD_MAX);
	struct record r = { .kind = "container", .id = c->id, .class = c->class };

	(void)pthread_mutex_lock(&c->lock);
	field_encode_text(&text, ctr_record_fields, c->rec);
	r.name = c->rec->name; /* stable: names change under op, which the caller holds */
	r.ref = c->rec->image_id;
	(void)pthread_mutex_unlock(&c->lock);
	ES_TRY(es_buf_check(&text));
	r.json = text.p;
	record_tx_put(tx, &r);
	return record_commit(c->e->store, tx);
}

es_err *ctr_save(struct ctr *c)
{
	es_autotx *tx = record_tx_new();

	return save(c, tx);
}

es_err *ctr_save_new(struct ctr *c)
{
	es_autotx *tx = record_tx_new();

	FIELD_LIST_EACH(struct ctr_mount, m, &c->rec->mounts)
		if (str_eq(m->type, "volume") && !m->anonymous)
			ES_TRY(volume_tx_keep(c->e->volumes, tx, m->name));
	return save(c, tx);
}

/* Two copies of the run state: one that outlives a boot, written when a run begins and ends, and one of this boot, written at
 * every word of the monitor. A container of --rm has the second only. */
#define RUN_KIND "container-run"
#define LIVE_KIND "container-live"

static void put_run(struct ctr *c, bool lasting)
{
	es_autobuf text = ES_BUF(CTR_RECORD_MAX);
	es_autotx *tx = record_tx_new();
	struct record r = { .kind = LIVE_KIND, .id = c->id, .class = RECORD_RUN };
	struct ctr_run run;

	(void)pthread_mutex_lock(&c->lock);
	run = (struct ctr_run){
		.version = CTR_RECORD_VERSION, .status = ctr_status_name[c->status], .pid = c->pid,
		.start_ticks = c->start_ticks, .exit_code = c->exit_code, .error = c->error,
		.oom_killed = c->oom_killed, .stopped_by_user = c->stopped_by_user, .committing = c->committing, .started_at = c->started_at,
		.finished_at = c->finished_at, .restart_count = c->restart_count, .journal_seq = c->journal_seq,
		.networks = c->networks, .ports = c->ports,
	};
	field_encode_text(&text, ctr_run_fields, &run);
	(void)pthread_mutex_unlock(&c->lock);
	r.json = es_buf_str(&text);
	record_tx_put(tx, &r);
	if (lasting && c->class == RECORD_DURABLE) {
		r.kind = RUN_KIND;
		r.class = RECORD_DURABLE;
		record_tx_put(tx, &r);
	}
	log_err(record_commit(c->e->store, tx), "container %.12s: keep its state", c->id);
}

void ctr_save_run(struct ctr *c)
{
	put_run(c, true);
}

void ctr_save_live(struct ctr *c)
{
	put_run(c, false);
}

void ctr_delete_records(struct record_tx *tx, const struct ctr *c)
{
	record_tx_delete(tx, "container", c->id);
	record_tx_delete(tx, RUN_KIND, c->id);
	record_tx_delete(tx, LIVE_KIND, c->id);
	snapshot_tx_forget(tx, SNAPSHOT_CONTAINER, c->id);
}

static es_err *read_run(struct engine *e, struct arena *a, const char *kind, const char *id, struct ctr_run *run)
{
	struct record r;
	es_err *err = record_get(e->store, a, kind, id, &r);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return NULL;
	}
	ES_TRY(err);
	*run = (struct ctr_run){ .started_at = INT64_MIN, .finished_at = INT64_MIN };
	return field_decode_text(a, ctr_run_fields, r.json, strlen(r.json), run);
}

static void load_run(struct engine *e, struct ctr *c)
{
	es_autoarena *a = arena_new();
	struct ctr_run run = { .started_at = INT64_MIN, .finished_at = INT64_MIN };

	log_err(read_run(e, a, RUN_KIND, c->id, &run), "container %.12s: state", c->id);
	log_err(read_run(e, a, LIVE_KIND, c->id, &run), "container %.12s: state", c->id);
	for (size_t i = 0; i < CTR_STATUS_N; i++)
		if (str_eq(run.status, ctr_status_name[i]))
			c->status = (enum ctr_status)i;
	c->pid = run.pid;
	c->start_ticks = run.start_ticks;
	c->exit_code = run.exit_code;
	c->error = str_empty(run.error) ? NULL : es_xstrdup(run.error);
	c->oom_killed = run.oom_killed;
	c->committing = run.committing;
	c->stopped_by_user = run.stopped_by_user;
	c->started_at = run.started_at;
	c->finished_at = run.finished_at;
	c->restart_count = run.restart_count;
	c->journal_seq = run.journal_seq;
	c->networks = run.networks;
	c->ports = run.ports;
	c->net_arena = ES_TAKE(a);
}

static es_err *load_one(struct engine *e, const struct record *r)
{
	struct arena *a = arena_new();
	struct ctr_record *rec = ARENA_NEW(a, struct ctr_record);
	es_err *err = field_decode_text(a, ctr_record_fields, r->json, strlen(r->json), rec);
	struct ctr *c;

	if (!err && rec->version > CTR_RECORD_VERSION)
		err = es_err_new(ES_E_UNSUPPORTED, "record version %lld is newer than %d", (long long)rec->version,
				 CTR_RECORD_VERSION);
	if (!err && (str_empty(rec->id) || str_empty(rec->name) || !rec->config || !rec->host_config))
		err = es_err_new(ES_E_PROTOCOL, "record is incomplete");
	if (err) {
		arena_free(a);
		return err;
	}
	c = ctr_new(e, a, rec);
	load_run(e, c);
	err = ctr_insert(e, c);
	ctr_unref(c);
	return err;
}

es_err *ctr_load_all(struct engine *e)
{
	es_autoarena *a = arena_new();
	struct record_list list;

	ES_TRY(record_list(e->store, a, "container", NULL, &list));
	for (size_t i = 0; i < list.n; i++)
		log_err(load_one(e, &list.items[i]), "container %.12s was not loaded", list.items[i].id);
	return NULL;
}

/* ---- events ---- */

void ctr_event_at(struct ctr *c, int64_t time_ns, const char *action, const char *const *extra)
{
	es_autoarena *a = arena_new();
	struct field_map *attributes = field_map_new(a);

	(void)pthread_mutex_lock(&c->lock);
	FIELD_MAP_EACH(at, c->rec->config->labels)
		field_map_put(a, attributes, arena_strdup(a, at->key), arena_strdup(a, at->value ? at->value : ""));
	field_map_put(a, attributes, "image", arena_strdup(a, c->rec->image_name));
	field_map_put(a, attributes, "name", arena_strdup(a, c->rec->name));
	(void)pthread_mutex_unlock(&c->lock);
	for (; extra && *extra; extra += 2)
		field_map_put(a, attributes, extra[0], (void *)(uintptr_t)extra[1]);
	events_publish_at(c->e, time_ns, "container", action, c->id, attributes);
}

void ctr_event(struct ctr *c, const char *action, ...)
{
	const char *extra[17] = { NULL };
	va_list ap;

	va_start(ap, action);
	for (size_t i = 0; i < ES_N(extra) - 1; i++) {
		extra[i] = va_arg(ap, const char *);
		if (!extra[i])
			break;
	}
	va_end(ap);
	ctr_event_at(c, clock_now_ns(), action, extra);
}

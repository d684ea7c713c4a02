/* SPDX-License-Identifier: Apache-2.0 */
/* volume.c: named and anonymous local volumes. */
#include "catalog/volume.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "catalog/volume_priv.h"
#include "store/crashpoint.h"
#include "store/lease.h"
#include "store/record.h"
#include "sys/mount.h"

#define KIND "volume"
#define GONE_KIND "volume-gone" /* removed, its data perhaps not yet: nothing else allows data to be thrown away at an open */
#define USE_KIND "volume-use" /* run state: ID is VOLUME/CONTAINER, REF the volume */
#define VOLUME_RECORD_VERSION 1
#define VOLUME_RECORD_MAX (1u << 20)
#define ANONYMOUS_LABEL "com.docker.volume.anonymous"

struct volumes {
	struct store *store;
	const struct volumes_ops *ops;
	void *self;
	char **late; /* name and owner in turn: volumes whose owner is gone and that could not go then (no space for the record of it) */
	char **thrown; /* volumes whose GONE_KIND record is of no use any more */
	pthread_mutex_t lock; /* create, remove, mount and unmount one at a time */
};

/* What is stored; the mount point is never: the data root may move. */
struct volume_record {
	int64_t version;
	const char *name, *created_at;
	const char *owner; /* container that it was made for and goes with */
	struct field_map *labels, *options;
};
#define T struct volume_record
static const struct field volume_record_fields[] = {
	F_I64(T, version, "Version", 0),
	F_STR(T, name, "Name", FIELD_REQUIRED),
	F_STR(T, created_at, "CreatedAt", 0),
	F_STR(T, owner, "Owner", FIELD_OMIT_EMPTY),
	F_STR_MAP(T, labels, "Labels", 0),
	F_STR_MAP(T, options, "Options", 0),
	F_END,
};
#undef T

static void unlock_p(struct volumes **v)
{
	(void)pthread_mutex_unlock(&(*v)->lock);
}
static struct volumes *locked(struct volumes *v)
{
	(void)pthread_mutex_lock(&v->lock);
	return v;
}
#define WITH_LOCK(v) es_auto(unlock_p) ES_UNUSED struct volumes *held_ = locked(v)

es_err *volumes_open(struct store *st, const struct volumes_ops *ops, void *self, struct volumes **ret)
{
	struct volumes *v;

	ES_TRY(file_mkdir_p(store_root_fd(st), "volumes", 0701));
	v = ES_NEW(struct volumes);
	*v = (struct volumes){ .store = st, .ops = ops, .self = self };
	(void)pthread_mutex_init(&v->lock, NULL);
	*ret = v;
	return NULL;
}

void volumes_close(struct volumes *v)
{
	if (!v)
		return;
	(void)pthread_mutex_destroy(&v->lock);
	strv_free(v->late);
	strv_free(v->thrown);
	free(v);
}

/* ---- records ---- */

static es_err *load(struct volumes *v, struct arena *a, const char *name, struct volume_record *ret)
{
	struct record r;
	es_err *err = record_get(v->store, a, KIND, name, &r);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_drop(err);
		return es_err_new(ES_E_NOT_FOUND, "get %s: no such volume", name);
	}
	ES_TRY(err);
	*ret = (struct volume_record){ 0 };
	ES_TRY(es_err_in(field_decode_text(a, volume_record_fields, r.json, strlen(r.json), ret), "volume record %s", name));
	if (ret->version > VOLUME_RECORD_VERSION)
		return es_err_new(ES_E_UNSUPPORTED, "volume record %s: its format %lld is newer than %d", name, (long long)ret->version,
				  VOLUME_RECORD_VERSION);
	return NULL;
}

/* The same for whom a volume that is not there is no error: *RET_FOUND. */
static es_err *load_any(struct volumes *v, struct arena *a, const char *name, struct volume_record *ret, bool *ret_found)
{
	es_err *err = load(v, a, name, ret);

	*ret_found = !err;
	if (!err || es_err_class(err) != ES_E_NOT_FOUND)
		return err;
	es_err_drop(err);
	return NULL;
}

static const char *data_path(const struct volumes *v, struct arena *a, const char *name)
{
	return arena_printf(a, "%s/volumes/%s/_data", store_root(v->store), name);
}

static void show(const struct volumes *v, struct arena *a, const struct volume_record *r, struct docker_volume *ret)
{
	*ret = (struct docker_volume){ .created_at = r->created_at, .driver = "local", .labels = r->labels,
				       .mountpoint = data_path(v, a, r->name), .name = r->name, .options = r->options, .scope = "local" };
}

/* MORE: names and values of further attributes, NULL-terminated; NULL: none. */
static void event(struct volumes *v, const char *action, const char *name, const char *const *more)
{
	es_autoarena *a = arena_new();
	struct field_map *attributes = field_map_new(a);

	if (!v->ops || !v->ops->event)
		return;
	field_map_put(a, attributes, "driver", arena_strdup(a, "local"));
	for (; more && *more; more += 2)
		field_map_put(a, attributes, more[0], arena_strdup(a, more[1]));
	v->ops->event(v->self, action, name, attributes);
}

static char **users_of(struct volumes *v, struct arena *a, const char *name)
{
	return v->ops && v->ops->users ? v->ops->users(v->self, a, name) : NULL;
}

/* ---- create ---- */

static bool name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (!first && (c == '_' || c == '.' || c == '-'));
}

static es_err *check_name(const char *name)
{
	if (strlen(name) < 2)
		return es_err_new(ES_E_INVALID, "create %s: volume name is too short, names should be at least two alphanumeric characters", name);
	if (strlen(name) > 255)
		return es_err_new(ES_E_INVALID, "create %s: volume name is longer than 255 characters", name);
	for (size_t i = 0; name[i]; i++)
		if (!name_char(name[i], i == 0))
			return es_err_new(ES_E_INVALID, "create %s: \"%s\" includes invalid characters for a local volume name, only "
							"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, "
							"use absolute path", name, name);
	return NULL;
}

static es_err *check_options(const char *name, const struct field_map *options)
{
	static const char *const known[] = { "type", "o", "device" };
	const char *type = field_map_get(options, "type"), *device = field_map_get(options, "device");

	FIELD_MAP_EACH(e, options) {
		bool ok = false;

		for (size_t i = 0; i < ES_N(known); i++)
			ok |= strcmp(known[i], e->key) == 0;
		if (!ok && strcmp(e->key, "size") == 0)
			return es_err_new(ES_E_UNSUPPORTED, "create %s: quota size requested but no quota support", name);
		if (!ok)
			return es_err_new(ES_E_INVALID, "create %s: invalid option: \"%s\"", name, e->key);
	}
	if (field_map_has(options, "o") && !type && !device)
		return es_err_new(ES_E_INVALID, "create %s: missing required option: \"device\"", name);
	return NULL;
}

static es_err *check_driver(const char *name, const char *driver)
{
	if (str_empty(driver) || strcmp(driver, "local") == 0)
		return NULL;
	return es_err_new(ES_E_NOT_FOUND, "create %s: error looking up volume plugin %s: plugin \"%s\" not found", name, driver, driver);
}

static const char *now_text(struct arena *a)
{
	time_t now = (time_t)(clock_now_ns() / CLOCK_NS_PER_S);
	char text[40];
	struct tm tm;

	(void)gmtime_r(&now, &tm);
	(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return arena_strdup(a, text);
}

static es_err *put(struct record_tx *tx, const struct volume_record *rec)
{
	es_autobuf text = ES_BUF(VOLUME_RECORD_MAX);
	struct record r = { .kind = KIND, .id = rec->name, .class = RECORD_DURABLE };

	field_encode_text(&text, volume_record_fields, rec);
	ES_TRY(es_buf_check(&text));
	r.json = es_buf_str(&text);
	record_tx_put(tx, &r);
	return NULL;
}

/* A directory that no record knows and in which nothing is. Never more: what is lost with a database is not thrown after it. */
static void remove_empty(struct volumes *v, const char *name)
{
	es_autofree char *dir = es_xasprintf("volumes/%s/_data", name), *parent = es_xasprintf("volumes/%s", name);

	(void)unlinkat(store_root_fd(v->store), dir, AT_REMOVEDIR);
	(void)unlinkat(store_root_fd(v->store), parent, AT_REMOVEDIR);
}

static es_err *make_dirs(struct volumes *v, const char *name)
{
	es_autofree char *dir = es_xasprintf("volumes/%s/_data", name), *parent = es_xasprintf("volumes/%s", name);

	ES_TRY(file_mkdir_p(store_root_fd(v->store), parent, 0701));
	ES_TRY(file_mkdir_p(store_root_fd(v->store), dir, 0755));
	ES_TRY(store_sync_dir(v->store, parent));
	ES_TRY(store_sync_dir(v->store, "volumes"));
	crash_point(v->store, CRASH_VOLUME_MADE);
	return NULL;
}

static es_err *add(struct volumes *v, const struct volume_record *rec)
{
	es_autotx *tx = record_tx_new();
	es_err *err;

	ES_TRY(put(tx, rec));
	record_tx_delete(tx, GONE_KIND, rec->name);
	es_autolease *lease = lease_new(v->store); /* says that the record is coming */
	err = make_dirs(v, rec->name); /* first: a record never names what is not there */
	if (!err)
		err = record_commit(v->store, tx);
	if (err) {
		remove_empty(v, rec->name);
		return err;
	}
	crash_point(v->store, CRASH_VOLUME_RECORDED);
	event(v, "create", rec->name, NULL);
	return NULL;
}

static es_err *disown(struct volumes *v, struct volume_record *rec)
{
	es_autotx *tx = record_tx_new();

	rec->owner = NULL;
	ES_TRY(put(tx, rec));
	return record_commit(v->store, tx);
}

/* Asked for by somebody else than whom it was made for. */
static bool is_shared(const struct volume_use *use, const struct volume_record *rec)
{
	return rec->owner && !str_eq(rec->owner, use->owner);
}

static es_err *create(struct volumes *v, struct arena *a, const struct volume_use *use, struct volume_record *ret)
{
	WITH_LOCK(v);
	es_err *err;

	ES_TRY(check_name(use->name));
	ES_TRY(check_driver(use->name, use->driver));
	err = load(v, a, use->name, ret);
	if (!err) /* docker, too, takes the existing one, whatever the options say */
		return is_shared(use, ret) ? disown(v, ret) : NULL;
	if (es_err_class(err) != ES_E_NOT_FOUND)
		return err;
	es_err_drop(err);
	ES_TRY(check_options(use->name, use->options));
	*ret = (struct volume_record){ .version = VOLUME_RECORD_VERSION, .name = use->name, .created_at = now_text(a), .owner = use->owner };
	if (use->options && use->options->n)
		ret->options = (struct field_map *)(uintptr_t)use->options;
	if (use->labels && use->labels->n)
		ret->labels = (struct field_map *)(uintptr_t)use->labels;
	if (use->anonymous) {
		struct field_map *labels = field_map_new(a);

		FIELD_MAP_EACH(e, use->labels)
			field_map_put(a, labels, e->key, e->value);
		field_map_put(a, labels, ANONYMOUS_LABEL, arena_strdup(a, ""));
		ret->labels = labels;
	}
	return es_err_in(add(v, ret), "create %s", use->name);
}

es_err *volume_create(struct volumes *v, struct arena *a, const struct docker_volume_create *req, struct docker_volume *ret)
{
	struct volume_use use = { .name = req->name, .driver = req->driver, .options = req->driver_opts, .labels = req->labels };
	struct volume_record rec;
	char id[65];

	if (req->cluster_volume_spec && !json_is(req->cluster_volume_spec, JSON_NULL))
		return es_err_new(ES_E_UNAVAILABLE, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
						    "connect this node to swarm and try again.");
	if (str_empty(use.name)) {
		rand_hex(id, 64);
		use.name = arena_strdup(a, id);
		use.anonymous = true;
	}
	ES_TRY(create(v, a, &use, &rec));
	show(v, a, &rec, ret);
	return NULL;
}

es_err *volume_ensure(struct volumes *v, struct arena *a, const struct volume_use *use, const char **ret_path)
{
	struct volume_record rec;

	ES_TRY(create(v, a, use, &rec));
	*ret_path = data_path(v, a, use->name);
	return NULL;
}

/* ---- inspect and list ---- */

es_err *volume_inspect(struct volumes *v, struct arena *a, const char *name, struct docker_volume *ret)
{
	struct volume_record rec;

	ES_TRY(load(v, a, name, &rec));
	show(v, a, &rec, ret);
	return NULL;
}

static int64_t size_of(struct volumes *v, const char *name)
{
	es_autofree char *dir = es_xasprintf("volumes/%s/_data", name);
	uint64_t bytes = 0;
	es_err *err = volume_tree_size(store_root_fd(v->store), dir, &bytes);

	if (err) {
		es_err_drop(err);
		return -1;
	}
	return (int64_t)bytes;
}

static es_err *records(struct volumes *v, struct arena *a, struct volume_record **ret, size_t *ret_n)
{
	struct record_list list;

	ES_TRY(record_list(v->store, a, KIND, NULL, &list));
	*ret = ARENA_ARRAY(a, struct volume_record, list.n + 1);
	for (size_t i = 0; i < list.n; i++)
		ES_TRY(es_err_in(field_decode_text(a, volume_record_fields, list.items[i].json, strlen(list.items[i].json), &(*ret)[i]),
				 "volume record %s", list.items[i].id));
	*ret_n = list.n;
	return NULL;
}

static void leave_late(struct volumes *v);

es_err *volume_list(struct volumes *v, struct arena *a, const struct filters *f, bool usage, struct field_list *ret)
{
	struct volume_record *all;
	struct docker_volume *items;
	bool dangling = false;
	size_t n_all, n = 0;

	leave_late(v);
	ES_TRY(filters_bool(f, "dangling", false, &dangling));
	ES_TRY(records(v, a, &all, &n_all));
	items = ARENA_ARRAY(a, struct docker_volume, n_all + 1);
	for (size_t i = 0; i < n_all; i++) {
		char **users = users_of(v, a, all[i].name);

		if (!filters_match(f, "driver", "local") || !filters_match_labels(f, "label", all[i].labels) ||
		    !filters_match_part(f, "name", all[i].name) || (filters_has(f, "dangling") && dangling != (users == NULL)))
			continue;
		show(v, a, &all[i], &items[n]);
		if (usage) {
			items[n].usage_data = ARENA_NEW(a, struct docker_volume_usage);
			items[n].usage_data->size = size_of(v, all[i].name);
			items[n].usage_data->ref_count = (int64_t)strv_len(users);
		}
		n++;
	}
	*ret = (struct field_list){ .items = items, .n = n, .set = true };
	return NULL;
}

/* ---- remove and prune ---- */

static bool is_mounted(struct volumes *v, struct arena *a, const char *name)
{
	struct record_list uses = { 0 };

	es_err_drop(record_list(v->store, a, USE_KIND, name, &uses));
	return uses.n > 0;
}

static void unmount(struct volumes *v, struct arena *a, const char *name)
{
	/* Whoever still has it open keeps it; there may be more than one if a daemon died between mount and record. */
	for (int i = 0; i < 4 && umount2(data_path(v, a, name), MNT_DETACH | UMOUNT_NOFOLLOW) == 0; i++)
		;
}

/* The record goes, a note that the data is to go comes; notes of data that has gone leave with the next removal. */
static es_err *forget(struct volumes *v, const char *name)
{
	es_autotx *tx = record_tx_new();

	for (char **done = v->thrown; done && *done; done++)
		record_tx_delete(tx, GONE_KIND, *done);
	record_tx_delete(tx, KIND, name);
	record_tx_put(tx, &(struct record){ .kind = GONE_KIND, .id = name, .class = RECORD_DURABLE, .json = "{}" });
	ES_TRY(record_commit(v->store, tx));
	strv_free(v->thrown);
	v->thrown = NULL;
	return NULL;
}

static es_err *throw_away(struct volumes *v, const char *name)
{
	es_autofree char *dir = es_xasprintf("volumes/%s", name);

	ES_TRY(store_discard(v->store, dir));
	strv_add(&v->thrown, name);
	return NULL;
}

static es_err *remove_locked(struct volumes *v, struct arena *a, const struct volume_record *rec)
{
	char **users = users_of(v, a, rec->name);

	if (users || is_mounted(v, a, rec->name)) {
		es_autofree char *ids = users ? strv_join(users, ", ") : NULL;

		return es_err_new(ES_E_CONFLICT, "remove %s: volume is in use - [%s]", rec->name, ids ? ids : "");
	}
	if (rec->options)
		unmount(v, a, rec->name);
	es_autolease *lease = lease_new(v->store);
	lease_removes(lease);
	ES_TRY(forget(v, rec->name));
	crash_point(v->store, CRASH_VOLUME_FORGOTTEN);
	event(v, "destroy", rec->name, NULL);
	return throw_away(v, rec->name);
}

es_err *volume_remove(struct volumes *v, const char *name, bool force)
{
	WITH_LOCK(v);
	es_autoarena *a = arena_new();
	struct volume_record rec;
	es_err *err = load(v, a, name, &rec);

	if (err && force && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_drop(err);
		return NULL;
	}
	ES_TRY(err);
	return remove_locked(v, a, &rec);
}

es_err *volume_prune(struct volumes *v, struct arena *a, const struct filters *f, unsigned api, char ***ret_names, uint64_t *ret_reclaimed)
{
	WITH_LOCK(v);
	struct volume_record *all;
	char **names = NULL;
	uint64_t reclaimed = 0;
	bool everything = api < 142;
	size_t n;

	ES_TRY(filters_bool(f, "all", everything, &everything));
	ES_TRY(records(v, a, &all, &n));
	for (size_t i = 0; i < n; i++) {
		int64_t size;

		if ((!everything && !field_map_has(all[i].labels, ANONYMOUS_LABEL)) || users_of(v, a, all[i].name) ||
		    is_mounted(v, a, all[i].name) || !filters_match_labels(f, "label", all[i].labels) ||
		    !filters_match_labels(f, "label!", all[i].labels))
			continue;
		size = size_of(v, all[i].name);
		ES_TRY(remove_locked(v, a, &all[i]));
		names = strv_arena_add(a, names, all[i].name);
		reclaimed += size > 0 ? (uint64_t)size : 0;
	}
	*ret_names = names;
	*ret_reclaimed = reclaimed;
	return NULL;
}

/* ---- copy-up ---- */

/* The copy is made beside the data (COPYING), synced, and is the volume's from the rename to COPIED on: then its entries only have to be
 * moved, which an open does if we do not come to it. */
#define COPYING "_copying"
#define COPIED "_copied"

static es_err *open_dir(struct volumes *v, const char *path, int *ret_fd)
{
	*ret_fd = openat(store_root_fd(v->store), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? es_err_sys(errno, "open %s", path) : NULL;
}

/* No COPIED is success. */
static es_err *move_copied(struct volumes *v, const char *name)
{
	es_autofree char *copied = es_xasprintf("volumes/%s/" COPIED, name), *data = es_xasprintf("volumes/%s/_data", name);
	es_autoclose int from = -1, to = -1;

	if (faccessat(store_root_fd(v->store), copied, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	ES_TRY(open_dir(v, copied, &from));
	ES_TRY(open_dir(v, data, &to));
	ES_TRY(volume_move_up(from, to));
	if (fsync(to) < 0)
		return es_err_sys(errno, "sync %s", data);
	return store_discard(v->store, copied);
}

static es_err *fill_beside(struct volumes *v, const char *name, int src_fd)
{
	es_autofree char *copying = es_xasprintf("volumes/%s/" COPYING, name), *copied = es_xasprintf("volumes/%s/" COPIED, name);
	es_autofree char *parent = es_xasprintf("volumes/%s", name);
	es_autoclose int to = -1;
	es_err *err;

	if (mkdirat(store_root_fd(v->store), copying, 0700) < 0)
		return es_err_sys(errno, "make %s", copying);
	err = open_dir(v, copying, &to);
	if (!err)
		err = volume_copy_up(src_fd, to);
	if (!err && syncfs(to) < 0)
		err = es_err_sys(errno, "sync %s", copying);
	crash_point(v->store, CRASH_VOLUME_COPYING);
	if (!err && renameat(store_root_fd(v->store), copying, store_root_fd(v->store), copied) < 0)
		err = es_err_sys(errno, "rename to %s", copied);
	if (err) {
		es_err_drop(store_discard(v->store, copying));
		return err;
	}
	ES_TRY(store_sync_dir(v->store, parent));
	crash_point(v->store, CRASH_VOLUME_COPIED);
	return move_copied(v, name);
}

es_err *volume_fill(struct volumes *v, const char *name, int src_fd, int dst_fd)
{
	WITH_LOCK(v);
	es_autoarena *a = arena_new();
	struct volume_record rec;
	bool empty, nothing;

	ES_TRY(load(v, a, name, &rec));
	ES_TRY(volume_is_empty(dst_fd, &empty));
	if (!empty)
		return NULL;
	ES_TRY(volume_is_empty(src_fd, &nothing));
	if (rec.options || nothing) /* another file system, or nothing but owner and mode */
		return volume_copy_up(src_fd, dst_fd);
	return fill_beside(v, name, src_fd);
}

/* ---- what a crash left ---- */

static es_err *end_removals(struct volumes *v, struct arena *a)
{
	es_autotx *tx = record_tx_new();
	struct record_list gone;

	ES_TRY(record_list(v->store, a, GONE_KIND, NULL, &gone));
	for (size_t i = 0; i < gone.n; i++) {
		unmount(v, a, gone.items[i].id);
		ES_TRY(store_discard(v->store, arena_printf(a, "volumes/%s", gone.items[i].id)));
		record_tx_delete(tx, GONE_KIND, gone.items[i].id);
	}
	return gone.n ? record_commit(v->store, tx) : NULL;
}

static es_err *remove_unknown(struct volumes *v, struct arena *a)
{
	es_autostrv names = NULL;

	ES_TRY(file_names(store_root_fd(v->store), "volumes", &names));
	for (char **name = names; name && *name; name++) {
		struct record r;
		es_err *err = record_get(v->store, a, KIND, *name, &r);

		if (err && es_err_class(err) == ES_E_NOT_FOUND)
			remove_empty(v, *name);
		es_err_drop(err);
	}
	return NULL;
}

/* An open goes on where a copy-up was cut short: see volume_fill(). */
static es_err *end_copies(struct volumes *v, struct arena *a)
{
	es_autostrv names = NULL;

	ES_TRY(file_names(store_root_fd(v->store), "volumes", &names));
	for (char **name = names; name && *name; name++) {
		ES_TRY(store_discard(v->store, arena_printf(a, "volumes/%s/" COPYING, *name)));
		log_err(move_copied(v, *name), "volume %s", *name);
	}
	return NULL;
}

/* Its owner is gone: so is it, unless somebody else has it. */
static es_err *leave_owner(struct volumes *v, struct arena *a, struct volume_record *rec)
{
	return users_of(v, a, rec->name) || is_mounted(v, a, rec->name) ? disown(v, rec) : remove_locked(v, a, rec);
}

es_err *volume_leave(struct volumes *v, const char *name, const char *owner)
{
	WITH_LOCK(v);
	es_autoarena *a = arena_new();
	struct volume_record rec;
	es_err *err;
	bool found;

	ES_TRY(load_any(v, a, name, &rec, &found));
	if (!found || (owner && !str_eq(owner, rec.owner)))
		return NULL;
	owner = rec.owner ? rec.owner : "";
	err = leave_owner(v, a, &rec);
	if (err) {
		strv_add(&v->late, name);
		strv_add(&v->late, owner);
	}
	return err;
}

static void leave_late(struct volumes *v)
{
	WITH_LOCK(v);
	es_autoarena *a = arena_new();
	es_autostrv late = v->late;
	size_t n = strv_len(late);

	v->late = NULL;
	for (size_t i = 0; i + 1 < n; i += 2) {
		struct volume_record rec;
		es_err *err = load(v, a, late[i], &rec);

		if (!err && str_eq(rec.owner ? rec.owner : "", late[i + 1]))
			err = leave_owner(v, a, &rec);
		if (err && es_err_class(err) != ES_E_NOT_FOUND) {
			strv_add(&v->late, late[i]);
			strv_add(&v->late, late[i + 1]);
		}
		es_err_drop(err);
	}
}

es_err *volumes_recover(struct volumes *v, volumes_has_container *has_container)
{
	WITH_LOCK(v);
	es_autoarena *a = arena_new();
	struct volume_record *all;
	size_t n;

	ES_TRY(end_removals(v, a));
	ES_TRY(end_copies(v, a));
	ES_TRY(remove_unknown(v, a));
	ES_TRY(records(v, a, &all, &n));
	for (size_t i = 0; i < n; i++)
		if (all[i].owner && !has_container(v->self, all[i].owner))
			log_err(leave_owner(v, a, &all[i]), "volume %s", all[i].name);
	return NULL;
}

es_err *volume_tx_keep(struct volumes *v, struct record_tx *tx, const char *name)
{
	es_autoarena *a = arena_new();
	struct volume_record rec;
	bool found;

	ES_TRY(load_any(v, a, name, &rec, &found));
	if (!found || !rec.owner)
		return NULL;
	rec.owner = NULL;
	return put(tx, &rec);
}

/* ---- mounting ---- */

static es_err *note_use(struct volumes *v, const char *name, const char *container_id)
{
	es_autofree char *id = es_xasprintf("%s/%s", name, container_id);
	const struct record r = { .kind = USE_KIND, .id = id, .ref = name, .class = RECORD_RUN, .json = "{}" };

	return record_put(v->store, &r);
}

/* The first user mounts, if the daemon before us has not: a mount outlives it. */
static es_err *mount_once(struct volumes *v, struct arena *a, const struct volume_record *rec)
{
	const char *path = data_path(v, a, rec->name);
	es_autoclose int target = -1;

	if (volume_is_mounted(AT_FDCWD, path))
		return NULL;
	target = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return es_err_sys(errno, "open %s", path);
	return es_err_in(volume_mount_options(rec->options, target), "error while mounting volume '%s': failed to mount local volume", path);
}

static es_err *open_data(struct volumes *v, struct arena *a, const char *name, const char *subpath, int *ret_fd)
{
	const char *path = data_path(v, a, name);
	es_autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int sub;

	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	if (str_empty(subpath)) {
		*ret_fd = ES_TAKE_FD(fd);
		return NULL;
	}
	sub = mount_open_in(fd, subpath, O_PATH);
	if (sub < 0)
		return es_err_sys(errno, "cannot access path %s/%s", path, subpath);
	*ret_fd = sub;
	return NULL;
}

es_err *volume_mount(struct volumes *v, const struct volume_mounting *m, int *ret_fd)
{
	WITH_LOCK(v);
	es_autoarena *a = arena_new();
	const char *const more[] = { "container", m->container_id, "destination", m->destination, "propagation",
				     m->propagation ? m->propagation : "", "read/write", m->rw ? "true" : "false", NULL };
	struct volume_record rec;

	ES_TRY(load(v, a, m->name, &rec));
	if (rec.options) { /* a plain directory needs no books: its container's record says who uses it */
		ES_TRY(note_use(v, m->name, m->container_id));
		ES_TRY(mount_once(v, a, &rec));
	}
	ES_TRY(open_data(v, a, m->name, m->subpath, ret_fd));
	event(v, "mount", m->name, more);
	return NULL;
}

void volume_unmount(struct volumes *v, const char *name, const char *container_id, bool quiet)
{
	WITH_LOCK(v);
	es_autoarena *a = arena_new();
	struct volume_record rec;
	es_err *err = load(v, a, name, &rec);

	if (!err && !quiet)
		event(v, "unmount", name, (const char *const[]){ "container", container_id, NULL });
	if (!err && rec.options) {
		log_err(record_delete(v->store, USE_KIND, arena_printf(a, "%s/%s", name, container_id)), "volume %s", name);
		if (!is_mounted(v, a, name))
			unmount(v, a, name);
	}
	es_err_drop(err);
}

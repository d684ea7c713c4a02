/* SPDX-License-Identifier: Apache-2.0 */
/* engine.c: opening an engine over its two roots, and the doors through which its rooms ask each other. */
#include "engine/engine.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "engine/ctr_priv.h"
#include "engine/engine_priv.h"
#include "engine/events.h"
#include "engine/exec_priv.h"
#include "engine/fetchproc.h"
#include "engine/imgbuild.h"
#include "engine/monlink.h"
#include "catalog/netmgr.h"
#include "catalog/volume.h"
#include "store/crashpoint.h"
#include "sys/mount.h"

#define DEFER_THREADS 2
#define NETNS_POOL 4 /* namespaces made ahead */
#define SYSTEMD_RUNS "/run/systemd/system" /* sd_booted(3) */

/* ---- doors: images ask for containers ---- */

static void image_users(void *self, struct arena *a, const char *image_id, struct image_user **ret, size_t *ret_n)
{
	struct engine *e = self;
	size_t n, used = 0;
	struct ctr **all = ctr_snapshot(e, &n);
	struct image_user *list = ARENA_ARRAY(a, struct image_user, n + 1);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(all[i]->rec->image_id, image_id) == 0)
			list[used++] = (struct image_user){ arena_strdup(a, all[i]->id), arena_strdup(a, all[i]->rec->image_name),
							    ctr_is_up(all[i]) };
		ctr_unref(all[i]);
	}
	free(all);
	*ret = list;
	*ret_n = used;
}

static void image_event(void *self, const char *action, const char *image_id, const char *name)
{
	es_autoarena *a = arena_new();
	struct field_map *attributes = field_map_new(a);
	struct image image;
	es_err *err = image_get(engine_images(self), a, image_id, &image);

	if (!err) /* else it is gone: the event tells of its end */
		FIELD_MAP_EACH(at, image.config.config.labels)
			field_map_put(a, attributes, at->key, at->value);
	es_err_drop(err);
	if (name)
		field_map_put(a, attributes, "name", arena_strdup(a, name));
	events_publish(self, "image", action, image_id, attributes);
}

static const struct image_ops image_ops = { image_users, image_event };

const struct images *engine_images(struct engine *e)
{
	return &e->images;
}

/* ---- doors: networks ask for containers ---- */

static es_err *net_find(void *self, struct arena *a, const char *ref, struct netmgr_ctr *ret)
{
	es_autoctr *c = NULL;

	ES_TRY(ctr_find(self, ref, &c));
	(void)pthread_mutex_lock(&c->lock);
	*ret = (struct netmgr_ctr){
		.id = arena_strdup(a, c->id), .name = arena_strdup(a, c->rec->name),
		.network_mode = arena_strdup(a, c->rec->host_config->network_mode), .running = ctr_is_up(c),
	};
	ret->endpoints = c->rec->endpoints ? json_copy(a, c->rec->endpoints) : json_new_object(a);
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

static es_err *net_save(void *self, const char *container_id, struct json *endpoints, struct json *in_force)
{
	es_autoctr *c = NULL;

	ES_TRY(ctr_find(self, container_id, &c));
	(void)pthread_mutex_lock(&c->lock);
	if (endpoints)
		c->rec->endpoints = json_copy(c->arena, endpoints);
	if (in_force && c->net_arena)
		c->networks = json_copy(c->net_arena, in_force);
	(void)pthread_mutex_unlock(&c->lock);
	ctr_save_live(c);
	return ctr_save(c);
}

static bool net_is_wanted(void *self, const char *network_name, const char *network_id)
{
	size_t n;
	struct ctr **all = ctr_snapshot(self, &n);
	bool wanted = false;

	for (size_t i = 0; i < n; i++) {
		wanted |= json_get(all[i]->rec->endpoints, network_name) || json_get(all[i]->rec->endpoints, network_id);
		ctr_unref(all[i]);
	}
	free(all);
	return wanted;
}

static void net_event(void *self, const char *action, const char *network_id, const struct field_map *attributes)
{
	events_publish(self, "network", action, network_id, attributes);
}

static const struct netmgr_ops net_ops = { net_find, net_save, net_is_wanted, net_event };

static void net_notice(void *self, const char *text)
{
	(void)self;
	log_line(LOG_L_WARN, "%s", text);
}

/* ---- doors: volumes ask for containers ---- */

static char **volume_users(void *self, struct arena *a, const char *name)
{
	size_t n;
	struct ctr **all = ctr_snapshot(self, &n);
	char **users = NULL;

	for (size_t i = 0; i < n; i++) {
		FIELD_LIST_EACH(struct ctr_mount, m, &all[i]->rec->mounts)
			if (m->name && strcmp(m->name, name) == 0) {
				users = strv_arena_add(a, users, all[i]->id);
				break;
			}
		ctr_unref(all[i]);
	}
	free(all);
	return users;
}

static void volume_event(void *self, const char *action, const char *name, const struct field_map *attributes)
{
	events_publish(self, "volume", action, name, attributes);
}

/* By its record: one that cannot be read is one, too. */
static bool has_container(void *self, const char *id)
{
	struct engine *e = self;
	es_autoarena *a = arena_new();
	struct record r;
	es_err *err = record_get(e->store, a, "container", id, &r);
	bool has = !err || es_err_class(err) != ES_E_NOT_FOUND;

	es_err_drop(err);
	return has;
}

static const struct volumes_ops volume_ops = { volume_users, volume_event };

/* ---- open ---- */

static es_err *open_roots(struct engine *e)
{
	static const char *const dirs[] = { "b", "c", "x", "run" };

	ES_TRY(file_mkdir_p(AT_FDCWD, e->cfg->exec_root, 0711));
	e->exec_root_fd = open(e->cfg->exec_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->exec_root_fd < 0)
		return es_err_sys(errno, "open %s", e->cfg->exec_root);
	for (size_t i = 0; i < ES_N(dirs); i++)
		ES_TRY(file_mkdir_p(e->exec_root_fd, dirs[i], 0700));
	return NULL;
}

static es_err *find_programs(struct engine *e)
{
	ES_TRY(file_companion("estiba-run", &e->run_program));
	/* If it cannot be had, estiba-run helps itself: "The program file" in doc/format/runtime-state.md. */
	es_err_drop(mount_clone_read_only(AT_FDCWD, e->run_program, &e->run_program_fd));
	ES_TRY(file_companion("estiba-mon", &e->mon_program));
	ES_TRY(file_companion("estiba-layer", &e->layer_program));
	return file_companion("estiba-seccomp", &e->seccomp_program);
}

/* A random (version 4) UUID, made once per data root. */
static es_err *load_id(struct engine *e)
{
	es_autofree char *text = NULL;
	int root = store_root_fd(e->store);
	es_err *err = file_read(root, "engine-id", 64, &text, NULL);
	char hex[33];

	if (!err && strlen(text) >= 36) {
		memcpy(e->id, text, 36);
		return NULL;
	}
	if (err && es_err_class(err) != ES_E_NOT_FOUND)
		return err;
	es_err_drop(err);
	rand_hex(hex, 32);
	hex[12] = '4';
	hex[16] = "89ab"[hex[16] % 4];
	(void)snprintf(e->id, sizeof e->id, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
	return file_replace(root, "engine-id", e->id, 36, 0600, true);
}

static es_err *open_network(struct engine *e)
{
	const struct engine_config *cfg = e->cfg;
	const struct network_config net = { .exec_root = cfg->exec_root, .ip_forward_off = cfg->ip_forward_off, .pool_size = NETNS_POOL,
					    .notice = net_notice, .self = e };
	const struct netmgr_config mgr = {
		.store = e->store, .bridge = cfg->bridge, .bip = cfg->bip, .mtu = cfg->mtu, .icc_off = cfg->icc_off,
		.ip_masq_off = cfg->ip_masq_off, .dns = cfg->dns, .dns_search = cfg->dns_search, .dns_opts = cfg->dns_opts,
		.ops = &net_ops, .self = e,
	};
	struct netmgr_config with_network = mgr;

	ES_TRY(network_open(&net, &e->network));
	with_network.network = e->network;
	return netmgr_open(&with_network, &e->nets);
}

/* Better now than at the first container. */
static es_err *check_cgroup_driver(const struct engine_config *cfg)
{
	es_autofree char *helper = NULL;
	es_err *err;

	if (!cfg->systemd_cgroup)
		return NULL;
	if (access(SYSTEMD_RUNS, F_OK) < 0)
		return es_err_new(ES_E_UNSUPPORTED, "native.cgroupdriver=systemd: systemd does not run here (no " SYSTEMD_RUNS ")");
	err = file_companion("estiba-systemd", &helper);
	if (err) {
		es_err_drop(err);
		return es_err_new(ES_E_UNSUPPORTED, "native.cgroupdriver=systemd: estiba-systemd is not installed");
	}
	return ctr_check_cgroup_parent(cfg, cfg->cgroup_parent);
}

static es_err *open_parts(struct engine *e)
{
	const struct store_options opts = { .data_root = e->cfg->data_root, .exec_root = e->cfg->exec_root, .crash_at = e->cfg->crash_at,
					    .layer_form = e->cfg->layer_form };

	ES_TRY(open_roots(e));
	ES_TRY(find_programs(e));
	ES_TRY(cgroup_host_load(&e->cgroups));
	ES_TRY(check_cgroup_driver(e->cfg));
	ES_TRY(es_err_in(store_open(&opts, &e->store), "store"));
	e->images = (struct images){ .store = e->store, .ops = &image_ops, .self = e, .cache = image_cache_new() };
	e->net = (struct image_net){ &e->images, { &fetchproc_ops, e }, image_flights_new() };
	ES_TRY(load_id(e));
	e->events = events_open(e->exec_root_fd);
	e->links = monlinks_new(e);
	ES_TRY(es_err_in(volumes_open(e->store, &volume_ops, e, &e->volumes), "volumes"));
	ES_TRY(ctr_load_all(e));
	ES_TRY(es_err_in(volumes_recover(e->volumes, has_container), "volumes"));
	ES_TRY(es_err_in(open_network(e), "network"));
	ctr_recover_all(e, store_is_new_boot(e->store));
	exec_recover_all(e, store_is_new_boot(e->store));
	ES_TRY(imgbuild_open(e));
	ES_TRY(crash_arm(e->store, e->cfg->crash_at, true));
	return collector_start(e, e->cfg->gc_interval_ns, &e->collector);
}

es_err *engine_open(const struct engine_config *cfg, struct engine **ret)
{
	struct engine *e = ES_NEW(struct engine);

	es_err *err;

	(void)pthread_mutex_init(&e->last_filter.lock, NULL);
	e->cfg = cfg;
	e->cfg_arena = arena_new();
	e->exec_root_fd = -1;
	e->ctrs = ctrs_new();
	e->execs = execs_new();
	e->defer = defer_new(DEFER_THREADS);
	err = open_parts(e);
	if (err) {
		engine_close(e);
		return err;
	}
	*ret = e;
	return NULL;
}

/* Roots of containers that run on are made of what the store has mounted. */
static void keep_mounts(struct engine *e)
{
	struct ctr_counts n;

	ctr_count(e, &n);
	if (e->store && n.running + n.paused > 0)
		store_keep_mounts(e->store);
}

void engine_close(struct engine *e)
{
	if (!e)
		return;
	collector_stop(e->collector);
	keep_mounts(e);
	imgbuild_close(e);
	defer_settle(e->defer); /* clean-ups wait for the ends of monitors, which the links tell */
	monlinks_free(e->links);
	defer_free(e->defer);
	execs_free(e->execs);
	ctrs_free(e->ctrs);
	netmgr_close(e->nets);
	network_close(e->network);
	volumes_close(e->volumes);
	events_close(e->events);
	image_flights_free(e->net.flights);
	image_cache_free(e->images.cache);
	store_close(e->store);
	cgroup_prune(&e->cgroups, ENGINE_CGROUP);
	cgroup_host_done(&e->cgroups);
	es_close(e->exec_root_fd);
	if (e->run_program_fd)
		es_close(e->run_program_fd);
	arena_free(e->cfg_arena);
	free(e->run_program);
	free(e->mon_program);
	free(e->layer_program);
	free(e->seccomp_program);
	free(e->last_filter.stamp);
	free(e->last_filter.caps);
	free(e->last_filter.path);
	(void)pthread_mutex_destroy(&e->last_filter.lock);
	free(e);
}

/* A list as docker writes it in this event: a JSON array of strings. */
static const char *list_text(struct arena *a, char *const *v)
{
	struct json *list = json_new_array(a);
	es_autobuf text = ES_BUF(1u << 20);

	for (; v && *v; v++)
		json_append(list, json_new_str(a, *v));
	json_write(&text, list, 0);
	return arena_strdup(a, es_buf_str(&text));
}

static void tell_reload(struct engine *e, const struct engine_config *cfg)
{
	es_autoarena *a = arena_new();
	struct field_map *m = field_map_new(a);
	char host[HOST_NAME_MAX + 1] = "";

	(void)gethostname(host, sizeof host - 1);
	field_map_put(a, m, "name", host);
	field_map_put(a, m, "debug", arena_strdup(a, cfg->debug ? "true" : "false"));
	field_map_put(a, m, "live-restore", arena_strdup(a, "true"));
	field_map_put(a, m, "labels", (void *)(uintptr_t)list_text(a, cfg->labels));
	field_map_put(a, m, "insecure-registries", (void *)(uintptr_t)list_text(a, cfg->insecure_registries));
	field_map_put(a, m, "registry-mirrors", (void *)(uintptr_t)list_text(a, cfg->registry_mirrors));
	field_map_put(a, m, "default-runtime", arena_strdup(a, cfg->default_runtime ? cfg->default_runtime : "runc"));
	field_map_put(a, m, "shutdown-timeout", arena_printf(a, "%lld", (long long)cfg->shutdown_timeout));
	events_publish(e, "daemon", "reload", e->id, m);
}

void engine_reload(struct engine *e, const struct engine_config *fresh)
{
	struct engine_config *cfg = ARENA_NEW(e->cfg_arena, struct engine_config);

	*cfg = *e->cfg;
	cfg->debug = fresh->debug;
	cfg->labels = fresh->labels;
	cfg->insecure_registries = fresh->insecure_registries;
	cfg->registry_mirrors = fresh->registry_mirrors;
	cfg->runtimes = fresh->runtimes;
	cfg->default_runtime = fresh->default_runtime;
	cfg->shutdown_timeout = fresh->shutdown_timeout;
	e->cfg = cfg;
	tell_reload(e, cfg);
}

const struct engine_config *engine_config(const struct engine *e)
{
	return e->cfg;
}

struct netmgr *engine_netmgr(struct engine *e)
{
	return e->nets;
}

const struct image_net *engine_net(struct engine *e)
{
	return &e->net;
}

struct volumes *engine_volumes(struct engine *e)
{
	return e->volumes;
}

const char *engine_id(const struct engine *e)
{
	return e->id;
}

bool engine_is_busy(struct engine *e)
{
	size_t n;
	struct ctr **all = ctr_snapshot(e, &n);
	bool busy = defer_pending(e->defer) > 0;

	for (size_t i = 0; i < n; i++) {
		busy |= ctr_is_up(all[i]) || !str_eq(all[i]->rec->host_config->restart_policy.name, "no");
		ctr_unref(all[i]);
	}
	free(all);
	return busy;
}

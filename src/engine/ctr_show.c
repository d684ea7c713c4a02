/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_show.c: containers as the API shows them: inspect, list and its filters. */
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/ago.h"
#include "base/str.h"
#include "engine/ctr_priv.h"
#include "engine/exec_priv.h"
#include "engine/monlink.h"
#include "store/snapshot.h"

/* ---- pieces that both share; `lock` is held ---- */

static char *status_words(struct arena *a, const struct ctr *c)
{
	const char *health = "", *since;

	if (c->health && ctr_is_up(c))
		health = str_eq(c->health->status, "starting") ? " (health: starting)" :
			 str_eq(c->health->status, "none")     ? "" :
								 arena_printf(a, " (%s)", c->health->status);
	since = ago_words(a, clock_now_ns() - (ctr_is_up(c) && c->status != CTR_RESTARTING ? c->started_at : c->finished_at));
	switch (c->status) {
	case CTR_RUNNING:
		return arena_printf(a, "Up %s%s", since, health);
	case CTR_PAUSED:
		return arena_printf(a, "Up %s (Paused)", since);
	case CTR_RESTARTING:
		return arena_printf(a, "Restarting (%lld) %s ago", (long long)c->exit_code, since);
	case CTR_REMOVING:
		return arena_strdup(a, "Removal In Progress");
	case CTR_DEAD:
		return arena_strdup(a, "Dead");
	case CTR_EXITED:
		return arena_printf(a, "Exited (%lld) %s ago", (long long)c->exit_code, since);
	default:
		return arena_strdup(a, "Created");
	}
}

/* FULL: inspect; docker's list does not tell where anonymous volumes lie. */
static struct field_list mount_points(struct arena *a, const struct ctr_record *rec, bool full)
{
	struct docker_mount_point *list = ARENA_ARRAY(a, struct docker_mount_point, rec->mounts.n + 1);
	size_t n = 0;

	FIELD_LIST_EACH(struct ctr_mount, m, &rec->mounts) {
		if (strcmp(m->type, "tmpfs") == 0 && !m->from_mounts)
			continue; /* docker shows --tmpfs in HostConfig only */
		list[n++] = (struct docker_mount_point){
			.type = arena_strdup(a, m->type), .name = m->name ? arena_strdup(a, m->name) : NULL,
			.source = arena_strdup(a, m->source && (full || !m->anonymous) ? m->source : ""), .destination = arena_strdup(a, m->destination),
			.driver = m->driver ? arena_strdup(a, m->driver) : NULL, .mode = arena_strdup(a, m->mode ? m->mode : ""),
			.rw = m->rw, .propagation = arena_strdup(a, m->propagation ? m->propagation : ""),
		};
	}
	return (struct field_list){ .items = list, .n = n, .set = true };
}

/* What is returned must outlive the container's lock. */
static struct json *copied(struct arena *a, const struct json *v)
{
	return v ? json_copy(a, v) : NULL;
}

/* ---- inspect ---- */

static void add_probes(struct arena *a, int run_dirfd, struct docker_health *h)
{
	const struct mon_request req = { .op = "status" };
	struct docker_health_result *list;
	struct mon_reply reply;
	es_err *err = monlink_ask(a, run_dirfd, &req, -1, &reply);
	size_t n = 0;

	if (err || !reply.status) {
		es_err_drop(err);
		return;
	}
	if (!str_empty(reply.status->health))
		h->status = reply.status->health;
	h->failing_streak = reply.status->failing_streak;
	list = ARENA_ARRAY(a, struct docker_health_result, reply.status->probes.n + 1);
	FIELD_LIST_EACH(struct mon_probe, p, &reply.status->probes)
		list[n++] = (struct docker_health_result){ p->start, p->end, p->exit_code, p->output };
	h->log = (struct field_list){ .items = list, .n = n, .set = true };
}

static void show_state(struct arena *a, const struct ctr *c, struct docker_state *s)
{
	*s = (struct docker_state){
		.status = ctr_status_name[c->status],
		.running = ctr_is_up(c),
		.paused = c->status == CTR_PAUSED,
		.restarting = c->status == CTR_RESTARTING,
		.oom_killed = c->oom_killed,
		.dead = c->status == CTR_DEAD,
		.pid = c->pid,
		.exit_code = c->exit_code,
		.error = arena_strdup(a, c->error ? c->error : ""),
		.started_at = c->started_at,
		.finished_at = c->finished_at,
	};
	if (c->health) {
		s->health = ARENA_NEW(a, struct docker_health);
		s->health->status = arena_strdup(a, c->health->status);
	}
}

/* The members that API < 1.52 repeats from the default bridge's endpoint. */
static void show_default_endpoint(const struct json *networks, struct docker_network_settings *ns)
{
	const struct json *e = json_get(networks, "bridge");

	ns->endpoint_id = json_str(json_get(e, "EndpointID"));
	ns->gateway = json_str(json_get(e, "Gateway"));
	ns->global_ipv6_address = json_str(json_get(e, "GlobalIPv6Address"));
	ns->global_ipv6_prefix_len = json_i64(json_get(e, "GlobalIPv6PrefixLen"), 0);
	ns->ip_address = json_str(json_get(e, "IPAddress"));
	ns->ip_prefix_len = json_i64(json_get(e, "IPPrefixLen"), 0);
	ns->ipv6_gateway = json_str(json_get(e, "IPv6Gateway"));
	ns->mac_address = json_str(json_get(e, "MacAddress"));
}

static void append_new(struct arena *a, struct json *list, const char *word)
{
	JSON_EACH(at, list)
		if (str_eq(json_str(at), word))
			return;
	json_append(list, json_new_str(a, word));
}

/* By which names neighbours of a user-defined network find it: name, aliases, short id, host name. API < 1.45 showed the last
 * two among the aliases. */
static void show_names(struct arena *a, const struct ctr *c, struct json *endpoint, unsigned api)
{
	const struct json *aliases = json_get(endpoint, "Aliases");
	struct json *names = json_new_array(a), *old = json_new_array(a);

	append_new(a, names, c->rec->name);
	JSON_EACH(at, aliases) {
		append_new(a, names, json_str(at));
		append_new(a, old, json_str(at));
	}
	append_new(a, names, arena_strndup(a, c->id, 12));
	append_new(a, names, c->rec->config->hostname);
	append_new(a, old, arena_strndup(a, c->id, 12));
	append_new(a, old, c->rec->config->hostname);
	json_set(a, endpoint, "DNSNames", names);
	if (api < 145)
		json_set(a, endpoint, "Aliases", old);
}

static es_err *show_network(struct arena *a, const struct ctr *c, unsigned api, struct docker_network_settings *ns)
{
	static const struct field rows[] = {
		{ .name = "Ports", .kind = FIELD_LIST_MAP, .sub = docker_port_binding_fields, .sub_size = sizeof(struct docker_port_binding) },
		F_END,
	};
	struct json *networks, *ports, *wrap = json_new_object(a);
	struct field_map *map = NULL;

	networks = copied(a, c->networks && ctr_is_up(c) ? c->networks : c->rec->endpoints);
	ns->networks = networks ? networks : json_new_object(a);
	if (!ctr_is_up(c))
		return NULL;
	JSON_EACH(at, networks)
		if (strcmp(at->key, "bridge") != 0 && strcmp(at->key, "host") != 0 && strcmp(at->key, "none") != 0)
			show_names(a, c, at, api);
	show_default_endpoint(networks, ns);
	ns->sandbox_id = arena_strdup(a, c->id);
	ports = copied(a, c->ports);
	if (ports) {
		json_set(a, wrap, "Ports", ports);
		ES_TRY(field_decode(a, rows, wrap, &map));
		ns->ports = map;
	}
	return NULL;
}

/* The address that was asked for on the network of the container's mode is shown with the config as well. */
static void show_mac(struct arena *a, const struct ctr_record *rec, struct docker_config *cfg)
{
	const char *mac = json_str(json_get(json_get(rec->endpoints, rec->host_config->network_mode), "MacAddress"));

	cfg->mac_address = str_empty(mac) ? NULL : arena_strdup(a, mac);
}

static es_err *show_paths(struct ctr *c, struct arena *a, struct docker_inspect *ret)
{
	const char *root = store_root(c->e->store);
	struct snapshot_paths p;
	struct field_map *data = field_map_new(a);

	ret->resolv_conf_path = arena_printf(a, "%s/containers/%s/resolv.conf", root, c->id);
	ret->hostname_path = arena_printf(a, "%s/containers/%s/hostname", root, c->id);
	ret->hosts_path = arena_printf(a, "%s/containers/%s/hosts", root, c->id);
	ret->log_path = strcmp(ret->host_config->log_config.type, "json-file") == 0 ?
				arena_printf(a, "%s/containers/%s/%s-json.log", root, c->id, c->id) : "";
	ES_TRY(snapshot_paths(c->e->store, a, SNAPSHOT_CONTAINER, c->id, &p));
	field_map_put(a, data, "LowerDir", (void *)(uintptr_t)p.lower);
	field_map_put(a, data, "MergedDir", (void *)(uintptr_t)p.merged);
	field_map_put(a, data, "UpperDir", (void *)(uintptr_t)p.upper);
	field_map_put(a, data, "WorkDir", (void *)(uintptr_t)p.work);
	ret->graph_driver = (struct docker_graph_driver){ .data = data, .name = "overlay2" };
	ret->driver = "overlay2";
	return NULL;
}

static es_err *show(struct ctr *c, struct arena *a, unsigned api, struct docker_inspect *ret, int *ret_run_dirfd)
{
	const struct ctr_record *rec = c->rec;

	ret->id = arena_strdup(a, c->id);
	ret->created = rec->created;
	ret->path = arena_strdup(a, rec->path);
	ret->args = strv_arena_dup(a, rec->args);
	ret->image = arena_strdup(a, rec->image_id);
	ret->name = arena_printf(a, "/%s", rec->name);
	ret->restart_count = c->restart_count;
	ret->platform = "linux";
	ret->exec_ids = exec_ids(c, a);
	ret->config = ARENA_NEW(a, struct docker_config);
	ret->host_config = ARENA_NEW(a, struct docker_host_config);
	ret->mounts = mount_points(a, rec, true);
	show_state(a, c, &ret->state);
	*ret_run_dirfd = c->health && c->run_dirfd >= 0 ? fcntl(c->run_dirfd, F_DUPFD_CLOEXEC, 0) : -1;
	ES_TRY(field_copy(a, docker_config_fields, rec->config, ret->config));
	show_mac(a, rec, ret->config);
	ES_TRY(field_copy(a, docker_host_config_fields, rec->host_config, ret->host_config));
	return show_network(a, c, api, &ret->network_settings);
}

static es_err *show_size(struct ctr *c, struct arena *a, struct field_opt_i64 *rw, struct field_opt_i64 *root)
{
	const struct images *im = engine_images(c->e);
	struct image image;
	uint64_t size = 0;
	es_err *err;

	ES_TRY(snapshot_size(c->e->store, SNAPSHOT_CONTAINER, c->id, &size));
	*rw = (struct field_opt_i64){ .set = true, .v = (int64_t)size };
	err = image_get(im, a, c->rec->image_id, &image);
	*root = (struct field_opt_i64){ .set = true, .v = (int64_t)size + (err ? 0 : image.size) };
	es_err_drop(err);
	return NULL;
}

es_err *ctr_inspect(struct engine *e, struct arena *a, const char *ref, bool size, unsigned api, struct docker_inspect *ret)
{
	es_autoctr *c = NULL;
	es_autoclose int run_dirfd = -1;
	es_err *err;

	ES_TRY(ctr_find(e, ref, &c));
	*ret = (struct docker_inspect){ 0 };
	(void)pthread_mutex_lock(&c->lock);
	err = show(c, a, api, ret, &run_dirfd);
	(void)pthread_mutex_unlock(&c->lock);
	ES_TRY(err);
	if (run_dirfd >= 0)
		add_probes(a, run_dirfd, ret->state.health);
	ES_TRY(show_paths(c, a, ret));
	return size ? show_size(c, a, &ret->size_rw, &ret->size_root_fs) : NULL;
}

/* ---- list ---- */

static char *command_line(struct arena *a, const struct ctr_record *rec)
{
	es_autobuf b = ES_BUF(CTR_RECORD_MAX);

	es_buf_adds(&b, rec->path);
	for (size_t i = 0; rec->args && rec->args[i]; i++) {
		const char *s = rec->args[i];
		bool quote = !*s || strpbrk(s, " \t\n'\"\\$`|&;<>()*?[]#~!{}") != NULL;

		es_buf_addc(&b, ' ');
		if (!quote) {
			es_buf_adds(&b, s);
			continue;
		}
		es_buf_addc(&b, '\'');
		for (; *s; s++)
			if (*s == '\'')
				es_buf_adds(&b, "'\\''");
			else
				es_buf_addc(&b, *s);
		es_buf_addc(&b, '\'');
	}
	return arena_strdup(a, es_buf_str(&b));
}

static size_t count_ports(const struct json *ports)
{
	size_t n = 0;

	JSON_EACH(at, ports)
		n += json_is(at, JSON_ARRAY) && at->n ? at->n : 1;
	return n;
}

static struct field_list show_ports(struct arena *a, const struct json *ports)
{
	struct docker_port *list = ARENA_ARRAY(a, struct docker_port, count_ports(ports) + 1);
	size_t n = 0;

	JSON_EACH(at, ports) {
		char *key = arena_strdup(a, at->key), *slash = strchr(key, '/');
		const char *type = slash ? slash + 1 : "tcp";
		uint16_t number = (uint16_t)atoi(key);

		if (!json_is(at, JSON_ARRAY) || at->n == 0)
			list[n++] = (struct docker_port){ .private_port = number, .type = type };
		JSON_EACH(b, json_is(at, JSON_ARRAY) ? at : NULL)
			list[n++] = (struct docker_port){
				.ip = arena_strdup(a, json_str(json_get(b, "HostIp"))), .private_port = number, .type = type,
				.public_port = (uint16_t)atoi(json_str(json_get(b, "HostPort")) ? json_str(json_get(b, "HostPort")) : "0"),
			};
	}
	return (struct field_list){ .items = list, .n = n, .set = true };
}

static es_err *summarise(const struct ctr *c, struct arena *a, struct docker_summary *s)
{
	const struct ctr_record *rec = c->rec;
	struct field_map *labels = field_map_new(a);
	struct json *networks;

	FIELD_MAP_EACH(l, rec->config->labels)
		field_map_put(a, labels, arena_strdup(a, l->key), arena_strdup(a, l->value ? l->value : ""));
	networks = copied(a, c->networks && ctr_is_up(c) ? c->networks : rec->endpoints);
	JSON_EACH(at, networks) { /* docker's list leaves the names out */
		json_set(a, at, "Aliases", json_new_null(a));
		json_set(a, at, "DNSNames", json_new_null(a));
	}
	*s = (struct docker_summary){
		.id = arena_strdup(a, c->id),
		.names = strv_arena_add(a, NULL, arena_printf(a, "/%s", rec->name)),
		.image = arena_strdup(a, rec->image_name),
		.image_id = arena_strdup(a, rec->image_id),
		.command = command_line(a, rec),
		.created = rec->created / CLOCK_NS_PER_S,
		.ports = show_ports(a, ctr_is_up(c) ? c->ports : NULL),
		.labels = labels,
		.state = ctr_status_name[c->status],
		.status = status_words(a, c),
		.host_config = { .network_mode = arena_strdup(a, rec->host_config->network_mode) },
		.network_settings = { networks ? networks : json_new_object(a) },
		.mounts = mount_points(a, rec, false),
	};
	return NULL;
}

/* Filter values that name other containers or images, resolved once per request. */
struct list_filter {
	const struct filters *f;
	int64_t before, since; /* created strictly before, after */
	char **ancestors;      /* image ids; NULL: no such filter */
};

static es_err *created_of(struct engine *e, char **words, int64_t *ret)
{
	for (; words && *words; words++) {
		es_autoctr *c = NULL;

		ES_TRY(ctr_find(e, *words, &c));
		*ret = c->created;
	}
	return NULL;
}

static es_err *prepare_filter(struct engine *e, struct arena *a, const struct filters *f, struct list_filter *ret)
{
	static const char *const allowed[] = { "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label",
					       "name", "network", "publish", "since", "status", "volume", NULL };
	static const char *const states[] = { "created", "running", "paused", "restarting", "removing", "exited", "dead" };
	static const char *const healths[] = { "none", "starting", "healthy", "unhealthy" };
	const struct images *im = engine_images(e);

	*ret = (struct list_filter){ .f = f, .before = INT64_MAX, .since = INT64_MIN };
	ES_TRY(filters_check(f, allowed));
	for (char **v = filters_get(f, "status"); v && *v; v++) {
		size_t i = 0;

		while (i < ES_N(states) && strcmp(states[i], *v) != 0)
			i++;
		if (i == ES_N(states))
			return es_err_new(ES_E_INVALID, "invalid filter 'status=%s'", *v);
	}
	for (char **v = filters_get(f, "health"); v && *v; v++) {
		size_t i = 0;

		while (i < ES_N(healths) && strcmp(healths[i], *v) != 0)
			i++;
		if (i == ES_N(healths))
			return es_err_new(ES_E_INVALID, "invalid filter 'health=%s'", *v);
	}
	ES_TRY(created_of(e, filters_get(f, "before"), &ret->before));
	ES_TRY(created_of(e, filters_get(f, "since"), &ret->since));
	for (char **v = filters_get(f, "ancestor"); v && *v; v++) {
		const char *id;
		es_err *err = image_resolve(im, a, *v, &id);

		ret->ancestors = strv_arena_add(a, ret->ancestors, err ? "" : id);
		es_err_drop(err);
	}
	return NULL;
}

/* "80", "80/tcp", "8000-8010/udp" against a port and its protocol. */
static bool port_matches(const char *want, unsigned port, const char *type)
{
	unsigned from, to;
	char proto[8] = "tcp";
	int used = 0;

	if (sscanf(want, "%u-%u%n", &from, &to, &used) != 2) {
		used = 0;
		if (sscanf(want, "%u%n", &from, &used) != 1)
			return false;
		to = from;
	}
	if (want[used] == '/')
		(void)snprintf(proto, sizeof proto, "%s", want + used + 1);
	return port >= from && port <= to && strcmp(proto, type) == 0;
}

static bool by_ports(const struct filters *f, const char *name, const struct docker_summary *s, const struct docker_config *cfg)
{
	char **v = filters_get(f, name);
	bool publish = strcmp(name, "publish") == 0;

	if (!v)
		return true;
	for (; *v; v++) {
		FIELD_LIST_EACH(struct docker_port, p, &s->ports)
			if (port_matches(*v, publish ? p->public_port : p->private_port, p->type) && (!publish || p->public_port))
				return true;
		if (publish)
			continue;
		FIELD_MAP_EACH(x, cfg->exposed_ports)
			if (port_matches(*v, (unsigned)atoi(x->key), strchr(x->key, '/') ? strchr(x->key, '/') + 1 : "tcp"))
				return true;
	}
	return false;
}

static bool by_name(const struct filters *f, const char *name)
{
	char **v = filters_get(f, "name");

	for (; v && *v; v++)
		if (filters_name_matches(*v, name))
			return true;
	return filters_get(f, "name") == NULL;
}

static bool by_network(const struct filters *f, const struct json *networks)
{
	if (!filters_has(f, "network"))
		return true;
	JSON_EACH(n, networks) {
		const char *id = json_str(json_get(n, "NetworkID"));

		if (filters_match(f, "network", n->key) || (id && *id && filters_match_prefix(f, "network", id)))
			return true;
	}
	return false;
}

static bool by_volume(const struct filters *f, const struct docker_summary *s)
{
	if (!filters_has(f, "volume"))
		return true;
	FIELD_LIST_EACH(struct docker_mount_point, m, &s->mounts)
		if (filters_match(f, "volume", m->destination) || (m->name && filters_match(f, "volume", m->name)) ||
		    (m->source && filters_match(f, "volume", m->source)))
			return true;
	return false;
}

static bool by_exit(const struct ctr *c, const struct filters *f)
{
	char code[24];

	if (!filters_has(f, "exited"))
		return true;
	(void)snprintf(code, sizeof code, "%lld", (long long)c->exit_code);
	return c->started_at != INT64_MIN && !ctr_is_up(c) && filters_match(f, "exited", code);
}

static bool passes(const struct ctr *c, const struct list_filter *lf, const struct docker_summary *s)
{
	const struct filters *f = lf->f;
	const char *health = c->health ? c->health->status : "none";

	return c->created < lf->before && c->created > lf->since && filters_match_prefix(f, "id", c->id) &&
	       by_name(f, s->names[0]) && filters_match(f, "status", s->state) && filters_match(f, "health", health) &&
	       filters_match_labels(f, "label", c->rec->config->labels) && by_exit(c, f) && by_ports(f, "publish", s, c->rec->config) &&
	       by_ports(f, "expose", s, c->rec->config) && by_network(f, s->network_settings.networks) && by_volume(f, s) &&
	       (!lf->ancestors || strv_has(lf->ancestors, c->rec->image_id));
}

static es_err *list_one(struct ctr *c, struct arena *a, const struct list_filter *lf, bool all, struct docker_summary *ret, bool *ret_in)
{
	es_err *err = NULL;

	*ret_in = false;
	(void)pthread_mutex_lock(&c->lock);
	if (all || ctr_is_up(c))
		err = summarise(c, a, ret);
	if (!err && (all || ctr_is_up(c)))
		*ret_in = passes(c, lf, ret);
	(void)pthread_mutex_unlock(&c->lock);
	return err;
}

es_err *ctr_list(struct engine *e, struct arena *a, bool all, int64_t limit, bool size, const struct filters *f, struct field_list *ret)
{
	struct list_filter lf;
	struct docker_summary *list;
	size_t n_all, n = 0;
	struct ctr **ctrs;
	es_err *err = NULL;

	ES_TRY(prepare_filter(e, a, f, &lf));
	all |= limit > 0 || filters_has(f, "status") || filters_has(f, "exited") || lf.before != INT64_MAX || lf.since != INT64_MIN;
	ctrs = ctr_snapshot(e, &n_all);
	list = ARENA_ARRAY(a, struct docker_summary, n_all + 1);
	for (size_t i = 0; i < n_all; i++) {
		bool in = false;

		if (!err && (limit <= 0 || n < (size_t)limit))
			err = list_one(ctrs[i], a, &lf, all, &list[n], &in);
		if (in && size)
			err = show_size(ctrs[i], a, &list[n].size_rw, &list[n].size_root_fs);
		list[n].size_rw.set &= list[n].size_rw.v > 0; /* in a list docker leaves 0 out */
		n += in;
		ctr_unref(ctrs[i]);
	}
	free(ctrs);
	ES_TRY(err);
	*ret = (struct field_list){ .items = list, .n = n, .set = true };
	return NULL;
}

es_err *ctr_log_info(struct engine *e, struct arena *a, const char *ref, struct ctr_log_info *ret)
{
	es_autoctr *c = NULL;

	ES_TRY(ctr_find(e, ref, &c));
	if (strcmp(c->rec->host_config->log_config.type, "json-file") != 0)
		return es_err_new(ES_E_UNSUPPORTED, "configured logging driver does not support reading");
	ret->path = arena_printf(a, "%s/containers/%s/%s-json.log", store_root(e->store), c->id, c->id);
	(void)pthread_mutex_lock(&c->lock);
	ret->tty = c->rec->config->tty;
	ret->running = ctr_is_up(c);
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

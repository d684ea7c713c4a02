/* SPDX-License-Identifier: Apache-2.0 */
/* netmgr.c: network records: open, create, list, inspect, remove, prune. */
#include "catalog/netmgr.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "catalog/netmgr_priv.h"
#include "store/record.h"

#define OPT_NAME "com.docker.network.bridge.name"
#define OPT_ICC "com.docker.network.bridge.enable_icc"
#define OPT_MASQ "com.docker.network.bridge.enable_ip_masquerade"
#define OPT_HOST_IP "com.docker.network.bridge.host_binding_ipv4"
#define OPT_MTU "com.docker.network.driver.mtu"
#define OPT_DEFAULT "com.docker.network.bridge.default_bridge"

/* Options of docker's bridge driver that mean something we do not do yet. */
static const char *const refused_options[] = {
	"com.docker.network.bridge.inhibit_ipv4",      "com.docker.network.bridge.gateway_mode_ipv4",
	"com.docker.network.bridge.gateway_mode_ipv6", "com.docker.network.bridge.trusted_host_interfaces",
	"com.docker.network.host_ipv4",		       "com.docker.network.container_iface_prefix",
};

/* ---- finding ---- */

struct net *netmgr_by_id(struct netmgr *m, const char *id)
{
	for (size_t i = 0; i < m->n_nets; i++)
		if (strcmp(m->nets[i]->doc.id, id) == 0)
			return m->nets[i];
	return NULL;
}

static struct net *by_name(struct netmgr *m, const char *name)
{
	for (size_t i = 0; i < m->n_nets; i++)
		if (strcmp(m->nets[i]->doc.name, name) == 0)
			return m->nets[i];
	return NULL;
}

es_err *netmgr_find(struct netmgr *m, const char *ref, struct net **ret)
{
	struct net *found = by_name(m, ref);
	unsigned matches = 0;

	if (!found)
		found = netmgr_by_id(m, ref);
	for (size_t i = 0; !found && *ref && i < m->n_nets; i++)
		if (str_starts(m->nets[i]->doc.id, ref)) {
			*ret = m->nets[i];
			matches++;
		}
	if (matches > 1)
		return es_err_new(ES_E_INVALID, "network %s is ambiguous (%u matches found based on ID prefix)", ref, matches);
	if (!found && matches == 0)
		return es_err_new(ES_E_NOT_FOUND, "network %s not found", ref);
	if (found)
		*ret = found;
	return NULL;
}

size_t netmgr_active(struct netmgr *m, const char *network_id)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_boxes; i++)
		n += netmgr_box_endpoint(m->boxes[i], network_id) != NULL;
	return n;
}

void netmgr_event(struct netmgr *m, const char *action, const struct net *n, const char *container_id)
{
	es_autoarena *a = arena_new();
	struct field_map *attributes = field_map_new(a);

	if (!m->cfg.ops || !m->cfg.ops->event)
		return;
	if (container_id)
		field_map_put(a, attributes, "container", arena_strdup(a, container_id));
	field_map_put(a, attributes, "name", arena_strdup(a, n->doc.name));
	field_map_put(a, attributes, "type", arena_strdup(a, n->doc.driver));
	m->cfg.ops->event(m->cfg.self, action, n->doc.id, attributes);
}

/* ---- records ---- */

static struct net *net_new(void)
{
	struct arena *a = arena_new();
	struct net *n = ARENA_NEW(a, struct net);

	n->a = a;
	return n;
}

static void net_free(struct net *n)
{
	if (n)
		arena_free(n->a);
}

static void net_add(struct netmgr *m, struct net *n)
{
	m->nets = es_xrealloc(m->nets, (m->n_nets + 1) * sizeof *m->nets);
	m->nets[m->n_nets++] = n;
}

static void net_remove(struct netmgr *m, const struct net *n)
{
	for (size_t i = 0; i < m->n_nets; i++)
		if (m->nets[i] == n) {
			memmove(m->nets + i, m->nets + i + 1, (--m->n_nets - i) * sizeof *m->nets);
			return;
		}
}

static es_err *net_save(struct netmgr *m, const struct net *n)
{
	es_autoarena *a = arena_new();
	es_autobuf b = ES_BUF(NETMGR_RECORD_MAX);
	struct json *doc = field_encode(a, docker_network_fields, &n->doc);
	struct record r = { .kind = NETMGR_KIND, .id = n->doc.id, .name = n->doc.name, .class = RECORD_DURABLE };

	json_set_i64(a, doc, "Version", NETMGR_RECORD_VERSION);
	json_set_bool(a, doc, "OwnSubnets", n->own_subnets);
	json_write(&b, doc, 0);
	ES_TRY(es_buf_check(&b));
	r.json = es_buf_str(&b);
	return record_put(m->cfg.store, &r);
}

static const char *option(const struct net *n, const char *name)
{
	const char *v = field_map_get(n->doc.options, name);

	return v ? v : "";
}

static bool option_is_false(const struct net *n, const char *name)
{
	return str_eq_nocase(option(n, name), "false") || strcmp(option(n, name), "0") == 0;
}

/* The options that the bridge itself needs; the subnets are set by then. */
static es_err *bridge_of_doc(struct net *n)
{
	const char *name = option(n, OPT_NAME), *mtu = option(n, OPT_MTU), *host_ip = option(n, OPT_HOST_IP);
	uint64_t v;

	n->bridge.id = n->doc.id;
	n->bridge.ifname = *name ? name : arena_printf(n->a, "br-%.12s", n->doc.id);
	if (strlen(n->bridge.ifname) >= IFNAMSIZ || strpbrk(n->bridge.ifname, "/ "))
		return es_err_new(ES_E_INVALID, "invalid bridge name: %s", n->bridge.ifname);
	n->bridge.internal = n->doc.internal;
	n->bridge.icc_off = option_is_false(n, OPT_ICC);
	n->bridge.masq_off = option_is_false(n, OPT_MASQ);
	if (*mtu) {
		ES_TRY(es_err_in(str_to_u64(mtu, 10, &v), "invalid MTU"));
		if (v < 68 || v > 65535)
			return es_err_new(ES_E_INVALID, "invalid MTU number: %s", mtu);
		n->bridge.mtu = (uint32_t)v;
	}
	if (*host_ip && strcmp(host_ip, "0.0.0.0") != 0)
		ES_TRY(ipaddr_parse(host_ip, &n->host_ip));
	return NULL;
}

static es_err *subnets_of_doc(struct net *n)
{
	FIELD_LIST_EACH(struct docker_ipam_config, c, &n->doc.ipam.config) {
		struct ipnet net;
		struct ipaddr gateway;
		bool six;

		ES_TRY(ipnet_parse(c->subnet, &net, NULL));
		ES_TRY(ipaddr_parse(c->gateway, &gateway));
		six = net.addr.family == AF_INET6;
		*(six ? &n->bridge.subnet6 : &n->bridge.subnet4) = net;
		*(six ? &n->bridge.gateway6 : &n->bridge.gateway4) = gateway;
	}
	return NULL;
}

static es_err *net_load(struct netmgr *m, const struct record *r)
{
	struct net *n = net_new();
	struct json *doc;
	es_err *err = json_parse(n->a, arena_strdup(n->a, r->json), strlen(r->json), &doc);

	if (!err && json_i64(json_get(doc, "Version"), 0) > NETMGR_RECORD_VERSION)
		err = es_err_new(ES_E_UNSUPPORTED, "its format %lld is newer than %d",
				 (long long)json_i64(json_get(doc, "Version"), 0), NETMGR_RECORD_VERSION);
	if (!err)
		err = field_decode(n->a, docker_network_fields, doc, &n->doc);
	n->own_subnets = !err && json_bool(json_get(doc, "OwnSubnets"), false);
	n->predefined = !err && (strcmp(n->doc.name, "host") == 0 || strcmp(n->doc.name, "none") == 0 || strcmp(n->doc.name, "bridge") == 0);
	if (!err && strcmp(n->doc.driver, "bridge") == 0) {
		err = subnets_of_doc(n);
		if (!err)
			err = bridge_of_doc(n);
	}
	if (err) {
		net_free(n);
		return es_err_in(err, "network record %s", r->id);
	}
	net_add(m, n);
	return NULL;
}

static es_err *bridge_up(struct netmgr *m, struct net *n)
{
	ES_TRY(network_bridge_add(m->cfg.network, &n->bridge));
	return netmgr_apply_ipam(m, n);
}

/* ---- the predefined ones ---- */

static void set_option(struct net *n, const char *name, const char *value)
{
	if (!n->doc.options)
		n->doc.options = field_map_new(n->a);
	field_map_put(n->a, n->doc.options, name, arena_strdup(n->a, value));
}

static void net_name(struct net *n, const char *name, const char *driver)
{
	char id[65];

	rand_hex(id, 64);
	n->doc.name = arena_strdup(n->a, name);
	n->doc.id = arena_strdup(n->a, id);
	n->doc.created = clock_now_ns();
	n->doc.scope = "local";
	n->doc.driver = arena_strdup(n->a, driver);
}

static es_err *add_plain(struct netmgr *m, const char *name, const char *driver)
{
	struct net *n;

	if (by_name(m, name))
		return NULL;
	n = net_new();
	net_name(n, name, driver);
	n->doc.ipam.driver = "default";
	n->predefined = true;
	net_add(m, n);
	return net_save(m, n);
}

/* What the daemon's flags say about the default network; a subnet that was chosen once stays. */
static es_err *default_options(struct netmgr *m, struct net *n)
{
	const char *ifname = m->cfg.bridge ? m->cfg.bridge : network_default_bridge(m->cfg.network);
	char mtu[16];

	(void)snprintf(mtu, sizeof mtu, "%lld", m->cfg.mtu ? (long long)m->cfg.mtu : (long long)network_default_mtu(m->cfg.network));
	set_option(n, OPT_DEFAULT, "true");
	set_option(n, OPT_ICC, m->cfg.icc_off ? "false" : "true");
	set_option(n, OPT_MASQ, m->cfg.ip_masq_off ? "false" : "true");
	set_option(n, OPT_HOST_IP, "0.0.0.0");
	set_option(n, OPT_NAME, ifname);
	set_option(n, OPT_MTU, mtu);
	return bridge_of_doc(n);
}

static es_err *default_subnets(struct netmgr *m, struct net *n)
{
	struct docker_ipam_config c = { 0 };
	struct docker_ipam ipam = { .config = { .items = &c } };
	char text[IPADDR_TEXT_MAX];
	struct ipnet net;
	struct ipaddr gateway;

	if (m->cfg.bip)
		ES_TRY(es_err_in(ipnet_parse(m->cfg.bip, &net, &gateway), "bip"));
	else if (m->cfg.bridge)
		ES_TRY(network_if_address(m->cfg.network, m->cfg.bridge, AF_INET, &net, &gateway));
	else if (n->doc.ipam.config.n)
		return NULL;
	if (m->cfg.bip || m->cfg.bridge) {
		c.subnet = arena_strdup(n->a, ipnet_text(&net, text));
		c.gateway = arena_strdup(n->a, ipaddr_text(&gateway, text));
		ipam.config.n = 1;
	}
	n->bridge.subnet4 = n->bridge.subnet6 = (struct ipnet){ 0 };
	ES_TRY(netmgr_plan_ipam(m, n, &ipam, m->cfg.ipv6));
	n->own_subnets = false;
	return NULL;
}

static es_err *add_default(struct netmgr *m)
{
	struct net *n = by_name(m, "bridge");
	bool fresh = !n;

	if (fresh) {
		n = net_new();
		net_name(n, "bridge", "bridge");
		n->doc.enable_ipv6 = m->cfg.ipv6;
		n->predefined = true;
	}
	n->bridge.keep = m->cfg.bridge != NULL;
	ES_TRY(default_subnets(m, n));
	ES_TRY(default_options(m, n));
	if (fresh)
		net_add(m, n);
	return net_save(m, n);
}

static es_err *add_predefined(struct netmgr *m)
{
	ES_TRY(add_plain(m, "host", "host"));
	ES_TRY(add_plain(m, "none", "null"));
	if (!str_eq(m->cfg.bridge, "none"))
		return es_err_in(add_default(m), "default network");
	if (by_name(m, "bridge"))
		net_remove(m, by_name(m, "bridge"));
	return NULL;
}

/* ---- open and close ---- */

static es_err *load_boxes(struct netmgr *m)
{
	es_autoarena *a = arena_new();
	struct record_list list;

	ES_TRY(record_list(m->cfg.store, a, NETMGR_BOX_KIND, NULL, &list));
	for (size_t i = 0; i < list.n; i++) {
		struct arena *own = arena_new();
		struct box *b = ARENA_NEW(own, struct box);
		const char *text = arena_strdup(own, list.items[i].json);
		es_err *err = field_decode_text(own, box_fields, text, strlen(text), b);

		b->a = own;
		if (err) {
			log_err(err, "sandbox record %s", list.items[i].id);
			arena_free(own);
			continue;
		}
		netmgr_box_restore(m, b);
	}
	return NULL;
}

static es_err *open_all(struct netmgr *m)
{
	es_autoarena *a = arena_new();
	struct record_list list;

	ES_TRY(record_list(m->cfg.store, a, NETMGR_KIND, NULL, &list));
	for (size_t i = 0; i < list.n; i++)
		ES_TRY(net_load(m, &list.items[i]));
	ES_TRY(add_predefined(m));
	for (size_t i = 0; i < m->n_nets; i++)
		if (m->nets[i]->bridge.id) /* one broken network must not keep the daemon from starting */
			log_err(bridge_up(m, m->nets[i]), "network %s", m->nets[i]->doc.name);
	ES_TRY(load_boxes(m));
	return network_ready(m->cfg.network);
}

es_err *netmgr_open(const struct netmgr_config *cfg, struct netmgr **ret)
{
	struct netmgr *m = ES_NEW(struct netmgr);
	es_err *err;

	m->cfg = *cfg;
	(void)pthread_mutex_init(&m->lock, NULL);
	err = open_all(m);
	if (err) {
		netmgr_close(m);
		return err;
	}
	m->ready = true;
	*ret = m;
	return NULL;
}

void netmgr_close(struct netmgr *m)
{
	if (!m)
		return;
	if (m->ready && m->n_boxes == 0) /* nobody is connected: the records suffice to bring it all back */
		network_purge(m->cfg.network);
	for (size_t i = 0; i < m->n_nets; i++)
		net_free(m->nets[i]);
	for (size_t i = 0; i < m->n_boxes; i++)
		arena_free(m->boxes[i]->a);
	free(m->nets);
	free(m->boxes);
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}

/* ---- create ---- */

/* What we do not do is refused by name, with docker's text where docker has one. */
static es_err *check_driver(const struct docker_network_create *req)
{
	const char *driver = str_empty(req->driver) ? "bridge" : req->driver;

	if (strcmp(driver, "host") == 0 || strcmp(driver, "null") == 0)
		return es_err_new(ES_E_FORBIDDEN, "only one instance of \"%s\" network is allowed", driver);
	if (strcmp(driver, "overlay") == 0 || req->ingress || str_eq(req->scope, "swarm"))
		return es_err_new(ES_E_UNAVAILABLE, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
						    "connect this node to swarm and try again.");
	if (strcmp(driver, "macvlan") == 0 || strcmp(driver, "ipvlan") == 0)
		return es_err_new(ES_E_UNSUPPORTED, "network driver %s is not supported", driver);
	if (strcmp(driver, "bridge") != 0)
		return es_err_new(ES_E_NOT_FOUND, "could not find plugin %s in v1 plugin registry: plugin not found", driver);
	if (req->config_only || (req->config_from && !str_empty(req->config_from->network)))
		return es_err_new(ES_E_UNSUPPORTED, "configuration-only networks are not supported");
	if (req->enable_ipv4.set && !req->enable_ipv4.v)
		return es_err_new(ES_E_UNSUPPORTED, "networks without IPv4 are not supported");
	for (size_t i = 0; i < ES_N(refused_options); i++)
		if (field_map_has(req->options, refused_options[i]))
			return es_err_new(ES_E_UNSUPPORTED, "network option %s is not supported", refused_options[i]);
	return NULL;
}

static es_err *check_name(struct netmgr *m, const char *name)
{
	static const char *const predefined[] = { "bridge", "host", "none", "default" };
	es_autofree char *trimmed = es_xstrdup(name ? name : "");

	if (!*str_trim(trimmed))
		return es_err_new(ES_E_INVALID, "invalid name: %s", name ? name : "");
	for (size_t i = 0; i < ES_N(predefined); i++)
		if (strcmp(name, predefined[i]) == 0)
			return es_err_new(ES_E_FORBIDDEN, "operation is not permitted on predefined %s network ", name);
	if (by_name(m, name))
		return es_err_new(ES_E_CONFLICT, "network with name %s already exists", name);
	return NULL;
}

static struct field_map *map_dup(struct arena *a, const struct field_map *map)
{
	struct field_map *copy = field_map_new(a);

	FIELD_MAP_EACH(e, map)
		field_map_put(a, copy, arena_strdup(a, e->key), arena_strdup(a, e->value ? e->value : ""));
	return copy;
}

/* The request lives in the caller's arena: what stays is copied through its JSON form. */
static es_err *copy_ipam(struct arena *a, const struct docker_ipam *from, struct docker_ipam *to)
{
	es_autobuf b = ES_BUF(NETMGR_RECORD_MAX);

	field_encode_text(&b, docker_ipam_fields, from);
	ES_TRY(es_buf_check(&b));
	return field_decode_text(a, docker_ipam_fields, arena_strndup(a, b.p, b.len), b.len, to);
}

static es_err *create(struct netmgr *m, const struct docker_network_create *req, struct net *n)
{
	struct docker_ipam ipam = { 0 };
	bool ipv6 = req->enable_ipv6.set && req->enable_ipv6.v;

	net_name(n, req->name, "bridge");
	n->doc.enable_ipv6 = ipv6;
	n->doc.internal = req->internal;
	n->doc.attachable = req->attachable;
	n->doc.options = map_dup(n->a, req->options);
	n->doc.labels = map_dup(n->a, req->labels);
	if (req->ipam)
		ES_TRY(copy_ipam(n->a, req->ipam, &ipam));
	ES_TRY(netmgr_plan_ipam(m, n, &ipam, ipv6));
	if (m->cfg.mtu)
		n->bridge.mtu = (uint32_t)m->cfg.mtu;
	ES_TRY(bridge_of_doc(n));
	ES_TRY(bridge_up(m, n));
	return net_save(m, n);
}

es_err *netmgr_create(struct netmgr *m, struct arena *a, const struct docker_network_create *req,
		      struct docker_network_create_reply *ret)
{
	NETMGR_WITH_LOCK(m);
	struct net *n;
	es_err *err;

	ES_TRY(check_name(m, req->name));
	ES_TRY(check_driver(req));
	n = net_new();
	err = create(m, req, n);
	if (err) {
		if (n->bridge.id)
			es_err_drop(network_bridge_remove(m->cfg.network, n->bridge.id));
		net_free(n);
		return err;
	}
	net_add(m, n);
	netmgr_event(m, "create", n, NULL);
	*ret = (struct docker_network_create_reply){ .id = arena_strdup(a, n->doc.id), .warning = "" };
	return NULL;
}

/* ---- inspect and list ---- */

static const char *with_bits(struct arena *a, const char *ip, const struct ipnet *subnet)
{
	return ip ? arena_printf(a, "%s/%u", ip, subnet->bits) : "";
}

static struct field_map *containers_of(struct netmgr *m, struct arena *a, const struct net *n)
{
	struct field_map *map = field_map_new(a);

	for (size_t i = 0; i < m->n_boxes; i++) {
		const struct box *b = m->boxes[i];
		const struct box_endpoint *ep = netmgr_box_endpoint(b, n->doc.id);
		struct docker_endpoint_resource *r;

		if (!ep)
			continue;
		r = ARENA_NEW(a, struct docker_endpoint_resource);
		*r = (struct docker_endpoint_resource){
			.name = arena_strdup(a, b->name), .endpoint_id = arena_strdup(a, ep->id),
			.mac_address = arena_strdup(a, ep->mac ? ep->mac : ""),
			.ipv4_address = with_bits(a, ep->ip4, &n->bridge.subnet4), .ipv6_address = with_bits(a, ep->ip6, &n->bridge.subnet6),
		};
		field_map_put(a, map, arena_strdup(a, b->id), r);
	}
	return map;
}

/* A copy that outlives the lock. */
static es_err *copy_doc(struct arena *a, const struct net *n, struct docker_network *ret)
{
	es_autobuf b = ES_BUF(NETMGR_RECORD_MAX);

	field_encode_text(&b, docker_network_fields, &n->doc);
	ES_TRY(es_buf_check(&b));
	return field_decode_text(a, docker_network_fields, arena_strndup(a, b.p, b.len), b.len, ret);
}

es_err *netmgr_inspect(struct netmgr *m, struct arena *a, const char *ref, const char *scope, struct docker_network *ret)
{
	NETMGR_WITH_LOCK(m);
	struct net *n;

	if (!str_empty(scope) && strcmp(scope, "local") != 0)
		return es_err_new(ES_E_NOT_FOUND, "network %s not found", ref);
	ES_TRY(netmgr_find(m, ref, &n));
	*ret = (struct docker_network){ 0 };
	ES_TRY(copy_doc(a, n, ret));
	ret->containers = containers_of(m, a, n);
	return NULL;
}

static bool is_used(struct netmgr *m, const struct net *n)
{
	const struct netmgr_ops *ops = m->cfg.ops;

	return n->predefined || netmgr_active(m, n->doc.id) > 0 ||
	       (ops && ops->is_wanted && ops->is_wanted(m->cfg.self, n->doc.name, n->doc.id));
}

static bool type_matches(const struct filters *f, const struct net *n)
{
	return filters_match(f, "type", n->predefined ? "builtin" : "custom");
}

static bool is_listed(struct netmgr *m, const struct filters *f, const struct net *n, bool dangling)
{
	return filters_match(f, "driver", n->doc.driver) && filters_match_prefix(f, "id", n->doc.id) &&
	       filters_match_labels(f, "label", n->doc.labels) && filters_match_part(f, "name", n->doc.name) &&
	       filters_match(f, "scope", n->doc.scope) && type_matches(f, n) &&
	       (!filters_has(f, "dangling") || dangling == !is_used(m, n));
}

es_err *netmgr_list(struct netmgr *m, struct arena *a, const struct filters *f, struct field_list *ret)
{
	NETMGR_WITH_LOCK(m);
	struct docker_network *items = ARENA_ARRAY(a, struct docker_network, m->n_nets + 1);
	bool dangling = false;
	size_t n = 0;

	ES_TRY(filters_bool(f, "dangling", false, &dangling));
	for (size_t i = 0; i < m->n_nets; i++)
		if (is_listed(m, f, m->nets[i], dangling))
			ES_TRY(copy_doc(a, m->nets[i], &items[n++]));
	*ret = (struct field_list){ .items = items, .n = n, .set = true };
	return NULL;
}

/* ---- remove and prune ---- */

static es_err *remove_net(struct netmgr *m, struct net *n)
{
	ES_TRY(record_delete(m->cfg.store, NETMGR_KIND, n->doc.id));
	if (n->bridge.id)
		log_err(network_bridge_remove(m->cfg.network, n->doc.id), "network %s", n->doc.name);
	net_remove(m, n);
	netmgr_event(m, "destroy", n, NULL);
	net_free(n);
	return NULL;
}

es_err *netmgr_remove(struct netmgr *m, const char *ref)
{
	NETMGR_WITH_LOCK(m);
	struct net *n;

	ES_TRY(netmgr_find(m, ref, &n));
	if (n->predefined)
		return es_err_new(ES_E_FORBIDDEN, "%s is a pre-defined network and cannot be removed", n->doc.name);
	if (netmgr_active(m, n->doc.id) > 0)
		return es_err_new(ES_E_FORBIDDEN, "error while removing network: network %s id %s has active endpoints", n->doc.name, n->doc.id);
	return remove_net(m, n);
}

static es_err *prune_limit(const struct filters *f, int64_t *ret)
{
	char **until = filters_get(f, "until");

	*ret = INT64_MAX;
	if (!until || !until[0])
		return NULL;
	if (until[1])
		return es_err_new(ES_E_INVALID, "more than one until filter specified");
	return filters_time(until[0], clock_now_ns(), ret);
}

es_err *netmgr_prune(struct netmgr *m, struct arena *a, const struct filters *f, char ***ret_names)
{
	NETMGR_WITH_LOCK(m);
	char **names = NULL;
	int64_t limit;

	ES_TRY(prune_limit(f, &limit));
	for (size_t i = 0; i < m->n_nets;) {
		struct net *n = m->nets[i];

		if (is_used(m, n) || n->doc.created > limit || !filters_match_labels(f, "label", n->doc.labels) ||
		    !filters_match_labels(f, "label!", n->doc.labels)) {
			i++;
			continue;
		}
		names = strv_arena_add(a, names, n->doc.name);
		ES_TRY(remove_net(m, n));
	}
	*ret_names = names;
	return NULL;
}

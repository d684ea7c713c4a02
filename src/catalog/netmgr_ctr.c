/* SPDX-License-Identifier: Apache-2.0 */
/* netmgr_ctr.c: containers in networks: what is asked for at create, up and down, connect and disconnect. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "catalog/netmgr_priv.h"
#include "network/hostfiles.h"
#include "store/record.h"

#define ENDPOINTS_MAX 64      /* networks of one container */
#define PORTS_MAX 65536       /* published by one container */
#define HOST_FILE_MAX (256u << 10)

#define T struct box_endpoint
static const struct field box_endpoint_fields[] = {
	F_STR(T, network_id, "NetworkID", FIELD_REQUIRED),
	F_STR(T, network_name, "Network", FIELD_REQUIRED),
	F_STR(T, type, "Type", FIELD_REQUIRED),
	F_STR(T, id, "ID", FIELD_REQUIRED),
	F_STR(T, ifname, "Interface", FIELD_OMIT_EMPTY),
	F_STR(T, ip4, "IPv4", FIELD_OMIT_EMPTY),
	F_STR(T, ip6, "IPv6", FIELD_OMIT_EMPTY),
	F_STR(T, mac, "Mac", FIELD_OMIT_EMPTY),
	F_BOOL(T, gateway, "Gateway", 0),
	F_I64(T, priority, "Priority", FIELD_OMIT_EMPTY),
	F_RAW(T, wanted, "Wanted", FIELD_OMIT_EMPTY),
	F_END,
};
#undef T

#define T struct box_port
static const struct field box_port_fields[] = {
	F_I64(T, proto, "Protocol", 0),
	F_I64(T, host_port, "HostPort", 0),
	F_I64(T, container_port, "Port", 0),
	F_STR(T, host_ip, "HostIP", FIELD_OMIT_EMPTY),
	F_STR(T, to4, "IPv4", FIELD_OMIT_EMPTY),
	F_STR(T, to6, "IPv6", FIELD_OMIT_EMPTY),
	F_END,
};
#undef T

#define T struct box
const struct field box_fields[] = {
	F_I64(T, version, "Version", 0),
	F_STR(T, id, "ID", FIELD_REQUIRED),
	F_STR(T, name, "Name", FIELD_REQUIRED),
	F_LIST(T, endpoints, "Endpoints", 0, struct box_endpoint, box_endpoint_fields),
	F_LIST(T, ports, "Ports", 0, struct box_port, box_port_fields),
	F_END,
};
#undef T

static const struct {
	const char *name;
	uint8_t proto;
} protos[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP } };

static const char *proto_name(uint8_t proto)
{
	for (size_t i = 0; i < ES_N(protos); i++)
		if (protos[i].proto == proto)
			return protos[i].name;
	return "?";
}

/* ---- sandboxes in memory and on record ---- */

struct box *netmgr_box(struct netmgr *m, const char *container_id)
{
	for (size_t i = 0; i < m->n_boxes; i++)
		if (strcmp(m->boxes[i]->id, container_id) == 0)
			return m->boxes[i];
	return NULL;
}

struct box_endpoint *netmgr_box_endpoint(const struct box *b, const char *network_id)
{
	FIELD_LIST_EACH(struct box_endpoint, ep, &b->endpoints)
		if (strcmp(ep->network_id, network_id) == 0)
			return ep;
	return NULL;
}

es_err *netmgr_box_save(struct netmgr *m, const struct box *b)
{
	es_autobuf text = ES_BUF(16u << 20);
	struct record r = { .kind = NETMGR_BOX_KIND, .id = b->id, .class = RECORD_RUN };

	field_encode_text(&text, box_fields, b);
	ES_TRY(es_buf_check(&text));
	r.json = es_buf_str(&text);
	return record_put(m->cfg.store, &r);
}

static void box_add(struct netmgr *m, struct box *b)
{
	m->boxes = es_xrealloc(m->boxes, (m->n_boxes + 1) * sizeof *m->boxes);
	m->boxes[m->n_boxes++] = b;
}

static struct ipaddr addr_of(const char *text)
{
	struct ipaddr a = { 0 };

	if (!str_empty(text))
		es_err_drop(ipaddr_parse(text, &a)); /* our own record: what does not read is no address */
	return a;
}

static struct network_endpoint kernel_endpoint(const struct box_endpoint *ep)
{
	struct network_endpoint k = { .id = ep->id, .network_id = ep->network_id, .ifname = ep->ifname, .ip4 = addr_of(ep->ip4),
				      .ip6 = addr_of(ep->ip6), .gateway = ep->gateway };
	unsigned v[6];

	if (ep->mac && sscanf(ep->mac, "%2x:%2x:%2x:%2x:%2x:%2x", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]) == 6)
		for (size_t i = 0; i < 6; i++)
			k.mac[i] = (uint8_t)v[i];
	return k;
}

void netmgr_box_restore(struct netmgr *m, struct box *b)
{
	struct network_port *ports = es_xcalloc(b->ports.n + 1, sizeof *ports);
	struct box_endpoint *room = ARENA_ARRAY(b->a, struct box_endpoint, ENDPOINTS_MAX);
	size_t n = 0;
	int fd = -1;

	b->endpoints.n = b->endpoints.n < ENDPOINTS_MAX ? b->endpoints.n : ENDPOINTS_MAX;
	if (b->endpoints.n)
		memcpy(room, b->endpoints.items, b->endpoints.n * sizeof *room);
	b->endpoints.items = room; /* later connects append here */

	FIELD_LIST_EACH(struct box_endpoint, ep, &b->endpoints) {
		const struct network_endpoint k = kernel_endpoint(ep);
		struct ipaddr taken;

		if (!ep->ifname)
			continue;
		network_adopt(m->cfg.network, &k);
		if (k.ip4.family)
			es_err_drop(network_ipam_take(m->cfg.network, ep->network_id, AF_INET, &k.ip4, &taken));
		if (k.ip6.family)
			es_err_drop(network_ipam_take(m->cfg.network, ep->network_id, AF_INET6, &k.ip6, &taken));
	}
	FIELD_LIST_EACH(struct box_port, p, &b->ports)
		ports[n++] = (struct network_port){ .proto = (uint8_t)p->proto, .host_ip = addr_of(p->host_ip),
						    .host_port = (uint16_t)p->host_port, .container_port = (uint16_t)p->container_port,
						    .to4 = addr_of(p->to4), .to6 = addr_of(p->to6) };
	if (n)
		network_publish_adopt(m->cfg.network, b->id, ports, n);
	free(ports);
	es_err_drop(network_ns_open(m->cfg.network, b->id, &fd)); /* none for the host's network */
	es_close(fd);
	box_add(m, b);
}

/* ---- create: what is asked for ---- */

/* "bridge" for the default; NULL when there is no network of one's own to be in. */
static const char *mode_network(const char *mode)
{
	if (str_empty(mode) || strcmp(mode, "default") == 0)
		return "bridge";
	return str_after(mode, "container:") ? NULL : mode;
}

static es_err *check_asked(struct netmgr *m, const char *name, struct docker_endpoint *ep)
{
	es_autobuf why = ES_BUF(4096);
	unsigned n_why = 0;
	struct net *n;
	es_err *err = netmgr_find(m, name, &n);

	if (err) { /* docker tells at the start */
		es_err_drop(err);
		return NULL;
	}
	netmgr_check_endpoint(n, ep, &why, &n_why);
	return es_err_in(netmgr_endpoint_error(&why, n_why), "invalid config for network %s", name);
}

es_err *netmgr_endpoints(struct netmgr *m, struct arena *a, const struct docker_host_config *hc, const struct docker_config *cfg,
			 struct json *networking_config, unsigned api, struct json **ret)
{
	NETMGR_WITH_LOCK(m);
	const char *main_name = mode_network(hc->network_mode);
	struct docker_networking_config asked = { 0 };
	struct field_map *map = field_map_new(a);
	struct docker_networking_config out = { .endpoints_config = map };
	struct docker_endpoint *first = ARENA_NEW(a, struct docker_endpoint);

	if (networking_config)
		ES_TRY(field_decode(a, docker_networking_config_fields, networking_config, &asked));
	if (main_name)
		field_map_put(a, map, arena_strdup(a, main_name), first);
	FIELD_MAP_EACH(e, asked.endpoints_config) {
		const char *name = strcmp(e->key, "default") == 0 ? "bridge" : e->key;
		struct docker_endpoint *ep = e->value ? e->value : ARENA_NEW(a, struct docker_endpoint);
		struct net *n = NULL, *main_net = NULL;

		if (!main_name && strcmp(name, hc->network_mode) == 0)
			continue; /* clients repeat "host" and "container:x" here */
		/* The mode's network may be named by its id in one place and by its name in the other. */
		if (main_name) {
			es_err_drop(netmgr_find(m, name, &n));
			es_err_drop(netmgr_find(m, main_name, &main_net));
		}
		if (n && n == main_net)
			name = main_name;
		ES_TRY(check_asked(m, name, ep));
		if (main_name && strcmp(name, main_name) == 0)
			first = ep;
		field_map_put(a, map, name, ep);
	}
	if (!main_name && map->n)
		return es_err_new(ES_E_INVALID, "conflicting options: container sharing network namespace with another container or host "
						"cannot be connected to any other network");
	if (api < 144 && map->n > 1)
		return es_err_new(ES_E_INVALID, "Container cannot be created with multiple network endpoints: %zu", map->n);
	if (main_name && !str_empty(cfg->mac_address) && str_empty(first->mac_address))
		first->mac_address = cfg->mac_address;
	*ret = json_get(field_encode(a, docker_networking_config_fields, &out), "EndpointsConfig");
	return NULL;
}

/* ---- one endpoint ---- */

static const char *mac_text(struct arena *a, const uint8_t mac[6])
{
	return arena_printf(a, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static es_err *take_address(struct netmgr *m, struct arena *a, const struct net *n, int family, const char *asked, const char **ret)
{
	struct ipaddr want = addr_of(asked), got;
	char text[IPADDR_TEXT_MAX];

	ES_TRY(network_ipam_take(m->cfg.network, n->doc.id, family, &want, &got));
	*ret = arena_strdup(a, ipaddr_text(&got, text));
	return NULL;
}

static void release_addresses(struct netmgr *m, const struct box_endpoint *ep)
{
	struct ipaddr a4 = addr_of(ep->ip4), a6 = addr_of(ep->ip6);

	if (a4.family)
		network_ipam_release(m->cfg.network, ep->network_id, &a4);
	if (a6.family)
		network_ipam_release(m->cfg.network, ep->network_id, &a6);
}

static void endpoint_down(struct netmgr *m, const struct box_endpoint *ep)
{
	if (!ep->ifname)
		return;
	network_detach(m->cfg.network, ep->id);
	release_addresses(m, ep);
}

static es_err *attach(struct netmgr *m, struct arena *a, const struct net *n, const struct docker_endpoint *asked, int netns_fd,
		      struct box_endpoint *ep)
{
	const struct docker_endpoint_ipam *ipam = asked->ipam_config;
	struct network_endpoint k;

	ES_TRY(take_address(m, a, n, AF_INET, ipam ? ipam->ipv4_address : NULL, &ep->ip4));
	if (n->bridge.subnet6.addr.family)
		ES_TRY(take_address(m, a, n, AF_INET6, ipam ? ipam->ipv6_address : NULL, &ep->ip6));
	if (!str_empty(asked->mac_address))
		ep->mac = arena_strdup(a, asked->mac_address);
	k = kernel_endpoint(ep);
	if (!ep->mac) {
		network_mac(&k.ip4, k.mac);
		ep->mac = mac_text(a, k.mac);
	}
	return network_attach(m->cfg.network, netns_fd, &k);
}

static bool has_ifname(const struct box *b, const char *ifname)
{
	FIELD_LIST_EACH(struct box_endpoint, ep, &b->endpoints)
		if (ep->ifname && strcmp(ep->ifname, ifname) == 0)
			return true;
	return false;
}

/* eth0, eth1 … */
static const char *free_ifname(const struct box *b)
{
	char name[IFNAMSIZ];
	unsigned at = 0;

	do
		(void)snprintf(name, sizeof name, "eth%u", at++);
	while (has_ifname(b, name));
	return arena_strdup(b->a, name);
}

/* Connect the box to the network NAME, as ASKED (EndpointSettings). The endpoint is added to B only on success. */
static es_err *endpoint_up(struct netmgr *m, struct box *b, const struct net *n, struct json *asked_json, int netns_fd, bool gateway)
{
	struct docker_endpoint *asked = ARENA_NEW(b->a, struct docker_endpoint);
	struct box_endpoint *items = b->endpoints.items, *ep = &items[b->endpoints.n];
	es_autobuf why = ES_BUF(4096);
	unsigned n_why = 0;
	char id[65];
	es_err *err;

	if (b->endpoints.n == ENDPOINTS_MAX)
		return es_err_new(ES_E_LIMIT, "a container can be in at most %d networks", ENDPOINTS_MAX);
	if (json_is(asked_json, JSON_OBJECT))
		ES_TRY(field_decode(b->a, docker_endpoint_fields, asked_json, asked));
	netmgr_check_endpoint(n, asked, &why, &n_why);
	ES_TRY(netmgr_endpoint_error(&why, n_why));
	rand_hex(id, 64);
	*ep = (struct box_endpoint){
		.network_id = arena_strdup(b->a, n->doc.id), .network_name = arena_strdup(b->a, n->doc.name),
		.type = arena_strdup(b->a, n->doc.driver), .id = arena_strdup(b->a, id), .gateway = gateway,
		.priority = asked->gw_priority, .wanted = asked_json ? json_copy(b->a, asked_json) : NULL,
	};
	if (n->bridge.id) {
		ep->ifname = free_ifname(b);
		err = attach(m, b->a, n, asked, netns_fd, ep);
		if (err) {
			release_addresses(m, ep);
			return err;
		}
	}
	b->endpoints.n++;
	netmgr_event(m, "connect", n, b->id);
	return NULL;
}

/* The highest priority, then the first asked for; never an internal network. */
static const char *gateway_of(struct netmgr *m, const struct json *endpoints)
{
	const char *best = NULL;
	int64_t best_priority = INT64_MIN;

	JSON_EACH(e, endpoints) {
		int64_t priority = json_i64(json_get(e, "GwPriority"), 0);
		struct net *n;
		es_err *err = netmgr_find(m, e->key, &n);

		if (!err && !n->doc.internal && (!best || priority > best_priority)) {
			best = e->key;
			best_priority = priority;
		}
		es_err_drop(err);
	}
	return best;
}

/* ---- what is in force, as docker shows it ---- */

static struct json *endpoint_json(struct netmgr *m, struct arena *a, const struct box_endpoint *ep)
{
	struct docker_endpoint *out = ARENA_NEW(a, struct docker_endpoint);
	const struct net *n = netmgr_by_id(m, ep->network_id);
	char text[IPADDR_TEXT_MAX];

	if (json_is(ep->wanted, JSON_OBJECT))
		es_err_drop(field_decode(a, docker_endpoint_fields, ep->wanted, out)); /* it was decoded before */
	out->network_id = ep->network_id;
	out->endpoint_id = ep->id;
	out->mac_address = ep->mac;
	if (n && ep->ip4) {
		out->ip_address = ep->ip4;
		out->ip_prefix_len = n->bridge.subnet4.bits;
		out->gateway = n->bridge.internal ? "" : arena_strdup(a, ipaddr_text(&n->bridge.gateway4, text));
	}
	if (n && ep->ip6) {
		out->global_ipv6_address = ep->ip6;
		out->global_ipv6_prefix_len = n->bridge.subnet6.bits;
		out->ipv6_gateway = n->bridge.internal ? "" : arena_strdup(a, ipaddr_text(&n->bridge.gateway6, text));
	}
	return field_encode(a, docker_endpoint_fields, out);
}

static struct json *networks_json(struct netmgr *m, struct arena *a, const struct box *b)
{
	struct json *out = json_new_object(a), *deep;

	FIELD_LIST_EACH(struct box_endpoint, ep, &b->endpoints)
		json_set(a, out, ep->network_name, endpoint_json(m, a, ep));
	deep = json_copy(a, out); /* nothing in it points into the box any more */
	return deep;
}

static void add_binding(struct arena *a, struct json *list, const char *ip, uint16_t port)
{
	struct json *binding = json_new_object(a);

	json_set_str(a, binding, "HostIp", ip);
	json_set_str(a, binding, "HostPort", arena_printf(a, "%u", port));
	json_append(list, binding);
}

static struct json *ports_json(struct arena *a, const struct docker_config *cfg, const struct network_port *ports, size_t n)
{
	struct json *out = json_new_object(a);

	FIELD_MAP_EACH(e, cfg->exposed_ports)
		json_set(a, out, e->key, json_new_null(a));
	for (size_t i = 0; i < n; i++) {
		const char *key = arena_printf(a, "%u/%s", ports[i].container_port, proto_name(ports[i].proto));
		struct json *list = json_get(out, key);
		char ip[IPADDR_TEXT_MAX];

		if (!json_is(list, JSON_ARRAY)) {
			list = json_new_array(a);
			json_set(a, out, key, list);
		}
		if (ports[i].host_ip.family) {
			add_binding(a, list, ipaddr_text(&ports[i].host_ip, ip), ports[i].host_port);
			continue;
		}
		add_binding(a, list, "0.0.0.0", ports[i].host_port);
		if (ports[i].to6.family)
			add_binding(a, list, "::", ports[i].host_port);
	}
	return out;
}

/* ---- published ports ---- */

struct want_ports {
	struct network_port *p;
	size_t n;
	struct ipaddr to4, to6, host_ip;
};

static es_err *parse_port_key(const char *key, struct network_port *p)
{
	const char *slash = strchr(key, '/');
	es_autofree char *number = es_xstrndup(key, slash ? (size_t)(slash - key) : strlen(key));
	const char *proto = slash ? slash + 1 : "tcp";
	uint64_t v;
	es_err *err = str_to_u64(number, 10, &v);

	if (err || v == 0 || v > UINT16_MAX) {
		es_err_drop(err);
		return es_err_new(ES_E_INVALID, "invalid container port: %s", key);
	}
	p->container_port = (uint16_t)v;
	for (size_t i = 0; i < ES_N(protos); i++)
		if (str_eq_nocase(protos[i].name, proto))
			p->proto = protos[i].proto;
	return p->proto ? NULL : es_err_new(ES_E_INVALID, "invalid port protocol: %s", proto);
}

static es_err *parse_host_port(const char *text, struct network_port *p)
{
	const char *dash = text ? strchr(text, '-') : NULL;
	es_autofree char *first = es_xstrndup(text ? text : "", dash ? (size_t)(dash - text) : text ? strlen(text) : 0);
	uint64_t low = 0, high = 0;
	es_err *err = *first ? str_to_u64(first, 10, &low) : NULL;

	if (!err && dash)
		err = str_to_u64(dash + 1, 10, &high);
	if (err || low > UINT16_MAX || high > UINT16_MAX || (dash && high < low)) {
		es_err_drop(err);
		return es_err_new(ES_E_INVALID, "invalid host port: %s", text);
	}
	p->host_port = (uint16_t)low;
	p->host_port_last = (uint16_t)high;
	return NULL;
}

static es_err *add_port(struct want_ports *w, const char *key, const struct docker_port_binding *binding)
{
	struct network_port p = { .to4 = w->to4, .to6 = w->to6, .host_ip = w->host_ip };

	if (w->n == PORTS_MAX)
		return es_err_new(ES_E_LIMIT, "more than %d published ports", PORTS_MAX);
	ES_TRY(parse_port_key(key, &p));
	if (binding) {
		ES_TRY(parse_host_port(binding->host_port, &p));
		if (!str_empty(binding->host_ip))
			ES_TRY(ipaddr_parse(binding->host_ip, &p.host_ip));
	}
	if (p.host_ip.family == AF_INET6 && !p.to6.family)
		return es_err_new(ES_E_UNSUPPORTED, "port %s cannot be published on an IPv6 address: the container has none", key);
	w->p = es_xrealloc(w->p, (w->n + 1) * sizeof *w->p);
	w->p[w->n++] = p;
	return NULL;
}

static es_err *want_ports(const struct netmgr_start *s, struct want_ports *w)
{
	FIELD_MAP_EACH(e, s->host_config->port_bindings) {
		const struct field_list *list = e->value;

		if (!list || list->n == 0)
			ES_TRY(add_port(w, e->key, NULL));
		else
			FIELD_LIST_EACH(struct docker_port_binding, binding, list)
				ES_TRY(add_port(w, e->key, binding));
	}
	if (s->host_config->publish_all_ports)
		FIELD_MAP_EACH(e, s->config->exposed_ports)
			if (!field_map_has(s->host_config->port_bindings, e->key))
				ES_TRY(add_port(w, e->key, NULL));
	return NULL;
}

static const struct box_endpoint *gateway_endpoint(const struct box *b)
{
	FIELD_LIST_EACH(struct box_endpoint, ep, &b->endpoints)
		if (ep->gateway && ep->ifname)
			return ep;
	return NULL;
}

static void keep_ports(struct box *b, const struct network_port *ports, size_t n)
{
	struct box_port *items = ARENA_ARRAY(b->a, struct box_port, n + 1);
	char text[IPADDR_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		items[i] = (struct box_port){
			.proto = ports[i].proto, .host_port = ports[i].host_port, .container_port = ports[i].container_port,
			.host_ip = arena_strdup(b->a, ipaddr_text(&ports[i].host_ip, text)),
			.to4 = arena_strdup(b->a, ipaddr_text(&ports[i].to4, text)),
			.to6 = arena_strdup(b->a, ipaddr_text(&ports[i].to6, text)),
		};
	b->ports = (struct field_list){ .items = items, .n = n, .set = true };
}

static es_err *publish(struct netmgr *m, struct arena *a, const struct netmgr_start *s, struct box *b, struct netmgr_sandbox *ret)
{
	const struct box_endpoint *ep = gateway_endpoint(b);
	const struct net *n = ep ? netmgr_by_id(m, ep->network_id) : NULL;
	struct want_ports w = { 0 };
	es_err *err = NULL;

	if (n) { /* without one there is nowhere to translate to: docker, too, ignores -p with none, host and internal */
		w.to4 = addr_of(ep->ip4);
		w.to6 = addr_of(ep->ip6);
		w.host_ip = n->host_ip;
		err = want_ports(s, &w);
	}
	if (!err && w.n)
		err = network_publish(m->cfg.network, s->id, w.p, w.n, &ret->hold_fds);
	if (err) {
		free(w.p);
		return es_err_as(es_err_in(err, "driver failed programming external connectivity on endpoint %s (%s)", s->name,
					   ep ? ep->id : ""), ES_E_INTERNAL);
	}
	ret->n_hold = w.n;
	keep_ports(b, w.p, w.n);
	ret->ports = ports_json(a, s->config, w.p, w.n);
	free(w.p);
	return NULL;
}

/* ---- hosts and resolv.conf ---- */

static char **or_daemon(char **own, char **daemon)
{
	return own && own[0] ? own : daemon && daemon[0] ? daemon : NULL;
}

static es_err *host_text(const char *path, char **ret)
{
	es_err *err = file_read(AT_FDCWD, path, HOST_FILE_MAX, ret, NULL);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_drop(err);
		*ret = es_xstrdup("");
		return NULL;
	}
	return err;
}

static es_err *write_resolv(struct netmgr *m, struct arena *a, const struct docker_host_config *hc, bool ipv6, bool host_network,
			    const char **ret)
{
	struct hostfiles_resolv in = { .servers = or_daemon(hc->dns, m->cfg.dns), .search = or_daemon(hc->dns_search, m->cfg.dns_search),
				       .options = or_daemon(hc->dns_options, m->cfg.dns_opts), .ipv6 = ipv6, .host_network = host_network };
	es_autofree char *etc = NULL, *real = NULL;
	char *text;

	ES_TRY(host_text("/etc/resolv.conf", &etc));
	in.host_text = etc;
	if (!host_network && strcmp(hostfiles_resolv_path(etc), "/etc/resolv.conf") != 0) {
		ES_TRY(host_text(hostfiles_resolv_path(etc), &real));
		in.host_text = real;
	}
	ES_TRY(hostfiles_resolv(&in, &text));
	arena_own(a, text);
	*ret = text;
	return NULL;
}

static es_err *write_hosts(struct netmgr *m, struct arena *a, const struct netmgr_start *s, const struct box *b, const char **ret)
{
	struct ipaddr own[2 * ENDPOINTS_MAX];
	const struct box_endpoint *gateway = gateway_endpoint(b);
	const struct net *n = gateway ? netmgr_by_id(m, gateway->network_id) : NULL;
	struct hostfiles_hosts in = { .hostname = s->config->hostname, .domainname = s->config->domainname, .own = own,
				      .extra = s->host_config->extra_hosts };
	char *text;

	if (n)
		in.host_gateway = n->bridge.gateway4;
	FIELD_LIST_EACH(struct box_endpoint, ep, &b->endpoints) {
		if (ep->ip4)
			own[in.n_own++] = addr_of(ep->ip4);
		if (ep->ip6)
			own[in.n_own++] = addr_of(ep->ip6);
	}
	ES_TRY(hostfiles_hosts(&in, &text));
	arena_own(a, text);
	*ret = text;
	return NULL;
}

/* In the host's own network its hosts file counts, and what was added by hand. */
static es_err *host_hosts(struct arena *a, const struct docker_host_config *hc, const char **ret)
{
	struct hostfiles_hosts in = { .extra = hc->extra_hosts, .host_gateway = { .family = AF_INET, .b = { 127, 0, 0, 1 } } };
	es_autofree char *etc = NULL, *made = NULL;
	const char *fixed_end;

	ES_TRY(host_text("/etc/hosts", &etc));
	ES_TRY(hostfiles_hosts(&in, &made));
	fixed_end = strstr(made, "ip6-allrouters\n");
	*ret = arena_printf(a, "%s%s%s", etc, *etc && !str_ends(etc, "\n") ? "\n" : "", fixed_end ? strchr(fixed_end, '\n') + 1 : "");
	return NULL;
}

/* ---- up ---- */

static struct box *box_new(const struct netmgr_start *s)
{
	struct arena *a = arena_new();
	struct box *b = ARENA_NEW(a, struct box);

	*b = (struct box){ .a = a, .version = NETMGR_RECORD_VERSION, .id = arena_strdup(a, s->id), .name = arena_strdup(a, s->name) };
	b->endpoints = (struct field_list){ .items = ARENA_ARRAY(a, struct box_endpoint, ENDPOINTS_MAX), .set = true };
	return b;
}

/* Once, however it goes on. */
static void tell_left(struct netmgr *m, struct box *b)
{
	FIELD_LIST_EACH(struct box_endpoint, ep, &b->endpoints) {
		const struct net *n = netmgr_by_id(m, ep->network_id);

		if (n && !b->left)
			netmgr_event(m, "disconnect", n, b->id);
	}
	b->left = true;
}

/* Everything that UP did; also of a half-made box. Needs no lock: nobody else has the box. */
static void undo(struct netmgr *m, struct box *b)
{
	network_unpublish(m->cfg.network, b->id);
	FIELD_LIST_EACH(struct box_endpoint, ep, &b->endpoints)
		endpoint_down(m, ep);
	network_ns_drop(m->cfg.network, b->id);
}

static es_err *join(struct netmgr *m, struct arena *a, const char *other, struct netmgr_sandbox *ret)
{
	es_err *err = network_ns_open(m->cfg.network, other, &ret->netns_fd);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) { /* the other one is in the host's network */
		es_err_drop(err);
		ret->netns_fd = -1;
	} else if (err)
		return err;
	ret->networks = json_new_object(a);
	ret->ports = json_new_object(a);
	ret->sandbox_key = "";
	return NULL;
}

static es_err *connect_all(struct netmgr *m, const struct netmgr_start *s, struct box *b, int netns_fd)
{
	const char *gateway = gateway_of(m, s->endpoints);

	JSON_EACH(e, s->endpoints) {
		struct net *n;

		ES_TRY(netmgr_find(m, e->key, &n));
		ES_TRY(endpoint_up(m, b, n, e, netns_fd, gateway && strcmp(e->key, gateway) == 0));
	}
	return NULL;
}

static es_err *up(struct netmgr *m, struct arena *a, const struct netmgr_start *s, struct box *b, struct netmgr_sandbox *ret)
{
	bool host = str_eq(s->host_config->network_mode, "host");
	bool ipv6 = false;

	if (!host)
		ES_TRY(network_ns_take(m->cfg.network, s->id, &ret->netns_fd));
	ES_TRY(connect_all(m, s, b, ret->netns_fd));
	ES_TRY(publish(m, a, s, b, ret));
	FIELD_LIST_EACH(struct box_endpoint, ep, &b->endpoints)
		ipv6 |= ep->ip6 != NULL;
	if (host)
		ES_TRY(host_hosts(a, s->host_config, &ret->hosts));
	else
		ES_TRY(write_hosts(m, a, s, b, &ret->hosts));
	ES_TRY(write_resolv(m, a, s->host_config, ipv6, host, &ret->resolv_conf));
	ret->networks = networks_json(m, a, b);
	ret->sandbox_key = host ? "/var/run/docker/netns/default" : arena_printf(a, "%s/%s", network_ns_path(m->cfg.network), s->id);
	return netmgr_box_save(m, b);
}

es_err *netmgr_up(struct netmgr *m, struct arena *a, const struct netmgr_start *s, struct netmgr_sandbox *ret)
{
	NETMGR_WITH_LOCK(m);
	struct netmgr_sandbox made = { .netns_fd = -1 };
	struct box *b;
	es_err *err;

	if (s->join_id) {
		ES_TRY(join(m, a, s->join_id, &made));
		*ret = made;
		return NULL;
	}
	if (netmgr_box(m, s->id))
		return es_err_new(ES_E_CONFLICT, "the network of container %s is up already", s->id);
	b = box_new(s);
	err = up(m, a, s, b, &made);
	if (err) {
		undo(m, b);
		tell_left(m, b);
		netmgr_sandbox_done(&made);
		arena_free(b->a);
		return err;
	}
	box_add(m, b);
	*ret = made;
	return NULL;
}

void netmgr_sandbox_done(struct netmgr_sandbox *s)
{
	for (size_t i = 0; i < s->n_hold; i++)
		es_close(s->hold_fds[i]);
	free(s->hold_fds);
	es_close(s->netns_fd);
	s->hold_fds = NULL;
	s->n_hold = 0;
	s->netns_fd = -1;
}

void netmgr_ended(struct netmgr *m, const char *container_id)
{
	NETMGR_WITH_LOCK(m);
	struct box *b = netmgr_box(m, container_id);

	if (b)
		tell_left(m, b);
}

/* Out of the books; the caller's. Its record and its addresses stay. NULL: not up. */
static struct box *take_box(struct netmgr *m, const char *container_id)
{
	NETMGR_WITH_LOCK(m);

	for (size_t i = 0; i < m->n_boxes; i++) {
		struct box *b = m->boxes[i];

		if (strcmp(b->id, container_id) != 0)
			continue;
		tell_left(m, b);
		memmove(m->boxes + i, m->boxes + i + 1, (--m->n_boxes - i) * sizeof *m->boxes);
		return b;
	}
	return NULL;
}

/* Taking an interface away keeps the kernel busy for tens of milliseconds, in which other containers start. The record goes last:
 * what a kill leaves in the middle is found by the next netmgr_open. */
void netmgr_down(struct netmgr *m, const char *container_id)
{
	struct box *b = take_box(m, container_id);

	if (!b)
		return;
	undo(m, b);
	log_err(record_delete(m->cfg.store, NETMGR_BOX_KIND, container_id), "sandbox record");
	arena_free(b->a);
}

char **netmgr_sandboxes(struct netmgr *m, struct arena *a)
{
	NETMGR_WITH_LOCK(m);
	char **ids = ARENA_ARRAY(a, char *, m->n_boxes + 1);

	for (size_t i = 0; i < m->n_boxes; i++)
		ids[i] = arena_strdup(a, m->boxes[i]->id);
	return ids;
}

void netmgr_rename(struct netmgr *m, const char *container_id, const char *name)
{
	NETMGR_WITH_LOCK(m);
	struct box *b = netmgr_box(m, container_id);

	if (!b)
		return;
	b->name = arena_strdup(b->a, name);
	log_err(netmgr_box_save(m, b), "sandbox record");
}

/* ---- connect and disconnect ---- */

static es_err *find_ctr(struct netmgr *m, struct arena *a, const char *ref, struct netmgr_ctr *ret)
{
	if (!m->cfg.ops || !m->cfg.ops->find)
		return es_err_new(ES_E_NOT_FOUND, "No such container: %s", ref);
	return m->cfg.ops->find(m->cfg.self, a, ref ? ref : "", ret);
}

static es_err *check_modes(const struct netmgr_ctr *c, const struct net *n, bool connecting)
{
	bool host = str_eq(c->network_mode, "host") || strcmp(n->doc.name, "host") == 0;

	if (host)
		return es_err_new(ES_E_INVALID, "container cannot be disconnected from host network or connected to host network");
	if (c->network_mode && str_after(c->network_mode, "container:"))
		return es_err_new(ES_E_INVALID, "container sharing network namespace with another container or host cannot be connected to any "
						"other network");
	if (connecting && (str_eq(c->network_mode, "none") || strcmp(n->doc.name, "none") == 0))
		return es_err_new(ES_E_INVALID, "container cannot be connected to multiple networks with one of the networks in private (none) "
						"mode");
	return NULL;
}

/* The key under which the container asked for N: its name or its id. */
static const char *asked_key(const struct netmgr_ctr *c, const struct net *n)
{
	if (json_get(c->endpoints, n->doc.name))
		return n->doc.name;
	return json_get(c->endpoints, n->doc.id) ? n->doc.id : NULL;
}

static es_err *connect_running(struct netmgr *m, struct box *b, const struct net *n, struct json *asked)
{
	bool gateway = !n->doc.internal && !gateway_endpoint(b);
	es_autoclose int fd = -1;

	ES_TRY(network_ns_open(m->cfg.network, b->id, &fd));
	ES_TRY(endpoint_up(m, b, n, asked, fd, gateway));
	return netmgr_box_save(m, b);
}

static es_err *do_connect(struct netmgr *m, struct arena *a, const char *ref, struct json *asked, struct netmgr_ctr *c,
			  struct json **ret_in_force)
{
	NETMGR_WITH_LOCK(m);
	struct docker_endpoint ep = { 0 };
	es_autobuf why = ES_BUF(4096);
	unsigned n_why = 0;
	struct net *n;
	struct box *b;

	ES_TRY(netmgr_find(m, ref, &n));
	ES_TRY(check_modes(c, n, true));
	b = c->running ? netmgr_box(m, c->id) : NULL;
	if ((b && netmgr_box_endpoint(b, n->doc.id)) || (!b && asked_key(c, n)))
		return es_err_new(ES_E_FORBIDDEN, "endpoint with name %s already exists in network %s", c->name, n->doc.name);
	ES_TRY(field_decode(a, docker_endpoint_fields, asked, &ep));
	netmgr_check_endpoint(n, &ep, &why, &n_why);
	ES_TRY(netmgr_endpoint_error(&why, n_why));
	if (b) {
		ES_TRY(connect_running(m, b, n, asked));
		*ret_in_force = networks_json(m, a, b);
	}
	json_set(a, c->endpoints, n->doc.name, json_copy(a, asked));
	return NULL;
}

es_err *netmgr_connect(struct netmgr *m, struct arena *a, const char *ref, const struct docker_network_connect *req)
{
	static const struct docker_endpoint nothing;
	struct json *asked = field_encode(a, docker_endpoint_fields, req->endpoint_config ? req->endpoint_config : &nothing);
	struct json *in_force = NULL;
	struct netmgr_ctr c = { 0 };

	ES_TRY(find_ctr(m, a, req->container, &c));
	if (!c.endpoints)
		c.endpoints = json_new_object(a);
	ES_TRY(do_connect(m, a, ref, asked, &c, &in_force));
	return m->cfg.ops->save ? m->cfg.ops->save(m->cfg.self, c.id, c.endpoints, in_force) : NULL;
}

/* Another network becomes the way out when the one that was is taken away. */
static es_err *move_gateway(struct netmgr *m, struct box *b)
{
	es_autoclose int fd = -1;

	if (gateway_endpoint(b))
		return NULL;
	ES_TRY(network_ns_open(m->cfg.network, b->id, &fd));
	FIELD_LIST_EACH(struct box_endpoint, ep, &b->endpoints) {
		const struct net *n = netmgr_by_id(m, ep->network_id);
		struct network_endpoint k = kernel_endpoint(ep);

		if (!ep->ifname || !n || n->doc.internal)
			continue;
		ep->gateway = true;
		return network_set_gateway(m->cfg.network, fd, &k, true);
	}
	return NULL;
}

static es_err *disconnect_running(struct netmgr *m, struct box *b, const struct net *n)
{
	struct box_endpoint *ep = netmgr_box_endpoint(b, n->doc.id), *items = b->endpoints.items;
	size_t at = (size_t)(ep - items);

	if (ep->gateway && b->ports.n) { /* its published ports lead to an address that goes away */
		network_unpublish(m->cfg.network, b->id);
		b->ports.n = 0;
	}
	endpoint_down(m, ep);
	memmove(items + at, items + at + 1, (--b->endpoints.n - at) * sizeof *items);
	netmgr_event(m, "disconnect", n, b->id);
	log_err(move_gateway(m, b), "container %.12s", b->id);
	return netmgr_box_save(m, b);
}

static es_err *do_disconnect(struct netmgr *m, struct arena *a, const char *ref, bool force, struct netmgr_ctr *c,
			     struct json **ret_in_force)
{
	NETMGR_WITH_LOCK(m);
	struct net *n;
	struct box *b;
	const char *key;

	ES_TRY(netmgr_find(m, ref, &n));
	ES_TRY(check_modes(c, n, false));
	b = c->running ? netmgr_box(m, c->id) : NULL;
	key = asked_key(c, n);
	if (b && !netmgr_box_endpoint(b, n->doc.id) && !force)
		return es_err_new(ES_E_INTERNAL, "container %s is not connected to network %s", c->id, n->doc.name);
	if (!b && !key && !force)
		return es_err_new(ES_E_FORBIDDEN, "container %s is not connected to the network %s", c->id, n->doc.name);
	if (b && netmgr_box_endpoint(b, n->doc.id))
		ES_TRY(disconnect_running(m, b, n));
	if (b)
		*ret_in_force = networks_json(m, a, b);
	if (key)
		(void)json_remove(c->endpoints, key);
	return NULL;
}

es_err *netmgr_disconnect(struct netmgr *m, struct arena *a, const char *ref, const struct docker_network_disconnect *req)
{
	struct json *in_force = NULL;
	struct netmgr_ctr c = { 0 };

	ES_TRY(find_ctr(m, a, req->container, &c));
	if (!c.endpoints)
		c.endpoints = json_new_object(a);
	ES_TRY(do_disconnect(m, a, ref, req->force, &c, &in_force));
	return m->cfg.ops->save ? m->cfg.ops->save(m->cfg.self, c.id, c.endpoints, in_force) : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* netmgr_ipam.c: which subnets a network gets, and which addresses may be asked for in it. */
#include <stdio.h>

#include "base/rand.h"
#include "base/str.h"
#include "catalog/netmgr_priv.h"

/* Where subnets come from when the user names none: docker's first for the default bridge, then /24s instead of docker's
 * /16s, which run out after 30 networks. Whatever a route of the host covers is passed over. */
static const struct pool {
	const char *base;
	unsigned bits; /* of each subnet */
} pools[] = {
	{ "172.17.0.0/16", 16 }, { "172.18.0.0/15", 24 }, { "172.20.0.0/14", 24 }, { "172.24.0.0/13", 24 }, { "10.128.0.0/9", 24 },
};

static bool is_free(struct netmgr *m, const struct ipnet *net)
{
	for (size_t i = 0; i < m->n_nets; i++) {
		const struct network_bridge *b = &m->nets[i]->bridge;

		if ((b->subnet4.addr.family && ipnet_overlaps(&b->subnet4, net)) ||
		    (b->subnet6.addr.family && ipnet_overlaps(&b->subnet6, net)))
			return false;
	}
	return true;
}

static es_err *choose4(struct netmgr *m, struct ipnet *ret)
{
	for (size_t i = 0; i < ES_N(pools); i++) {
		struct ipnet base;
		uint64_t step;

		ES_TRY(ipnet_parse(pools[i].base, &base, NULL));
		step = UINT64_C(1) << (32 - pools[i].bits);
		for (uint64_t at = 0; at <= ipnet_last(&base); at += step) {
			struct ipaddr first = ipnet_at(&base, at);
			struct ipnet net = ipnet_of(&first, pools[i].bits);

			if (is_free(m, &net) && !network_is_used(m->cfg.network, &net)) {
				*ret = net;
				return NULL;
			}
		}
	}
	return es_err_new(ES_E_LIMIT, "could not find an available, non-overlapping IPv4 address pool among the defaults to assign "
				      "to the network");
}

/* RFC 4193: fd and 40 random bits, then subnet 0. */
static void choose6(struct ipnet *ret)
{
	struct ipaddr a = { .family = AF_INET6, .b = { 0xfd } };

	rand_bytes(a.b + 1, 5);
	*ret = ipnet_of(&a, 64);
}

/* ---- one configured subnet ---- */

struct plan {
	struct arena *a;
	struct ipnet subnet;
	struct ipaddr gateway;
};

static es_err *invalid(const char *fmt, ...) ES_PRINTF(1, 2);
static es_err *invalid(const char *fmt, ...)
{
	va_list ap;
	char text[256];

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return es_err_new(ES_E_INVALID, "invalid network config:\n%s", text);
}

static es_err *plan_gateway(const struct docker_ipam_config *c, struct plan *p)
{
	es_err *err;

	if (str_empty(c->gateway)) {
		p->gateway = ipnet_at(&p->subnet, ipnet_last(&p->subnet) > 1 ? 1 : 0);
		return NULL;
	}
	err = ipaddr_parse(c->gateway, &p->gateway);
	if (err) {
		es_err_drop(err);
		return invalid("invalid gateway %s: invalid address", c->gateway);
	}
	if (!ipnet_has(&p->subnet, &p->gateway))
		return invalid("invalid gateway %s: parent subnet %s doesn't contain this address", c->gateway, c->subnet);
	return NULL;
}

static es_err *plan_one(const struct docker_ipam_config *c, struct plan *p)
{
	char text[IPADDR_TEXT_MAX];
	struct ipaddr host;
	struct ipnet range;
	es_err *err = ipnet_parse(c->subnet ? c->subnet : "", &p->subnet, &host);

	if (err) {
		es_err_drop(err);
		return invalid("invalid subnet %s: invalid CIDR block notation", c->subnet ? c->subnet : "");
	}
	if (!ipaddr_eq(&host, &p->subnet.addr))
		return invalid("invalid subnet %s: it should be %s", c->subnet, ipnet_text(&p->subnet, text));
	ES_TRY(plan_gateway(c, p));
	if (!str_empty(c->ip_range)) {
		err = ipnet_parse(c->ip_range, &range, NULL);
		if (err) {
			es_err_drop(err);
			return invalid("invalid ip-range %s: invalid CIDR block notation", c->ip_range);
		}
		if (!ipnet_has(&p->subnet, &range.addr) || range.bits < p->subnet.bits)
			return invalid("invalid ip-range %s: parent subnet %s doesn't contain ip-range", c->ip_range, c->subnet);
	}
	FIELD_MAP_EACH(aux, c->auxiliary_addresses) {
		err = ipaddr_parse(aux->value, &host);
		if (err || !ipnet_has(&p->subnet, &host)) {
			es_err_drop(err);
			return invalid("invalid auxiliary address %s: parent subnet %s doesn't contain this address",
				       (const char *)aux->value, c->subnet);
		}
	}
	return NULL;
}

static es_err *put(struct netmgr *m, struct net *n, const struct plan *p, const struct docker_ipam_config *asked, bool check)
{
	struct docker_ipam_config *items = n->doc.ipam.config.items;
	struct docker_ipam_config *c = &items[n->doc.ipam.config.n];
	char text[IPADDR_TEXT_MAX];
	bool six = p->subnet.addr.family == AF_INET6;

	if (six ? n->bridge.subnet6.addr.family : n->bridge.subnet4.addr.family)
		return es_err_new(ES_E_UNSUPPORTED, "more than one %s subnet in a network is not supported", six ? "IPv6" : "IPv4");
	if (check && !is_free(m, &p->subnet))
		return es_err_new(ES_E_FORBIDDEN, "Pool overlaps with other one on this address space");
	*(six ? &n->bridge.subnet6 : &n->bridge.subnet4) = p->subnet;
	*(six ? &n->bridge.gateway6 : &n->bridge.gateway4) = p->gateway;
	*c = *asked;
	c->subnet = arena_strdup(n->a, ipnet_text(&p->subnet, text));
	c->gateway = arena_strdup(n->a, ipaddr_text(&p->gateway, text));
	n->doc.ipam.config.n++;
	return NULL;
}

es_err *netmgr_plan_ipam(struct netmgr *m, struct net *n, const struct docker_ipam *ipam, bool ipv6)
{
	static const struct docker_ipam_config nothing;
	struct field_list none = { 0 };
	const struct field_list *asked = ipam ? &ipam->config : &none;
	struct plan p = { .a = n->a };

	if (ipam && !str_empty(ipam->driver) && strcmp(ipam->driver, "default") != 0)
		return es_err_new(ES_E_NOT_FOUND, "could not resolve driver %s: plugin not found", ipam->driver);
	n->doc.ipam.driver = "default";
	n->doc.ipam.options = ipam ? ipam->options : NULL;
	n->doc.ipam.config = (struct field_list){ .items = ARENA_ARRAY(n->a, struct docker_ipam_config, asked->n + 2), .set = true };
	FIELD_LIST_EACH(struct docker_ipam_config, c, asked) {
		if (str_empty(c->subnet) && str_empty(c->gateway) && str_empty(c->ip_range))
			continue;
		ES_TRY(plan_one(c, &p));
		if (p.subnet.addr.family == AF_INET6 && !ipv6)
			continue; /* docker, too, leaves it out without EnableIPv6 */
		ES_TRY(put(m, n, &p, c, true));
		n->own_subnets = true;
	}
	if (!n->bridge.subnet4.addr.family) {
		ES_TRY(choose4(m, &p.subnet));
		p.gateway = ipnet_at(&p.subnet, 1);
		ES_TRY(put(m, n, &p, &nothing, false));
	}
	if (ipv6 && !n->bridge.subnet6.addr.family) {
		choose6(&p.subnet);
		p.gateway = ipnet_at(&p.subnet, 1);
		ES_TRY(put(m, n, &p, &nothing, false));
	}
	return NULL;
}

es_err *netmgr_apply_ipam(struct netmgr *m, const struct net *n)
{
	struct ipnet range;
	struct ipaddr a;

	FIELD_LIST_EACH(struct docker_ipam_config, c, &n->doc.ipam.config) {
		if (!str_empty(c->ip_range)) {
			ES_TRY(ipnet_parse(c->ip_range, &range, NULL));
			ES_TRY(network_ipam_range(m->cfg.network, n->doc.id, &range));
		}
		FIELD_MAP_EACH(aux, c->auxiliary_addresses) {
			ES_TRY(ipaddr_parse(aux->value, &a));
			ES_TRY(network_ipam_take(m->cfg.network, n->doc.id, a.family, &a, &a));
		}
	}
	return NULL;
}

/* ---- what a container may ask for ---- */

static void complain(struct es_buf *why, unsigned *n_why, const char *fmt, ...) ES_PRINTF(3, 4);
static void complain(struct es_buf *why, unsigned *n_why, const char *fmt, ...)
{
	va_list ap;

	es_buf_adds(why, *n_why ? "\n* " : "");
	va_start(ap, fmt);
	es_buf_vprintf(why, fmt, ap);
	va_end(ap);
	++*n_why;
}

static void check_address(const struct net *n, const char *text, const struct ipnet *subnet, const char *family, struct es_buf *why,
			  unsigned *n_why)
{
	struct ipaddr a = { 0 };
	es_err *err;

	if (str_empty(text))
		return;
	err = ipaddr_parse(text, &a);
	if (err || a.family != (strcmp(family, "IPv6") == 0 ? AF_INET6 : AF_INET))
		complain(why, n_why, "invalid %s address: %s", family, text);
	if (n->predefined)
		complain(why, n_why, "user specified IP address is supported on user defined networks only");
	if (!n->own_subnets)
		complain(why, n_why, "user specified IP address is supported only when connecting to networks with user configured "
				     "subnets");
	else if (err || !subnet->addr.family || !ipnet_has(subnet, &a))
		complain(why, n_why, "no configured subnet or ip-range contain the IP address %s", text);
	es_err_drop(err);
}

void netmgr_check_endpoint(const struct net *n, const struct docker_endpoint *ep, struct es_buf *why, unsigned *n_why)
{
	if (!ep || !ep->ipam_config)
		return;
	check_address(n, ep->ipam_config->ipv4_address, &n->bridge.subnet4, "IPv4", why, n_why);
	check_address(n, ep->ipam_config->ipv6_address, &n->bridge.subnet6, "IPv6", why, n_why);
	if (ep->ipam_config->link_local_ips && ep->ipam_config->link_local_ips[0])
		complain(why, n_why, "link-local addresses of an endpoint are not supported");
}

es_err *netmgr_endpoint_error(const struct es_buf *why, unsigned n_why)
{
	if (n_why == 0)
		return NULL;
	return es_err_new(ES_E_INVALID, "invalid endpoint settings:\n%s%s", n_why > 1 ? "* " : "", es_buf_str(why));
}

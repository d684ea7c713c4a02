/* SPDX-License-Identifier: Apache-2.0 */
/* network.c: a daemon's networks in the kernel: opening, bridges, addresses, endpoints, publishing. */
#include "network/network.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "network/network_priv.h"
#include "sys/netns.h"
#include "sys/nft.h"
#include "sys/rtnl.h"

#define DEFAULT_EXEC_ROOT "/run/estiba"
#define DEFAULT_MTU 1500
#define VETH_PREFIX "veth"

/* ---- small things ---- */

void ptrs_add(struct ptrs *v, void *p)
{
	if (v->n == v->cap) {
		v->cap = v->cap ? 2 * v->cap : 16;
		v->p = es_xrealloc(v->p, v->cap * sizeof *v->p);
	}
	v->p[v->n++] = p;
}

void ptrs_remove(struct ptrs *v, size_t at)
{
	memmove(v->p + at, v->p + at + 1, (--v->n - at) * sizeof *v->p);
}

void network_tell(struct network *n, const char *fmt, ...)
{
	es_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = es_xvasprintf(fmt, ap);
	va_end(ap);
	if (n->notice)
		n->notice(n->self, text);
	else
		log_line(LOG_L_WARN, "network: %s", text);
}

struct bridge *network_find_bridge(struct network *n, const char *id)
{
	for (size_t i = 0; i < n->bridges.n; i++)
		if (strcmp(((struct bridge *)n->bridges.p[i])->id, id) == 0)
			return n->bridges.p[i];
	return NULL;
}

static void unlock_p(struct network **n)
{
	if (*n)
		(void)pthread_mutex_unlock(&(*n)->lock);
}

static struct network *locked(struct network *n)
{
	(void)pthread_mutex_lock(&n->lock);
	return n;
}
/* Hold N's lock until the end of the scope. */
#define WITH_LOCK(n) es_auto(unlock_p) ES_UNUSED struct network *held_ = locked(n)

/* FNV-1a: a short name for a path. */
static uint32_t hash_text(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h;
}

char *network_name(const char *exec_root)
{
	if (strcmp(exec_root, DEFAULT_EXEC_ROOT) == 0)
		return es_xstrdup("estiba");
	return es_xasprintf("estiba-%08x", hash_text(exec_root));
}

/* ---- opening and closing ---- */

es_err *network_open(const struct network_config *cfg, struct network **ret)
{
	struct network *n = ES_NEW(struct network);
	const char *digits;
	es_err *err;

	(void)pthread_mutex_init(&n->lock, NULL);
	n->ns_dir = n->wake = n->stop = -1;
	n->rtnl = n->nft = NL_NONE;
	n->exec_root = es_xstrdup(cfg->exec_root);
	n->name = cfg->name ? es_xstrdup(cfg->name) : network_name(cfg->exec_root);
	n->ip_forward_off = cfg->ip_forward_off;
	n->pool_size = cfg->pool_size;
	n->notice = cfg->notice;
	n->self = cfg->self;
	digits = str_after(n->name, "estiba-");
	(void)snprintf(n->default_bridge, sizeof n->default_bridge, digits ? "es-%.12s" : "estiba0", digits ? digits : "");
	err = file_mkdir_p(AT_FDCWD, n->exec_root, 0711);
	if (!err) {
		n->ns_path = es_xasprintf("%s/netns", n->exec_root);
		err = file_mkdir_p(AT_FDCWD, n->ns_path, 0711);
		if (!err && (n->ns_dir = open(n->ns_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
			err = es_err_sys(errno, "open %s", n->ns_path);
	}
	if (!err)
		err = nl_open(NETLINK_ROUTE, &n->rtnl);
	if (!err)
		err = nl_open(NETLINK_NETFILTER, &n->nft);
	if (!err) {
		es_autofree char *text = NULL;

		es_err_drop(file_read(n->ns_dir, ".uplinks", 64u << 10, &text, NULL));
		if (!str_empty(text))
			n->uplinks = strv_split(text, '\n');
		*ret = n;
		return NULL;
	}
	network_close(n);
	return es_err_in(err, "network");
}

static void free_bridge(struct bridge *b)
{
	ipam_done(&b->pool4);
	ipam_done(&b->pool6);
	free(b->id);
	free(b);
}

static void free_published(struct published *p)
{
	free(p->ports);
	free(p);
}

void network_close(struct network *n)
{
	if (!n)
		return;
	netpool_stop(n);
	for (size_t i = 0; i < n->bridges.n; i++)
		free_bridge(n->bridges.p[i]);
	for (size_t i = 0; i < n->endpoints.n; i++)
		free(n->endpoints.p[i]);
	for (size_t i = 0; i < n->published.n; i++)
		free_published(n->published.p[i]);
	for (size_t i = 0; i < n->namespaces.n; i++)
		nsent_free(n->namespaces.p[i]);
	for (size_t i = 0; i < n->pool.n; i++)
		nsent_free(n->pool.p[i]);
	free(n->bridges.p);
	free(n->endpoints.p);
	free(n->published.p);
	free(n->namespaces.p);
	free(n->pool.p);
	strv_free(n->uplinks);
	nl_done(&n->rtnl);
	nl_done(&n->nft);
	es_close(n->ns_dir);
	es_close(n->wake);
	es_close(n->stop);
	free(n->name);
	free(n->exec_root);
	free(n->ns_path);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
}

/* ---- sweeping: links of ours carry "NAME/ID" as alias ---- */

struct sweep {
	struct network *n;
	bool everything;
	struct nl_msgs del;
};

static bool is_known(const struct network *n, const char *id)
{
	for (size_t i = 0; i < n->bridges.n; i++)
		if (strcmp(((const struct bridge *)n->bridges.p[i])->id, id) == 0)
			return true;
	for (size_t i = 0; i < n->endpoints.n; i++)
		if (strcmp(((const struct endpoint *)n->endpoints.p[i])->id, id) == 0)
			return true;
	return false;
}

static es_err *sweep_link(void *self, const struct rtnl_link *l)
{
	struct sweep *s = self;
	const char *rest = str_after(l->alias, s->n->name);

	if (rest && *rest == '/' && (s->everything || !is_known(s->n, rest + 1)))
		rtnl_link_del(&s->del, l->index);
	return NULL;
}

static es_err *sweep_links(struct network *n, bool everything)
{
	struct sweep s = { .n = n, .everything = everything, .del = NL_MSGS };
	es_err *err = rtnl_links(&n->rtnl, sweep_link, &s);

	if (!err)
		err = nl_talk(&n->rtnl, &s.del, NULL);
	nl_msgs_done(&s.del);
	if (err && es_err_errno(err) == ENODEV) { /* it went by itself, with the namespace of its other end */
		es_err_drop(err);
		err = NULL;
	}
	return es_err_in(err, "remove leftover links");
}

static bool has_ns(const struct network *n, const char *id)
{
	for (size_t i = 0; i < n->namespaces.n; i++)
		if (strcmp(((const struct nsent *)n->namespaces.p[i])->id, id) == 0)
			return true;
	return false;
}

static void sweep_namespaces(struct network *n, bool everything)
{
	int fd = openat(n->ns_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		es_close(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.' && (everything || !has_ns(n, e->d_name)))
			log_err(netns_unpin(n->ns_dir, e->d_name), "leftover network namespace");
	(void)closedir(d);
}

/* Rule 2: only behind the drop of rules.c. */
static es_err *allow_localnet(const struct bridge *b)
{
	es_autofree char *name = es_xasprintf("ipv4/conf/%s/route_localnet", b->ifname);

	return b->spec.subnet4.addr.family ? netsysctl_set(name, "1", NULL) : NULL;
}

/* What every change of the bridges ends with. */
static es_err *apply(struct network *n)
{
	ES_TRY(rules_apply(n));
	for (size_t i = 0; i < n->bridges.n; i++)
		ES_TRY(allow_localnet(n->bridges.p[i]));
	ES_TRY(netsysctl_forwarding(n));
	log_err(foreign_hook(n, n->bridges.n > 0), "network");
	return NULL;
}

es_err *network_ready(struct network *n)
{
	es_autofree char *drop = NULL;

	{
		WITH_LOCK(n);
		ES_TRY(apply(n));
		ES_TRY(sweep_links(n, false));
		sweep_namespaces(n, false);
		n->ready = true;
	}
	ES_TRY(netpool_start(n));
	drop = network_foreign_drop(n);
	if (drop)
		network_tell(n, "%s", drop);
	return NULL;
}

void network_purge(struct network *n)
{
	netpool_stop(n);
	WITH_LOCK(n);
	log_err(foreign_hook(n, false), "network");
	log_err(sweep_links(n, true), "network");
	sweep_namespaces(n, true);
	log_err(rules_delete(n), "network");
	(void)unlinkat(n->ns_dir, ".uplinks", 0);
}

/* ---- questions about the host ---- */

const char *network_default_bridge(const struct network *n)
{
	return n->default_bridge;
}

static es_err *find_default(void *self, const struct rtnl_route *r)
{
	struct rtnl_route *best = self;

	if (r->bits == 0 && r->index && (best->index == 0 || r->metric < best->metric))
		*best = *r;
	return NULL;
}

struct find_mtu {
	int index;
	uint32_t mtu;
};

static es_err *find_mtu(void *self, const struct rtnl_link *l)
{
	struct find_mtu *f = self;

	if (l->index == f->index)
		f->mtu = l->mtu;
	return NULL;
}

static uint32_t default_mtu(struct network *n)
{
	struct rtnl_route best = { 0 };
	struct find_mtu f = { .mtu = DEFAULT_MTU };

	es_err_drop(rtnl_routes(&n->rtnl, AF_INET, find_default, &best));
	if (!best.index)
		es_err_drop(rtnl_routes(&n->rtnl, AF_INET6, find_default, &best));
	f.index = best.index;
	if (best.index)
		es_err_drop(rtnl_links(&n->rtnl, find_mtu, &f));
	return f.mtu;
}

uint32_t network_default_mtu(struct network *n)
{
	WITH_LOCK(n);
	return default_mtu(n);
}

struct used {
	const struct ipnet *net;
	bool yes;
};

static es_err *is_routed(void *self, const struct rtnl_route *r)
{
	struct used *u = self;
	struct ipnet dst = { .addr.family = (uint8_t)r->family, .bits = (uint8_t)r->bits };

	memcpy(dst.addr.b, r->dst, sizeof dst.addr.b);
	u->yes |= r->bits > 0 && ipnet_overlaps(&dst, u->net);
	return NULL;
}

bool network_is_used(struct network *n, const struct ipnet *net)
{
	struct used u = { .net = net };

	WITH_LOCK(n);
	for (size_t i = 0; i < n->bridges.n; i++) {
		const struct bridge *b = n->bridges.p[i];

		u.yes |= (b->spec.subnet4.addr.family && ipnet_overlaps(&b->spec.subnet4, net)) ||
			 (b->spec.subnet6.addr.family && ipnet_overlaps(&b->spec.subnet6, net));
	}
	if (!u.yes)
		es_err_drop(rtnl_routes(&n->rtnl, net->addr.family, is_routed, &u));
	return u.yes;
}

struct find_addr {
	int index, family;
	struct rtnl_addr found;
};

static es_err *find_addr(void *self, const struct rtnl_addr *a)
{
	struct find_addr *f = self;

	if (a->index == f->index && !f->found.family && !(a->addr[0] == 0xfe && a->family == AF_INET6))
		f->found = *a;
	return NULL;
}

es_err *network_if_address(struct network *n, const char *ifname, int family, struct ipnet *ret_net, struct ipaddr *ret_addr)
{
	WITH_LOCK(n);
	struct find_addr f = { .family = family };
	struct rtnl_link link;

	ES_TRY(rtnl_link_get(&n->rtnl, ifname, &link));
	f.index = link.index;
	ES_TRY(rtnl_addrs(&n->rtnl, family, find_addr, &f));
	if (!f.found.family)
		return es_err_new(ES_E_NOT_FOUND, "network interface %s has no address", ifname);
	ret_addr->family = (uint8_t)family;
	memcpy(ret_addr->b, f.found.addr, sizeof ret_addr->b);
	*ret_net = ipnet_of(ret_addr, f.found.bits);
	return NULL;
}

/* ---- bridges ---- */

/* Fixed from birth, so that it does not follow the lowest of its ports and neighbours' ARP entries stay right. */
static void bridge_mac(const char *id, uint8_t out[6])
{
	uint32_t h = hash_text(id);

	out[0] = 0x02;
	out[1] = 0x42;
	memcpy(out + 2, &h, sizeof h);
}

static es_err *make_link(struct network *n, struct bridge *b, uint32_t mtu)
{
	es_autofree char *alias = es_xasprintf("%s/%s", n->name, b->id);
	struct rtnl_link link;
	uint8_t mac[6];
	es_automsgs m = NL_MSGS;
	es_err *err = rtnl_link_get(&n->rtnl, b->ifname, &link);

	if (err && es_err_class(err) != ES_E_NOT_FOUND)
		return err;
	if (!err && strcmp(link.kind, "bridge") != 0)
		return es_err_new(ES_E_CONFLICT, "network interface %s exists and is not a bridge", b->ifname);
	if (err && b->spec.keep)
		return err;
	bridge_mac(b->id, mac);
	if (err)
		rtnl_bridge_new(&m, &(struct rtnl_link_opts){ .name = b->ifname, .mac = mac, .mtu = mtu });
	es_err_drop(err);
	rtnl_link_set(&m, &(struct rtnl_link_opts){ .name = b->ifname, .alias = b->spec.keep ? NULL : alias, .up = true });
	ES_TRY(nl_talk(&n->rtnl, &m, NULL));
	ES_TRY(rtnl_link_get(&n->rtnl, b->ifname, &link));
	b->ifindex = link.index;
	return NULL;
}

struct stale {
	const struct bridge *b;
	struct nl_msgs del;
};

static es_err *find_stale(void *self, const struct rtnl_addr *a)
{
	struct stale *s = self;
	const struct ipaddr *want = a->family == AF_INET6 ? &s->b->spec.gateway6 : &s->b->spec.gateway4;
	struct ipaddr have = { .family = (uint8_t)a->family };
	bool link_local = a->family == AF_INET6 && a->addr[0] == 0xfe && (a->addr[1] & 0xc0) == 0x80;

	memcpy(have.b, a->addr, sizeof have.b);
	if (a->index == s->b->ifindex && !link_local && !ipaddr_eq(&have, want))
		rtnl_addr_del(&s->del, a->index, a->family, a->addr, a->bits);
	return NULL;
}

/* A bridge that an earlier data root left under our name has its addresses. */
static void drop_stale_addresses(struct network *n, const struct bridge *b)
{
	struct stale s = { .b = b, .del = NL_MSGS };

	es_err_drop(rtnl_addrs(&n->rtnl, AF_INET, find_stale, &s));
	es_err_drop(rtnl_addrs(&n->rtnl, AF_INET6, find_stale, &s));
	es_err_drop(nl_talk(&n->rtnl, &s.del, NULL));
	nl_msgs_done(&s.del);
}

static es_err *make_addresses(struct network *n, const struct bridge *b)
{
	es_autofree char *disable = es_xasprintf("ipv6/conf/%s/disable_ipv6", b->ifname);
	es_automsgs m = NL_MSGS;

	if (b->spec.keep)
		return NULL;
	drop_stale_addresses(n, b);
	if (b->spec.gateway6.family)
		ES_TRY(netsysctl_set(disable, "0", NULL));
	if (b->spec.gateway4.family)
		rtnl_addr_add(&m, b->ifindex, AF_INET, b->spec.gateway4.b, b->spec.subnet4.bits, 0);
	if (b->spec.gateway6.family)
		rtnl_addr_add(&m, b->ifindex, AF_INET6, b->spec.gateway6.b, b->spec.subnet6.bits, IFA_F_NODAD);
	return nl_talk(&n->rtnl, &m, NULL);
}

static void start_pool(struct ipam *pool, const struct ipnet *subnet, const struct ipnet *range, const struct ipaddr *gateway)
{
	ipam_init(pool, subnet, range);
	if (gateway->family)
		es_err_drop(ipam_take(pool, gateway)); /* fresh: it can only be outside, which the caller checked */
}

static struct bridge *new_bridge(const struct network_bridge *spec)
{
	struct bridge *b = ES_NEW(struct bridge);

	b->id = es_xstrdup(spec->id);
	(void)snprintf(b->ifname, sizeof b->ifname, "%s", spec->ifname);
	b->spec = *spec;
	b->spec.id = b->id;
	b->spec.ifname = b->ifname;
	if (spec->subnet4.addr.family)
		start_pool(&b->pool4, &spec->subnet4, NULL, &spec->gateway4);
	if (spec->subnet6.addr.family)
		start_pool(&b->pool6, &spec->subnet6, NULL, &spec->gateway6);
	return b;
}

static void delete_link(struct nl *rtnl, int ifindex)
{
	es_automsgs m = NL_MSGS;

	rtnl_link_del(&m, ifindex);
	es_err_drop(nl_talk(rtnl, &m, NULL)); /* gone already: as wanted */
}

es_err *network_bridge_add(struct network *n, const struct network_bridge *spec)
{
	WITH_LOCK(n);
	struct bridge *b;
	es_err *err;

	if (network_find_bridge(n, spec->id))
		return NULL;
	if (strlen(spec->ifname) >= IFNAMSIZ)
		return es_err_new(ES_E_INVALID, "bridge name %s is longer than %d bytes", spec->ifname, IFNAMSIZ - 1);
	b = new_bridge(spec);
	if (!b->spec.mtu)
		b->spec.mtu = default_mtu(n);
	err = make_link(n, b, b->spec.mtu);
	if (!err)
		err = make_addresses(n, b);
	ptrs_add(&n->bridges, b);
	if (!err && n->ready)
		err = apply(n);
	if (!err)
		return NULL;
	ptrs_remove(&n->bridges, n->bridges.n - 1);
	if (b->ifindex && !b->spec.keep)
		delete_link(&n->rtnl, b->ifindex);
	free_bridge(b);
	return es_err_in(err, "bridge %s", spec->ifname);
}

es_err *network_bridge_remove(struct network *n, const char *id)
{
	WITH_LOCK(n);

	for (size_t i = 0; i < n->bridges.n; i++) {
		struct bridge *b = n->bridges.p[i];

		if (strcmp(b->id, id) != 0)
			continue;
		if (!b->spec.keep)
			delete_link(&n->rtnl, b->ifindex);
		ptrs_remove(&n->bridges, i);
		free_bridge(b);
		return n->ready ? apply(n) : NULL;
	}
	return NULL;
}

/* ---- addresses ---- */

static struct ipam *pool_of(struct bridge *b, int family)
{
	struct ipam *p = b ? (family == AF_INET6 ? &b->pool6 : &b->pool4) : NULL;

	return p && p->subnet.addr.family ? p : NULL;
}

es_err *network_ipam_range(struct network *n, const char *id, const struct ipnet *range)
{
	WITH_LOCK(n);
	struct ipam *p = pool_of(network_find_bridge(n, id), range->addr.family);

	if (!p)
		return es_err_new(ES_E_NOT_FOUND, "network %s not found", id);
	p->range = *range;
	return NULL;
}

es_err *network_ipam_take(struct network *n, const char *id, int family, const struct ipaddr *want, struct ipaddr *ret)
{
	WITH_LOCK(n);
	struct ipam *p = pool_of(network_find_bridge(n, id), family);

	if (!p)
		return es_err_new(ES_E_NOT_FOUND, "network %s not found", id);
	if (!want || !want->family)
		return ipam_next(p, ret);
	ES_TRY(ipam_take(p, want));
	*ret = *want;
	return NULL;
}

void network_ipam_release(struct network *n, const char *id, const struct ipaddr *a)
{
	WITH_LOCK(n);
	struct ipam *p = pool_of(network_find_bridge(n, id), a->family);

	if (p)
		ipam_release(p, a);
}

/* ---- namespaces ---- */

static void wake_keeper(struct network *n)
{
	const uint64_t one = 1;

	if (n->keeper_runs)
		es_err_drop(file_write_all(n->wake, &one, sizeof one));
}

static struct nsent *from_pool(struct network *n)
{
	WITH_LOCK(n);
	struct nsent *e = n->pool.n ? n->pool.p[--n->pool.n] : NULL;

	n->pool_failed = false;
	wake_keeper(n);
	return e;
}

es_err *network_ns_take(struct network *n, const char *id, int *ret_fd)
{
	struct nsent *e = from_pool(n);
	es_err *err;

	if (!e)
		ES_TRY(netpool_make(&e));
	err = netns_pin(e->fd, n->ns_dir, id);
	if (err) {
		nsent_free(e);
		return es_err_errno(err) == EEXIST ? es_err_as(err, ES_E_CONFLICT) : err;
	}
	(void)snprintf(e->id, sizeof e->id, "%s", id);
	*ret_fd = ES_TAKE_FD(e->fd);
	WITH_LOCK(n);
	ptrs_add(&n->namespaces, e);
	return NULL;
}

es_err *network_ns_open(struct network *n, const char *id, int *ret_fd)
{
	WITH_LOCK(n);
	es_autoclose int fd = -1;
	struct stat st;

	ES_TRY(netns_open(n->ns_dir, id, &fd));
	if (!has_ns(n, id) && fstat(fd, &st) == 0) {
		struct nsent *e = ES_NEW(struct nsent);

		*e = (struct nsent){ .fd = -1, .ino = st.st_ino, .rtnl = NL_NONE };
		(void)snprintf(e->id, sizeof e->id, "%s", id);
		ptrs_add(&n->namespaces, e);
	}
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

const char *network_ns_path(const struct network *n)
{
	return n->ns_path;
}

void network_ns_drop(struct network *n, const char *id)
{
	WITH_LOCK(n);

	for (size_t i = 0; i < n->namespaces.n; i++) {
		if (strcmp(((struct nsent *)n->namespaces.p[i])->id, id) != 0)
			continue;
		nsent_free(n->namespaces.p[i]);
		ptrs_remove(&n->namespaces, i);
		break;
	}
	log_err(netns_unpin(n->ns_dir, id), "network namespace");
}

/* ---- endpoints ---- */

void network_mac(const struct ipaddr *ip4, uint8_t ret[6])
{
	ret[0] = 0x02;
	ret[1] = 0x42;
	if (ip4->family == AF_INET)
		memcpy(ret + 2, ip4->b, 4);
	else
		rand_bytes(ret + 2, 4);
}

static struct endpoint *new_endpoint(const struct network_endpoint *ep)
{
	struct endpoint *e = ES_NEW(struct endpoint);

	(void)snprintf(e->id, sizeof e->id, "%s", ep->id);
	(void)snprintf(e->network_id, sizeof e->network_id, "%s", ep->network_id);
	(void)snprintf(e->veth, sizeof e->veth, VETH_PREFIX "%.*s", (int)(IFNAMSIZ - sizeof VETH_PREFIX), ep->id);
	return e;
}

static es_err *make_pair(struct network *n, const struct bridge *b, const struct endpoint *e, const struct network_endpoint *ep,
			 int netns_fd)
{
	es_autofree char *alias = es_xasprintf("%s/%s", n->name, ep->id);
	const struct rtnl_link_opts here = { .name = e->veth, .mtu = b->spec.mtu, .master = b->ifindex, .up = true };
	const struct rtnl_link_opts there = { .name = ep->ifname, .mtu = b->spec.mtu, .mac = ep->mac };
	/* hairpin: with br_netfilter a container's way to its own published port goes back through its own port */
	const struct rtnl_link_opts port = {
		.name = e->veth, .alias = alias, .is_port = true, .hairpin = true, .isolated = b->spec.icc_off
	};
	es_automsgs m = NL_MSGS;

	rtnl_veth_new(&m, &here, &there, netns_fd);
	rtnl_link_set(&m, &port);
	return nl_talk(&n->rtnl, &m, NULL);
}

static void add_gateways(struct nl_msgs *m, const struct bridge *b, const struct network_endpoint *ep, int ifindex, bool on)
{
	void (*act)(struct nl_msgs *, int, int, const void *, unsigned, const void *) = on ? rtnl_route_add : rtnl_route_del;

	if (b->spec.internal)
		return;
	if (ep->ip4.family && b->spec.gateway4.family)
		act(m, ifindex, AF_INET, NULL, 0, b->spec.gateway4.b);
	if (ep->ip6.family && b->spec.gateway6.family)
		act(m, ifindex, AF_INET6, NULL, 0, b->spec.gateway6.b);
}

/* IPv6 is off in a fresh namespace; its switch is reached only from inside. */
static es_err *enable_ipv6(void *arg)
{
	const char *ifname = arg;
	es_autofree char *name = es_xasprintf("ipv6/conf/%s/disable_ipv6", ifname);

	return netsysctl_set(name, "0", NULL);
}

static es_err *configure_inside(struct network *n, const struct bridge *b, const struct network_endpoint *ep, int netns_fd)
{
	es_autonl own = NL_NONE;
	es_automsgs m = NL_MSGS;
	struct nl *inside;
	struct rtnl_link link;

	ES_TRY(netpool_socket(n, netns_fd, &own, &inside));
	ES_TRY(rtnl_link_get(inside, ep->ifname, &link));
	if (ep->ip6.family)
		ES_TRY(netns_run(netns_fd, enable_ipv6, (void *)(uintptr_t)ep->ifname));
	rtnl_link_set(&m, &(struct rtnl_link_opts){ .index = link.index, .up = true });
	if (ep->ip4.family)
		rtnl_addr_add(&m, link.index, AF_INET, ep->ip4.b, b->spec.subnet4.bits, 0);
	if (ep->ip6.family)
		rtnl_addr_add(&m, link.index, AF_INET6, ep->ip6.b, b->spec.subnet6.bits, IFA_F_NODAD);
	if (ep->gateway)
		add_gateways(&m, b, ep, link.index, true);
	return nl_talk(inside, &m, NULL);
}

static void delete_veth(struct nl *rtnl, const char *veth)
{
	struct rtnl_link link;
	es_err *err = rtnl_link_get(rtnl, veth, &link);

	if (!err)
		delete_link(rtnl, link.index);
	es_err_drop(err);
}

es_err *network_attach(struct network *n, int netns_fd, const struct network_endpoint *ep)
{
	WITH_LOCK(n);
	const struct bridge *b = network_find_bridge(n, ep->network_id);
	struct endpoint *e;
	es_err *err;

	if (!b)
		return es_err_new(ES_E_NOT_FOUND, "network %s not found", ep->network_id);
	e = new_endpoint(ep);
	err = make_pair(n, b, e, ep, netns_fd);
	if (!err)
		err = configure_inside(n, b, ep, netns_fd);
	if (err) {
		delete_veth(&n->rtnl, e->veth);
		free(e);
		return es_err_in(err, "connect %s to bridge %s", ep->ifname, b->ifname);
	}
	ptrs_add(&n->endpoints, e);
	return NULL;
}

es_err *network_set_gateway(struct network *n, int netns_fd, const struct network_endpoint *ep, bool on)
{
	WITH_LOCK(n);
	const struct bridge *b = network_find_bridge(n, ep->network_id);
	es_autonl own = NL_NONE;
	es_automsgs m = NL_MSGS;
	struct nl *inside;
	struct rtnl_link link;

	if (!b)
		return es_err_new(ES_E_NOT_FOUND, "network %s not found", ep->network_id);
	ES_TRY(netpool_socket(n, netns_fd, &own, &inside));
	ES_TRY(rtnl_link_get(inside, ep->ifname, &link));
	add_gateways(&m, b, ep, link.index, on);
	return es_err_in(nl_talk(inside, &m, NULL), "default route through %s", ep->ifname);
}

void network_adopt(struct network *n, const struct network_endpoint *ep)
{
	WITH_LOCK(n);

	ptrs_add(&n->endpoints, new_endpoint(ep));
}

/* Out of the books; the caller's. NULL: not there. */
static struct endpoint *forget_endpoint(struct network *n, const char *id)
{
	WITH_LOCK(n);

	for (size_t i = 0; i < n->endpoints.n; i++) {
		struct endpoint *e = n->endpoints.p[i];

		if (strcmp(e->id, id) != 0)
			continue;
		ptrs_remove(&n->endpoints, i);
		return e;
	}
	return NULL;
}

void network_detach(struct network *n, const char *endpoint_id)
{
	es_autofree struct endpoint *e = forget_endpoint(n, endpoint_id);
	es_autonl own = NL_NONE;
	es_err *err;

	if (!e)
		return;
	/* The kernel waits tens of milliseconds for its readers: neither our lock nor our socket may wait with it. */
	err = nl_open(NETLINK_ROUTE, &own);
	if (!err)
		delete_veth(&own, e->veth);
	log_err(err, "remove %s", e->veth);
}

/* ---- published ports ---- */

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		es_close(fds[i]);
	free(fds);
}

static struct published *new_published(const char *container_id, const struct network_port *ports, size_t n_ports)
{
	struct published *p = ES_NEW(struct published);

	(void)snprintf(p->container_id, sizeof p->container_id, "%s", container_id);
	p->ports = es_xmemdup(ports, n_ports * sizeof *ports);
	return p;
}

es_err *network_publish(struct network *n, const char *container_id, struct network_port *ports, size_t n_ports, int **ret_fds)
{
	WITH_LOCK(n);
	int *fds = es_xcalloc(n_ports ? n_ports : 1, sizeof *fds);
	struct published *p = new_published(container_id, ports, n_ports);
	es_err *err = NULL;

	/* P grows by what is reserved, so that two ports of one container collide as well. */
	for (p->n = 0; p->n < n_ports && !err; p->n += !err)
		err = port_reserve(n, p, &p->ports[p->n], &fds[p->n]);
	if (!err)
		err = rules_publish(n, p->ports, p->n, true);
	if (err) {
		close_all(fds, p->n);
		free_published(p);
		return err;
	}
	memcpy(ports, p->ports, n_ports * sizeof *ports);
	ptrs_add(&n->published, p);
	*ret_fds = fds;
	return NULL;
}

void network_publish_adopt(struct network *n, const char *container_id, const struct network_port *ports, size_t n_ports)
{
	WITH_LOCK(n);
	struct published *p = new_published(container_id, ports, n_ports);

	p->n = n_ports;
	ptrs_add(&n->published, p);
}

void network_unpublish(struct network *n, const char *container_id)
{
	WITH_LOCK(n);

	for (size_t i = 0; i < n->published.n;) {
		struct published *p = n->published.p[i];
		es_err *err;

		if (strcmp(p->container_id, container_id) != 0) {
			i++;
			continue;
		}
		ptrs_remove(&n->published, i);
		err = rules_publish(n, p->ports, p->n, false);
		if (err) /* flushed meanwhile, for example */
			log_err(rules_apply(n), "unpublish ports");
		es_err_drop(err);
		free_published(p);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rtnl.c: links, addresses and routes by rtnetlink(7). */
#include "sys/rtnl.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <sys/socket.h>

#define ACK NLM_F_ACK
#define NEW (NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)

static size_t addr_len(int family)
{
	return family == AF_INET6 ? 16 : 4;
}

/* ---- links ---- */

static struct ifinfomsg link_head(const struct rtnl_link_opts *o)
{
	return (struct ifinfomsg){
		.ifi_index = o->index, .ifi_flags = o->up ? IFF_UP : 0, .ifi_change = o->up ? IFF_UP : 0
	};
}

static void put_link(struct nl_msgs *m, const struct rtnl_link_opts *o)
{
	if (o->name)
		nl_put_str(m, IFLA_IFNAME, o->name);
	if (o->alias)
		nl_put(m, IFLA_IFALIAS, o->alias, strlen(o->alias));
	if (o->mtu)
		nl_put_u32(m, IFLA_MTU, o->mtu);
	if (o->mac)
		nl_put(m, IFLA_ADDRESS, o->mac, 6);
	if (o->master)
		nl_put_u32(m, IFLA_MASTER, (uint32_t)o->master);
}

void rtnl_link_set(struct nl_msgs *m, const struct rtnl_link_opts *o)
{
	const struct ifinfomsg head = link_head(o);

	nl_begin(m, RTM_NEWLINK, ACK, &head, sizeof head);
	put_link(m, o);
	if (o->is_port) {
		size_t info = nl_nest(m, IFLA_LINKINFO), data;

		nl_put_str(m, IFLA_INFO_SLAVE_KIND, "bridge");
		data = nl_nest(m, IFLA_INFO_SLAVE_DATA);
		nl_put_u8(m, IFLA_BRPORT_MODE, o->hairpin);
		nl_put_u8(m, IFLA_BRPORT_ISOLATED, o->isolated);
		nl_nest_end(m, data);
		nl_nest_end(m, info);
	}
	nl_end(m);
}

void rtnl_link_del(struct nl_msgs *m, int index)
{
	const struct ifinfomsg head = { .ifi_index = index };

	nl_begin(m, RTM_DELLINK, ACK, &head, sizeof head);
	nl_end(m);
}

void rtnl_link_move(struct nl_msgs *m, int index, int netns_fd, const char *name)
{
	const struct ifinfomsg head = { .ifi_index = index };

	nl_begin(m, RTM_NEWLINK, ACK, &head, sizeof head);
	nl_put_str(m, IFLA_IFNAME, name);
	nl_put_u32(m, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	nl_end(m);
}

void rtnl_bridge_new(struct nl_msgs *m, const struct rtnl_link_opts *o)
{
	const struct ifinfomsg head = link_head(o);
	size_t info;

	nl_begin(m, RTM_NEWLINK, NEW, &head, sizeof head);
	put_link(m, o);
	info = nl_nest(m, IFLA_LINKINFO);
	nl_put_str(m, IFLA_INFO_KIND, "bridge");
	nl_nest_end(m, info);
	nl_end(m);
}

void rtnl_veth_new(struct nl_msgs *m, const struct rtnl_link_opts *here, const struct rtnl_link_opts *there, int netns_fd)
{
	const struct ifinfomsg head = link_head(here), peer_head = link_head(there);
	size_t info, data, peer;

	nl_begin(m, RTM_NEWLINK, NEW, &head, sizeof head);
	put_link(m, here);
	info = nl_nest(m, IFLA_LINKINFO);
	nl_put_str(m, IFLA_INFO_KIND, "veth");
	data = nl_nest(m, IFLA_INFO_DATA);
	peer = nl_nest(m, VETH_INFO_PEER);
	es_buf_add(&m->buf, &peer_head, sizeof peer_head); /* 16 bytes: stays aligned */
	put_link(m, there);
	nl_put_u32(m, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	nl_nest_end(m, peer);
	nl_nest_end(m, data);
	nl_nest_end(m, info);
	nl_end(m);
}

/* ---- addresses and routes ---- */

static void addr_msg(struct nl_msgs *m, uint16_t type, uint16_t flags, int index, int family, const void *addr, unsigned bits,
		     uint32_t addr_flags)
{
	const struct ifaddrmsg head = {
		.ifa_family = (uint8_t)family, .ifa_prefixlen = (uint8_t)bits, .ifa_index = (uint32_t)index
	};

	nl_begin(m, type, flags, &head, sizeof head);
	nl_put(m, IFA_LOCAL, addr, addr_len(family));
	nl_put(m, IFA_ADDRESS, addr, addr_len(family));
	if (family == AF_INET && type == RTM_NEWADDR && bits < 31) {
		uint8_t broadcast[4];

		for (unsigned i = 0; i < 4; i++) {
			unsigned kept = bits > 8 * i ? bits - 8 * i : 0;

			broadcast[i] = (uint8_t)(((const uint8_t *)addr)[i] | (kept >= 8 ? 0 : 0xff >> kept));
		}
		nl_put(m, IFA_BROADCAST, broadcast, 4);
	}
	if (addr_flags)
		nl_put_u32(m, IFA_FLAGS, addr_flags);
	nl_end(m);
}

void rtnl_addr_add(struct nl_msgs *m, int index, int family, const void *addr, unsigned bits, uint32_t flags)
{
	addr_msg(m, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, index, family, addr, bits, flags);
}

void rtnl_addr_del(struct nl_msgs *m, int index, int family, const void *addr, unsigned bits)
{
	addr_msg(m, RTM_DELADDR, ACK, index, family, addr, bits, 0);
}

static void route_msg(struct nl_msgs *m, uint16_t type, uint16_t flags, int index, int family, const void *dst, unsigned bits,
		      const void *gateway)
{
	const struct rtmsg head = {
		.rtm_family = (uint8_t)family, .rtm_dst_len = (uint8_t)(dst ? bits : 0), .rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT, .rtm_type = RTN_UNICAST,
		.rtm_scope = gateway || family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
	};

	nl_begin(m, type, flags, &head, sizeof head);
	if (dst)
		nl_put(m, RTA_DST, dst, addr_len(family));
	if (gateway)
		nl_put(m, RTA_GATEWAY, gateway, addr_len(family));
	nl_put_u32(m, RTA_OIF, (uint32_t)index);
	nl_end(m);
}

void rtnl_route_add(struct nl_msgs *m, int index, int family, const void *dst, unsigned bits, const void *gateway)
{
	route_msg(m, RTM_NEWROUTE, NEW, index, family, dst, bits, gateway);
}

void rtnl_route_del(struct nl_msgs *m, int index, int family, const void *dst, unsigned bits, const void *gateway)
{
	route_msg(m, RTM_DELROUTE, ACK, index, family, dst, bits, gateway);
}

/* ---- questions ---- */

static void copy_text(char *out, size_t size, const struct nlattr *a)
{
	(void)snprintf(out, size, "%s", nl_str(a));
}

static bool link_of(const struct nlmsghdr *h, struct rtnl_link *ret)
{
	const struct ifinfomsg *head = NLMSG_DATA(h);
	const struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];

	if (h->nlmsg_type != RTM_NEWLINK)
		return false;
	nl_attrs(h, sizeof *head, tb, IFLA_MAX);
	nl_attrs_in(tb[IFLA_LINKINFO], info, IFLA_INFO_MAX);
	*ret = (struct rtnl_link){
		.index = head->ifi_index, .flags = head->ifi_flags, .mtu = nl_u32(tb[IFLA_MTU]),
		.master = (int)nl_u32(tb[IFLA_MASTER]),
	};
	copy_text(ret->name, sizeof ret->name, tb[IFLA_IFNAME]);
	copy_text(ret->alias, sizeof ret->alias, tb[IFLA_IFALIAS]);
	copy_text(ret->kind, sizeof ret->kind, info[IFLA_INFO_KIND]);
	if (tb[IFLA_ADDRESS] && nl_len(tb[IFLA_ADDRESS]) == sizeof ret->mac)
		memcpy(ret->mac, nl_data(tb[IFLA_ADDRESS]), sizeof ret->mac);
	return true;
}

static es_err *keep_link(void *self, const struct nlmsghdr *h)
{
	(void)link_of(h, self);
	return NULL;
}

es_err *rtnl_link_get(struct nl *nl, const char *name, struct rtnl_link *ret)
{
	const struct ifinfomsg head = { 0 };
	es_automsgs m = NL_MSGS;
	struct rtnl_link found = { 0 };
	es_err *err;

	nl_begin(&m, RTM_GETLINK, 0, &head, sizeof head);
	nl_put_str(&m, IFLA_IFNAME, name);
	nl_end(&m);
	err = nl_ask(nl, &m, keep_link, &found);
	if (err && es_err_errno(err) == ENODEV) {
		es_err_drop(err);
		return es_err_new(ES_E_NOT_FOUND, "no network interface %s", name);
	}
	ES_TRY(es_err_in(err, "network interface %s", name));
	*ret = found;
	return NULL;
}

struct each {
	es_err *(*link)(void *self, const struct rtnl_link *l);
	es_err *(*addr)(void *self, const struct rtnl_addr *a);
	es_err *(*route)(void *self, const struct rtnl_route *r);
	void *self;
};

static es_err *each_link(void *self, const struct nlmsghdr *h)
{
	const struct each *e = self;
	struct rtnl_link l;

	return link_of(h, &l) ? e->link(e->self, &l) : NULL;
}

es_err *rtnl_links(struct nl *nl, es_err *(*fn)(void *self, const struct rtnl_link *l), void *self)
{
	const struct ifinfomsg head = { 0 };
	struct each e = { .link = fn, .self = self };
	es_automsgs m = NL_MSGS;

	nl_begin(&m, RTM_GETLINK, NLM_F_DUMP, &head, sizeof head);
	nl_end(&m);
	return nl_ask(nl, &m, each_link, &e);
}

static es_err *each_addr(void *self, const struct nlmsghdr *h)
{
	const struct each *e = self;
	const struct ifaddrmsg *head = NLMSG_DATA(h);
	const struct nlattr *tb[IFA_MAX + 1], *a;
	struct rtnl_addr addr = { .index = (int)head->ifa_index, .family = head->ifa_family, .bits = head->ifa_prefixlen };

	if (h->nlmsg_type != RTM_NEWADDR)
		return NULL;
	nl_attrs(h, sizeof *head, tb, IFA_MAX);
	a = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if (!a || nl_len(a) > sizeof addr.addr)
		return NULL;
	memcpy(addr.addr, nl_data(a), nl_len(a));
	addr.flags = tb[IFA_FLAGS] ? nl_u32(tb[IFA_FLAGS]) : head->ifa_flags;
	addr.scope = head->ifa_scope;
	return e->addr(e->self, &addr);
}

es_err *rtnl_addrs(struct nl *nl, int family, es_err *(*fn)(void *self, const struct rtnl_addr *a), void *self)
{
	const struct ifaddrmsg head = { .ifa_family = (uint8_t)family };
	struct each e = { .addr = fn, .self = self };
	es_automsgs m = NL_MSGS;

	nl_begin(&m, RTM_GETADDR, NLM_F_DUMP, &head, sizeof head);
	nl_end(&m);
	return nl_ask(nl, &m, each_addr, &e);
}

static es_err *each_route(void *self, const struct nlmsghdr *h)
{
	const struct each *e = self;
	const struct rtmsg *head = NLMSG_DATA(h);
	const struct nlattr *tb[RTA_MAX + 1];
	struct rtnl_route r = { .family = head->rtm_family, .bits = head->rtm_dst_len };

	if (h->nlmsg_type != RTM_NEWROUTE || head->rtm_table != RT_TABLE_MAIN || head->rtm_type != RTN_UNICAST)
		return NULL;
	nl_attrs(h, sizeof *head, tb, RTA_MAX);
	if (tb[RTA_DST] && nl_len(tb[RTA_DST]) <= sizeof r.dst)
		memcpy(r.dst, nl_data(tb[RTA_DST]), nl_len(tb[RTA_DST]));
	r.index = (int)nl_u32(tb[RTA_OIF]);
	r.metric = nl_u32(tb[RTA_PRIORITY]);
	return e->route(e->self, &r);
}

es_err *rtnl_routes(struct nl *nl, int family, es_err *(*fn)(void *self, const struct rtnl_route *r), void *self)
{
	const struct rtmsg head = { .rtm_family = (uint8_t)family };
	struct each e = { .route = fn, .self = self };
	es_automsgs m = NL_MSGS;

	nl_begin(&m, RTM_GETROUTE, NLM_F_DUMP, &head, sizeof head);
	nl_end(&m);
	return nl_ask(nl, &m, each_route, &e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rtnl.h: links, addresses and routes by rtnetlink(7). */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/netlink.h"

/* --- requests: appended to M, each acknowledged; nl_talk runs them --- */

/* What to make of a link; zeroed members are left alone. */
struct rtnl_link_opts {
	const char *name;   /* to make or find it by; else INDEX */
	int index;
	const char *alias;  /* IFLA_IFALIAS */
	uint32_t mtu;
	const uint8_t *mac; /* 6 bytes */
	int master;         /* index of its bridge */
	bool up;
	bool hairpin, isolated; /* of a bridge port: frames may go back where they came from; not to other isolated ports */
	bool is_port;       /* write the two above */
};
void rtnl_link_set(struct nl_msgs *m, const struct rtnl_link_opts *o);
void rtnl_link_del(struct nl_msgs *m, int index);
/* Into the network namespace NETNS_FD, as NAME. */
void rtnl_link_move(struct nl_msgs *m, int index, int netns_fd, const char *name);
void rtnl_bridge_new(struct nl_msgs *m, const struct rtnl_link_opts *o);
/* A pair: HERE in this namespace, THERE (name, mac, mtu) in the one of NETNS_FD. THERE cannot be born up: the kernel
 * configures it before it knows its peer (ENOTCONN). */
void rtnl_veth_new(struct nl_msgs *m, const struct rtnl_link_opts *here, const struct rtnl_link_opts *there, int netns_fd);
/* ADDR: 4 or 16 bytes as FAMILY says. IFA_F_* FLAGS. */
void rtnl_addr_add(struct nl_msgs *m, int index, int family, const void *addr, unsigned bits, uint32_t flags);
void rtnl_addr_del(struct nl_msgs *m, int index, int family, const void *addr, unsigned bits);
/* DST NULL: the default route. GATEWAY NULL: on link. */
void rtnl_route_add(struct nl_msgs *m, int index, int family, const void *dst, unsigned bits, const void *gateway);
void rtnl_route_del(struct nl_msgs *m, int index, int family, const void *dst, unsigned bits, const void *gateway);

/* --- questions --- */

struct rtnl_link {
	int index, master;
	char name[IFNAMSIZ];
	char kind[16];   /* "bridge", "veth"; "" for a real device */
	char alias[256];
	uint32_t mtu, flags; /* IFF_* */
	uint8_t mac[6];
};
struct rtnl_addr {
	int index, family;
	uint8_t addr[16];
	unsigned bits;
	uint32_t flags; /* IFA_F_* */
	uint8_t scope;  /* RT_SCOPE_* */
};
struct rtnl_route {
	int index, family;
	uint8_t dst[16];
	unsigned bits;
	uint32_t metric;
};
/* ES_E_NOT_FOUND when there is no link NAME. */
es_err *rtnl_link_get(struct nl *nl, const char *name, struct rtnl_link *ret) ES_CHECKED;
/* FN is called for each; its own error ends the call. */
es_err *rtnl_links(struct nl *nl, es_err *(*fn)(void *self, const struct rtnl_link *l), void *self) ES_CHECKED;
es_err *rtnl_addrs(struct nl *nl, int family, es_err *(*fn)(void *self, const struct rtnl_addr *a), void *self) ES_CHECKED;
/* Of the main table. */
es_err *rtnl_routes(struct nl *nl, int family, es_err *(*fn)(void *self, const struct rtnl_route *r), void *self) ES_CHECKED;

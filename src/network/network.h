/* SPDX-License-Identifier: Apache-2.0 */
/* network.h: what a daemon has in the kernel for its containers: bridges, namespaces, veth pairs, published ports. */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "network/ipaddr.h"

/* All functions are thread-safe and belong on a worker (they wait for rtnl). What they make outlives the program: after
 * kill -9 the next one calls network_open, then *_add and *_adopt for everything its records name, then network_ready.
 *
 * Rules (doc/network.md has the reasons):
 *  1. One nftables table per daemon, replaced in one transaction; nobody else's table is changed but for one rule in
 *     DOCKER-USER where that chain exists.
 *  2. route_localnet of a bridge is switched on only after the drop of bridge traffic to 127.0.0.0/8 is in force.
 *  3. A published port is a bound socket (held by the container's monitor) before it is a map element.
 *  4. Forwarding that we switched on serves our bridges only.
 */
struct network;

struct network_config {
	const char *exec_root;  /* netns/ is made in it, mode 0711 */
	const char *name;       /* of the table, at most 31 bytes, and of the default bridge's; NULL: network_name(exec_root) */
	bool ip_forward_off;    /* leave net.ipv4.ip_forward and net.ipv6.conf.all.forwarding alone */
	unsigned pool_size;     /* namespaces made ahead; 0: none */
	/* Something the user should know: a sysctl changed, a foreign firewall in the way, the table repaired. May be NULL. */
	void (*notice)(void *self, const char *text);
	void *self;
};

/* "estiba" for the default exec root /run/estiba, else "estiba-" and 8 hex digits of it. Heap. */
char *network_name(const char *exec_root);

/* Nothing in the kernel changes until network_ready, except for what *_add makes. CFG is copied. */
es_err *network_open(const struct network_config *cfg, struct network **ret) ES_CHECKED;
/* Everything that containers use stays. NULL is fine. */
void network_close(struct network *n);
/* Put the rules in force (replacing what the last daemon left), remove bridges, veths and namespaces of ours that nobody
 * added or adopted, start the watch over the table and fill the pool of namespaces. Once, after the adoption. */
es_err *network_ready(struct network *n) ES_CHECKED;
/* Take away all that network_ready put in force: no container runs and the daemon is removed for good (tests too). */
void network_purge(struct network *n);
/* Name of the default bridge: "estiba0", or "es-" and the digits of the name. Borrowed. */
const char *network_default_bridge(const struct network *n);
/* MTU of the default route's device; 1500 when there is none. */
uint32_t network_default_mtu(struct network *n);
/* A foreign forward chain with policy drop that stands in the way, as text for info and warnings: "table ip filter, chain
 * FORWARD (docker, ufw and others make it): …". NULL: none. Heap. */
char *network_foreign_drop(struct network *n);
/* True when a route of the host or a bridge of ours overlaps NET. */
bool network_is_used(struct network *n, const struct ipnet *net);

/* First address of that family on the interface. ES_E_NOT_FOUND. */
es_err *network_if_address(struct network *n, const char *ifname, int family, struct ipnet *ret_net,
			   struct ipaddr *ret_addr) ES_CHECKED;

/* --- bridges --- */

struct network_bridge {
	const char *id;         /* of the network */
	const char *ifname;     /* at most 15 bytes */
	struct ipnet subnet4, subnet6;   /* family 0: none */
	struct ipaddr gateway4, gateway6; /* the host's address on the bridge */
	uint32_t mtu;           /* bytes; 0: of the default route */
	bool internal;          /* no way out, no default route */
	bool icc_off;           /* neighbours do not reach each other, except for published ports */
	bool masq_off;          /* traffic to the outside keeps the container's address */
	bool keep;              /* the user's own bridge: not made, not removed */
};

/* Make it or bring an existing one into this state. ES_E_CONFLICT when the name is another kind of device. */
es_err *network_bridge_add(struct network *n, const struct network_bridge *b) ES_CHECKED;
/* Not known: success. */
es_err *network_bridge_remove(struct network *n, const char *id) ES_CHECKED;

/* --- addresses: docker's first-free order --- */

/* Addresses of network ID come from RANGE inside its subnet of that family (family 0 of RANGE: the whole subnet). The gateway
 * is taken already. */
es_err *network_ipam_range(struct network *n, const char *id, const struct ipnet *range) ES_CHECKED;
/* The next free one, or WANT (family set) itself. ES_E_CONFLICT "Address already in use"; ES_E_LIMIT
 * "no available IPv4 addresses on this network's address pools: …". */
es_err *network_ipam_take(struct network *n, const char *id, int family, const struct ipaddr *want, struct ipaddr *ret) ES_CHECKED;
void network_ipam_release(struct network *n, const char *id, const struct ipaddr *a);

/* --- namespaces --- */

/* From the pool or made now; pinned at exec_root/netns/ID, loopback up. *RET_FD is the caller's. ES_E_CONFLICT when there
 * is one for ID. */
es_err *network_ns_take(struct network *n, const char *id, int *ret_fd) ES_CHECKED;
/* Of a container that has one; ES_E_NOT_FOUND. Also adopts it after a restart. */
es_err *network_ns_open(struct network *n, const char *id, int *ret_fd) ES_CHECKED;
/* The directory they are pinned in, each under its container's id. Borrowed. */
const char *network_ns_path(const struct network *n);
/* Unpin: it dies with its last process and descriptor. Not there: nothing. */
void network_ns_drop(struct network *n, const char *id);

/* --- endpoints --- */

struct network_endpoint {
	const char *id;          /* 64 hex digits; the host's side of the pair is named after it */
	const char *network_id;
	const char *ifname;      /* inside: "eth0" */
	struct ipaddr ip4, ip6;  /* family 0: none; already taken */
	uint8_t mac[6];
	bool gateway;            /* its gateway becomes the default route */
};

/* 02:42 and the IPv4 address, as docker has it; random without one. */
void network_mac(const struct ipaddr *ip4, uint8_t ret[6]);
/* veth pair, bridge port, address, routes; a few hundred microseconds. */
es_err *network_attach(struct network *n, int netns_fd, const struct network_endpoint *ep) ES_CHECKED;
/* Its default routes come (ON) or go: after connect and disconnect of others. */
es_err *network_set_gateway(struct network *n, int netns_fd, const struct network_endpoint *ep, bool on) ES_CHECKED;
/* It is there since the last daemon: only remember it. */
void network_adopt(struct network *n, const struct network_endpoint *ep);
/* Not there: nothing. Addresses stay taken. */
void network_detach(struct network *n, const char *endpoint_id);

/* --- published ports --- */

struct network_port {
	uint8_t proto;             /* IPPROTO_TCP, UDP, SCTP */
	struct ipaddr host_ip;     /* family 0: every address of both families */
	uint16_t host_port;        /* 0: one of the ephemeral range; filled in */
	uint16_t host_port_last;   /* of a range to choose from; 0: just host_port */
	uint16_t container_port;
	struct ipaddr to4, to6;    /* the container; family 0: none */
};

/* Reserve all of PORTS (bind without listen), fill in host_port, then publish them in one transaction. *RET_FDS (heap, N_PORTS
 * descriptors or -1) must live as long as the container: hand them to its monitor and close. Errors in docker's words,
 * nothing published: ES_E_CONFLICT "Bind for 0.0.0.0:80 failed: port is already allocated" (another container) or
 * "failed to bind host port 0.0.0.0:80/tcp: address already in use" (another process). */
es_err *network_publish(struct network *n, const char *container_id, struct network_port *ports, size_t n_ports,
			int **ret_fds) ES_CHECKED;
/* Published by the last daemon, sockets held by the monitor: remember. */
void network_publish_adopt(struct network *n, const char *container_id, const struct network_port *ports, size_t n_ports);
void network_unpublish(struct network *n, const char *container_id);

static inline void network_close_p(struct network **n)
{
	network_close(*n);
	*n = NULL;
}
#define es_autonetwork es_auto(network_close_p) struct network

/* SPDX-License-Identifier: Apache-2.0 */
/* netmgr_priv.h: networks and sandboxes in memory, for the netmgr*.c files only. */
#pragma once

#include <pthread.h>

#include "catalog/netmgr.h"

#define NETMGR_RECORD_VERSION 1
#define NETMGR_RECORD_MAX (1u << 20) /* bytes of one record */
#define NETMGR_KIND "network"
#define NETMGR_BOX_KIND "sandbox"

/* One network: its record, and what the kernel has of it. */
struct net {
	struct arena *a; /* owns doc */
	struct docker_network doc; /* without containers */
	struct network_bridge bridge; /* driver bridge only; else id is NULL */
	bool predefined;
	bool own_subnets; /* the user named them: --ip is allowed */
	struct ipaddr host_ip; /* default of published ports; family 0: all */
};

/* A container that is up, in one network. */
struct box_endpoint {
	const char *network_id, *network_name, *type; /* type: the driver */
	const char *id, *ifname; /* ifname NULL: nothing in the kernel (host, none) */
	const char *ip4, *ip6, *mac; /* text; NULL: none */
	bool gateway;
	int64_t priority;
	struct json *wanted; /* EndpointSettings as asked for */
};
struct box_port {
	int64_t proto, host_port, container_port;
	const char *host_ip, *to4, *to6; /* NULL: all / none */
};
/* The run-state record of a container that is up. */
struct box {
	struct arena *a;
	int64_t version;
	const char *id, *name;
	struct field_list endpoints; /* box_endpoint */
	struct field_list ports;     /* box_port */
	bool left;                   /* that its networks are left has been told; not recorded */
};
extern const struct field box_fields[];

struct netmgr {
	struct netmgr_config cfg;
	pthread_mutex_t lock; /* guards both arrays and what is in them */
	struct net **nets;
	size_t n_nets;
	struct box **boxes;
	size_t n_boxes;
	bool ready; /* opened without an error: what is not in the books is not there */
};

/* The functions below want the lock held. */
es_err *netmgr_find(struct netmgr *m, const char *ref, struct net **ret) ES_CHECKED;
struct net *netmgr_by_id(struct netmgr *m, const char *id);
struct box *netmgr_box(struct netmgr *m, const char *container_id);
/* The endpoint of BOX in the network; NULL: not connected. */
struct box_endpoint *netmgr_box_endpoint(const struct box *b, const char *network_id);
size_t netmgr_active(struct netmgr *m, const char *network_id); /* endpoints in it */
void netmgr_event(struct netmgr *m, const char *action, const struct net *n, const char *container_id);
es_err *netmgr_box_save(struct netmgr *m, const struct box *b) ES_CHECKED;
void netmgr_box_restore(struct netmgr *m, struct box *b); /* a record read at open: into the kernel's books */

/* --- netmgr_ipam.c: subnets of a new network --- */
/* IPAM of a create request → DOC.ipam and BRIDGE's subnets and gateways; *RANGES (2: v4, v6). Docker's texts. */
es_err *netmgr_plan_ipam(struct netmgr *m, struct net *n, const struct docker_ipam *ipam, bool ipv6) ES_CHECKED;
/* After the bridge is there: ranges and auxiliary addresses. */
es_err *netmgr_apply_ipam(struct netmgr *m, const struct net *n) ES_CHECKED;
/* Is the address asked for possible in N? Docker's texts as a list; *N_WHY counts. */
void netmgr_check_endpoint(const struct net *n, const struct docker_endpoint *ep, struct es_buf *why, unsigned *n_why);
es_err *netmgr_endpoint_error(const struct es_buf *why, unsigned n_why) ES_CHECKED;

/* Hold M's lock until the end of the scope. */
static inline struct netmgr *netmgr_locked(struct netmgr *m)
{
	(void)pthread_mutex_lock(&m->lock);
	return m;
}
static inline void netmgr_unlock_p(struct netmgr **m)
{
	(void)pthread_mutex_unlock(&(*m)->lock);
}
#define NETMGR_WITH_LOCK(m) es_auto(netmgr_unlock_p) ES_UNUSED struct netmgr *held_ = netmgr_locked(m)

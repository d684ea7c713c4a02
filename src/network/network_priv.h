/* SPDX-License-Identifier: Apache-2.0 */
/* network_priv.h: what the files of this room share. */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "network/ipam.h"
#include "network/network.h"
#include "sys/netlink.h"

#define NETWORK_ID_MAX 64 /* hex digits */

struct bridge {
	char *id;
	char ifname[IFNAMSIZ];
	int ifindex;
	struct network_bridge spec; /* id and ifname point here */
	struct ipam pool4, pool6;
};

struct endpoint {
	char id[NETWORK_ID_MAX + 1];
	char network_id[NETWORK_ID_MAX + 1];
	char veth[IFNAMSIZ]; /* the host's side */
};

struct published {
	char container_id[NETWORK_ID_MAX + 1];
	struct network_port *ports;
	size_t n;
};

/* A namespace we made, with a socket inside it. The socket keeps it alive, so it goes with the pin. */
struct nsent {
	char id[NETWORK_ID_MAX + 1]; /* "" in the pool */
	int fd;                      /* in the pool only, else -1 */
	ino_t ino;
	struct nl rtnl;
};

/* A growing array of pointers: what is in it is ours to free. */
struct ptrs {
	void **p;
	size_t n, cap;
};

struct network {
	pthread_mutex_t lock; /* guards everything below; held over netlink calls, which rtnl serialises anyway */
	char *name, *exec_root, *ns_path;
	char default_bridge[IFNAMSIZ];
	int ns_dir; /* exec_root/netns */
	bool ip_forward_off, ready;
	struct nl rtnl, nft;
	struct ptrs bridges, endpoints, published, namespaces; /* bridge, endpoint, published, nsent */
	char **uplinks; /* interfaces between which we do not forward, NULL-terminated */

	struct ptrs pool; /* nsent */
	unsigned pool_size;
	bool pool_failed;
	pthread_t keeper; /* fills the pool and watches the table */
	bool keeper_runs;
	int wake, stop; /* eventfds */

	void (*notice)(void *self, const char *text);
	void *self;
};

void ptrs_add(struct ptrs *v, void *p);
void ptrs_remove(struct ptrs *v, size_t at); /* keeps the order; does not free */

void network_tell(struct network *n, const char *fmt, ...) ES_PRINTF(2, 3);
struct bridge *network_find_bridge(struct network *n, const char *id);

/* --- rules.c: our table --- */
/* Replace the table by what the state says, in one transaction. */
es_err *rules_apply(struct network *n) ES_CHECKED;
es_err *rules_publish(struct network *n, const struct network_port *ports, size_t n_ports, bool on) ES_CHECKED;
es_err *rules_delete(struct network *n) ES_CHECKED;

/* --- ports.c --- */
es_err *port_reserve(struct network *n, const struct published *also, struct network_port *p, int *ret_fd) ES_CHECKED;

/* --- netpool.c: namespaces --- */
es_err *netpool_make(struct nsent **ret) ES_CHECKED;
void nsent_free(struct nsent *e);
/* The socket inside the namespace NS_FD: one of ours or, for others, made now into *OWN (the caller's). */
es_err *netpool_socket(struct network *n, int ns_fd, struct nl *own, struct nl **ret) ES_CHECKED;
es_err *netpool_start(struct network *n) ES_CHECKED; /* the keeper thread */
void netpool_stop(struct network *n);

/* --- netsysctl.c --- */
/* NAME below /proc/sys/net; "" when it cannot be read. */
void netsysctl_get(const char *name, char *out, size_t size);
/* Nothing is written when it has the value already; *RET_CHANGED may be NULL. */
es_err *netsysctl_set(const char *name, const char *value, bool *ret_changed) ES_CHECKED;
/* Forwarding for our bridges, told and fenced. */
es_err *netsysctl_forwarding(struct network *n) ES_CHECKED;

/* --- foreign.c --- */
/* Our rule in DOCKER-USER for every bridge, where that chain exists; ON false takes them away. */
es_err *foreign_hook(struct network *n, bool on) ES_CHECKED;

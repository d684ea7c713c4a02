/* SPDX-License-Identifier: Apache-2.0 */
/* netmgr.h: docker's networks: records, rules and texts over what network/ does in the kernel. */
#pragma once

#include "network/network.h"
#include "spec/docker_ctr.h"
#include "spec/docker_network.h"
#include "spec/filters.h"
#include "store/store.h"

/* Predefined: bridge, host, none. Records: kind "network" (durable) and "sandbox" (run state, one per container that is
 * up: its endpoints and ports), so that kill -9 of the daemon loses nothing. REF: name, id, unique prefix of an id.
 * Unknown: ES_E_NOT_FOUND "network REF not found". Thread-safe; for worker threads. */
struct netmgr;

/* What a network needs to know about a container. In the arena of the call. */
struct netmgr_ctr {
	const char *id, *name;    /* name without "/" */
	const char *network_mode; /* HostConfig.NetworkMode */
	bool running;
	struct json *endpoints;   /* as asked for: network name → EndpointSettings */
};

/* The door to the containers; the engine brings it. Every member may be NULL in tests. */
struct netmgr_ops {
	es_err *(*find)(void *self, struct arena *a, const char *ref, struct netmgr_ctr *ret);
	/* Remember what the container is to be connected to (connect, disconnect), and what is in force now: both name →
	 * EndpointSettings. IN_FORCE is NULL when it does not run. */
	es_err *(*save)(void *self, const char *container_id, struct json *endpoints, struct json *in_force);
	/* Is network NAME/ID asked for by any container, running or not (prune, dangling)? */
	bool (*is_wanted)(void *self, const char *network_name, const char *network_id);
	void (*event)(void *self, const char *action, const char *network_id, const struct field_map *attributes);
};

struct netmgr_config {
	struct store *store;
	struct network *network; /* borrowed, opened and not yet ready: netmgr_open makes it ready */
	const char *bridge;      /* existing bridge for the default network; "none": no default network; NULL: ours */
	const char *bip;         /* address of the default bridge, CIDR; NULL: 172.17.0.1/16 or the next that is free */
	int64_t mtu;             /* bytes; 0: of the default route */
	bool ipv6;               /* the default bridge has an IPv6 subnet of its own (ULA) */
	bool icc_off, ip_masq_off;
	char **dns, **dns_search, **dns_opts; /* the daemon's, for containers without their own */
	const struct netmgr_ops *ops;
	void *self;
};

/* Read the records, bring bridges, endpoints and ports into the state they say, network_ready. CFG is copied, its strings
 * are borrowed. */
es_err *netmgr_open(const struct netmgr_config *cfg, struct netmgr **ret) ES_CHECKED;
/* Bridges and rules stay for the containers that are connected; without any they are taken off the host. */
void netmgr_close(struct netmgr *m);

/* --- for the API --- */
es_err *netmgr_create(struct netmgr *m, struct arena *a, const struct docker_network_create *req,
		      struct docker_network_create_reply *ret) ES_CHECKED;
es_err *netmgr_inspect(struct netmgr *m, struct arena *a, const char *ref, const char *scope, struct docker_network *ret) ES_CHECKED;
/* RET: list of docker_network without containers. Filters: dangling driver id label name scope type. */
es_err *netmgr_list(struct netmgr *m, struct arena *a, const struct filters *f, struct field_list *ret) ES_CHECKED;
es_err *netmgr_remove(struct netmgr *m, const char *ref) ES_CHECKED;
/* *RET_NAMES: names of what was removed. Filters: until label label!. */
es_err *netmgr_prune(struct netmgr *m, struct arena *a, const struct filters *f, char ***ret_names) ES_CHECKED;
es_err *netmgr_connect(struct netmgr *m, struct arena *a, const char *ref, const struct docker_network_connect *req) ES_CHECKED;
es_err *netmgr_disconnect(struct netmgr *m, struct arena *a, const char *ref, const struct docker_network_disconnect *req) ES_CHECKED;

/* --- for containers --- */

/* Create: NetworkMode and NetworkingConfig become one map name → EndpointSettings as asked for (what the record keeps).
 * ES_E_NOT_FOUND, ES_E_INVALID in docker's words. HC->network_mode may be NULL or "default"; "container:X" gives an empty map. */
es_err *netmgr_endpoints(struct netmgr *m, struct arena *a, const struct docker_host_config *hc, const struct docker_config *cfg,
			 struct json *networking_config, unsigned api, struct json **ret) ES_CHECKED;

/* Start. */
struct netmgr_start {
	const char *id, *name;
	const struct docker_config *config;
	const struct docker_host_config *host_config;
	struct json *endpoints;
	const char *join_id; /* id of X for NetworkMode "container:X": the caller resolved it; else NULL */
};
struct netmgr_sandbox {
	int netns_fd;            /* the caller's; -1: the host's namespace */
	int *hold_fds;           /* for the monitor to hold; heap, close each (netmgr_sandbox_done) */
	size_t n_hold;
	const char *sandbox_key; /* path of the namespace, or "default" for the host's */
	struct json *networks;   /* name → EndpointSettings in force */
	struct json *ports;      /* "80/tcp" → [{HostIp,HostPort}], null when only exposed */
	const char *hosts, *resolv_conf; /* contents of the two files; NULL when joined (X's files are used) */
};
/* All or nothing. RET in A. Errors in docker's words, "driver failed programming external connectivity on endpoint NAME (ID): …". */
es_err *netmgr_up(struct netmgr *m, struct arena *a, const struct netmgr_start *s, struct netmgr_sandbox *ret) ES_CHECKED;
void netmgr_sandbox_done(struct netmgr_sandbox *s);
/* Its processes are gone, netmgr_down comes later, off the path: tell that the networks are left, which docker does before the
 * container's death is told. */
void netmgr_ended(struct netmgr *m, const char *container_id);
/* Ended (or never started): take everything back. Not up: nothing. */
void netmgr_down(struct netmgr *m, const char *container_id);
/* Is there a sandbox of ID since the last daemon? Which ones: ids in A. The engine calls netmgr_down for the dead. */
char **netmgr_sandboxes(struct netmgr *m, struct arena *a);
/* The name in a running container's network records follows a rename. */
void netmgr_rename(struct netmgr *m, const char *container_id, const char *name);

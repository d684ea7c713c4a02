/* SPDX-License-Identifier: Apache-2.0 */
/* docker_network.h: the Docker Engine API's network and volume objects as structs with field tables. */
#pragma once

#include "codec/field.h"

/* EndpointIPAMConfig: addresses the user asks for. */
struct docker_endpoint_ipam {
	const char *ipv4_address, *ipv6_address; /* without a prefix length */
	char **link_local_ips;
};
extern const struct field docker_endpoint_ipam_fields[];

/* EndpointSettings: one container in one network. The first part is what the user asks for, the second what it got. */
struct docker_endpoint {
	struct docker_endpoint_ipam *ipam_config;
	char **links, **aliases;
	const char *mac_address; /* asked for, or given */
	int64_t gw_priority;     /* the highest one's gateway is the default route */

	const char *network_id, *endpoint_id, *gateway, *ip_address;
	int64_t ip_prefix_len;
	const char *ipv6_gateway, *global_ipv6_address;
	int64_t global_ipv6_prefix_len;
	struct field_map *driver_opts;
	char **dns_names;
};
extern const struct field docker_endpoint_fields[];

/* NetworkingConfig of POST /containers/create. */
struct docker_networking_config {
	struct field_map *endpoints_config; /* network name or id → struct docker_endpoint * (NULL for null) */
};
extern const struct field docker_networking_config_fields[];

struct docker_ipam_config {
	const char *subnet, *ip_range, *gateway;
	struct field_map *auxiliary_addresses; /* name → address */
};
extern const struct field docker_ipam_config_fields[];

struct docker_ipam {
	const char *driver;
	struct field_map *options;
	struct field_list config; /* docker_ipam_config */
};
extern const struct field docker_ipam_fields[];

struct docker_config_from {
	const char *network;
};

/* A container as network inspect shows it. */
struct docker_endpoint_resource {
	const char *name, *endpoint_id, *mac_address;
	const char *ipv4_address, *ipv6_address; /* with prefix length */
};
extern const struct field docker_endpoint_resource_fields[];

/* GET /networks/{id} */
struct docker_network {
	const char *name, *id;
	int64_t created; /* ns since 1970 */
	const char *scope, *driver;
	bool enable_ipv6;
	struct docker_ipam ipam;
	bool internal, attachable, ingress;
	struct docker_config_from config_from;
	bool config_only;
	struct field_map *containers; /* container id → struct docker_endpoint_resource * */
	struct field_map *options, *labels;
};
extern const struct field docker_network_fields[];

/* POST /networks/create */
struct docker_network_create {
	const char *name;
	bool check_duplicate; /* accepted for old clients: names are always unique */
	const char *driver, *scope;
	struct field_opt_bool enable_ipv4, enable_ipv6;
	struct docker_ipam *ipam;
	bool internal, attachable, ingress, config_only;
	struct docker_config_from *config_from;
	struct field_map *options, *labels;
};
extern const struct field docker_network_create_fields[];

struct docker_network_create_reply {
	const char *id, *warning;
};
extern const struct field docker_network_create_reply_fields[];

/* POST /networks/{id}/connect and /disconnect */
struct docker_network_connect {
	const char *container;
	struct docker_endpoint *endpoint_config;
};
extern const struct field docker_network_connect_fields[];
struct docker_network_disconnect {
	const char *container;
	bool force;
};
extern const struct field docker_network_disconnect_fields[];

struct docker_volume_usage {
	int64_t size;      /* bytes; -1: not known */
	int64_t ref_count; /* containers; -1: not known */
};
struct docker_volume {
	const char *created_at; /* RFC 3339 to the second, as docker has it here */
	const char *driver;
	struct field_map *labels;
	const char *mountpoint, *name;
	struct field_map *options;
	const char *scope;
	struct docker_volume_usage *usage_data; /* only in system df */
};
extern const struct field docker_volume_fields[];

/* POST /volumes/create */
struct docker_volume_create {
	const char *name, *driver;
	struct field_map *driver_opts, *labels;
	struct json *cluster_volume_spec; /* refused */
};
extern const struct field docker_volume_create_fields[];

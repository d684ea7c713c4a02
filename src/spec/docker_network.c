/* SPDX-License-Identifier: Apache-2.0 */
/* docker_network.c: rows of the network and volume objects, in the order in which docker writes them. */
#include "spec/docker_network.h"

#define OMIT FIELD_OMIT_EMPTY

#define T struct docker_endpoint_ipam
const struct field docker_endpoint_ipam_fields[] = {
	F_STR(T, ipv4_address, "IPv4Address", OMIT),
	F_STR(T, ipv6_address, "IPv6Address", OMIT),
	F_STRV(T, link_local_ips, "LinkLocalIPs", OMIT),
	F_END,
};
#undef T

#define T struct docker_endpoint
const struct field docker_endpoint_fields[] = {
	F_PTR(T, ipam_config, "IPAMConfig", 0, struct docker_endpoint_ipam, docker_endpoint_ipam_fields),
	F_STRV(T, links, "Links", 0),
	F_STRV(T, aliases, "Aliases", 0),
	F_STR(T, mac_address, "MacAddress", 0),
	F_I64(T, gw_priority, "GwPriority", OMIT),
	F_STR(T, network_id, "NetworkID", 0),
	F_STR(T, endpoint_id, "EndpointID", 0),
	F_STR(T, gateway, "Gateway", 0),
	F_STR(T, ip_address, "IPAddress", 0),
	F_I64(T, ip_prefix_len, "IPPrefixLen", 0),
	F_STR(T, ipv6_gateway, "IPv6Gateway", 0),
	F_STR(T, global_ipv6_address, "GlobalIPv6Address", 0),
	F_I64(T, global_ipv6_prefix_len, "GlobalIPv6PrefixLen", 0),
	F_STR_MAP(T, driver_opts, "DriverOpts", 0),
	F_STRV(T, dns_names, "DNSNames", 0),
	F_END,
};
#undef T

#define T struct docker_networking_config
const struct field docker_networking_config_fields[] = {
	F_MAP(T, endpoints_config, "EndpointsConfig", 0, struct docker_endpoint, docker_endpoint_fields),
	F_END,
};
#undef T

#define T struct docker_ipam_config
const struct field docker_ipam_config_fields[] = {
	F_STR(T, subnet, "Subnet", OMIT),
	F_STR(T, ip_range, "IPRange", OMIT),
	F_STR(T, gateway, "Gateway", OMIT),
	F_STR_MAP(T, auxiliary_addresses, "AuxiliaryAddresses", OMIT),
	F_END,
};
#undef T

#define T struct docker_ipam
const struct field docker_ipam_fields[] = {
	F_STR(T, driver, "Driver", 0),
	F_STR_MAP(T, options, "Options", 0),
	F_LIST(T, config, "Config", 0, struct docker_ipam_config, docker_ipam_config_fields),
	F_END,
};
#undef T

#define T struct docker_config_from
static const struct field docker_config_from_fields[] = {
	F_STR(T, network, "Network", 0),
	F_END,
};
#undef T

#define T struct docker_endpoint_resource
const struct field docker_endpoint_resource_fields[] = {
	F_STR(T, name, "Name", 0),
	F_STR(T, endpoint_id, "EndpointID", 0),
	F_STR(T, mac_address, "MacAddress", 0),
	F_STR(T, ipv4_address, "IPv4Address", 0),
	F_STR(T, ipv6_address, "IPv6Address", 0),
	F_END,
};
#undef T

#define T struct docker_network
const struct field docker_network_fields[] = {
	F_STR(T, name, "Name", 0),
	F_STR(T, id, "Id", 0),
	F_TIME(T, created, "Created", 0),
	F_STR(T, scope, "Scope", 0),
	F_STR(T, driver, "Driver", 0),
	F_BOOL(T, enable_ipv6, "EnableIPv6", 0),
	F_STRUCT(T, ipam, "IPAM", 0, struct docker_ipam, docker_ipam_fields),
	F_BOOL(T, internal, "Internal", 0),
	F_BOOL(T, attachable, "Attachable", 0),
	F_BOOL(T, ingress, "Ingress", 0),
	F_STRUCT(T, config_from, "ConfigFrom", 0, struct docker_config_from, docker_config_from_fields),
	F_BOOL(T, config_only, "ConfigOnly", 0),
	F_MAP(T, containers, "Containers", FIELD_EMPTY_LIST, struct docker_endpoint_resource, docker_endpoint_resource_fields),
	F_STR_MAP(T, options, "Options", FIELD_EMPTY_LIST),
	F_STR_MAP(T, labels, "Labels", FIELD_EMPTY_LIST),
	F_END,
};
#undef T

#define T struct docker_network_create
const struct field docker_network_create_fields[] = {
	F_STR(T, name, "Name", 0),
	F_BOOL(T, check_duplicate, "CheckDuplicate", OMIT),
	F_STR(T, driver, "Driver", 0),
	F_STR(T, scope, "Scope", OMIT),
	F_OPT_BOOL(T, enable_ipv4, "EnableIPv4", OMIT),
	F_OPT_BOOL(T, enable_ipv6, "EnableIPv6", OMIT),
	F_PTR(T, ipam, "IPAM", OMIT, struct docker_ipam, docker_ipam_fields),
	F_BOOL(T, internal, "Internal", 0),
	F_BOOL(T, attachable, "Attachable", 0),
	F_BOOL(T, ingress, "Ingress", 0),
	F_BOOL(T, config_only, "ConfigOnly", 0),
	F_PTR(T, config_from, "ConfigFrom", OMIT, struct docker_config_from, docker_config_from_fields),
	F_STR_MAP(T, options, "Options", 0),
	F_STR_MAP(T, labels, "Labels", 0),
	F_END,
};
#undef T

#define T struct docker_network_create_reply
const struct field docker_network_create_reply_fields[] = {
	F_STR(T, id, "Id", 0),
	F_STR(T, warning, "Warning", 0),
	F_END,
};
#undef T

#define T struct docker_network_connect
const struct field docker_network_connect_fields[] = {
	F_STR(T, container, "Container", 0),
	F_PTR(T, endpoint_config, "EndpointConfig", OMIT, struct docker_endpoint, docker_endpoint_fields),
	F_END,
};
#undef T

#define T struct docker_network_disconnect
const struct field docker_network_disconnect_fields[] = {
	F_STR(T, container, "Container", 0),
	F_BOOL(T, force, "Force", 0),
	F_END,
};
#undef T

#define T struct docker_volume_usage
static const struct field docker_volume_usage_fields[] = {
	F_I64(T, ref_count, "RefCount", 0),
	F_I64(T, size, "Size", 0),
	F_END,
};
#undef T

#define T struct docker_volume
const struct field docker_volume_fields[] = {
	F_STR(T, created_at, "CreatedAt", OMIT),
	F_STR(T, driver, "Driver", 0),
	F_STR_MAP(T, labels, "Labels", 0),
	F_STR(T, mountpoint, "Mountpoint", 0),
	F_STR(T, name, "Name", 0),
	F_STR_MAP(T, options, "Options", 0),
	F_STR(T, scope, "Scope", 0),
	F_PTR(T, usage_data, "UsageData", OMIT, struct docker_volume_usage, docker_volume_usage_fields),
	F_END,
};
#undef T

#define T struct docker_volume_create
const struct field docker_volume_create_fields[] = {
	F_STR(T, name, "Name", 0),
	F_STR(T, driver, "Driver", 0),
	F_STR_MAP(T, driver_opts, "DriverOpts", 0),
	F_STR_MAP(T, labels, "Labels", 0),
	F_RAW(T, cluster_volume_spec, "ClusterVolumeSpec", OMIT),
	F_END,
};
#undef T

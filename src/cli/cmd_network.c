/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_network.c: estiba network create, rm, connect, disconnect. */
#include <arpa/inet.h>

#include "cli/each.h"
#include "cli/valuespec.h"
#include "spec/docker_network.h"

/* create */

struct create_values {
	bool attachable, config_only, ingress, internal, ipv4, ipv6;
	char **aux, **gateways, **ranges, **ipam_opts, **labels, **opts, **subnets;
	const char *config_from, *driver, *ipam_driver, *scope;
};

#define T struct create_values
static const struct opt create_options[] = {
	O_BOOL(T, attachable, "attachable", 0, .help = "Let containers join by hand"),
	O_LIST(T, aux, "aux-address", 0, .value_name = "map", .shown = "map[]", .help = "Address that is not given out (name=ip)"),
	O_STR(T, config_from, "config-from", 0, .help = "Network whose configuration to copy"),
	O_BOOL(T, config_only, "config-only", 0, .help = "Only a configuration, no network"),
	O_STR(T, driver, "driver", 'd', .def = "bridge", .help = "Driver of the network"),
	O_CSV(T, gateways, "gateway", 0, .help = "Gateway of the subnet"),
	O_BOOL(T, ingress, "ingress", 0, .help = "The routing mesh of a swarm"),
	O_BOOL(T, internal, "internal", 0, .help = "No way out of the network"),
	O_CSV(T, ranges, "ip-range", 0, .help = "Part of the subnet to give addresses from"),
	O_STR(T, ipam_driver, "ipam-driver", 0, .def = "default", .help = "Driver that gives addresses out"),
	O_LIST(T, ipam_opts, "ipam-opt", 0, .value_name = "map", .shown = "map[]", .help = "Option of that driver"),
	O_BOOL(T, ipv6, "ipv6", 0, .help = "With IPv6 addresses"),
	O_LIST(T, labels, "label", 0, .check = value_check_label, .help = "Label of the network (k=v)"),
	O_LIST(T, opts, "opt", 'o', .value_name = "map", .shown = "map[]", .help = "Option of the network's driver"),
	O_STR(T, scope, "scope", 0, .help = "Scope of the network"),
	O_CSV(T, subnets, "subnet", 0, .help = "Subnet as address/length"),
	O_END,
};
#undef T

/* Does the subnet "10.0.0.0/8" contain the address IP? */
static bool contains(const char *subnet, const char *ip)
{
	es_autofree char *net = es_xstrndup(subnet, strcspn(subnet, "/"));
	int family = strchr(subnet, ':') ? AF_INET6 : AF_INET;
	unsigned char a[16], b[16];
	uint64_t bits;
	es_err *err = subnet[strlen(net)] ? str_to_u64(subnet + strlen(net) + 1, 10, &bits) : es_err_new(ES_E_INVALID, "no length");

	if (err || bits > 128 || inet_pton(family, net, a) != 1 || inet_pton(family, ip, b) != 1) {
		es_err_free(err);
		return false;
	}
	for (uint64_t i = 0; i < bits; i++)
		if ((a[i / 8] ^ b[i / 8]) & (0x80 >> i % 8))
			return false;
	return true;
}

/* Every gateway and range belongs to the subnet that contains it. */
static struct docker_ipam_config *subnet_of(struct docker_ipam_config *rows, size_t n, const char *ip)
{
	es_autofree char *address = es_xstrndup(ip, strcspn(ip, "/"));

	for (size_t i = 0; i < n; i++)
		if (contains(rows[i].subnet, address))
			return &rows[i];
	return NULL;
}

static es_err *ipam_config(struct cli *c, const struct create_values *v, struct docker_ipam *ret)
{
	size_t n = strv_len(v->subnets);
	struct docker_ipam_config *rows = ARENA_ARRAY(c->arena, struct docker_ipam_config, n + 1);

	if (n < strv_len(v->ranges) || n < strv_len(v->gateways))
		return es_err_new(ES_E_INVALID, "every ip-range or gateway must have a corresponding subnet");
	for (size_t i = 0; i < n; i++)
		rows[i].subnet = v->subnets[i];
	for (char **range = v->ranges; range && *range; range++) {
		struct docker_ipam_config *row = subnet_of(rows, n, *range);

		if (!row)
			return es_err_new(ES_E_INVALID, "no matching subnet for range %s", *range);
		row->ip_range = *range;
	}
	for (char **gateway = v->gateways; gateway && *gateway; gateway++) {
		struct docker_ipam_config *row = subnet_of(rows, n, *gateway);

		if (!row)
			return es_err_new(ES_E_INVALID, "no matching subnet for gateway %s", *gateway);
		row->gateway = *gateway;
	}
	for (char **aux = v->aux; aux && *aux; aux++) {
		size_t len = strcspn(*aux, "=");
		struct docker_ipam_config *row = (*aux)[len] ? subnet_of(rows, n, *aux + len + 1) : NULL;

		if (!row)
			return es_err_new(ES_E_INVALID, "no matching subnet for aux-address %s", *aux);
		if (!row->auxiliary_addresses)
			row->auxiliary_addresses = field_map_new(c->arena);
		field_map_put(c->arena, row->auxiliary_addresses, arena_strndup(c->arena, *aux, len), *aux + len + 1);
	}
	*ret = (struct docker_ipam){ .driver = v->ipam_driver, .options = value_map(c->arena, v->ipam_opts), .config = { rows, n, true } };
	return NULL;
}

static es_err *run_create(struct cli *c)
{
	const struct create_values *v = c->values;
	struct docker_config_from from = { .network = v->config_from };
	struct docker_ipam ipam;
	struct docker_network_create r = {
		.name = c->args[0], .check_duplicate = true, .driver = v->driver, .scope = v->scope ? v->scope : "", .internal = v->internal,
		.attachable = v->attachable, .ingress = v->ingress, .config_only = v->config_only, .ipam = &ipam,
		.config_from = v->config_from ? &from : NULL,
	};
	struct json *reply;

	if (v->config_only && !str_empty(v->config_from))
		return es_err_new(ES_E_INVALID, "cannot use both --config-only and --config-from");
	ES_TRY(ipam_config(c, v, &ipam));
	r.options = value_map(c->arena, v->opts);
	r.labels = value_map(c->arena, v->labels);
	if (opt_seen(&c->given, "ipv6"))
		r.enable_ipv6 = (struct field_opt_bool){ true, v->ipv6 };
	ES_TRY(client_call(c, "POST", "/networks/create", NULL, field_encode(c->arena, docker_network_create_fields, &r), &reply));
	if (!str_empty(json_str(json_get(reply, "Warning"))))
		cli_warn("WARNING: %s", json_str(json_get(reply, "Warning")));
	cli_puts(json_str(json_get(reply, "Id")) ? json_str(json_get(reply, "Id")) : "");
	return NULL;
}

const struct cmd cmd_network_create = {
	.paths = "network create",
	.usage = "[OPTIONS] NETWORK",
	.summary = "Make a network",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.options = create_options,
	.values_size = sizeof(struct create_values),
	.run = run_create,
};

/* rm */

struct rm_values {
	bool force;
};

static const struct opt rm_options[] = {
	O_BOOL(struct rm_values, force, "force", 'f', .help = "Missing networks are no error"),
	O_END,
};

static es_err *run_rm(struct cli *c)
{
	const struct rm_values *v = c->values;

	for (char **name = c->args; *name; name++) {
		es_err *err = client_call(c, "DELETE", client_path(c, "/networks/%s", *name), NULL, NULL, NULL);

		if (err && v->force && es_err_class(err) == ES_E_NOT_FOUND)
			es_err_free(err);
		else if (err)
			cli_report(c, err);
		else
			cli_puts(*name);
	}
	return c->status ? es_err_new(ES_E_CONFLICT, "exit status %d", c->status) : NULL; /* docker's last word */
}

const struct cmd cmd_network_rm = {
	.paths = "network rm, network remove",
	.usage = "NETWORK [NETWORK...]",
	.summary = "Remove networks",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = rm_options,
	.values_size = sizeof(struct rm_values),
	.run = run_rm,
};

/* connect and disconnect */

struct connect_values {
	char **aliases, **driver_opts, **links, **link_local_ips;
	const char *ip, *ip6;
};

#define T struct connect_values
static const struct opt connect_options[] = {
	O_CSV(T, aliases, "alias", 0, .help = "Further name in the network"),
	O_CSV(T, driver_opts, "driver-opt", 0, .help = "Option of the network's driver"),
	O_STR(T, ip, "ip", 0, .help = "IPv4 address (\"172.30.100.104\")"),
	O_STR(T, ip6, "ip6", 0, .help = "IPv6 address (\"2001:db8::33\")"),
	O_LIST(T, links, "link", 0, .check = value_check_link, .help = "Make another container known by name"),
	O_CSV(T, link_local_ips, "link-local-ip", 0, .help = "Link-local address"),
	O_END,
};
#undef T

static es_err *run_connect(struct cli *c)
{
	const struct connect_values *v = c->values;
	struct docker_endpoint_ipam ipam = { .ipv4_address = v->ip, .ipv6_address = v->ip6, .link_local_ips = v->link_local_ips };
	struct docker_endpoint endpoint = { .aliases = v->aliases, .links = v->links, .ipam_config = &ipam };
	const struct docker_network_connect r = { .container = c->args[1], .endpoint_config = &endpoint };

	for (char **opt = v->driver_opts; opt && *opt; opt++)
		if (!strchr(*opt, '='))
			return es_err_new(ES_E_INVALID, "invalid key/value pair format in driver options");
	if (v->driver_opts)
		endpoint.driver_opts = value_map(c->arena, v->driver_opts);
	return client_call(c, "POST", client_path(c, "/networks/%s/connect", c->args[0]), NULL,
			   field_encode(c->arena, docker_network_connect_fields, &r), NULL);
}

const struct cmd cmd_network_connect = {
	.paths = "network connect",
	.usage = "[OPTIONS] NETWORK CONTAINER",
	.summary = "Let a container join a network",
	.mode = OPT_INTERSPERSED,
	.min_args = 2,
	.max_args = 2,
	.options = connect_options,
	.values_size = sizeof(struct connect_values),
	.run = run_connect,
};

static const struct opt disconnect_options[] = {
	O_BOOL(struct rm_values, force, "force", 'f', .help = "Also a container that is gone"),
	O_END,
};

static es_err *run_disconnect(struct cli *c)
{
	const struct rm_values *v = c->values;
	const struct docker_network_disconnect r = { .container = c->args[1], .force = v->force };

	return client_call(c, "POST", client_path(c, "/networks/%s/disconnect", c->args[0]), NULL,
			   field_encode(c->arena, docker_network_disconnect_fields, &r), NULL);
}

const struct cmd cmd_network_disconnect = {
	.paths = "network disconnect",
	.usage = "[OPTIONS] NETWORK CONTAINER",
	.summary = "Take a container out of a network",
	.mode = OPT_INTERSPERSED,
	.min_args = 2,
	.max_args = 2,
	.options = disconnect_options,
	.values_size = sizeof(struct rm_values),
	.run = run_disconnect,
};

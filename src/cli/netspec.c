/* SPDX-License-Identifier: Apache-2.0 */
/* netspec.c: --network NAME or name=…,alias=…,ip=…, and the single options that speak about the first network. */
#include "cli/netspec.h"

#include "base/str.h"
#include "cli/mountspec.h"
#include "cli/valuespec.h"

struct network {
	const char *name;
	struct docker_endpoint *endpoint;
	char **driver_opts;
};

static struct docker_endpoint_ipam *ipam_of(struct arena *a, struct docker_endpoint *e)
{
	if (!e->ipam_config)
		e->ipam_config = ARENA_NEW(a, struct docker_endpoint_ipam);
	return e->ipam_config;
}

static es_err *set_alias(struct arena *a, struct network *n, const char *value)
{
	n->endpoint->aliases = strv_arena_add(a, n->endpoint->aliases, value);
	return NULL;
}
static es_err *set_name(struct arena *a, struct network *n, const char *value)
{
	n->name = value;
	return NULL;
}
static es_err *set_ip(struct arena *a, struct network *n, const char *value)
{
	ipam_of(a, n->endpoint)->ipv4_address = value;
	return NULL;
}
static es_err *set_ip6(struct arena *a, struct network *n, const char *value)
{
	ipam_of(a, n->endpoint)->ipv6_address = value;
	return NULL;
}
static es_err *set_link_local(struct arena *a, struct network *n, const char *value)
{
	struct docker_endpoint_ipam *ipam = ipam_of(a, n->endpoint);

	ipam->link_local_ips = strv_arena_add(a, ipam->link_local_ips, value);
	return NULL;
}
static es_err *set_mac(struct arena *a, struct network *n, const char *value)
{
	if (!value_is_mac(value))
		return es_err_new(ES_E_INVALID, "%s is not a valid mac address", value);
	n->endpoint->mac_address = value;
	return NULL;
}
static es_err *set_driver_opt(struct arena *a, struct network *n, const char *value)
{
	if (!strchr(value, '='))
		return es_err_new(ES_E_INVALID, "invalid key value pair format in driver options");
	n->driver_opts = strv_arena_add(a, n->driver_opts, value);
	return NULL;
}
static es_err *set_priority(struct arena *a, struct network *n, const char *value)
{
	es_err *err = str_to_i64(value, 10, &n->endpoint->gw_priority);

	if (!err)
		return NULL;
	es_err_free(err);
	return es_err_new(ES_E_INVALID, "invalid gw-priority (%s): strconv.ParseInt: parsing \"%s\": invalid syntax", value, value);
}

static const struct {
	const char *key;
	es_err *(*set)(struct arena *a, struct network *n, const char *value);
} keys[] = {
	{ "name", set_name },		   { "alias", set_alias },	     { "ip", set_ip },
	{ "ip6", set_ip6 },		   { "link-local-ip", set_link_local }, { "mac-address", set_mac },
	{ "driver-opt", set_driver_opt }, { "gw-priority", set_priority },
};

static es_err *parse_field(struct arena *a, struct network *n, const char *field)
{
	char *key = arena_strdup(a, field), *value = strchr(key, '=');

	if (!value)
		return es_err_new(ES_E_INVALID, "invalid field %s", field);
	*value++ = '\0';
	for (size_t i = 0; i < ES_N(keys); i++)
		if (str_eq_nocase(keys[i].key, str_trim(key)))
			return keys[i].set(a, n, value);
	return es_err_new(ES_E_INVALID, "invalid field key %s", key);
}

static es_err *parse(struct arena *a, const char *text, struct network *ret)
{
	char **fields;

	*ret = (struct network){ .name = "", .endpoint = ARENA_NEW(a, struct docker_endpoint) };
	if (!strchr(text, '=')) {
		ret->name = text;
		return NULL;
	}
	ES_TRY(mountspec_csv(a, text, &fields));
	for (size_t i = 0; i < strv_len(fields); i++)
		ES_TRY(parse_field(a, ret, fields[i]));
	if (str_empty(ret->name))
		return es_err_new(ES_E_INVALID, "network name/id is not specified");
	if (ret->driver_opts)
		ret->endpoint->driver_opts = value_map(a, ret->driver_opts);
	return NULL;
}

es_err *netspec_check(const char *text)
{
	es_autoarena *a = arena_new();
	struct network n;

	return parse(a, text, &n);
}

static bool is_user_defined(const char *mode)
{
	static const char *const fixed[] = { "default", "bridge", "host", "none", NULL };

	return !strv_has((char *const *)fixed, mode) && !str_starts(mode, "container:");
}

/* --ip, --network-alias … are for the first network; given in both ways is an error. */
static es_err *apply_single(struct arena *a, const struct netspec_opts *o, struct network *n)
{
	struct docker_endpoint *e = n->endpoint;

	if (strv_len(o->aliases) && e->aliases)
		return es_err_new(ES_E_CONFLICT, "conflicting options: cannot specify both --network-alias and per-network alias");
	if (!str_empty(o->ip) && e->ipam_config && e->ipam_config->ipv4_address)
		return es_err_new(ES_E_CONFLICT, "conflicting options: cannot specify both --ip and per-network IPv4 address");
	if (!str_empty(o->ip6) && e->ipam_config && e->ipam_config->ipv6_address)
		return es_err_new(ES_E_CONFLICT, "conflicting options: cannot specify both --ip6 and per-network IPv6 address");
	if (strv_len(o->aliases) && !is_user_defined(n->name))
		return es_err_new(ES_E_INVALID, "network-scoped aliases are only supported for user-defined networks");
	if (strv_len(o->aliases))
		e->aliases = strv_arena_dup(a, o->aliases);
	if (strv_len(o->links) && is_user_defined(n->name))
		e->links = strv_arena_dup(a, o->links);
	if (!str_empty(o->ip))
		ipam_of(a, e)->ipv4_address = o->ip;
	if (!str_empty(o->ip6))
		ipam_of(a, e)->ipv6_address = o->ip6;
	if (strv_len(o->link_local_ips))
		ipam_of(a, e)->link_local_ips = strv_arena_dup(a, o->link_local_ips);
	if (!str_empty(o->mac_address))
		e->mac_address = o->mac_address;
	return NULL;
}

es_err *netspec_config(struct arena *a, const struct netspec_opts *o, const char **ret_mode, struct docker_networking_config *ret)
{
	size_t count = strv_len(o->networks);

	*ret_mode = "default";
	ret->endpoints_config = field_map_new(a);
	if (!str_empty(o->mac_address) && !value_is_mac(o->mac_address))
		return es_err_new(ES_E_INVALID, "%s is not a valid mac address", o->mac_address);
	for (size_t i = 0; i < (count ? count : 1); i++) {
		struct network n;

		ES_TRY(parse(a, count ? o->networks[i] : "default", &n));
		if (i == 0)
			ES_TRY(apply_single(a, o, &n));
		if (i == 0)
			*ret_mode = n.name;
		else if (is_user_defined(n.name) != is_user_defined(*ret_mode))
			return es_err_new(ES_E_CONFLICT, "conflicting options: cannot attach both user-defined and non-user-defined network-modes");
		if (field_map_has(ret->endpoints_config, n.name))
			return es_err_new(ES_E_INVALID, "network \"%s\" is specified multiple times", n.name);
		field_map_put(a, ret->endpoints_config, n.name, n.endpoint);
	}
	return NULL;
}

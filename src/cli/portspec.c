/* SPDX-License-Identifier: Apache-2.0 */
/* portspec.c: --publish and --expose. */
#include "cli/portspec.h"

#include <arpa/inet.h>

#include "base/str.h"
#include "spec/docker_ctr.h"

struct range {
	unsigned from, to;
};

static bool parse_port(const char *text, unsigned *ret)
{
	uint64_t v;
	es_err *err = str_to_u64(text, 10, &v);

	if (err || v > 65535) {
		es_err_free(err);
		return false;
	}
	*ret = (unsigned)v;
	return true;
}

static bool parse_range(const char *text, struct range *ret)
{
	es_autofree char *copy = es_xstrdup(text);
	char *dash = strchr(copy, '-');

	if (dash)
		*dash++ = '\0';
	if (!parse_port(copy, &ret->from))
		return false;
	ret->to = ret->from;
	return !dash || (parse_port(dash, &ret->to) && ret->to >= ret->from);
}

/* Cut "ip:host:container" from the right; an IPv6 address stands in brackets or is what is left. */
static void split(struct arena *a, const char *spec, char **ret_ip, char **ret_host, char **ret_container)
{
	char *copy = arena_strdup(a, spec), *colon = strrchr(copy, ':');

	*ret_ip = *ret_host = arena_strdup(a, "");
	*ret_container = colon ? colon + 1 : copy;
	if (!colon)
		return;
	*colon = '\0';
	*ret_host = copy;
	colon = strrchr(copy, ':');
	if (!colon)
		return;
	*colon = '\0';
	*ret_host = colon + 1;
	*ret_ip = copy;
}

static es_err *check_ip(struct arena *a, char **ip)
{
	unsigned char raw[16];
	size_t n = strlen(*ip);

	if (n > 1 && (*ip)[0] == '[' && (*ip)[n - 1] == ']')
		*ip = arena_strndup(a, *ip + 1, n - 2);
	if (**ip && inet_pton(AF_INET, *ip, raw) != 1 && inet_pton(AF_INET6, *ip, raw) != 1)
		return es_err_new(ES_E_INVALID, "invalid IP address: %s", *ip);
	return NULL;
}

static es_err *cut_proto(char *port, const char **ret_proto)
{
	char *slash = strchr(port, '/');

	*ret_proto = "tcp";
	if (!slash)
		return NULL;
	*slash++ = '\0';
	str_lower(slash);
	if (*slash && !str_eq(slash, "tcp") && !str_eq(slash, "udp") && !str_eq(slash, "sctp"))
		return es_err_new(ES_E_INVALID, "invalid proto: %s", slash);
	if (*slash)
		*ret_proto = slash;
	return NULL;
}

static void add_binding(struct arena *a, struct field_map *bindings, const char *key, const char *ip, const char *host_port)
{
	struct field_list *list = field_map_get(bindings, key);
	struct docker_port_binding *items;

	if (!list) {
		list = ARENA_NEW(a, struct field_list);
		field_map_put(a, bindings, key, list);
	}
	items = ARENA_ARRAY(a, struct docker_port_binding, list->n + 1);
	if (list->n)
		memcpy(items, list->items, list->n * sizeof *items);
	items[list->n++] = (struct docker_port_binding){ ip, host_port };
	list->items = items;
	list->set = true;
}

es_err *portspec_publish(struct arena *a, const char *spec, struct field_map *exposed, struct field_map *bindings)
{
	char *ip, *host, *container;
	const char *proto;
	struct range in, out = { 0 };

	split(a, spec, &ip, &host, &container);
	ES_TRY(cut_proto(container, &proto));
	ES_TRY(check_ip(a, &ip));
	if (!*container)
		return es_err_new(ES_E_INVALID, "no port specified: %s<empty>", spec);
	if (!parse_range(container, &in))
		return es_err_new(ES_E_INVALID, "invalid containerPort: %s", container);
	if (*host && !parse_range(host, &out))
		return es_err_new(ES_E_INVALID, "invalid hostPort: %s", host);
	if (*host && out.to - out.from != in.to - in.from && in.from != in.to)
		return es_err_new(ES_E_INVALID, "invalid ranges specified for container and host Ports: %s and %s", container, host);
	for (unsigned i = 0; i <= in.to - in.from; i++) {
		char *key = arena_printf(a, "%u/%s", in.from + i, proto);
		const char *host_port = *host ? arena_printf(a, "%u", out.from + i) : "";

		if (*host && in.from == in.to && out.from != out.to) /* one port, any of a range */
			host_port = host;
		field_map_put(a, exposed, key, NULL);
		add_binding(a, bindings, key, ip, host_port);
	}
	return NULL;
}

es_err *portspec_expose(struct arena *a, const char *spec, struct field_map *exposed)
{
	char *port = arena_strdup(a, spec);
	const char *proto;
	struct range r;

	if (strchr(spec, ':'))
		return es_err_new(ES_E_INVALID, "invalid port format for --expose: %s", spec);
	ES_TRY(cut_proto(port, &proto));
	if (!parse_range(port, &r))
		return es_err_new(ES_E_INVALID, "invalid range format for --expose: %s, error: strconv.ParseUint: parsing \"%s\": %s",
				  spec, port, port[strspn(port, "0123456789-")] ? "invalid syntax" : "value out of range");
	for (unsigned p = r.from; p <= r.to; p++)
		field_map_put(a, exposed, arena_printf(a, "%u/%s", p, proto), NULL);
	return NULL;
}

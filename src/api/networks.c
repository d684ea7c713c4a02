/* SPDX-License-Identifier: Apache-2.0 */
/* networks.c: the routes of networks. */
#include "api/reply.h"
#include "api/route.h"
#include "base/str.h"
#include "engine/engine.h"
#include "catalog/netmgr.h"

static struct netmgr *nets(const struct req *r)
{
	return engine_netmgr(r->engine);
}

static es_err *list(struct req *r)
{
	static const char *const allowed[] = { "dangling", "driver", "id", "label", "name", "scope", "type", NULL };
	struct filters f;
	struct field_list all;

	ES_TRY(req_filters(r, allowed, &f));
	ES_TRY(netmgr_list(nets(r), r->a, &f, &all));
	return reply_list(r, 200, docker_network_fields, sizeof(struct docker_network), &all);
}

/* "verbose" means something in a swarm only, but what is no boolean is refused, as docker does. */
static es_err *check_verbose(const struct req *r)
{
	static const char *const booleans[] = { "1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False" };
	const char *text = req_query(r, "verbose");

	if (str_empty(text))
		return NULL;
	for (size_t i = 0; i < ES_N(booleans); i++)
		if (strcmp(booleans[i], text) == 0)
			return NULL;
	return es_err_new(ES_E_INVALID, "invalid value for verbose: %s: strconv.ParseBool: parsing \"%s\": invalid syntax", text, text);
}

static es_err *inspect(struct req *r)
{
	struct docker_network n = { 0 };

	ES_TRY(check_verbose(r));
	ES_TRY(netmgr_inspect(nets(r), r->a, r->args[0], req_query(r, "scope"), &n));
	return reply_fields(r, 200, docker_network_fields, &n);
}

static es_err *create(struct req *r)
{
	struct docker_network_create body = { 0 };
	struct docker_network_create_reply made;

	ES_TRY(req_fields(r, docker_network_create_fields, &body));
	ES_TRY(netmgr_create(nets(r), r->a, &body, &made));
	return reply_fields(r, 201, docker_network_create_reply_fields, &made);
}

static es_err *delete(struct req *r)
{
	ES_TRY(netmgr_remove(nets(r), r->args[0]));
	return reply_empty(r, 204);
}

static es_err *connect_ctr(struct req *r)
{
	struct docker_network_connect body = { 0 };

	ES_TRY(req_fields(r, docker_network_connect_fields, &body));
	ES_TRY(netmgr_connect(nets(r), r->a, r->args[0], &body));
	return reply_empty(r, 200);
}

static es_err *disconnect_ctr(struct req *r)
{
	struct docker_network_disconnect body = { 0 };

	ES_TRY(req_fields(r, docker_network_disconnect_fields, &body));
	ES_TRY(netmgr_disconnect(nets(r), r->a, r->args[0], &body));
	return reply_empty(r, 200);
}

static es_err *prune(struct req *r)
{
	static const char *const allowed[] = { "label", "label!", "until", NULL };
	struct json *reply = json_new_object(r->a), *list_of = NULL;
	char **names = NULL;
	struct filters f;

	ES_TRY(req_filters(r, allowed, &f));
	ES_TRY(netmgr_prune(nets(r), r->a, &f, &names));
	list_of = names ? json_new_array(r->a) : json_new_null(r->a);
	for (size_t i = 0; names && names[i]; i++)
		json_append(list_of, json_new_str(r->a, names[i]));
	json_set(r->a, reply, "NetworksDeleted", list_of);
	return reply_json(r, 200, reply);
}

const struct route routes_networks[] = {
	{ "GET", "/networks", 124, list },
	{ "GET", "/networks/", 124, list },
	{ "GET", "/networks/{*}", 124, inspect },
	{ "POST", "/networks/create", 124, create },
	{ "POST", "/networks/prune", 125, prune },
	{ "POST", "/networks/{*}/connect", 124, connect_ctr },
	{ "POST", "/networks/{*}/disconnect", 124, disconnect_ctr },
	{ "DELETE", "/networks/{*}", 124, delete },
	{ 0 },
};

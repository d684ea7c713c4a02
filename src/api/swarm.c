/* SPDX-License-Identifier: Apache-2.0 */
/* swarm.c: the answers of a node that is in no swarm and has no plugins. */
#include "api/reply.h"
#include "api/route.h"
#include "base/str.h"

static es_err *no_manager(struct req *r)
{
	return es_err_new(ES_E_UNAVAILABLE, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
					    "connect this node to swarm and try again.");
}

static es_err *no_swarm(struct req *r)
{
	return es_err_new(ES_E_UNAVAILABLE, "This node is not part of a swarm");
}

static es_err *no_orchestrator(struct req *r)
{
	return es_err_new(ES_E_UNSUPPORTED, "swarm mode is not supported");
}

static es_err *plugin_list(struct req *r)
{
	return reply_json(r, 200, json_new_array(r->a));
}

static es_err *plugin_missing(struct req *r)
{
	return es_err_new(ES_E_NOT_FOUND, "plugin \"%s\" not found", r->args[0]);
}

static es_err *plugin_unsupported(struct req *r)
{
	return es_err_new(ES_E_UNSUPPORTED, "plugins are not supported");
}

const struct route routes_swarm[] = {
	{ "GET", "/swarm", 0, no_manager },
	{ "POST", "/swarm/init", 0, no_orchestrator },
	{ "POST", "/swarm/join", 0, no_orchestrator },
	{ "POST", "/swarm/leave", 0, no_swarm },
	{ "POST", "/swarm/update", 0, no_manager },
	{ "GET", "/swarm/unlockkey", 0, no_manager },
	{ "POST", "/swarm/unlock", 0, no_manager },
	{ "GET", "/nodes", 0, no_manager },
	{ "GET", "/nodes/{}", 0, no_manager },
	{ "DELETE", "/nodes/{}", 0, no_manager },
	{ "POST", "/nodes/{}/update", 0, no_manager },
	{ "GET", "/services", 0, no_manager },
	{ "POST", "/services/create", 0, no_manager },
	{ "GET", "/services/{}", 0, no_manager },
	{ "DELETE", "/services/{}", 0, no_manager },
	{ "POST", "/services/{}/update", 0, no_manager },
	{ "GET", "/services/{}/logs", 0, no_manager },
	{ "GET", "/tasks", 0, no_manager },
	{ "GET", "/tasks/{}", 0, no_manager },
	{ "GET", "/tasks/{}/logs", 0, no_manager },
	{ "GET", "/secrets", 0, no_manager },
	{ "POST", "/secrets/create", 0, no_manager },
	{ "GET", "/secrets/{}", 0, no_manager },
	{ "DELETE", "/secrets/{}", 0, no_manager },
	{ "POST", "/secrets/{}/update", 0, no_manager },
	{ "GET", "/configs", 0, no_manager },
	{ "POST", "/configs/create", 0, no_manager },
	{ "GET", "/configs/{}", 0, no_manager },
	{ "DELETE", "/configs/{}", 0, no_manager },
	{ "POST", "/configs/{}/update", 0, no_manager },
	{ "GET", "/plugins", 0, plugin_list },
	{ "GET", "/plugins/privileges", 0, plugin_unsupported },
	{ "POST", "/plugins/pull", 0, plugin_unsupported },
	{ "POST", "/plugins/create", 0, plugin_unsupported },
	{ "GET", "/plugins/{*}/json", 0, plugin_missing },
	{ "DELETE", "/plugins/{*}", 0, plugin_missing },
	{ "POST", "/plugins/{*}/enable", 0, plugin_missing },
	{ "POST", "/plugins/{*}/disable", 0, plugin_missing },
	{ "POST", "/plugins/{*}/upgrade", 0, plugin_missing },
	{ "POST", "/plugins/{*}/push", 0, plugin_missing },
	{ "POST", "/plugins/{*}/set", 0, plugin_missing },
	{ 0 },
};

/* SPDX-License-Identifier: Apache-2.0 */
/* routes.c: all tables of routes. */
#include "api/route.h"
#include "base/str.h"

static const struct route *const tables[] = {
	routes_build,
	routes_system,
	routes_df,
	routes_containers,
	routes_streams,
	routes_logs,
	routes_archive,
	routes_exec,
	routes_registry,
	routes_images,
	routes_networks,
	routes_volumes,
	routes_swarm,
	routes_own,
};

const struct route *route_find(struct arena *a, const char *method, const char *path, const char **args)
{
	for (size_t i = 0; i < ES_N(tables); i++)
		for (const struct route *r = tables[i]; r->method; r++)
			if (str_eq(r->method, method) && route_match(a, r->path, path, args))
				return r;
	return NULL;
}

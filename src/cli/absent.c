/* SPDX-License-Identifier: Apache-2.0 */
/* absent.c: commands that are plugins, or that we do not have. */
#include "cli/absent.h"

#include "cli/client.h"
#include "cli/config.h"

static const struct {
	const char *path, *why;
} absent[] = {
	{ "bake", "it needs docker's buildx plugin, which is not installed" },
	{ "buildx", "it needs docker's buildx plugin, which is not installed" },
	{ "checkpoint", "containers cannot be checkpointed" },
	{ "compose", "it needs docker's compose plugin, which is not installed" },
	{ "config", "there is no swarm mode" },
	{ "manifest", "manifest lists cannot be edited" },
	{ "node", "there is no swarm mode" },
	{ "plugin", "the daemon has no plugins" },
	{ "secret", "there is no swarm mode" },
	{ "service", "there is no swarm mode" },
	{ "stack", "there is no swarm mode" },
	{ "swarm", "there is no swarm mode" },
	{ "trust", "images are not signed with Notary" },
	{ "volume update", "there are no cluster volumes" },
};

const char *absent_why(const char *path)
{
	for (size_t i = 0; i < ES_N(absent); i++)
		if (str_eq(absent[i].path, path))
			return absent[i].why;
	return NULL;
}

static const char *find_plugin(struct cli *c, const char *name)
{
	const char *const dirs[] = {
		arena_printf(c->arena, "%s/cli-plugins", config_dir(c)), "/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
		"/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
	};

	for (size_t i = 0; i < ES_N(dirs); i++) {
		const char *path = arena_printf(c->arena, "%s/docker-%s", dirs[i], name);

		if (access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

es_err *absent_run_plugin(struct cli *c, const char *name, char **argv)
{
	const char *path, *host, *api;

	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] || *name == '-')
		return NULL;
	path = find_plugin(c, name);
	if (!path)
		return NULL;
	ES_TRY(client_host(c, &host));
	if (client_is_own_default(c)) { /* the plugin does not know our daemon */
		ES_TRY(client_api(c, &api));
		setenv("DOCKER_HOST", host, 1);
	}
	setenv("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", argv[0], 1);
	argv[0] = arena_strdup(c->arena, path);
	execv(path, argv);
	return es_err_sys(errno, "exec %s", path);
}

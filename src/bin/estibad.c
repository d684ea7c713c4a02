/* SPDX-License-Identifier: Apache-2.0 */
/* estibad.c: the daemon: the engine, with the Docker Engine API as its door. */
#include "api/api.h"
#include "engine/daemon.h"

static void *open_api(struct engine *e)
{
	return api_new(e);
}

static void close_api(void *api)
{
	api_free(api);
}

int main(int argc, char **argv)
{
	static const struct daemon_door door = { open_api, close_api, api_handle, api_quick };

	(void)argc;
	return daemon_main(argv, &door);
}

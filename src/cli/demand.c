/* SPDX-License-Identifier: Apache-2.0 */
/* demand.c: start our own daemon when its default socket has no listener. */
#include "cli/demand.h"

#include <poll.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "sys/pidfd.h"
#include "sys/spawn.h"
#include "wire/sock.h"

#define DEMAND_WAIT_MS 15000

bool demand_may_start(int errnum)
{
	return errnum == ENOENT || errnum == ECONNREFUSED;
}

static bool takes_connections(const char *path)
{
	es_autoclose int fd = -1;
	es_err *err = sock_connect_unix(path, &fd);

	es_err_free(err);
	return !err;
}

/* The daemon detaches itself; a start that fails ends the process we started, with its reason on standard error. */
static es_err *wait_for_it(const char *path, int pidfd)
{
	int64_t deadline_ns = clock_mono_ns() + DEMAND_WAIT_MS * CLOCK_NS_PER_MS;
	bool running = true;

	while (clock_mono_ns() < deadline_ns) {
		int status;

		if (takes_connections(path))
			return NULL;
		if (running && pidfd_has_exited(pidfd)) {
			ES_TRY(pidfd_reap(pidfd, &status));
			if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
				return es_err_new(ES_E_UNAVAILABLE, "estibad did not start");
			running = false;
		}
		poll(NULL, 0, 2);
	}
	return es_err_new(ES_E_TIMEOUT, "estibad did not open %s within %d s", path, DEMAND_WAIT_MS / 1000);
}

es_err *demand_start(const char *socket_path)
{
	es_autofree char *path = NULL;
	es_autoclose int pidfd = -1;
	const char *argv[] = { "estibad", "--on-demand", NULL };
	const struct spawn_fd fds[] = { { STDERR_FILENO, STDERR_FILENO } };
	extern char **environ;
	pid_t pid;

	ES_TRY(file_companion("estibad", &path));
	ES_TRY(spawn_start(&(struct spawn){ .path = path, .argv = argv, .env = environ, .fds = fds, .n_fds = 1, .new_session = true },
			   &pid, &pidfd));
	return wait_for_it(socket_path, pidfd);
}

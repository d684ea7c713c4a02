/* SPDX-License-Identifier: Apache-2.0 */
/* helper.c: docker-credential-NAME programs, and finding programs in $PATH. */
#include "cli/helper.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/file.h"
#include "sys/pidfd.h"
#include "sys/spawn.h"

#define HELPER_REPLY_MAX (1u << 20)

es_err *helper_find(struct arena *a, const char *program, const char **ret)
{
	const char *path = getenv("PATH");
	es_autostrv dirs = strv_split(str_empty(path) ? "/usr/local/bin:/usr/bin:/bin" : path, ':');

	for (size_t i = 0; i < strv_len(dirs); i++) {
		const char *full = arena_printf(a, "%s/%s", *dirs[i] ? dirs[i] : ".", program);

		if (access(full, X_OK) == 0) {
			*ret = full;
			return NULL;
		}
	}
	return es_err_new(ES_E_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", program);
}

static es_err *exchange(const char *path, const char *const *argv, const char *input, char **ret_text, int *ret_status)
{
	extern char **environ;
	int to[2], from[2];
	es_autoclose int pidfd = -1;
	es_err *err;
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	if (pipe2(from, O_CLOEXEC) < 0) {
		err = es_err_sys(errno, "pipe");
		es_close(to[0]);
		es_close(to[1]);
		return err;
	}
	const struct spawn_fd fds[] = { { to[0], 0 }, { from[1], 1 }, { STDERR_FILENO, 2 } };

	err = spawn_start(&(struct spawn){ .path = path, .argv = argv, .env = environ, .fds = fds, .n_fds = ES_N(fds) }, &pid, &pidfd);
	es_close(to[0]);
	es_close(from[1]);
	if (!err)
		es_err_drop(file_write_all(to[1], input, strlen(input))); /* it may not read at all */
	es_close(to[1]);
	if (!err)
		err = file_read_all(from[0], HELPER_REPLY_MAX, ret_text, NULL);
	es_close(from[0]);
	if (pidfd >= 0) {
		es_err *reaped = pidfd_reap(pidfd, ret_status);

		if (err)
			es_err_drop(reaped);
		else
			err = reaped;
	}
	return err;
}

es_err *helper_call(struct cli *c, const char *helper, const char *verb, const char *input, const char **ret)
{
	const char *program = arena_printf(c->arena, "docker-credential-%s", helper), *path;
	const char *argv[] = { program, verb, NULL };
	char *text = NULL;
	int status;

	ES_TRY(es_err_in(helper_find(c->arena, program, &path), "error getting credentials - err"));
	ES_TRY(es_err_in(exchange(path, argv, input, &text, &status), "%s %s", program, verb));
	arena_own(c->arena, text);
	str_trim(text);
	*ret = text;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	if (strstr(text, "credentials not found")) {
		*ret = NULL;
		return NULL;
	}
	return es_err_new(ES_E_INTERNAL, "error getting credentials - err: exit status %d, out: `%s`", WEXITSTATUS(status), text);
}

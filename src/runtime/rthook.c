/* SPDX-License-Identifier: Apache-2.0 */
/* rthook.c: start a hook, feed it the state, wait no longer than it may take. */
#include "runtime/rthook.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "sys/pidfd.h"
#include "sys/spawn.h"

#define RTHOOK_OUTPUT_MAX 2048 /* bytes of a hook's output that an error shows */

/* A file of its own for each stream: a hook may re-open /dev/stdin, and output of any length blocks nobody. */
static es_err *memory_file(const char *text, int *ret_fd)
{
	es_autoclose int fd = (int)memfd_create("hook", MFD_CLOEXEC);

	if (fd < 0)
		return es_err_sys(errno, "memfd");
	ES_TRY(file_write_all(fd, text, strlen(text)));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "memfd");
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

static char *output_of(int fd)
{
	char *text = es_xcalloc(RTHOOK_OUTPUT_MAX + 1, 1);

	(void)!pread(fd, text, RTHOOK_OUTPUT_MAX, 0);
	return str_trim(text);
}

static int timeout_ms(const struct oci_hook *h)
{
	if (!h->timeout.set || h->timeout.v <= 0)
		return -1;
	return h->timeout.v > INT_MAX / 1000 ? INT_MAX : (int)h->timeout.v * 1000;
}

static es_err *run_one(const struct oci_hook *h, const char *state_json, char *const *env, const char *cwd)
{
	es_autoclose int in = -1, out = -1, pidfd = -1;
	struct spawn s = { .path = h->path, .argv = (const char *const *)h->args, .env = h->env ? h->env : env, .cwd = cwd };
	struct spawn_fd fds[3];
	es_autofree char *text = NULL;
	es_err *err;
	int status;
	pid_t pid;

	ES_TRY(memory_file(state_json, &in));
	ES_TRY(memory_file("", &out));
	fds[0] = (struct spawn_fd){ in, 0 };
	fds[1] = (struct spawn_fd){ out, 1 };
	fds[2] = (struct spawn_fd){ out, 2 };
	s.fds = fds;
	s.n_fds = 3;
	ES_TRY(spawn_start(&s, &pid, &pidfd));
	err = pidfd_wait_exit(pidfd, timeout_ms(h));
	if (err)
		es_err_drop(pidfd_signal(pidfd, SIGKILL));
	if (err) {
		es_err_drop(pidfd_reap(pidfd, &status));
		return es_err_in(err, "%s", h->path);
	}
	ES_TRY(pidfd_reap(pidfd, &status));
	if (status == 0)
		return NULL;
	text = output_of(out);
	if (WIFSIGNALED(status))
		return es_err_new(ES_E_SYSTEM, "%s: signal %d, output: %s", h->path, WTERMSIG(status), text);
	return es_err_new(ES_E_SYSTEM, "%s: exit status %d, output: %s", h->path, WEXITSTATUS(status), text);
}

es_err *rthook_run(const struct field_list *hooks, const char *stage, const char *state_json, char *const *env, const char *cwd)
{
	size_t i = 0;

	FIELD_LIST_EACH(const struct oci_hook, h, hooks)
		ES_TRY(es_err_in(run_one(h, state_json, env, cwd), "error running %s hook #%zu", stage, i++));
	return NULL;
}

void rthook_run_lenient(const struct field_list *hooks, const char *stage, const char *state_json, const char *cwd)
{
	size_t i = 0;

	FIELD_LIST_EACH(const struct oci_hook, h, hooks)
		log_err(run_one(h, state_json, NULL, cwd), "%s hook #%zu", stage, i++);
}

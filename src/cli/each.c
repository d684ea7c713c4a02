/* SPDX-License-Identifier: Apache-2.0 */
/* each.c: commands that do one thing to every name on the command line. */
#include "cli/each.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/file.h"

/* As docker: stopping fifty containers takes as long as the slowest of them. */
#define EACH_AT_ONCE 50
#define EACH_ERROR_MAX (1u << 20)

struct job {
	pid_t pid;
	int fd; /* what went wrong, nothing when it worked */
};

static void one_by_one(struct cli *c, char *const *names, bool silent, each_step step)
{
	for (; *names; names++) {
		es_err *err = step(c, *names);

		if (err)
			cli_report(c, err);
		else if (!silent)
			cli_puts(*names);
	}
}

/* The step in a process of its own, with a connection of its own (this program has no threads, so a fork is safe). */
static bool start_job(struct cli *c, const char *name, each_step step, struct job *ret)
{
	int fds[2];
	es_err *err;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	ret->pid = fork();
	if (ret->pid != 0) {
		es_close(fds[1]);
		ret->fd = fds[0];
		if (ret->pid < 0)
			es_close(fds[0]);
		return ret->pid > 0;
	}
	c->client = NULL; /* the parent's connection is not ours to write to */
	err = step(c, name);
	if (err)
		es_err_drop(file_write_all(fds[1], es_err_text(err), strlen(es_err_text(err))));
	_exit(err != NULL);
}

static void finish_job(struct cli *c, const char *name, struct job *job)
{
	es_autofree char *text = NULL;
	int status = 0;

	es_err_drop(file_read_all(job->fd, EACH_ERROR_MAX, &text, NULL));
	es_close(job->fd);
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		cli_puts(name);
	else
		cli_report(c, es_err_new(ES_E_INTERNAL, "%s", str_empty(text) ? name : text));
}

/* Results come in the order of the names. */
static void side_by_side(struct cli *c, char *const *names, each_step step)
{
	struct job jobs[EACH_AT_ONCE];
	size_t n = strv_len(names), started = 0;

	for (size_t done = 0; done < n; done++) {
		while (started < n && started - done < EACH_AT_ONCE) {
			if (!start_job(c, names[started], step, &jobs[started % EACH_AT_ONCE]))
				break;
			started++;
		}
		if (started == done) { /* no process to be had */
			one_by_one(c, names + done, false, step);
			return;
		}
		finish_job(c, names[done], &jobs[done % EACH_AT_ONCE]);
	}
}

void each_name(struct cli *c, char *const *names, bool silent, each_step step)
{
	const char *api;
	es_err *err = client_api(c, &api); /* once, not in every process */

	if (err) {
		cli_report(c, err);
		return;
	}
	if (silent || strv_len(names) < 2)
		one_by_one(c, names, silent, step);
	else
		side_by_side(c, names, step);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* each.c: commands that do one thing to every name on the command line. */
#include "cli/each.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/file.h"

/* As docker: stopping fifty containers takes as long as the slowest of them. */
#define EACH_AT_ONCE 50
#define EACH_TEXT_MAX (1u << 20)

struct job {
	pid_t pid;
	int fd; /* the text of the result, or of what went wrong */
};

enum { JOB_WORKED, JOB_FAILED, JOB_MISSING }; /* exit status of a job */

static int try(struct cli *c, const char *name, each_step step, const char **ret_text)
{
	es_err *err;
	int result = JOB_WORKED;

	*ret_text = name;
	err = step(c, name, ret_text);
	if (err) {
		result = es_err_class(err) == ES_E_NOT_FOUND ? JOB_MISSING : JOB_FAILED;
		*ret_text = arena_strdup(c->arena, es_err_text(err));
		es_err_free(err);
	}
	return result;
}

static void tell(struct cli *c, int result, const char *text, bool missing_is_fine)
{
	if (result == JOB_WORKED)
		cli_puts(text);
	else if (result == JOB_MISSING && missing_is_fine)
		cli_warn("%s", text);
	else
		cli_report(c, es_err_new(ES_E_INTERNAL, "%s", text));
}

static void one_by_one(struct cli *c, char *const *names, each_step step, bool missing_is_fine)
{
	for (; *names; names++) {
		const char *text;
		int result = try(c, *names, step, &text);

		tell(c, result, text, missing_is_fine);
	}
}

/* The step in a process of its own, with a connection of its own (this program has no threads, so a fork is safe). */
static bool start_job(struct cli *c, const char *name, each_step step, struct job *ret)
{
	const char *text;
	int fds[2], result;

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
	result = try(c, name, step, &text);
	es_err_drop(file_write_all(fds[1], text, strlen(text)));
	_exit(result);
}

static void finish_job(struct cli *c, struct job *job, bool missing_is_fine)
{
	es_autofree char *text = NULL;
	int status = 0;

	es_err_drop(file_read_all(job->fd, EACH_TEXT_MAX, &text, NULL));
	es_close(job->fd);
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	tell(c, WIFEXITED(status) ? WEXITSTATUS(status) : JOB_FAILED, text ? text : "", missing_is_fine);
}

static void side_by_side(struct cli *c, char *const *names, each_step step, bool missing_is_fine)
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
			one_by_one(c, names + done, step, missing_is_fine);
			return;
		}
		finish_job(c, &jobs[done % EACH_AT_ONCE], missing_is_fine);
	}
}

void each_name(struct cli *c, char *const *names, each_step step, bool missing_is_fine)
{
	const char *api;
	es_err *err = client_api(c, &api); /* once, not in every process */

	if (err)
		cli_report(c, err);
	else if (strv_len(names) < 2)
		one_by_one(c, names, step, missing_is_fine);
	else
		side_by_side(c, names, step, missing_is_fine);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* layerprog.c: start estiba-layer with nothing but its descriptors and read its one line. */
#include "store/layerprog.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/str.h"
#include "store/store_priv.h"
#include "sys/pidfd.h"
#include "sys/spawn.h"

/* Implied directories of a layer are listed in it. */
#define REPORT_MAX (4u << 20)

enum { FD_STREAM = 3, FD_DIR = 4, FD_OUT = 5, FD_REPORT = 6, FD_LOWERS = 7 };

static size_t add_fd(struct spawn_fd *fds, size_t n, int from, int to)
{
	if (from < 0)
		return n;
	fds[n] = (struct spawn_fd){ from, to };
	return n + 1;
}

static es_err *start(struct store *st, struct arena *a, const struct layerprog_call *call, int report_fd, int *ret_pidfd)
{
	es_autofree char *found = NULL;
	const char *path = st->layer_program;
	struct spawn_fd *fds = ARENA_ARRAY(a, struct spawn_fd, call->n_lowers + 8);
	size_t n = 0;
	pid_t pid;

	if (call->n_lowers > LAYERPROG_LOWERS_MAX)
		return es_err_new(ES_E_LIMIT, "more than %u lower layers", LAYERPROG_LOWERS_MAX);
	if (!path) {
		ES_TRY(file_companion("estiba-layer", &found));
		path = found;
	}
	n = add_fd(fds, n, STDERR_FILENO, STDERR_FILENO);
	n = add_fd(fds, n, call->stream_fd, FD_STREAM);
	n = add_fd(fds, n, call->dir_fd, FD_DIR);
	n = add_fd(fds, n, call->out_fd, FD_OUT);
	n = add_fd(fds, n, report_fd, FD_REPORT);
	for (size_t i = 0; i < call->n_lowers; i++)
		n = add_fd(fds, n, call->lower_fds[i], FD_LOWERS + (int)i);
	return spawn_start(&(struct spawn){ .path = path, .argv = call->argv, .fds = fds, .n_fds = n }, &pid, ret_pidfd);
}

static const char *died(struct arena *a, int status)
{
	if (WIFSIGNALED(status))
		return arena_printf(a, "killed by signal %d", WTERMSIG(status));
	return arena_printf(a, "exit code %d", WEXITSTATUS(status));
}

es_err *layerprog_run(struct store *st, struct arena *a, const struct layerprog_call *call, struct json **ret)
{
	int pipe_fds[2], status;
	es_autoclose int pidfd = -1;
	es_autofree char *text = NULL;
	const char *message;
	size_t len = 0;
	es_err *err;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return es_err_sys(errno, "make a pipe");
	es_autoclose int report = pipe_fds[0], child_end = pipe_fds[1];
	ES_TRY(start(st, a, call, child_end, &pidfd));
	es_close(ES_TAKE_FD(child_end));
	err = file_read_all(report, REPORT_MAX, &text, &len);
	es_close(ES_TAKE_FD(report)); /* one that still writes stops */
	es_err *reaped = pidfd_reap(pidfd, &status);
	if (err) {
		es_err_drop(reaped);
		return es_err_in(err, "report of estiba-layer");
	}
	ES_TRY(reaped);
	if (!len)
		return es_err_new(ES_E_SYSTEM, "estiba-layer ended without a report (%s)", died(a, status));
	ES_TRY(es_err_in(json_parse(a, text, len, ret), "report of estiba-layer"));
	message = json_str(json_get(*ret, "error"));
	if (message) {
		const char *class = json_str(json_get(*ret, "class"));

		return es_err_new(class ? es_err_class_parse(class) : ES_E_SYSTEM, "%s", message);
	}
	if (status != 0)
		return es_err_new(ES_E_SYSTEM, "estiba-layer: %s", died(a, status));
	return NULL;
}

static es_err *digest_of(const struct json *report, const char *key, char *ret)
{
	const char *text = json_str(json_get(report, key));

	if (!text || !blob_is_digest(text))
		return es_err_new(ES_E_PROTOCOL, "report of estiba-layer: no %s", key);
	memcpy(ret, text, BLOB_DIGEST_MAX);
	return NULL;
}

es_err *layerprog_info(const struct json *report, struct layers_info *ret)
{
	struct layers_info info = {
		.size = (uint64_t)json_i64(json_get(report, "size"), 0),
		.tar_size = (uint64_t)json_i64(json_get(report, "tar_size"), 0),
		.content_size = (uint64_t)json_i64(json_get(report, "content_size"), 0),
		.entries = (uint64_t)json_i64(json_get(report, "entries"), 0),
	};

	ES_TRY(digest_of(report, "diff_id", info.diff_id));
	ES_TRY(digest_of(report, "digest", info.digest));
	*ret = info;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* launch.c: the runtime's command line, its descriptors, its pid file, its words on failure. */
#include "monitor/launch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/json.h"
#include "monitor/lazy.h"
#include "sys/spawn.h"
#include "sys/uds.h"

#define LAUNCH_ARGS 16  /* beside the spec's runtime_args */
#define LAUNCH_FDS 24   /* descriptors that the runtime gets */
#define LAUNCH_CONSOLE "console.sock"
#define LAUNCH_LOG_MAX (16 << 10) /* bytes of the runtime's log that are looked at */

extern char **environ;

static const char *const verb_names[] = {
	[LAUNCH_RUN] = "run",       [LAUNCH_EXEC] = "exec",     [LAUNCH_PAUSE] = "pause",
	[LAUNCH_RESUME] = "resume", [LAUNCH_DELETE] = "delete",
};
_Static_assert(ES_N(verb_names) == LAUNCH_VERB_N, "a verb without a name");

es_err *launch_init(struct launch *l, struct arena *a)
{
	l->log_fd = l->console.fd = l->master = -1;
	l->keep = (struct keep)KEEP_INIT;
	l->argv = ARENA_ARRAY(a, const char *, strv_len(l->spec->runtime_args) + LAUNCH_ARGS);
	l->text = lazy_new(LAUNCH_TEXT_MAX);
	snprintf(l->pid_arg, sizeof l->pid_arg, "/proc/%d/fd/%d/%s", (int)getpid(), MON_FD_DIR, l->pid_name);
	snprintf(l->console_arg, sizeof l->console_arg, "/proc/%d/fd/%d/%s", (int)getpid(), MON_FD_DIR, LAUNCH_CONSOLE);
	return NULL;
}

static void close_all(struct launch *l)
{
	loop_remove(l->loop, &l->console);
	es_close(l->console.fd);
	es_close(l->log_fd);
	l->console.fd = l->log_fd = -1;
}

void launch_done(struct launch *l)
{
	if (!l->loop)
		return;
	close_all(l);
	keep_done(&l->keep);
}

/* The terminal. */

static void on_console(void *self, uint32_t events)
{
	struct launch *l = self;
	es_autoclose int conn = -1;
	char text[256];
	int fds[UDS_FDS_MAX];
	size_t n_fds = 0, len;
	es_autoerr es_err *err = uds_accept(l->console.fd, &conn);

	(void)events;
	if (err)
		return;
	err = uds_recv(conn, text, sizeof text, fds, &n_fds, 0, &len);
	for (size_t i = 0; i < n_fds; i++) {
		if (i == 0 && l->master < 0)
			l->master = fds[i];
		else
			es_close(fds[i]);
	}
}

static es_err *open_console(struct launch *l)
{
	l->console = (struct loop_io){ .fd = -1, .fn = on_console, .self = l };
	ES_TRY(uds_listen(MON_FD_DIR, LAUNCH_CONSOLE, SOCK_STREAM, 0600, &l->console.fd));
	return loop_watch(l->loop, &l->console, EPOLLIN);
}

/* The command line. */

static void build_argv(struct launch *l, bool terminal, const char *process)
{
	const struct mon_spec *spec = l->spec;
	bool starts = l->verb == LAUNCH_RUN || l->verb == LAUNCH_EXEC;
	size_t n = 0;

	l->argv[n++] = spec->runtime;
	for (char **a = spec->runtime_args; a && *a; a++)
		l->argv[n++] = *a;
	l->argv[n++] = "--log";
	l->argv[n++] = l->log_arg;
	l->argv[n++] = "--log-format";
	l->argv[n++] = "json";
	l->argv[n++] = verb_names[l->verb];
	if (l->verb == LAUNCH_DELETE)
		l->argv[n++] = "--force";
	if (starts) {
		l->argv[n++] = "--detach";
		l->argv[n++] = "--pid-file";
		l->argv[n++] = l->pid_arg;
		l->argv[n++] = l->verb == LAUNCH_RUN ? "--bundle" : "--process";
		l->argv[n++] = process;
		if (terminal) {
			l->argv[n++] = "--console-socket";
			l->argv[n++] = l->console_arg;
		}
	}
	l->argv[n++] = spec->container_id;
	l->argv[n] = NULL;
}

/* Descriptors. */

struct launch_fds {
	struct spawn_fd rows[LAUNCH_FDS];
	size_t n;
	int clones[LAUNCH_FDS]; /* of mounts, ours until the runtime has its copies */
	size_t n_clones;
};

static es_err *add_fd(struct launch_fds *f, int from, int to)
{
	if (f->n == LAUNCH_FDS)
		return es_err_new(ES_E_LIMIT, "more than %d descriptors for the runtime", LAUNCH_FDS);
	f->rows[f->n++] = (struct spawn_fd){ from, to };
	return NULL;
}

static es_err *add_mount(struct launch *l, struct launch_fds *f, int fd)
{
	int clone;

	ES_TRY(keep_clone(&l->keep, fd, l->spec->single_run, &clone));
	if (clone < 0)
		return add_fd(f, fd, fd);
	f->clones[f->n_clones++] = clone; /* never more than rows: add_fd refuses after this one */
	return add_fd(f, clone, fd);
}

static es_err *add_spec_fds(struct launch *l, struct launch_fds *f)
{
	FIELD_LIST_EACH(struct mon_fd, row, &l->spec->fds) {
		if (str_eq(row->use, "rootfs") || str_eq(row->use, "mount")) {
			ES_TRY(add_mount(l, f, row->fd));
		} else if (str_eq(row->use, "runtime")) {
			lseek(row->fd, 0, SEEK_SET); /* a seccomp filter is read anew; a namespace cannot seek: fine */
			ES_TRY(add_fd(f, row->fd, row->fd));
		}
	}
	return NULL;
}

/* A number that no descriptor of the spec has. */
static int free_number(const struct launch_fds *f)
{
	int number = 3;

	for (size_t i = 0; i < f->n; i++)
		if (f->rows[i].to >= number)
			number = f->rows[i].to + 1;
	return number;
}

/* 0: none was given. */
static int program_fd(const struct mon_spec *spec)
{
	FIELD_LIST_EACH(struct mon_fd, row, &spec->fds)
		if (str_eq(row->use, "program"))
			return row->fd;
	return 0;
}

static es_err *spawn(struct launch *l, const int stdio[3], struct launch_fds *f, bool terminal, const char *process)
{
	struct spawn s = { .path = l->spec->runtime, .program_fd = program_fd(l->spec), .argv = l->argv, .env = environ, .fds = f->rows };
	int log_number;

	if (l->verb == LAUNCH_RUN)
		ES_TRY(add_spec_fds(l, f));
	log_number = free_number(f);
	for (int i = 0; stdio && i < 3; i++)
		if (stdio[i] >= 0)
			ES_TRY(add_fd(f, stdio[i], i));
	l->log_fd = (int)syscall(SYS_memfd_create, "runtime-log", 1u /* MFD_CLOEXEC */);
	if (l->log_fd < 0)
		return es_err_sys(errno, "memory file");
	ES_TRY(add_fd(f, l->log_fd, log_number));
	snprintf(l->log_arg, sizeof l->log_arg, "/proc/self/fd/%d", log_number);
	if (terminal)
		ES_TRY(open_console(l));
	build_argv(l, terminal, process);
	s.n_fds = f->n;
	return spawn_start(&s, &l->runtime_pid, NULL);
}

es_err *launch_start(struct launch *l, enum launch_verb verb, const int stdio[3], bool terminal, const char *process)
{
	struct launch_fds f = { .n = 0 };
	es_err *err;

	l->verb = verb;
	l->ok = false;
	l->pid = 0;
	l->master = -1;
	if (l->text[0])
		l->text[0] = '\0';
	unlinkat(MON_FD_DIR, l->pid_name, 0);
	err = spawn(l, stdio, &f, terminal, process);
	while (f.n_clones)
		es_close(f.clones[--f.n_clones]);
	if (err)
		close_all(l);
	else
		l->busy = true;
	return err;
}

/* The end. */

static es_err *read_pid(struct launch *l)
{
	es_autofree char *text = NULL;
	int64_t pid;

	ES_TRY(file_read(MON_FD_DIR, l->pid_name, 64, &text, NULL));
	ES_TRY(str_to_i64(str_trim(text), 10, &pid));
	if (pid <= 1 || pid > INT32_MAX)
		return es_err_new(ES_E_PROTOCOL, "pid %lld", (long long)pid);
	l->pid = (pid_t)pid;
	return NULL;
}

/* The message of the last error in the runtime's JSON log. */
static void last_error(const char *log, char *out)
{
	es_autoarena *a = arena_new();

	for (const char *at = log, *end; *at; at = *end ? end + 1 : end) {
		struct json *line;
		es_autoerr es_err *err = NULL;
		const char *msg;

		end = strchrnul(at, '\n');
		err = json_parse(a, at, (size_t)(end - at), &line);
		if (err || !str_eq(json_str(json_get(line, "level")), "error"))
			continue;
		msg = json_str(json_get(line, "msg"));
		if (!str_empty(msg))
			snprintf(out, LAUNCH_TEXT_MAX, "%s", msg);
	}
}

static void explain_failure(struct launch *l, int status)
{
	off_t size = lseek(l->log_fd, 0, SEEK_END), n = size < LAUNCH_LOG_MAX ? size : LAUNCH_LOG_MAX;

	if (size > 0) {
		es_autofree char *log = es_xcalloc(1, (size_t)n + 1);

		if (pread(l->log_fd, log, (size_t)n, size - n) > 0)
			last_error(log, l->text);
	}
	if (l->text[0])
		return;
	if (WIFSIGNALED(status))
		snprintf(l->text, LAUNCH_TEXT_MAX, "%s: runtime killed by signal %d", verb_names[l->verb], WTERMSIG(status));
	else
		snprintf(l->text, LAUNCH_TEXT_MAX, "%s: runtime exited with status %d", verb_names[l->verb], WEXITSTATUS(status));
}

/* Whatever had to come with a success. */
static es_err *collect(struct launch *l)
{
	if (l->verb != LAUNCH_RUN && l->verb != LAUNCH_EXEC)
		return NULL;
	if (l->console.fd >= 0 && l->master < 0)
		on_console(l, 0); /* it connected and exited before we looked */
	if (l->console.fd >= 0 && l->master < 0)
		return es_err_new(ES_E_PROTOCOL, "runtime sent no terminal");
	return es_err_in(read_pid(l), "pid file of runtime");
}

bool launch_reaped(struct launch *l, pid_t pid, int status)
{
	es_autoerr es_err *err = NULL;

	if (!l->busy || pid != l->runtime_pid)
		return false;
	l->busy = false;
	l->ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!l->ok)
		explain_failure(l, status);
	else if ((err = collect(l)))
		snprintf(l->text, LAUNCH_TEXT_MAX, "%s", es_err_text(err));
	l->ok = l->ok && !err;
	if (!l->ok) {
		es_close(l->master);
		l->master = -1;
	}
	close_all(l);
	l->done(l->self);
	return true;
}

void launch_abort(struct launch *l)
{
	if (!l->busy)
		return;
	kill(l->runtime_pid, SIGKILL); /* not reaped yet, so it is the same process */
	l->busy = false;
	close_all(l);
	es_close(l->master);
	l->master = -1;
}

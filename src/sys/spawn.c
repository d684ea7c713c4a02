/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.c: clone with shared memory, arrange descriptors, exec. */
#include "sys/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sys/clone.h"
#include "sys/pidfd.h"

#define SPAWN_STACK (32u << 10)

/* What the child works from. It shares our memory, so it tells us what failed by writing here. */
struct spawn_child {
	const struct spawn *s;
	int *moved; /* room for one number per descriptor */
	int program;
	int errnum;
	const char *step; /* what failed */
};

static int failed(struct spawn_child *c, const char *step)
{
	c->errnum = errno;
	c->step = step;
	return 127;
}

/* Sources first move above every target, then all is marked close-on-exec, then targets are made: so no source is
 * overwritten before it was used, and nothing unnamed survives. */
static int arrange_fds(struct spawn_child *c)
{
	const struct spawn *s = c->s;
	int high = 2, null = -1, *moved = c->moved;
	bool std[3] = { false };

	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].to > high)
			high = s->fds[i].to;
	for (size_t i = 0; i < s->n_fds; i++) {
		moved[i] = fcntl(s->fds[i].from, F_DUPFD_CLOEXEC, high + 1);
		if (moved[i] < 0)
			return failed(c, "duplicate descriptor");
		if (s->fds[i].to < 3)
			std[s->fds[i].to] = true;
	}
	if (s->program_fd) {
		c->program = fcntl(s->program_fd, F_DUPFD_CLOEXEC, high + 1);
		if (c->program < 0)
			return failed(c, "duplicate descriptor");
	}
	if (!std[0] || !std[1] || !std[2]) {
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (fd < 0)
			return failed(c, "open /dev/null");
		null = fcntl(fd, F_DUPFD_CLOEXEC, high + 1);
		if (null < 0)
			return failed(c, "duplicate /dev/null");
	}
	if (syscall(SYS_close_range, 0u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) < 0)
		return failed(c, "close_range");
	for (size_t i = 0; i < s->n_fds; i++)
		if (dup2(moved[i], s->fds[i].to) < 0)
			return failed(c, "duplicate descriptor");
	for (int i = 0; i < 3; i++)
		if (!std[i] && dup2(null, i) < 0)
			return failed(c, "duplicate /dev/null");
	return 0;
}

static int child(void *arg)
{
	struct spawn_child *c = arg;
	const struct spawn *s = c->s;
	char *const no_env[] = { NULL };
	const char *const only_path[] = { s->path, NULL };
	const char *const *argv = s->argv ? s->argv : only_path;
	int rc;

	if (s->new_session && setsid() < 0)
		return failed(c, "setsid");
	if (s->parent_death_signal && prctl(PR_SET_PDEATHSIG, s->parent_death_signal, 0, 0, 0) < 0)
		return failed(c, "parent death signal");
	if (s->cwd && chdir(s->cwd) < 0)
		return failed(c, "change directory");
	rc = arrange_fds(c);
	if (rc)
		return rc;
	clone_default_signals();
	if (s->program_fd)
		syscall(SYS_execveat, c->program, "", argv, s->env ? s->env : no_env, AT_EMPTY_PATH);
	else
		execve(s->path, (char *const *)(uintptr_t)argv, s->env ? s->env : no_env);
	return failed(c, "exec");
}

es_err *spawn_start(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd)
{
	es_autofree int *moved = es_xcalloc(s->n_fds + 1, sizeof *moved);
	struct spawn_child c = { .s = s, .moved = moved };
	struct clone_stack stack = { 0 };
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	sigset_t all, old;
	pid_t pid;

	if (s->cgroup_fd > 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)s->cgroup_fd;
	}
	ES_TRY(clone_stack_new(SPAWN_STACK, &stack));
	/* No handler of ours may run in the child, on shared memory. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = clone_call(&args, &stack, child, &c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	clone_stack_done(&stack);
	if (pid < 0)
		return es_err_sys(-pid, "clone for %s", s->path);
	if (c.step) {
		int status;

		es_err_drop(pidfd_reap(pidfd, &status));
		es_close(pidfd);
		return es_err_sys(c.errnum, "%s %s", c.step, s->path);
	}
	*ret_pid = pid;
	if (ret_pidfd)
		*ret_pidfd = pidfd;
	else
		es_close(pidfd);
	return NULL;
}

es_err *spawn_wait(const struct spawn *s, int *ret_status)
{
	es_autoclose int pidfd = -1;
	pid_t pid;

	ES_TRY(spawn_start(s, &pid, &pidfd));
	return pidfd_reap(pidfd, ret_status);
}

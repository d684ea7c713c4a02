/* SPDX-License-Identifier: Apache-2.0 */
/* test_spawn.c: what a started program gets and does not get, and how its end is seen. */
#include "sys/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/file.h"
#include "sys/pidfd.h"
#include "check.h"

#define OUT_MAX 65536

/* Run a shell script with its output to a pipe; the text is the caller's. */
static char *sh(const char *script, const struct spawn *base, int *ret_status)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	int p[2], pidfd;
	struct spawn_fd fds[] = { { 0, 1 } };
	struct spawn s = *base;
	char *text;
	pid_t pid;

	CHECK(pipe2(p, O_CLOEXEC) == 0);
	fds[0].from = p[1];
	s.path = "/bin/sh";
	s.argv = argv;
	s.fds = fds;
	s.n_fds = 1;
	CHECK_OK(spawn_start(&s, &pid, &pidfd));
	close(p[1]);
	CHECK_OK(file_read_all(p[0], OUT_MAX, &text, NULL));
	close(p[0]);
	CHECK_OK(pidfd_reap(pidfd, ret_status));
	close(pidfd);
	return text;
}

static void only_named_fds(void)
{
	int status, stray = open("/dev/zero", O_RDONLY); /* not close-on-exec: must still not leak */
	es_autofree char *text = sh("ls /proc/self/fd | tr '\\n' ' '; readlink /proc/$$/fd/0", &(struct spawn){ 0 }, &status);

	CHECK_INT(status, 0);
	CHECK_STR(text, "0 1 2 3 /dev/null\n"); /* 3 is ls's own directory */
	close(stray);
}

/* PATH is the name only, and no target number overwrites the program. */
static void program_by_descriptor(void)
{
	const char *argv[] = { "sh", "-c", "[ \"$(readlink /proc/$$/fd/9)\" = /dev/zero ]", NULL };
	int program = open("/bin/sh", O_RDONLY | O_CLOEXEC), zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), status;
	struct spawn_fd fds[] = { { zero, 9 } };

	CHECK(dup2(program, 9) == 9);
	CHECK_OK(spawn_wait(&(struct spawn){ .path = "/nowhere", .program_fd = 9, .argv = argv, .fds = fds, .n_fds = 1 }, &status));
	CHECK_INT(status, 0);
	close(9);
	close(zero);
	close(program);
}

static void swapped_fds(void)
{
	const char *argv[] = { "sh", "-c", "[ \"$(readlink /proc/$$/fd/8)\" = /dev/zero ] && [ \"$(readlink /proc/$$/fd/9)\" = /dev/full ]", NULL };
	struct spawn_fd fds[] = { { 8, 9 }, { 9, 8 } };
	int status;

	CHECK(dup2(open("/dev/full", O_RDWR), 8) == 8);
	CHECK(dup2(open("/dev/zero", O_RDWR), 9) == 9);
	CHECK_OK(spawn_wait(&(struct spawn){ .path = "/bin/sh", .argv = argv, .fds = fds, .n_fds = 2 }, &status));
	CHECK_INT(status, 0);
	close(8);
	close(9);
}

static void environment_and_cwd(void)
{
	char a[] = "A=b", *const env[] = { a, NULL };
	int status;
	es_autofree char *text = sh("echo $A $HOME; pwd", &(struct spawn){ .env = env, .cwd = "/usr" }, &status);

	CHECK_STR(text, "b\n/usr\n");
}

static void exit_status_and_signal(void)
{
	int status;
	es_autofree char *a = sh("exit 7", &(struct spawn){ 0 }, &status);

	CHECK_INT(WEXITSTATUS(status), 7);
	es_autofree char *b = sh("kill -TERM $$", &(struct spawn){ 0 }, &status);
	CHECK(WIFSIGNALED(status));
	CHECK_INT(WTERMSIG(status), SIGTERM);
}

/* A daemon that is deaf to SIGTERM must not breed deaf children. */
static void ignored_signals_are_not_inherited(void)
{
	int status;

	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	es_autofree char *text = sh("grep SigIgn /proc/self/status | tr -d '[:space:]'", &(struct spawn){ 0 }, &status);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	CHECK_STR(text, "SigIgn:0000000000000000");
}

static void exec_failure_is_told(void)
{
	pid_t pid;
	es_autoerr es_err *err = spawn_start(&(struct spawn){ .path = "/no/such" }, &pid, NULL);

	CHECK(err != NULL);
	CHECK_INT(es_err_errno(err), ENOENT);
	CHECK_STR(es_err_text(err), "exec /no/such: No such file or directory");
}

static void proof_of_identity(void)
{
	uint64_t ticks;
	int fd;

	CHECK_OK(pidfd_start_ticks(getpid(), &ticks));
	CHECK_OK(pidfd_of_proven(getpid(), ticks, &fd));
	CHECK(!pidfd_has_exited(fd));
	close(fd);
	CHECK_ERR(pidfd_of_proven(getpid(), ticks + 1, &fd), "another one");
	CHECK_ERR(pidfd_of(0x3fffff, &fd), "no process");
}

CHECK_MAIN(TEST(only_named_fds), TEST(program_by_descriptor), TEST(swapped_fds), TEST(environment_and_cwd), TEST(exit_status_and_signal),
	   TEST(ignored_signals_are_not_inherited),
	   TEST(exec_failure_is_told), TEST(proof_of_identity))

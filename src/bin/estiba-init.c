/* SPDX-License-Identifier: Apache-2.0 */
/* estiba-init.c: process 1 of a container with --init: runs one command, passes signals on to it, reaps orphans. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define CANNOT_EXECUTE 126
#define NOT_FOUND 127

/* What a fault of our own raises, and what a background process gets for touching the terminal, is not for the command. */
static const int ours[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU };

static void block(sigset_t *ret_before)
{
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < ES_N(ours); i++)
		sigdelset(&all, ours[i]);
	sigprocmask(SIG_SETMASK, &all, ret_before);
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
}

/* A process group of its own, in the foreground of the terminal if there is one. Returns only to say why it could not. */
static int become(char **argv, const sigset_t *mask)
{
	setpgid(0, 0);
	tcsetpgrp(STDIN_FILENO, getpgrp()); /* no terminal: fine. SIGTTOU is still ignored here */
	signal(SIGTTIN, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	fprintf(stderr, "estiba-init: exec %s: %s\n", argv[0], strerror(errno));
	return errno == ENOENT ? NOT_FOUND : CANNOT_EXECUTE;
}

/* Everything that has ended; true with the exit code when CHILD is among it. */
static bool reap(pid_t child, int *ret_code)
{
	bool found = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child) {
			*ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			found = true;
		}
	return found;
}

static int serve(pid_t child)
{
	sigset_t all;
	int code = 0;

	sigfillset(&all);
	for (;;) {
		int sig = sigwaitinfo(&all, NULL);

		if (sig == SIGCHLD) {
			if (reap(child, &code))
				return code;
		} else if (sig > 0) {
			kill(child, sig); /* our own child, not reaped yet: the number is its own */
		}
	}
}

int main(int argc, char **argv)
{
	sigset_t before;
	pid_t child;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("estiba-init version %s\n", ESTIBA_VERSION);
		return 0;
	}
	argv++;
	if (*argv && strcmp(*argv, "--") == 0)
		argv++;
	if (!*argv) {
		fprintf(stderr, "usage: estiba-init [--] COMMAND [ARG...]\n");
		return 1;
	}
	block(&before);
	child = fork();
	if (child < 0) {
		fprintf(stderr, "estiba-init: fork: %s\n", strerror(errno));
		return 1;
	}
	return child == 0 ? become(argv, &before) : serve(child);
}

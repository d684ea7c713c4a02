/* SPDX-License-Identifier: Apache-2.0 */
/* timed.c: run programs one after the other and say how long each took and how much memory it had at most.
 *
 * Standard input: a line per program, its words separated by tabs. Standard output: a line each, "MICROSECONDS KIB STATUS": from before
 * the program is started until it is reaped, its ru_maxrss, and its wait status. Its own streams go to /dev/null. What it leaves behind
 * becomes a child of this program and is reaped. A small program of its own, for the peak that the kernel counts begins with that of
 * whoever starts it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_MAX_BYTES 4096
#define WORDS_MAX 64

static pid_t start(char **argv)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static int run(char **argv, FILE *answers)
{
	int64_t before = clock_mono_ns();
	struct rusage ru;
	int status = 0;
	pid_t pid = start(argv);

	if (pid < 0 || wait4(pid, &status, 0, &ru) != pid) {
		perror("timed");
		return 2;
	}
	fprintf(answers, "%.1f %ld %d\n", (double)(clock_mono_ns() - before) / 1000, ru.ru_maxrss, status);
	fflush(answers);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return 0;
}

int main(void)
{
	char line[LINE_MAX_BYTES];
	int in = dup(0), out = dup(1), null = open("/dev/null", O_RDWR);
	FILE *lines = fdopen(in, "r"), *answers;

	if (!lines || out < 0 || null < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		perror("timed");
		return 2;
	}
	answers = fdopen(out, "w");
	if (!answers || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return 2;
	fcntl(in, F_SETFD, FD_CLOEXEC);
	fcntl(out, F_SETFD, FD_CLOEXEC);
	close(null);
	while (fgets(line, sizeof line, lines)) {
		char *argv[WORDS_MAX] = { 0 };
		size_t n = 0;

		for (char *save, *word = strtok_r(line, "\t\n", &save); word && n < WORDS_MAX - 1; word = strtok_r(NULL, "\t\n", &save))
			argv[n++] = word;
		if (n && run(argv, answers))
			return 2;
	}
	return 0;
}

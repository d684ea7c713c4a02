/* SPDX-License-Identifier: Apache-2.0 */
/* launch.h: one run of the OCI runtime beside the loop: start a container or process with it, or tell it a verb. */
#pragma once

#include <sys/types.h>

#include "monitor/keep.h"
#include "spec/mon.h"
#include "sys/loop.h"

#define LAUNCH_TEXT_MAX 2048 /* bytes of an error text */

enum launch_verb { LAUNCH_RUN, LAUNCH_EXEC, LAUNCH_PAUSE, LAUNCH_RESUME, LAUNCH_DELETE, LAUNCH_VERB_N };

/* Theory of operation. The runtime is started with --log on a memory file and, for run and exec, --detach and
 * --pid-file: when it has exited with 0, the process in the pid file is our child (we are the subreaper). With a
 * terminal it connects to a socket first and sends the terminal's master there. launch_reaped() is told of every
 * child that was reaped; `busy` is true in between. */
struct launch {
	struct loop *loop;           /* borrowed, as all pointers here */
	const struct mon_spec *spec;
	const char *pid_name;        /* of the pid file, in the run directory */
	void (*done)(void *self);    /* results are below */
	void *self;

	bool busy;
	enum launch_verb verb;
	pid_t runtime_pid;
	int log_fd;
	struct loop_io console; /* listening socket, fd -1: no terminal */
	const char **argv;      /* room made at init */
	struct keep keep;    /* run: copies of the mounts */
	char log_arg[32], pid_arg[64], console_arg[64];

	bool ok;
	pid_t pid;  /* run, exec: the process */
	int master; /* run, exec with a terminal: the caller's when ok */
	char *text; /* !ok: the runtime's words, LAUNCH_TEXT_MAX */
};

es_err *launch_init(struct launch *l, struct arena *a) ES_CHECKED; /* A: lives as long */
void launch_done(struct launch *l);
/* STDIO (borrowed): descriptors for 0, 1, 2; -1: /dev/null. TERMINAL asks for a master. PROCESS: for exec. The result
 * comes by l->done, never from inside this call. A failure to start the runtime at all is returned. */
es_err *launch_start(struct launch *l, enum launch_verb verb, const int stdio[3], bool terminal, const char *process) ES_CHECKED;
/* The child PID was reaped with STATUS (as from waitpid(2)). True: it was this one's runtime. */
bool launch_reaped(struct launch *l, pid_t pid, int status);
/* Kill the runtime and forget the matter; l->done is not called. */
void launch_abort(struct launch *l);

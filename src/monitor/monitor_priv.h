/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_priv.h: the monitor's one struct, shared by its life cycle and its request handlers. */
#pragma once

#include "monitor/control.h"
#include "monitor/journal.h"
#include "monitor/launch.h"
#include "monitor/oom.h"
#include "monitor/prober.h"
#include "monitor/relay.h"
#include "monitor/restart.h"

enum monitor_state {
	MONITOR_STARTING,   /* the runtime works on it */
	MONITOR_RUNNING,
	MONITOR_PAUSED,
	MONITOR_DRAINING,   /* dead, its last output is on the way */
	MONITOR_RESTARTING, /* dead, the next start has its time */
	MONITOR_EXITED,     /* dead for good */
	MONITOR_STATE_N
};

/* A child that was reaped before the runtime told us what it was. */
struct monitor_exit {
	pid_t pid;
	int status;
};
#define MONITOR_EXITS 16

/* Invariants: (1) every change of state that others may know of is in the journal before anyone is told; (2) `pid` is
 * a child of ours that was not reaped, or 0; (3) at most one of start, verb, probe launches is busy each. */
struct monitor {
	struct loop loop;
	struct arena *arena; /* of the spec */
	struct mon_spec spec;
	bool is_exec;
	enum monitor_state state;
	bool reported; /* MON_FD_REPORT was answered */

	pid_t pid;
	int pidfd;
	uint64_t start_ticks;
	int64_t started_at, started_mono, finished_at; /* ns */
	int64_t exit_code;
	bool oom;
	char *error; /* LAUNCH_TEXT_MAX */

	bool by_user;        /* the next death was asked for: no restart */
	bool want_resume, want_delete; /* for when the verb launch is free */
	bool stop_pending;   /* a stop came while starting */
	int64_t stop_signal, stop_timeout_ns;
	struct loop_timer kill_timer, restart_timer, leave_timer;
	struct loop_timer rest_timer; /* a moment after work, memory is given back */

	struct restart restart;
	struct launch start, verb;
	struct monitor_exit exits[MONITOR_EXITS];
	size_t n_exits;
	struct oom oom_watch;
	struct journal journal;
	struct control control;
	struct prober prober;
	struct relay relay;
};

/* monitor.c */
/* Something was done that took memory. */
void monitor_worked(struct monitor *m);
void monitor_record(struct monitor *m, struct mon_record r);
/* SIG to the process; a paused one is woken when the signal is meant to end it (ENDS). */
es_err *monitor_signal(struct monitor *m, int64_t sig, bool ends) ES_CHECKED;
void monitor_begin_stop(struct monitor *m);
/* The user wants no more starts: a container between two of them is over now. */
void monitor_cancel_restart(struct monitor *m);
void monitor_next_verb(struct monitor *m);
es_err *monitor_verb(struct monitor *m, enum launch_verb verb) ES_CHECKED;

/* requests.c */
es_err *requests_handle(void *self, struct arena *a, const struct mon_request *req, int *fd, struct mon_reply *reply,
			bool *ret_later) ES_CHECKED;
struct mon_status *requests_status(const struct monitor *m, struct arena *a);

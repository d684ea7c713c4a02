/* SPDX-License-Identifier: Apache-2.0 */
/* mon.h: what estibad and estiba-mon say to each other: spec.json, control requests and replies, journal records. */
#pragma once

#include "codec/field.h"

/* The words are explained in doc/format/monitor.md. Readers keep going over names they do not know; a newer version
 * than their own they refuse by name. */
#define MON_VERSION 1

/* Descriptors at exec; every other one has a row in mon_spec.fds or mon_spec.attach, or is closed. */
#define MON_FD_DIR 3    /* the run directory */
#define MON_FD_REPORT 4 /* write end of a pipe that gets one line of struct mon_report */

/* Names inside the run directory. */
#define MON_FILE_SPEC "spec.json"
#define MON_FILE_JOURNAL "journal"
#define MON_FILE_SOCKET "mon.sock"

#define MON_SPEC_MAX (256u << 10)    /* bytes of spec.json */
#define MON_REQUEST_MAX (64u << 10)  /* bytes of one request datagram */
#define MON_REPLY_MAX (160u << 10)   /* bytes of one reply datagram */
#define MON_RECORD_MAX (8u << 10)    /* bytes of one journal line */
#define MON_JOURNAL_KEEP 256         /* records that survive when the journal is cut (at twice as many) */
#define MON_HEALTH_LOG_MAX 5         /* probes remembered */
#define MON_HEALTH_OUTPUT_MAX 4096   /* bytes of one probe's output */
#define MON_CLIENTS_MAX 32           /* attached at the same time */
#define MON_CONTROLS_MAX 16          /* control connections at the same time, watchers included */

struct mon_log {
	const char *driver; /* "json-file" or "none" */
	const char *path;   /* json-file: absolute */
	int64_t max_size;   /* bytes; <= 0: never rotate */
	int64_t max_file;   /* files kept, the current one included; < 1 counts as 1 */
	struct json *attrs; /* object that every line gets as "attrs"; NULL: none */
};

struct mon_restart {
	const char *name;    /* "no", "on-failure", "always", "unless-stopped"; NULL: "no" */
	int64_t max_retries; /* on-failure: 0 means without limit */
};

/* How to probe. A 0 takes docker's default (30 s, 30 s, 0, 5 s, 3). */
struct mon_health {
	const char *process; /* absolute path of an OCI process object for `exec --process`; terminal must be false */
	int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
	int64_t retries;
};

/* A client: a connected stream socket whose HTTP head has been answered already. Also the parameters of "attach". */
struct mon_attach {
	int32_t fd; /* in spec.json; in a request the descriptor comes by SCM_RIGHTS */
	bool in, out, err;
	const char *detach_keys;  /* "ctrl-p,ctrl-q"; NULL: the spec's; heeded with a tty only, as docker does */
	struct field_bytes head;  /* bytes of standard input that were read with the HTTP head */
};

/* What a descriptor is for. */
struct mon_fd {
	int32_t fd;
	/* "rootfs", "mount": detached mounts; every start gets a fresh clone of them under the same number. "runtime": every `run`
	 * inherits it under the same number, rewound (network namespace, seccomp filter). "program": the runtime itself, executed
	 * instead of its path. "hold": open until the end. */
	const char *use;
};

struct mon_spec {
	int64_t version;
	const char *kind;         /* "container" or "exec" */
	const char *id;           /* container or exec id, for messages and ps */
	const char *container_id; /* id that the runtime knows */
	const char *runtime;      /* absolute path */
	char **runtime_args;      /* before the verb: --root DIR … */
	const char *bundle;       /* container: absolute */
	const char *process;      /* exec: absolute path of process.json */
	bool tty, open_stdin, stdin_once;
	uint32_t uid, gid; /* host ids that own the stdio pipes */
	const char *detach_keys;
	struct mon_log log; /* exec: leave it out */
	struct mon_restart restart;
	bool single_run;           /* no restart policy can come later: no start follows the first */
	struct mon_health *health; /* NULL: none */
	int64_t stop_signal;       /* 0: SIGTERM */
	int64_t stop_timeout_ns;   /* < 0: wait for ever */
	const char *memory_cgroup; /* absolute directory, v1 or v2, watched for OOM kills; NULL: none */
	struct field_list fds;     /* of struct mon_fd */
	struct field_list attach;  /* of struct mon_attach */
};
extern const struct field mon_spec_rows[];

/* The one line on MON_FD_REPORT. */
struct mon_report {
	bool ok;
	int64_t pid;
	uint64_t start_ticks;  /* field 22 of /proc/PID/stat */
	int64_t started_at;    /* ns since 1970 */
	const char *message;   /* !ok: the runtime's text */
	int64_t exit_code;     /* !ok: 126, 127 or 128; exec always 126 */
};
extern const struct field mon_report_rows[];

/* One request datagram on mon.sock; which members count depends on OP. */
struct mon_request {
	const char *op; /* status attach resize signal stop pause unpause update watch */
	struct mon_attach attach;
	int64_t w, h;            /* resize: cells */
	int64_t signal;          /* signal, stop (0: the spec's) */
	bool no_restart;         /* signal: the restart policy stays out of the next exit */
	struct field_opt_i64 timeout_ns; /* stop: not set: the spec's; < 0: wait for ever */
	struct mon_restart restart;      /* update */
	uint64_t from_seq;       /* watch: first record wanted */
};
extern const struct field mon_request_rows[];

struct mon_probe {
	int64_t start, end; /* ns since 1970 */
	int64_t exit_code;  /* -1: timed out or could not run */
	const char *output;
};

struct mon_status {
	const char *state; /* "starting" "running" "paused" "restarting" "exited" */
	int64_t pid;       /* 0 unless running or paused */
	uint64_t start_ticks;
	int64_t started_at, finished_at; /* ns since 1970; INT64_MIN: never */
	int64_t exit_code;
	bool oom;
	const char *error;
	int64_t restart_count;
	bool stopped_by_user;
	const char *health;     /* "starting" "healthy" "unhealthy"; "": none */
	int64_t failing_streak;
	struct field_list probes; /* of struct mon_probe, oldest first */
	int64_t log_dropped;    /* lines lost to a full disk */
	int64_t clients;        /* attached now */
	uint64_t last_seq;      /* of the journal */
	const char *binary_version;
};

struct mon_error {
	const char *class; /* es_err_class_name() */
	const char *message;
};

/* One reply datagram. */
struct mon_reply {
	bool ok;
	struct mon_error *error;   /* !ok */
	struct mon_status *status; /* status, stop */
};
extern const struct field mon_reply_rows[];

/* One journal line, and one datagram to each watcher. */
struct mon_record {
	uint64_t seq; /* 1, 2, … */
	int64_t time; /* ns since 1970 */
	const char *event; /* see doc/format/monitor.md */
	int64_t pid;
	uint64_t start_ticks;
	int64_t exit_code;
	int64_t signal;         /* kill */
	bool oom;
	const char *error;
	const char *health;     /* health_status: the new state */
	int64_t restart_count;  /* start */
	bool final;             /* nothing follows but the monitor's end */
};
extern const struct field mon_record_rows[];

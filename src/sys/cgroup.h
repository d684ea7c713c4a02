/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup.h: control groups of both kinds behind one door: find, make, join, limit, freeze, kill, read, remove. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define CGROUP_HIER_MAX 16
#define CGROUP_FILE_MAX (256u << 10) /* bytes read from one file */

enum cgroup_mode {
	CGROUP_NONE,   /* nothing is mounted that we could use */
	CGROUP_V1,     /* one hierarchy per controller */
	CGROUP_HYBRID, /* the same, and a v2 tree without the controllers that matter */
	CGROUP_V2,
};

/* One mounted hierarchy. */
struct cgroup_hier {
	char *controllers; /* "cpu,cpuacct", "name=systemd"; v2: "" */
	char *mount;       /* "/sys/fs/cgroup/cpu,cpuacct" */
	char *own_path;    /* where this process is, below the mount */
	bool v2;
	int root_fd; /* O_PATH of the mount */
};

/* What this machine has, seen by the calling process (/proc/self/cgroup and /sys/fs/cgroup). */
struct cgroup_host {
	enum cgroup_mode mode;
	struct cgroup_hier hier[CGROUP_HIER_MAX]; /* those that containers are put into */
	size_t n;
};

es_err *cgroup_host_load(struct cgroup_host *ret) ES_CHECKED;
void cgroup_host_done(struct cgroup_host *h); /* zeroed struct is fine */

/* One group: the directory PATH in every hierarchy of the host. */
struct cgroup;

/* PATH is absolute ("/estiba/ID": below every mount), or relative to where this process is. Missing parents are made;
 * on v2 the controllers are switched on along the way, on v1 cpusets inherit. What was made is removed again on failure.
 * HOST is borrowed and must outlive the group. */
es_err *cgroup_create(const struct cgroup_host *host, const char *path, struct cgroup **ret) ES_CHECKED;
/* Whether cgroup_create() found it in one hierarchy or more: then something of somebody else may be in it. */
bool cgroup_existed(const struct cgroup *cg);
/* Remove it where cgroup_create() made it and nothing is in it yet. */
void cgroup_unmake(const struct cgroup *cg);
/* The same group later; ES_E_NOT_FOUND when no hierarchy has it. */
es_err *cgroup_open(const struct cgroup_host *host, const char *path, struct cgroup **ret) ES_CHECKED;
/* The group that process PID is in (v2); ES_E_NOT_FOUND. */
es_err *cgroup_of(const struct cgroup_host *host, pid_t pid, struct cgroup **ret) ES_CHECKED;
void cgroup_free(struct cgroup *cg); /* forgets, removes nothing; NULL is fine */
static inline void cgroup_free_p(struct cgroup **cg)
{
	cgroup_free(*cg);
	*cg = NULL;
}
#define es_autocgroup es_auto(cgroup_free_p) struct cgroup

const char *cgroup_path(const struct cgroup *cg); /* as given to create/open */
bool cgroup_is_v2(const struct cgroup *cg);
/* Directory for CLONE_INTO_CGROUP, borrowed; -1 where there is no v2 tree in use. */
int cgroup_v2_fd(const struct cgroup *cg);
/* Directory in the hierarchy of CONTROLLER (v2: the one), borrowed; -1 when it is not mounted. */
int cgroup_dir_fd(const struct cgroup *cg, const char *controller);
/* Absolute path of that directory; NULL when not mounted. Heap. */
char *cgroup_dir_path(const struct cgroup *cg, const char *controller);

/* From the group in the v1 hierarchies of CONTROLLERS ("cpu,cpuacct"; NULL: in all) down to BELOW it, which must be there. */
es_err *cgroup_descend(struct cgroup *cg, const char *controllers, const char *below) ES_CHECKED;

/* Write TEXT into FILE. ES_E_UNSUPPORTED names the controller when it is not there. */
es_err *cgroup_put(const struct cgroup *cg, const char *controller, const char *file, const char *text) ES_CHECKED;
es_err *cgroup_put_i64(const struct cgroup *cg, const char *controller, const char *file, int64_t v) ES_CHECKED;
/* Read FILE whole; ES_E_NOT_FOUND. Heap. */
es_err *cgroup_get(const struct cgroup *cg, const char *controller, const char *file, char **ret) ES_CHECKED;
/* A file with one number; "max" is INT64_MAX. */
es_err *cgroup_get_i64(const struct cgroup *cg, const char *controller, const char *file, int64_t *ret) ES_CHECKED;

/* Put PID (0: the caller) into every hierarchy. */
es_err *cgroup_join(const struct cgroup *cg, pid_t pid) ES_CHECKED;
/* v1: whether a new process had better join by itself. Moving another one waits for all processors to pass a grace period of RCU
 * (2 to 20 ms when nobody did so just before); a thread that moves itself does not wait (Linux 5.17). */
bool cgroup_joins_itself(const struct cgroup *cg);
/* The calling thread, the only one of its process, goes into every v1 hierarchy. */
es_err *cgroup_join_itself(const struct cgroup *cg) ES_CHECKED;
/* cgroup_join() for a caller whose memory is in use by another process: allocates nothing, returns errno and where. */
int cgroup_join_quiet(const struct cgroup *cg, pid_t pid, const char **ret_mount);
/* Waits until it is so. */
es_err *cgroup_freeze(const struct cgroup *cg, bool on) ES_CHECKED;
bool cgroup_is_frozen(const struct cgroup *cg);
/* Pids in the group and the groups below it. Heap; the caller frees. */
es_err *cgroup_procs(const struct cgroup *cg, pid_t **ret_pids, size_t *ret_n) ES_CHECKED;
/* SIGKILL to everything in it and below (cgroup.kill, or freeze, signal, thaw). A frozen v1 group is thawed, for
 * its processes would not die. */
es_err *cgroup_kill(const struct cgroup *cg) ES_CHECKED;
/* Remove the group and the groups below it; waits up to a second for processes that are dying. Missing is success. */
es_err *cgroup_remove(const struct cgroup *cg) ES_CHECKED;
/* The calling process goes to the root of every hierarchy. */
es_err *cgroup_leave(const struct cgroup_host *host) ES_CHECKED;
/* Remove PATH in each hierarchy where nothing is in it, neither process nor group. Never waits. */
void cgroup_prune(const struct cgroup_host *host, const char *path);

/* Numbers for `stats` and `events`. A controller that is missing leaves zeros and has_… false. */
struct cgroup_stat_line {
	char name[48];
	uint64_t value;
};
struct cgroup_io_line {
	uint32_t major, minor;
	char op[8]; /* "read", "write", "sync", "async", "discard", "total" */
	uint64_t value;
};
#define CGROUP_STAT_LINES 80
#define CGROUP_IO_LINES 128
#define CGROUP_CPUS 256
struct cgroup_stats {
	bool has_cpu, has_memory, has_pids, has_io;
	uint64_t cpu_total_ns, cpu_user_ns, cpu_system_ns;
	uint64_t cpu_per_ns[CGROUP_CPUS]; /* v1 only */
	size_t n_cpus;
	uint64_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
	uint64_t memory_usage, memory_max_usage, memory_limit; /* bytes; no limit: UINT64_MAX (v2), a page less than 2^63 (v1) */
	uint64_t memory_failcnt, memory_oom_kills;
	struct cgroup_stat_line memory_lines[CGROUP_STAT_LINES]; /* memory.stat as it is */
	size_t n_memory_lines;
	uint64_t pids_current, pids_limit; /* no limit: UINT64_MAX */
	struct cgroup_io_line io_bytes[CGROUP_IO_LINES], io_ops[CGROUP_IO_LINES];
	size_t n_io_bytes, n_io_ops;
};
es_err *cgroup_stats(const struct cgroup *cg, struct cgroup_stats *ret) ES_CHECKED;

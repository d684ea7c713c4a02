/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_priv.h: a container in memory and on disk, for the ctr*.c, exec.c and monlink.c files only. */
#pragma once

#include <stdatomic.h>

#include "engine/ctr.h"
#include "engine/engine_priv.h"
#include "catalog/image.h"
#include "store/record.h"

#define CTR_RECORD_VERSION 1
#define CTR_RECORD_MAX ((size_t)4 << 20) /* bytes of one record */

/* One resolved mount: what start does and what inspect shows. */
struct ctr_mount {
	const char *type;        /* bind, volume, tmpfs */
	const char *name;        /* of the volume */
	const char *source;      /* path on the host; NULL for tmpfs */
	const char *destination; /* clean absolute path */
	const char *driver, *mode;
	bool rw;
	const char *propagation;
	const char *options;     /* of a tmpfs, comma separated */
	const char *subpath;     /* below a volume */
	bool no_copy, anonymous, from_mounts; /* from_mounts: asked for by HostConfig.Mounts */
	bool non_recursive;
	bool ro_shallow; /* read-only for this mount alone, not for what lies below it */
};

/* The record's document. Everything that a create decided; written again when rename, update or a network changes it. */
struct ctr_record {
	int64_t version;
	const char *id, *name;
	int64_t created; /* ns */
	const char *image_id, *image_name;
	char **layers; /* stack, bottom first */
	const char *path;
	char **args;
	struct docker_config *config;
	struct docker_host_config *host_config;
	struct field_list mounts; /* ctr_mount */
	struct json *endpoints;   /* name of network → EndpointSettings as asked for */
};
extern const struct field ctr_record_fields[];

/* Run state: a second, smaller document, written at every change of state. */
struct ctr_run {
	int64_t version;
	const char *status; /* created, running, exited, dead */
	int64_t pid;        /* of the container's init, 0: none */
	uint64_t start_ticks;
	int64_t exit_code;
	const char *error;
	bool oom_killed, stopped_by_user, committing;
	int64_t started_at, finished_at; /* ns; INT64_MIN: never */
	int64_t restart_count;
	int64_t journal_seq; /* last journal record taken in */
	struct json *networks; /* name → EndpointSettings in force */
	struct json *ports;    /* "80/tcp" → [{HostIp, HostPort}] in force */
	const char *sandbox_key;
};
extern const struct field ctr_run_fields[];

enum ctr_status { CTR_CREATED, CTR_RUNNING, CTR_PAUSED, CTR_RESTARTING, CTR_REMOVING, CTR_EXITED, CTR_DEAD, CTR_STATUS_N };
extern const char *const ctr_status_name[CTR_STATUS_N];

struct ctr_pending; /* a client that attached before the start */
struct monlink;

/* Locks: `op` is held by one life-cycle operation at a time and may be held long; `lock` guards the members below it and is
 * never held while waiting for anything but memory and the store's records. Order: op, lock; the table's lock is a leaf
 * that is never taken inside `lock`. */
struct ctr {
	atomic_int refs;
	struct engine *e;
	char id[65];
	int64_t created;
	enum record_class class;
	pthread_mutex_t op;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* broadcast at every change of state */
	struct arena *arena;    /* owns *rec; replaced as a whole */
	struct ctr_record *rec;
	enum ctr_status status;
	int64_t pid, exit_code;
	uint64_t start_ticks;
	char *error;
	bool oom_killed, stopped_by_user, removing, gone;
	struct lease *removal; /* from the end of the record to the end of its directories */
	bool committing; /* a commit pauses it: whoever finds that at an open lets it go on */
	int64_t started_at, finished_at, restart_count, journal_seq;
	struct docker_health *health; /* in health_arena; NULL: no health check */
	struct arena *health_arena;
	struct json *networks, *ports; /* in net_arena; in force while it runs */
	struct arena *net_arena;
	struct list waits;    /* ctr_wait */
	struct list pending;  /* ctr_pending */
	unsigned attaching;   /* clients that ctr_attach_check let pass and that are not in pending yet: a start waits for them */
	bool starting;        /* the monitor has those of pending; who comes now waits for the start's outcome */
	struct list execs;    /* struct exec, see exec.c */
	struct monlink *link; /* to its monitor; NULL: none */
	int run_dirfd;        /* c/ID in the exec root while it runs, else -1 */
	bool keep;            /* a restart is under way: the end of the run does not remove it, whatever AutoRemove says */
	bool unclean;         /* a run ended and ctr_clean_up is still to come */
	uint64_t run;         /* counts the runs that were followed */
	bool monitored;       /* its monitor has not said its last word: id, run directory and cgroup are in use */
	int rootfs_fd;        /* the overlay while it runs, or ahead of its start; else -1 */
};

/* --- ctr.c: the table --- */
struct ctrs *ctrs_new(void);
void ctrs_free(struct ctrs *t);
struct ctr *ctr_ref(struct ctr *c);
void ctr_unref(struct ctr *c); /* NULL is fine */
static inline void ctr_unref_p(struct ctr **c)
{
	ctr_unref(*c);
	*c = NULL;
}
#define es_autoctr es_auto(ctr_unref_p) struct ctr
/* A new object for REC (whose arena is taken); not yet in the table. */
struct ctr *ctr_new(struct engine *e, struct arena *arena, struct ctr_record *rec);
/* By id, prefix or name; a reference for the caller. */
es_err *ctr_find(struct engine *e, const char *word, struct ctr **ret) ES_CHECKED;
/* Put into the table; ES_E_CONFLICT with docker's text when the name is taken. */
es_err *ctr_insert(struct engine *e, struct ctr *c) ES_CHECKED;
void ctr_take_out(struct engine *e, struct ctr *c);
es_err *ctr_reindex(struct engine *e, struct ctr *c, const char *new_name) ES_CHECKED;
/* References to all, newest first; count in *RET_N. Caller unrefs each and frees the array. */
struct ctr **ctr_snapshot(struct engine *e, size_t *ret_n);
/* Write the record / the run state to the store. */
es_err *ctr_save(struct ctr *c) ES_CHECKED;
/* The first time: with that, volumes with a name are their own. */
es_err *ctr_save_new(struct ctr *c) ES_CHECKED;
/* An error is logged: the journal has the truth. RUN: a run began or ended, which outlives a boot; LIVE: anything else. */
void ctr_save_run(struct ctr *c);
void ctr_save_live(struct ctr *c);
void ctr_delete_records(struct record_tx *tx, const struct ctr *c);
es_err *ctr_load_all(struct engine *e) ES_CHECKED;
/* Event of type container with docker's attributes; EXTRA: key, value, …, NULL. */
void ctr_event(struct ctr *c, const char *action, ...) __attribute__((sentinel));
void ctr_event_at(struct ctr *c, int64_t time_ns, const char *action, const char *const *extra);
static inline bool ctr_is_up(const struct ctr *c)
{
	return c->status == CTR_RUNNING || c->status == CTR_PAUSED || c->status == CTR_RESTARTING;
}
/* Relative path of its directory in the data root, on the heap. */
char *ctr_dir(const struct ctr *c);

/* --- ctr_check.c --- */
/* ES_E_INVALID: environment, extra hosts, published ports. */
es_err *ctr_check_request(const struct docker_config *c, const struct docker_host_config *hc) ES_CHECKED;
/* Is IMAGE, called REF, of the platform WANTED (NULL, "": any)? ES_E_NOT_FOUND if not: clients then pull the one that is. */
es_err *ctr_check_platform(struct arena *a, const char *wanted, const char *ref, const struct oci_image *image) ES_CHECKED;

/* --- ctr_create.c --- */
/* What C leaves open is taken from I, an image's or a container's config; strings are shared. */
void ctr_config_merge(struct arena *a, struct docker_config *c, const struct docker_config *i);
/* Restart policy, memory and processors: what create and update check alike. */
es_err *ctr_host_config_check(const struct docker_host_config *hc) ES_CHECKED;
char *ctr_random_name(struct engine *e);
es_err *ctr_name_check(const char *name) ES_CHECKED;
/* docker's defaults for what HC leaves open; build steps get the same. */
void ctr_fill_defaults(struct engine *e, struct arena *a, struct docker_host_config *hc);

/* --- ctr_mounts.c --- */
/* Binds, Mounts, Tmpfs, Volumes of the image, VolumesFrom into one list for the container ID, volumes created. After an error *RET is
 * what ctr_mounts_undo() takes. */
es_err *ctr_mounts_resolve(struct engine *e, struct arena *a, const char *id, const struct docker_config *cfg,
			   const struct docker_host_config *hc, struct field_list *ret) ES_CHECKED;
/* The anonymous volumes of the container ID that is gone; all volumes that were made for it when it did not come about. */
void ctr_mounts_undo(struct engine *e, const char *id, const struct field_list *mounts);

/* --- ctr_oci.c: the record as an OCI bundle --- */
struct ctr_start;
struct oci_spec;
struct oci_resources;
/* CapAdd, CapDrop, SecurityOpt. */
es_err *ctr_security_check(const struct docker_host_config *hc) ES_CHECKED;
/* Who USER is by the passwd and group files below ROOT_FD; EXTRA: further groups. */
struct passwd_user;
es_err *ctr_user(struct arena *a, int root_fd, const char *user, char *const *extra, struct passwd_user *ret) ES_CHECKED;
char **ctr_caps(struct arena *a, const struct docker_host_config *hc);
bool ctr_no_new_privileges(const struct engine_config *cfg, const struct docker_host_config *hc);
/* The value of config.json for it. */
char *ctr_cgroups_path(struct arena *a, const struct engine_config *cfg, const struct docker_host_config *hc, const char *id);
/* A parent that the cgroup driver cannot use: ES_E_INVALID in docker's words. NULL and "" are fine. */
es_err *ctr_check_cgroup_parent(const struct engine_config *cfg, const char *parent) ES_CHECKED;
char *ctr_cgroup_path(struct arena *a, const struct engine_config *cfg, const struct docker_host_config *hc, const char *id);
void ctr_oci_limits(struct arena *a, const struct docker_host_config *hc, struct oci_resources *r);
es_err *ctr_oci_spec(struct ctr *c, struct arena *a, struct ctr_start *s, struct oci_spec *ret) ES_CHECKED;
/* process of an exec session: user, env, caps as docker has them. */
struct oci_process;
es_err *ctr_oci_exec(struct ctr *c, struct arena *a, int root_fd, const struct docker_exec_request *req,
		     struct oci_process *ret) ES_CHECKED;

/* --- ctr_start.c --- */
/* Numbers under which the monitor and the runtime know what they inherit; further ones count up from CTR_FD_MORE. */
enum { CTR_FD_ROOTFS = 5, CTR_FD_NETNS = 6, CTR_FD_SECCOMP = 7, CTR_FD_PROGRAM = 8, CTR_FD_MORE = 9 };
#define CTR_FDS_MAX 128 /* volumes, reserved ports and waiting clients of one container */
struct ctr_fd {
	int from, to;
	const char *use; /* as in mon_fd; NULL: an attached client */
	bool owned;      /* closed when the start is over, whatever came of it */
};
struct ctr_start {
	struct ctr *c;
	struct arena *a;
	int rootfs_fd, netns_fd, seccomp_fd, run_dirfd;
	char *run_dir; /* path of c/ID */
	struct ctr_fd fds[CTR_FDS_MAX];
	size_t n_fds;
	struct field_map *volume_fds; /* destination → "/proc/self/fd/N" */
	uint32_t uid, gid;            /* of the process, for the stdio pipes */
	int64_t exit_code;            /* of a start that failed in the runtime */
};
/* Number under which FD will be known to the monitor; -1 when there are too many. */
int ctr_give_fd(struct ctr_start *s, int fd, const char *use, bool owned);
/* op is held; the container is not up. */
es_err *ctr_start_locked(struct ctr *c) ES_CHECKED;
/* Soon to be started: mount its root file system now, off the path. */
void ctr_prepare_later(struct ctr *c);
/* Its root, O_PATH, the caller's: the overlay, or what the process sees when that is its monitor's alone, after a restart of estibad. -1 with
 * errno: it has none now. lock is not held. */
int ctr_root(struct ctr *c);
/* What a run leaves: network, volumes, mount, run directory. */
/* Until the monitor has deleted the container and said so; waits, at most half a minute. */
void ctr_wait_monitor(struct ctr *c);
void ctr_clean_up(struct ctr *c);
char *ctr_run_dir(const struct ctr *c); /* "c/ID", heap */

/* --- ctr_runtime.c --- */
/* Whether estiba-run runs C, which takes descriptors; another one of `runtimes` gets paths, and profiles instead of filters. */
bool ctr_runtime_is_ours(const struct ctr *c);
const char *ctr_runtime_path(const struct ctr *c);
/* For another runtime: attach the root file system where config.json says it is, and take it away again. For ours nothing. */
es_err *ctr_runtime_attach(struct ctr *c, int rootfs_fd) ES_CHECKED;
void ctr_runtime_detach(struct ctr *c);

/* --- ctr_recover.c --- */
/* What a lost monitor left of the run of ID in the runtime and the cgroups; nothing to do after every other run. C: NULL when no
 * container has that id. */
void ctr_purge(struct engine *e, const char *id, struct ctr *c);
/* After ctr_load_all and the networks: believe what goes on, end what nobody knows, sweep what was cut short. */
void ctr_recover_all(struct engine *e, bool new_boot);

/* --- ctr_life.c --- */
/* Wait for a start that is under way; op must not be held. */
void ctr_settle(struct ctr *c);
/* Clean up after a run that has ended, and remove a container that asked for it; by another thread. */
void ctr_finish_later(struct ctr *c);
/* Follow the monitor; what it tells changes the state. ES_E_NOT_FOUND: it is gone. */
es_err *ctr_follow(struct ctr *c) ES_CHECKED;
/* The log's lines so far, as a client that attaches sees them. */
es_err *ctr_logs_to_client(struct ctr *c, const struct ctr_attach_opts *o, int fd) ES_CHECKED;
/* The container's process ended and no restart follows. Called by monlink.c and by recovery with the journal's record. */
void ctr_ended(struct ctr *c, int64_t time_ns, int64_t exit_code, bool oom, const char *error);
/* Tell whoever waits. `lock` is held. */
void ctr_wake_waits(struct ctr *c, const char *condition_met, int64_t code);
/* Remove it for real: op is held. */
es_err *ctr_destroy(struct ctr *c, bool volumes) ES_CHECKED;
struct ctr_pending {
	struct list link;
	struct ctr_attach_opts opts;
	char *detach_keys;
	int fd;
	char *head;
	size_t head_len;
};
void ctr_pending_free(struct ctr_pending *p);

/* SPDX-License-Identifier: Apache-2.0 */
/* ctr.h: containers: create, the whole life cycle, questions about them. REF is a full id, a unique prefix of one, or a
 * name with or without "/". Unknown: ES_E_NOT_FOUND "No such container: REF". All functions are for worker threads (they may
 * wait) unless they say otherwise. Results live in the arena given. */
#pragma once

#include "engine/engine.h"
#include "spec/docker_ctr.h"
#include "spec/filters.h"

/* POST /containers/create. NAME NULL: a random one. API is the client's API version as 145 for 1.45. BODY may be changed.
 * Errors: docker's texts; ES_E_NOT_FOUND "No such image: x", ES_E_CONFLICT for the name, ES_E_INVALID for the rest. */
es_err *ctr_create(struct engine *e, struct arena *a, const char *name, const char *platform, unsigned api,
		   struct json *body, struct docker_create_reply *ret) ES_CHECKED;
/* ES_E_NOT_MODIFIED when it runs already. */
es_err *ctr_start(struct engine *e, const char *ref) ES_CHECKED;
/* SIGNAL NULL: the container's; TIMEOUT_S: INT64_MIN the container's, negative: for ever. ES_E_NOT_MODIFIED when stopped. */
es_err *ctr_stop(struct engine *e, const char *ref, const char *signal, int64_t timeout_s) ES_CHECKED;
es_err *ctr_restart(struct engine *e, const char *ref, const char *signal, int64_t timeout_s) ES_CHECKED;
es_err *ctr_kill(struct engine *e, const char *ref, const char *signal) ES_CHECKED;
es_err *ctr_pause(struct engine *e, const char *ref) ES_CHECKED;
es_err *ctr_unpause(struct engine *e, const char *ref) ES_CHECKED;
es_err *ctr_rename(struct engine *e, const char *ref, const char *name) ES_CHECKED;
es_err *ctr_update(struct engine *e, struct arena *a, const char *ref, struct json *body,
		   struct docker_update_reply *ret) ES_CHECKED;
es_err *ctr_remove(struct engine *e, const char *ref, bool force, bool volumes, bool link) ES_CHECKED;
/* DELETED: ids; RECLAIMED: bytes. Filters: until, label, label!. */
es_err *ctr_prune(struct engine *e, struct arena *a, const struct filters *f, char ***ret_deleted,
		  uint64_t *ret_reclaimed) ES_CHECKED;

es_err *ctr_inspect(struct engine *e, struct arena *a, const char *ref, bool size, unsigned api,
		    struct docker_inspect *ret) ES_CHECKED;
/* RET: list of docker_summary, newest first. LIMIT <= 0: no limit (a positive one implies ALL). */
es_err *ctr_list(struct engine *e, struct arena *a, bool all, int64_t limit, bool size, const struct filters *f,
		 struct field_list *ret) ES_CHECKED;

/* Waiting does not hold a thread. FN is called once, from any thread, with the exit code (ERROR NULL) or docker's error
 * text. CONDITION: "not-running" (or NULL, ""), "next-exit", "removed"; else ES_E_INVALID. */
struct ctr_wait;
typedef void ctr_wait_fn(void *self, int64_t exit_code, const char *error);
es_err *ctr_wait_begin(struct engine *e, const char *ref, const char *condition, ctr_wait_fn *fn, void *self,
		       struct ctr_wait **ret) ES_CHECKED;
/* The client left: after this returns FN is not called any more. Also frees a wait whose FN was called. NULL is fine. */
void ctr_wait_end(struct engine *e, struct ctr_wait *w);

struct ctr_attach_opts {
	bool stdin_on, stdout_on, stderr_on; /* what the client wants to be connected to */
	bool logs;   /* first what the log has */
	bool stream; /* then live */
	const char *detach_keys; /* NULL: the default */
};
/* Before the connection is hijacked: may it be, and is it raw (tty)? ES_E_INVALID for bad detach keys,
 * ES_E_CONFLICT for a paused container with docker's words. After a yes ctr_attach or ctr_attach_cancel has to follow: a start waits
 * for it, since the client may start the container as soon as it has its answer. */
es_err *ctr_attach_check(struct engine *e, const char *ref, const struct ctr_attach_opts *o, bool *ret_tty) ES_CHECKED;
void ctr_attach_cancel(struct engine *e, const char *ref);
/* Takes CLIENT_FD (a connected stream socket, blocking or not) with HEAD, the bytes already read from it. The monitor owns
 * it from here on; before the start it waits with the container. On an error the text is written to the client. */
void ctr_attach(struct engine *e, const char *ref, const struct ctr_attach_opts *o, int client_fd, const void *head,
		size_t head_len);
es_err *ctr_resize(struct engine *e, const char *ref, uint16_t width, uint16_t height) ES_CHECKED;

/* What a log reader needs: path of the json-file log, whether it is raw, whether more can come. ES_E_INVALID when the
 * driver cannot be read: "configured logging driver does not support reading". */
struct ctr_log_info {
	char *path; /* in the arena */
	bool tty, running;
};
es_err *ctr_log_info(struct engine *e, struct arena *a, const char *ref, struct ctr_log_info *ret) ES_CHECKED;

/* GET top: {"Titles":[…],"Processes":[[…]]}. PS_ARGS as ps(1) takes them; "-ef" when empty. */
es_err *ctr_top(struct engine *e, struct arena *a, const char *ref, const char *ps_args, struct json **ret) ES_CHECKED;
/* One sample, docker's stats document without precpu (the API layer keeps the previous one). Not running: zeros. */
es_err *ctr_stats(struct engine *e, struct arena *a, const char *ref, struct json **ret) ES_CHECKED;
/* [{"Path":"/x","Kind":0|1|2}] */
es_err *ctr_changes(struct engine *e, struct arena *a, const char *ref, struct json **ret) ES_CHECKED;
/* The whole root file system as a tar into OUT_FD (borrowed). */
es_err *ctr_export(struct engine *e, const char *ref, int out_fd) ES_CHECKED;

struct ctr_path_stat {
	const char *name, *link_target;
	int64_t size;    /* bytes */
	uint32_t mode;   /* Go's os.FileMode bits */
	int64_t mtime;   /* ns since 1970 */
};
extern const struct field ctr_path_stat_fields[]; /* X-Docker-Container-Path-Stat, before base64 */
es_err *ctr_archive_stat(struct engine *e, struct arena *a, const char *ref, const char *path,
			 struct ctr_path_stat *ret) ES_CHECKED;
/* PATH and what is below it as a tar into OUT_FD (borrowed). */
es_err *ctr_archive_get(struct engine *e, const char *ref, const char *path, int out_fd) ES_CHECKED;
/* The tar stream IN_FD (borrowed; may be compressed) into the directory PATH. */
es_err *ctr_archive_put(struct engine *e, const char *ref, const char *path, bool no_overwrite_dir_non_dir,
			bool copy_uidgid, int in_fd) ES_CHECKED;

/* POST /commit; *RET_ID is the new image's id, in A. */
es_err *ctr_commit(struct engine *e, struct arena *a, const char *ref, const char *repo, const char *tag,
		   const char *comment, const char *author, bool pause, char *const *changes,
		   const struct docker_config *override, char **ret_id) ES_CHECKED;

/* Numbers for info. */
struct ctr_counts {
	size_t all, running, paused, stopped;
};
void ctr_count(struct engine *e, struct ctr_counts *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* monlink.h: the engine's end of the talk with monitors: spawn one, ask it, and follow the journals of all on one thread. */
#pragma once

#include "base/list.h"
#include "engine/engine_priv.h"
#include "spec/mon.h"
#include "sys/spawn.h"

struct monlink;

struct monlinks *monlinks_new(struct engine *e);
/* Ends the thread; no call-back runs after it. NULL is fine. */
void monlinks_free(struct monlinks *ls);

/* Write spec.json into RUN_DIRFD and start a monitor there; FDS are what the spec names (borrowed). Returns when its report
 * is in; strings of *RET live in A. The monitor cannot be started at all: ES_E_SYSTEM, ES_E_PROTOCOL. */
es_err *monlink_spawn(struct engine *e, struct arena *a, int run_dirfd, const struct mon_spec *spec, const struct spawn_fd *fds,
		      size_t n_fds, struct mon_report *ret) ES_CHECKED;
/* Whether a monitor has RUN_DIRFD's directory: proven by a lock that ends with it, so also for one that estibad did not start
 * in this life. */
bool monlink_is_alive(int run_dirfd);
/* True when it is alive and listens; waits a few seconds for one that is just being started. */
bool monlink_wait_ready(int run_dirfd);
/* ES_E_TIMEOUT when it is still there after TIMEOUT_NS. */
es_err *monlink_wait_gone(int run_dirfd, int64_t timeout_ns) ES_CHECKED;
/* One request and its reply (in A); FD (-1: none) goes along, borrowed. An error reply becomes an es_err of its class.
 * ES_E_NOT_FOUND: no monitor listens there. */
es_err *monlink_ask(struct arena *a, int run_dirfd, const struct mon_request *req, int fd, struct mon_reply *ret) ES_CHECKED;

/* Ask for a stop without waiting for the exit: that comes as a journal record. */
es_err *monlink_stop(int run_dirfd, const struct mon_request *req) ES_CHECKED;

/* Called on the links' thread for every journal record, in order, and once with NULL at the end. RECORD is borrowed. */
typedef void monlink_fn(void *self, const struct mon_record *record);
/* ES_E_NOT_FOUND: no monitor listens there. */
es_err *monlink_watch(struct engine *e, int run_dirfd, uint64_t from_seq, monlink_fn *fn, void *self) ES_CHECKED;

/* The journal as the file has it, oldest first, for monitors that are gone. A damaged last line is left out. */
es_err *monlink_journal(struct arena *a, int run_dirfd, struct mon_record **ret, size_t *ret_n) ES_CHECKED;

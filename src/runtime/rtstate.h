/* SPDX-License-Identifier: Apache-2.0 */
/* rtstate.h: the state directory of a container: one state.json, and the proof that its process still is the one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "spec/oci_runtime.h"

#define RTSTATE_VERSION 1
#define RTSTATE_MAX (1u << 20) /* bytes of a state.json */
#define RTSTATE_FIFO "exec.fifo"

/* doc/format/runtime-state.md */
struct rtstate {
	int64_t version;
	const char *id, *bundle, *rootfs, *oci_version, *cgroup, *boot_id;
	int64_t created; /* ns since 1970 */
	int64_t uid;     /* who created it */
	const char *unit; /* scope of systemd that holds the cgroup; NULL: none */
	bool user_unit;  /* of the user's own service manager */
	char **namespaces; /* OCI names of those that are not the creator's */
	struct oci_hooks *hooks; /* of config.json, when there are some for start or delete */
	const char *rdt_made, *rdt_mon; /* directories in the resctrl file system that go with the container */
	struct field_map *annotations;
	int64_t pid;
	uint64_t start_ticks;
};
extern const struct field rtstate_fields[];

enum rtstate_status { RTSTATE_CREATING, RTSTATE_CREATED, RTSTATE_RUNNING, RTSTATE_PAUSED, RTSTATE_STOPPED, RTSTATE_STATUS_N };
const char *rtstate_status_name(enum rtstate_status s);

/* An id that can be a directory's name: letters, digits, "_+-.", not "." or "..". */
es_err *rtstate_check_id(const char *id) ES_CHECKED;
/* Make ROOT/ID, which must not exist (ES_E_CONFLICT), and return it. */
es_err *rtstate_make_dir(const char *root, const char *id, int *ret_dir) ES_CHECKED;
/* ES_E_NOT_FOUND "container does not exist", as runc says it. */
es_err *rtstate_open_dir(const char *root, const char *id, int *ret_dir) ES_CHECKED;
es_err *rtstate_remove_dir(const char *root, const char *id) ES_CHECKED;

/* The text of state.json up to the process; rtstate_write() adds that. So the write itself needs no memory, and can be
 * done while the container's process uses ours. */
es_err *rtstate_prefix(struct arena *a, const struct rtstate *s, const char **ret_text) ES_CHECKED;
/* 0 or errno. */
int rtstate_write(int dir, const char *prefix, pid_t pid, uint64_t start_ticks);
/* The container's system call filter, for exec. 0 or errno; nothing for NULL. */
int rtstate_write_seccomp(int dir, const void *program, size_t len);
/* *RET is NULL when the container has none; else in A. */
es_err *rtstate_read_seccomp(struct arena *a, int dir, const void **ret, size_t *ret_len) ES_CHECKED;
es_err *rtstate_read(struct arena *a, int dir, struct rtstate *ret) ES_CHECKED;

/* This boot's id; OUT has 37 bytes. */
es_err *rtstate_boot_id(char *out) ES_CHECKED;
/* Its process, proven; ES_E_NOT_FOUND when it has ended (a zombie has) or the machine has booted since. */
es_err *rtstate_process(const struct rtstate *s, int *ret_pidfd) ES_CHECKED;
/* FROZEN is what the cgroup says. */
enum rtstate_status rtstate_status(const struct rtstate *s, int dir, bool frozen);
/* What `state` prints and hooks read. Heap. */
char *rtstate_oci_json(const struct rtstate *s, const char *status, int64_t pid);

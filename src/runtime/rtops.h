/* SPDX-License-Identifier: Apache-2.0 */
/* rtops.h: what can be done with a container that exists. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "runtime/rtstate.h"
#include "spec/oci_runtime.h"
#include "sys/cgroup.h"

/* A container found by its id; everything it owns ends with rtops_close(). */
struct rtops {
	struct arena *a;
	const char *root;
	int dir;
	struct rtstate state;
	struct cgroup_host host;
	struct cgroup *cgroup; /* NULL when it is gone */
	enum rtstate_status status;
};

/* ES_E_NOT_FOUND "container does not exist". */
es_err *rtops_open(const char *root, const char *id, struct rtops *ret) ES_CHECKED;
void rtops_close(struct rtops *o);

es_err *rtops_start(struct rtops *o) ES_CHECKED;
/* SIG to the first process, or with ALL to every process of its cgroup. */
es_err *rtops_kill(struct rtops *o, int sig, bool all) ES_CHECKED;
/* Only a stopped container, or with FORCE any. */
es_err *rtops_delete(struct rtops *o, bool force) ES_CHECKED;
es_err *rtops_pause(struct rtops *o, bool on) ES_CHECKED;
es_err *rtops_update(struct rtops *o, const struct oci_resources *r) ES_CHECKED;
/* The object that `state` prints (its owner is empty, as runc leaves it) and `list --format json` has one of per container. */
struct json *rtops_json(const struct rtops *o, bool with_owner);
/* "TERM", "SIGTERM", "15"; ES_E_INVALID. */
es_err *rtops_signal(const char *name, int *ret) ES_CHECKED;

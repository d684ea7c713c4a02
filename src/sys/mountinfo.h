/* SPDX-License-Identifier: Apache-2.0 */
/* mountinfo.h: what the kernel tells of a mount in /proc/self/mountinfo. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

struct mountinfo {
	const char *point;  /* where it is attached, in the reader's root */
	bool shared, slave; /* has peers, follows a master: what is mounted below it reaches others, or comes from there */
};
/* The mount that PATH lies on; texts in A. ES_E_NOT_FOUND if it is attached nowhere that we see. */
es_err *mountinfo_of(struct arena *a, const char *path, struct mountinfo *ret) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* caps.h: capability names and sets, and making a process have exactly those (capabilities(7)). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CAPS_LAST 40 /* CAP_CHECKPOINT_RESTORE; the kernel may know fewer */

struct caps {
	uint64_t bounding, effective, permitted, inheritable, ambient; /* bit N is capability N */
};

/* Whether the calling thread has the capability NUMBER (linux/capability.h) in effect, in its own user namespace. */
bool caps_have(unsigned number);
/* "CAP_NET_RAW" or "net_raw", any case; -1 for an unknown name. */
int caps_number(const char *name);
/* "CAP_NET_RAW"; NULL past CAPS_LAST. */
const char *caps_name(unsigned number);
/* Names to a set; names that are unknown are skipped and, when RET_UNKNOWN is given, the first is told there. */
uint64_t caps_set(char *const *names, const char **ret_unknown);
/* In the bounding set of the caller: what it can hand on at all. */
bool caps_in_bounds(unsigned number);
/* The calling thread keeps its permitted set over setuid(2) until caps_apply() or exec. */
es_err *caps_keep(void) ES_CHECKED;
/* Drop from the bounding set all that is not in C->bounding: needs CAP_SETPCAP, so before the user changes. */
es_err *caps_limit(const struct caps *c) ES_CHECKED;
/* The effective set is WANT, as far as it is permitted; nothing else changes. */
es_err *caps_wear(uint64_t want) ES_CHECKED;
/* The other four sets exactly; what cannot be had (not permitted) is left out silently, as runc does. */
es_err *caps_apply(const struct caps *c) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* rtevents.h: what a container uses, and when the kernel killed in it, as one JSON object a line. */
#pragma once

#include "runtime/rtops.h"

/* Print the container's figures once. */
es_err *rtevents_stats(struct rtops *o) ES_CHECKED;
/* Print them every INTERVAL_NS nanoseconds, and {"type":"oom"} when a process was killed for want of memory, until the
 * container's first process has ended. */
es_err *rtevents_follow(struct rtops *o, int64_t interval_ns) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* when.h: --since and --until: RFC 3339 (also in part), seconds since 1970, or a Go duration before now. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

/* *RET is "seconds.nanoseconds" as the API takes it; NULL and "" stay NULL.
 * ES_E_INVALID: failed to parse value as time or duration: "x". */
es_err *when_parse(struct arena *a, const char *text, const char **ret) ES_CHECKED;

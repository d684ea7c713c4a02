/* SPDX-License-Identifier: Apache-2.0 */
/* upkeep.h: what keeps a data root in order: the check of everything, as the API tells it. */
#pragma once

#include "codec/json.h"
#include "store/fsck.h"

/* What POST /estiba/check answers (doc/api.md), in A. */
es_err *upkeep_check(struct store *st, struct arena *a, const struct fsck_options *opts, struct json **ret) ES_CHECKED;

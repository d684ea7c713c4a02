/* SPDX-License-Identifier: Apache-2.0 */
/* regsearch.h: searching the index of Docker Hub, or a registry that has one (the protocol before the distribution-spec). */
#pragma once

#include "registry/remote.h"

/* CFG's domain is asked; its path, mirrors and push count for nothing. LIMIT: how many at most. */
es_err *regsearch(struct arena *a, const struct remote_config *cfg, const char *term, int64_t limit, struct fetch_hits *ret) ES_CHECKED;

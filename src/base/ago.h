/* SPDX-License-Identifier: Apache-2.0 */
/* ago.h: intervals in docker's coarse words. */
#pragma once

#include "base/arena.h"

#include <stdint.h>

/* "Less than a second", "5 seconds", "About a minute", "3 hours", "2 weeks"; in A. */
char *ago_words(struct arena *a, int64_t ns);

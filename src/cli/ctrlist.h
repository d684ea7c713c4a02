/* SPDX-License-Identifier: Apache-2.0 */
/* ctrlist.h: the columns of a container list (ps, system df -v). */
#pragma once

#include "cli/format.h"

/* A list's SELF other than NULL: sizes are the containers' own only. */
extern const struct format ctrlist_format, ctrlist_sized_format;

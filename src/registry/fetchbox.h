/* SPDX-License-Identifier: Apache-2.0 */
/* fetchbox.h: what estiba-fetch gives up before it speaks to anybody. */
#pragma once

#include "base/err.h"

/* In this order: dumping, limits, the user (nobody), new privileges, file trees (Landlock: what resolver and certificates need, to read),
 * capabilities, system calls. What this kernel or this user cannot do is left out; the filter always works. Libraries
 * must have been initialised. */
es_err *fetchbox_enter(void) ES_CHECKED;

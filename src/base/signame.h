/* SPDX-License-Identifier: Apache-2.0 */
/* signame.h: signals by name and number, as people write them: "KILL", "SIGKILL", "kill", "9", "RTMIN+3". */
#pragma once

#include "base/err.h"

/* ES_E_INVALID "invalid signal: X" (docker's words). Real-time signals are numbered as glibc's users see them (34 to 64). */
es_err *signame_parse(const char *text, int *ret_signal) ES_CHECKED;
/* "SIGKILL"; NULL for a number without a name. Static. */
const char *signame_of(int signal);

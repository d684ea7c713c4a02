/* SPDX-License-Identifier: Apache-2.0 */
/* goglob.h: path patterns as Go's filepath.Match reads them, and the "**" of .dockerignore. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Does PATTERN match all of NAME? "*" and "?" do not cross "/", "[a-z]" "[^x]" are classes, "\" takes the meaning away.
 * With DEEP, "**" crosses "/" and a leading one, with its slash, may match nothing. */
bool goglob_match(const char *pattern, const char *name, bool deep);
/* ES_E_INVALID "syntax error in pattern". */
es_err *goglob_check(const char *pattern) ES_CHECKED;
/* Has it any special character? */
bool goglob_is_pattern(const char *text);

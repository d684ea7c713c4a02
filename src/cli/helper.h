/* SPDX-License-Identifier: Apache-2.0 */
/* helper.h: docker-credential-NAME programs, and finding programs in $PATH. */
#pragma once

#include "cli/cmd.h"

/* Run "docker-credential-HELPER VERB" with INPUT on standard input. *RET (arena) is what it printed; NULL when it says that it
 * has no such credentials. */
es_err *helper_call(struct cli *c, const char *helper, const char *verb, const char *input, const char **ret) ES_CHECKED;
/* Full path of PROGRAM, in A. ES_E_NOT_FOUND. */
es_err *helper_find(struct arena *a, const char *program, const char **ret) ES_CHECKED;

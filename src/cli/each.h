/* SPDX-License-Identifier: Apache-2.0 */
/* each.h: commands that do one thing to every name on the command line. */
#pragma once

#include "cli/client.h"

/* Do STEP to each of NAMES; names that worked are printed (unless SILENT), errors reported, the status is 1 after any. */
void each_name(struct cli *c, char *const *names, bool silent, es_err *(*step)(struct cli *c, const char *name));

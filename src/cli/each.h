/* SPDX-License-Identifier: Apache-2.0 */
/* each.h: commands that do one thing to every name on the command line. */
#pragma once

#include "cli/client.h"

typedef es_err *(*each_step)(struct cli *c, const char *name);

/* Do STEP to each of NAMES, side by side; names that worked are printed, errors reported, the status is 1 after any. SILENT: one
 * after the other, and the step prints what there is to print. */
void each_name(struct cli *c, char *const *names, bool silent, each_step step);

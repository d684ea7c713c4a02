/* SPDX-License-Identifier: Apache-2.0 */
/* each.h: commands that do one thing to every name on the command line. */
#pragma once

#include "cli/client.h"

/* Do it to NAME. *RET is printed when it worked: the name, unless the step puts another text there (arena). */
typedef es_err *(*each_step)(struct cli *c, const char *name, const char **ret);

/* Do STEP to each of NAMES, side by side; results and errors come in the order of the names, the status is 1 after any error.
 * MISSING_IS_FINE: what does not exist is told, but is no failure. */
void each_name(struct cli *c, char *const *names, each_step step, bool missing_is_fine);

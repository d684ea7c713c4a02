/* SPDX-License-Identifier: Apache-2.0 */
/* each.c: commands that do one thing to every name on the command line. */
#include "cli/each.h"

void each_name(struct cli *c, char *const *names, bool silent, es_err *(*step)(struct cli *c, const char *name))
{
	for (; *names; names++) {
		es_err *err = step(c, *names);

		if (err)
			cli_report(c, err);
		else if (!silent)
			cli_puts(*names);
	}
}

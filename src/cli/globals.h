/* SPDX-License-Identifier: Apache-2.0 */
/* globals.h: the options in front of the subcommand, and the help flag that every command has. */
#pragma once

#include "base/opt.h"

extern const struct opt cli_global_options[];

/* What every command line takes besides the command's own table. */
struct cli_common {
	bool help, short_help;
};
extern const struct opt cli_help_options[];
extern const struct opt cli_help_only_options[]; /* of run and create, where -h is the host name */

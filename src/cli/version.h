/* SPDX-License-Identifier: Apache-2.0 */
/* version.h: what --version prints. */
#pragma once

#include "cli/cmd.h"

/* The release of docker's command line whose behaviour we have; told when we are called "docker". */
#define VERSION_OF_DOCKER "28.2.2"

void version_print_short(const struct cli *c);

/* SPDX-License-Identifier: Apache-2.0 */
/* absent.h: commands of docker's that are programs of their own (cli-plugins), or that we do not have. */
#pragma once

#include "cli/cmd.h"

/* Become the plugin for the command NAME ("compose": docker-compose in one of docker's cli-plugins directories), with the whole
 * command line. Returns only when there is none (NULL) or it cannot be started. */
es_err *absent_run_plugin(struct cli *c, const char *name, char **argv) ES_CHECKED;
/* Why there is no command at PATH ("swarm init" asks for "swarm"); NULL when docker has none either. */
const char *absent_why(const char *path);

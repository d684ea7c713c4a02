/* SPDX-License-Identifier: Apache-2.0 */
/* demand.h: start our own daemon when its default socket has no listener. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

#define DEMAND_SOCKET "/run/estiba.sock"
#define DEMAND_DATA_ROOT "/var/lib/estiba"

/* Does a connect(2) that failed with ERRNUM mean that nobody listens? */
bool demand_may_start(int errnum);
/* Start the companion "estibad --on-demand" and wait until SOCKET_PATH takes connections. ES_E_UNAVAILABLE with the daemon's
 * own words when it gave up, ES_E_TIMEOUT. */
es_err *demand_start(const char *socket_path) ES_CHECKED;

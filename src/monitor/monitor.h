/* SPDX-License-Identifier: Apache-2.0 */
/* monitor.h: the life of one container or exec session, from the first start to the last death. */
#pragma once

#include "base/err.h"

/* The whole program: descriptors MON_FD_DIR and MON_FD_REPORT and spec.json as in spec/mon.h. Returns when nothing is
 * left to do. An error before the first start was reported on MON_FD_REPORT already. */
es_err *monitor_main(void) ES_CHECKED;

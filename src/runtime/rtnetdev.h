/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetdev.h: linux.netDevices: move devices of the runtime's network namespace into the container's. */
#pragma once

#include "spec/oci_runtime.h"

/* NETNS is the container's. Names, addresses and what else the kernel keeps are there, and the devices are up, afterwards. A name
 * that is taken there is ES_E_CONFLICT, before anything has moved. */
es_err *rtnetdev_move(const struct field_map *devices, int netns) ES_CHECKED;

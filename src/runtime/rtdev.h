/* SPDX-License-Identifier: Apache-2.0 */
/* rtdev.h: device nodes and links that every container has, and those of config.json. */
#pragma once

#include <stdbool.h>

#include "spec/oci_runtime.h"

/* Make them below ROOT (the container's root, attached). With BIND, nodes of the host are bound instead of made: in a
 * user namespace nobody may make nodes. Where /dev itself is a bind mount, nothing is made. */
es_err *rtdev_make(int root, const struct oci_spec *spec, bool bind) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* portspec.h: --publish and --expose: [ip:][hostPort[-hostPort]:]containerPort[-containerPort][/proto]. */
#pragma once

#include "codec/field.h"

/* Add what SPEC publishes to EXPOSED ("80/tcp" → {}) and BINDINGS ("80/tcp" → list of docker_port_binding). Errors are
 * docker's. */
es_err *portspec_publish(struct arena *a, const char *spec, struct field_map *exposed, struct field_map *bindings) ES_CHECKED;
/* "80", "80-90/udp" */
es_err *portspec_expose(struct arena *a, const char *spec, struct field_map *exposed) ES_CHECKED;

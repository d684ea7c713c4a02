/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h: what other routes need of registries: a pull, and the credentials of a build. */
#pragma once

#include "api/req.h"

es_err *registry_pull(struct req *r) ES_CHECKED;
/* X-Registry-Config of a build: a registry's name to struct fetch_auth; NULL: none. In the request's arena. */
const struct field_map *registry_auths(struct req *r);

/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h: what POST /images/create does with fromImage. */
#pragma once

#include "api/req.h"

es_err *registry_pull(struct req *r) ES_CHECKED;

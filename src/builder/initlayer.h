/* SPDX-License-Identifier: Apache-2.0 */
/* initlayer.h: the layer under every RUN that has what the runtime mounts over, so that no step's own layer gets it. */
#pragma once

#include "store/layers.h"

/* Bring it in (or find it); LEASE holds it. */
es_err *initlayer_import(struct store *st, struct lease *lease, struct layers_info *ret) ES_CHECKED;

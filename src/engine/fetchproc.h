/* SPDX-License-Identifier: Apache-2.0 */
/* fetchproc.h: the door to registries, opened: every session is an estiba-fetch of its own. */
#pragma once

#include "engine/engine.h"
#include "spec/fetch.h"

/* SELF is the struct engine (insecure registries, mirrors). */
extern const struct fetch_ops fetchproc_ops;

/* SPDX-License-Identifier: Apache-2.0 */
/* api_priv.h: what the files of this room share beyond requests and replies. */
#pragma once

#include "api/api.h"

struct api {
	struct engine *engine;
	struct wsattachs *wsattachs;
};

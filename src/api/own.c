/* SPDX-License-Identifier: Apache-2.0 */
/* own.c: routes below /estiba, which no other daemon has (doc/api.md). */
#include "api/reply.h"
#include "api/route.h"
#include "catalog/image.h"
#include "catalog/upkeep.h"
#include "engine/engine.h"

static bool client_left(void *self)
{
	return http_call_is_gone(((struct req *)self)->call);
}

static es_err *check(struct req *r)
{
	const struct fsck_options opts = { .repair = req_bool(r, "repair", false), .is_over = client_left, .self = r };
	struct json *report;

	ES_TRY(upkeep_check(engine_images(r->engine)->store, r->a, &opts, &report));
	return reply_json(r, 200, report);
}

const struct route routes_own[] = {
	{ "POST", "/estiba/check", 0, check },
	{ 0 },
};

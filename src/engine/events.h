/* SPDX-License-Identifier: Apache-2.0 */
/* events.h: what happened, told to subscribers and kept as the last 256 (they outlive a restart of estibad). */
#pragma once

#include "engine/engine.h"
#include "spec/filters.h"

#define EVENTS_KEPT 256

/* TYPE "container", ACTION "start", ID of the actor; ATTRIBUTES: string map, borrowed. Time is now. Never blocks. */
void events_publish(struct engine *e, const char *type, const char *action, const char *id,
		    const struct field_map *attributes);
/* The same for something that happened at TIME_NS (journals read after a restart). */
void events_publish_at(struct engine *e, int64_t time_ns, const char *type, const char *action, const char *id,
		       const struct field_map *attributes);

struct events_sub;
/* TEXT is one event as a JSON object without newline (legacy members status, id, from included), borrowed. Called from any
 * thread, must not block. */
typedef void events_fn(void *self, const char *text, size_t len);
/* Past events of SINCE_NS..now are delivered first, in order and without a gap (INT64_MAX: none). FILTERS is copied.
 * After UNTIL_NS (INT64_MAX: never) nothing more is delivered; the caller ends its stream by its own timer. */
es_err *events_subscribe(struct engine *e, const struct filters *filters, int64_t since_ns, int64_t until_ns,
			 events_fn *fn, void *self, struct events_sub **ret) ES_CHECKED;
/* After this returns FN is not called any more. NULL is fine. */
void events_unsubscribe(struct engine *e, struct events_sub *sub);
size_t events_subscribers(struct engine *e);

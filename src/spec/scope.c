/* SPDX-License-Identifier: Apache-2.0 */
/* scope.c: field tables of the messages between estiba-run and estiba-systemd. */
#include "spec/scope.h"

#define OMIT FIELD_OMIT_EMPTY

static const char *const ops[] = { "start", "attach", "set", "stop", NULL };

#define T struct scope_property
static const struct field property_fields[] = {
	F_STR(T, name, "name", FIELD_REQUIRED),
	F_STR(T, type, "type", FIELD_REQUIRED),
	F_STRV(T, values, "values", FIELD_REQUIRED),
	F_END,
};
#undef T

#define T struct scope_request
const struct field scope_request_fields[] = {
	F_I64(T, version, "version", FIELD_REQUIRED),
	F_ENUM(T, op, "op", FIELD_REQUIRED, ops),
	F_BOOL(T, user, "user", OMIT),
	F_STR(T, unit, "unit", FIELD_REQUIRED),
	F_STR(T, slice, "slice", OMIT),
	F_STR(T, description, "description", OMIT),
	F_LIST(T, properties, "properties", OMIT, struct scope_property, property_fields),
	F_END,
};
#undef T

#define T struct scope_reply
const struct field scope_reply_fields[] = {
	F_BOOL(T, ok, "ok", 0),
	F_STR(T, cgroup, "cgroup", OMIT),
	F_STR(T, error, "error", OMIT),
	F_END,
};
#undef T

/* SPDX-License-Identifier: Apache-2.0 */
/* scope.h: what estiba-run says to estiba-systemd about a container's transient scope (doc/format/scope.md). */
#pragma once

#include "codec/field.h"

#define SCOPE_VERSION 1
#define SCOPE_LINE_MAX (1u << 20) /* bytes of a request, a reply or an order */

/* A property of a unit, as systemd's D-Bus interface has it. */
struct scope_property {
	const char *name;
	const char *type; /* D-Bus signature: a basic type, "ay", "as" or another array of basic types, "a(ss)" */
	char **values;    /* as text: one; of an array, each element; of "a(ss)", the strings of the pairs */
};

struct scope_request {
	int64_t version;
	const char *op;    /* "start", "attach", "set", "stop" */
	bool user;         /* the caller's own service manager instead of the system's */
	const char *unit;  /* "x.scope" */
	const char *slice; /* start: "y.slice" */
	const char *description;
	struct field_list properties; /* of struct scope_property: start, set */
};
extern const struct field scope_request_fields[];

struct scope_reply {
	bool ok;
	const char *cgroup; /* start: the scope's control group, below every hierarchy's mount */
	const char *error;  /* !ok */
};
extern const struct field scope_reply_fields[];

/* SPDX-License-Identifier: Apache-2.0 */
/* rtunit.h: a container as a scope unit of systemd: its name from cgroupsPath, its limits as unit properties. */
#pragma once

#include "spec/oci_runtime.h"
#include "spec/scope.h"

/* "slice:prefix:name" to the slice and "prefix-name.scope". Empty or NULL: system.slice (USER: user.slice) and
 * "estiba-ID.scope". Everything in A. ES_E_INVALID for any other form. */
es_err *rtunit_parse(struct arena *a, const char *cgroups_path, const char *id, bool user, struct scope_request *r) ES_CHECKED;
/* Append the properties every container's scope has, those that R asks for in terms of cgroup v2 or v1 (as runc documents them),
 * and the annotations "org.systemd.property.NAME" with values in GVariant's text form. R and ANNOTATIONS may be NULL. */
es_err *rtunit_start(struct arena *a, const struct oci_resources *r, const struct field_map *annotations, bool v2,
		     struct scope_request *out) ES_CHECKED;
/* For `update`: the limits alone. */
es_err *rtunit_limits(struct arena *a, const struct oci_resources *r, bool v2, struct scope_request *out) ES_CHECKED;
/* One value in GVariant's text form, for the property NAME: 'text', true, 12, uint64 12, ['a', 'b'], @as []. */
es_err *rtunit_value(struct arena *a, const char *name, const char *text, struct scope_property *ret) ES_CHECKED;

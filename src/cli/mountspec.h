/* SPDX-License-Identifier: Apache-2.0 */
/* mountspec.h: --mount (comma-separated keys) and --volume (colons). */
#pragma once

#include "spec/docker_ctr.h"

/* "type=bind,source=/a,target=/b,readonly" (CSV quoting as in Go). Errors are docker's. */
es_err *mountspec_parse(struct arena *a, const char *text, struct docker_mount *ret) ES_CHECKED;
es_err *mountspec_check(const char *text) ES_CHECKED;
/* One -v value: with a source it is appended to *BINDS (a relative source becomes absolute), else it is an anonymous volume. */
es_err *mountspec_volume(struct arena *a, const char *text, char ***binds, struct field_map *volumes) ES_CHECKED;
/* Split one line of CSV: a,"b,c",d → NULL-terminated vector in the arena. */
es_err *mountspec_csv(struct arena *a, const char *text, char ***ret) ES_CHECKED;

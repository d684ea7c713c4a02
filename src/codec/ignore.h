/* SPDX-License-Identifier: Apache-2.0 */
/* ignore.h: .dockerignore: which paths of a context do not belong to it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

#define IGNORE_BYTES_MAX (1u << 20)

struct ignore;

/* Bytes of a .dockerignore (no file is opened). TEXT is copied. ES_E_INVALID for a bad pattern. */
es_err *ignore_parse(struct arena *a, const char *text, size_t len, struct ignore **ret) ES_CHECKED;
/* Is PATH ("a/b", relative to the context) left out? The last line that matches it or one of its parents decides. */
bool ignore_has(const struct ignore *ig, const char *path);
/* May something below the ignored directory PATH come back by a "!" line? */
bool ignore_may_return(const struct ignore *ig, const char *path);

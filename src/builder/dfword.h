/* SPDX-License-Identifier: Apache-2.0 */
/* dfword.h: words of a Dockerfile: quotes, escapes, and $variables in all the forms that the front end knows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

/* A value may grow by expansion of values; nothing sensible comes near this. */
#define DFWORD_MAX (1u << 20)

enum dfword_flags {
	DFWORD_RAW_QUOTES = 1 << 0,  /* quotes and escapes are kept as they stand (bodies of here-documents) */
	DFWORD_NO_EXPAND = 1 << 1,   /* "$" is an ordinary character */
};

struct dfword_ctx {
	char escape;      /* '\\' or '`' */
	unsigned flags;   /* DFWORD_* */
	char *const *env; /* "NAME=value"; the first of a name counts */
};

/* Expand TEXT as one word: blanks are kept, quotes and escapes are taken off.
 * Errors: ES_E_INVALID (bad substitution, missing quote, ${x:?}), ES_E_LIMIT. */
es_err *dfword_expand(struct arena *a, const struct dfword_ctx *ctx, const char *text, const char **ret) ES_CHECKED;
/* The same, split at blanks outside of quotes, also at those that a value brought in. */
es_err *dfword_split(struct arena *a, const struct dfword_ctx *ctx, const char *text, char ***ret) ES_CHECKED;

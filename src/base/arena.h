/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h: memory for things that die together: a request, a decoded document, a build step. */
#pragma once

#include "base/mem.h"

struct arena;

struct arena *arena_new(void);
/* The same, but it begins in N zeroed bytes at MEMORY (borrowed, aligned for any type) before it asks for more. */
struct arena *arena_new_in(void *memory, size_t n);
void arena_free(struct arena *a); /* NULL is fine */
/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull)); /* N bytes + NUL */
char *arena_printf(struct arena *a, const char *fmt, ...) ES_PRINTF(2, 3) __attribute__((returns_nonnull));
/* Free P with free() when the arena dies. */
void arena_own(struct arena *a, void *p);
/* Bytes handed out so far, for limits and tests. */
size_t arena_used(const struct arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))

static inline void arena_free_p(struct arena **a)
{
	arena_free(*a);
	*a = NULL;
}
#define es_autoarena es_auto(arena_free_p) struct arena

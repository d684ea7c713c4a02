/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c: blocks of memory in a chain, freed as one. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>

#define BLOCK_MIN ((size_t)4096)
#define ALIGN _Alignof(max_align_t)

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct owned {
	struct owned *next;
	void *p;
};

struct arena {
	struct block *blocks;
	struct block *borrowed; /* one of them, not ours to free, and neither is the arena then; NULL */
	struct owned *owned;
	size_t used;
};

struct arena *arena_new(void)
{
	return ES_NEW(struct arena);
}

struct arena *arena_new_in(void *memory, size_t n)
{
	struct arena *a = memory;
	size_t own = (sizeof *a + ALIGN - 1) & ~(ALIGN - 1);

	a->borrowed = a->blocks = (struct block *)(void *)((char *)memory + own);
	a->blocks->size = n - own - sizeof *a->blocks;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct owned *o = a->owned; o; o = o->next)
		free(o->p);
	for (struct block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		if (b != a->borrowed)
			free(b);
	}
	if (!a->borrowed)
		free(a);
}

/* A new block goes first, unless it is an oversized one for a single value: then the half-empty first block stays. */
static struct block *block_for(struct arena *a, size_t size)
{
	struct block *b = a->blocks;
	size_t want;

	if (b && b->size - b->used >= size)
		return b;
	want = b && b->size < (size_t)1 << 20 ? b->size * 2 : BLOCK_MIN;
	if (want < size)
		want = size;
	b = es_xmalloc(sizeof *b + want);
	b->size = want;
	b->used = 0;
	b->next = a->blocks;
	if (a->blocks && want == size) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		a->blocks = b;
	}
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct block *b;
	void *p;

	if (size > SIZE_MAX - 2 * ALIGN - sizeof *b)
		abort();
	size = (size + ALIGN - 1) & ~(ALIGN - 1);
	b = block_for(a, size);
	p = b->bytes + b->used;
	b->used += size;
	a->used += size;
	return memset(p, 0, size);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (n)
		memcpy(copy, s, n);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n < 0)
		abort();
	s = arena_alloc(a, (size_t)n + 1);
	(void)vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return s;
}

void arena_own(struct arena *a, void *p)
{
	struct owned *o = ARENA_NEW(a, struct owned);

	o->p = p;
	o->next = a->owned;
	a->owned = o;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}

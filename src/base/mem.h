/* SPDX-License-Identifier: Apache-2.0 */
/* mem.h: allocation that cannot fail, and values that free themselves when their scope ends. */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 1 in a program built with a sanitizer that needs the address space and the system calls to itself. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ES_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ES_SANITIZED 1
#endif
#endif
#ifndef ES_SANITIZED
#define ES_SANITIZED 0
#endif

#define ES_CHECKED __attribute__((warn_unused_result))
#define ES_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))
#define ES_UNUSED __attribute__((unused))
#define ES_N(array) (sizeof(array) / sizeof((array)[0]))

/* Small allocations: one line on standard error and abort when memory is gone. Sizes that come from
 * outside are capped by the caller before they get here. */
void *es_xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *es_xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *es_xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *es_xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *es_xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
void *es_xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
char *es_xasprintf(const char *fmt, ...) ES_PRINTF(1, 2) __attribute__((malloc, returns_nonnull));
char *es_xvasprintf(const char *fmt, va_list ap) __attribute__((malloc, returns_nonnull, format(printf, 1, 0)));

#define ES_NEW(type) ((type *)es_xcalloc(1, sizeof(type)))

/* Close FD if it is one (>= 0), keeping errno. Never retried (Linux releases it even on EINTR). */
void es_close(int fd);

static inline void es_free_p(void *p)
{
	void **pp = p;

	free(*pp);
	*pp = NULL;
}
static inline void es_close_p(int *fd)
{
	es_close(*fd);
	*fd = -1;
}

#define es_auto(destructor) __attribute__((cleanup(destructor)))
#define es_autofree __attribute__((cleanup(es_free_p)))
#define es_autoclose __attribute__((cleanup(es_close_p)))

/* Move a pointer or a descriptor out of its scope: the variable is left empty. */
#define ES_TAKE(p)                      \
	({                              \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;             \
		taken_;                 \
	})
#define ES_TAKE_FD(fd)         \
	({                     \
		int taken_ = (fd); \
		(fd) = -1;     \
		taken_;        \
	})

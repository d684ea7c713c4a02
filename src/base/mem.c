/* SPDX-License-Identifier: Apache-2.0 */
/* mem.c: malloc and friends that end the process when memory is gone. */
#include "base/mem.h"

#include <stdio.h>

static void *or_abort(void *p)
{
	static const char line[] = "out of memory\n";

	if (p)
		return p;
	(void)!write(STDERR_FILENO, line, sizeof line - 1);
	abort();
}

void *es_xmalloc(size_t size)
{
	return or_abort(malloc(size ? size : 1));
}

void *es_xcalloc(size_t n, size_t size)
{
	return or_abort(calloc(n ? n : 1, size ? size : 1));
}

void *es_xrealloc(void *p, size_t size)
{
	return or_abort(realloc(p, size ? size : 1));
}

char *es_xstrdup(const char *s)
{
	return or_abort(strdup(s));
}

char *es_xstrndup(const char *s, size_t n)
{
	return or_abort(strndup(s, n));
}

void *es_xmemdup(const void *p, size_t n)
{
	void *copy = es_xmalloc(n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *es_xvasprintf(const char *fmt, va_list ap)
{
	char *s;

	return vasprintf(&s, fmt, ap) < 0 ? or_abort(NULL) : s;
}

char *es_xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = es_xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

void es_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = saved;
}

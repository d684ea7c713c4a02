/* SPDX-License-Identifier: Apache-2.0 */
/* lazy.c: anonymous mappings. */
#include "monitor/lazy.h"

#include <stdio.h>
#include <sys/mman.h>

#define LAZY_PAGE 4096

void *lazy_new(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		fprintf(stderr, "estiba-mon: out of address space\n");
		abort();
	}
	return p;
}

void lazy_trim(void *p, size_t size)
{
	if (size > LAZY_PAGE)
		madvise((char *)p + LAZY_PAGE, size - LAZY_PAGE, MADV_DONTNEED);
}

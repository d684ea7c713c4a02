/* SPDX-License-Identifier: Apache-2.0 */
/* lazy.c: anonymous mappings. */
#include "monitor/lazy.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#define LAZY_PAGE 4096
#define LAZY_STACK (96u << 10) /* bytes below the caller that may have been touched */

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
	madvise(p, size, MADV_DONTNEED);
}

/* A page is left for the frames of this call. Below the stack's mapping is a gap that the kernel keeps free. */
__attribute__((noinline)) void lazy_trim_stack(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), end = (here - LAZY_PAGE) & ~(uintptr_t)(LAZY_PAGE - 1);

	madvise((char *)end - LAZY_STACK, LAZY_STACK, MADV_DONTNEED);
}

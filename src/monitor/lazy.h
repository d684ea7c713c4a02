/* SPDX-License-Identifier: Apache-2.0 */
/* lazy.h: buffers that are there from the start and cost memory only when they are used. */
#pragma once

#include "base/mem.h"

/* SIZE zeroed bytes, page-aligned, until the process ends; aborts when there is no address space. */
void *lazy_new(size_t size) __attribute__((returns_nonnull));
/* The contents are no longer needed (they become zero): give the memory back. */
void lazy_trim(void *p, size_t size);
/* The same for what deeper calls than the caller's left of the stack. */
void lazy_trim_stack(void);

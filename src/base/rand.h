/* SPDX-License-Identifier: Apache-2.0 */
/* rand.h: random bytes from the kernel, and the hexadecimal names made of them. */
#pragma once

#include <stddef.h>

/* getrandom(2); cannot fail once the kernel's pool is up. */
void rand_bytes(void *bytes, size_t n);
/* N lower-case hexadecimal digits and a NUL (N + 1 bytes at OUT). Container and exec ids have 64. */
void rand_hex(char *out, size_t n);

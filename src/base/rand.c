/* SPDX-License-Identifier: Apache-2.0 */
/* rand.c: random bytes and names. */
#include "base/rand.h"

#include <sys/random.h>

#include "base/mem.h"

void rand_bytes(void *bytes, size_t n)
{
	unsigned char *p = bytes;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		p += got;
		n -= (size_t)got;
	}
}

void rand_hex(char *out, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[64];

	for (size_t i = 0; i < n; i++) {
		if (i % sizeof raw == 0)
			rand_bytes(raw, sizeof raw < n - i ? sizeof raw : n - i);
		out[i] = digits[raw[i % sizeof raw] & 15];
	}
	out[n] = '\0';
}

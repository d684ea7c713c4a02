/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.h: where a registry is spoken to: mirrors first, TLS first, plain HTTP only where it is allowed. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"

struct endpoint {
	const char *base; /* "https://registry-1.docker.io", no slash at the end */
	bool mirror;      /* its failures lead on to the next */
	bool unverified;  /* TLS without checking the certificate */
};

#define ENDPOINTS_MAX 16u

/* INSECURE: host, host:port or CIDR, as --insecure-registry takes them; 127.0.0.0/8 and ::1 always are. Names are looked up where a
 * CIDR decides. Fills RET (ENDPOINTS_MAX), the order is that of trying. */
size_t endpoint_list(struct arena *a, const char *domain, char *const *mirrors, char *const *insecure, struct endpoint *ret);
/* Is ADDRESS (text) in CIDR? */
bool endpoint_in_cidr(const char *address, const char *cidr);

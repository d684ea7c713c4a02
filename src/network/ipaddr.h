/* SPDX-License-Identifier: Apache-2.0 */
/* ipaddr.h: IPv4 and IPv6 addresses and subnets as values. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define IPADDR_TEXT_MAX 64 /* bytes of an address or subnet as text, NUL included */

struct ipaddr {
	uint8_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t b[16];  /* network byte order; IPv4 uses the first 4 */
};

struct ipnet {
	struct ipaddr addr; /* host bits are zero */
	uint8_t bits;       /* prefix length */
};

/* "10.0.0.1", "fd00::1"; ES_E_INVALID. */
es_err *ipaddr_parse(const char *text, struct ipaddr *ret) ES_CHECKED;
/* "10.0.0.0/8"; host bits are cut off and go to *RET_HOST (may be NULL) as the address as written. */
es_err *ipnet_parse(const char *text, struct ipnet *ret, struct ipaddr *ret_host) ES_CHECKED;
/* Text at OUT (IPADDR_TEXT_MAX bytes); family 0 gives "". Return OUT. */
char *ipaddr_text(const struct ipaddr *a, char *out);
char *ipnet_text(const struct ipnet *n, char *out);

static inline unsigned ipaddr_len(const struct ipaddr *a) /* bytes */
{
	return a->family == AF_INET6 ? 16 : 4;
}
static inline unsigned ipaddr_bits(const struct ipaddr *a)
{
	return 8 * ipaddr_len(a);
}
bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b);
bool ipaddr_is_any(const struct ipaddr *a); /* 0.0.0.0 or :: */
bool ipaddr_is_loopback(const struct ipaddr *a);
bool ipnet_has(const struct ipnet *n, const struct ipaddr *a);
bool ipnet_overlaps(const struct ipnet *a, const struct ipnet *b);
/* The address OFFSET above the start of N, and back. The caller keeps OFFSET inside. */
struct ipaddr ipnet_at(const struct ipnet *n, uint64_t offset);
uint64_t ipnet_offset(const struct ipnet *n, const struct ipaddr *a);
/* Highest offset that fits into 64 bits: 255 for a /24, UINT64_MAX for a /64 and wider. */
uint64_t ipnet_last(const struct ipnet *n);
struct ipnet ipnet_of(const struct ipaddr *a, unsigned bits);

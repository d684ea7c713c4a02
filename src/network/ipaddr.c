/* SPDX-License-Identifier: Apache-2.0 */
/* ipaddr.c: IPv4 and IPv6 addresses and subnets as values. */
#include "network/ipaddr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

es_err *ipaddr_parse(const char *text, struct ipaddr *ret)
{
	struct ipaddr a = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	if (inet_pton(a.family, text, a.b) != 1)
		return es_err_new(ES_E_INVALID, "invalid IP address: %s", text);
	*ret = a;
	return NULL;
}

struct ipnet ipnet_of(const struct ipaddr *a, unsigned bits)
{
	struct ipnet n = { .addr = *a, .bits = (uint8_t)bits };

	for (unsigned i = bits; i < ipaddr_bits(a); i++)
		n.addr.b[i / 8] &= (uint8_t)~(0x80 >> i % 8);
	return n;
}

es_err *ipnet_parse(const char *text, struct ipnet *ret, struct ipaddr *ret_host)
{
	const char *slash = strchr(text, '/');
	struct ipaddr a;
	uint64_t bits;

	if (slash && slash - text < IPADDR_TEXT_MAX) {
		es_autofree char *addr = es_xstrndup(text, (size_t)(slash - text));
		es_autoerr es_err *bad_addr = ipaddr_parse(addr, &a);
		es_autoerr es_err *bad_bits = str_to_u64(slash + 1, 10, &bits);

		if (!bad_addr && !bad_bits && bits <= ipaddr_bits(&a)) {
			*ret = ipnet_of(&a, (unsigned)bits);
			if (ret_host)
				*ret_host = a;
			return NULL;
		}
	}
	return es_err_new(ES_E_INVALID, "invalid CIDR address: %s", text);
}

char *ipaddr_text(const struct ipaddr *a, char *out)
{
	if (a->family == 0 || !inet_ntop(a->family, a->b, out, IPADDR_TEXT_MAX))
		*out = '\0';
	return out;
}

char *ipnet_text(const struct ipnet *n, char *out)
{
	size_t len;

	ipaddr_text(&n->addr, out);
	len = strlen(out);
	if (len)
		(void)snprintf(out + len, IPADDR_TEXT_MAX - len, "/%u", n->bits);
	return out;
}

bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b)
{
	return a->family == b->family && (a->family == 0 || memcmp(a->b, b->b, ipaddr_len(a)) == 0);
}

bool ipaddr_is_any(const struct ipaddr *a)
{
	static const uint8_t zero[16];

	return a->family != 0 && memcmp(a->b, zero, ipaddr_len(a)) == 0;
}

bool ipaddr_is_loopback(const struct ipaddr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == AF_INET6 ? memcmp(a->b, one, 16) == 0 : a->family == AF_INET && a->b[0] == 127;
}

bool ipnet_has(const struct ipnet *n, const struct ipaddr *a)
{
	struct ipnet of = ipnet_of(a, n->bits);

	return n->addr.family == a->family && ipaddr_eq(&of.addr, &n->addr);
}

bool ipnet_overlaps(const struct ipnet *a, const struct ipnet *b)
{
	return a->bits <= b->bits ? ipnet_has(a, &b->addr) : ipnet_has(b, &a->addr);
}

struct ipaddr ipnet_at(const struct ipnet *n, uint64_t offset)
{
	struct ipaddr a = n->addr;

	for (unsigned i = ipaddr_len(&a); i-- > 0 && offset; offset >>= 8)
		a.b[i] |= (uint8_t)offset;
	return a;
}

uint64_t ipnet_offset(const struct ipnet *n, const struct ipaddr *a)
{
	unsigned len = ipaddr_len(a), first = len > 8 ? len - 8 : 0;
	uint64_t offset = 0;

	for (unsigned i = first; i < len; i++)
		offset = offset << 8 | (uint8_t)(a->b[i] ^ n->addr.b[i]);
	return offset;
}

uint64_t ipnet_last(const struct ipnet *n)
{
	unsigned host_bits = ipaddr_bits(&n->addr) - n->bits;

	return host_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << host_bits) - 1;
}

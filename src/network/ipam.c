/* SPDX-License-Identifier: Apache-2.0 */
/* ipam.c: which addresses of one subnet are taken. */
#include "network/ipam.h"

#include <string.h>

/* Where OFFSET is, or would stand. */
static size_t find(const struct ipam *p, uint64_t offset)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->taken[mid] < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void insert(struct ipam *p, size_t at, uint64_t offset)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 16;
		p->taken = es_xrealloc(p->taken, p->cap * sizeof *p->taken);
	}
	memmove(p->taken + at + 1, p->taken + at, (p->n - at) * sizeof *p->taken);
	p->taken[at] = offset;
	p->n++;
}

void ipam_init(struct ipam *p, const struct ipnet *subnet, const struct ipnet *range)
{
	*p = (struct ipam){ .subnet = *subnet, .range = range && range->addr.family ? *range : *subnet };
	if (ipnet_last(subnet) < 2)
		return; /* /31, /32: every address is a host's (RFC 3021) */
	insert(p, 0, 0);
	if (subnet->addr.family == AF_INET)
		insert(p, 1, ipnet_last(subnet));
}

void ipam_done(struct ipam *p)
{
	free(p->taken);
	*p = (struct ipam){ 0 };
}

es_err *ipam_next(struct ipam *p, struct ipaddr *ret)
{
	const uint64_t first = ipnet_offset(&p->subnet, &p->range.addr), size = ipnet_last(&p->range);
	const uint64_t last = size > UINT64_MAX - first ? UINT64_MAX : first + size;
	uint64_t offset = first;
	size_t at = find(p, first);

	while (at < p->n && p->taken[at] == offset && offset < last) {
		at++;
		offset++;
	}
	if (at < p->n && p->taken[at] == offset)
		return es_err_new(ES_E_LIMIT, "no available %s addresses on this network's address pools",
				  p->subnet.addr.family == AF_INET6 ? "IPv6" : "IPv4");
	insert(p, at, offset);
	*ret = ipnet_at(&p->subnet, offset);
	return NULL;
}

es_err *ipam_take(struct ipam *p, const struct ipaddr *a)
{
	char text[IPADDR_TEXT_MAX], net[IPADDR_TEXT_MAX];
	uint64_t offset;
	size_t at;

	if (!ipnet_has(&p->subnet, a))
		return es_err_new(ES_E_INVALID, "address %s is not in subnet %s", ipaddr_text(a, text), ipnet_text(&p->subnet, net));
	offset = ipnet_offset(&p->subnet, a);
	at = find(p, offset);
	if (at < p->n && p->taken[at] == offset)
		return es_err_new(ES_E_CONFLICT, "Address already in use");
	insert(p, at, offset);
	return NULL;
}

void ipam_release(struct ipam *p, const struct ipaddr *a)
{
	uint64_t offset;
	size_t at;

	if (!ipnet_has(&p->subnet, a))
		return;
	offset = ipnet_offset(&p->subnet, a);
	at = find(p, offset);
	if (at == p->n || p->taken[at] != offset)
		return;
	memmove(p->taken + at, p->taken + at + 1, (p->n - at - 1) * sizeof *p->taken);
	p->n--;
}

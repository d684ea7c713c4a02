/* SPDX-License-Identifier: Apache-2.0 */
/* ipam.h: which addresses of one subnet are taken; pure bookkeeping. */
#pragma once

#include <stddef.h>

#include "network/ipaddr.h"

/* Invariant: taken[] is sorted and has no duplicates. */
struct ipam {
	struct ipnet subnet, range; /* what is handed out lies in RANGE, which lies in SUBNET */
	uint64_t *taken;            /* offsets in the subnet */
	size_t n, cap;
};

/* RANGE NULL: the whole subnet. Network and broadcast address (IPv6: the first) are taken from the start. */
void ipam_init(struct ipam *p, const struct ipnet *subnet, const struct ipnet *range);
void ipam_done(struct ipam *p);
/* The lowest free address of the range, as docker does. ES_E_LIMIT "no available IPv4 addresses on this network's address
 * pools". */
es_err *ipam_next(struct ipam *p, struct ipaddr *ret) ES_CHECKED;
/* This one, anywhere in the subnet. ES_E_CONFLICT "Address already in use"; ES_E_INVALID when outside. */
es_err *ipam_take(struct ipam *p, const struct ipaddr *a) ES_CHECKED;
void ipam_release(struct ipam *p, const struct ipaddr *a); /* not taken or not ours: nothing */

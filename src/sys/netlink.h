/* SPDX-License-Identifier: Apache-2.0 */
/* netlink.h: netlink sockets, messages built attribute by attribute, acknowledgements and dumps (netlink(7)). */
#pragma once

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* One socket. It stays in the network namespace that it was opened in, whatever its threads do later. */
struct nl {
	int fd;
	uint32_t seq;
};
#define NL_NONE ((struct nl){ .fd = -1 })

/* PROTOCOL: NETLINK_ROUTE, NETLINK_NETFILTER. */
es_err *nl_open(int protocol, struct nl *ret) ES_CHECKED;
/* For the functions below over a socket opened elsewhere (taken). */
struct nl nl_of_fd(int fd);
void nl_done(struct nl *nl); /* NL_NONE is fine */
#define es_autonl es_auto(nl_done) struct nl
/* Also receive the multicast group GROUP (RTNLGRP_*, NFNLGRP_*). */
es_err *nl_subscribe(struct nl *nl, unsigned group) ES_CHECKED;
/* The port id of our socket: nlmsg_pid of what others see of our changes. */
uint32_t nl_port(const struct nl *nl);

/* --- messages: several in one buffer are sent with one call and processed in order --- */

#define NL_MSGS_MAX (64u << 20) /* bytes; a table with 100,000 published ports */

struct nl_msgs {
	struct es_buf buf;
	size_t at;  /* start of the message under way */
	uint32_t n; /* messages so far; their sequence numbers are given when they are sent */
};
#define NL_MSGS ((struct nl_msgs){ .buf = ES_BUF(NL_MSGS_MAX) })
void nl_msgs_done(struct nl_msgs *m);
#define es_automsgs es_auto(nl_msgs_done) struct nl_msgs

/* Start a message with its family's fixed header (struct ifinfomsg, nfgenmsg …); FLAGS besides NLM_F_REQUEST. */
void nl_begin(struct nl_msgs *m, uint16_t type, uint16_t flags, const void *head, size_t head_len);
void nl_end(struct nl_msgs *m);
void nl_put(struct nl_msgs *m, uint16_t attr, const void *bytes, size_t n);
void nl_put_str(struct nl_msgs *m, uint16_t attr, const char *s); /* with its NUL */
void nl_put_u8(struct nl_msgs *m, uint16_t attr, uint8_t v);
void nl_put_u16(struct nl_msgs *m, uint16_t attr, uint16_t v);
void nl_put_u32(struct nl_msgs *m, uint16_t attr, uint32_t v);
void nl_put_be32(struct nl_msgs *m, uint16_t attr, uint32_t v);
/* Attributes until the matching nl_nest_end(m, what nl_nest returned) are inside ATTR. */
size_t nl_nest(struct nl_msgs *m, uint16_t attr);
void nl_nest_end(struct nl_msgs *m, size_t nest);

/* Send all of M and read the acknowledgements (the kernel works them off before send returns). The first error is
 * reported with its errno and the kernel's own words where it gives some; *RET_AT (may be NULL) is which message it was. The
 * last message must carry NLM_F_ACK. M may be sent again. */
es_err *nl_talk(struct nl *nl, struct nl_msgs *m, uint32_t *ret_at) ES_CHECKED;

/* --- reading --- */

/* FN is called for each message; an error of its own ends the call (the rest is drained). */
typedef es_err *nl_fn(void *self, const struct nlmsghdr *h);
/* M holds one request; NLM_F_DUMP gives many answers, else one. A request that the kernel answers with an error is that
 * error. An interrupted dump is asked again, so FN can see an object twice. */
es_err *nl_ask(struct nl *nl, struct nl_msgs *m, nl_fn *fn, void *self) ES_CHECKED;
/* What a subscribed socket has now, without waiting. *RET_LOST: the kernel dropped some (ENOBUFS). */
es_err *nl_events(struct nl *nl, nl_fn *fn, void *self, bool *ret_lost) ES_CHECKED;

/* Attributes after the fixed header of HEAD_LEN bytes (or inside a nest) by type; the last of each. TB has MAX + 1 places. */
void nl_attrs(const struct nlmsghdr *h, size_t head_len, const struct nlattr **tb, unsigned max);
void nl_attrs_in(const struct nlattr *nest, const struct nlattr **tb, unsigned max);
static inline const void *nl_data(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}
static inline size_t nl_len(const struct nlattr *a)
{
	return (size_t)a->nla_len - NLA_HDRLEN;
}
/* NULL or too short: 0 and "". */
uint32_t nl_u32(const struct nlattr *a);
uint32_t nl_be32(const struct nlattr *a);
const char *nl_str(const struct nlattr *a);

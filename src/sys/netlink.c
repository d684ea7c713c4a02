/* SPDX-License-Identifier: Apache-2.0 */
/* netlink.c: netlink sockets, messages and dumps. */
#include "sys/netlink.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
#define RECV_BYTES (64u << 10)      /* the kernel makes dump messages of at most 32 KiB */
#define SEND_BUFFER (NL_MSGS_MAX)   /* a batch must fit into the socket's buffer */
#define DUMP_TRIES 5

es_err *nl_open(int protocol, struct nl *ret)
{
	es_autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	struct sockaddr_nl me = { .nl_family = AF_NETLINK };
	int on = 1;

	if (fd < 0)
		return es_err_sys(errno, "netlink socket");
	if (bind(fd, (struct sockaddr *)&me, sizeof me) < 0)
		return es_err_sys(errno, "bind netlink socket");
	/* Short acknowledgements with the kernel's own words; both are comforts, so a refusal is no error. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	*ret = nl_of_fd(ES_TAKE_FD(fd));
	return NULL;
}

struct nl nl_of_fd(int fd)
{
	return (struct nl){ .fd = fd, .seq = 1 };
}

void nl_done(struct nl *nl)
{
	es_close(nl->fd);
	nl->fd = -1;
}

es_err *nl_subscribe(struct nl *nl, unsigned group)
{
	if (setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
		return es_err_sys(errno, "join netlink group %u", group);
	return NULL;
}

uint32_t nl_port(const struct nl *nl)
{
	struct sockaddr_nl me = { 0 };
	socklen_t len = sizeof me;

	return getsockname(nl->fd, (struct sockaddr *)&me, &len) == 0 ? me.nl_pid : 0;
}

/* ---- building ---- */

void nl_msgs_done(struct nl_msgs *m)
{
	es_buf_done(&m->buf);
	m->n = 0;
}

static void add_padded(struct nl_msgs *m, const void *bytes, size_t n)
{
	static const char zero[NLMSG_ALIGNTO];

	es_buf_add(&m->buf, bytes, n);
	es_buf_add(&m->buf, zero, NLMSG_ALIGN(n) - n);
}

void nl_begin(struct nl_msgs *m, uint16_t type, uint16_t flags, const void *head, size_t head_len)
{
	const struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST) };

	m->at = m->buf.len;
	es_buf_add(&m->buf, &h, sizeof h);
	add_padded(m, head, head_len);
}

void nl_end(struct nl_msgs *m)
{
	if (m->buf.overflow)
		return;
	((struct nlmsghdr *)(void *)(m->buf.p + m->at))->nlmsg_len = (uint32_t)(m->buf.len - m->at);
	m->n++;
}

void nl_put(struct nl_msgs *m, uint16_t attr, const void *bytes, size_t n)
{
	const struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = attr };

	es_buf_add(&m->buf, &a, sizeof a);
	add_padded(m, bytes, n);
}

void nl_put_str(struct nl_msgs *m, uint16_t attr, const char *s)
{
	nl_put(m, attr, s, strlen(s) + 1);
}

void nl_put_u8(struct nl_msgs *m, uint16_t attr, uint8_t v)
{
	nl_put(m, attr, &v, sizeof v);
}

void nl_put_u16(struct nl_msgs *m, uint16_t attr, uint16_t v)
{
	nl_put(m, attr, &v, sizeof v);
}

void nl_put_u32(struct nl_msgs *m, uint16_t attr, uint32_t v)
{
	nl_put(m, attr, &v, sizeof v);
}

void nl_put_be32(struct nl_msgs *m, uint16_t attr, uint32_t v)
{
	nl_put_u32(m, attr, htonl(v));
}

size_t nl_nest(struct nl_msgs *m, uint16_t attr)
{
	size_t nest = m->buf.len;

	nl_put(m, (uint16_t)(attr | NLA_F_NESTED), NULL, 0);
	return nest;
}

void nl_nest_end(struct nl_msgs *m, size_t nest)
{
	if (!m->buf.overflow)
		((struct nlattr *)(void *)(m->buf.p + nest))->nla_len = (uint16_t)(m->buf.len - nest);
}

/* ---- talking ---- */

static es_err *send_all(struct nl *nl, struct nl_msgs *m, uint32_t *ret_first_seq)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	uint32_t first = nl->seq;

	ES_TRY(es_buf_check(&m->buf));
	for (size_t at = 0; at < m->buf.len;) {
		struct nlmsghdr *h = (void *)(m->buf.p + at);

		h->nlmsg_seq = nl->seq++;
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
	if (m->buf.len > (128u << 10)) { /* the usual size of a socket's buffer is 208 KiB, with overhead counted */
		int size = SEND_BUFFER;

		(void)setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	}
	if (sendto(nl->fd, m->buf.p, m->buf.len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
		return es_err_sys(errno, "send to netlink");
	*ret_first_seq = first;
	return NULL;
}

/* The error in an acknowledgement, with the kernel's words when it gives some; NULL for "0". */
static es_err *ack_error(const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);
	const struct nlattr *tb[NLMSGERR_ATTR_MAX + 1] = { NULL };
	size_t head = sizeof *e;

	if (e->error == 0)
		return NULL;
	if (h->nlmsg_flags & NLM_F_ACK_TLVS) {
		if (!(h->nlmsg_flags & NLM_F_CAPPED))
			head += e->msg.nlmsg_len - sizeof e->msg;
		nl_attrs(h, head, tb, NLMSGERR_ATTR_MAX);
	}
	if (*nl_str(tb[NLMSGERR_ATTR_MSG]))
		return es_err_sys(-e->error, "%s", nl_str(tb[NLMSGERR_ATTR_MSG]));
	return es_err_sys(-e->error, "netlink request");
}

/* One read; 0 when there is nothing (and WAIT is off). */
static es_err *recv_some(struct nl *nl, char *bytes, bool wait, size_t *ret_len)
{
	ssize_t n;

	do
		n = recv(nl->fd, bytes, RECV_BYTES, wait ? 0 : MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		n = 0;
	if (n < 0)
		return es_err_sys(errno, "receive from netlink");
	*ret_len = (size_t)n;
	return NULL;
}

es_err *nl_talk(struct nl *nl, struct nl_msgs *m, uint32_t *ret_at)
{
	es_autofree char *bytes = es_xmalloc(RECV_BYTES);
	es_err *first = NULL;
	uint32_t first_seq, last_seen = UINT32_MAX;
	size_t len;

	if (m->n == 0)
		return NULL;
	ES_TRY(send_all(nl, m, &first_seq));
	for (;;) {
		es_err *err = recv_some(nl, bytes, false, &len);

		if (err || len == 0) {
			if (!first)
				first = err;
			else
				es_err_drop(err);
			break;
		}
		for (const struct nlmsghdr *h = (void *)bytes; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
			if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq - first_seq >= m->n)
				continue; /* left over from an earlier call */
			last_seen = h->nlmsg_seq - first_seq;
			if (!first) {
				first = ack_error(h);
				if (first && ret_at)
					*ret_at = last_seen;
			}
		}
	}
	if (!first && last_seen == UINT32_MAX)
		return es_err_new(ES_E_PROTOCOL, "netlink: no acknowledgement");
	return first;
}

struct asking {
	uint32_t seq;
	nl_fn *fn;
	void *self;
	es_err *err; /* the first; the rest of the answer is drained */
	bool interrupted, finished;
};

static void hand_out(struct asking *a, const char *bytes, size_t len)
{
	for (const struct nlmsghdr *h = (const void *)bytes; NLMSG_OK(h, len) && !a->finished; h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_seq != a->seq)
			continue;
		a->interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		a->finished = h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR || !(h->nlmsg_flags & NLM_F_MULTI);
		if (a->err || h->nlmsg_type == NLMSG_DONE)
			continue;
		a->err = h->nlmsg_type == NLMSG_ERROR ? ack_error(h) : a->fn(a->self, h);
	}
}

es_err *nl_ask(struct nl *nl, struct nl_msgs *m, nl_fn *fn, void *self)
{
	es_autofree char *bytes = es_xmalloc(RECV_BYTES);

	for (int tries = 0; tries < DUMP_TRIES; tries++) {
		struct asking a = { .fn = fn, .self = self };

		ES_TRY(send_all(nl, m, &a.seq));
		while (!a.finished) {
			size_t len = 0;
			es_err *bad = recv_some(nl, bytes, true, &len);

			if (bad) {
				es_err_drop(a.err);
				return bad;
			}
			hand_out(&a, bytes, len);
		}
		if (a.err || !a.interrupted)
			return a.err;
	}
	return es_err_new(ES_E_UNAVAILABLE, "netlink: the dump was interrupted %d times", DUMP_TRIES);
}

es_err *nl_events(struct nl *nl, nl_fn *fn, void *self, bool *ret_lost)
{
	es_autofree char *bytes = es_xmalloc(RECV_BYTES);
	size_t len;

	for (;;) {
		es_err *err = recv_some(nl, bytes, false, &len);

		if (err && es_err_errno(err) == ENOBUFS) {
			es_err_drop(err);
			*ret_lost = true;
			continue;
		}
		if (err || len == 0)
			return err;
		for (const struct nlmsghdr *h = (void *)bytes; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len))
			ES_TRY(fn(self, h));
	}
}

/* ---- reading attributes ---- */

static void attrs(const char *p, size_t n, const struct nlattr **tb, unsigned max)
{
	memset(tb, 0, (max + 1) * sizeof *tb);
	while (n >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)p;
		unsigned type = a->nla_type & NLA_TYPE_MASK;
		size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > n)
			return;
		if (type <= max)
			tb[type] = a;
		if (step >= n)
			return;
		p += step;
		n -= step;
	}
}

void nl_attrs(const struct nlmsghdr *h, size_t head_len, const struct nlattr **tb, unsigned max)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(head_len);

	if (h->nlmsg_len < skip)
		memset(tb, 0, (max + 1) * sizeof *tb);
	else
		attrs((const char *)h + skip, h->nlmsg_len - skip, tb, max);
}

void nl_attrs_in(const struct nlattr *nest, const struct nlattr **tb, unsigned max)
{
	if (nest)
		attrs(nl_data(nest), nl_len(nest), tb, max);
	else
		memset(tb, 0, (max + 1) * sizeof *tb);
}

uint32_t nl_u32(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a && nl_len(a) >= sizeof v)
		memcpy(&v, nl_data(a), sizeof v);
	return v;
}

uint32_t nl_be32(const struct nlattr *a)
{
	return ntohl(nl_u32(a));
}

const char *nl_str(const struct nlattr *a)
{
	return a && nl_len(a) && ((const char *)nl_data(a))[nl_len(a) - 1] == '\0' ? nl_data(a) : "";
}

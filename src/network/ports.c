/* SPDX-License-Identifier: Apache-2.0 */
/* ports.c: reserve a port of the host by binding it, and choose a free one. */
#include <ctype.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "network/network_priv.h"

#define EPHEMERAL_FIRST 32768 /* where net.ipv4.ip_local_port_range cannot be read */
#define EPHEMERAL_LAST 60999

static const struct {
	uint8_t proto;
	int type;
	const char *name;
} protos[] = {
	{ IPPROTO_TCP, SOCK_STREAM, "tcp" },
	{ IPPROTO_UDP, SOCK_DGRAM, "udp" },
	{ IPPROTO_SCTP, SOCK_STREAM, "sctp" },
};

static size_t proto_row(uint8_t proto)
{
	for (size_t i = 0; i < ES_N(protos); i++)
		if (protos[i].proto == proto)
			return i;
	return 0;
}

/* ---- against our own ---- */

static bool collide(const struct network_port *a, const struct network_port *b)
{
	bool any = a->host_ip.family == 0 || b->host_ip.family == 0;

	if (a->proto != b->proto || a->host_port != b->host_port)
		return false;
	return any || (a->host_ip.family == b->host_ip.family && (ipaddr_is_any(&a->host_ip) || ipaddr_is_any(&b->host_ip) ||
								      ipaddr_eq(&a->host_ip, &b->host_ip)));
}

static bool allocated_in(const struct published *in, const struct network_port *p)
{
	for (size_t i = 0; i < in->n; i++)
		if (&in->ports[i] != p && collide(&in->ports[i], p))
			return true;
	return false;
}

static bool allocated(const struct network *n, const struct published *also, const struct network_port *p)
{
	for (size_t i = 0; i < n->published.n; i++)
		if (allocated_in(n->published.p[i], p))
			return true;
	return allocated_in(also, p);
}

/* ---- against everybody: bind without listen, so that a connection which is not translated is refused at once ---- */

static socklen_t fill_address(const struct network_port *p, int family, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(p->host_port);
		if (p->host_ip.family == AF_INET6)
			memcpy(&in6->sin6_addr, p->host_ip.b, 16);
		return sizeof *in6;
	}
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	in->sin_family = AF_INET;
	in->sin_port = htons(p->host_port);
	if (p->host_ip.family == AF_INET)
		memcpy(&in->sin_addr, p->host_ip.b, 4);
	return sizeof *in;
}

/* -1 with errno; EAFNOSUPPORT and EPROTONOSUPPORT when this kernel has no such sockets. */
static int bind_port(const struct network_port *p, int family, bool reuse)
{
	const struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog filter = { 1, (struct sock_filter *)(uintptr_t)&drop_all };
	es_autoclose int fd = socket(family, protos[proto_row(p->proto)].type | SOCK_CLOEXEC, p->proto);
	int v6only = p->host_ip.family != 0, on = 1;
	struct sockaddr_storage address;
	socklen_t len;

	if (fd < 0)
		return -1;
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only);
	if (reuse)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (p->proto == IPPROTO_UDP) /* nobody reads what arrives here */
		(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
	len = fill_address(p, family, &address);
	return bind(fd, (struct sockaddr *)&address, len) < 0 ? -1 : ES_TAKE_FD(fd);
}

static int reserve_one(const struct network_port *p)
{
	int family = p->host_ip.family == AF_INET ? AF_INET : AF_INET6;
	int fd = bind_port(p, family, false);

	if (fd < 0 && errno == EADDRINUSE && p->proto == IPPROTO_TCP)
		fd = bind_port(p, family, true); /* only old connections in TIME_WAIT? Then this works */
	if (fd < 0 && p->host_ip.family == 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		fd = bind_port(p, AF_INET, false); /* no IPv6 here */
		if (fd < 0 && errno == EADDRINUSE && p->proto == IPPROTO_TCP)
			fd = bind_port(p, AF_INET, true);
	}
	return fd;
}

static void describe(const struct network_port *p, char *out, size_t size)
{
	char ip[IPADDR_TEXT_MAX] = "0.0.0.0";

	if (p->host_ip.family)
		ipaddr_text(&p->host_ip, ip);
	(void)snprintf(out, size, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, p->host_port);
}

static es_err *try_port(struct network *n, const struct published *also, const struct network_port *p, int *ret_fd)
{
	char where[IPADDR_TEXT_MAX + 8], why[64];
	int fd;

	describe(p, where, sizeof where);
	if (allocated(n, also, p))
		return es_err_new(ES_E_CONFLICT, "Bind for %s failed: port is already allocated", where);
	fd = reserve_one(p);
	if (fd < 0 && p->proto == IPPROTO_SCTP && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)) {
		*ret_fd = -1; /* no SCTP in this kernel, so nobody else can have the port either */
		return NULL;
	}
	if (fd < 0) {
		(void)snprintf(why, sizeof why, "%s", strerror(errno));
		why[0] = (char)tolower((unsigned char)why[0]);
		return es_err_new(ES_E_CONFLICT, "failed to bind host port %s/%s: %s", where, protos[proto_row(p->proto)].name, why);
	}
	*ret_fd = fd;
	return NULL;
}

static void ephemeral_range(uint16_t *ret_first, uint16_t *ret_last)
{
	char text[64];
	unsigned first, last;

	netsysctl_get("ipv4/ip_local_port_range", text, sizeof text);
	*ret_first = EPHEMERAL_FIRST;
	*ret_last = EPHEMERAL_LAST;
	if (sscanf(text, "%u %u", &first, &last) == 2 && first > 0 && first <= last && last <= UINT16_MAX) {
		*ret_first = (uint16_t)first;
		*ret_last = (uint16_t)last;
	}
}

/* Give P its host port: the one asked for, the first free one of its range, or of the ephemeral range. */
es_err *port_reserve(struct network *n, const struct published *also, struct network_port *p, int *ret_fd)
{
	uint16_t first = p->host_port, last = p->host_port_last ? p->host_port_last : p->host_port;
	es_err *err = NULL;

	if (first == 0)
		ephemeral_range(&first, &last);
	for (unsigned port = first; port <= last; port++) {
		es_err_drop(err);
		p->host_port = (uint16_t)port;
		err = try_port(n, also, p, ret_fd);
		if (!err)
			return NULL;
	}
	return err ? err : es_err_new(ES_E_INVALID, "invalid port range %u-%u", first, last);
}

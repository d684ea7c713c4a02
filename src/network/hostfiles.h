/* SPDX-License-Identifier: Apache-2.0 */
/* hostfiles.h: the text of a container's /etc/hosts, /etc/hostname and /etc/resolv.conf. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "network/ipaddr.h"

#define HOSTFILES_MAX (256u << 10) /* bytes of one of these files */

struct hostfiles_hosts {
	const char *hostname, *domainname; /* without a network neither is written */
	const struct ipaddr *own;          /* the container's addresses, one line each */
	size_t n_own;
	struct ipaddr host_gateway;        /* what "host-gateway" and host.docker.internal mean; family 0: neither */
	char *const *extra;                /* --add-host: "name:address" or "name=address", NULL-terminated or NULL */
};
/* Docker's fixed lines, then --add-host, then host.docker.internal unless given, then the container itself. ES_E_INVALID
 * for a bad entry. Heap. */
es_err *hostfiles_hosts(const struct hostfiles_hosts *in, char **ret_text) ES_CHECKED;

struct hostfiles_resolv {
	const char *host_text;     /* the host's resolv.conf */
	char *const *servers, *const *search, *const *options; /* --dns…; NULL: the host's */
	bool ipv6;                 /* the container has an IPv6 address: IPv6 servers are kept */
	bool host_network;         /* the host's own namespace: its loopback servers work */
};
/* The host's file with loopback servers left out (they are somebody else inside); none left: 8.8.8.8, 8.8.4.4 and with IPv6
 * also 2001:4860:4860::8888 and ::8844, as docker does. --dns-search "." means none. Heap. */
es_err *hostfiles_resolv(const struct hostfiles_resolv *in, char **ret_text) ES_CHECKED;
/* Which file is the host's: /run/systemd/resolve/resolv.conf when /etc/resolv.conf names only 127.0.0.53. */
const char *hostfiles_resolv_path(const char *etc_text);

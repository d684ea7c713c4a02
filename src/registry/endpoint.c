/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.c: docker's rules for endpoints. */
#include "registry/endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include "base/str.h"

#define HUB "docker.io"
#define HUB_URL "https://registry-1.docker.io"

static bool same_bits(const unsigned char *x, const unsigned char *y, unsigned bits)
{
	unsigned char mask = (unsigned char)(0xff00u >> (bits % 8));

	return memcmp(x, y, bits / 8) == 0 && (bits % 8 == 0 || ((x[bits / 8] ^ y[bits / 8]) & mask) == 0);
}

bool endpoint_in_cidr(const char *address, const char *cidr)
{
	const char *slash = strchr(cidr, '/');
	unsigned char x[16], y[16];
	char net[INET6_ADDRSTRLEN];
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;
	uint64_t bits;
	es_err *err;

	if (!slash || (size_t)(slash - cidr) >= sizeof net)
		return false;
	memcpy(net, cidr, (size_t)(slash - cidr));
	net[slash - cidr] = '\0';
	err = str_to_u64(slash + 1, 10, &bits);
	es_err_free(err);
	if (err || bits > (family == AF_INET ? 32 : 128))
		return false;
	return inet_pton(family, address, x) == 1 && inet_pton(family, net, y) == 1 && same_bits(x, y, (unsigned)bits);
}

static bool in_any_cidr(const char *address, char *const *insecure)
{
	if (endpoint_in_cidr(address, "127.0.0.0/8") || endpoint_in_cidr(address, "::1/128"))
		return true;
	for (; insecure && *insecure; insecure++)
		if (endpoint_in_cidr(address, *insecure))
			return true;
	return false;
}

/* "host:port", "[::1]:port", "host": the host alone. */
static char *host_of(struct arena *a, const char *domain)
{
	const char *colon = strrchr(domain, ':');

	if (domain[0] == '[')
		return arena_strndup(a, domain + 1, strcspn(domain + 1, "]"));
	return colon ? arena_strndup(a, domain, (size_t)(colon - domain)) : arena_strdup(a, domain);
}

static bool resolves_into(const char *host, char *const *insecure)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	bool found = false;

	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return false;
	for (struct addrinfo *at = list; at && !found; at = at->ai_next) {
		char text[NI_MAXHOST];

		if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
			found = in_any_cidr(text, insecure);
	}
	freeaddrinfo(list);
	return found;
}

static bool is_insecure(struct arena *a, const char *domain, char *const *insecure)
{
	const char *host = host_of(a, domain);

	for (char *const *at = insecure; at && *at; at++)
		if (str_eq_nocase(*at, domain) || str_eq_nocase(*at, host))
			return true;
	return resolves_into(host, insecure);
}

static const char *without_slash(struct arena *a, const char *url)
{
	size_t n = strlen(url);

	while (n && url[n - 1] == '/')
		n--;
	return arena_strndup(a, url, n);
}

size_t endpoint_list(struct arena *a, const char *domain, char *const *mirrors, char *const *insecure, struct endpoint *ret)
{
	size_t n = 0;

	if (str_eq(domain, HUB)) {
		for (; mirrors && *mirrors && n < ENDPOINTS_MAX - 1; mirrors++) {
			const char *rest = str_after(*mirrors, "https://");

			ret[n++] = (struct endpoint){ without_slash(a, *mirrors), true,
						      rest && is_insecure(a, arena_strndup(a, rest, strcspn(rest, "/")), insecure) };
		}
		ret[n++] = (struct endpoint){ HUB_URL, false, false };
		return n;
	}
	bool open = is_insecure(a, domain, insecure);
	ret[n++] = (struct endpoint){ arena_printf(a, "https://%s", domain), false, open };
	if (open)
		ret[n++] = (struct endpoint){ arena_printf(a, "http://%s", domain), false, true };
	return n;
}

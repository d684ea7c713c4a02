/* SPDX-License-Identifier: Apache-2.0 */
/* test_hostfiles.c: hosts and resolv.conf of a container. */
#include "check.h"

#include "network/hostfiles.h"

#define FIXED                                                                                                            \
	"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n" \
	"ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"

static void hosts_rows(void)
{
	static const struct {
		const char *extra, *domain, *want; /* want NULL: refused */
		bool gateway, own;
	} rows[] = {
		{ NULL, NULL, FIXED, false, false },
		{ NULL, NULL, FIXED "172.17.0.1\thost.docker.internal\n172.17.0.2\tweb\n", true, true },
		{ NULL, "lan", FIXED "172.17.0.2\tweb.lan web\n", false, true },
		{ "db:10.0.0.9", NULL, FIXED "10.0.0.9\tdb\n", false, false },
		{ "db=10.0.0.9", NULL, FIXED "10.0.0.9\tdb\n", false, false },
		{ "six:fd00::1", NULL, FIXED "fd00::1\tsix\n", false, false },
		{ "six:[fd00::1]", NULL, FIXED "fd00::1\tsix\n", false, false },
		{ "gw:host-gateway", NULL, FIXED "172.17.0.1\tgw\n172.17.0.1\thost.docker.internal\n", true, false },
		{ "host.docker.internal:10.9.9.9", NULL, FIXED "10.9.9.9\thost.docker.internal\n", true, false },
		{ "gw:host-gateway", NULL, NULL, false, false },
		{ "a:b", NULL, NULL, true, false },
		{ "a", NULL, NULL, true, false },
		{ ":1.2.3.4", NULL, NULL, true, false },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		struct ipaddr own = { 0 };
		char *const extra[] = { (char *)(uintptr_t)rows[i].extra, NULL };
		struct hostfiles_hosts in = { .hostname = "web", .domainname = rows[i].domain, .own = &own, .n_own = rows[i].own, .extra = extra };
		es_autofree char *text = NULL;

		CHECK_OK(ipaddr_parse("172.17.0.2", &own));
		if (rows[i].gateway)
			CHECK_OK(ipaddr_parse("172.17.0.1", &in.host_gateway));
		if (!rows[i].want) {
			CHECK_ERR(hostfiles_hosts(&in, &text), NULL);
			continue;
		}
		CHECK_OK(hostfiles_hosts(&in, &text));
		CHECK_STR(text, rows[i].want);
	}
}

static void resolv_rows(void)
{
	static const struct {
		const char *host, *server, *search, *want;
		bool ipv6, host_network;
	} rows[] = {
		{ "nameserver 10.0.0.1\nsearch a b\noptions ndots:1\n", NULL, NULL, "nameserver 10.0.0.1\nsearch a b\noptions ndots:1\n", false, false },
		{ "nameserver 127.0.0.1\nnameserver 10.0.0.1\n", NULL, NULL, "nameserver 10.0.0.1\n", false, false },
		{ "nameserver 127.0.0.53\n", NULL, NULL, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n", false, false },
		{ "nameserver ::1\n", NULL, NULL,
		  "nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n", true, false },
		{ "nameserver 127.0.0.53\n", NULL, NULL, "nameserver 127.0.0.53\n", false, true },
		{ "nameserver 10.0.0.1\nnameserver fd00::1\n", NULL, NULL, "nameserver 10.0.0.1\n", false, false },
		{ "nameserver 10.0.0.1\nnameserver fd00::1\n", NULL, NULL, "nameserver 10.0.0.1\nnameserver fd00::1\n", true, false },
		{ "nameserver 10.0.0.1\nsearch a\n", "9.9.9.9", ".", "nameserver 9.9.9.9\n", false, false },
		{ "nameserver 10.0.0.1\ndomain a\nsearch b\n", NULL, "c", "nameserver 10.0.0.1\nsearch c\n", false, false },
		{ "# nothing\n", NULL, NULL, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n", false, false },
		{ "", "127.0.0.1", NULL, "nameserver 127.0.0.1\n", false, false }, /* asked for, so it is given */
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		char *const servers[] = { (char *)(uintptr_t)rows[i].server, NULL };
		char *const search[] = { (char *)(uintptr_t)rows[i].search, NULL };
		const struct hostfiles_resolv in = { .host_text = rows[i].host, .servers = rows[i].server ? servers : NULL,
						     .search = rows[i].search ? search : NULL, .ipv6 = rows[i].ipv6,
						     .host_network = rows[i].host_network };
		es_autofree char *text = NULL;

		CHECK_OK(hostfiles_resolv(&in, &text));
		CHECK_STR(text, rows[i].want);
	}
}

static void stub_resolver(void)
{
	CHECK_STR(hostfiles_resolv_path("nameserver 127.0.0.53\noptions edns0\n"), "/run/systemd/resolve/resolv.conf");
	CHECK_STR(hostfiles_resolv_path("nameserver 10.0.0.1\n"), "/etc/resolv.conf");
}

CHECK_MAIN(TEST(hosts_rows), TEST(resolv_rows), TEST(stub_resolver))

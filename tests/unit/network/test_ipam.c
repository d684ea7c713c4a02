/* SPDX-License-Identifier: Apache-2.0 */
/* test_ipam.c: addresses as text and the order in which they are handed out. */
#include "check.h"

#include "network/ipam.h"

static void text_rows(void)
{
	static const struct {
		const char *in, *net, *host; /* net NULL: refused */
	} rows[] = {
		{ "10.1.2.3/8", "10.0.0.0/8", "10.1.2.3" },
		{ "172.17.0.1/16", "172.17.0.0/16", "172.17.0.1" },
		{ "10.0.0.1/32", "10.0.0.1/32", "10.0.0.1" },
		{ "0.0.0.0/0", "0.0.0.0/0", "0.0.0.0" },
		{ "fd00:1:2:3::5/64", "fd00:1:2:3::/64", "fd00:1:2:3::5" },
		{ "10.0.0.0/33", NULL, NULL },
		{ "10.0.0/8", NULL, NULL },
		{ "10.0.0.0", NULL, NULL },
		{ "x", NULL, NULL },
		{ "10.0.0.0/", NULL, NULL },
		{ "fd00::/129", NULL, NULL },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		struct ipnet net;
		struct ipaddr host;
		char out[IPADDR_TEXT_MAX];

		if (!rows[i].net) {
			CHECK_ERR(ipnet_parse(rows[i].in, &net, &host), "invalid CIDR address");
			continue;
		}
		CHECK_OK(ipnet_parse(rows[i].in, &net, &host));
		CHECK_STR(ipnet_text(&net, out), rows[i].net);
		CHECK_STR(ipaddr_text(&host, out), rows[i].host);
	}
}

static void overlap_rows(void)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} rows[] = {
		{ "10.0.0.0/8", "10.9.0.0/16", true },	 { "10.9.0.0/16", "10.0.0.0/8", true },
		{ "10.0.0.0/24", "10.0.1.0/24", false }, { "0.0.0.0/0", "192.168.0.0/16", true },
		{ "10.0.0.0/8", "fd00::/8", false },	 { "fd00::/8", "fd12::/16", true },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		struct ipnet a, b;

		CHECK_OK(ipnet_parse(rows[i].a, &a, NULL));
		CHECK_OK(ipnet_parse(rows[i].b, &b, NULL));
		CHECK_INT(ipnet_overlaps(&a, &b), rows[i].overlap);
	}
}

/* Take from SUBNET (and RANGE) until it is full; the first and last address and how many. */
static void pool_rows(void)
{
	static const struct {
		const char *subnet, *range, *first, *last;
		int n;
	} rows[] = {
		{ "10.0.0.0/29", NULL, "10.0.0.1", "10.0.0.6", 6 },
		{ "10.0.0.0/24", "10.0.0.128/30", "10.0.0.128", "10.0.0.131", 4 },
		{ "10.0.0.0/24", "10.0.0.248/29", "10.0.0.248", "10.0.0.254", 7 },
		{ "10.0.0.0/31", NULL, "10.0.0.0", "10.0.0.1", 2 },
		{ "10.0.0.7/32", NULL, "10.0.0.7", "10.0.0.7", 1 },
		{ "fd00::/126", NULL, "fd00::1", "fd00::3", 3 },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		struct ipnet subnet, range = { 0 };
		struct ipaddr a = { 0 };
		struct ipam p;
		char out[IPADDR_TEXT_MAX];

		CHECK_OK(ipnet_parse(rows[i].subnet, &subnet, NULL));
		if (rows[i].range)
			CHECK_OK(ipnet_parse(rows[i].range, &range, NULL));
		ipam_init(&p, &subnet, &range);
		for (int k = 0; k < rows[i].n; k++) {
			CHECK_OK(ipam_next(&p, &a));
			if (k == 0)
				CHECK_STR(ipaddr_text(&a, out), rows[i].first);
		}
		CHECK_STR(ipaddr_text(&a, out), rows[i].last);
		CHECK_ERR(ipam_next(&p, &a), "no available");
		ipam_done(&p);
	}
}

static void lowest_free_comes_first(void)
{
	struct ipnet subnet;
	struct ipaddr a, b;
	struct ipam p;
	char out[IPADDR_TEXT_MAX];

	CHECK_OK(ipnet_parse("172.17.0.0/16", &subnet, NULL));
	ipam_init(&p, &subnet, NULL);
	for (int i = 0; i < 300; i++)
		CHECK_OK(ipam_next(&p, &a));
	CHECK_STR(ipaddr_text(&a, out), "172.17.1.44");
	CHECK_OK(ipaddr_parse("172.17.0.9", &b));
	CHECK_ERR(ipam_take(&p, &b), "Address already in use");
	ipam_release(&p, &b);
	ipam_release(&p, &b);
	CHECK_OK(ipam_next(&p, &a));
	CHECK(ipaddr_eq(&a, &b));
	CHECK_OK(ipaddr_parse("10.0.0.1", &b));
	CHECK_ERR(ipam_take(&p, &b), "not in subnet");
	ipam_done(&p);
}

static void wide_ipv6(void)
{
	struct ipnet subnet;
	struct ipaddr a;
	struct ipam p;
	char out[IPADDR_TEXT_MAX];

	CHECK_OK(ipnet_parse("fd00::/48", &subnet, NULL));
	ipam_init(&p, &subnet, NULL);
	CHECK_OK(ipam_next(&p, &a));
	CHECK_STR(ipaddr_text(&a, out), "fd00::1");
	ipam_done(&p);
}

CHECK_MAIN(TEST(text_rows), TEST(overlap_rows), TEST(pool_rows), TEST(lowest_free_comes_first), TEST(wide_ipv6))

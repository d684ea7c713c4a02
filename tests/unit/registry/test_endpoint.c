/* SPDX-License-Identifier: Apache-2.0 */
/* test_endpoint.c: which addresses a registry has, and which of them need no TLS. */
#include "registry/endpoint.h"

#include "base/buf.h"
#include "base/str.h"
#include "check.h"

static void cidrs(void)
{
	static const struct {
		const char *address, *cidr;
		bool in;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.0/8", true }, { "128.0.0.1", "127.0.0.0/8", false }, { "10.1.2.3", "10.1.2.0/23", true },
		{ "10.1.4.3", "10.1.2.0/23", false }, { "10.1.2.3", "0.0.0.0/0", true },     { "::1", "::1/128", true },
		{ "::2", "::1/128", false },	      { "fd00::5", "fd00::/8", true },	     { "10.0.0.1", "10.0.0.0/33", false },
		{ "10.0.0.1", "10.0.0.0", false },    { "10.0.0.1", "x/8", false },	     { "10.0.0.1", "::/0", false },
		{ "name", "0.0.0.0/0", false },	      { "10.0.0.1", "10.0.0.0/", false },
	};

	for (size_t i = 0; i < ES_N(rows); i++)
		if (endpoint_in_cidr(rows[i].address, rows[i].cidr) != rows[i].in)
			fail_msg("%s in %s", rows[i].address, rows[i].cidr);
}

static void lists(void)
{
	es_autostrv mirrors = strv_split("https://m.example/ http://127.0.0.1:5000", ' ');
	es_autostrv insecure = strv_split("reg.example:5000 10.9.0.0/16", ' ');
	static const struct {
		const char *domain, *want; /* bases, "~" before one whose certificate is not checked */
	} rows[] = {
		{ "docker.io", "https://m.example http://127.0.0.1:5000 https://registry-1.docker.io" },
		{ "192.0.2.1:443", "https://192.0.2.1:443" },
		{ "reg.example:5000", "~https://reg.example:5000 ~http://reg.example:5000" },
		{ "10.9.1.2", "~https://10.9.1.2 ~http://10.9.1.2" },
		{ "127.0.0.1:5000", "~https://127.0.0.1:5000 ~http://127.0.0.1:5000" },
		{ "[::1]:5000", "~https://[::1]:5000 ~http://[::1]:5000" },
	};

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct endpoint got[ENDPOINTS_MAX];
		size_t n = endpoint_list(a, rows[i].domain, mirrors, insecure, got);
		es_autobuf b = ES_BUF(4096);

		for (size_t k = 0; k < n; k++) {
			es_buf_printf(&b, "%s%s%s", k ? " " : "", got[k].unverified ? "~" : "", got[k].base);
			CHECK_INT(got[k].mirror, str_eq(rows[i].domain, "docker.io") && k + 1 < n);
		}
		CHECK_STR(es_buf_str(&b), rows[i].want);
	}
}

CHECK_MAIN(TEST(cidrs), TEST(lists))

/* SPDX-License-Identifier: Apache-2.0 */
/* test_portspec.c: --publish and --expose as rows. */
#include "base/str.h"
#include "cli/portspec.h"
#include "spec/docker_ctr.h"

#include "check.h"

/* "80/tcp=1.2.3.4:8080,…" in the order they were made. */
static char *describe(struct arena *a, const struct field_map *bindings)
{
	es_autobuf out = ES_BUF(4096);

	FIELD_MAP_EACH(at, bindings)
	{
		const struct field_list *list = at->value;

		FIELD_LIST_EACH(const struct docker_port_binding, b, list)
			es_buf_printf(&out, "%s%s=%s:%s", out.len ? "," : "", at->key, b->host_ip, b->host_port);
	}
	return arena_strdup(a, es_buf_str(&out));
}

static void publish(void)
{
	static const struct {
		const char *in, *want, *error;
	} cases[] = {
		{ "80", "80/tcp=:", NULL },
		{ "8080:80", "80/tcp=:8080", NULL },
		{ "127.0.0.1:8080:80/udp", "80/udp=127.0.0.1:8080", NULL },
		{ "127.0.0.1::80", "80/tcp=127.0.0.1:", NULL },
		{ "[::1]:5:6", "6/tcp=::1:5", NULL },
		{ "8000-8001:80-81", "80/tcp=:8000,81/tcp=:8001", NULL },
		{ "8000-8009:80", "80/tcp=:8000-8009", NULL },
		{ "x", NULL, "invalid containerPort: x" },
		{ "1:2:3:4", NULL, "invalid IP address: 1:2" },
		{ "10-5:80", NULL, "invalid hostPort: 10-5" },
		{ "10-12:80-81", NULL, "invalid ranges specified for container and host Ports: 80-81 and 10-12" },
		{ "1.2.3:1:1", NULL, "invalid IP address: 1.2.3" },
		{ "80/icmp", NULL, "invalid proto: icmp" },
		{ "65536", NULL, "invalid containerPort: 65536" },
	};
	for (size_t i = 0; i < ES_N(cases); i++) {
		es_autoarena *a = arena_new();
		struct field_map *exposed = field_map_new(a), *bindings = field_map_new(a);
		es_err *err = portspec_publish(a, cases[i].in, exposed, bindings);

		if (cases[i].error) {
			CHECK_ERR(err, cases[i].error);
			continue;
		}
		CHECK_OK(err);
		CHECK_STR(describe(a, bindings), cases[i].want);
	}
}

static void expose(void)
{
	es_autoarena *a = arena_new();
	struct field_map *exposed = field_map_new(a);

	CHECK_OK(portspec_expose(a, "90-91/udp", exposed));
	CHECK(field_map_has(exposed, "90/udp"));
	CHECK(field_map_has(exposed, "91/udp"));
	CHECK_ERR(portspec_expose(a, "99999", exposed), "value out of range");
	CHECK_ERR(portspec_expose(a, "a", exposed), "invalid syntax");
	CHECK_ERR(portspec_expose(a, "1:2", exposed), "invalid port format");
}

CHECK_MAIN(TEST(publish), TEST(expose))

/* SPDX-License-Identifier: Apache-2.0 */
/* test_passwd.c: users and groups of a container as rows. */
#include "codec/passwd.h"

#include "check.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\nbroken line\nweb:x:33:44:w:/srv:/bin/false\n";
static const char group[] = "root:x:0:\nwww:x:44:\nmedia:x:50:web,root\nlog:x:60:web\n";

static void rows(void)
{
	static const struct {
		const char *user;
		uint32_t uid, gid;
		size_t groups;
		const char *home, *err;
	} rows[] = {
		{ "", 0, 0, 1, "/root", NULL },
		{ "web", 33, 44, 2, "/srv", NULL },
		{ "33", 33, 44, 2, "/srv", NULL },
		{ "1234", 1234, 0, 0, NULL, NULL },
		{ "1234:log", 1234, 60, 0, NULL, NULL },
		{ "web:7", 33, 7, 0, "/srv", NULL },
		{ "nosuch", 0, 0, 0, NULL, "unable to find user nosuch" },
		{ "web:nosuch", 0, 0, 0, NULL, "unable to find group nosuch" },
		{ "99999999999", 0, 0, 0, NULL, "unable to find user" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct passwd_user u = { 0 };
		es_err *err = passwd_lookup(a, rows[i].user, passwd, group, NULL, &u);

		if (rows[i].err) {
			CHECK_ERR(err, rows[i].err);
			continue;
		}
		CHECK_OK(err);
		CHECK_INT(u.uid, rows[i].uid);
		CHECK_INT(u.gid, rows[i].gid);
		CHECK_INT(u.n_groups, rows[i].groups);
		CHECK_STR(u.home, rows[i].home);
	}
}

static void extra_groups(void)
{
	es_autoarena *a = arena_new();
	char media[] = "media", seven[] = "7", nosuch[] = "nosuch";
	char *extra[] = { media, seven, NULL }, *bad[] = { nosuch, NULL };
	struct passwd_user u;

	CHECK_OK(passwd_lookup(a, "web", passwd, group, extra, &u));
	CHECK_INT(u.n_groups, 3);
	CHECK_ERR(passwd_lookup(a, "web", passwd, group, bad, &u), "Unable to find group nosuch");
	CHECK_OK(passwd_lookup(a, "5", NULL, NULL, NULL, &u));
}

CHECK_MAIN(TEST(rows), TEST(extra_groups))

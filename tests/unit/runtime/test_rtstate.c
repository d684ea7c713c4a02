/* SPDX-License-Identifier: Apache-2.0 */
/* test_rtstate.c: what is written is read, and only the process that was meant is believed. */
#include "runtime/rtstate.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "sys/pidfd.h"
#include "check.h"

static void ids(void)
{
	static const struct {
		const char *id;
		bool good;
	} rows[] = { { "a", true }, { "A_b+c-d.9", true }, { "", false }, { ".", false }, { "..", false }, { "a/b", false }, { "a b", false }, { "é", false } };

	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoerr es_err *err = rtstate_check_id(rows[i].id);

		CHECK((err == NULL) == rows[i].good);
	}
}

static void round_trip(void)
{
	es_autoarena *a = arena_new();
	char root[] = "/tmp/test-rtstate.XXXXXX", boot[37], pid_ns[] = "pid", *ns[] = { pid_ns, NULL };
	es_autoclose int dir = -1, pidfd = -1;
	struct rtstate s = { .version = 1, .id = "x", .bundle = "/b", .oci_version = "1.2.0", .boot_id = boot, .created = 1, .namespaces = ns }, r;
	const char *prefix;
	uint64_t ticks;

	CHECK(mkdtemp(root) != NULL);
	CHECK_OK(rtstate_boot_id(boot));
	CHECK_OK(rtstate_make_dir(root, "x", &dir));
	CHECK_ERR(rtstate_make_dir(root, "x", &pidfd), "container with given ID already exists");
	CHECK_ERR(rtstate_read(a, dir, &r), "container does not exist");
	CHECK_OK(rtstate_prefix(a, &s, &prefix));
	CHECK_OK(pidfd_start_ticks(getpid(), &ticks));
	CHECK_INT(rtstate_write(dir, prefix, getpid(), ticks), 0);
	CHECK_OK(rtstate_read(a, dir, &r));
	CHECK_STR(r.id, "x");
	CHECK_STR(r.namespaces[0], "pid");
	CHECK_INT(r.pid, getpid());
	CHECK_OK(rtstate_process(&r, &pidfd));
	CHECK_INT(rtstate_status(&r, dir, false), RTSTATE_RUNNING);
	CHECK_INT(rtstate_status(&r, dir, true), RTSTATE_PAUSED);
	CHECK(mknodat(dir, RTSTATE_FIFO, S_IFIFO | 0600, 0) == 0);
	CHECK_INT(rtstate_status(&r, dir, false), RTSTATE_CREATED);
	r.start_ticks++;
	CHECK_INT(rtstate_status(&r, dir, false), RTSTATE_STOPPED);
	r.start_ticks--;
	r.boot_id = "another boot";
	CHECK_INT(rtstate_status(&r, dir, false), RTSTATE_STOPPED);
	CHECK_OK(rtstate_remove_dir(root, "x"));
	CHECK(rmdir(root) == 0);
}

static void newer_version_is_refused(void)
{
	es_autoarena *a = arena_new();
	char root[] = "/tmp/test-rtstate.XXXXXX";
	es_autoclose int dir = -1;
	struct rtstate s = { .version = 2, .id = "x", .bundle = "/b", .oci_version = "1.2.0", .boot_id = "b" }, r;
	const char *prefix;

	CHECK(mkdtemp(root) != NULL);
	CHECK_OK(rtstate_make_dir(root, "x", &dir));
	CHECK_OK(rtstate_prefix(a, &s, &prefix));
	CHECK_INT(rtstate_write(dir, prefix, 1, 1), 0);
	CHECK_ERR(rtstate_read(a, dir, &r), "state.json has version 2, this program knows up to 1");
	CHECK_OK(rtstate_remove_dir(root, "x"));
	CHECK(rmdir(root) == 0);
}

CHECK_MAIN(TEST(ids), TEST(round_trip), TEST(newer_version_is_refused))

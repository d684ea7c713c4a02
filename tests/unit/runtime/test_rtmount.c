/* SPDX-License-Identifier: Apache-2.0 */
/* test_rtmount.c: mount options sorted by what they mean. */
#include "runtime/rtmount.h"

#include <linux/mount.h>

#include "base/str.h"
#include "check.h"

static struct rtmount_options parse(struct arena *a, const char *comma_separated)
{
	es_autostrv v = strv_split(comma_separated, ',');
	struct rtmount_options o;

	CHECK_OK(rtmount_options(a, strv_arena_dup(a, v), &o));
	return o;
}

static void attributes(void)
{
	static const struct {
		const char *in;
		uint64_t set, clear, set_below;
	} rows[] = {
		{ "ro,nosuid,nodev", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, 0 },
		{ "ro,rw", 0, MOUNT_ATTR_RDONLY, 0 },
		{ "rw,ro", MOUNT_ATTR_RDONLY, 0, 0 },
		{ "noatime,strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, 0 },
		{ "relatime", 0, MOUNT_ATTR__ATIME, 0 },
		{ "rro,rnosuid", 0, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID },
		{ "defaults", 0, 0, 0 },
	};
	es_autoarena *a = arena_new();

	for (size_t i = 0; i < ES_N(rows); i++) {
		struct rtmount_options o = parse(a, rows[i].in);

		CHECK_INT(o.change.set, rows[i].set);
		CHECK_INT(o.change.clear, rows[i].clear);
		CHECK_INT(o.change.set_below, rows[i].set_below);
		CHECK_INT(o.n_params, 0);
	}
}

static void the_rest_is_the_file_systems(void)
{
	es_autoarena *a = arena_new();
	struct rtmount_options o = parse(a, "nosuid,size=64k,mode=755,sync");

	CHECK_INT(o.n_params, 3);
	CHECK_STR(o.params[0], "size=64k");
	CHECK_STR(o.params[2], "sync");
	CHECK(o.params[3] == NULL);
}

static void bind_and_propagation(void)
{
	es_autoarena *a = arena_new();
	struct rtmount_options o = parse(a, "rbind,rslave,ridmap");

	CHECK(o.bind && o.recursive && o.idmap && o.idmap_recursive);
	CHECK_INT(o.change.propagation, 1 << 19);
	CHECK(o.change.propagation_below);
	o = parse(a, "bind,private");
	CHECK(o.bind && !o.recursive && !o.change.propagation_below);
	CHECK_INT(rtmount_propagation("rshared"), 1 << 20);
	CHECK_INT(rtmount_propagation("ro"), 0);
	CHECK_INT(rtmount_propagation(NULL), 0);
}

static void remount_is_ours(void)
{
	es_autoarena *a = arena_new();
	char word[] = "remount", *v[] = { word, NULL };
	struct rtmount_options o;

	CHECK_OK(rtmount_options(a, v, &o));
	CHECK(o.remount);
	CHECK_INT(o.n_params, 0);
}

CHECK_MAIN(TEST(attributes), TEST(the_rest_is_the_file_systems), TEST(bind_and_propagation), TEST(remount_is_ours))

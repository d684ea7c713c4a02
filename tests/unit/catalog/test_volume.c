/* SPDX-License-Identifier: Apache-2.0 */
/* test_volume.c: volumes over a real store; mounts in a mount namespace of the test's own. */
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/str.h"
#include "catalog/volume.h"
#include "catalog/volume_priv.h"

struct house {
	char root[64];
	struct store *store;
	struct volumes *v;
	struct arena *a;
	const char *user_of; /* the one volume that a container has */
	char *told;          /* the events, a line each */
};

static char **users(void *self, struct arena *a, const char *name)
{
	const struct house *h = self;

	return str_eq(h->user_of, name) ? strv_arena_add(a, NULL, "c1") : NULL;
}

static void event(void *self, const char *action, const char *name, const struct field_map *attributes)
{
	struct house *h = self;

	h->told = arena_printf(h->a, "%s%s %s %s%s%s\n", h->told ? h->told : "", action, name, (const char *)field_map_get(attributes, "driver"),
			       field_map_has(attributes, "container") ? " " : "",
			       field_map_has(attributes, "container") ? (const char *)field_map_get(attributes, "container") : "");
}

static const struct volumes_ops ops = { .users = users, .event = event };

static void begin(struct house *h)
{
	struct store_options so;
	es_autofree char *exec = NULL, *data = NULL;

	*h = (struct house){ .a = arena_new() };
	(void)snprintf(h->root, sizeof h->root, "/tmp/estiba-volume.XXXXXX");
	CHECK(mkdtemp(h->root));
	exec = es_xasprintf("%s/exec", h->root);
	data = es_xasprintf("%s/data", h->root);
	so = (struct store_options){ .data_root = data, .exec_root = exec };
	CHECK_OK(store_open(&so, &h->store));
	CHECK_OK(volumes_open(h->store, &ops, h, &h->v));
}

static void end(struct house *h)
{
	volumes_close(h->v);
	store_close(h->store);
	CHECK_OK(file_remove_tree(AT_FDCWD, h->root));
	arena_free(h->a);
}

static es_err *create(struct house *h, const char *body, struct docker_volume *ret)
{
	struct docker_volume_create req = { 0 };

	CHECK_OK(field_decode_text(h->a, docker_volume_create_fields, body, strlen(body), &req));
	return volume_create(h->v, h->a, &req, ret);
}

static void create_rows(void)
{
	static const struct {
		const char *body, *want; /* NULL: success */
	} rows[] = {
		{ "{\"Name\":\"vv\"}", NULL },
		{ "{\"Name\":\"vv\",\"DriverOpts\":{\"type\":\"tmpfs\"}}", NULL }, /* the existing one */
		{ "{}", NULL },
		{ "{\"Name\":\"x\"}", "create x: volume name is too short, names should be at least two alphanumeric characters" },
		{ "{\"Name\":\"a/b\"}", "create a/b: \"a/b\" includes invalid characters for a local volume name" },
		{ "{\"Name\":\"..\"}", "includes invalid characters" },
		{ "{\"Name\":\"nn\",\"DriverOpts\":{\"nosuch\":\"1\"}}", "create nn: invalid option: \"nosuch\"" },
		{ "{\"Name\":\"nn\",\"Driver\":\"zz\"}", "plugin \"zz\" not found" },
	};
	struct house h;

	begin(&h);
	for (size_t i = 0; i < ES_N(rows); i++) {
		struct docker_volume v;

		if (rows[i].want)
			CHECK_ERR(create(&h, rows[i].body, &v), rows[i].want);
		else
			CHECK_OK(create(&h, rows[i].body, &v));
	}
	end(&h);
}

static void remove_and_prune(void)
{
	struct docker_volume v;
	struct filters f = { 0 }, all = { 0 };
	uint64_t reclaimed;
	char **names;
	struct house h;

	begin(&h);
	CHECK_OK(create(&h, "{\"Name\":\"named\"}", &v));
	CHECK_OK(create(&h, "{}", &v));
	CHECK_OK(create(&h, "{\"Name\":\"used\"}", &v));
	h.user_of = "used";
	CHECK_ERR(volume_remove(h.v, "used", true), "remove used: volume is in use - [c1]");
	CHECK_ERR(volume_remove(h.v, "nosuch", false), "get nosuch: no such volume");
	CHECK_OK(volume_remove(h.v, "nosuch", true));
	CHECK_OK(volume_prune(h.v, h.a, &f, 145, &names, &reclaimed));
	CHECK_INT(strv_len(names), 1);
	CHECK_INT(strlen(names[0]), 64);
	CHECK_OK(filters_parse(h.a, "{\"all\":[\"true\"]}", &all));
	CHECK_OK(volume_prune(h.v, h.a, &all, 145, &names, &reclaimed));
	CHECK_INT(strv_len(names), 1);
	CHECK_STR(names[0], "named");
	end(&h);
}

static es_err *mount_for(struct house *h, const char *container_id, int *ret_fd)
{
	const struct volume_mounting use = { .name = "tt", .container_id = container_id, .destination = "/d", .rw = true };

	return volume_mount(h->v, &use, ret_fd);
}

static void own_mount_at_use(void)
{
	struct docker_volume v;
	struct statfs fs;
	struct house h;
	int one, two;

	if (unshare(CLONE_NEWNS) < 0)
		skip(); /* not root */
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	begin(&h);
	CHECK_OK(create(&h, "{\"Name\":\"tt\",\"DriverOpts\":{\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"o\":\"size=1m,noexec\"}}", &v));
	CHECK_OK(mount_for(&h, "c1", &one));
	CHECK_OK(mount_for(&h, "c2", &two));
	CHECK(fstatfs(one, &fs) == 0 && fs.f_type == 0x01021994 && fs.f_blocks * (uint64_t)fs.f_bsize == 1 << 20);
	{ /* one mount for both */
		struct stat a, b;

		CHECK(fstat(one, &a) == 0 && fstat(two, &b) == 0 && a.st_dev == b.st_dev);
	}
	es_close(one);
	es_close(two);
	volume_unmount(h.v, "tt", "c1", false);
	CHECK_ERR(volume_remove(h.v, "tt", false), "volume is in use");
	volume_unmount(h.v, "tt", "c2", false);
	{ /* nothing is mounted there any more, whatever file system /tmp has */
		es_autofree char *up = es_xasprintf("%s/..", v.mountpoint);
		struct stat point, parent;

		CHECK(stat(v.mountpoint, &point) == 0 && stat(up, &parent) == 0 && point.st_dev == parent.st_dev);
	}
	CHECK_STR(h.told, "create tt local\nmount tt local c1\nmount tt local c2\nunmount tt local c1\nunmount tt local c2\n");
	CHECK_OK(volume_remove(h.v, "tt", false));
	end(&h);
}

static void copy_up_keeps_what_it_copies(void)
{
	char root[] = "/tmp/estiba-copyup.XXXXXX";
	es_autoclose int top = -1, src = -1, dst = -1;
	struct stat a, b;

	CHECK(mkdtemp(root));
	top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(mkdirat(top, "src", 0751) == 0 && mkdirat(top, "dst", 0700) == 0 && mkdirat(top, "src/d", 01777) == 0);
	src = openat(top, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dst = openat(top, "dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_OK(file_replace(src, "d/f", "text", 4, 04755, false));
	CHECK(fchmodat(src, "d/f", 04755, 0) == 0 && fchmodat(src, "d", 01777, 0) == 0);
	CHECK(linkat(src, "d/f", src, "hard", 0) == 0 && symlinkat("/etc/nowhere", src, "soft") == 0);
	CHECK_OK(volume_copy_up(src, dst));
	CHECK(fstatat(dst, "d/f", &a, 0) == 0 && fstatat(dst, "hard", &b, 0) == 0);
	CHECK_INT(a.st_mode & 07777, 04755);
	CHECK_INT(a.st_ino, b.st_ino);
	CHECK(fstatat(dst, "d", &a, 0) == 0 && (a.st_mode & 07777) == 01777);
	CHECK(fstat(dst, &a) == 0 && (a.st_mode & 07777) == 0751);
	CHECK(fstatat(dst, "soft", &a, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(a.st_mode));
	CHECK_OK(file_replace(src, "late", "x", 1, 0644, false));
	CHECK_OK(volume_copy_up(src, dst)); /* not empty: nothing */
	CHECK(fstatat(dst, "late", &a, 0) < 0);
	CHECK_OK(file_remove_tree(AT_FDCWD, root));
}

CHECK_MAIN(TEST(create_rows), TEST(remove_and_prune), TEST(own_mount_at_use), TEST(copy_up_keeps_what_it_copies))

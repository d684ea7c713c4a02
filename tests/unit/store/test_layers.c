/* SPDX-License-Identifier: Apache-2.0 */
/* test_layers.c: layers in, stacks mounted, snapshots written, compared, packed and collected. Needs root. */
#include "store/layers.h"

#include <linux/mount.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "base/buf.h"
#include "base/str.h"
#include "check.h"
#include "store/fsck.h"
#include "store/gc.h"
#include "store/snapshot.h"
#include "tmproot.h"

#define ID1 "1111111111111111111111111111111111111111111111111111111111111111"
#define ID2 "2222222222222222222222222222222222222222222222222222222222222222"

/* The tar that SCRIPT makes of what it leaves in an empty directory, as an open file. PARTS is what tar is told to take. */
static int make_tar(const struct tmproot *t, const char *script, const char *parts)
{
	es_autofree char *cmd = es_xasprintf("set -e; rm -rf %s/w; mkdir %s/w; cd %s/w; (%s); tar --sort=name --mtime=@1 --numeric-owner -cf ../w.tar %s",
					     t->dir, t->dir, t->dir, script, parts);
	es_autofree char *path = es_xasprintf("%s/w.tar", t->dir);
	int fd;

	CHECK(system(cmd) == 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static void import(const struct tmproot *t, struct store *st, struct lease *lease, const char *script, const char *parts, struct layers_info *ret)
{
	es_autoclose int fd = make_tar(t, script, parts);

	CHECK_OK(layers_import(st, lease, fd, NULL, ret));
}

/* Bytes of PATH under the detached mount ROOT. */
static char *slurp(int root, const char *path)
{
	char *text = NULL;

	CHECK_OK(file_read(root, path, 4096, &text, NULL));
	return text;
}

static mode_t mode_of(int root, const char *path)
{
	struct stat st;

	CHECK(fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st.st_mode & 07777;
}

static bool has(int root, const char *path)
{
	return faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static size_t names_in(const struct tmproot *t, const char *dir)
{
	es_autofree char *cmd = es_xasprintf("ls -A %s/%s | wc -l", t->data, dir);
	FILE *f = popen(cmd, "r");
	size_t n = 99;

	CHECK(f && fscanf(f, "%zu", &n) == 1);
	pclose(f);
	return n;
}

static void in_and_out(void)
{
	struct tmproot t;
	es_autoarena *a = arena_new();
	struct store *st;
	struct layers_info info, again;
	struct lease *lease;
	uint64_t size;

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	lease = lease_new(st);
	import(&t, st, lease, "echo hi > a; mkdir d; chmod 1777 d", ".", &info);
	CHECK_INT(info.content_size, 3);
	CHECK(layers_has(st, info.diff_id));
	CHECK_OK(layers_stat(st, info.diff_id, &again));
	CHECK_STR(again.digest, info.digest);
	{
		es_autoclose int tar = -1, want = make_tar(&t, "echo hi > a; mkdir d; chmod 1777 d", ".");
		es_autofree char *x = NULL, *y = NULL;
		size_t nx, ny;

		CHECK_OK(layers_open_tar(st, info.diff_id, &tar, &size));
		CHECK_OK(file_read_all(tar, 1 << 20, &x, &nx)); /* what follows is not the tar's */
		CHECK_OK(file_read_all(want, 1 << 20, &y, &ny));
		CHECK(nx >= ny && ny == size && memcmp(x, y, ny) == 0);
	}
	/* Wrong digests, garbage: nothing remains. */
	{
		es_autoclose int fd = make_tar(&t, "echo other > a", ".");
		struct layers_want want = { .diff_id = "sha256:" ID1 };

		CHECK_ERR(layers_import(st, lease, fd, &want, NULL), "want sha256:" ID1);
		CHECK(lseek(fd, 1, SEEK_SET) == 1);
		CHECK_ERR(layers_import(st, lease, fd, NULL, NULL), NULL);
	}
	store_settle(st);
	CHECK_INT(names_in(&t, "partial"), 0);
	CHECK_INT(names_in(&t, "layers"), 1);
	lease_end(lease);
	store_close(st);
	tmproot_done(&t);
}

static void parents_that_a_tar_lacks_show_the_lower(void)
{
	struct tmproot t;
	struct store *st;
	struct layers_info base, top;
	es_autoclose int root = -1;

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	es_autolease *lease = lease_new(st);
	import(&t, st, lease, "mkdir tmp var; chmod 1777 tmp; chmod 700 var; chown 7:8 var; chmod 750 .; echo old > tmp/o", ".", &base);
	import(&t, st, lease, "mkdir -p tmp var/x var/z; echo new > tmp/n; echo y > var/x/y; echo z > var/z/z", "tmp/n var/x/y var/z/z", &top);
	char *stack[] = { base.diff_id, top.diff_id, NULL };
	CHECK_OK(layers_mount(st, stack, NULL, &root));
	CHECK_INT(mode_of(root, "tmp"), 01777);
	CHECK_INT(mode_of(root, "var"), 0700);
	CHECK_INT(mode_of(root, "var/x"), 0755);
	CHECK_INT(mode_of(root, "."), 0750);
	es_autofree char *old = slurp(root, "tmp/o"), *new = slurp(root, "tmp/n");
	CHECK_STR(old, "old\n");
	CHECK_STR(new, "new\n");
	CHECK(openat(root, "no", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0); /* read-only */
	es_close(ES_TAKE_FD(root));
	lease_end(ES_TAKE(lease));
	store_close(st);
	tmproot_done(&t);
}

static const char *const diff_script = "cd %s; echo x > new; rm etc/group; echo more >> etc/passwd; mkdir dir; echo y > dir/f; rm -r old; mkdir old; echo z > old/n";

static void snapshot_life(void)
{
	static const char want[] = "1 /dir\n1 /dir/f\n0 /etc\n2 /etc/group\n0 /etc/passwd\n1 /new\n0 /old\n2 /old/a\n2 /old/b\n1 /old/n\n";
	struct tmproot t;
	es_autoarena *a = arena_new();
	struct store *st;
	struct layers_info base, committed;
	struct snapshot_changes changes;
	struct snapshot_paths paths;
	es_autobuf got = ES_BUF(4096);
	uint64_t size;
	bool changed;

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	es_autolease *lease = lease_new(st);
	import(&t, st, lease, "mkdir etc old; echo u > etc/passwd; echo g > etc/group; echo a > old/a; echo b > old/b; chmod 711 .", ".", &base);
	char *stack[] = { base.diff_id, NULL };
	struct snapshot_spec spec = { .kind = SNAPSHOT_CONTAINER, .id = ID1, .stack = stack, .class = RECORD_RUN, .is_volatile = true };

	for (int round = 0; round < 2; round++) { /* the second time with every skeleton there already */
		CHECK_OK(snapshot_prepare(st, &spec));
		CHECK_ERR(snapshot_prepare(st, &spec), "exists already");
		es_autoclose int root = -1;
		CHECK_OK(snapshot_mount(st, SNAPSHOT_CONTAINER, ID1, &root));
		CHECK_INT(mode_of(root, "."), 0711);
		CHECK(has(root, "etc/resolv.conf") && has(root, "proc") && has(root, "dev/shm") && has(root, ".dockerenv"));
		CHECK_OK(snapshot_diff(st, a, SNAPSHOT_CONTAINER, ID1, &changes));
		CHECK_INT(changes.n, 0);
		CHECK_OK(snapshot_to_layer(st, lease, SNAPSHOT_CONTAINER, ID1, &committed, &changed));
		CHECK(!changed);
		es_autofree char *at = es_xasprintf("/proc/%d/fd/%d", (int)getpid(), root), *cmd = es_xasprintf(diff_script, at);
		CHECK(system(cmd) == 0);
		es_close(ES_TAKE_FD(root));
		CHECK_OK(snapshot_mount(st, SNAPSHOT_CONTAINER, ID1, &root)); /* volatile, and mounted again */
		es_close(ES_TAKE_FD(root));
		if (round == 0) {
			CHECK_OK(snapshot_remove(st, SNAPSHOT_CONTAINER, ID1));
			CHECK(!tmproot_has(&t, "containers/" ID1));
		}
	}
	CHECK_OK(snapshot_diff(st, a, SNAPSHOT_CONTAINER, ID1, &changes));
	for (size_t i = 0; i < changes.n; i++)
		es_buf_printf(&got, "%d %s\n", changes.items[i].kind, changes.items[i].path);
	CHECK_STR(es_buf_str(&got), want);
	CHECK_OK(snapshot_size(st, SNAPSHOT_CONTAINER, ID1, &size));
	CHECK_INT(size, 2 + 7 + 2 + 2);
	CHECK_OK(snapshot_paths(st, a, SNAPSHOT_CONTAINER, ID1, &paths));
	CHECK(str_ends(paths.upper, "/containers/" ID1 "/upper") && strstr(paths.lower, "/layers/"));
	CHECK_OK(snapshot_to_layer(st, lease, SNAPSHOT_CONTAINER, ID1, &committed, &changed));
	CHECK(changed && layers_has(st, committed.diff_id));
	char *both[] = { base.diff_id, committed.diff_id, NULL };
	es_autoclose int view = -1;
	CHECK_OK(layers_mount(st, both, NULL, &view));
	CHECK(has(view, "new") && !has(view, "etc/group") && !has(view, "etc/resolv.conf"));
	CHECK(has(view, "old/n") && !has(view, "old/a") && has(view, "etc/passwd") && mode_of(view, ".") == 0711);
	es_close(ES_TAKE_FD(view));
	lease_end(ES_TAKE(lease));
	store_close(st);
	tmproot_done(&t);
}

static void steps_freeze_and_stack(void)
{
	struct tmproot t;
	struct store *st;
	es_autoclose int root = -1;

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	CHECK_OK(snapshot_prepare(st, &(struct snapshot_spec){ .kind = SNAPSHOT_STEP, .id = ID1, .class = RECORD_DURABLE }));
	CHECK_OK(snapshot_mount(st, SNAPSHOT_STEP, ID1, &root));
	CHECK_OK(file_replace(root, "made", "1", 1, 0644, false));
	es_close(ES_TAKE_FD(root));
	CHECK_OK(snapshot_freeze(st, ID1));
	CHECK_ERR(snapshot_mount(st, SNAPSHOT_STEP, ID1, &root), "is finished");
	char *stack[] = { (char[]){ "step:" ID1 }, NULL };
	CHECK_OK(snapshot_prepare(st, &(struct snapshot_spec){ .kind = SNAPSHOT_STEP, .id = ID2, .stack = stack }));
	CHECK_OK(snapshot_mount(st, SNAPSHOT_STEP, ID2, &root));
	CHECK(has(root, "made"));
	es_close(ES_TAKE_FD(root));
	CHECK_OK(layers_mount(st, stack, NULL, &root));
	CHECK(has(root, "made") && !has(root, "proc"));
	es_close(ES_TAKE_FD(root));
	char *none[] = { NULL }, *bad[] = { (char[]){ "sha256:" ID1 }, NULL }, *worse[] = { (char[]){ "../../etc" }, NULL };
	CHECK_OK(layers_mount(st, none, NULL, &root));
	es_close(ES_TAKE_FD(root));
	CHECK_ERR(layers_mount(st, bad, NULL, &root), "no layer");
	CHECK_ERR(layers_mount(st, worse, NULL, &root), "is not a layer");
	store_close(st);
	tmproot_done(&t);
}

static void garbage_goes_and_leases_hold(void)
{
	struct tmproot t;
	es_autoarena *a = arena_new();
	struct store *st;
	struct layers_info keep, drop;
	struct gc_result r;
	struct fsck_report problems;
	char config[BLOB_DIGEST_MAX];

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	struct lease *lease = lease_new(st);
	import(&t, st, lease, "echo keep > k", ".", &keep);
	import(&t, st, lease, "echo drop > d", ".", &drop);
	es_autofree char *text = es_xasprintf("{\"rootfs\":{\"diff_ids\":[\"%s\"]}}", keep.diff_id);
	CHECK_OK(blob_put(st, lease, text, strlen(text), NULL, config));
	CHECK_ERR(blob_put(st, lease, "{}", 2, "sha256:" ID1, NULL), "want sha256:" ID1);
	es_autofree char *json = es_xasprintf("{\"layers\":[\"%s\"]}", keep.diff_id);
	CHECK_OK(record_put(st, &(struct record){ .kind = "image", .id = config, .json = json }));
	CHECK_OK(gc_run(st, &r));
	CHECK_INT(r.layers + r.blobs, 0); /* all held */
	lease_end(lease);
	CHECK_OK(gc_run(st, &r));
	CHECK_INT(r.layers, 1);
	CHECK_INT(r.blobs, 0);
	CHECK_INT(r.bytes, 5);
	CHECK(layers_has(st, keep.diff_id) && !layers_has(st, drop.diff_id));
	CHECK_OK(fsck_run(st, a, &(struct fsck_options){ 0 }, &problems));
	CHECK_INT(problems.problems.n, 0);
	{
		es_autofree char *dir = es_xasprintf("layers/%s", keep.diff_id + 7);
		es_autofree char *file = es_xasprintf("%s/%s/layer", t.data, dir), *tar = es_xasprintf("%s/%s/tar", t.data, dir);
		es_autoclose int as_file = open(file, O_WRONLY | O_CLOEXEC), as_tar = open(tar, O_WRONLY | O_CLOEXEC);

		CHECK(pwrite(as_file, "X", 1, 4096 + 600) == 1 || pwrite(as_tar, "X", 1, 600) == 1);
	}
	CHECK_OK(fsck_run(st, a, &(struct fsck_options){ 0 }, &problems));
	CHECK_INT(problems.problems.n, 1);
	CHECK(strstr(((struct fsck_problem *)problems.problems.items)->text, "is damaged"));
	CHECK_OK(fsck_run(st, a, &(struct fsck_options){ .repair = true }, &problems));
	CHECK_OK(fsck_run(st, a, &(struct fsck_options){ 0 }, &problems));
	CHECK_INT(problems.problems.n, 0);
	CHECK(!layers_has(st, keep.diff_id));
	store_close(st);
	tmproot_done(&t);
}

/* Class RUN does not survive a boot: neither does its directory. A layer directory without a record gives way to the real one. */
static void what_a_crash_leaves(void)
{
	struct tmproot t;
	struct store *st;
	struct layers_info info;

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	CHECK_OK(snapshot_prepare(st, &(struct snapshot_spec){ .kind = SNAPSHOT_CONTAINER, .id = ID1, .class = RECORD_RUN }));
	CHECK_OK(snapshot_prepare(st, &(struct snapshot_spec){ .kind = SNAPSHOT_CONTAINER, .id = ID2, .class = RECORD_DURABLE }));
	struct lease *lease = lease_new(st);
	import(&t, st, lease, "echo 1 > a", ".", &info);
	CHECK_OK(record_delete(st, "layer", info.diff_id));
	lease_end(lease);
	store_close(st);
	es_autofree char *boot = es_xasprintf("%s/boot_id", t.exec);
	CHECK(unlink(boot) == 0);
	CHECK_OK(tmproot_open(&t, &st));
	CHECK(!tmproot_has(&t, "containers/" ID1) && tmproot_has(&t, "containers/" ID2 "/upper"));
	CHECK_INT(names_in(&t, "layers"), 0);
	lease = lease_new(st);
	import(&t, st, lease, "echo 1 > a", ".", &info);
	CHECK(layers_has(st, info.diff_id));
	lease_end(lease);
	store_close(st);
	tmproot_done(&t);
}

/* Format 1 knew no layer files: its records say nothing of a form. */
static void a_root_of_format_1_goes_on(void)
{
	struct tmproot t;
	struct store *st;
	struct layers_info info;
	struct record r;
	es_autoarena *a = arena_new();
	sqlite3 *sql;

	tmproot_init(&t);
	CHECK(setenv("ESTIBA_TEST_LAYER_FORM", "directory", 1) == 0);
	CHECK_OK(tmproot_open(&t, &st));
	CHECK(unsetenv("ESTIBA_TEST_LAYER_FORM") == 0);
	struct lease *lease = lease_new(st);
	import(&t, st, lease, "echo old > a", ".", &info);
	CHECK_OK(record_get(st, a, "layer", info.diff_id, &r));
	char *json = arena_strdup(a, r.json), *form = strstr(json, ",\"form\":\"directory\"");
	CHECK(form);
	memmove(form, form + strlen(",\"form\":\"directory\""), strlen(form + strlen(",\"form\":\"directory\"")) + 1);
	CHECK_OK(record_put(st, &(struct record){ .kind = "layer", .id = info.diff_id, .json = json }));
	CHECK_OK(record_put(st, &(struct record){ .kind = "image", .id = "sha256:" ID1, .json = arena_printf(a, "{\"layers\":[\"%s\"]}", info.diff_id) }));
	lease_end(lease);
	store_close(st);
	es_autofree char *db = es_xasprintf("%s/estiba.db", t.data), *version = es_xasprintf("%s/version", t.data), *now = NULL;
	CHECK(sqlite3_open(db, &sql) == SQLITE_OK);
	CHECK(sqlite3_exec(sql, "PRAGMA user_version = 1", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(sql);
	CHECK_OK(file_replace(AT_FDCWD, version, "1\n", 2, 0644, false));
	CHECK_OK(tmproot_open(&t, &st));
	CHECK_OK(file_read(AT_FDCWD, version, 64, &now, NULL));
	CHECK_STR(now, "2\n");
	char *stack[] = { info.diff_id, NULL };
	es_autoclose int root = -1;
	CHECK_OK(layers_mount(st, stack, NULL, &root));
	es_autofree char *old = slurp(root, "a");
	CHECK_STR(old, "old\n");
	es_close(ES_TAKE_FD(root));
	store_close(st);
	tmproot_done(&t);
}

/* How layers lie on the disk is nobody's business. */
static void in_form(const char *form)
{
	CHECK(setenv("ESTIBA_TEST_LAYER_FORM", form, 1) == 0);
	in_and_out();
	parents_that_a_tar_lacks_show_the_lower();
	snapshot_life();
	steps_freeze_and_stack();
	garbage_goes_and_leases_hold();
	what_a_crash_leaves();
	CHECK(unsetenv("ESTIBA_TEST_LAYER_FORM") == 0);
}

static void all_of_it_as_directories(void)
{
	in_form("directory");
}

CHECK_MAIN(TEST(in_and_out), TEST(parents_that_a_tar_lacks_show_the_lower), TEST(snapshot_life), TEST(steps_freeze_and_stack),
	   TEST(garbage_goes_and_leases_hold), TEST(what_a_crash_leaves), TEST(all_of_it_as_directories),
	   TEST(a_root_of_format_1_goes_on))

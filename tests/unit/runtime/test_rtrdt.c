/* SPDX-License-Identifier: Apache-2.0 */
/* test_rtrdt.c: what is written where in a directory that stands for a resctrl file system. */
#include "runtime/rtrdt.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "check.h"

struct place {
	char path[32];
	int root;
	struct arena *a;
};

static struct place place_new(void)
{
	struct place p = { .path = "/tmp/test_rtrdt.XXXXXX", .a = arena_new() };

	CHECK(mkdtemp(p.path));
	p.root = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return p;
}

static void place_done(struct place *p)
{
	es_autofree char *name = es_xstrdup(p->path + 5);
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_OK(file_remove_tree(tmp, name));
	close(tmp);
	close(p->root);
	arena_free(p->a);
}

static void check_file(const struct place *p, const char *name, const char *want)
{
	es_autofree char *text = NULL;

	CHECK_OK(file_read(p->root, name, 4096, &text, NULL));
	CHECK_STR(text, want);
}

static char lines0[] = "L2:0=f", lines1[] = "MB:1=70", *lines[] = { lines0, lines1, NULL };

static void own_class(void)
{
	struct place p = place_new();
	struct oci_intel_rdt r = { .l3_cache_schema = "L3:0=7f0;1=1f", .mem_bw_schema = "MB:0=20", .schemata = lines };
	struct rtrdt g;

	CHECK_OK(rtrdt_prepare(p.a, p.root, &r, "c1", &g));
	check_file(&p, "c1/schemata", "L3:0=7f0;1=1f\nMB:0=20\nL2:0=f\nMB:1=70\n");
	CHECK_INT(rtrdt_join(&g, 4711), 0);
	check_file(&p, "c1/tasks", "4711");
	CHECK_STR(g.made, "c1");
	CHECK(!g.mon);
	/* the kernel's directories vanish with what is in them */
	CHECK(unlinkat(p.root, "c1/schemata", 0) == 0 && unlinkat(p.root, "c1/tasks", 0) == 0);
	rtrdt_remove(p.root, g.made, g.mon);
	CHECK(faccessat(p.root, "c1", F_OK, 0) < 0);
	rtrdt_done(&g);
	place_done(&p);
}

static void named_class(void)
{
	struct place p = place_new();
	struct oci_intel_rdt r = { .clos_id = "gold" };
	struct rtrdt g;

	/* without schemata it must be there */
	CHECK_ERR(rtrdt_prepare(p.a, p.root, &r, "c1", &g), "closID: no class of service gold");
	CHECK(faccessat(p.root, "gold", F_OK, 0) < 0);
	/* with schemata it is made, and stays */
	r.l3_cache_schema = "L3:0=7f0";
	CHECK_OK(rtrdt_prepare(p.a, p.root, &r, "c1", &g));
	CHECK(!g.made);
	rtrdt_done(&g);
	/* as the kernel shows it */
	CHECK_OK(file_replace(p.root, "gold/schemata", "    MB:0=100\n    L3:0=07f0;1=7ff\n", 33, 0644, false));
	CHECK_OK(rtrdt_prepare(p.a, p.root, &r, "c2", &g));
	rtrdt_done(&g);
	r.l3_cache_schema = "L3:0=7f1";
	CHECK_ERR(rtrdt_prepare(p.a, p.root, &r, "c3", &g), "its schemata are not \"L3:0=7f1\"");
	place_done(&p);
}

static void monitoring(void)
{
	struct place p = place_new();
	struct oci_intel_rdt r = { .clos_id = "/", .enable_monitoring = true };
	struct rtrdt g;

	CHECK_ERR(rtrdt_prepare(p.a, p.root, &r, "c1", &g), "enableMonitoring");
	CHECK(mkdirat(p.root, "mon_groups", 0755) == 0);
	CHECK_OK(rtrdt_prepare(p.a, p.root, &r, "c1", &g));
	CHECK_INT(rtrdt_join(&g, 12), 0);
	check_file(&p, "tasks", "12");
	check_file(&p, "mon_groups/c1/tasks", "12");
	CHECK(!g.made);
	CHECK(unlinkat(p.root, "mon_groups/c1/tasks", 0) == 0);
	rtrdt_remove(p.root, g.made, g.mon);
	CHECK(faccessat(p.root, "mon_groups/c1", F_OK, 0) < 0);
	rtrdt_done(&g);
	/* a class that was made for a container whose monitoring group cannot be goes again */
	r.clos_id = NULL;
	CHECK_ERR(rtrdt_prepare(p.a, p.root, &r, "c9", &g), "enableMonitoring");
	place_done(&p);
}

CHECK_MAIN(TEST(own_class), TEST(named_class), TEST(monitoring))

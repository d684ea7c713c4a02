/* SPDX-License-Identifier: Apache-2.0 */
/* rtrdt.c: directories, schemata and tasks of resctrl (the kernel's Documentation/arch/x86/resctrl.rst). */
#include "runtime/rtrdt.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"

#define RTRDT_MOUNTS_MAX (16u << 20) /* bytes of mountinfo */
#define RTRDT_SCHEMATA_MAX (64u << 10) /* bytes of a schemata file */

es_err *rtrdt_open(int *ret_root)
{
	es_autofree char *table = NULL;
	const char *path = NULL;

	ES_TRY(file_read(AT_FDCWD, "/proc/self/mountinfo", RTRDT_MOUNTS_MAX, &table, NULL));
	for (char *save, *line = strtok_r(table, "\n", &save); line && !path; line = strtok_r(NULL, "\n", &save)) {
		bool is_one = strstr(line, " - resctrl ") != NULL;
		char *at, *word = strtok_r(line, " ", &at);

		for (int i = 0; is_one && word && i < 4; i++)
			word = strtok_r(NULL, " ", &at);
		path = is_one ? word : NULL;
	}
	if (!path)
		return es_err_new(ES_E_UNSUPPORTED, "no resctrl file system is mounted (it needs a processor and a kernel with resource control: "
						    "mount -t resctrl resctrl /sys/fs/resctrl)");
	*ret_root = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_root < 0 ? es_err_sys(errno, "open %s", path) : NULL;
}

/* Each "0=7f0" of WANT is among those of HAVE. The kernel pads the name and the mask. */
static bool has_domains(const char *have, const char *want)
{
	es_autofree char *h = es_xstrdup(have), *w = es_xstrdup(want);
	es_autostrv in = strv_split(h, ';');
	es_autostrv asked = strv_split(w, ';');

	for (char **d = asked; *d; d++) {
		bool found = false;
		char *id = str_trim(*d), *mask = strchr(id, '=');

		for (char **e = in; mask && *e && !found; e++) {
			char *id2 = str_trim(*e), *mask2 = strchr(id2, '=');

			found = mask2 && mask2 - id2 == mask - id && strncmp(id, id2, (size_t)(mask - id)) == 0 &&
				strtoull(mask + 1, NULL, 16) == strtoull(mask2 + 1, NULL, 16);
		}
		if (!found)
			return false;
	}
	return true;
}

/* LINE ("L3:0=7f0;1=1f") is what the group has already. */
static bool has_line(const char *schemata, const char *line)
{
	es_autofree char *copy = es_xstrdup(schemata);
	size_t name = strcspn(line, ":") + 1;

	for (char *save, *have = strtok_r(copy, "\n", &save); have; have = strtok_r(NULL, "\n", &save)) {
		have = str_trim(have);
		if (strncmp(have, line, name) == 0 && has_domains(have + name, line + name))
			return true;
	}
	return false;
}

/* The lines in the order that the specification wants. */
static char **lines_of(struct arena *a, const struct oci_intel_rdt *r)
{
	char **lines = NULL;

	if (!str_empty(r->l3_cache_schema))
		lines = strv_arena_add(a, lines, r->l3_cache_schema);
	if (!str_empty(r->mem_bw_schema))
		lines = strv_arena_add(a, lines, r->mem_bw_schema);
	for (char **s = r->schemata; s && *s; s++)
		lines = strv_arena_add(a, lines, *s);
	return lines;
}

/* The files are the kernel's; only a directory that pretends to be resctrl gets them made. */
static int open_file(int dir, const char *name)
{
	return openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
}

static es_err *write_lines(int dir, char **lines)
{
	es_autoclose int fd = open_file(dir, "schemata");

	if (fd < 0)
		return es_err_sys(errno, "open schemata");
	for (; lines && *lines; lines++) {
		es_autofree char *text = es_xasprintf("%s\n", *lines);

		if (write(fd, text, strlen(text)) < 0) /* one line a call: the error belongs to it */
			return es_err_sys(errno, "write \"%s\" to schemata", *lines);
	}
	return NULL;
}

static es_err *compare_lines(int dir, const char *clos, char **lines)
{
	es_autofree char *text = NULL;

	ES_TRY(file_read(dir, "schemata", RTRDT_SCHEMATA_MAX, &text, NULL));
	for (; lines && *lines; lines++)
		if (!has_line(text, *lines))
			return es_err_new(ES_E_CONFLICT, "class of service %s exists, and its schemata are not \"%s\"", clos, *lines);
	return NULL;
}

/* Runs with everything that may have to be undone in G. */
static es_err *set_up(struct arena *a, int root, const struct oci_intel_rdt *r, const char *id, struct rtrdt *g)
{
	const char *clos = str_empty(r->clos_id) ? id : r->clos_id, *name = str_eq(clos, "/") ? "." : clos;
	char **lines = lines_of(a, r);
	es_autoclose int dir = -1;
	bool existed = false;

	if (str_empty(r->clos_id) || lines) {
		existed = mkdirat(root, name, 0755) < 0;
		if (existed && errno != EEXIST)
			return es_err_sys(errno, "make class of service %s", clos);
		if (!existed && str_empty(r->clos_id))
			g->made = name;
	}
	dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0 && errno == ENOENT)
		return es_err_new(ES_E_NOT_FOUND, "closID: no class of service %s", clos);
	if (dir < 0)
		return es_err_sys(errno, "open class of service %s", clos);
	if (lines)
		ES_TRY(existed ? compare_lines(dir, clos, lines) : write_lines(dir, lines));
	g->tasks = open_file(dir, "tasks");
	if (g->tasks < 0)
		return es_err_sys(errno, "open tasks of class of service %s", clos);
	if (r->enable_monitoring || r->enable_cmt || r->enable_mbm) {
		const char *mon = arena_printf(a, "%s/mon_groups/%s", name, id);

		if (mkdirat(root, mon, 0755) < 0)
			return es_err_sys(errno, "enableMonitoring: make %s", mon);
		g->mon = mon;
		mon = arena_printf(a, "%s/tasks", mon);
		g->mon_tasks = open_file(root, mon);
		if (g->mon_tasks < 0)
			return es_err_sys(errno, "open %s", mon);
	}
	return NULL;
}

es_err *rtrdt_prepare(struct arena *a, int root, const struct oci_intel_rdt *r, const char *id, struct rtrdt *ret)
{
	struct rtrdt g = RTRDT_NONE;
	es_err *err = set_up(a, root, r, id, &g);

	if (err) {
		rtrdt_remove(root, g.made, g.mon);
		rtrdt_done(&g);
		return err;
	}
	*ret = g;
	return NULL;
}

int rtrdt_join(const struct rtrdt *r, pid_t pid)
{
	const int files[] = { r->tasks, r->mon_tasks };
	char text[16];
	int n = snprintf(text, sizeof text, "%d", (int)pid);

	for (size_t i = 0; i < ES_N(files); i++)
		if (files[i] >= 0 && write(files[i], text, (size_t)n) != n)
			return errno;
	return 0;
}

void rtrdt_remove(int root, const char *made, const char *mon)
{
	if (mon)
		(void)unlinkat(root, mon, AT_REMOVEDIR);
	if (made)
		(void)unlinkat(root, made, AT_REMOVEDIR);
}

void rtrdt_done(struct rtrdt *r)
{
	es_close(r->tasks);
	es_close(r->mon_tasks);
	*r = RTRDT_NONE;
}

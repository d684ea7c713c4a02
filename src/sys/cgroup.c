/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup.c: hierarchies of this machine, and one group's life in them. */
#include "sys/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CGROUP_DIR (O_PATH | O_DIRECTORY | O_CLOEXEC)
#define MAKE_TRIES 5
#define EVACUATED "init" /* group for what was in the root of a container */
/* v2 controllers that containers use; hugetlb, rdma and misc where the kernel has them. The first ones are refused where processes
 * are, which the others are not: those would then turn the groups below invalid. */
static const char *const v2_controllers[] = { "memory", "io", "hugetlb", "cpu", "cpuset", "pids", "rdma", "misc" };

struct cgroup {
	const struct cgroup_host *host;
	char *path;
	int dir[CGROUP_HIER_MAX]; /* -1: not there */
	int tasks[CGROUP_HIER_MAX]; /* v1: tasks, for writing; -1: not opened */
	bool made[CGROUP_HIER_MAX]; /* by cgroup_create(), else found */
};

static void nap(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* ---- the host ---- */

static unsigned long fs_magic(const char *path)
{
	struct statfs st;

	return statfs(path, &st) == 0 ? (unsigned long)st.f_type : 0;
}

/* Not mounted is fine; one that is there and cannot be used is not: a container would be without its limits. */
static es_err *add_hier(struct cgroup_host *h, const char *controllers, const char *mount, const char *own, bool v2)
{
	unsigned long want = v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC;
	es_autoclose int fd = openat(AT_FDCWD, mount, CGROUP_DIR); /* musl's open() needs a second call for O_CLOEXEC */
	struct statfs st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	if (fd < 0 || fstatfs(fd, &st) < 0)
		return es_err_sys(errno, "open cgroup hierarchy %s", mount);
	if ((unsigned long)st.f_type != want)
		return NULL;
	if (h->n == CGROUP_HIER_MAX)
		return es_err_new(ES_E_LIMIT, "more than %d cgroup hierarchies", CGROUP_HIER_MAX);
	h->hier[h->n++] = (struct cgroup_hier){
		.controllers = es_xstrdup(controllers),
		.mount = es_xstrdup(mount),
		.own_path = es_xstrdup(own),
		.v2 = v2,
		.root_fd = ES_TAKE_FD(fd),
	};
	return NULL;
}

/* One line of /proc/self/cgroup: "4:cpu,cpuacct:/a/b", "1:name=systemd:/", "0::/a". A v1 hierarchy is mounted under its
 * controllers' names by every init system; one that is not is not used. */
static es_err *host_line(struct cgroup_host *h, bool pure_v2, char *line)
{
	char *controllers = strchr(line, ':'), *own, mount[300];

	if (!controllers)
		return NULL;
	*controllers++ = '\0';
	own = strchr(controllers, ':');
	if (!own)
		return NULL;
	*own++ = '\0';
	if (pure_v2)
		return *controllers ? NULL : add_hier(h, "", CGROUP_ROOT, own, true);
	if (!*controllers)
		return NULL;
	snprintf(mount, sizeof mount, CGROUP_ROOT "/%s", str_starts(controllers, "name=") ? controllers + 5 : controllers);
	return add_hier(h, controllers, mount, own, false);
}

es_err *cgroup_host_load(struct cgroup_host *ret)
{
	struct cgroup_host h = { 0 };
	es_autofree char *text = NULL;
	struct statfs root = { 0 };
	es_err *err = NULL;
	bool pure_v2;

	if (statfs(CGROUP_ROOT, &root) < 0 && errno != ENOENT)
		return es_err_sys(errno, "stat " CGROUP_ROOT);
	pure_v2 = (unsigned long)root.f_type == CGROUP2_SUPER_MAGIC;
	ES_TRY(file_read(AT_FDCWD, "/proc/self/cgroup", CGROUP_FILE_MAX, &text, NULL));
	for (char *save, *line = strtok_r(text, "\n", &save); !err && line; line = strtok_r(NULL, "\n", &save))
		err = host_line(&h, pure_v2, line);
	if (err) {
		cgroup_host_done(&h);
		return err;
	}
	if (pure_v2 && h.n)
		h.mode = CGROUP_V2;
	else if (h.n)
		h.mode = fs_magic(CGROUP_ROOT "/unified") == CGROUP2_SUPER_MAGIC ? CGROUP_HYBRID : CGROUP_V1;
	*ret = h;
	return NULL;
}

void cgroup_host_done(struct cgroup_host *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->hier[i].controllers);
		free(h->hier[i].mount);
		free(h->hier[i].own_path);
		es_close(h->hier[i].root_fd);
	}
	*h = (struct cgroup_host){ 0 };
}

/* ---- one group ---- */

static bool in_list(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, word, n) == 0 && (at[n] == ',' || at[n] == '\0'))
			return true;
	return false;
}

static int hier_of(const struct cgroup *cg, const char *controller)
{
	for (size_t i = 0; i < cg->host->n; i++)
		if (cg->host->hier[i].v2 || in_list(cg->host->hier[i].controllers, controller))
			return (int)i;
	return -1;
}

static struct cgroup *group_new(const struct cgroup_host *host, const char *path)
{
	struct cgroup *cg = ES_NEW(struct cgroup);

	cg->host = host;
	cg->path = es_xstrdup(path);
	for (size_t i = 0; i < CGROUP_HIER_MAX; i++)
		cg->dir[i] = cg->tasks[i] = -1;
	return cg;
}

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	for (size_t i = 0; i < CGROUP_HIER_MAX; i++) {
		es_close(cg->dir[i]);
		es_close(cg->tasks[i]);
	}
	free(cg->path);
	free(cg);
}

/* The group's path below the mount of H, without a leading slash. Heap. */
static char *path_below(const struct cgroup_hier *h, const char *path)
{
	const char *own = h->own_path;

	if (*path == '/') {
		while (*path == '/')
			path++;
		return es_xstrdup(path);
	}
	while (*own == '/')
		own++;
	return *own ? es_xasprintf("%s/%s", own, path) : es_xstrdup(path);
}

static es_err *check_path(const char *path)
{
	es_autostrv parts = strv_split(path, '/');

	if (!*path || str_eq(path, "/"))
		return es_err_new(ES_E_INVALID, "cgroup path \"%s\" is the root", path);
	for (char **p = parts; p && *p; p++)
		if (str_eq(*p, ".."))
			return es_err_new(ES_E_INVALID, "cgroup path \"%s\" leads upwards", path);
	return NULL;
}

/* A new v1 cpuset has no cpus and no nodes and takes no process until it gets some: the parent's. */
static es_err *inherit_cpuset(int parent, int child)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < ES_N(files); i++) {
		es_autofree char *text = NULL, *mine = NULL;

		ES_TRY(file_read(child, files[i], CGROUP_FILE_MAX, &mine, NULL));
		if (*str_trim(mine))
			continue;
		ES_TRY(file_read(parent, files[i], CGROUP_FILE_MAX, &text, NULL));
		ES_TRY(file_put(child, files[i], text));
	}
	return NULL;
}

/* Inside a container the mount begins at the container's own group, and its processes are in it: then it cannot hand out controllers. So
 * they move one down, as every engine in a container does it. The real root needs no such thing, and has no cgroup.type. */
static void evacuate(int root)
{
	es_autoclose int leaf = -1;

	if (faccessat(root, "cgroup.type", F_OK, 0) < 0 || (mkdirat(root, EVACUATED, 0755) < 0 && errno != EEXIST))
		return;
	leaf = openat(root, EVACUATED, CGROUP_DIR | O_NOFOLLOW);
	for (int round = 0; leaf >= 0 && round < MAKE_TRIES; round++) {
		es_autofree char *pids = NULL;

		es_err *err = file_read(root, "cgroup.procs", CGROUP_FILE_MAX, &pids, NULL);

		if (err || !*pids) {
			es_err_drop(err);
			return;
		}
		for (char *save, *pid = strtok_r(pids, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
			es_err_drop(file_put(leaf, "cgroup.procs", pid)); /* one that has ended, or is a zombie */
	}
}

/* Switch on, for the children of DIR, what DIR itself has. One that is refused is left off: a limit that needs it
 * will then say so by name. */
static void delegate(int dir, bool top)
{
	for (size_t i = 0; i < ES_N(v2_controllers); i++) {
		char word[16];
		es_err *err;

		snprintf(word, sizeof word, "+%s", v2_controllers[i]);
		err = file_put(dir, "cgroup.subtree_control", word);
		if (err && top && es_err_errno(err) == EBUSY) {
			es_err_drop(err);
			evacuate(dir);
			err = file_put(dir, "cgroup.subtree_control", word);
		}
		es_err_drop(err);
	}
}

/* Make the directories of PATH below H one by one; those that were missing are ours to configure. *RET_MADE: the last was. */
static es_err *make_path(const struct cgroup_hier *h, char *path, int *ret_fd, bool *ret_made)
{
	es_autoclose int at = fcntl(h->root_fd, F_DUPFD_CLOEXEC, 3);
	bool cpuset = in_list(h->controllers, "cpuset");
	size_t depth = 0;

	if (at < 0)
		return es_err_sys(errno, "duplicate descriptor of %s", h->mount);
	for (char *save, *name = strtok_r(path, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		es_autoclose int next = -1;
		bool made = mkdirat(at, name, 0755) == 0, top = depth++ == 0;

		if (!made && errno != EEXIST)
			return es_err_sys(errno, "make cgroup %s/%s", h->mount, name);
		if (h->v2)
			delegate(at, top);
		next = openat(at, name, CGROUP_DIR | O_NOFOLLOW);
		if (next < 0)
			return es_err_sys(errno, "open cgroup %s/%s", h->mount, name);
		if (cpuset)
			ES_TRY(es_err_in(inherit_cpuset(at, next), "cpuset %s/%s", h->mount, name));
		es_close(at);
		at = ES_TAKE_FD(next);
		*ret_made = made;
	}
	*ret_fd = ES_TAKE_FD(at);
	return NULL;
}

/* Others may take empty groups above ours away while we go down (cgroup_prune): then once more from the top. */
static es_err *make_path_surely(const struct cgroup_hier *h, const char *path, int *ret_fd, bool *ret_made)
{
	for (int tries = MAKE_TRIES;; tries--) {
		es_autofree char *below = path_below(h, path);
		es_err *err = make_path(h, below, ret_fd, ret_made);

		if (!err || es_err_errno(err) != ENOENT || tries == 1)
			return err;
		es_err_drop(err);
	}
}

es_err *cgroup_create(const struct cgroup_host *host, const char *path, struct cgroup **ret)
{
	es_autocgroup *cg = group_new(host, path);

	ES_TRY(check_path(path));
	if (host->mode == CGROUP_NONE)
		return es_err_new(ES_E_UNSUPPORTED, "no cgroup hierarchy is mounted on " CGROUP_ROOT);
	for (size_t i = 0; i < host->n; i++) {
		es_err *err = make_path_surely(&host->hier[i], path, &cg->dir[i], &cg->made[i]);

		if (!err && !host->hier[i].v2) {
			cg->tasks[i] = openat(cg->dir[i], "tasks", O_WRONLY | O_CLOEXEC);
			if (cg->tasks[i] < 0)
				err = es_err_sys(errno, "open tasks of %s%s", host->hier[i].mount, path);
		}
		if (err) {
			es_err_drop(cgroup_remove(cg));
			return err;
		}
	}
	*ret = ES_TAKE(cg);
	return NULL;
}

es_err *cgroup_open(const struct cgroup_host *host, const char *path, struct cgroup **ret)
{
	es_autocgroup *cg = group_new(host, path);
	bool any = false;

	ES_TRY(check_path(path));
	for (size_t i = 0; i < host->n; i++) {
		es_autofree char *below = path_below(&host->hier[i], path);

		cg->dir[i] = openat(host->hier[i].root_fd, below, CGROUP_DIR);
		if (cg->dir[i] < 0 && errno != ENOENT && errno != EACCES && errno != EPERM)
			return es_err_sys(errno, "open cgroup %s below %s", path, host->hier[i].mount);
		any = any || cg->dir[i] >= 0;
	}
	if (!any)
		return es_err_new(ES_E_NOT_FOUND, "no cgroup %s", path);
	*ret = ES_TAKE(cg);
	return NULL;
}

bool cgroup_existed(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->host->n; i++)
		if (!cg->made[i])
			return true;
	return false;
}

void cgroup_unmake(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->host->n; i++) {
		es_autofree char *below = path_below(&cg->host->hier[i], cg->path);

		if (cg->made[i])
			(void)unlinkat(cg->host->hier[i].root_fd, below, AT_REMOVEDIR);
	}
}

es_err *cgroup_of(const struct cgroup_host *host, pid_t pid, struct cgroup **ret)
{
	es_autofree char *file = es_xasprintf("/proc/%d/cgroup", (int)pid), *text = NULL;
	const char *path;

	ES_TRY(file_read(AT_FDCWD, file, CGROUP_FILE_MAX, &text, NULL));
	text[strcspn(text, "\n")] = '\0';
	path = str_after(text, "0::");
	if (host->mode != CGROUP_V2 || !path)
		return es_err_new(ES_E_NOT_FOUND, "no v2 cgroup of process %d", (int)pid);
	return cgroup_open(host, path, ret);
}

const char *cgroup_path(const struct cgroup *cg)
{
	return cg->path;
}

bool cgroup_is_v2(const struct cgroup *cg)
{
	return cg->host->mode == CGROUP_V2;
}

int cgroup_v2_fd(const struct cgroup *cg)
{
	return cgroup_is_v2(cg) ? cg->dir[0] : -1;
}

int cgroup_dir_fd(const struct cgroup *cg, const char *controller)
{
	int i = hier_of(cg, controller);

	return i < 0 ? -1 : cg->dir[i];
}

char *cgroup_dir_path(const struct cgroup *cg, const char *controller)
{
	int i = hier_of(cg, controller);
	es_autofree char *below = NULL;

	if (i < 0)
		return NULL;
	below = path_below(&cg->host->hier[i], cg->path);
	return es_xasprintf("%s/%s", cg->host->hier[i].mount, below);
}

static es_err *descend(struct cgroup *cg, size_t i, const char *below)
{
	int fd = openat(cg->dir[i], below, CGROUP_DIR | O_NOFOLLOW);

	if (fd < 0)
		return es_err_sys(errno, "adding pid to cgroup %s/%s of %s", cg->path, below, cg->host->hier[i].mount);
	es_close(cg->dir[i]);
	cg->dir[i] = fd;
	return NULL;
}

es_err *cgroup_descend(struct cgroup *cg, const char *controllers, const char *below)
{
	es_autostrv parts = strv_split(below, '/');
	es_autostrv names = controllers ? strv_split(controllers, ',') : NULL;
	bool wanted[CGROUP_HIER_MAX] = { false };

	for (char **p = parts; p && *p; p++)
		if (str_eq(*p, ".."))
			return es_err_new(ES_E_INVALID, "bad sub cgroup path: %s", below);
	for (char **c = names; c && *c; c++) {
		int i = cgroup_is_v2(cg) ? -1 : hier_of(cg, *c);

		if (i < 0)
			return es_err_new(ES_E_INVALID, "unknown controller %s", *c);
		wanted[i] = true;
	}
	below += strspn(below, "/");
	for (size_t i = 0; *below && i < cg->host->n; i++)
		if ((!controllers || wanted[i]) && cg->dir[i] >= 0)
			ES_TRY(descend(cg, i, below));
	return NULL;
}

es_err *cgroup_put(const struct cgroup *cg, const char *controller, const char *file, const char *text)
{
	int dir = cgroup_dir_fd(cg, controller);

	if (dir < 0)
		return es_err_new(ES_E_UNSUPPORTED, "cgroup controller %s is not mounted here (for %s)", controller, file);
	return es_err_in(file_put(dir, file, text), "cgroup %s", cg->path);
}

es_err *cgroup_put_i64(const struct cgroup *cg, const char *controller, const char *file, int64_t v)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)v);
	return cgroup_put(cg, controller, file, text);
}

es_err *cgroup_get(const struct cgroup *cg, const char *controller, const char *file, char **ret)
{
	int dir = cgroup_dir_fd(cg, controller);

	if (dir < 0)
		return es_err_new(ES_E_NOT_FOUND, "cgroup controller %s is not mounted here (for %s)", controller, file);
	return file_read(dir, file, CGROUP_FILE_MAX, ret, NULL);
}

es_err *cgroup_get_i64(const struct cgroup *cg, const char *controller, const char *file, int64_t *ret)
{
	es_autofree char *text = NULL;
	uint64_t v;

	ES_TRY(cgroup_get(cg, controller, file, &text));
	if (str_eq(str_trim(text), "max")) {
		*ret = INT64_MAX;
		return NULL;
	}
	ES_TRY(es_err_in(str_to_u64(text, 10, &v), "%s", file));
	*ret = v > INT64_MAX ? INT64_MAX : (int64_t)v;
	return NULL;
}

int cgroup_join_quiet(const struct cgroup *cg, pid_t pid, const char **ret_mount)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d", (int)pid);

	for (size_t i = 0; i < cg->host->n; i++) {
		int fd, errnum = 0;

		if (cg->dir[i] < 0)
			continue;
		fd = openat(cg->dir[i], "cgroup.procs", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, text, (size_t)n) < 0)
			errnum = errno;
		es_close(fd);
		if (errnum) {
			*ret_mount = cg->host->hier[i].mount;
			return errnum;
		}
	}
	return 0;
}

bool cgroup_joins_itself(const struct cgroup *cg)
{
	return !cgroup_is_v2(cg);
}

es_err *cgroup_join_itself(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->host->n; i++) {
		int fd = cg->tasks[i], errnum = 0;

		if (cg->dir[i] < 0)
			continue;
		if (fd < 0)
			fd = openat(cg->dir[i], "tasks", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) < 0)
			errnum = errno;
		if (fd != cg->tasks[i])
			es_close(fd);
		if (errnum)
			return es_err_sys(errnum, "join cgroup %s: %s", cg->host->hier[i].mount, cg->path);
	}
	return NULL;
}

es_err *cgroup_join(const struct cgroup *cg, pid_t pid)
{
	const char *mount = NULL;
	int errnum = cgroup_join_quiet(cg, pid, &mount);

	return errnum ? es_err_sys(errnum, "join cgroup %s%s", mount, cg->path) : NULL;
}

/* ---- freezing, killing, removing ---- */

static const char *freezer_state(const struct cgroup *cg, char *buf, size_t size)
{
	es_autofree char *text = NULL;
	es_autoerr es_err *err = NULL;

	err = cgroup_is_v2(cg) ? cgroup_get(cg, "", "cgroup.events", &text) : cgroup_get(cg, "freezer", "freezer.state", &text);
	if (err)
		return "";
	if (cgroup_is_v2(cg))
		return strstr(text, "frozen 1") ? "FROZEN" : "THAWED";
	snprintf(buf, size, "%s", str_trim(text));
	return buf;
}

bool cgroup_is_frozen(const struct cgroup *cg)
{
	char buf[32];

	return str_starts(freezer_state(cg, buf, sizeof buf), "FR"); /* FREEZING too */
}

/* A v1 freeze can hang halfway while processes fork or wait: writing the state again makes it try again. */
es_err *cgroup_freeze(const struct cgroup *cg, bool on)
{
	const char *want = on ? "FROZEN" : "THAWED";
	char buf[32];

	for (int tries = 0; tries < 1000; tries++) {
		if (cgroup_is_v2(cg))
			ES_TRY(cgroup_put(cg, "", "cgroup.freeze", on ? "1" : "0"));
		else
			ES_TRY(cgroup_put(cg, "freezer", "freezer.state", want));
		if (str_eq(freezer_state(cg, buf, sizeof buf), want))
			return NULL;
		nap(tries < 20 ? 1 : 5);
	}
	if (on)
		es_err_drop(cgroup_freeze(cg, false));
	return es_err_new(ES_E_TIMEOUT, "cgroup %s did not become %s", cg->path, want);
}

struct pid_list {
	pid_t *p;
	size_t n, cap;
};

static void list_pids(struct pid_list *l, const char *text)
{
	for (const char *at = text; *at;) {
		char *end;
		long v = strtol(at, &end, 10);

		if (end == at)
			break;
		if (l->n == l->cap) {
			l->cap = l->cap ? l->cap * 2 : 32;
			l->p = es_xrealloc(l->p, l->cap * sizeof *l->p);
		}
		l->p[l->n++] = (pid_t)v;
		at = *end == '\n' ? end + 1 : end;
	}
}

/* Call FN for every child group of DIR; stops at an error. */
static es_err *each_child(int dir, es_err *(*fn)(int parent, const char *name, void *arg), void *arg)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	es_err *err = NULL;

	if (!d) {
		es_close(fd);
		return errno == ENOENT ? NULL : es_err_sys(errno, "list cgroup");
	}
	for (struct dirent *e; !err && (e = readdir(d));)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			err = fn(dir, e->d_name, arg);
	closedir(d);
	return err;
}

static es_err *collect(int parent, const char *name, void *arg)
{
	es_autoclose int dir = openat(parent, name, CGROUP_DIR | O_NOFOLLOW);
	es_autofree char *text = NULL;
	es_err *err = dir < 0 ? NULL : file_read(dir, "cgroup.procs", 16u << 20, &text, NULL);

	if (dir < 0 || (err && (es_err_class(err) == ES_E_NOT_FOUND || es_err_errno(err) == ENODEV))) {
		es_err_drop(err);
		return NULL; /* removed meanwhile */
	}
	ES_TRY(err);
	list_pids(arg, text);
	return each_child(dir, collect, arg);
}

es_err *cgroup_procs(const struct cgroup *cg, pid_t **ret_pids, size_t *ret_n)
{
	struct pid_list l = { 0 };
	int dir = cgroup_dir_fd(cg, "pids");
	es_err *err;

	for (size_t i = 0; dir < 0 && i < cg->host->n; i++)
		dir = cg->dir[i];
	err = dir < 0 ? NULL : collect(dir, ".", &l);
	if (err) {
		free(l.p);
		return err;
	}
	*ret_pids = l.p;
	*ret_n = l.n;
	return NULL;
}

es_err *cgroup_kill(const struct cgroup *cg)
{
	bool v1_freezer = !cgroup_is_v2(cg) && cgroup_dir_fd(cg, "freezer") >= 0;

	if (cgroup_is_v2(cg)) {
		es_err *err = cgroup_put(cg, "", "cgroup.kill", "1");

		if (!err)
			return NULL;
		es_err_drop(err); /* before 5.14, or a threaded group: one by one */
	}
	for (int round = 0; round < 20; round++) {
		es_autofree pid_t *pids = NULL;
		size_t n = 0;

		ES_TRY(cgroup_procs(cg, &pids, &n));
		if (n == 0) /* nobody is there to fork */
			return NULL;
		if (v1_freezer) {
			es_err_drop(cgroup_freeze(cg, true));
			free(ES_TAKE(pids));
			ES_TRY(cgroup_procs(cg, &pids, &n));
		}
		for (size_t i = 0; i < n; i++)
			kill(pids[i], SIGKILL);
		if (v1_freezer)
			es_err_drop(cgroup_freeze(cg, false));
		nap(1);
	}
	return NULL;
}

static es_err *remove_group(int parent, const char *name, void *arg)
{
	int64_t deadline = *(int64_t *)arg;

	for (;;) {
		es_autoclose int dir = -1;

		if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return NULL;
		if (errno != EBUSY && errno != ENOTEMPTY)
			return es_err_sys(errno, "remove cgroup %s", name);
		dir = openat(parent, name, CGROUP_DIR | O_NOFOLLOW);
		if (dir >= 0)
			ES_TRY(each_child(dir, remove_group, arg));
		if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return NULL;
		if (clock_mono_ns() > deadline)
			return es_err_sys(EBUSY, "remove cgroup %s", name);
		nap(1);
	}
}

es_err *cgroup_remove(const struct cgroup *cg)
{
	int64_t deadline = clock_mono_ns() + CLOCK_NS_PER_S;
	es_err *first = NULL;

	for (size_t i = 0; i < cg->host->n; i++) {
		es_autofree char *below = path_below(&cg->host->hier[i], cg->path);
		es_err *err = remove_group(cg->host->hier[i].root_fd, below, &deadline);

		if (err && first)
			es_err_drop(err);
		else if (err)
			first = es_err_in(err, "%s", cg->host->hier[i].mount);
	}
	return first;
}

void cgroup_prune(const struct cgroup_host *host, const char *path)
{
	for (size_t i = 0; i < host->n; i++) {
		es_autofree char *below = path_below(&host->hier[i], path);

		(void)unlinkat(host->hier[i].root_fd, below, AT_REMOVEDIR);
	}
}

es_err *cgroup_leave(const struct cgroup_host *host)
{
	for (size_t i = 0; i < host->n; i++)
		ES_TRY(es_err_in(file_put(host->hier[i].root_fd, "cgroup.procs", "0"), "%s", host->hier[i].mount));
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* idmap.c: translate ids, write maps, make namespaces that hold them. */
#include "sys/idmap.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "sys/caps.h"
#include "sys/clone.h"
#include "sys/pidfd.h"
#include "sys/procfs.h"
#include "sys/spawn.h"

static es_err *translate(const struct idmap_range *r, size_t n, const char *kind, uint32_t inside, uint32_t *ret)
{
	if (n == 0) {
		*ret = inside;
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (inside >= r[i].inside && inside - r[i].inside < r[i].size) {
			*ret = r[i].outside + (inside - r[i].inside);
			return NULL;
		}
	return es_err_new(ES_E_INVALID, "%s %u is not mapped", kind, inside);
}

es_err *idmap_uid(const struct idmap *m, uint32_t inside, uint32_t *ret_outside)
{
	return translate(m ? m->uids : NULL, m ? m->n_uids : 0, "uid", inside, ret_outside);
}

es_err *idmap_gid(const struct idmap *m, uint32_t inside, uint32_t *ret_outside)
{
	return translate(m ? m->gids : NULL, m ? m->n_gids : 0, "gid", inside, ret_outside);
}

static es_err *put_map(int proc, pid_t pid, const char *file, const struct idmap_range *r, size_t n)
{
	es_autobuf b = ES_BUF(64u << 10);
	char path[40];

	for (size_t i = 0; i < n; i++)
		es_buf_printf(&b, "%u %u %u\n", r[i].inside, r[i].outside, r[i].size);
	ES_TRY(es_buf_check(&b));
	snprintf(path, sizeof path, "%d/%s", (int)pid, file);
	return procfs_put(proc, path, es_buf_str(&b));
}

static void add_number(char ***argv, uint32_t v)
{
	char text[16];

	snprintf(text, sizeof text, "%u", v);
	strv_add(argv, text);
}

/* newuidmap(1), newgidmap(1): their arguments are the pid and the three numbers of every range. */
static es_err *run_helper(const char *program, const char *table, pid_t pid, const struct idmap_range *r, size_t n)
{
	es_autofree char *path = es_xasprintf("/usr/bin/%s", program);
	es_autoclose int said = (int)syscall(SYS_memfd_create, "said", 1u /* MFD_CLOEXEC */);
	es_autostrv argv = NULL;
	char text[512] = "";
	int status;

	if (access(path, X_OK) < 0)
		return es_err_new(ES_E_UNSUPPORTED, "a map of more than one's own id needs %s, which is not installed", program);
	strv_add(&argv, program);
	add_number(&argv, (uint32_t)pid);
	for (size_t i = 0; i < n; i++) {
		add_number(&argv, r[i].inside);
		add_number(&argv, r[i].outside);
		add_number(&argv, r[i].size);
	}
	struct spawn_fd fds[] = { { said, 2 } };
	ES_TRY(spawn_wait(&(struct spawn){ .path = path, .argv = (const char *const *)argv, .fds = fds, .n_fds = 1 }, &status));
	if (status == 0)
		return NULL;
	(void)!pread(said, text, sizeof text - 1, 0);
	return es_err_new(ES_E_FORBIDDEN, "%s (does %s grant the range?)", *text ? str_trim(text) : program, table);
}

static bool is_own(const struct idmap_range *r, size_t n, uint32_t own)
{
	return n == 1 && r->size == 1 && r->outside == own;
}

es_err *idmap_write(const struct idmap *m, pid_t pid)
{
	es_autoclose int proc = -1;
	bool by_helper = !caps_have(CAP_SETUID) || !caps_have(CAP_SETGID);
	char path[40];

	ES_TRY(procfs_host(&proc));
	if (by_helper && !is_own(m->uids, m->n_uids, geteuid()))
		ES_TRY(es_err_in(run_helper("newuidmap", "/etc/subuid", pid, m->uids, m->n_uids), "uid map"));
	else
		ES_TRY(es_err_in(put_map(proc, pid, "uid_map", m->uids, m->n_uids), "uid map"));
	if (by_helper && !is_own(m->gids, m->n_gids, getegid()))
		return es_err_in(run_helper("newgidmap", "/etc/subgid", pid, m->gids, m->n_gids), "gid map");
	if (by_helper) {
		snprintf(path, sizeof path, "%d/setgroups", (int)pid);
		ES_TRY(procfs_put(proc, path, "deny"));
	}
	return es_err_in(put_map(proc, pid, "gid_map", m->gids, m->n_gids), "gid map");
}

static es_err *read_map(struct arena *a, int proc, pid_t pid, const char *file, const struct idmap_range **ret, size_t *ret_n)
{
	struct idmap_range *r = ARENA_ARRAY(a, struct idmap_range, IDMAP_RANGES);
	es_autofree char *text = NULL;
	es_autoclose int fd = -1;
	char path[40], *at;
	size_t n = 0;

	snprintf(path, sizeof path, "%d/%s", (int)pid, file);
	ES_TRY(procfs_open(proc, path, O_RDONLY, &fd));
	ES_TRY(file_read_all(fd, 64u << 10, &text, NULL));
	for (at = text; *at && n < IDMAP_RANGES; n++) {
		unsigned v[3] = { 0 };

		if (sscanf(at, "%u %u %u", &v[0], &v[1], &v[2]) != 3)
			break;
		r[n] = (struct idmap_range){ v[0], v[1], v[2] };
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	*ret = r;
	*ret_n = n;
	return NULL;
}

es_err *idmap_read(struct arena *a, pid_t pid, struct idmap *ret)
{
	es_autoclose int proc = -1;

	ES_TRY(procfs_host(&proc));
	ES_TRY(read_map(a, proc, pid, "uid_map", &ret->uids, &ret->n_uids));
	return read_map(a, proc, pid, "gid_map", &ret->gids, &ret->n_gids);
}

bool idmap_equal(const struct idmap *a, const struct idmap *b)
{
	return a->n_uids == b->n_uids && a->n_gids == b->n_gids && memcmp(a->uids, b->uids, a->n_uids * sizeof *a->uids) == 0 &&
	       memcmp(a->gids, b->gids, a->n_gids * sizeof *a->gids) == 0;
}

static int sleeper(void *arg)
{
	while (arg == NULL)
		pause();
	return 0;
}

/* A namespace lives as long as something holds it: a child that sleeps, until we have its descriptor. */
es_err *idmap_userns(const struct idmap *m, int *ret_fd)
{
	int pidfd = -1, status, ns = -1;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = clone_call(&args, NULL, sleeper, NULL);
	char path[40];
	es_err *err;

	if (pid < 0)
		return es_err_sys(-pid, "make user namespace");
	err = idmap_write(m, pid);
	if (!err) {
		snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
		ns = open(path, O_RDONLY | O_CLOEXEC);
		if (ns < 0)
			err = es_err_sys(errno, "open %s", path);
	}
	es_err_drop(pidfd_signal(pidfd, SIGKILL));
	es_err_drop(pidfd_reap(pidfd, &status));
	es_close(pidfd);
	if (!err)
		*ret_fd = ns;
	return err;
}

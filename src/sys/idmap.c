/* SPDX-License-Identifier: Apache-2.0 */
/* idmap.c: translate ids, write maps, make namespaces that hold them. */
#include "sys/idmap.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/buf.h"
#include "sys/clone.h"
#include "sys/pidfd.h"
#include "sys/procfs.h"

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

es_err *idmap_write(const struct idmap *m, pid_t pid)
{
	es_autoclose int proc = -1;
	char path[40];

	ES_TRY(procfs_host(&proc));
	if (geteuid() != 0) {
		snprintf(path, sizeof path, "%d/setgroups", (int)pid);
		ES_TRY(procfs_put(proc, path, "deny"));
	}
	ES_TRY(put_map(proc, pid, "uid_map", m->uids, m->n_uids));
	return put_map(proc, pid, "gid_map", m->gids, m->n_gids);
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

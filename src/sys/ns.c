/* SPDX-License-Identifier: Apache-2.0 */
/* ns.c: the table of namespace kinds and setns(2). */
#include "sys/ns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/str.h"

const struct ns_row ns_rows[NS_N] = {
	[NS_USER] = { "user", "user", CLONE_NEWUSER },
	[NS_MOUNT] = { "mount", "mnt", CLONE_NEWNS },
	[NS_UTS] = { "uts", "uts", CLONE_NEWUTS },
	[NS_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
	[NS_PID] = { "pid", "pid", CLONE_NEWPID },
	[NS_NET] = { "network", "net", CLONE_NEWNET },
	[NS_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
	[NS_TIME] = { "time", "time", CLONE_NEWTIME },
};

#define NS_FIRST_USER 0xeffffffdu /* inode of the first user namespace: PROC_USER_INIT_INO in the kernel's proc_ns.h */

bool ns_user_is_first(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == NS_FIRST_USER;
}

int ns_kind_of(const char *name)
{
	for (int i = 0; i < NS_N; i++)
		if (str_eq(ns_rows[i].name, name))
			return i;
	return -1;
}

es_err *ns_open(enum ns_kind kind, const char *path, int *ret_fd)
{
	es_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	int type;

	if (fd < 0)
		return es_err_sys(errno, "open %s namespace %s", ns_rows[kind].name, path);
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type < 0 || (uint64_t)(unsigned)type != ns_rows[kind].flag)
		return es_err_new(ES_E_INVALID, "%s is not a %s namespace", path, ns_rows[kind].name);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *ns_join(enum ns_kind kind, int fd)
{
	if (syscall(SYS_setns, fd, (int)ns_rows[kind].flag) < 0)
		return es_err_sys(errno, "join %s namespace", ns_rows[kind].name);
	return NULL;
}

es_err *ns_join_of(int pidfd, uint64_t flags)
{
	if (flags && syscall(SYS_setns, pidfd, (int)flags) < 0)
		return es_err_sys(errno, "join namespaces of the container");
	return NULL;
}

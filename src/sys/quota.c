/* SPDX-License-Identifier: Apache-2.0 */
/* quota.c: quotactl_fd(2) and the extended file attributes that hold a project id. */
#include "sys/quota.h"

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

static long call(int fd, unsigned cmd, uint32_t project, void *arg)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(cmd, (unsigned)PRJQUOTA), project, arg);
}

es_err *quota_check(int fd)
{
	struct fs_quota_statv state = { .qs_version = FS_QSTATV_VERSION1 };

	if (call(fd, Q_XGETQSTATV, 0, &state) == 0 && (state.qs_flags & FS_QUOTA_PDQ_ENFD))
		return NULL;
	if (call(-1, Q_XGETQSTATV, 0, &state) < 0 && errno == ENOSYS) /* the file system's answer can be that, too */
		return es_err_new(ES_E_UNSUPPORTED, "this kernel has no quotactl_fd(2) (Linux 5.14 with CONFIG_QUOTA)");
	return es_err_new(ES_E_UNSUPPORTED, "no project quotas are enforced there (mount option prjquota; ext4 needs mkfs.ext4 -O quota,project besides)");
}

es_err *quota_limit(int fd, uint32_t project, uint64_t bytes)
{
	struct if_dqblk q = {
		.dqb_bhardlimit = bytes / QIF_DQBLKSIZE + (bytes % QIF_DQBLKSIZE != 0),
		.dqb_valid = QIF_BLIMITS,
	};

	return call(fd, Q_SETQUOTA, project, &q) < 0 ? es_err_sys(errno, "limit project %u to %llu bytes", project, (unsigned long long)bytes) : NULL;
}

es_err *quota_inodes(int fd, uint32_t project, uint64_t *ret)
{
	struct if_dqblk q = { 0 };

	*ret = 0;
	if (call(fd, Q_GETQUOTA, project, &q) < 0)
		return errno == ENOENT ? NULL : es_err_sys(errno, "ask for the quota of project %u", project); /* xfs: never used */
	*ret = q.dqb_curinodes;
	return NULL;
}

es_err *quota_join(int dir_fd, uint32_t project)
{
	struct fsxattr x;

	if (ioctl(dir_fd, FS_IOC_FSGETXATTR, &x) < 0)
		return es_err_sys(errno, "read the project of a directory");
	x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	x.fsx_projid = project;
	return ioctl(dir_fd, FS_IOC_FSSETXATTR, &x) < 0 ? es_err_sys(errno, "put a directory into project %u", project) : NULL;
}

uint32_t quota_project(int dir_fd)
{
	struct fsxattr x;

	return ioctl(dir_fd, FS_IOC_FSGETXATTR, &x) < 0 ? 0 : x.fsx_projid;
}

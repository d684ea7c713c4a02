/* SPDX-License-Identifier: Apache-2.0 */
/* procfs.c: prove, open, write. */
#include "sys/procfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define PROCFS_ROOT_INO 1 /* of every procfs: PROC_ROOT_INO in the kernel's proc_ns.h */

es_err *procfs_check(int fd)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return es_err_sys(errno, "stat procfs");
	if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROCFS_ROOT_INO)
		return es_err_new(ES_E_FORBIDDEN, "not the root of a procfs");
	return NULL;
}

es_err *procfs_host(int *ret_fd)
{
	es_autoclose int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return es_err_sys(errno, "open /proc");
	ES_TRY(es_err_in(procfs_check(fd), "/proc"));
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *procfs_open(int proc, const char *path, int flags, int *ret_fd)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOCTTY),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, proc, path, &how, sizeof how);

	if (fd < 0)
		return es_err_sys(errno, "open /proc/%s", path);
	*ret_fd = fd;
	return NULL;
}

es_err *procfs_put(int proc, const char *path, const char *text)
{
	es_autoclose int fd = -1;

	ES_TRY(procfs_open(proc, path, O_WRONLY, &fd));
	if (write(fd, text, strlen(text)) < 0)
		return es_err_sys(errno, "write \"%s\" to /proc/%s", text, path);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c: the doors, one function each. */
#include "layer/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys/caps.h"
#include "sys/landlock.h"
#include "sys/seccomp.h"

#define ADDRESS_SPACE_MAX ((rlim_t)2 << 30) /* zstd's and xz's windows, the buffers, what malloc keeps */

/* All that unpacking, packing, memory and one thread need; no socket, no exec, no signal to others, no ptrace, no mount. */
static const int allowed[] = {
	SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_writev, SYS_close, SYS_lseek, SYS_fstat, SYS_newfstatat, SYS_statx,
	SYS_openat, SYS_openat2, SYS_getdents64, SYS_readlinkat, SYS_mkdirat, SYS_mknodat, SYS_symlinkat, SYS_linkat, SYS_unlinkat,
	SYS_renameat2, SYS_fchown, SYS_fchownat, SYS_fchmod, SYS_fchmodat, SYS_utimensat, SYS_ftruncate, SYS_fallocate, SYS_fchdir,
	SYS_fsetxattr, SYS_lsetxattr, SYS_fgetxattr, SYS_lgetxattr, SYS_flistxattr, SYS_llistxattr, SYS_fsync, SYS_fdatasync,
	SYS_fcntl, SYS_fadvise64, SYS_splice, SYS_copy_file_range, SYS_ppoll,
	SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk,
	SYS_futex, SYS_set_robust_list, SYS_rseq, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn, SYS_sched_yield,
	SYS_sched_getaffinity, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_clock_gettime, SYS_getrandom, SYS_prlimit64, SYS_restart_syscall,
	SYS_exit, SYS_exit_group,
};

static void close_dumping(void)
{
	struct rlimit none = { 0, 0 }, files;
	const struct rlimit memory = { ADDRESS_SPACE_MAX, ADDRESS_SPACE_MAX };

	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	if (!ES_SANITIZED)
		(void)setrlimit(RLIMIT_AS, &memory);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* Without CAP_SYS_CHROOT the descriptor and openat2(RESOLVE_IN_ROOT) stand alone. */
static es_err *close_path(int root_fd)
{
	if (root_fd < 0)
		return NULL;
	if (fchdir(root_fd) < 0)
		return es_err_sys(errno, "enter the directory");
	if (chroot(".") < 0 && errno != EPERM)
		return es_err_sys(errno, "chroot");
	return NULL;
}

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static es_err *close_landlock(const struct sandbox *s)
{
	es_autolandlock l = { .fd = -1 };

	ES_TRY(landlock_begin(2, &l)); /* ABI 1 would refuse every hard link between two directories */
	if (s->root_fd >= 0)
		ES_TRY(landlock_allow(&l, s->root_fd, s->writes ? l.all & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE : READ_RIGHTS));
	for (size_t i = 0; i < s->n_read_fds; i++)
		ES_TRY(landlock_allow(&l, s->read_fds[i], READ_RIGHTS));
	return landlock_enforce(&l);
}

#define CAP(n) (UINT64_C(1) << (n))

static es_err *close_capabilities(const struct sandbox *s)
{
	uint64_t keep = CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER);
	struct caps c = { 0 };

	if (s->writes)
		keep |= CAP(CAP_CHOWN) | CAP(CAP_FSETID) | CAP(CAP_MKNOD) | CAP(CAP_SETFCAP);
	if (s->root_fd < 0)
		keep = 0;
	if (s->trusted_xattrs)
		keep |= CAP(CAP_SYS_ADMIN);
	c.effective = c.permitted = keep;
	es_err_drop(caps_limit(&c)); /* nothing is executed any more */
	return caps_apply(&c);
}

es_err *sandbox_enter(const struct sandbox *s)
{
	(void)umask(0);
	close_dumping();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return es_err_sys(errno, "no_new_privs");
	ES_TRY(close_path(s->root_fd));
	ES_TRY(close_landlock(s));
	ES_TRY(close_capabilities(s));
	return seccomp_allow_only(allowed, ES_N(allowed), NULL, 0);
}

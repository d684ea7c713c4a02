/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c: the doors, one function each. */
#include "layer/sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys/caps.h"
#include "sys/seccomp.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define ADDRESS_SPACE_MAX ((rlim_t)2 << 30) /* zstd's and xz's windows, the buffers, what malloc keeps */

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "name the audit architecture of this machine"
#endif

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
	if (!SANITIZED)
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

static es_err *allow_tree(int ruleset, int fd, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };

	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return es_err_sys(errno, "landlock rule");
	return NULL;
}

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static es_err *close_landlock(const struct sandbox *s)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = { 0 };
	es_autoclose int ruleset = -1;

	if (abi < 0)
		return NULL; /* not in this kernel, or not switched on */
	attr.handled_access_fs = (UINT64_C(1) << (abi >= 3 ? 15 : abi == 2 ? 14 : 13)) - 1;
	if (abi == 1)
		return NULL; /* it would refuse every hard link between two directories */
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (ruleset < 0)
		return es_err_sys(errno, "landlock");
	if (s->root_fd >= 0)
		ES_TRY(allow_tree(ruleset, s->root_fd,
				  s->writes ? attr.handled_access_fs & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE : READ_RIGHTS));
	for (size_t i = 0; i < s->n_read_fds; i++)
		ES_TRY(allow_tree(ruleset, s->read_fds[i], READ_RIGHTS));
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return es_err_sys(errno, "landlock");
	return NULL;
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

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
/* When the accumulator is K: go on, else skip N instructions. */
#define UNLESS_SKIP(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (n))

/* Other calls fail with ENOSYS, so that the C library takes its older ways; another architecture's calls kill. */
static es_err *close_system_calls(void)
{
	static const struct sock_filter head[] = {
		LOAD(arch),
		UNLESS_SKIP(OUR_ARCH, 1),
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		/* clone(2) only for a thread of our own */
		LOAD(nr),
		UNLESS_SKIP(SYS_clone, 4),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_ERRNO | ENOSYS),
	};
	struct sock_filter program[ES_N(head) + 2 * ES_N(allowed) + 1];
	size_t n = ES_N(head);

	memcpy(program, head, sizeof head);
	for (size_t i = 0; i < ES_N(allowed); i++) {
		program[n++] = (struct sock_filter)UNLESS_SKIP((uint32_t)allowed[i], 1);
		program[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	program[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | ENOSYS);
	return SANITIZED ? NULL : seccomp_load(program, n * sizeof program[0], SECCOMP_FILTER_FLAG_TSYNC);
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
	return close_system_calls();
}

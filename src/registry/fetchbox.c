/* SPDX-License-Identifier: Apache-2.0 */
/* fetchbox.c: the doors of estiba-fetch, one function each. */
#include "registry/fetchbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "spec/oci_image.h"
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

#define NOBODY 65534
#define ADDRESS_SPACE_MAX ((rlim_t)1 << 30)
#define FILES_MAX 64
/* What it writes into files are documents; layers go into pipes. */
#define FILE_SIZE_MAX ((rlim_t)OCI_CONFIG_MAX)

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "name the audit architecture of this machine"
#endif

/* What libcurl, OpenSSL, glibc's resolver and its one thread need. No exec, no signal to others, no ptrace, nothing that makes,
 * changes or removes a name. */
static const int allowed[] = {
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_close, SYS_lseek, SYS_fstat, SYS_newfstatat, SYS_statx,
	SYS_openat, SYS_getdents64, SYS_readlinkat, SYS_faccessat, SYS_faccessat2, SYS_fcntl, SYS_ioctl, SYS_ftruncate, SYS_pipe2,
	SYS_eventfd2,
	SYS_connect, SYS_bind, SYS_getsockname, SYS_getpeername, SYS_setsockopt, SYS_getsockopt, SYS_sendto, SYS_recvfrom,
	SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_shutdown, SYS_socketpair, SYS_ppoll,
	SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk,
	SYS_futex, SYS_set_robust_list, SYS_rseq, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn, SYS_sched_yield,
	SYS_sched_getaffinity, SYS_getpid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_tgkill, SYS_uname, SYS_sysinfo,
	SYS_clock_gettime, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_getrandom, SYS_prlimit64, SYS_restart_syscall,
	SYS_exit, SYS_exit_group,
#ifdef SYS_poll /* not on arm64 */
	SYS_poll, SYS_stat, SYS_lstat, SYS_access, SYS_open, SYS_readlink, SYS_time, SYS_pipe,
#endif
};

/* What is read besides the library itself: names, certificates, OpenSSL's configuration. Missing ones are fine. */
static const char *const trees[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
	"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ld.so.cache", "/etc/localtime", "/etc/passwd",
	"/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/pki", "/var/lib/ca-certificates",
	"/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/dev/urandom", "/dev/null",
};

static void limit(int what, rlim_t most)
{
	struct rlimit l;

	if (getrlimit(what, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max = l.rlim_max < most ? l.rlim_max : most;
	(void)setrlimit(what, &l);
}

static void close_limits(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, FILES_MAX);
	limit(RLIMIT_FSIZE, FILE_SIZE_MAX);
	if (!SANITIZED)
		limit(RLIMIT_AS, ADDRESS_SPACE_MAX);
}

/* Root becomes nobody. In a user namespace that does not know nobody, it stays what it is and loses its capabilities. */
static es_err *close_user(void)
{
	const struct caps none = { 0 };

	if (geteuid() == 0) {
		es_err_drop(caps_limit(&none)); /* nothing is executed any more */
		(void)setgroups(0, NULL);
		if ((setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0) && errno != EINVAL)
			return es_err_sys(errno, "become nobody");
		(void)prctl(PR_SET_DUMPABLE, 0); /* a change of user sets it anew */
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return es_err_sys(errno, "no_new_privs");
	return caps_apply(&none);
}

static es_err *allow_tree(int ruleset, const char *path)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE };
	es_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	if (S_ISDIR(st.st_mode))
		rule.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
	rule.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return es_err_sys(errno, "landlock rule for %s", path);
	return NULL;
}

static es_err *close_trees(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = { 0 };
	es_autoclose int ruleset = -1;

	if (abi < 0)
		return NULL; /* not in this kernel, or not switched on */
	attr.handled_access_fs = (UINT64_C(1) << (abi >= 3 ? 15 : abi == 2 ? 14 : 13)) - 1;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (ruleset < 0)
		return es_err_sys(errno, "landlock");
	for (size_t i = 0; i < ES_N(trees); i++)
		ES_TRY(allow_tree(ruleset, trees[i]));
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return es_err_sys(errno, "landlock");
	return NULL;
}

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
/* When the accumulator is K: go on, else skip N instructions. */
#define UNLESS_SKIP(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (n))
#define IF_SKIP(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (n), 0)

/* Other calls fail with ENOSYS, so that libraries take their older ways; another architecture's calls kill. Sockets are those of the
 * internet and of routing questions (getaddrinfo asks which addresses this machine has): no unix socket, so no daemon of this machine. */
static es_err *close_system_calls(void)
{
	static const struct sock_filter head[] = {
		LOAD(arch),
		UNLESS_SKIP(OUR_ARCH, 1),
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		/* clone(2) only for a thread of our own */
		UNLESS_SKIP(SYS_clone, 4),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_ERRNO | ENOSYS),
		UNLESS_SKIP(SYS_socket, 9),
		LOAD(args[0]),
		IF_SKIP(AF_INET, 5),
		IF_SKIP(AF_INET6, 4),
		UNLESS_SKIP(AF_NETLINK, 4),
		LOAD(args[2]),
		IF_SKIP(NETLINK_ROUTE, 1),
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT),
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

es_err *fetchbox_enter(void)
{
	close_limits();
	ES_TRY(close_user());
	ES_TRY(close_trees());
	return close_system_calls();
}

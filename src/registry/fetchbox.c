/* SPDX-License-Identifier: Apache-2.0 */
/* fetchbox.c: the doors of estiba-fetch, one function each. */
#include "registry/fetchbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "spec/oci_image.h"
#include "sys/caps.h"
#include "sys/landlock.h"
#include "sys/seccomp.h"

#define NOBODY 65534
#define ADDRESS_SPACE_MAX ((rlim_t)1 << 30)
#define FILES_MAX 64
/* What it writes into files are documents; layers go into pipes. */
#define FILE_SIZE_MAX ((rlim_t)OCI_CONFIG_MAX)

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
	if (!ES_SANITIZED)
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

static es_err *allow_tree(const struct landlock *l, const char *path)
{
	es_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
	uint64_t rights = LANDLOCK_ACCESS_FS_READ_FILE;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	if (S_ISDIR(st.st_mode))
		rights |= LANDLOCK_ACCESS_FS_READ_DIR;
	return es_err_in(landlock_allow(l, fd, rights), "%s", path);
}

static es_err *close_trees(void)
{
	es_autolandlock l = { .fd = -1 };

	ES_TRY(landlock_begin(1, &l));
	for (size_t i = 0; i < ES_N(trees); i++)
		ES_TRY(allow_tree(&l, trees[i]));
	return landlock_enforce(&l);
}

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
/* When the accumulator is K: go on, else skip N instructions. */
#define UNLESS_SKIP(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (n))
#define IF_SKIP(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (n), 0)

/* Sockets are those of the internet and of routing questions (getaddrinfo asks which addresses this machine has): no unix socket, so no
 * daemon of this machine. */
static const struct sock_filter sockets[] = {
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

es_err *fetchbox_enter(void)
{
	close_limits();
	ES_TRY(close_user());
	ES_TRY(close_trees());
	return seccomp_allow_only(allowed, ES_N(allowed), sockets, ES_N(sockets));
}

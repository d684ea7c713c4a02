/* SPDX-License-Identifier: Apache-2.0 */
/* secprofile.c: docker's default profile as a table, profiles of users, and the cache of compiled filters. */
#include "engine/secprofile.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/sha256.h"
#include "sys/caps.h"
#include "sys/spawn.h"

#define PROFILE_MAX ((size_t)1 << 20)
#define FILTER_MAX ((size_t)1 << 20)
#define FILTERS_MAX 32 /* that are kept */

#if defined(__x86_64__)
#define ARCH_DOCKER "amd64"
static const char *const arches[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" };
#elif defined(__aarch64__)
#define ARCH_DOCKER "arm64"
static const char *const arches[] = { "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM" };
#else
#error "no seccomp architectures known for this machine"
#endif

/* What any container may call: everything that concerns only itself. */
static const char always[] =
	"accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime "
	"clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 "
	"close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
	"epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 "
	"fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 "
	"fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate "
	"ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 "
	"getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid "
	"getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid "
	"getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr inotify_add_watch inotify_init "
	"inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 ioprio_get "
	"ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 "
	"lgetxattr link linkat listen listxattr llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise "
	"map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 "
	"mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink "
	"mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open "
	"openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 "
	"prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace "
	"pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg "
	"remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask "
	"rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity "
	"sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval "
	"sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select "
	"semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 "
	"setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid "
	"setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area "
	"set_tid_address setuid setuid32 setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask "
	"sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs "
	"sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
	"timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate "
	"truncate64 ugetrlimit umask uname unlink unlinkat utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid "
	"waitpid write writev"
#if defined(__x86_64__)
	" arch_prctl modify_ldt"
#else
	" arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"
#endif
	;

/* What a capability opens. */
static const struct {
	const char *cap, *names;
} by_cap[] = {
	{ "CAP_DAC_READ_SEARCH", "open_by_handle_at" },
	{ "CAP_SYS_ADMIN",
	  "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree "
	  "perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare" },
	{ "CAP_SYS_BOOT", "reboot" },
	{ "CAP_SYS_CHROOT", "chroot" },
	{ "CAP_SYS_MODULE", "delete_module init_module finit_module" },
	{ "CAP_SYS_PACCT", "acct" },
	{ "CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace" },
	{ "CAP_SYS_RAWIO", "iopl ioperm" },
	{ "CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64" },
	{ "CAP_SYS_TTY_CONFIG", "vhangup" },
	{ "CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node" },
	{ "CAP_SYSLOG", "syslog" },
	{ "CAP_BPF", "bpf" },
	{ "CAP_PERFMON", "perf_event_open" },
};

/* ---- building the document ---- */

static struct json *rule(struct arena *a, struct json *syscalls, const char *names, const char *action)
{
	struct json *r = json_new_object(a), *list = json_new_array(a);
	es_autostrv v = strv_split(names, ' ');

	for (size_t i = 0; v[i]; i++)
		json_append(list, json_new_str(a, v[i]));
	json_set(a, r, "names", list);
	json_set_str(a, r, "action", action);
	json_append(syscalls, r);
	return r;
}

static void rule_arg(struct arena *a, struct json *r, int64_t index, uint64_t value, uint64_t value_two, const char *op)
{
	struct json *args = json_new_array(a), *arg = json_new_object(a);

	json_set_i64(a, arg, "index", index);
	json_set(a, arg, "value", json_new_u64(a, value));
	if (value_two)
		json_set(a, arg, "valueTwo", json_new_u64(a, value_two));
	json_set_str(a, arg, "op", op);
	json_append(args, arg);
	json_set(a, r, "args", args);
}

static struct json *document(struct arena *a, const char *default_action, int64_t default_errno, struct json *syscalls)
{
	struct json *doc = json_new_object(a), *list = json_new_array(a);

	json_set_str(a, doc, "defaultAction", default_action);
	if (strcmp(default_action, "SCMP_ACT_ERRNO") == 0) /* no other takes one */
		json_set_i64(a, doc, "defaultErrnoRet", default_errno);
	for (size_t i = 0; i < ES_N(arches); i++)
		json_append(list, json_new_str(a, arches[i]));
	json_set(a, doc, "architectures", list);
	json_set(a, doc, "syscalls", syscalls);
	return doc;
}

static struct json *built_in(struct arena *a, char **caps)
{
	static const uint64_t personalities[] = { 0x0, 0x8, 0x20000, 0x20008, 0xffffffff };
	struct json *s = json_new_array(a);

	rule(a, s, always, "SCMP_ACT_ALLOW");
	rule_arg(a, rule(a, s, "socket", "SCMP_ACT_ALLOW"), 0, 40 /* AF_VSOCK */, 0, "SCMP_CMP_NE");
	for (size_t i = 0; i < ES_N(personalities); i++)
		rule_arg(a, rule(a, s, "personality", "SCMP_ACT_ALLOW"), 0, personalities[i], 0, "SCMP_CMP_EQ");
	for (size_t i = 0; i < ES_N(by_cap); i++)
		if (strv_has(caps, by_cap[i].cap))
			rule(a, s, by_cap[i].names, "SCMP_ACT_ALLOW");
	if (!strv_has(caps, "CAP_SYS_ADMIN")) {
		/* no new namespaces: the CLONE_NEW* bits; clone3 hides its flags from a filter, so libcs are sent to clone */
		rule_arg(a, rule(a, s, "clone", "SCMP_ACT_ALLOW"), 0, 0x7e020000, 0, "SCMP_CMP_MASKED_EQ");
		json_set_i64(a, rule(a, s, "clone3", "SCMP_ACT_ERRNO"), "errnoRet", 38 /* ENOSYS */);
	}
	return document(a, "SCMP_ACT_ERRNO", 1, s);
}

/* ---- profiles of users, docker's form ---- */

static bool lists(const struct json *list, const char *word)
{
	JSON_EACH(at, list)
		if (json_str(at) && strcmp(json_str(at), word) == 0)
			return true;
	return false;
}

static bool any_cap(const struct json *list, char **caps)
{
	JSON_EACH(at, list)
		if (json_str(at) && strv_has(caps, json_str(at)))
			return true;
	return false;
}

static bool all_caps(const struct json *list, char **caps)
{
	JSON_EACH(at, list)
		if (!json_str(at) || !strv_has(caps, json_str(at)))
			return false;
	return true;
}

/* "4.8" against the running kernel. */
static bool kernel_is(const char *min)
{
	struct utsname u;
	unsigned major, minor, want_major, want_minor;

	if (!min || uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2 ||
	    sscanf(min, "%u.%u", &want_major, &want_minor) != 2)
		return true;
	return major > want_major || (major == want_major && minor >= want_minor);
}

static bool applies(const struct json *call, char **caps)
{
	const struct json *in = json_get(call, "includes"), *out = json_get(call, "excludes");
	const struct json *in_arches = json_get(in, "arches"), *out_arches = json_get(out, "arches");
	const char *in_min = json_str(json_get(in, "minKernel")), *out_min = json_str(json_get(out, "minKernel"));

	if (in_arches && in_arches->n && !lists(in_arches, ARCH_DOCKER))
		return false;
	if (!all_caps(json_get(in, "caps"), caps) || !kernel_is(in_min))
		return false;
	return !lists(out_arches, ARCH_DOCKER) && !any_cap(json_get(out, "caps"), caps) && !(out_min && kernel_is(out_min));
}

static es_err *users(struct arena *a, const char *text, char **caps, struct json **ret)
{
	static const char *const copied[] = { "action", "errnoRet", "args" };
	struct json *doc, *s = json_new_array(a);
	const char *action;

	ES_TRY(es_err_in(json_parse(a, text, strlen(text), &doc), "Decoding seccomp profile failed"));
	action = json_str(json_get(doc, "defaultAction"));
	if (!action)
		return es_err_new(ES_E_INVALID, "Decoding seccomp profile failed: no defaultAction");
	JSON_EACH(call, json_get(doc, "syscalls")) {
		struct json *r = json_new_object(a), *names = json_get(call, "names"), *name = json_get(call, "name");

		if (!applies(call, caps))
			continue;
		if (!names || !names->n) {
			if (!json_str(name))
				return es_err_new(ES_E_INVALID, "Decoding seccomp profile failed: a rule without names");
			names = json_new_array(a);
			json_append(names, json_new_str(a, json_str(name)));
		}
		json_set(a, r, "names", json_copy(a, names));
		for (size_t i = 0; i < ES_N(copied); i++)
			if (json_get(call, copied[i]))
				json_set(a, r, copied[i], json_copy(a, json_get(call, copied[i])));
		json_append(s, r);
	}
	*ret = document(a, action, json_i64(json_get(doc, "defaultErrnoRet"), 1), s);
	return NULL;
}

es_err *secprofile_document(struct arena *a, const char *profile, char **caps, struct json **ret)
{
	if (profile)
		return users(a, profile, caps, ret);
	*ret = built_in(a, caps);
	return NULL;
}

/* ---- compile and keep ---- */

/* Run the helper with the argument ARG (or none) and TEXT as its input; what it writes. */
static es_err *ask_helper(struct engine *e, const char *arg, const char *text, size_t len, char **ret, size_t *ret_len)
{
	const char *argv[] = { "estiba-seccomp", arg, NULL };
	es_autoclose int in = memfd_create("seccomp-profile", MFD_CLOEXEC), out = memfd_create("seccomp-filter", MFD_CLOEXEC);
	const struct spawn_fd fds[] = { { in, 0 }, { out, 1 }, { STDERR_FILENO, 2 } };
	const struct spawn s = { .path = e->seccomp_program, .argv = argv, .fds = fds, .n_fds = ES_N(fds) };
	int status;

	if (in < 0 || out < 0)
		return es_err_sys(errno, "memfd_create");
	ES_TRY(file_write_all(in, text, len));
	if (lseek(in, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "lseek");
	ES_TRY(es_err_in(spawn_wait(&s, &status), "estiba-seccomp"));
	if (status != 0)
		return es_err_new(ES_E_INVALID, "the seccomp profile cannot be compiled");
	if (lseek(out, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "lseek");
	return file_read_all(out, FILTER_MAX, ret, ret_len);
}

/* What a filter depends on besides its profile: the compiler, its library, and the actions that the kernel has. Once per daemon. */
static es_err *stamp(struct engine *e, const char **ret)
{
	es_autofree char *version = NULL, *actions = NULL;
	es_err *err = NULL;

	(void)pthread_mutex_lock(&e->last_filter.lock);
	if (!e->last_filter.stamp) {
		err = ask_helper(e, "--version", "", 0, &version, NULL);
		es_err_drop(file_read(AT_FDCWD, "/proc/sys/kernel/seccomp/actions_avail", 4096, &actions, NULL)); /* since 4.14 */
		if (!err)
			e->last_filter.stamp = es_xasprintf("%s%s", version, actions ? actions : "");
	}
	*ret = e->last_filter.stamp;
	(void)pthread_mutex_unlock(&e->last_filter.lock);
	return err;
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Room for one more: without the one that has not been used for longest. A start that has it open goes on with it. */
static es_err *make_room(struct engine *e)
{
	es_autostrv names = NULL;
	es_autofree char *oldest = NULL;
	struct timespec when = { 0 };

	ES_TRY(file_names(e->exec_root_fd, "seccomp", &names));
	if (strv_len(names) < FILTERS_MAX)
		return NULL;
	for (char **n = names; *n; n++) {
		es_autofree char *path = es_xasprintf("seccomp/%s", *n);
		struct stat st;

		if (fstatat(e->exec_root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || (oldest && !is_older(&st.st_mtim, &when)))
			continue;
		free(oldest);
		oldest = ES_TAKE(path);
		when = st.st_mtim;
	}
	if (oldest && unlinkat(e->exec_root_fd, oldest, 0) < 0 && errno != ENOENT)
		return es_err_sys(errno, "remove %s", oldest);
	return NULL;
}

/* *RET_PATH, on the heap, is the filter's below the exec root. */
static es_err *compiled(struct engine *e, const struct json *doc, char **ret_path, int *ret_fd)
{
	es_autobuf text = ES_BUF(PROFILE_MAX);
	struct sha256 sum;
	char hex[SHA256_HEX + 1];
	es_autofree char *path = NULL, *filter = NULL;
	const char *compiler;
	size_t len;
	int fd;

	json_write(&text, doc, 0);
	ES_TRY(es_buf_check(&text));
	ES_TRY(stamp(e, &compiler));
	sha256_init(&sum);
	sha256_add(&sum, compiler, strlen(compiler));
	sha256_add(&sum, text.p, text.len);
	(void)sha256_end_hex(&sum, hex);
	path = es_xasprintf("seccomp/%s", hex);
	fd = openat(e->exec_root_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		ES_TRY(file_mkdir_p(e->exec_root_fd, "seccomp", 0700));
		ES_TRY(ask_helper(e, NULL, text.p, text.len, &filter, &len));
		ES_TRY(make_room(e));
		ES_TRY(file_replace(e->exec_root_fd, path, filter, len, 0400, false));
		fd = openat(e->exec_root_fd, path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	(void)futimens(fd, NULL); /* used now: make_room() */
	*ret_path = ES_TAKE(path);
	*ret_fd = fd;
	return NULL;
}

/* False: the container runs without a filter. *RET is NULL for the built-in profile, a path of the daemon's host or a text. */
static bool choose(struct engine *e, const struct docker_host_config *hc, const char **ret)
{
	const char *profile = NULL;

	for (char **at = hc->security_opt; at && *at; at++)
		if (str_starts(*at, "seccomp="))
			profile = *at + strlen("seccomp=");
	if (hc->privileged && !profile)
		return false;
	if (!profile)
		profile = e->cfg->seccomp_profile;
	*ret = profile && (strcmp(profile, "builtin") == 0 || !*profile) ? NULL : profile;
	return !profile || strcmp(profile, "unconfined") != 0;
}

static es_err *document_of(struct arena *a, const char *profile, char **caps, struct json **ret)
{
	es_autofree char *file_text = NULL;

	if (profile && *profile == '/') { /* the daemon's own; clients send the text */
		ES_TRY(es_err_in(file_read(AT_FDCWD, profile, PROFILE_MAX, &file_text, NULL), "seccomp profile"));
		profile = file_text;
	}
	return secprofile_document(a, profile, caps, ret);
}

es_err *secprofile_of(struct engine *e, struct arena *a, const struct docker_host_config *hc, char **caps, struct json **ret)
{
	const char *profile;

	*ret = NULL;
	return choose(e, hc, &profile) ? document_of(a, profile, caps, ret) : NULL;
}

/* The built-in profile depends on the capabilities only, and nearly every container has the same: its document (50 kB) need not be
 * written to know the filter's name. -1: another set than last time. */
static int open_last(struct engine *e, const char *caps)
{
	es_autofree char *path = NULL;
	int fd;

	(void)pthread_mutex_lock(&e->last_filter.lock);
	if (e->last_filter.caps && strcmp(e->last_filter.caps, caps) == 0)
		path = es_xstrdup(e->last_filter.path);
	(void)pthread_mutex_unlock(&e->last_filter.lock);
	fd = path ? openat(e->exec_root_fd, path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0)
		(void)futimens(fd, NULL); /* used now: make_room() */
	return fd;
}

static void keep_last(struct engine *e, const char *caps, char *path)
{
	(void)pthread_mutex_lock(&e->last_filter.lock);
	free(e->last_filter.caps);
	free(e->last_filter.path);
	e->last_filter.caps = es_xstrdup(caps);
	e->last_filter.path = path;
	(void)pthread_mutex_unlock(&e->last_filter.lock);
}

es_err *secprofile_filter(struct engine *e, struct arena *a, const struct docker_host_config *hc, char **caps, int *ret_fd)
{
	es_autofree char *key = NULL, *path = NULL;
	const char *profile;
	struct json *doc;

	*ret_fd = -1;
	if (!choose(e, hc, &profile))
		return NULL;
	key = profile ? NULL : strv_join(caps, " ");
	*ret_fd = key ? open_last(e, key) : -1;
	if (*ret_fd >= 0)
		return NULL;
	ES_TRY(document_of(a, profile, caps, &doc));
	ES_TRY(compiled(e, doc, &path, ret_fd));
	if (key)
		keep_last(e, key, ES_TAKE(path));
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rtproc.c: limits, identity, filters and the final exec of a container's process. */
#include "runtime/rtproc.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "runtime/rtnotify.h"
#include "spec/ocicheck.h"
#include "sys/clone.h"
#include "sys/procfs.h"
#include "sys/seccomp.h"

#define RTPROC_PASSWD_MAX (4u << 20)
#define RTPROC_NODES_MAX 1024 /* memory nodes */
#define RTPROC_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* strerror as Go spells it: runc's texts, which docker's clients match on, begin in lower case. */
static const char *lower_error(int errnum, char *buf, size_t size)
{
	snprintf(buf, size, "%s", strerror(errnum));
	buf[0] = (char)tolower((unsigned char)buf[0]);
	return buf;
}

/* ---- prepare ---- */

static uint64_t cap_set(char *const *names, const char *which)
{
	const char *unknown = NULL;
	uint64_t set = caps_set(names, &unknown);

	if (unknown)
		log_line(LOG_L_WARN, "ignoring unknown capability %s in %s", unknown, which);
	return set;
}

static void prepare_caps(const struct oci_caps *c, struct rtproc *r)
{
	if (!c)
		return;
	r->has_caps = true;
	r->caps = (struct caps){
		.bounding = cap_set(c->bounding, "bounding"),
		.effective = cap_set(c->effective, "effective"),
		.permitted = cap_set(c->permitted, "permitted"),
		.inheritable = cap_set(c->inheritable, "inheritable"),
		.ambient = cap_set(c->ambient, "ambient"),
	};
	for (unsigned i = 0; i <= CAPS_LAST; i++)
		if (r->caps.ambient & ~(r->caps.inheritable & r->caps.permitted) & (UINT64_C(1) << i))
			log_line(LOG_L_WARN, "can't raise ambient capability %s: it is not both inheritable and permitted", caps_name(i));
}

static es_err *prepare_label(struct arena *a, struct rtproc *r)
{
	const struct oci_process *p = r->p;

	if (!str_empty(p->apparmor_profile)) {
		if (access("/sys/kernel/security/apparmor", F_OK) < 0)
			return es_err_new(ES_E_UNSUPPORTED, "process.apparmorProfile: AppArmor is not enabled in this kernel");
		r->lsm_text = arena_printf(a, "exec %s", p->apparmor_profile);
		r->lsm_file = access("/proc/self/attr/apparmor/exec", F_OK) == 0 ? "thread-self/attr/apparmor/exec"
										 : "thread-self/attr/exec";
	} else if (!str_empty(p->selinux_label)) {
		if (access("/sys/fs/selinux", F_OK) < 0)
			return es_err_new(ES_E_UNSUPPORTED, "process.selinuxLabel: SELinux is not enabled in this kernel");
		r->lsm_text = p->selinux_label;
		r->lsm_file = "thread-self/attr/exec";
	}
	return NULL;
}

/* Of several values of one name the last holds, at the place of the first: C libraries would read the first. */
static char **env_once(struct arena *a, char *const *env)
{
	size_t n = env ? strv_len(env) : 0, at = 0;
	char **out = ARENA_ARRAY(a, char *, n + 1);
	size_t *len = ARENA_ARRAY(a, size_t, n + 1);

	for (size_t i = 0; i < n; i++) {
		size_t name = strcspn(env[i], "="), k = 0;

		while (k < at && (len[k] != name || memcmp(out[k], env[i], name) != 0))
			k++;
		if (k == at)
			len[at++] = name;
		out[k] = arena_strdup(a, env[i]);
	}
	return out;
}

es_err *rtproc_prepare(struct arena *a, const struct oci_spec *container, const struct oci_process *p,
		       struct rtproc *ret)
{
	struct rtproc r = { .p = p, .lsm_fd = -1, .listener = -1, .env = env_once(a, p->env) };
	const struct oci_seccomp *sc = container->linux_ ? container->linux_->seccomp : NULL;

	prepare_caps(p->capabilities, &r);
	ES_TRY(oci_runtime_gids(a, &p->user, &r.gids, &r.n_gids));
	if (sc) {
		r.notify = rtnotify_wanted(sc);
		if (!sc->flags)
			r.seccomp_flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		for (char **f = sc->flags; f && *f; f++) {
			unsigned bit;

			ES_TRY(es_err_in(seccomp_flag(*f, &bit), "linux.seccomp.flags"));
			r.seccomp_flags |= bit;
		}
	}
	r.memory = container->linux_ ? container->linux_->memory_policy : NULL;
	ES_TRY(prepare_label(a, &r));
	*ret = r;
	return NULL;
}

/* ---- limits ---- */

static const struct {
	const char *name;
	int resource;
} rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },           { "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },         { "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },     { "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK }, { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },       { "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },     { "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },   { "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING }, { "RLIMIT_STACK", RLIMIT_STACK },
};

static es_err *set_rlimit(const struct oci_rlimit *want, pid_t pid)
{
	struct rlimit lim = { .rlim_cur = want->soft, .rlim_max = want->hard }, have;
	int resource = 0;

	for (size_t i = 0; i < ES_N(rlimits); i++) /* one of them is it: ocicheck.h */
		if (str_eq(rlimits[i].name, want->type))
			resource = rlimits[i].resource;
	if (syscall(SYS_prlimit64, pid, resource, &lim, NULL) == 0)
		return NULL;
	if (errno != EPERM)
		return es_err_sys(errno, "set %s", want->type);
	/* Without CAP_SYS_RESOURCE the hard limit cannot be raised: keep ours, and say so. */
	if (syscall(SYS_prlimit64, pid, resource, NULL, &have) < 0)
		return es_err_sys(errno, "read %s", want->type);
	if (lim.rlim_max > have.rlim_max)
		lim.rlim_max = have.rlim_max;
	if (lim.rlim_cur > lim.rlim_max)
		lim.rlim_cur = lim.rlim_max;
	if (syscall(SYS_prlimit64, pid, resource, &lim, NULL) < 0)
		return es_err_sys(errno, "set %s", want->type);
	log_line(LOG_L_WARN, "%s: kept at %llu, CAP_SYS_RESOURCE is missing", want->type, (unsigned long long)lim.rlim_max);
	return NULL;
}

static es_err *set_oom_score_adj(int64_t want, int proc, pid_t pid)
{
	es_autofree char *have = NULL;
	es_autoclose int fd = -1;
	char text[16], path[48] = "self/oom_score_adj";
	es_err *err;

	if (pid)
		snprintf(path, sizeof path, "%d/oom_score_adj", (int)pid);
	snprintf(text, sizeof text, "%lld", (long long)want);
	err = procfs_put(proc, path, text);
	if (!err || (es_err_errno(err) != EACCES && es_err_errno(err) != EPERM))
		return err;
	es_err_drop(err);
	ES_TRY(procfs_open(proc, path, O_RDONLY, &fd));
	ES_TRY(file_read_all(fd, 64, &have, NULL));
	log_line(LOG_L_WARN, "oom_score_adj: kept at %s instead of %s, CAP_SYS_RESOURCE is missing", str_trim(have), text);
	return NULL;
}

struct name_value {
	const char *name;
	int value;
};

/* The names were checked when config.json was read (ocicheck.h). */
static int value_of(const struct name_value *rows, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(rows[i].name, name))
			return rows[i].value;
	return 0;
}

static es_err *set_io_priority(const struct oci_io_priority *io, pid_t pid)
{
	static const struct name_value classes[] = { { "IOPRIO_CLASS_RT", 1 }, { "IOPRIO_CLASS_BE", 2 }, { "IOPRIO_CLASS_IDLE", 3 } };
	int class = value_of(classes, ES_N(classes), io->class);

	if (syscall(SYS_ioprio_set, 1, pid, class << 13 | io->priority) < 0)
		return es_err_sys(errno, "process.ioPriority");
	return NULL;
}

/* struct sched_attr of sched_setattr(2); no C library header has it everywhere. */
struct rtproc_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static es_err *set_scheduler(const struct oci_scheduler *s, pid_t pid)
{
	static const struct name_value policies[] = {
		{ "SCHED_OTHER", 0 }, { "SCHED_FIFO", 1 }, { "SCHED_RR", 2 },       { "SCHED_BATCH", 3 },
		{ "SCHED_ISO", 4 },   { "SCHED_IDLE", 5 }, { "SCHED_DEADLINE", 6 },
	};
	static const struct name_value flags[] = {
		{ "SCHED_FLAG_RESET_ON_FORK", 1 }, { "SCHED_FLAG_RECLAIM", 2 },        { "SCHED_FLAG_DL_OVERRUN", 4 },
		{ "SCHED_FLAG_KEEP_POLICY", 8 },   { "SCHED_FLAG_KEEP_PARAMS", 16 },   { "SCHED_FLAG_UTIL_CLAMP_MIN", 32 },
		{ "SCHED_FLAG_UTIL_CLAMP_MAX", 64 },
	};
	int policy = value_of(policies, ES_N(policies), s->policy);
	struct rtproc_sched_attr attr = {
		.size = sizeof attr, .policy = (uint32_t)policy, .nice = s->nice, .priority = (uint32_t)s->priority,
		.runtime = s->runtime, .deadline = s->deadline, .period = s->period,
	};

	for (char **f = s->flags; f && *f; f++)
		attr.flags |= (uint64_t)value_of(flags, ES_N(flags), *f);
	return syscall(SYS_sched_setattr, pid, &attr, 0u) < 0 ? es_err_sys(errno, "process.scheduler") : NULL;
}

static void add_cpus(void *arg, unsigned first, unsigned last)
{
	for (; first <= last && first < CPU_SETSIZE; first++)
		CPU_SET(first, (cpu_set_t *)arg);
}

es_err *rtproc_run_on(const char *list, const char *field)
{
	cpu_set_t set;

	if (str_empty(list))
		return NULL;
	CPU_ZERO(&set);
	if (!ocicheck_ranges(list, add_cpus, &set))
		return es_err_new(ES_E_INVALID, "%s: \"%s\" is not a list like 0-3,7", field, list);
	if (syscall(SYS_sched_setaffinity, 0, sizeof set, &set) < 0)
		return es_err_sys(errno, "%s: \"%s\"", field, list);
	return NULL;
}

void rtproc_run_anywhere(pid_t pid)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof all);
	(void)syscall(SYS_sched_setaffinity, pid, sizeof all, &all); /* refused: it stays where the caller runs */
}

es_err *rtproc_open_label(struct rtproc *r, int proc)
{
	return r->lsm_text ? procfs_open(proc, r->lsm_file, O_WRONLY, &r->lsm_fd) : NULL;
}

es_err *rtproc_limits(const struct rtproc *r, int proc, pid_t pid)
{
	FIELD_LIST_EACH(const struct oci_rlimit, l, &r->p->rlimits)
		ES_TRY(set_rlimit(l, pid));
	if (r->p->oom_score_adj.set)
		ES_TRY(set_oom_score_adj(r->p->oom_score_adj.v, proc, pid));
	if (r->p->io_priority)
		ES_TRY(set_io_priority(r->p->io_priority, pid));
	if (r->p->scheduler)
		ES_TRY(set_scheduler(r->p->scheduler, pid));
	return NULL;
}

/* ---- identity ---- */

es_err *rtproc_seal_fds(const struct rtproc *r)
{
	int from = 3 + r->preserve_fds;

	if (syscall(SYS_close_range, (unsigned)from, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) < 0)
		return es_err_sys(errno, "close_range");
	for (int fd = 3; fd < from; fd++)
		ES_TRY(es_err_in(file_set_cloexec(fd, false), "preserved descriptor %d", fd));
	return NULL;
}

es_err *rtproc_own_stdio(uint32_t uid)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0) {
			if (errno == EBADF)
				continue;
			return es_err_sys(errno, "standard stream %d", fd);
		}
		if (st.st_uid == uid || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
			continue;
		if (fchown(fd, uid, (gid_t)-1) < 0 && errno != EPERM && errno != EROFS && errno != EINVAL)
			return es_err_sys(errno, "own standard stream %d", fd);
	}
	return NULL;
}

/* The home directory of UID in the container's /etc/passwd, "/" when it is not there. */
static char *home_of(uint32_t uid)
{
	es_autoclose int fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	es_autofree char *text = NULL;
	es_autoerr es_err *err = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) /* the image may have put a fifo there */
		return es_xstrdup("/");
	err = file_read_all(fd, RTPROC_PASSWD_MAX, &text, NULL);
	if (err)
		return es_xstrdup("/");
	for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		es_autostrv part = strv_split(line, ':');
		uint64_t id;

		if (strv_len(part) < 6)
			continue;
		err = str_to_u64(part[2], 10, &id);
		if (err) {
			es_err_free(ES_TAKE(err));
			continue;
		}
		if (id == uid)
			return es_xstrdup(*part[5] ? part[5] : "/");
	}
	return es_xstrdup("/");
}

static void set_home(struct rtproc *r)
{
	es_autofree char *home = NULL, *line = NULL;
	size_t n = strv_len(r->env);
	char **env;

	if (!str_empty(strv_env_get(r->env, "HOME")))
		return;
	home = home_of(r->p->user.uid);
	env = es_xcalloc(n + 2, sizeof *env); /* lives until exec */
	for (size_t i = 0, at = 0; i < n; i++)
		if (!str_starts(r->env[i], "HOME="))
			env[at++] = r->env[i];
	for (n = 0; env[n];)
		n++;
	env[n] = es_xasprintf("HOME=%s", home);
	r->env = env;
}

static es_err *own_keyring(const char *name)
{
	if (!name || syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name, 0, 0, 0) >= 0)
		return NULL;
	if (errno == ENOSYS || errno == EPERM || errno == EACCES || errno == EDQUOT)
		return NULL; /* no keyrings here, or forbidden: nothing to share either */
	return es_err_sys(errno, "session keyring");
}

/* The kernel says "(unreachable)…" for a directory outside the root: a descriptor that leaked in would lead there. */
static es_err *enter_cwd(const struct rtproc *r, bool *done)
{
	char at[4096], why[128];

	if (*done)
		return NULL;
	if (chdir(r->p->cwd) < 0) {
		if (errno == EACCES || errno == EPERM)
			return NULL; /* tried again as the user */
		return es_err_new(ES_E_INVALID, "chdir to cwd (\"%s\") set in config.json failed: %s", r->p->cwd,
				  lower_error(errno, why, sizeof why));
	}
	if (syscall(SYS_getcwd, at, sizeof at) < 0) {
		if (errno != ENOENT) /* removed meanwhile: unreachable too */
			return es_err_sys(errno, "current working directory");
		at[0] = '\0';
	}
	if (at[0] != '/')
		return es_err_new(ES_E_FORBIDDEN, "current working directory is outside of container mount namespace root");
	*done = true;
	return NULL;
}

static es_err *set_user(const struct rtproc *r)
{
	const struct oci_user *u = &r->p->user;

	/* Raw calls: the C library's would look for other threads, and we share memory with our parent. */
	if (syscall(SYS_setgroups, r->n_gids, r->gids) < 0 && !(errno == EPERM && r->n_gids == 0))
		return es_err_sys(errno, errno == EPERM ? "process.user.additionalGids: this user namespace denies setgroups" : "set additional groups");
	if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
		return es_err_sys(errno, "set gid %u", u->gid);
	if (syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
		return es_err_sys(errno, "set uid %u", u->uid);
	/* A change of ids makes us what fs.suid_dumpable says; until exec nobody in the container may look into us (CVE-2016-9962). */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return es_err_sys(errno, "not dumpable");
	return NULL;
}

static es_err *write_label(const struct rtproc *r)
{
	if (!r->lsm_text)
		return NULL;
	return es_err_in(file_write_all(r->lsm_fd, r->lsm_text, strlen(r->lsm_text)), "security label");
}

/* ---- the command ---- */

/* 0, or why PATH cannot be executed. */
static int exec_problem(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return errno;
	return S_ISREG(st.st_mode) ? 0 : EACCES;
}

static es_err *find_command(const struct rtproc *r, char **ret_path)
{
	const char *name = r->p->args[0], *path = strv_env_get(r->env, "PATH");
	char why[128];
	es_autostrv dirs = NULL;
	int problem = 0;

	if (strchr(name, '/')) {
		problem = exec_problem(name);
		if (!problem) {
			*ret_path = es_xstrdup(name);
			return NULL;
		}
		lower_error(problem, why, sizeof why);
		if (problem == EISDIR || problem == EACCES)
			return es_err_new(ES_E_INVALID, "exec: \"%s\": %s", name, why);
		return es_err_new(ES_E_INVALID, "exec: \"%s\": stat %s: %s", name, name, why);
	}
	dirs = strv_split(path ? path : RTPROC_DEFAULT_PATH, ':');
	for (char **d = dirs; d && *d; d++) {
		es_autofree char *try = es_xasprintf("%s/%s", **d ? *d : ".", name);

		problem = exec_problem(try);
		if (problem == 0) {
			*ret_path = ES_TAKE(try);
			return NULL;
		}
		if (problem == EIO || problem == ENOMEM) /* not an answer to the question whether it is there */
			return es_err_new(ES_E_SYSTEM, "exec: \"%s\": stat %s: %s", name, try, lower_error(problem, why, sizeof why));
	}
	return es_err_new(ES_E_INVALID, "exec: \"%s\": executable file not found in $PATH", name);
}

/* ---- becoming the container's ---- */

/* Without capabilities in config.json root keeps all and others have none, as after any change of user. */
static bool has_all_caps(const struct rtproc *r)
{
	return !r->has_caps && r->p->user.uid == 0;
}

static void add_nodes(void *arg, unsigned first, unsigned last)
{
	unsigned long *mask = arg;

	for (; first <= last && first < RTPROC_NODES_MAX; first++)
		mask[first / (8 * sizeof *mask)] |= 1ul << first % (8 * sizeof *mask);
}

/* Here, where the process is in its cpuset. */
static es_err *set_memory_policy(const struct oci_memory_policy *p)
{
	/* MPOL_* of linux/mempolicy.h */
	static const struct name_value modes[] = { { "MPOL_DEFAULT", 0 }, { "MPOL_PREFERRED", 1 },      { "MPOL_BIND", 2 }, { "MPOL_INTERLEAVE", 3 },
						   { "MPOL_LOCAL", 4 },   { "MPOL_PREFERRED_MANY", 5 }, { "MPOL_WEIGHTED_INTERLEAVE", 6 } };
	static const struct name_value flags[] = { { "MPOL_F_NUMA_BALANCING", 1 << 13 }, { "MPOL_F_RELATIVE_NODES", 1 << 14 },
						   { "MPOL_F_STATIC_NODES", 1 << 15 } };
	unsigned long nodes[RTPROC_NODES_MAX / (8 * sizeof(unsigned long))] = { 0 };
	int mode = value_of(modes, ES_N(modes), p->mode);

	for (char **f = p->flags; f && *f; f++)
		mode |= value_of(flags, ES_N(flags), *f);
	if (!str_empty(p->nodes))
		(void)ocicheck_ranges(p->nodes, add_nodes, nodes); /* its form was checked */
	if (syscall(SYS_set_mempolicy, mode, str_empty(p->nodes) ? NULL : nodes, str_empty(p->nodes) ? 0ul : (unsigned long)RTPROC_NODES_MAX + 1) < 0)
		return es_err_sys(errno, "linux.memoryPolicy: set_mempolicy %s of nodes \"%s\"", p->mode, p->nodes ? p->nodes : "");
	return NULL;
}

static bool loads_early(const struct rtproc *r)
{
	return r->seccomp && (!r->p->no_new_privileges || r->notify);
}

/* From here on a call of ours may be a question that nobody can answer before the parent has handed the listener over: until then
 * we write one byte and read one. */
static es_err *load_filter(struct rtproc *r)
{
	if (!r->notify)
		return seccomp_load(r->seccomp, r->seccomp_len, r->seccomp_flags);
	ES_TRY(seccomp_load_notify(r->seccomp, r->seccomp_len, r->seccomp_flags, &r->listener));
	ES_TRY(r->hand_over(r->hand_over_arg));
	close(r->listener);
	return NULL;
}

es_err *rtproc_become(struct rtproc *r, char **ret_command)
{
	bool in_cwd = false, filter = loads_early(r);
	es_autofree char *command = NULL;
	char why[128];

	if (r->memory)
		ES_TRY(set_memory_policy(r->memory));
	ES_TRY(own_keyring(r->keyring));
	ES_TRY(write_label(r));
	set_home(r);
	clone_default_signals();
	if (r->p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return es_err_sys(errno, "no_new_privs");
	ES_TRY(enter_cwd(r, &in_cwd));
	if (r->has_caps)
		ES_TRY(caps_limit(&r->caps));
	ES_TRY(caps_keep());
	ES_TRY(set_user(r));
	ES_TRY(enter_cwd(r, &in_cwd));
	if (!in_cwd)
		return es_err_new(ES_E_FORBIDDEN, "chdir to cwd (\"%s\") set in config.json failed: %s", r->p->cwd,
				  lower_error(errno, why, sizeof why));
	umask(r->p->user.umask.set ? (mode_t)r->p->user.umask.v : 022);
	if (filter) {
		if (!has_all_caps(r))
			ES_TRY(caps_wear(r->caps.effective & r->caps.permitted));
		ES_TRY(find_command(r, &command));
		if (!has_all_caps(r))
			ES_TRY(caps_wear(UINT64_C(1) << CAP_SYS_ADMIN));
		ES_TRY(load_filter(r));
	}
	if (!has_all_caps(r))
		ES_TRY(caps_apply(&r->caps)); /* all zero when there are none */
	if (!filter)
		ES_TRY(find_command(r, &command));
	*ret_command = ES_TAKE(command);
	return NULL;
}

es_err *rtproc_exec(const struct rtproc *r, const char *path)
{
	char why[128];

	if (r->seccomp && !loads_early(r))
		ES_TRY(seccomp_load(r->seccomp, r->seccomp_len, r->seccomp_flags));
	execve(path, r->p->args, r->env);
	return es_err_new(ES_E_INVALID, "exec %s: %s", path, lower_error(errno, why, sizeof why));
}

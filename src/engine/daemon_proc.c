/* SPDX-License-Identifier: Apache-2.0 */
/* daemon_proc.c: locks, pid file, sockets and detachment of estibad. */
#include "engine/daemon_proc.h"

#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "store/rootfit.h"
#include "sys/cgroup.h"
#include "sys/mount.h"
#include "wire/sock.h"

#define SOCKET_GROUP "estiba"
#define LISTEN_FDS_START 3
#define ERROR_MAX 4096
#define OTHER_WAIT_MS 10000
#define OWN_CGROUP "/estiba/daemon"
#define LOG_MAX (4 << 20) /* bytes of the log file of a daemon started on demand; begun anew beyond */

static es_err *lock_root(const char *root, const char *name, int *ret_fd)
{
	es_autoclose int dir = -1, fd = -1;
	char pid[32] = "";

	ES_TRY(file_mkdir_p(AT_FDCWD, root, 0711));
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return es_err_sys(errno, "open %s", root);
	fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return es_err_sys(errno, "open %s/%s", root, name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return es_err_sys(errno, "lock %s/%s", root, name);
		if (pread(fd, pid, sizeof pid - 1, 0) < 0)
			pid[0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		return es_err_new(ES_E_CONFLICT, "another estibad (pid %s) uses %s", *pid ? pid : "unknown", root);
	}
	(void)snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0)
		return es_err_sys(errno, "write %s/%s", root, name);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

/* The root of a container is an overlay, which cannot be the upper of another. Who named no data root gets a tmpfs there rather than no
 * engine; it is found again by a daemon that starts later, and `info` warns. */
static es_err *fit_data_root(const struct daemon_conf *c)
{
	static const char *const params[] = { "mode=0711", NULL };
	es_autofree char *text = NULL;
	es_autoclose int fd = -1, at = -1;
	es_err *err;

	ES_TRY(file_mkdir_p(AT_FDCWD, c->data_root, 0711));
	err = rootfit_check(c->data_root);
	if (!err || !c->default_data_root || es_err_class(err) != ES_E_UNSUPPORTED)
		return err;
	text = es_xasprintf("%s; until then it is a tmpfs: images and containers are lost when this machine or container ends", es_err_text(err));
	es_err_free(err);
	at = open(c->data_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return es_err_sys(errno, "open %s", c->data_root);
	ES_TRY(es_err_in(mount_new("tmpfs", "estiba", params, 0, &fd), "%s", text));
	ES_TRY(es_err_in(mount_attach(fd, at), "%s", text));
	ES_TRY(file_replace(fd, ENGINE_NOT_DURABLE, text, strlen(text), 0644, false));
	log_line(LOG_L_WARN, "%s", text);
	return NULL;
}

es_err *daemon_lock(const struct daemon_conf *c, struct daemon_lock *ret)
{
	es_err *err;

	*ret = (struct daemon_lock){ -1, -1 };
	err = lock_root(c->exec_root, "estibad.lock", &ret->exec_fd);
	if (!err)
		err = fit_data_root(c);
	if (!err)
		err = lock_root(c->data_root, "estibad.lock", &ret->data_fd);
	if (err)
		daemon_lock_done(ret);
	return err;
}

void daemon_lock_done(struct daemon_lock *l)
{
	es_close(ES_TAKE_FD(l->data_fd));
	es_close(ES_TAKE_FD(l->exec_fd));
}

es_err *daemon_pidfile_write(const char *path)
{
	char pid[32];
	int n = snprintf(pid, sizeof pid, "%d", (int)getpid());

	return es_err_in(file_replace(AT_FDCWD, path, pid, (size_t)n, 0644, false), "pid file");
}

/* Sockets. */

static es_err *listen_unix(const char *path, const char *group, int *ret_fd)
{
	const struct group *g = getgrnam(group ? group : SOCKET_GROUP);
	es_autofree char *parent = NULL;
	const char *slash = strrchr(path, '/');

	if (group && !g)
		return es_err_new(ES_E_NOT_FOUND, "group %s is not known", group);
	if (slash && slash != path) {
		parent = es_xstrndup(path, (size_t)(slash - path));
		ES_TRY(file_mkdir_p(AT_FDCWD, parent, 0755));
	}
	return sock_listen_unix(path, g ? 0660 : 0600, g ? g->gr_gid : (gid_t)-1, ret_fd);
}

es_err *daemon_listen(const char *host, const char *group, int *ret_fd)
{
	const char *path = str_after(host, "unix://"), *address = str_after(host, "tcp://");
	es_autofree char *name = NULL, *port = NULL;

	if (path)
		return listen_unix(path, group, ret_fd);
	if (!address)
		return es_err_new(ES_E_INVALID, "cannot listen on %s: expected unix://, tcp:// or fd://", host);
	ES_TRY(sock_split_host_port(address, "2375", &name, &port));
	log_line(LOG_L_WARN, "%s: whoever reaches this address has root on this machine", host);
	return sock_listen_tcp(*name ? name : "localhost", port, ret_fd);
}

size_t daemon_inherited(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t for_pid = 0, n = 0;
	es_err *err = NULL;

	if (pid && fds) {
		err = str_to_u64(pid, 10, &for_pid);
		if (!err)
			err = str_to_u64(fds, 10, &n);
	}
	if (err || for_pid != (uint64_t)getpid() || n > 16)
		n = 0;
	es_err_drop(err);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	for (uint64_t i = 0; i < n; i++)
		es_err_drop(file_set_cloexec((int)(LISTEN_FDS_START + i), true));
	return (size_t)n;
}

void daemon_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	es_autoclose int fd = -1;
	size_t len = path ? strlen(path) : 0;

	if (!len || len >= sizeof addr.sun_path)
		return;
	memcpy(addr.sun_path, path, len);
	if (*path == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

void daemon_raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
}

void daemon_tune_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 128 << 10);
#endif
}

/* Freedom from the caller. */

/* Out of the caller's control groups. Where we may not, we stay, and say so. */
static void leave_cgroups(void)
{
	struct cgroup_host host;
	struct cgroup *cg = NULL;
	es_err *err = cgroup_host_load(&host);

	if (!err)
		err = cgroup_create(&host, OWN_CGROUP, &cg);
	if (!err)
		err = cgroup_join(cg, 0);
	log_err(err, "stay in the caller's control group");
	cgroup_free(cg);
	cgroup_host_done(&host);
}

void daemon_leave_group(void)
{
	struct cgroup_host host;
	es_err *err = cgroup_host_load(&host);

	if (!err)
		err = cgroup_leave(&host);
	if (!err) {
		cgroup_prune(&host, OWN_CGROUP);
		cgroup_prune(&host, ENGINE_CGROUP);
	}
	es_err_free(err); /* then the empty group stays for the next daemon */
	cgroup_host_done(&host);
}

/* What remains of the environment: heap strings, NULL-terminated. */
static char **clean_environment(void)
{
	static const char *const kept[] = { "HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME" };
	char **env = NULL;

	strv_add(&env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	for (size_t i = 0; i < ES_N(kept); i++) {
		const char *v = getenv(kept[i]);

		if (v)
			strv_take(&env, es_xasprintf("%s=%s", kept[i], v));
	}
	return env;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* fails for those that cannot be changed */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Soft limits up to the hard ones where a shell may have lowered them; the hard ones are the machine's. */
static void reset_limits(void)
{
	static const int which[] = { RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA };

	for (size_t i = 0; i < ES_N(which); i++) {
		struct rlimit rl;

		if (getrlimit((__rlimit_resource_t)which[i], &rl) == 0) {
			rl.rlim_cur = rl.rlim_max;
			(void)setrlimit((__rlimit_resource_t)which[i], &rl);
		}
	}
	(void)setpriority(PRIO_PROCESS, 0, 0);
}

/* Standard streams: nothing in, the log file out. */
static es_err *reset_streams(const struct daemon_conf *c)
{
	es_autofree char *path = es_xasprintf("%s/estibad.log", c->exec_root);
	es_autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC), log = -1;
	struct stat st;

	ES_TRY(file_mkdir_p(AT_FDCWD, c->exec_root, 0711));
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (null < 0 || log < 0)
		return es_err_sys(errno, "open %s", path);
	if (fstat(log, &st) == 0 && st.st_size > LOG_MAX)
		(void)!ftruncate(log, 0);
	if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		return es_err_sys(errno, "dup");
	return NULL;
}

static void close_all_but(int keep)
{
	if (keep > 3)
		(void)close_range(3, (unsigned)keep - 1, 0);
	(void)close_range((unsigned)keep + 1, ~0u, 0);
}

/* In the grandchild. Returns only on failure. The program starts anew, so that nothing of the caller's is left in memory either
 * (an environment that was only cleared can still be read in /proc). */
static es_err *become_daemon(const struct daemon_conf *c, char *const *argv, int ready_fd)
{
	es_autostrv args = strv_dup(argv);
	es_autostrv env = clean_environment();

	close_all_but(ready_fd);
	reset_signals();
	reset_limits();
	umask(022);
	if (chdir("/") < 0)
		return es_err_sys(errno, "chdir /");
	ES_TRY(reset_streams(c));
	leave_cgroups();
	strv_take(&args, es_xasprintf("--ready-fd=%d", ready_fd));
	ES_TRY(file_set_cloexec(ready_fd, false));
	execve("/proc/self/exe", args, env);
	return es_err_sys(errno, "exec /proc/self/exe");
}

/* In the caller: what the daemon says. An empty text is success; no text at all means that it died. */
static es_err *await_ready(int fd)
{
	es_autofree char *text = NULL;
	size_t n;

	ES_TRY(file_read_all(fd, ERROR_MAX, &text, &n));
	if (!n)
		return es_err_new(ES_E_INTERNAL, "estibad ended before it was ready");
	return *text == '\n' ? NULL : es_err_new(ES_E_UNAVAILABLE, "%s", text);
}

es_err *daemon_detach(const struct daemon_conf *c, char *const *argv)
{
	es_autoclose int in = -1;
	es_err *err;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	/* No thread exists yet. The child ends at once, so that the daemon belongs to init and can never get a terminal. */
	pid = fork();
	if (pid == 0) {
		es_close(fds[0]);
		(void)setsid();
		pid = fork();
		if (pid)
			_exit(pid < 0);
		err = become_daemon(c, argv, fds[1]);
		daemon_ready(fds[1], err);
		_exit(1);
	}
	in = fds[0];
	es_close(fds[1]);
	if (pid < 0)
		return es_err_sys(errno, "fork");
	(void)waitpid(pid, NULL, 0);
	return await_ready(in);
}

void daemon_ready(int ready_fd, const es_err *err)
{
	const char *text = err ? es_err_text(err) : "\n";

	if (ready_fd < 0)
		return;
	es_err_drop(file_write_all(ready_fd, text, strnlen(text, ERROR_MAX)));
	es_close(ready_fd);
}

es_err *daemon_wait_other(const struct daemon_conf *c)
{
	const char *path = c->hosts ? str_after(c->hosts[0], "unix://") : NULL;

	for (int ms = 0; path && ms < OTHER_WAIT_MS; ms += 20) {
		int fd;
		es_err *err = sock_connect_unix(path, &fd);

		if (!err) {
			es_close(fd);
			return NULL;
		}
		es_err_drop(err);
		(void)poll(NULL, 0, 20);
	}
	return es_err_new(ES_E_TIMEOUT, "another estibad has the lock, but %s does not answer", path ? path : "its socket");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rtcli.c: the commands, one row and one function each. */
#include "runtime/rtcli.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <dirent.h>
#include <poll.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "runtime/rtargs.h"
#include "runtime/rtconsole.h"
#include "runtime/rtcreate.h"
#include "runtime/rtevents.h"
#include "runtime/rtexec.h"
#include "runtime/rtmount.h"
#include "runtime/rtops.h"
#include "runtime/rtspec.h"
#include "sys/mount.h"
#include "sys/ns.h"
#include "sys/pidfd.h"
#include "sys/spawn.h"

#define RTCLI_OUT_MAX (16u << 20)

static bool is_first_root(void)
{
	return geteuid() == 0 && ns_user_is_first();
}

static es_err *only_id(const struct rtargs *a)
{
	return a->n_rest == 1 ? NULL : es_err_new(ES_E_INVALID, "exactly one argument is needed: the container id");
}

/* ---- running in the foreground ---- */

/* Our signals are the container's; SIGCHLD and the terminal's size are ours. */
static int signal_fd(void)
{
	sigset_t all;

	sigfillset(&all);
	for (const int *s = (const int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGURG, SIGPIPE, 0 }; *s; s++)
		sigdelset(&all, *s);
	sigprocmask(SIG_BLOCK, &all, NULL);
	return signalfd(-1, &all, SFD_CLOEXEC);
}

static es_err *forward_until_exit(int signals, int pidfd)
{
	for (;;) {
		struct pollfd p[] = { { pidfd, POLLIN, 0 }, { signals, POLLIN, 0 } };
		struct signalfd_siginfo si;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return es_err_sys(errno, "wait");
		if (p[0].revents)
			return NULL;
		if (p[1].revents && read(signals, &si, sizeof si) == (ssize_t)sizeof si && si.ssi_signo != SIGCHLD)
			es_err_drop(pidfd_signal(pidfd, (int)si.ssi_signo));
	}
}

/* Stay until the process ends; *RET_CODE is its exit status, 128 + N after signal N. */
static es_err *stay(int pidfd, int terminal_socket, int *ret_code)
{
	es_autoclose int signals = -1, master = -1;
	int status;

	if (terminal_socket >= 0) {
		ES_TRY(rtconsole_receive(terminal_socket, &master));
		ES_TRY(rtconsole_relay(master, pidfd));
	} else {
		signals = signal_fd();
		ES_TRY(forward_until_exit(signals, pidfd));
	}
	ES_TRY(pidfd_reap(pidfd, &status));
	*ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return NULL;
}

/* ---- commands ---- */

static bool is_rootless(const struct rtargs *a)
{
	return str_eq(a->rootless, "true") || (!str_eq(a->rootless, "false") && !is_first_root());
}

static es_err *create_options(const struct rtargs *a, struct rtcreate_options *ret)
{
	ES_TRY(only_id(a));
	if (a->no_pivot)
		return es_err_new(ES_E_UNSUPPORTED, "--no-pivot is not supported");
	*ret = (struct rtcreate_options){
		.root = a->root, .id = a->rest[0], .bundle = a->bundle ? a->bundle : ".", .console_socket = a->console_socket,
		.pid_file = a->pid_file, .preserve_fds = (int)a->preserve_fds, .no_new_keyring = a->no_new_keyring,
		.rootless = is_rootless(a),
		.cgroup_driver = a->systemd_cgroup || str_eq(a->cgroup_manager, "systemd") ? RTCGROUP_SYSTEMD :
				 str_eq(a->cgroup_manager, "disabled")		   ? RTCGROUP_DISABLED :
										     RTCGROUP_FS,
	};
	return NULL;
}

static es_err *cmd_create(const struct rtargs *a, int *ret_code)
{
	struct rtcreate_options o;
	es_autoclose int pidfd = -1;
	pid_t pid;

	ES_TRY(create_options(a, &o));
	o.wait_for_start = true;
	return rtcreate(&o, &pid, &pidfd);
}

static es_err *delete_now(const struct rtargs *a, bool force)
{
	struct rtops o;
	es_err *err;

	ES_TRY(rtops_open(a->root, a->rest[0], &o));
	err = rtops_delete(&o, force);
	rtops_close(&o);
	return err;
}

static es_err *cmd_run(const struct rtargs *a, int *ret_code)
{
	struct rtcreate_options o;
	es_autoclose int pidfd = -1, console = -1;
	es_err *err;
	pid_t pid;

	ES_TRY(create_options(a, &o));
	o.own_console = a->detach ? NULL : &console;
	ES_TRY(rtcreate(&o, &pid, &pidfd));
	if (a->detach)
		return NULL;
	err = stay(pidfd, console, ret_code);
	if (!a->keep) {
		es_err *gone = delete_now(a, true);

		if (err)
			es_err_drop(gone);
		else
			err = gone;
	}
	return err;
}

static es_err *cmd_exec(const struct rtargs *a, int *ret_code)
{
	struct rtexec_options o = {
		.root = a->root, .process_file = a->process, .env = a->env, .caps = a->caps, .gids = a->gids, .cwd = a->cwd,
		.user = a->user, .apparmor = a->apparmor, .label = a->process_label, .tty = a->tty, .no_new_privs = a->no_new_privs,
		.ignore_paused = a->ignore_paused, .cgroups = a->cgroups, .console_socket = a->console_socket, .pid_file = a->pid_file,
		.preserve_fds = (int)a->preserve_fds,
	};
	es_autoclose int pidfd = -1, console = -1;
	pid_t pid;

	*ret_code = 255; /* runc's, for an exec that fails */
	if (a->n_rest < (a->process ? 1 : 2))
		return es_err_new(ES_E_INVALID, a->process ? "exec needs the container id" : "exec needs the container id and a command");
	o.id = a->rest[0];
	o.args = a->rest + 1;
	o.own_console = a->detach ? NULL : &console;
	ES_TRY(es_err_in(rtexec(&o, &pid, &pidfd), "exec failed"));
	*ret_code = 0;
	return a->detach ? NULL : stay(pidfd, console, ret_code);
}

/* Open the container, do one thing, close it. */
static es_err *with(const struct rtargs *a, es_err *(*fn)(struct rtops *o, const struct rtargs *a))
{
	struct rtops o;
	es_err *err;

	if (a->n_rest < 1)
		return es_err_new(ES_E_INVALID, "the container id is missing");
	ES_TRY(rtops_open(a->root, a->rest[0], &o));
	err = fn(&o, a);
	rtops_close(&o);
	return err;
}

static es_err *print_json(const struct json *v)
{
	es_autobuf b = ES_BUF(RTCLI_OUT_MAX);

	json_write_indent(&b, v, "", "  ", 0);
	ES_TRY(es_buf_check(&b));
	puts(es_buf_str(&b));
	return NULL;
}

static es_err *do_state(struct rtops *o, const struct rtargs *a)
{
	return print_json(rtops_json(o, false));
}

static es_err *cmd_state(const struct rtargs *a, int *ret_code)
{
	ES_TRY(only_id(a));
	return with(a, do_state);
}

static es_err *do_start(struct rtops *o, const struct rtargs *a)
{
	return rtops_start(o);
}

static es_err *cmd_start(const struct rtargs *a, int *ret_code)
{
	ES_TRY(only_id(a));
	return with(a, do_start);
}

static es_err *do_kill(struct rtops *o, const struct rtargs *a)
{
	int sig;

	ES_TRY(rtops_signal(a->n_rest > 1 ? a->rest[1] : "TERM", &sig));
	return rtops_kill(o, sig, a->all);
}

static es_err *cmd_kill(const struct rtargs *a, int *ret_code)
{
	if (a->n_rest > 2)
		return es_err_new(ES_E_INVALID, "kill takes a container id and a signal");
	return with(a, do_kill);
}

static es_err *cmd_delete(const struct rtargs *a, int *ret_code)
{
	es_err *err;

	ES_TRY(only_id(a));
	err = delete_now(a, a->force);
	if (err && a->force && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return NULL; /* as runc: gone is what was asked for */
	}
	return err;
}

static es_err *do_pause(struct rtops *o, const struct rtargs *a)
{
	return rtops_pause(o, true);
}

static es_err *cmd_pause(const struct rtargs *a, int *ret_code)
{
	ES_TRY(only_id(a));
	return with(a, do_pause);
}

static es_err *do_resume(struct rtops *o, const struct rtargs *a)
{
	return rtops_pause(o, false);
}

static es_err *cmd_resume(const struct rtargs *a, int *ret_code)
{
	ES_TRY(only_id(a));
	return with(a, do_resume);
}

static es_err *check_format(const char *format)
{
	if (!format || str_eq(format, "table") || str_eq(format, "json"))
		return NULL;
	return es_err_new(ES_E_INVALID, "invalid format option \"%s\"", format);
}

#define LIST_COLUMNS 6

/* A table as runc prints it: columns as wide as their widest cell and three spaces, twelve at least; none after the last. */
static void print_table(char **cells)
{
	size_t width[LIST_COLUMNS] = { 0 }, n = strv_len(cells);

	for (size_t i = 0; i < n; i++) {
		size_t want = strlen(cells[i]) + 3;

		if (want < 12)
			want = 12;
		if (want > width[i % LIST_COLUMNS])
			width[i % LIST_COLUMNS] = want;
	}
	for (size_t i = 0; i < n; i++)
		if (i % LIST_COLUMNS == LIST_COLUMNS - 1)
			puts(cells[i]);
		else
			printf("%-*s", (int)width[i % LIST_COLUMNS], cells[i]);
}

static void list_row(const struct rtops *o, char ***cells)
{
	const struct json *v = rtops_json(o, true);
	char pid[24];

	snprintf(pid, sizeof pid, "%lld", (long long)json_i64(json_get(v, "pid"), 0));
	strv_add(cells, o->state.id);
	strv_add(cells, pid);
	strv_add(cells, json_str(json_get(v, "status")));
	strv_add(cells, o->state.bundle);
	strv_add(cells, json_str(json_get(v, "created")));
	strv_add(cells, json_str(json_get(v, "owner")));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The default root comes with the first container; one that was named must be there. */
static es_err *container_ids(const struct rtargs *a, char ***ret)
{
	DIR *d = opendir(a->root);
	char **ids = NULL;

	if (!d && (errno != ENOENT || a->root_given))
		return es_err_sys(errno, "open %s", a->root);
	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.')
			strv_add(&ids, e->d_name);
	if (d)
		closedir(d);
	if (ids)
		qsort(ids, strv_len(ids), sizeof *ids, by_name);
	*ret = ids;
	return NULL;
}

static es_err *cmd_list(const struct rtargs *a, int *ret_code)
{
	es_autostrv ids = NULL;
	es_autobuf json = ES_BUF(RTCLI_OUT_MAX);
	static const char *const titles[LIST_COLUMNS] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
	bool as_json = str_eq(a->format, "json");
	es_autostrv cells = NULL;

	ES_TRY(check_format(a->format));
	ES_TRY(container_ids(a, &ids));
	for (size_t i = 0; i < LIST_COLUMNS; i++)
		strv_add(&cells, titles[i]);
	for (char **id = ids; id && *id; id++) {
		struct rtops o;
		es_err *err = rtops_open(a->root, *id, &o);

		if (err) { /* being made or removed right now */
			es_err_drop(err);
			continue;
		}
		if (as_json) {
			es_buf_addc(&json, json.len ? ',' : '[');
			json_write(&json, rtops_json(&o, true), 0);
		} else if (a->quiet) {
			puts(o.state.id);
		} else {
			list_row(&o, &cells);
		}
		rtops_close(&o);
	}
	if (!as_json && !a->quiet)
		print_table(cells);
	if (as_json)
		printf("%s\n", json.len ? (es_buf_addc(&json, ']'), es_buf_str(&json)) : "null");
	return es_buf_check(&json);
}

/* ps(1) of the host, and of its lines those of the container. */
static es_err *ps_table(const struct rtops *o, const struct rtargs *a, const pid_t *pids, size_t n)
{
	static char *const fallback[] = { (char *)(uintptr_t) "-ef", NULL };
	char *const *options = a->n_rest > 1 ? a->rest + 1 : fallback;
	const char **argv = es_xcalloc(strv_len(options) + 2, sizeof *argv);
	es_autoclose int out = memfd_create("ps", MFD_CLOEXEC);
	struct spawn_fd fds[] = { { out, 1 }, { 2, 2 } };
	es_autofree char *text = NULL;
	int status, column = -1;
	es_err *err;

	argv[0] = "ps";
	for (size_t i = 0; options[i]; i++)
		argv[i + 1] = options[i];
	err = spawn_wait(&(struct spawn){ .path = "/bin/ps", .argv = argv, .fds = fds, .n_fds = 2 }, &status);
	free(argv);
	ES_TRY(err);
	if (status || lseek(out, 0, SEEK_SET) < 0)
		return es_err_new(ES_E_SYSTEM, "ps: exit status %d", WEXITSTATUS(status));
	ES_TRY(file_read_all(out, RTCLI_OUT_MAX, &text, NULL));
	for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		es_autofree char *copy = es_xstrdup(line);
		int at = 0;
		bool show = column < 0;

		for (char *s, *word = strtok_r(copy, " \t", &s); word; word = strtok_r(NULL, " \t", &s), at++) {
			if (show && str_eq(word, "PID"))
				column = at;
			for (size_t i = 0; !show && at == column && i < n; i++)
				show = atoi(word) == pids[i];
		}
		if (column < 0)
			return es_err_new(ES_E_INVALID, "couldn't find PID field in ps output");
		if (show)
			puts(line);
	}
	return NULL;
}

static es_err *do_ps(struct rtops *o, const struct rtargs *a)
{
	es_autofree pid_t *pids = NULL;
	size_t n = 0;

	if (o->cgroup)
		ES_TRY(cgroup_procs(o->cgroup, &pids, &n));
	if (!str_eq(a->format, "json"))
		return ps_table(o, a, pids, n);
	if (n == 0)
		printf("null");
	for (size_t i = 0; i < n; i++)
		printf("%c%d", i ? ',' : '[', (int)pids[i]);
	puts(n ? "]" : "");
	return NULL;
}

static es_err *cmd_ps(const struct rtargs *a, int *ret_code)
{
	ES_TRY(check_format(a->format));
	return with(a, do_ps);
}

static es_err *do_events(struct rtops *o, const struct rtargs *a)
{
	int64_t interval = 5 * CLOCK_NS_PER_S;

	if (a->interval)
		ES_TRY(es_err_in(str_to_duration(a->interval, &interval), "--interval"));
	if (interval <= 0)
		return es_err_new(ES_E_INVALID, "duration interval must be greater than 0");
	if (o->status == RTSTATE_STOPPED)
		return es_err_new(ES_E_CONFLICT, "container with id %s is not running", o->state.id);
	return a->stats ? rtevents_stats(o) : rtevents_follow(o, interval);
}

static es_err *cmd_events(const struct rtargs *a, int *ret_code)
{
	ES_TRY(only_id(a));
	return with(a, do_events);
}

static es_err *cmd_update(const struct rtargs *a, int *ret_code)
{
	es_autoarena *arena = arena_new();
	struct oci_resources *r = NULL;
	struct rtops o;
	es_err *err;

	ES_TRY(only_id(a));
	ES_TRY(rtspec_resources(arena, a, &r));
	ES_TRY(rtops_open(a->root, a->rest[0], &o));
	err = rtops_update(&o, r);
	rtops_close(&o);
	return err;
}

static es_err *cmd_spec(const struct rtargs *a, int *ret_code)
{
	return rtspec_write(a->bundle ? a->bundle : ".", a->spec_rootless);
}

static es_err *cmd_features(const struct rtargs *a, int *ret_code)
{
	es_autoarena *arena = arena_new();

	return print_json(rtspec_features(arena));
}

static const struct command {
	const char *name;
	unsigned of;
	es_err *(*run)(const struct rtargs *a, int *ret_code);
	const char *args, *help;
} commands[] = {
	{ "create", OF_CREATE, cmd_create, "ID", "make a container whose process waits for start" },
	{ "delete", OF_DELETE, cmd_delete, "ID", "remove what a container still holds" },
	{ "events", OF_EVENTS, cmd_events, "ID", "what a container uses, and its ends for want of memory, as JSON" },
	{ "exec", OF_EXEC, cmd_exec, "ID COMMAND [ARG...]", "run one more process in a container" },
	{ "features", OF_ANY, cmd_features, "", "what this runtime can do, as JSON" },
	{ "kill", OF_KILL, cmd_kill, "ID [SIGNAL]", "send a signal, TERM by default" },
	{ "list", OF_LIST, cmd_list, "", "the containers below --root" },
	{ "pause", OF_ANY, cmd_pause, "ID", "freeze all processes of a container" },
	{ "ps", OF_PS, cmd_ps, "ID [PS-OPTION...]", "the processes of a container" },
	{ "resume", OF_ANY, cmd_resume, "ID", "thaw a paused container" },
	{ "run", OF_RUN, cmd_run, "ID", "create and start a container" },
	{ "spec", OF_SPEC, cmd_spec, "", "write a config.json to begin from" },
	{ "start", OF_ANY, cmd_start, "ID", "let the process of a created container go" },
	{ "state", OF_ANY, cmd_state, "ID", "the state of a container, as JSON" },
	{ "update", OF_UPDATE, cmd_update, "ID", "change a container's limits" },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ES_N(commands); i++)
		if (str_eq(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int help(const struct command *c)
{
	if (c) {
		printf("Usage: estiba-run [OPTION...] %s [OPTION...] %s\n\n%s\n\n", c->name, c->args, c->help);
		rtargs_help(c->of);
		return 0;
	}
	printf("Usage: estiba-run [OPTION...] COMMAND\n\nruns containers of the OCI runtime specification\n\n");
	rtargs_help(OF_GLOBAL);
	printf("\n");
	for (size_t i = 0; i < ES_N(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].help);
	return 0;
}

static es_err *check_global(const struct rtargs *a)
{
	static const char *const managers[] = { "cgroupfs", "systemd", "disabled" };
	bool known = !a->cgroup_manager;

	for (size_t i = 0; i < ES_N(managers); i++)
		known = known || str_eq(a->cgroup_manager, managers[i]);
	if (!known)
		return es_err_new(ES_E_INVALID, "unknown cgroup manager specified: %s", a->cgroup_manager);
	if (a->systemd_cgroup && a->cgroup_manager && !str_eq(a->cgroup_manager, "systemd"))
		return es_err_new(ES_E_INVALID, "--systemd-cgroup and --cgroup-manager %s contradict each other", a->cgroup_manager);
	if (a->rootless && !str_eq(a->rootless, "auto") && !str_eq(a->rootless, "false") && !str_eq(a->rootless, "true"))
		return es_err_new(ES_E_INVALID, "--rootless: \"%s\" is not true, false or auto", a->rootless);
	if (a->log_format && !str_eq(a->log_format, "text") && !str_eq(a->log_format, "json"))
		return es_err_new(ES_E_INVALID, "invalid log-format: %s", a->log_format);
	return NULL;
}

/* An error goes to standard error for people, and to --log for whoever started us. */
static void report(const struct rtargs *a, const es_err *err)
{
	/* the log first: who reads both knows by then what the line on standard error is */
	if (a->log)
		log_line(LOG_L_ERROR, "%s", es_err_text(err));
	fprintf(stderr, "estiba-run: %s\n", es_err_text(err));
}

/* Standard error is the container's too: warnings go there only when asked for. */
static es_err *open_log(const struct rtargs *a)
{
	int fd = 2;

	if (a->log)
		fd = open(a->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return es_err_sys(errno, "open log %s", a->log);
	log_setup(fd, a->debug ? LOG_L_DEBUG : a->log ? LOG_L_WARN : LOG_L_ERROR, str_eq(a->log_format, "json"));
	return NULL;
}

/* CVE-2019-5736: until its exec, the container's process runs this program, and a command such as /proc/self/exe (or a
 * script that names it) makes the container run it too. Then /proc/PID/exe leads out to our file, which root of the
 * container could write to. So whoever starts containers runs from a read-only mount of the file, attached nowhere: the
 * caller can arrange that; otherwise we do, by executing ourselves once more. */
/* Without the right to mount: from a copy in memory that nobody can change. */
static es_err *sealed_copy(int *ret_fd)
{
	es_autoclose int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	es_autoclose int fd = memfd_create("estiba-run", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (exe < 0 || fd < 0)
		return es_err_sys(errno, "copy this program");
	ES_TRY(file_pump(exe, fd, NULL));
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return es_err_sys(errno, "seal the copy of this program");
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

static bool is_sealed(void)
{
	es_autoclose int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

	return seals >= 0 && seals & F_SEAL_WRITE;
}

/* Whether a process with our rights could write to the program, or make it so. */
static bool is_ours(int exe)
{
	struct stat st;

	return fstat(exe, &st) < 0 || st.st_uid == geteuid() || access("/proc/self/exe", W_OK) == 0;
}

static es_err *leave_writable_mount(char **argv)
{
	es_autoclose int exe = open("/proc/self/exe", O_PATH | O_CLOEXEC), fd = -1;
	char path[4097];
	struct statvfs st;
	ssize_t n;

	if (exe < 0 || fstatvfs(exe, &st) < 0)
		return es_err_sys(errno, "open this program");
	if (st.f_flag & ST_RDONLY || !is_ours(exe) || is_sealed())
		return NULL;
	n = readlink("/proc/self/exe", path, sizeof path - 1);
	if (n < 0)
		return es_err_sys(errno, "path of this program");
	path[n] = '\0';
	ES_TRY(is_first_root() ? mount_clone_read_only(exe, "", &fd) : sealed_copy(&fd));
	argv[0] = path; /* companions are looked for beside it */
	syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	return es_err_sys(errno, "execute this program");
}

/* Who is not root has a directory of his own for what lasts as long as he is logged in. */
static void set_root(struct rtargs *a)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	a->root_given = a->root != NULL;
	if (a->root)
		return;
	if (is_rootless(a) && !str_empty(dir))
		a->own_root = es_xasprintf("%s/estiba-run", dir);
	a->root = a->own_root ? a->own_root : "/run/estiba-run";
}

static es_err *run(int argc, char **argv, struct rtargs *a, int *ret_code)
{
	const struct command *c;
	int at = 1;

	ES_TRY(rtargs_parse(OF_GLOBAL, argc, argv, &at, a));
	if (a->version) {
		printf("estiba-run version " ESTIBA_VERSION "\nspec: " OCI_RUNTIME_VERSION "\n");
		return NULL;
	}
	if (at == argc || a->help || str_eq(argv[at], "help")) {
		*ret_code = help(at + 1 < argc ? find_command(argv[at + 1]) : NULL);
		return NULL;
	}
	c = find_command(argv[at]);
	if (!c)
		return es_err_new(ES_E_INVALID, "no such command: %s", argv[at]);
	at++;
	ES_TRY(rtargs_parse(c->of, argc, argv, &at, a));
	if (a->help) {
		*ret_code = help(c);
		return NULL;
	}
	ES_TRY(check_global(a));
	set_root(a);
	ES_TRY(open_log(a));
	if (c->of & (OF_CREATE | OF_RUN | OF_EXEC))
		ES_TRY(es_err_in(leave_writable_mount(argv), "protect this program from the container"));
	a->rest = argv + at;
	a->n_rest = argc - at;
	return c->run(a, ret_code);
}

int rtcli_main(int argc, char **argv)
{
	struct rtargs a = { 0 };
	int code = 0;
	es_err *err;

	signal(SIGPIPE, SIG_IGN);
	umask(0); /* every mode below is meant as written; the container gets its own */
	err = run(argc, argv, &a, &code);
	if (err) {
		report(&a, err);
		es_err_free(err);
		code = code ? code : 1;
	}
	free(a.own_root);
	strv_free(a.env);
	strv_free(a.caps);
	strv_free(a.gids);
	strv_free(a.cgroups);
	return code;
}

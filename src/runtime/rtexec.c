/* SPDX-License-Identifier: Apache-2.0 */
/* rtexec.c: clone, join the container's cgroups and namespaces, become its user, exec. */
#include "runtime/rtexec.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/str.h"
#include "runtime/rtconfig.h"
#include "runtime/rtconsole.h"
#include "runtime/rtnotify.h"
#include "runtime/rtproc.h"
#include "runtime/rtstate.h"
#include "sys/caps.h"
#include "sys/cgroup.h"
#include "sys/clone.h"
#include "sys/idmap.h"
#include "sys/ns.h"
#include "sys/pidfd.h"
#include "sys/procfs.h"

#define RTEXEC_STACK (256u << 10)

/* Shared with the child, as in rtcreate.c. */
struct joining {
	const struct rtexec_options *o;
	struct arena *a;
	struct oci_spec spec;
	struct oci_process process;
	struct rtstate state;
	struct rtproc proc;
	int dir, init, host_proc, console, up[2], down[2];
	int hear, say, parents[2]; /* the child's ends of the two pipes, and its copies of the others */
	uint64_t ns, ns_by_parent;
	bool in_user_ns, own_by_parent;
	struct cgroup_host cgroup_host;
	struct cgroup *cgroup;
	struct clone_stack stack;
	pid_t pid;
	int pidfd;
	/* Written by the child. */
	bool at_exec;
	es_err *err;
};

/* ---- the child ---- */

static es_err *become_child(struct joining *j)
{
	const struct oci_cpu_affinity *cpus = j->process.exec_cpu_affinity;
	char *command = NULL;
	char go;

	for (size_t i = 0; i < ES_N(j->parents); i++) /* with them open we would not see that the parent is gone */
		close(j->parents[i]);
	ES_TRY(rtproc_seal_fds(&j->proc));
	if (j->cgroup && cgroup_joins_itself(j->cgroup))
		ES_TRY(cgroup_join_itself(j->cgroup));
	if (syscall(SYS_setsid) < 0)
		return es_err_sys(errno, "setsid");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) /* others in the container must not look into us */
		return es_err_sys(errno, "not dumpable");
	ES_TRY(rtproc_open_label(&j->proc, j->host_proc));
	ES_TRY(rtproc_limits(&j->proc, j->host_proc, 0));
	if (file_read_some(j->hear, &go, 1) != 1)
		return es_err_new(ES_E_CANCELLED, "the runtime went away");
	if (!cpus)
		rtproc_run_anywhere(0);
	else
		ES_TRY(rtproc_run_on(cpus->final, "process.execCPUAffinity.final"));
	ES_TRY(ns_join_of(j->init, j->ns));
	if (j->in_user_ns && syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM)
		return es_err_sys(errno, "forget groups");
	if (j->in_user_ns && (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0))
		return es_err_sys(errno, "become root of the user namespace");
	if (j->console >= 0)
		ES_TRY(es_err_in(rtconsole_take(j->console, &j->process, false), "terminal"));
	if (!j->own_by_parent)
		ES_TRY(rtproc_own_stdio(j->process.user.uid));
	ES_TRY(rtproc_become(&j->proc, &command));
	j->at_exec = true;
	return rtproc_exec(&j->proc, command);
}

static es_err *hand_over(void *arg)
{
	struct joining *j = arg;
	char word = 'l';

	ES_TRY(file_write_all(j->say, &word, 1));
	if (file_read_some(j->hear, &word, 1) != 1)
		return es_err_new(ES_E_CANCELLED, "the runtime went away");
	return NULL;
}

static int child(void *arg)
{
	struct joining *j = arg;

	j->err = become_child(j);
	return 1;
}

/* ---- the parent ---- */

/* "1000", "1000:100": numbers only, as runc. */
static es_err *set_user(const char *text, struct oci_user *u)
{
	es_autostrv part = strv_split(text, ':');
	uint64_t uid, gid = 0;

	if (strv_len(part) > 2)
		return es_err_new(ES_E_INVALID, "parsing \"%s\" as UID[:GID]", text);
	ES_TRY(es_err_in(str_to_u64(part[0], 10, &uid), "parsing \"%s\" as UID", text));
	if (part[1])
		ES_TRY(es_err_in(str_to_u64(part[1], 10, &gid), "parsing \"%s\" as GID", text));
	if (uid > UINT32_MAX || gid > UINT32_MAX)
		return es_err_new(ES_E_INVALID, "parsing \"%s\": out of range", text);
	u->uid = (uint32_t)uid;
	if (part[1])
		u->gid = (uint32_t)gid;
	return NULL;
}

static es_err *set_gids(struct arena *a, char **gids, struct oci_user *u)
{
	struct json *list = u->additional_gids ? u->additional_gids : json_new_array(a);

	for (; gids && *gids; gids++) {
		uint64_t gid;

		ES_TRY(es_err_in(str_to_u64(*gids, 10, &gid), "additional gid"));
		json_append(list, json_new_u64(a, gid));
	}
	u->additional_gids = list;
	return NULL;
}

static void add_caps(struct arena *a, char **caps, struct oci_process *p)
{
	struct oci_caps *c;

	if (!caps)
		return;
	if (!p->capabilities)
		p->capabilities = ARENA_NEW(a, struct oci_caps);
	c = p->capabilities;
	for (; *caps; caps++) {
		c->bounding = strv_arena_add(a, c->bounding, *caps);
		c->effective = strv_arena_add(a, c->effective, *caps);
		c->permitted = strv_arena_add(a, c->permitted, *caps);
		if (c->inheritable && c->inheritable[0]) /* a container that uses ambient capabilities */
			c->ambient = strv_arena_add(a, c->ambient, *caps);
	}
}

/* From process.json, or the container's process with the command line's changes. */
static es_err *make_process(struct joining *j)
{
	const struct rtexec_options *o = j->o;
	struct oci_process *p = &j->process;

	if (o->process_file) {
		es_autofree char *text = NULL;
		size_t len;

		ES_TRY(file_read(AT_FDCWD, o->process_file, OCI_RUNTIME_CONFIG_MAX, &text, &len));
		return es_err_in(oci_runtime_parse_process(j->a, text, len, p), "%s", o->process_file);
	}
	*p = *j->spec.process;
	p->args = o->args;
	p->terminal = o->tty;
	p->cwd = o->cwd ? o->cwd : p->cwd;
	p->apparmor_profile = o->apparmor ? o->apparmor : p->apparmor_profile;
	p->selinux_label = o->label ? o->label : p->selinux_label;
	p->no_new_privileges = p->no_new_privileges || o->no_new_privs;
	for (char **e = o->env; e && *e; e++)
		p->env = strv_arena_add(j->a, p->env, *e);
	add_caps(j->a, o->caps, p);
	if (o->user)
		ES_TRY(set_user(o->user, &p->user));
	if (o->gids)
		ES_TRY(set_gids(j->a, o->gids, &p->user));
	if (!p->args || !p->args[0])
		return es_err_new(ES_E_INVALID, "exec needs a command");
	return NULL;
}

static es_err *load(struct joining *j)
{
	es_autoclose int bundle = -1;

	ES_TRY(rtstate_open_dir(j->o->root, j->o->id, &j->dir));
	ES_TRY(rtstate_read(j->a, j->dir, &j->state));
	bundle = openat(AT_FDCWD, j->state.bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bundle < 0)
		return es_err_sys(errno, "open bundle %s", j->state.bundle);
	ES_TRY(rtconfig_load(j->a, bundle, &j->spec));
	if (!j->spec.process)
		return es_err_new(ES_E_INVALID, "config.json: process is missing");
	return make_process(j);
}

/* --cgroup: "PATH" for all hierarchies, "CONTROLLER,...:PATH" for those of v1 controllers. */
static es_err *descend(struct joining *j, const char *word)
{
	const char *colon = strchr(word, ':');
	es_autofree char *controllers = colon ? es_xstrndup(word, (size_t)(colon - word)) : NULL;

	if (!j->cgroup)
		return es_err_new(ES_E_UNSUPPORTED, "--cgroup %s: the container has no cgroup", word);
	return es_err_in(cgroup_descend(j->cgroup, controllers, colon ? colon + 1 : word), "--cgroup %s", word);
}

static es_err *find_container(struct joining *j)
{
	es_err *err = rtstate_process(&j->state, &j->init);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_drop(err);
		return es_err_new(ES_E_CONFLICT, "cannot exec in a stopped container");
	}
	ES_TRY(err);
	ES_TRY(cgroup_host_load(&j->cgroup_host));
	if (!str_empty(j->state.cgroup)) /* else made without one */
		ES_TRY(cgroup_open(&j->cgroup_host, j->state.cgroup, &j->cgroup));
	if (!j->o->ignore_paused && j->cgroup && cgroup_is_frozen(j->cgroup))
		return es_err_new(ES_E_CONFLICT, "cannot exec in a paused container (use --ignore-paused to override)");
	for (char **c = j->o->cgroups; c && *c; c++)
		ES_TRY(descend(j, *c));
	for (char **n = j->state.namespaces; n && *n; n++) {
		int kind = ns_kind_of(*n);

		if (kind == NS_PID || kind == NS_TIME)
			j->ns_by_parent |= ns_rows[kind].flag; /* these hold for children */
		else if (kind >= 0)
			j->ns |= ns_rows[kind].flag;
	}
	return NULL;
}

/* Root enters pid and time namespaces for its children and stays who it is. Whoever is not has no rights but in the container's user
 * namespace, so it goes there itself, for good; what it was before is not needed any more. */
static es_err *prepare_user_ns(struct joining *j)
{
	struct idmap map;
	uint32_t uid, gid;

	j->in_user_ns = (j->ns & CLONE_NEWUSER) != 0;
	if (!j->in_user_ns)
		return NULL;
	ES_TRY(idmap_read(j->a, (pid_t)j->state.pid, &map));
	ES_TRY(es_err_in(idmap_uid(&map, j->process.user.uid, &uid), "process.user.uid"));
	ES_TRY(es_err_in(idmap_gid(&map, j->process.user.gid, &gid), "process.user.gid"));
	j->own_by_parent = caps_have(CAP_SYS_ADMIN);
	if (j->own_by_parent)
		return rtproc_own_stdio(uid);
	j->ns_by_parent |= CLONE_NEWUSER;
	j->ns &= ~(uint64_t)CLONE_NEWUSER;
	return NULL;
}

static es_err *prepare(struct joining *j)
{
	ES_TRY(rtproc_prepare(j->a, &j->spec, &j->process, &j->proc));
	ES_TRY(rtstate_read_seccomp(j->a, j->dir, &j->proc.seccomp, &j->proc.seccomp_len));
	j->proc.preserve_fds = j->o->preserve_fds;
	j->proc.keyring = arena_printf(j->a, "_ses.%s", j->o->id);
	ES_TRY(rtconsole_open(j->process.terminal, j->o->console_socket, j->o->own_console, &j->console));
	ES_TRY(procfs_host(&j->host_proc));
	ES_TRY(prepare_user_ns(j));
	if (pipe2(j->up, O_CLOEXEC) < 0 || pipe2(j->down, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	j->hear = j->down[0];
	j->say = j->up[1];
	j->parents[0] = j->up[0];
	j->parents[1] = j->down[1];
	j->proc.hand_over = hand_over;
	j->proc.hand_over_arg = j;
	return clone_stack_new(RTEXEC_STACK, &j->stack);
}

/* Before this side allocates again, or gives up. */
static void stop_child(struct joining *j)
{
	int status;

	es_err_drop(pidfd_signal(j->pidfd, SIGKILL));
	es_err_drop(pidfd_reap(j->pidfd, &status));
}

/* A container that has a container engine in it has handed its controllers on to groups below, and takes no process itself: new ones
 * go where its first process is. */
static es_err *clone_beside_init(struct joining *j, struct clone_args *args)
{
	struct cgroup *other;

	ES_TRY(cgroup_of(&j->cgroup_host, (pid_t)j->state.pid, &other));
	cgroup_free(j->cgroup);
	j->cgroup = other;
	args->cgroup = (uint64_t)cgroup_v2_fd(other);
	j->pid = clone_call(args, &j->stack, child, j);
	return NULL;
}

static es_err *start(struct joining *j)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)&j->pidfd,
		.exit_signal = SIGCHLD,
	};
	int v2 = j->cgroup ? cgroup_v2_fd(j->cgroup) : -1;
	char go = 'g';

	if (v2 >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)v2;
	}
	if (j->process.exec_cpu_affinity) /* before the process is in the container's cgroup; it inherits this */
		ES_TRY(rtproc_run_on(j->process.exec_cpu_affinity->initial, "process.execCPUAffinity.initial"));
	ES_TRY(ns_join_of(j->init, j->ns_by_parent));
	j->pid = clone_call(&args, &j->stack, child, j);
	if (j->pid == -EBUSY && v2 >= 0 && !j->o->cgroups)
		ES_TRY(clone_beside_init(j, &args));
	if (j->pid < 0)
		return es_err_sys(-j->pid, "clone into the container");
	close(j->up[1]);
	close(j->down[0]);
	j->up[1] = j->down[0] = -1;
	if (write(j->down[1], &go, 1) != 1 && errno != EPIPE) { /* EPIPE: it has ended, and says why */
		int errnum = errno;

		stop_child(j);
		return es_err_sys(errnum, "let the process go on");
	}
	return NULL;
}

static es_err *hand_over_listener(struct joining *j)
{
	char done = 'L';

	ES_TRY(rtnotify_send(j->spec.linux_->seccomp, &j->state, "running", j->pid, j->pidfd, j->proc.listener));
	return file_write_all(j->down[1], &done, 1);
}

static es_err *listen_to(struct joining *j)
{
	ssize_t n;
	char word;
	int status;

	while ((n = file_read_some(j->up[0], &word, 1)) > 0) {
		es_err *err = hand_over_listener(j); /* the child waits for it */

		if (err)
			stop_child(j);
		ES_TRY(err);
	}
	if (n < 0) {
		n = errno;
		stop_child(j);
		return es_err_sys((int)n, "hear from the process");
	}
	if (!j->err && j->at_exec)
		return NULL;
	es_err_drop(pidfd_reap(j->pidfd, &status));
	return j->err ? ES_TAKE(j->err) : es_err_new(ES_E_SYSTEM, "the process ended before it could run the command");
}

/* A process that nobody could find is not left behind. */
static es_err *write_pid_file(struct joining *j)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d", (int)j->pid);
	es_err *err;

	if (!j->o->pid_file)
		return NULL;
	err = es_err_in(file_replace(AT_FDCWD, j->o->pid_file, text, (size_t)n, 0644, false), "pid file");
	if (err)
		stop_child(j);
	return err;
}

static void done(struct joining *j)
{
	const int fds[] = { j->dir, j->init, j->host_proc, j->console, j->up[0], j->up[1], j->down[0], j->down[1] };

	for (size_t i = 0; i < ES_N(fds); i++)
		es_close(fds[i]);
	cgroup_free(j->cgroup);
	cgroup_host_done(&j->cgroup_host);
	clone_stack_done(&j->stack);
	arena_free(j->a);
}

#define JOINING(opts)                                                                                              \
	{                                                                                                          \
		.o = (opts), .a = arena_new(), .dir = -1, .init = -1, .host_proc = -1, .console = -1,              \
		.up = { -1, -1 }, .down = { -1, -1 }, .pidfd = -1,                                                 \
	}

es_err *rtexec(const struct rtexec_options *o, pid_t *ret_pid, int *ret_pidfd)
{
	static const struct {
		const char *what;
		es_err *(*go)(struct joining *j);
	} steps[] = {
		{ NULL, load },
		{ NULL, find_container },
		{ NULL, prepare },
		{ "unable to start container process", start },
		{ "unable to start container process", listen_to },
		{ NULL, write_pid_file },
	};
	struct joining j = JOINING(o);
	es_err *err = NULL;

	for (size_t i = 0; !err && i < ES_N(steps); i++) {
		err = steps[i].go(&j);
		if (steps[i].what)
			err = es_err_in(err, "%s", steps[i].what);
	}
	if (err) {
		es_close(j.pidfd);
	} else {
		*ret_pid = j.pid;
		*ret_pidfd = j.pidfd;
	}
	done(&j);
	return err;
}

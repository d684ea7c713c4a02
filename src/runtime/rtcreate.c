/* SPDX-License-Identifier: Apache-2.0 */
/* rtcreate.c: the runtime's side of a container's birth: prepare, clone, look after the child, undo on failure. */
#include "runtime/rtcreate.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "runtime/rtcgroup.h"
#include "runtime/rtconfig.h"
#include "runtime/rtconsole.h"
#include "runtime/rthook.h"
#include "runtime/rtinit.h"
#include "runtime/rtmount.h"
#include "runtime/rtnetdev.h"
#include "runtime/rtnotify.h"
#include "runtime/rtrdt.h"
#include "runtime/rtscope.h"
#include "runtime/rtstate.h"
#include "runtime/rtunit.h"
#include "sys/caps.h"
#include "sys/clone.h"
#include "sys/pidfd.h"
#include "sys/procfs.h"

#define RTCREATE_STACK (256u << 10) /* the child's; only touched pages cost */

/* Everything of one creation. The child shares this memory while it sets itself up: from clone until the channel closes
 * (exec, death) or says "created", this side allocates nothing and frees nothing unless the child waits for it. */
struct creation {
	const struct rtcreate_options *o;
	struct arena *a;
	struct oci_spec spec;
	struct rtstate state;
	const char *state_prefix;
	char boot_id[37];
	int bundle, state_dir, up[2], down[2];
	struct cgroup_host cgroup_host;
	struct cgroup *cgroup; /* NULL: disabled */
	struct rtscope scope;
	int rdt_root;
	struct rtrdt rdt;
	struct rtinit in;
	struct idmap idmap;
	struct rtmount_ctx ahead; /* binds made for a user namespace */
	bool may_mount; /* what only root may is done from here for a process in a user namespace */
	int lent[NS_N]; /* our own namespaces while we are in the container's */
	struct clone_stack stack;
	bool made_dir;
	pid_t pid;
	int pidfd;
};

/* ---- prepare ---- */

static es_err *load(struct creation *c)
{
	c->bundle = openat(AT_FDCWD, c->o->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->bundle < 0)
		return es_err_sys(errno, "open bundle %s", c->o->bundle);
	ES_TRY(rtconfig_load(c->a, c->bundle, &c->spec));
	return rtconfig_check(&c->spec);
}

static es_err *make_dir(struct creation *c)
{
	ES_TRY(rtstate_make_dir(c->o->root, c->o->id, &c->state_dir));
	c->made_dir = true;
	c->in.state_dir = c->state_dir;
	if (c->o->wait_for_start && (mknodat(c->state_dir, RTSTATE_FIFO, S_IFIFO | 0622, 0) < 0))
		return es_err_sys(errno, "make " RTSTATE_FIFO);
	return NULL;
}

static es_err *prepare_root(struct creation *c)
{
	ES_TRY(rtconfig_fd(&c->spec, OCI_RUNTIME_ROOTFS_FD, &c->in.rootfs_fd));
	c->state.rootfs = "";
	if (c->in.rootfs_fd >= 0)
		return NULL;
	c->in.rootfs = c->spec.root->path;
	if (*c->in.rootfs != '/')
		c->in.rootfs = arena_printf(c->a, "%s/%s", c->state.bundle, c->in.rootfs);
	c->state.rootfs = c->in.rootfs;
	return NULL;
}

/* The scope exists from here on; the helper is in it until the container's process is. */
static es_err *prepare_scope(struct creation *c, const char **ret_path)
{
	struct scope_request r = { .user = rtscope_is_users() };

	if (c->cgroup_host.mode == CGROUP_NONE)
		return es_err_new(ES_E_UNSUPPORTED, "no cgroup hierarchy is mounted here");
	ES_TRY(rtunit_parse(c->a, c->spec.linux_->cgroups_path, c->o->id, r.user, &r));
	ES_TRY(rtunit_start(c->a, c->spec.linux_->resources, c->spec.annotations, c->cgroup_host.mode == CGROUP_V2, &r));
	ES_TRY(rtscope_start(c->a, &r, &c->scope, ret_path));
	c->state.unit = r.unit;
	c->state.user_unit = r.user;
	return NULL;
}

/* A group that was there before us may be taken only when nothing is in it: its processes would be killed with the container, and
 * in one that is frozen the container would never start. */
static es_err *check_found_cgroup(const struct cgroup *cg)
{
	es_autofree pid_t *pids = NULL;
	size_t n = 0;

	if (cgroup_is_frozen(cg))
		return es_err_new(ES_E_CONFLICT, "container's cgroup unexpectedly frozen: %s", cgroup_path(cg));
	ES_TRY(cgroup_procs(cg, &pids, &n));
	if (n)
		return es_err_new(ES_E_CONFLICT, "container's cgroup is not empty: %zu process(es) found in %s", n, cgroup_path(cg));
	return NULL;
}

/* Whoever is not root has no groups of his own unless somebody delegated him some: then no limit can be set, and none is missed. */
static es_err *do_without_cgroup(struct creation *c, es_err *err)
{
	es_err *limit;

	if (!err || !c->o->rootless || (es_err_errno(err) != EACCES && es_err_errno(err) != EPERM && es_err_errno(err) != EROFS))
		return err;
	cgroup_free(c->cgroup);
	c->cgroup = NULL;
	limit = rtcgroup_refuse(c->spec.linux_->resources);
	if (limit) {
		limit = es_err_new(ES_E_UNSUPPORTED, "%s (%s)", es_err_text(limit), es_err_text(err));
		es_err_drop(err);
		return limit;
	}
	es_err_drop(err);
	return NULL;
}

static es_err *prepare_cgroup(struct creation *c)
{
	const char *path = c->spec.linux_->cgroups_path;
	es_autocgroup *cg = NULL;
	es_err *err = NULL;

	ES_TRY(cgroup_host_load(&c->cgroup_host));
	c->in.cgroup_host = &c->cgroup_host;
	if (c->o->cgroup_driver == RTCGROUP_DISABLED)
		return rtcgroup_refuse(c->spec.linux_->resources);
	if (c->o->cgroup_driver == RTCGROUP_SYSTEMD)
		ES_TRY(prepare_scope(c, &path));
	else if (str_empty(path))
		path = c->o->id;
	else if (strchr(path, ':'))
		return es_err_new(ES_E_INVALID, "linux.cgroupsPath: \"%s\" is for the systemd driver (--systemd-cgroup)", path);
	ES_TRY(do_without_cgroup(c, cgroup_create(&c->cgroup_host, path, &cg)));
	if (!cg)
		return NULL;
	if (c->o->cgroup_driver != RTCGROUP_SYSTEMD && cgroup_existed(cg)) /* systemd's scope has the helper in it */
		err = check_found_cgroup(cg);
	if (err) {
		cgroup_unmake(cg);
		return err;
	}
	c->in.cgroup = c->cgroup = ES_TAKE(cg); /* from here on undone on failure */
	c->state.cgroup = cgroup_path(c->cgroup);
	return rtcgroup_apply(c->cgroup, c->spec.linux_->resources, true);
}

static es_err *prepare_rdt(struct creation *c)
{
	const struct oci_intel_rdt *r = c->spec.linux_->intel_rdt;

	if (!r)
		return NULL;
	ES_TRY(es_err_in(rtrdt_open(&c->rdt_root), "linux.intelRdt"));
	ES_TRY(es_err_in(rtrdt_prepare(c->a, c->rdt_root, r, c->o->id, &c->rdt), "linux.intelRdt"));
	c->state.rdt_made = c->rdt.made;
	c->state.rdt_mon = c->rdt.mon;
	return NULL;
}

static es_err *prepare_namespaces(struct creation *c)
{
	const struct oci_linux *l = c->spec.linux_;

	FIELD_LIST_EACH(const struct oci_namespace, n, &l->namespaces) {
		int kind = ns_kind_of(n->type);

		c->state.namespaces = strv_arena_add(c->a, c->state.namespaces, n->type);
		if (!str_empty(n->path))
			ES_TRY(ns_open((enum ns_kind)kind, n->path, &c->in.join[kind]));
		else if (kind == NS_CGROUP)
			c->in.new_cgroup_ns = true; /* after the cgroup is joined: it is the namespace's root */
		else if (kind == NS_TIME)
			c->in.new_time_ns = true; /* its offsets must be written from inside, before exec */
		else
			c->in.new_ns |= ns_rows[kind].flag;
	}
	c->may_mount = caps_have(CAP_SYS_ADMIN);
	c->in.in_user_ns = c->in.new_ns & CLONE_NEWUSER || c->in.join[NS_USER] >= 0;
	c->in.by_parent = c->in.in_user_ns && c->may_mount;
	if (c->in.in_user_ns && c->in.new_ns & CLONE_NEWIPC) {
		c->in.new_ipc_ns = true;
		c->in.new_ns &= ~(uint64_t)CLONE_NEWIPC;
	}
	c->in.bind_devices = c->in.in_user_ns || !caps_have(CAP_MKNOD) || !ns_user_is_first();
	return NULL;
}

static const struct idmap_range *ranges(struct arena *a, const struct field_list *l)
{
	struct idmap_range *r = ARENA_ARRAY(a, struct idmap_range, l->n + 1);
	const struct oci_id_map *m = l->items;

	for (size_t i = 0; i < l->n; i++)
		r[i] = (struct idmap_range){ m[i].container_id, m[i].host_id, m[i].size };
	return r;
}

static es_err *check_user(const struct creation *c)
{
	const struct oci_user *u = &c->spec.process->user;
	uint32_t id;

	ES_TRY(es_err_in(idmap_uid(&c->idmap, 0, &id), "linux.uidMappings"));
	ES_TRY(es_err_in(idmap_gid(&c->idmap, 0, &id), "linux.gidMappings"));
	ES_TRY(es_err_in(idmap_uid(&c->idmap, u->uid, &id), "process.user.uid"));
	return es_err_in(idmap_gid(&c->idmap, u->gid, &id), "process.user.gid");
}

static es_err *prepare_process(struct creation *c)
{
	const struct oci_linux *l = c->spec.linux_;

	c->idmap = (struct idmap){ ranges(c->a, &l->uid_mappings), ranges(c->a, &l->gid_mappings), l->uid_mappings.n, l->gid_mappings.n };
	c->in.idmap = &c->idmap;
	if (c->in.new_ns & CLONE_NEWUSER)
		ES_TRY(check_user(c));
	ES_TRY(rtproc_prepare(c->a, &c->spec, c->spec.process, &c->in.proc));
	ES_TRY(rtconfig_seccomp(c->a, &c->spec, &c->in.proc.seccomp, &c->in.proc.seccomp_len));
	c->in.proc.preserve_fds = c->o->preserve_fds;
	if (!c->o->no_new_keyring)
		c->in.proc.keyring = arena_printf(c->a, "_ses.%s", c->o->id);
	return NULL;
}

/* A process in a user namespace may not reach the sources, nor map ids of file systems that are not its own. */
static es_err *prepare_binds(struct creation *c)
{
	if (!c->in.by_parent)
		return NULL;
	c->ahead = (struct rtmount_ctx){ .a = c->a, .root = -1, .bundle = c->state.bundle, .proc = -1, .dev_fd = -1, .idmap = &c->idmap,
					 .userns = c->in.join[NS_USER] };
	ES_TRY(rtmount_take_binds(&c->ahead, &c->spec));
	c->in.ahead = c->ahead.ahead;
	return NULL;
}

static es_err *prepare_console(struct creation *c)
{
	return rtconsole_open(c->spec.process->terminal, c->o->console_socket, c->o->own_console, &c->in.console);
}

static es_err *prepare_state(struct creation *c)
{
	ES_TRY(rtstate_boot_id(c->boot_id));
	c->state.version = RTSTATE_VERSION;
	c->state.id = c->o->id;
	c->state.oci_version = c->spec.oci_version;
	c->state.boot_id = c->boot_id;
	c->state.created = clock_now_ns();
	c->state.uid = (int64_t)getuid();
	if (c->spec.hooks && (c->spec.hooks->poststart.n || c->spec.hooks->poststop.n)) /* as they are now, whatever becomes of config.json */
		c->state.hooks = c->spec.hooks;
	c->state.annotations = c->spec.annotations;
	c->in.state = &c->state;
	return rtstate_prefix(c->a, &c->state, &c->state_prefix);
}

static es_err *prepare_channels(struct creation *c)
{
	if (pipe2(c->up, O_CLOEXEC) < 0 || pipe2(c->down, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	c->in.up = c->up[1];
	c->in.down = c->down[0];
	c->in.parents[0] = c->up[0];
	c->in.parents[1] = c->down[1];
	return clone_stack_new(RTCREATE_STACK, &c->stack);
}

/* ---- clone ---- */

/* Pid and time namespaces are entered by children only, so they are ours for the moment of the clone. The others the child enters
 * itself, unless it is born in a user namespace, where it would not be allowed to. Who has no rights but in a user namespace that is
 * joined has to be there first: join_on_the_way(). */
static es_err *borrow_namespaces(struct creation *c)
{
	for (int k = 0; k < NS_N; k++) {
		char path[32];

		if (c->in.join[k] < 0 || (k != NS_PID && k != NS_TIME && !c->in.in_user_ns))
			continue;
		if (k == NS_USER || (c->in.join[NS_USER] >= 0 && !c->may_mount))
			continue;
		snprintf(path, sizeof path, "/proc/self/ns/%s", ns_rows[k].file);
		c->lent[k] = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
		if (c->lent[k] < 0)
			return es_err_sys(errno, "open %s", path);
		ES_TRY(ns_join((enum ns_kind)k, c->in.join[k]));
		es_close(c->in.join[k]);
		c->in.join[k] = -1;
	}
	return NULL;
}

static es_err *return_namespaces(struct creation *c)
{
	for (int k = 0; k < NS_N; k++) /* not the time namespace: the kernel has nobody change it whose memory is shared */
		if (c->lent[k] >= 0 && k != NS_TIME)
			ES_TRY(ns_join((enum ns_kind)k, c->lent[k]));
	return NULL;
}

/* In the process between us and the child, which cannot come back. */
static es_err *join_on_the_way(void *arg)
{
	struct rtinit *in = arg;

	for (int k = 0; k < NS_N; k++) { /* the user namespace is the first in the table */
		if (in->join[k] < 0)
			continue;
		if (k == NS_TIME)
			return es_err_new(ES_E_UNSUPPORTED, "linux.namespaces: without root's rights a time namespace cannot be joined together "
							    "with a user namespace");
		ES_TRY(ns_join((enum ns_kind)k, in->join[k]));
		es_close(in->join[k]);
		in->join[k] = -1;
	}
	return NULL;
}

/* With a scope the process joins later, by a move: its limit of tasks counts the helper until that has left. */
static bool born_in_cgroup(const struct creation *c)
{
	return c->cgroup && !c->state.unit && cgroup_is_v2(c->cgroup);
}

static es_err *clone_init(struct creation *c)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND | c->in.new_ns,
		.pidfd = (uint64_t)(uintptr_t)&c->pidfd,
		.parent_tid = (uint64_t)(uintptr_t)&c->in.pid,
		.exit_signal = SIGCHLD,
	};
	int v2 = born_in_cgroup(c) ? cgroup_v2_fd(c->cgroup) : -1;

	c->in.join_cgroup = c->cgroup && !c->state.unit && cgroup_joins_itself(c->cgroup);
	if (v2 >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)v2;
	}
	ES_TRY(borrow_namespaces(c));
	if (c->in.join[NS_USER] >= 0) {
		ES_TRY(clone_through(join_on_the_way, &args, &c->stack, rtinit_main, &c->in, &c->pid));
	} else {
		c->pid = clone_call(&args, &c->stack, rtinit_main, &c->in);
		if (c->pid < 0)
			return es_err_sys(-c->pid, "clone into new namespaces");
	}
	close(c->up[1]);
	close(c->down[0]);
	c->up[1] = c->down[0] = -1;
	return return_namespaces(c);
}

/* ---- look after the child ---- */

/* Stop the child before this side allocates again. */
static es_err *stop_child(struct creation *c)
{
	int status = 0;

	syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0u);
	return pidfd_reap(c->pidfd, &status);
}

/* Allocates nothing: 0 or errno, and where. Who may not write into both groups asks systemd to; on a hybrid machine systemd counts
 * processes in the v2 tree, which is not one of ours. */
static int join_cgroup(struct creation *c, const char **ret_mount)
{
	int errnum = 0;

	if (c->cgroup && !born_in_cgroup(c) && !c->in.join_cgroup)
		errnum = cgroup_join_quiet(c->cgroup, c->pid, ret_mount);
	if (c->state.unit && (errnum == EACCES || errnum == EPERM || (!errnum && c->cgroup_host.mode == CGROUP_HYBRID)))
		errnum = rtscope_attach(&c->scope, c->pid);
	rtscope_release(&c->scope);
	return errnum;
}

/* Its map, when it was made by somebody else; config.json may say the same but nothing different. */
static es_err *learn_map(struct creation *c)
{
	struct idmap there;

	ES_TRY(idmap_read(c->a, c->pid, &there));
	if (!idmap_is_identity(&c->idmap) && !idmap_equal(&c->idmap, &there))
		return es_err_new(ES_E_INVALID, "linux.uidMappings and gidMappings differ from those of the user namespace in linux.namespaces");
	c->idmap = there;
	return check_user(c);
}

/* The child waits meanwhile, so that memory is ours. What the kernel lets only root do is done here for it. */
static es_err *settle_user_ns(struct creation *c)
{
	es_autoclose int proc = -1;
	uint32_t uid;

	if (!c->in.in_user_ns)
		return NULL;
	if (c->in.new_ns & CLONE_NEWUSER)
		ES_TRY(es_err_in(idmap_write(&c->idmap, c->pid), "linux.uidMappings, gidMappings"));
	else
		ES_TRY(learn_map(c));
	if (!c->in.by_parent)
		return NULL;
	ES_TRY(procfs_host(&proc));
	ES_TRY(rtproc_limits(&c->in.proc, proc, c->pid));
	ES_TRY(idmap_uid(&c->idmap, c->spec.process->user.uid, &uid));
	return rtproc_own_stdio(uid);
}

/* While the child makes its mounts: put it into its cgroups, record it, map its ids. */
static es_err *settle(struct creation *c)
{
	const char *mount = "";
	uint64_t ticks = 0;
	int errnum = join_cgroup(c, &mount);
	char go = RTINIT_GO;
	es_err *err = NULL;

	if (errnum) {
		es_err_drop(stop_child(c));
		return es_err_sys(errnum, "join cgroup %s: %s", mount, cgroup_path(c->cgroup));
	}
	errnum = rtrdt_join(&c->rdt, c->pid);
	if (errnum) {
		es_err_drop(stop_child(c));
		return es_err_sys(errnum, "linux.intelRdt: join the class of service");
	}
	err = settle_user_ns(c);
	if (err) {
		es_err_drop(stop_child(c));
		return err;
	}
	err = pidfd_start_ticks(c->pid, &ticks);
	if (err && es_err_class(err) != ES_E_NOT_FOUND) {
		es_err_drop(stop_child(c));
		return err;
	}
	if (!err) { /* else it died, and the channel will say why */
		errnum = rtstate_write_seccomp(c->state_dir, c->in.proc.seccomp, c->in.proc.seccomp_len);
		if (!errnum)
			errnum = rtstate_write(c->state_dir, c->state_prefix, c->pid, ticks);
		if (errnum) {
			es_err_drop(stop_child(c));
			return es_err_sys(errnum, "write state");
		}
	}
	es_err_drop(err);
	c->state.pid = c->pid;
	c->state.start_ticks = ticks;
	if (write(c->down[1], &go, 1) != 1 && errno != EPIPE) {
		errnum = errno;
		es_err_drop(stop_child(c));
		return es_err_sys(errnum, "let container init go on");
	}
	return NULL;
}

static es_err *outer_hooks(struct creation *c)
{
	const struct oci_hooks *h = c->spec.hooks;
	es_autofree char *json = rtstate_oci_json(&c->state, "creating", c->pid);
	char done = RTINIT_HOOKED;

	ES_TRY(rthook_run(&h->prestart, "prestart", json, NULL, c->state.bundle));
	ES_TRY(rthook_run(&h->create_runtime, "createRuntime", json, NULL, c->state.bundle));
	return file_write_all(c->down[1], &done, 1);
}

static es_err *hand_over_listener(struct creation *c)
{
	char done = RTINIT_LISTENED;

	ES_TRY(rtnotify_send(c->spec.linux_->seccomp, &c->state, "creating", c->pid, c->pidfd, c->in.proc.listener));
	return file_write_all(c->down[1], &done, 1);
}

static es_err *move_devices(struct creation *c)
{
	char path[32], done = RTINIT_MOVED;
	es_autoclose int netns = -1;

	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)c->pid);
	netns = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return es_err_sys(errno, "open %s", path);
	ES_TRY(rtnetdev_move(c->spec.linux_->net_devices, netns));
	return file_write_all(c->down[1], &done, 1);
}

static es_err *died(struct creation *c)
{
	int status = 0;

	ES_TRY(pidfd_reap(c->pidfd, &status));
	return es_err_new(ES_E_SYSTEM, "container init ended before it could run the command (wait status 0x%x)", (unsigned)status);
}

/* Until it says "created" or the channel closes: by exec, with an error, or by death. */
static es_err *listen_to(struct creation *c)
{
	for (;;) {
		char word = 0;
		ssize_t n = file_read_some(c->up[0], &word, 1);

		if (n < 0)
			return es_err_sys(errno, "hear from container init");
		if (n == 0 && c->in.err)
			return ES_TAKE(c->in.err);
		if (n == 0)
			return c->in.stage == RTINIT_EXEC ? NULL : died(c);
		if (word == RTINIT_CREATED)
			return NULL;
		ES_TRY(word == RTINIT_LISTENER ? hand_over_listener(c) : word == RTINIT_DEVICES ? move_devices(c) : outer_hooks(c));
	}
}

static es_err *write_pid_file(struct creation *c)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d", (int)c->pid);

	if (!c->o->pid_file)
		return NULL;
	return es_err_in(file_replace(AT_FDCWD, c->o->pid_file, text, (size_t)n, 0644, false), "pid file");
}

static es_err *poststart(struct creation *c)
{
	if (c->o->wait_for_start || !c->spec.hooks)
		return NULL;
	es_autofree char *json = rtstate_oci_json(&c->state, "running", c->pid);

	rthook_run_lenient(&c->spec.hooks->poststart, "poststart", json, c->state.bundle);
	return NULL;
}

static const struct {
	const char *what;
	es_err *(*go)(struct creation *c);
} steps[] = {
	{ NULL, load },
	{ NULL, make_dir },
	{ NULL, prepare_root },
	{ NULL, prepare_namespaces },
	{ NULL, prepare_process },
	{ NULL, prepare_binds },
	{ NULL, prepare_console },
	{ NULL, prepare_cgroup },
	{ NULL, prepare_rdt },
	{ NULL, prepare_state },
	{ NULL, prepare_channels },
	{ "unable to start container process", clone_init },
	{ "unable to start container process", settle },
	{ "unable to start container process", listen_to },
	{ NULL, write_pid_file },
	{ NULL, poststart },
};

static void undo(struct creation *c)
{
	if (c->pidfd >= 0)
		es_err_drop(stop_child(c));
	es_err_free(ES_TAKE(c->in.err));
	rtscope_release(&c->scope);
	if (c->state.unit)
		es_err_drop(rtscope_call(c->a, &(struct scope_request){ .op = "stop", .unit = c->state.unit, .user = c->state.user_unit }));
	if (c->cgroup) {
		es_err_drop(cgroup_kill(c->cgroup));
		es_err_drop(cgroup_remove(c->cgroup));
	}
	rtrdt_remove(c->rdt_root, c->rdt.made, c->rdt.mon);
	if (c->made_dir)
		es_err_drop(rtstate_remove_dir(c->o->root, c->o->id));
}

static void done(struct creation *c)
{
	const int fds[] = { c->bundle, c->state_dir, c->up[0], c->up[1], c->down[0], c->down[1], c->in.console, c->rdt_root };

	for (size_t i = 0; i < ES_N(fds); i++)
		es_close(fds[i]);
	rtmount_drop_ahead(&c->ahead, &c->spec);
	for (int k = 0; k < NS_N; k++) {
		es_close(c->lent[k]);
		es_close(c->in.join[k]);
	}
	rtrdt_done(&c->rdt);
	cgroup_free(c->cgroup);
	cgroup_host_done(&c->cgroup_host);
	/* The stack and the arena stay when a created container still lives on them; this process ends soon. */
	if (!c->o->wait_for_start) {
		clone_stack_done(&c->stack);
		arena_free(c->a);
		free(c);
	}
}

es_err *rtcreate(const struct rtcreate_options *o, pid_t *ret_pid, int *ret_pidfd)
{
	es_autofree char *bundle = realpath(o->bundle, NULL);
	struct creation *c = ES_NEW(struct creation);
	es_err *err = NULL;

	*c = (struct creation){ .o = o, .a = arena_new(), .bundle = -1, .state_dir = -1, .up = { -1, -1 }, .down = { -1, -1 }, .pidfd = -1, .rdt_root = -1, .rdt = RTRDT_NONE };
	c->in.a = c->a;
	c->in.spec = &c->spec;
	c->in.wait_for_start = o->wait_for_start;
	c->in.console = c->in.rootfs_fd = -1;
	for (int k = 0; k < NS_N; k++)
		c->in.join[k] = c->lent[k] = -1;
	c->state.bundle = arena_strdup(c->a, bundle ? bundle : o->bundle);
	for (size_t i = 0; !err && i < ES_N(steps); i++) {
		err = steps[i].go(c);
		if (steps[i].what)
			err = es_err_in(err, "%s", steps[i].what);
	}
	if (err) {
		undo(c);
		es_close(c->pidfd);
	} else {
		*ret_pid = c->pid;
		*ret_pidfd = c->pidfd;
	}
	done(c);
	return err;
}

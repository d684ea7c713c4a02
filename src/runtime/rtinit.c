/* SPDX-License-Identifier: Apache-2.0 */
/* rtinit.c: a list of steps that turn a clone of the runtime into the container's first process. */
#include "runtime/rtinit.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/str.h"
#include "runtime/rtconfig.h"
#include "runtime/rtconsole.h"
#include "runtime/rtdev.h"
#include "runtime/rthook.h"
#include "runtime/rtmount.h"
#include "runtime/rtstate.h"
#include "sys/mount.h"
#include "sys/procfs.h"

/* What only the child has while it works. */
struct work {
	struct rtinit *in;
	int proc; /* detached procfs of the new pid namespace: writes go through it, never through a path */
	bool proc_is_hosts;
	int root;
	int place; /* where the root is attached, opened with the rights of our creator; -1 */
	struct rtmount_ctx mounts;
	char *command;
	int fifo; /* O_PATH; -1: none to wait for */
};

static es_err *hear(struct rtinit *in, char word)
{
	char got = 0;
	ssize_t n = file_read_some(in->down, &got, 1);

	if (n != 1 || got != word)
		return es_err_new(ES_E_CANCELLED, "the runtime went away");
	return NULL;
}

static es_err *say(struct rtinit *in, char word)
{
	return file_write_all(in->up, &word, 1);
}

/* ---- namespaces and identity ---- */

static es_err *hand_over(void *arg)
{
	struct work *w = arg;

	ES_TRY(say(w->in, RTINIT_LISTENER));
	return hear(w->in, RTINIT_LISTENED);
}

static es_err *seal_fds(struct work *w)
{
	return rtproc_seal_fds(&w->in->proc);
}

static es_err *join_cgroup(struct work *w)
{
	return w->in->join_cgroup ? cgroup_join_itself(w->in->cgroup) : NULL;
}

/* The parent attaches us to our cgroups and maps our ids meanwhile; whatever needs either waits here first. */
static es_err *need_go(void *arg)
{
	struct work *w = arg;
	struct rtinit *in = w->in;

	if (in->went)
		return NULL;
	ES_TRY(hear(in, RTINIT_GO));
	in->went = true;
	rtproc_run_anywhere(0);
	if (in->new_cgroup_ns && syscall(SYS_unshare, CLONE_NEWCGROUP) < 0)
		return es_err_sys(errno, "new cgroup namespace");
	return NULL;
}

static es_err *enter_namespaces(struct work *w)
{
	struct rtinit *in = w->in;

	if (syscall(SYS_setsid) < 0)
		return es_err_sys(errno, "setsid");
	if (in->new_ns & CLONE_NEWUSER && !in->by_parent)
		ES_TRY(need_go(w)); /* who maps our ids without being root may only as long as we are dumpable */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return es_err_sys(errno, "not dumpable");
	umask(0);
	if (in->in_user_ns && in->rootfs)
		w->place = openat(AT_FDCWD, in->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int k = 0; k < NS_N; k++) /* the user namespace comes first in the table */
		if (in->join[k] >= 0 && k != NS_PID)
			ES_TRY(ns_join((enum ns_kind)k, in->join[k]));
	if (in->in_user_ns) {
		ES_TRY(need_go(w));
		if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
			return es_err_sys(errno, "become root of the user namespace");
		if (syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM)
			return es_err_sys(errno, "forget groups");
		if (in->new_ipc_ns && syscall(SYS_unshare, CLONE_NEWIPC) < 0)
			return es_err_sys(errno, "new ipc namespace");
	}
	return NULL;
}

/* The file belongs to root of the host while we are not dumpable, which root of a user namespace is not. In a pid namespace that is
 * new there is nobody yet to look into us meanwhile. */
static es_err *put_offsets(struct work *w, const char *text)
{
	es_err *err;

	if (!w->in->in_user_ns)
		return procfs_put(w->proc, "self/timens_offsets", text);
	if (!(w->in->new_ns & CLONE_NEWPID))
		return es_err_new(ES_E_UNSUPPORTED, "in a user namespace they need a new pid namespace");
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return es_err_sys(errno, "dumpable");
	err = procfs_put(w->proc, "self/timens_offsets", text);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 && !err)
		err = es_err_sys(errno, "not dumpable");
	return err;
}

static es_err *time_offsets(struct work *w)
{
	const struct field_map *offsets = w->in->spec->linux_->time_offsets;
	es_autobuf b = ES_BUF(256);

	if (!w->in->new_time_ns)
		return NULL;
	if (syscall(SYS_unshare, CLONE_NEWTIME) < 0)
		return es_err_sys(errno, "new time namespace");
	FIELD_MAP_EACH(e, offsets) {
		const struct oci_time_offset *o = e->value;

		es_buf_printf(&b, "%s %lld %u\n", e->key, (long long)o->secs, o->nanosecs);
	}
	return b.len ? es_err_in(put_offsets(w, es_buf_str(&b)), "linux.timeOffsets") : NULL;
}

/* A user namespace that shares the host's pid namespace may not mount a procfs of it, but look at the host's. */
static es_err *open_proc(struct work *w)
{
	es_err *err = mount_new("proc", "proc", NULL, 0, &w->proc);

	if (!err || es_err_errno(err) != EPERM || w->in->new_ns & CLONE_NEWPID)
		return err;
	es_err_drop(err);
	w->proc_is_hosts = true;
	return procfs_host(&w->proc);
}

static es_err *set_names(struct work *w)
{
	const struct oci_spec *s = w->in->spec;

	if (!str_empty(s->hostname) && sethostname(s->hostname, strlen(s->hostname)) < 0)
		return es_err_sys(errno, "hostname");
	if (!str_empty(s->domainname) && setdomainname(s->domainname, strlen(s->domainname)) < 0)
		return es_err_sys(errno, "domainname");
	return NULL;
}

static es_err *limits(struct work *w)
{
	ES_TRY(rtproc_open_label(&w->in->proc, w->proc));
	return w->in->by_parent ? NULL : rtproc_limits(&w->in->proc, w->proc, 0);
}

static es_err *sysctls(struct work *w)
{
	FIELD_MAP_EACH(e, w->in->spec->linux_->sysctl) {
		es_autofree char *name = rtconfig_sysctl_name(e->key), *path = es_xasprintf("sys/%s", name);

		for (char *p = path + strlen("sys/"); *p; p++)
			*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
		ES_TRY(es_err_in(procfs_put(w->proc, path, e->value), "linux.sysctl %s", e->key));
	}
	return NULL;
}

static es_err *net_devices(struct work *w)
{
	const struct field_map *devices = w->in->spec->linux_->net_devices;

	if (!devices || !devices->n)
		return NULL;
	ES_TRY(need_go(w));
	ES_TRY(say(w->in, RTINIT_DEVICES));
	return hear(w->in, RTINIT_MOVED);
}

/* ---- the root file system ---- */

/* Shared: the container's root, and binds that ask for it stay peers of the host's mounts. What else is mounted from here on must
 * not show on the host, so its mounts become masters of ours all the same. Unbindable: only the root, in the end, for what the
 * container is made of has to be bound. */
static es_err *propagation(struct work *w)
{
	uint64_t p = rtmount_propagation(w->in->spec->linux_->rootfs_propagation);

	w->mounts.a = w->in->a;
	w->mounts.bundle = w->in->state->bundle;
	if (p == MS_SHARED && !w->in->ahead)
		ES_TRY(rtmount_take_shared(&w->mounts, w->in->spec));
	return mount_propagate_all(p == MS_PRIVATE || p == MS_UNBINDABLE ? MS_PRIVATE : MS_SLAVE);
}

/* The descriptor's owner keeps his mount, for a restart, where the kernel lets a detached mount be cloned (6.15). */
static es_err *root_mount(struct rtinit *in, int place, int *ret_fd)
{
	es_err *err = mount_clone(in->rootfs ? place : in->rootfs_fd, "", true, ret_fd);

	if (!err || in->rootfs || es_err_errno(err) != EINVAL)
		return err;
	es_err_drop(err);
	*ret_fd = in->rootfs_fd;
	return NULL;
}

/* A root given by path is attached where it is (hooks look for it there); one given as a descriptor covers "/", which
 * nobody sees before the pivot. */
static es_err *attach_root(struct work *w)
{
	struct rtinit *in = w->in;
	es_autoclose int place = w->place >= 0 ? ES_TAKE_FD(w->place) : openat(AT_FDCWD, in->rootfs ? in->rootfs : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	es_autoclose int fd = -1;
	es_err *err;

	if (place < 0)
		return es_err_sys(errno, "root file system %s", in->rootfs);
	ES_TRY(root_mount(in, place, &fd));
	if (!in->rootfs) /* a clone of a shared mount is shared, and nothing can pivot into that. One that was used says so below. */
		es_err_drop(mount_change(fd, &(struct mount_attr_change){ .propagation = MS_SLAVE, .propagation_below = true }));
	err = mount_attach(fd, place);
	if (err && fd == in->rootfs_fd) {
		es_err_drop(err);
		return es_err_new(ES_E_CONFLICT,
				  "annotation " OCI_RUNTIME_ROOTFS_FD ": %d is no detached mount, or has been used; "
				  "before Linux 6.15 one serves one start",
				  fd);
	}
	ES_TRY(es_err_in(err, "root file system"));
	w->root = ES_TAKE_FD(fd);
	return NULL;
}

static es_err *make_mounts(struct work *w)
{
	struct rtinit *in = w->in;

	w->mounts = (struct rtmount_ctx){
		.a = in->a, .root = w->root, .bundle = in->state->bundle, .proc = w->proc_is_hosts ? -1 : w->proc, .cgroup_host = in->cgroup_host,
		.cgroup_path = in->cgroup ? cgroup_path(in->cgroup) : "", .cgroup_ns = in->new_cgroup_ns || in->join[NS_CGROUP] >= 0,
		.cgroup_ready = need_go, .arg = w, .dev_fd = -1,
		.ahead = in->ahead ? in->ahead : w->mounts.ahead, .ahead_done = in->ahead != NULL,
		.idmap = in->idmap, .userns = -1,
	};
	return rtmount_all(&w->mounts, in->spec);
}

static es_err *make_devices(struct work *w)
{
	return rtdev_make(w->root, w->in->spec, w->in->bind_devices);
}

static es_err *make_masks(struct work *w)
{
	return rtmount_masks(&w->mounts, w->in->spec->linux_);
}

/* Runs in the container's namespaces: STATUS is what the specification says the state is at that stage, the process id the one that
 * is seen there. */
static es_err *inner_hooks(struct work *w, const struct field_list *list, const char *stage, const char *status,
			   char *const *env, const char *cwd)
{
	es_autofree char *json = list->n ? rtstate_oci_json(w->in->state, status, (pid_t)syscall(SYS_getpid)) : NULL;

	return rthook_run(list, stage, json, env, cwd);
}

static es_err *hooks(struct work *w)
{
	const struct oci_hooks *h = w->in->spec->hooks;

	if (!h)
		return NULL;
	if (h->prestart.n || h->create_runtime.n) {
		ES_TRY(need_go(w));
		ES_TRY(say(w->in, RTINIT_HOOKS));
		ES_TRY(hear(w->in, RTINIT_HOOKED));
	}
	return inner_hooks(w, &h->create_container, "createContainer", "creating", NULL, w->in->rootfs);
}

/* mkdir -p, as runc does: images name working directories that do not exist. */
static es_err *make_cwd(struct work *w)
{
	es_autoclose int fd = mount_open_in(w->root, w->in->proc.p->cwd, O_PATH);

	if (fd >= 0 || errno != ENOENT)
		return NULL;
	return es_err_in(mount_target_in(w->root, w->in->proc.p->cwd, true, &fd), "working directory");
}

static es_err *pivot(struct work *w)
{
	return mount_pivot(w->root);
}

static es_err *root_attributes(struct work *w)
{
	const struct oci_root *root = w->in->spec->root;
	struct mount_attr_change c = { 0 };
	uint64_t p = rtmount_propagation(w->in->spec->linux_->rootfs_propagation);

	if (w->mounts.dev_fd >= 0)
		ES_TRY(mount_change(w->mounts.dev_fd, &(struct mount_attr_change){ .set = MOUNT_READ_ONLY }));
	if (root && root->readonly)
		c.set = MOUNT_READ_ONLY;
	if (p == MS_SHARED || p == MS_UNBINDABLE)
		c.propagation = p;
	return mount_change(w->root, &c);
}

static es_err *console(struct work *w)
{
	return w->in->console < 0 ? NULL : rtconsole_take(w->in->console, w->in->proc.p, true);
}

static es_err *set_personality(struct work *w)
{
	const struct oci_personality *p = w->in->spec->linux_->personality;

	if (!p)
		return NULL;
	if (personality(str_eq(p->domain, "LINUX32") ? PER_LINUX32 : PER_LINUX) < 0)
		return es_err_sys(errno, "personality");
	return NULL;
}

/* ---- the command ---- */

static es_err *own_stdio(struct work *w)
{
	return w->in->by_parent ? NULL : rtproc_own_stdio(w->in->proc.p->user.uid);
}

static void close_between(int first, int last)
{
	if (first <= last)
		syscall(SYS_close_range, (unsigned)first, (unsigned)last, 0u);
}

/* Until `start` the process may wait for long, in a pid namespace that it may share with others: what is of the host is closed now,
 * for good, and before a filter could forbid it. What stays is the container's procfs, the way to our parent, and the fifo. */
static es_err *drop_fds(struct work *w)
{
	struct rtinit *in = w->in;
	int keep[] = { w->proc, in->up, -1, in->proc.lsm_fd, in->proc.notify ? in->down : -1 }, from = 3 + in->proc.preserve_fds;

	if (!in->wait_for_start)
		return NULL; /* exec is near */
	ES_TRY(need_go(w));
	w->fifo = keep[2] = openat(in->state_dir, RTSTATE_FIFO, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (w->fifo < 0)
		return es_err_sys(errno, "open " RTSTATE_FIFO);
	for (;;) {
		int next = -1;

		for (size_t i = 0; i < ES_N(keep); i++)
			if (keep[i] >= from && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next < 0)
			break;
		close_between(from, next - 1);
		from = next + 1;
	}
	close_between(from, INT_MAX);
	return NULL;
}

/* The write end opens when `start` opens the other; we keep it until exec closes it, or tell there why exec failed. */
static es_err *wait_for_start(struct work *w, int *ret_fifo)
{
	struct rtinit *in = w->in;
	char name[32];

	if (!in->wait_for_start)
		return NULL;
	in->stage = RTINIT_WAITING;
	ES_TRY(say(in, RTINIT_CREATED));
	es_close(in->up);
	in->up = -1;
	snprintf(name, sizeof name, "self/fd/%d", w->fifo);
	*ret_fifo = openat(w->proc, name, O_WRONLY | O_CLOEXEC);
	if (*ret_fifo < 0)
		return es_err_sys(errno, "wait for start");
	return NULL;
}

static es_err *start_hooks(struct work *w)
{
	const struct oci_hooks *h = w->in->spec->hooks;

	return h ? inner_hooks(w, &h->start_container, "startContainer", "created", w->in->proc.env, NULL) : NULL;
}

static es_err *become(struct work *w)
{
	ES_TRY(need_go(w));
	w->in->proc.hand_over = hand_over;
	w->in->proc.hand_over_arg = w;
	return rtproc_become(&w->in->proc, &w->command);
}

static const struct step {
	const char *what; /* context of its errors; NULL: they speak for themselves */
	es_err *(*go)(struct work *w);
} steps[] = {
	{ NULL, seal_fds },
	{ NULL, join_cgroup },
	{ "namespaces", enter_namespaces },
	{ "private procfs", open_proc },
	{ NULL, time_offsets },
	{ NULL, set_names },
	{ NULL, limits },
	{ NULL, net_devices },
	{ NULL, sysctls },
	{ "root file system", propagation },
	{ NULL, attach_root },
	{ NULL, make_mounts },
	{ NULL, make_devices },
	{ NULL, make_cwd },
	{ NULL, make_masks },
	{ NULL, hooks },
	{ "root file system", pivot },
	{ "terminal", console },
	{ "root file system", root_attributes },
	{ NULL, set_personality },
	{ NULL, own_stdio },
	{ NULL, drop_fds },
	{ NULL, become },
};

static es_err *run(struct work *w)
{
	es_autoclose int fifo = -1;
	es_err *err = NULL;

	for (size_t i = 0; i < ES_N(steps); i++) {
		err = steps[i].go(w);
		if (err && steps[i].what)
			err = es_err_in(err, "%s", steps[i].what);
		if (err)
			return err;
	}
	ES_TRY(wait_for_start(w, &fifo));
	err = start_hooks(w);
	w->in->stage = RTINIT_EXEC;
	if (!err)
		err = rtproc_exec(&w->in->proc, w->command);
	if (fifo >= 0)
		es_err_drop(file_write_all(fifo, es_err_text(err), strlen(es_err_text(err))));
	return err;
}

int rtinit_main(void *arg)
{
	struct rtinit *in = arg;
	struct work w = { .in = in, .proc = -1, .root = -1, .place = -1, .fifo = -1 };

	for (size_t i = 0; i < ES_N(in->parents); i++) /* with a copy of its writing end we would not see that the parent is gone */
		close(in->parents[i]);
	in->err = run(&w);
	return 1;
}

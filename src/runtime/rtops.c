/* SPDX-License-Identifier: Apache-2.0 */
/* rtops.c: start, signal, pause, update and delete. */
#include "runtime/rtops.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "runtime/rtcgroup.h"
#include "runtime/rthook.h"
#include "runtime/rtrdt.h"
#include "runtime/rtscope.h"
#include "runtime/rtunit.h"
#include "sys/pidfd.h"

#define RTOPS_START_MAX 4096 /* bytes of an error that the container's process tells us */

es_err *rtops_open(const char *root, const char *id, struct rtops *ret)
{
	struct rtops o = { .a = arena_new(), .root = root, .dir = -1 };
	es_err *err = rtstate_open_dir(root, id, &o.dir);

	if (!err)
		err = rtstate_read(o.a, o.dir, &o.state);
	if (!err)
		err = cgroup_host_load(&o.host);
	if (err) {
		rtops_close(&o);
		return err;
	}
	*ret = o;
	if (!str_empty(ret->state.cgroup))
		es_err_drop(cgroup_open(&ret->host, ret->state.cgroup, &ret->cgroup)); /* gone: stopped */
	ret->status = rtstate_status(&ret->state, ret->dir, ret->cgroup && cgroup_is_frozen(ret->cgroup));
	return NULL;
}

void rtops_close(struct rtops *o)
{
	cgroup_free(o->cgroup);
	cgroup_host_done(&o->host);
	es_close(o->dir);
	arena_free(o->a);
}

es_err *rtops_start(struct rtops *o)
{
	es_autoclose int fifo = -1, pidfd = -1;
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	es_autofree char *said = NULL, *json = NULL;
	size_t len;

	if (o->status != RTSTATE_CREATED)
		return es_err_new(ES_E_CONFLICT, "cannot start a container in the %s state", rtstate_status_name(o->status));
	ES_TRY(rtstate_process(&o->state, &pidfd));
	fifo = openat(o->dir, RTSTATE_FIFO, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fifo < 0)
		return es_err_sys(errno, "open " RTSTATE_FIFO);
	/* Its end opens when ours has, and is closed by exec without a word, or with the reason why there was none. It opens by
	 * name, so the name stays until then. */
	p[0].fd = fifo;
	p[1].fd = pidfd;
	if (poll(p, 2, -1) < 0)
		return es_err_sys(errno, "wait for the container");
	if (!p[0].revents)
		return es_err_new(ES_E_CONFLICT, "container init ended before it was started");
	if (unlinkat(o->dir, RTSTATE_FIFO, 0) < 0)
		return errno == ENOENT ? es_err_new(ES_E_CONFLICT, "another start was faster") : es_err_sys(errno, "remove " RTSTATE_FIFO);
	ES_TRY(file_set_nonblock(fifo, false));
	ES_TRY(file_read_all(fifo, RTOPS_START_MAX, &said, &len));
	if (len)
		return es_err_new(ES_E_INVALID, "%s", said);
	if (o->state.hooks) {
		json = rtstate_oci_json(&o->state, "running", o->state.pid);
		rthook_run_lenient(&o->state.hooks->poststart, "poststart", json, o->state.bundle);
	}
	return NULL;
}

es_err *rtops_kill(struct rtops *o, int sig, bool all)
{
	es_autoclose int pidfd = -1;
	es_autofree pid_t *pids = NULL;
	size_t n = 0;

	if (all && o->cgroup) {
		if (sig == SIGKILL)
			return cgroup_kill(o->cgroup);
		ES_TRY(cgroup_procs(o->cgroup, &pids, &n));
		for (size_t i = 0; i < n; i++)
			kill(pids[i], sig); /* members of the group, read a moment ago */
		return NULL;
	}
	if (o->status == RTSTATE_STOPPED)
		return es_err_new(ES_E_CONFLICT, "container not running");
	ES_TRY(rtstate_process(&o->state, &pidfd));
	if (sig == SIGKILL && o->cgroup && !strv_has(o->state.namespaces, "pid"))
		return cgroup_kill(o->cgroup); /* no namespace ends with the first process: the others would stay */
	ES_TRY(pidfd_signal(pidfd, sig));
	/* A frozen v1 process does not even die. */
	if (sig == SIGKILL && o->cgroup && !cgroup_is_v2(o->cgroup) && cgroup_is_frozen(o->cgroup))
		return cgroup_freeze(o->cgroup, false);
	return NULL;
}

/* Its own process may still be on the way out: wait, but not for ever. */
static es_err *end_process(struct rtops *o)
{
	es_autoclose int pidfd = -1;
	es_err *err = rtstate_process(&o->state, &pidfd);

	if (err) {
		es_err_drop(err);
		return NULL;
	}
	es_err_drop(pidfd_signal(pidfd, SIGKILL));
	if (o->cgroup && !cgroup_is_v2(o->cgroup) && cgroup_is_frozen(o->cgroup))
		es_err_drop(cgroup_freeze(o->cgroup, false));
	return es_err_in(pidfd_wait_exit(pidfd, 10000), "delete container");
}

static void remove_rdt(const struct rtops *o)
{
	es_autoclose int root = -1;

	if (!o->state.rdt_made && !o->state.rdt_mon)
		return;
	log_err(rtrdt_open(&root), "linux.intelRdt");
	rtrdt_remove(root, o->state.rdt_made, o->state.rdt_mon);
}

es_err *rtops_delete(struct rtops *o, bool force)
{
	if (!force && o->status != RTSTATE_STOPPED && o->status != RTSTATE_CREATED)
		return es_err_new(ES_E_CONFLICT, "cannot delete container %s that is not stopped: %s", o->state.id,
				  rtstate_status_name(o->status));
	ES_TRY(end_process(o));
	if (o->cgroup)
		ES_TRY(cgroup_kill(o->cgroup));
	if (!str_empty(o->state.unit))
		ES_TRY(rtscope_call(o->a, &(struct scope_request){ .op = "stop", .unit = o->state.unit, .user = o->state.user_unit }));
	if (o->cgroup)
		ES_TRY(cgroup_remove(o->cgroup));
	remove_rdt(o);
	if (o->state.hooks) {
		es_autofree char *json = rtstate_oci_json(&o->state, "stopped", 0);

		rthook_run_lenient(&o->state.hooks->poststop, "poststop", json, o->state.bundle);
	}
	return rtstate_remove_dir(o->root, o->state.id);
}

es_err *rtops_pause(struct rtops *o, bool on)
{
	if (on && o->status != RTSTATE_RUNNING && o->status != RTSTATE_CREATED)
		return es_err_new(ES_E_CONFLICT, "container not running or created: %s", rtstate_status_name(o->status));
	if (!on && o->status != RTSTATE_PAUSED)
		return es_err_new(ES_E_CONFLICT, "container not paused");
	if (!o->cgroup)
		return es_err_new(ES_E_UNSUPPORTED, "the container has no cgroup to freeze");
	return cgroup_freeze(o->cgroup, on);
}

es_err *rtops_update(struct rtops *o, const struct oci_resources *r)
{
	if (o->status == RTSTATE_STOPPED || !o->cgroup)
		return es_err_new(ES_E_CONFLICT, "container not running");
	if (!str_empty(o->state.unit)) { /* else systemd would write the old ones again when it reloads */
		struct scope_request s = { .op = "set", .unit = o->state.unit, .user = o->state.user_unit };

		ES_TRY(rtunit_limits(o->a, r, cgroup_is_v2(o->cgroup), &s));
		if (s.properties.n)
			ES_TRY(rtscope_call(o->a, &s));
	}
	return rtcgroup_apply(o->cgroup, r, false);
}

struct json *rtops_json(const struct rtops *o, bool with_owner)
{
	struct json *v = json_new_object(o->a), *notes = json_new_object(o->a);
	struct passwd *pw = NULL;
	char created[CLOCK_TEXT_MAX];

	json_set_str(o->a, v, "ociVersion", o->state.oci_version);
	json_set_str(o->a, v, "id", o->state.id);
	json_set_i64(o->a, v, "pid", o->status == RTSTATE_STOPPED ? 0 : o->state.pid);
	json_set_str(o->a, v, "status", rtstate_status_name(o->status));
	json_set_str(o->a, v, "bundle", o->state.bundle);
	json_set_str(o->a, v, "rootfs", o->state.rootfs);
	json_set_str(o->a, v, "created", clock_rfc3339(o->state.created, created));
	if (o->state.annotations && o->state.annotations->n) {
		FIELD_MAP_EACH(e, o->state.annotations)
			json_set_str(o->a, notes, e->key, e->value);
		json_set(o->a, v, "annotations", notes);
	}
	pw = o->state.uid == 0 || !with_owner ? NULL : getpwuid((uid_t)o->state.uid);
	json_set_str(o->a, v, "owner", !with_owner ? "" : o->state.uid == 0 ? "root" : pw ? pw->pw_name : "");
	return v;
}

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },     { "QUIT", SIGQUIT }, { "ILL", SIGILL },     { "TRAP", SIGTRAP },
	{ "ABRT", SIGABRT }, { "BUS", SIGBUS },     { "FPE", SIGFPE },   { "KILL", SIGKILL },   { "USR1", SIGUSR1 },
	{ "SEGV", SIGSEGV }, { "USR2", SIGUSR2 },   { "PIPE", SIGPIPE }, { "ALRM", SIGALRM },   { "TERM", SIGTERM },
	{ "CHLD", SIGCHLD }, { "CONT", SIGCONT },   { "STOP", SIGSTOP }, { "TSTP", SIGTSTP },   { "TTIN", SIGTTIN },
	{ "TTOU", SIGTTOU }, { "URG", SIGURG },     { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ },   { "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF }, { "WINCH", SIGWINCH }, { "IO", SIGIO },     { "PWR", SIGPWR },     { "SYS", SIGSYS },
	{ "RTMIN", 34 },     { "RTMAX", 64 },
};

es_err *rtops_signal(const char *name, int *ret)
{
	const char *bare = str_starts(name, "SIG") || str_starts(name, "sig") ? name + 3 : name;
	uint64_t v;

	for (size_t i = 0; i < ES_N(signals); i++)
		if (str_eq_nocase(bare, signals[i].name)) {
			*ret = signals[i].number;
			return NULL;
		}
	es_err *err = str_to_u64(name, 10, &v);

	if (err || v > 64) {
		es_err_drop(err);
		return es_err_new(ES_E_INVALID, "unknown signal \"%s\"", name);
	}
	*ret = (int)v;
	return NULL;
}

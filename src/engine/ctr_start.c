/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_start.c: starting a container is a list of steps, each with its undo; what a run leaves is cleaned up here too. */
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/signame.h"
#include "base/str.h"
#include "engine/ctr_priv.h"
#include "engine/exec_priv.h"
#include "engine/monlink.h"
#include "catalog/netmgr.h"
#include "engine/secprofile.h"
#include "catalog/volume.h"
#include "spec/oci_runtime.h"
#include "store/crashpoint.h"
#include "store/snapshot.h"
#include "sys/mount.h"

#define ATTACH_WAIT_NS (2 * CLOCK_NS_PER_S)
#define CONFIG_MAX OCI_RUNTIME_CONFIG_MAX
#define LOG_MAX_SIZE ((int64_t)10 << 20) /* bytes; docker's default is without limit, and fills disks */
#define LOG_MAX_FILES 5

char *ctr_run_dir(const struct ctr *c)
{
	return es_xasprintf("c/%s", c->id);
}

int ctr_give_fd(struct ctr_start *s, int fd, const char *use, bool owned)
{
	int to = CTR_FD_MORE;

	if (s->n_fds == CTR_FDS_MAX)
		return -1;
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].to >= to)
			to = s->fds[i].to + 1;
	s->fds[s->n_fds++] = (struct ctr_fd){ .from = fd, .to = to, .use = use, .owned = owned };
	return to;
}

static void give_fd_as(struct ctr_start *s, int fd, int to, const char *use)
{
	s->fds[s->n_fds++] = (struct ctr_fd){ .from = fd, .to = to, .use = use };
}

/* ---- root file system ---- */

/* Most starts follow their create within a millisecond or two, in which the client talks: the overlay is made meanwhile. */
static void prepare(void *arg)
{
	struct ctr *c = arg;
	bool wants;
	int fd = -1;

	if (pthread_mutex_trylock(&c->op) != 0) { /* it starts, or goes: whoever does that does the rest */
		ctr_unref(c);
		return;
	}
	(void)pthread_mutex_lock(&c->lock);
	wants = c->status == CTR_CREATED && !c->gone && c->rootfs_fd < 0;
	(void)pthread_mutex_unlock(&c->lock);
	if (wants)
		es_err_drop(snapshot_mount(c->e->store, SNAPSHOT_CONTAINER, c->id, &fd)); /* the start says why it cannot be */
	if (fd >= 0) {
		(void)pthread_mutex_lock(&c->lock);
		c->rootfs_fd = fd;
		(void)pthread_mutex_unlock(&c->lock);
	}
	(void)pthread_mutex_unlock(&c->op);
	ctr_unref(c);
}

void ctr_prepare_later(struct ctr *c)
{
	defer_add(c->e->defer, prepare, ctr_ref(c));
}

int ctr_root(struct ctr *c)
{
	es_autofree char *path = NULL;
	int64_t pid;
	int fd;

	(void)pthread_mutex_lock(&c->lock);
	fd = c->rootfs_fd >= 0 ? fcntl(c->rootfs_fd, F_DUPFD_CLOEXEC, 0) : -1;
	pid = c->pid;
	(void)pthread_mutex_unlock(&c->lock);
	if (fd >= 0)
		return fd;
	if (!pid) {
		errno = ENOENT;
		return -1;
	}
	path = es_xasprintf("/proc/%lld/root", (long long)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static es_err *start_rootfs(struct ctr_start *s)
{
	(void)pthread_mutex_lock(&s->c->lock);
	s->rootfs_fd = ES_TAKE_FD(s->c->rootfs_fd);
	(void)pthread_mutex_unlock(&s->c->lock);
	if (s->rootfs_fd < 0)
		ES_TRY(snapshot_mount(s->c->e->store, SNAPSHOT_CONTAINER, s->c->id, &s->rootfs_fd));
	if (!ctr_runtime_is_ours(s->c))
		return ctr_runtime_attach(s->c, s->rootfs_fd);
	give_fd_as(s, s->rootfs_fd, CTR_FD_ROOTFS, "rootfs");
	return NULL;
}

static void stop_rootfs(struct ctr_start *s)
{
	ctr_runtime_detach(s->c);
	es_close(s->rootfs_fd);
	s->rootfs_fd = -1;
}

/* ---- volumes ---- */

static es_err *copy_up(struct ctr_start *s, const struct ctr_mount *m, int fd)
{
	es_autoclose int source = mount_open_in(s->rootfs_fd, m->destination, O_RDONLY | O_DIRECTORY);
	es_autofree char *path = es_xasprintf("/proc/self/fd/%d", fd);
	es_autoclose int target = source < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return target < 0 ? NULL : es_err_in(volume_fill(s->c->e->volumes, m->name, source, target), "volume %s", m->name);
}

/* A directory below a volume may be a container's trap by the time it is mounted: what was resolved is handed over. */
static es_err *give_subpath(struct ctr_start *s, const struct ctr_mount *m, int fd)
{
	int clone, number;

	if (!ctr_runtime_is_ours(s->c))
		return es_err_new(ES_E_UNSUPPORTED, "a directory of volume %s (subpath) needs this engine's own runtime", m->name);
	ES_TRY(mount_clone(fd, "", true, &clone));
	number = ctr_give_fd(s, clone, "mount", true);
	if (number < 0) {
		es_close(clone);
		return es_err_new(ES_E_LIMIT, "more than %d volumes, ports and clients", CTR_FDS_MAX);
	}
	field_map_put(s->a, s->volume_fds, m->destination, arena_printf(s->a, "/proc/self/fd/%d", number));
	return NULL;
}

static es_err *start_volume(struct ctr_start *s, const struct ctr_mount *m)
{
	es_autoclose int fd = -1;
	const struct volume_mounting use = { .name = m->name, .container_id = s->c->id, .subpath = m->subpath,
					     .destination = m->destination, .propagation = m->propagation, .rw = m->rw };

	ES_TRY(volume_mount(s->c->e->volumes, &use, &fd));
	crash_point(s->c->e->store, CRASH_VOLUME_MOUNTED);
	if (m->subpath)
		return give_subpath(s, m, fd);
	return m->no_copy ? NULL : copy_up(s, m, fd);
}

static void release_volumes(struct ctr *c, bool quiet)
{
	FIELD_LIST_EACH(struct ctr_mount, m, &c->rec->mounts)
		if (strcmp(m->type, "volume") == 0)
			volume_unmount(c->e->volumes, m->name, c->id, quiet);
}

static void stop_volumes(struct ctr_start *s)
{
	release_volumes(s->c, false);
}

static es_err *start_volumes(struct ctr_start *s)
{
	s->volume_fds = field_map_new(s->a);
	FIELD_LIST_EACH(struct ctr_mount, m, &s->c->rec->mounts) {
		es_err *err = strcmp(m->type, "volume") == 0 ? start_volume(s, m) : NULL;

		if (err) {
			stop_volumes(s);
			return err;
		}
	}
	return NULL;
}

/* ---- network ---- */

static es_err *network_files(struct ctr *c, const struct netmgr_sandbox *box)
{
	es_autofree char *dir = ctr_dir(c), *hostname = es_xasprintf("%s\n", c->rec->config->hostname);
	const struct {
		const char *name, *text;
	} files[] = { { "hostname", hostname }, { "hosts", box->hosts }, { "resolv.conf", box->resolv_conf } };

	for (size_t i = 0; i < ES_N(files); i++) {
		es_autofree char *path = es_xasprintf("%s/%s", dir, files[i].name);

		if (files[i].text)
			ES_TRY(file_replace(store_root_fd(c->e->store), path, files[i].text, strlen(files[i].text), 0644, false));
	}
	return NULL;
}

/* Copies of the container's own: the sandbox lives in the start's arena. */
static void keep_network(struct ctr *c, const struct netmgr_sandbox *box)
{
	struct arena *a = arena_new();

	(void)pthread_mutex_lock(&c->lock);
	arena_free(c->net_arena);
	c->net_arena = a;
	c->networks = box->networks ? json_copy(a, box->networks) : NULL;
	c->ports = box->ports ? json_copy(a, box->ports) : NULL;
	(void)pthread_mutex_unlock(&c->lock);
}

static void stop_network(struct ctr_start *s)
{
	netmgr_down(s->c->e->nets, s->c->id);
	es_close(s->netns_fd);
	s->netns_fd = -1;
}

static es_err *join_id(struct ctr_start *s, char **ret)
{
	const char *ref = str_after(s->c->rec->host_config->network_mode, "container:");
	es_autoctr *other = NULL;
	bool up;

	*ret = NULL;
	if (!ref)
		return NULL;
	ES_TRY(ctr_find(s->c->e, ref, &other));
	(void)pthread_mutex_lock(&other->lock);
	up = ctr_is_up(other);
	(void)pthread_mutex_unlock(&other->lock);
	if (!up)
		return es_err_new(ES_E_CONFLICT, "cannot join network of a non running container: %s", other->id);
	*ret = arena_strdup(s->a, other->id);
	return NULL;
}

static es_err *start_network(struct ctr_start *s)
{
	struct ctr *c = s->c;
	struct netmgr_sandbox box = { .netns_fd = -1 };
	struct netmgr_start in = { .id = c->id, .name = c->rec->name, .config = c->rec->config, .host_config = c->rec->host_config,
				   .endpoints = c->rec->endpoints };
	char *joined;
	es_err *err;

	ES_TRY(join_id(s, &joined));
	in.join_id = joined;
	ES_TRY(netmgr_up(c->e->nets, s->a, &in, &box));
	s->netns_fd = ES_TAKE_FD(box.netns_fd);
	if (s->netns_fd >= 0 && ctr_runtime_is_ours(c))
		give_fd_as(s, s->netns_fd, CTR_FD_NETNS, "runtime");
	for (size_t i = 0; i < box.n_hold; i++)
		if (ctr_give_fd(s, box.hold_fds[i], "hold", true) >= 0)
			box.hold_fds[i] = -1;
	err = network_files(c, &box);
	if (!err)
		keep_network(c, &box);
	netmgr_sandbox_done(&box);
	if (err)
		stop_network(s);
	return err;
}

/* ---- bundle ---- */

static es_err *start_seccomp(struct ctr_start *s)
{
	if (!ctr_runtime_is_ours(s->c))
		return NULL; /* it gets the profile in config.json */
	ES_TRY(secprofile_filter(s->c->e, s->a, s->c->rec->host_config, ctr_caps(s->a, s->c->rec->host_config), &s->seccomp_fd));
	if (s->seccomp_fd >= 0)
		give_fd_as(s, s->seccomp_fd, CTR_FD_SECCOMP, "runtime");
	return NULL;
}

static void stop_bundle(struct ctr_start *s)
{
	es_autofree char *dir = ctr_run_dir(s->c);

	log_err(file_remove_tree(s->c->e->exec_root_fd, dir), "remove %s", dir);
	es_close(s->run_dirfd);
	s->run_dirfd = -1;
}

static es_err *write_bundle(struct ctr_start *s)
{
	struct oci_spec *spec = ARENA_NEW(s->a, struct oci_spec);
	es_autobuf text = ES_BUF(CONFIG_MAX);

	ES_TRY(ctr_oci_spec(s->c, s->a, s, spec));
	field_encode_text(&text, oci_spec_fields, spec);
	ES_TRY(es_buf_check(&text));
	return file_replace(s->run_dirfd, "config.json", text.p, text.len, 0600, false);
}

static es_err *start_bundle(struct ctr_start *s)
{
	struct engine *e = s->c->e;
	es_autofree char *dir = ctr_run_dir(s->c);
	es_err *err;

	ES_TRY(file_remove_tree(e->exec_root_fd, dir)); /* of a run before, if anything stayed */
	ES_TRY(file_mkdir_p(e->exec_root_fd, dir, 0700));
	s->run_dir = arena_printf(s->a, "%s/%s", e->cfg->exec_root, dir);
	s->run_dirfd = openat(e->exec_root_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->run_dirfd < 0)
		return es_err_sys(errno, "open %s", dir);
	err = write_bundle(s);
	if (err)
		stop_bundle(s);
	return err;
}

/* ---- monitor ---- */

static es_err *log_spec(struct ctr_start *s, struct mon_log *log)
{
	const struct docker_log_config *cfg = &s->c->rec->host_config->log_config;
	const char *size = field_map_get(cfg->config, "max-size"), *files = field_map_get(cfg->config, "max-file");

	log->driver = cfg->type;
	log->path = arena_printf(s->a, "%s/containers/%s/%s-json.log", store_root(s->c->e->store), s->c->id, s->c->id);
	log->max_size = LOG_MAX_SIZE;
	log->max_file = size ? 1 : LOG_MAX_FILES; /* who sets max-size alone gets docker's one file */
	if (size && str_eq(size, "-1"))
		log->max_size = -1;
	else if (size)
		ES_TRY(es_err_in(str_to_bytes(size, &log->max_size), "failed to create task for container: failed to initialize logging driver"));
	if (files)
		ES_TRY(str_to_i64(files, 10, &log->max_file));
	return NULL;
}

static es_err *health_spec(struct ctr_start *s, struct mon_spec *spec)
{
	const struct docker_health_config *h = s->c->rec->config->healthcheck;
	struct oci_process *p;
	struct docker_exec_request req = { 0 };
	es_autobuf text = ES_BUF(CONFIG_MAX);
	char **shell = s->c->rec->config->shell;

	if (!h || strv_len(h->test) == 0 || strcmp(h->test[0], "NONE") == 0)
		return NULL;
	if (strcmp(h->test[0], "CMD") == 0) {
		req.cmd = h->test + 1;
	} else {
		static char sh[] = "/bin/sh", dash_c[] = "-c";
		static char *const fallback[] = { sh, dash_c, NULL };

		for (char *const *at = strv_len(shell) ? shell : fallback; *at; at++)
			req.cmd = strv_arena_add(s->a, req.cmd, *at);
		req.cmd = strv_arena_add(s->a, req.cmd, h->test[1] ? h->test[1] : "");
	}
	p = ARENA_NEW(s->a, struct oci_process);
	ES_TRY(ctr_oci_exec(s->c, s->a, s->rootfs_fd, &req, p));
	field_encode_text(&text, oci_process_fields, p);
	ES_TRY(es_buf_check(&text));
	ES_TRY(file_replace(s->run_dirfd, "health.json", text.p, text.len, 0600, false));
	spec->health = ARENA_NEW(s->a, struct mon_health);
	*spec->health = (struct mon_health){
		.process = arena_printf(s->a, "%s/health.json", s->run_dir), .interval_ns = h->interval, .timeout_ns = h->timeout,
		.start_period_ns = h->start_period, .start_interval_ns = h->start_interval, .retries = h->retries,
	};
	return NULL;
}

/* A client that was told yes starts the container at once, perhaps before its connection has come here. lock is held. */
static void wait_attaching(struct ctr *c)
{
	int64_t until = clock_now_ns() + ATTACH_WAIT_NS;
	struct timespec ts = { until / CLOCK_NS_PER_S, until % CLOCK_NS_PER_S };
	int rc = 0;

	while (c->attaching > 0 && rc == 0)
		rc = pthread_cond_timedwait(&c->changed, &c->lock, &ts);
}

/* Clients that attached before the start: their sockets go to the monitor with it, so that no early byte is lost. */
static void attach_pending(struct ctr_start *s, struct mon_spec *spec)
{
	struct ctr *c = s->c;
	struct mon_attach *list = ARENA_ARRAY(s->a, struct mon_attach, MON_CLIENTS_MAX);
	size_t n = 0;

	(void)pthread_mutex_lock(&c->lock);
	wait_attaching(c);
	c->starting = true;
	LIST_EACH(at, &c->pending) {
		struct ctr_pending *p = LIST_ENTRY(at, struct ctr_pending, link);
		int number = n < MON_CLIENTS_MAX ? ctr_give_fd(s, p->fd, NULL, true) : -1;

		list_remove(at);
		if (number >= 0) {
			p->fd = -1;
			list[n++] = (struct mon_attach){
				.fd = number, .in = p->opts.stdin_on, .out = p->opts.stdout_on, .err = p->opts.stderr_on,
				.detach_keys = p->detach_keys ? arena_strdup(s->a, p->detach_keys) : NULL,
				.head = { .p = (unsigned char *)arena_strndup(s->a, p->head ? p->head : "", p->head_len), .n = p->head_len },
			};
		}
		ctr_pending_free(p);
	}
	(void)pthread_mutex_unlock(&c->lock);
	spec->attach = (struct field_list){ .items = list, .n = n, .set = true };
}

static es_err *monitor_spec(struct ctr_start *s, struct mon_spec *spec)
{
	struct ctr *c = s->c;
	struct engine *e = c->e;
	const struct docker_host_config *hc = c->rec->host_config;
	const struct docker_config *cfg = c->rec->config;
	char *root = arena_strdup(s->a, "--root"), *dir = arena_printf(s->a, "%s/run", e->cfg->exec_root);
	es_autofree char *cgroup = NULL;
	struct cgroup_host *host = &e->cgroups;
	int signal = 15;

	if (!str_empty(cfg->stop_signal))
		ES_TRY(signame_parse(cfg->stop_signal, &signal));
	*spec = (struct mon_spec){
		.version = MON_VERSION, .kind = "container", .id = c->id, .container_id = c->id,
		.runtime = ctr_runtime_path(c), .bundle = s->run_dir, .tty = cfg->tty, .open_stdin = cfg->open_stdin,
		.stdin_once = cfg->stdin_once, .uid = s->uid, .gid = s->gid,
		.restart = { hc->restart_policy.name, hc->restart_policy.maximum_retry_count }, .stop_signal = signal,
		.single_run = hc->auto_remove,
		.stop_timeout_ns = cfg->stop_timeout.set ? cfg->stop_timeout.v * CLOCK_NS_PER_S : 10 * CLOCK_NS_PER_S,
	};
	spec->runtime_args = ARENA_ARRAY(s->a, char *, 4);
	spec->runtime_args[0] = root;
	spec->runtime_args[1] = dir;
	if (e->cfg->systemd_cgroup)
		spec->runtime_args[2] = arena_strdup(s->a, "--systemd-cgroup");
	for (size_t i = 0; i < host->n; i++)
		if (host->hier[i].v2 ? host->mode == CGROUP_V2 : strstr(host->hier[i].controllers, "memory") != NULL)
			spec->memory_cgroup = arena_printf(s->a, "%s%s", host->hier[i].mount, ctr_cgroup_path(s->a, e->cfg, hc, c->id));
	ES_TRY(log_spec(s, &spec->log));
	return health_spec(s, spec);
}

/* Docker's words around the runtime's, by which its client finds 126 and 127. */
static es_err *runtime_error(struct ctr_start *s, const struct mon_report *r)
{
	s->exit_code = r->exit_code;
	return es_err_new(r->exit_code == 126 || r->exit_code == 127 ? ES_E_INVALID : ES_E_INTERNAL,
			  "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create "
			  "failed: %s: unknown", r->message ? r->message : "");
}

static es_err *start_monitor(struct ctr_start *s)
{
	struct ctr *c = s->c;
	struct mon_spec *spec = ARENA_NEW(s->a, struct mon_spec);
	struct spawn_fd *fds = ARENA_ARRAY(s->a, struct spawn_fd, CTR_FDS_MAX);
	struct mon_fd *uses = ARENA_ARRAY(s->a, struct mon_fd, CTR_FDS_MAX);
	struct mon_report report;
	size_t n_uses = 0;

	ES_TRY(monitor_spec(s, spec));
	if (c->e->run_program_fd && ctr_runtime_is_ours(c))
		give_fd_as(s, c->e->run_program_fd, CTR_FD_PROGRAM, "program");
	attach_pending(s, spec);
	for (size_t i = 0; i < s->n_fds; i++) {
		fds[i] = (struct spawn_fd){ s->fds[i].from, s->fds[i].to };
		if (s->fds[i].use)
			uses[n_uses++] = (struct mon_fd){ s->fds[i].to, s->fds[i].use };
	}
	spec->fds = (struct field_list){ .items = uses, .n = n_uses, .set = true };
	ES_TRY(monlink_spawn(c->e, s->a, s->run_dirfd, spec, fds, s->n_fds, &report));
	if (!report.ok)
		return runtime_error(s, &report);
	(void)pthread_mutex_lock(&c->lock);
	c->status = CTR_RUNNING;
	c->starting = false;
	c->pid = report.pid;
	c->start_ticks = report.start_ticks;
	c->started_at = report.started_at;
	c->exit_code = 0;
	free(c->error);
	c->error = NULL;
	c->oom_killed = c->stopped_by_user = false;
	c->restart_count = c->journal_seq = 0;
	c->run_dirfd = ES_TAKE_FD(s->run_dirfd);
	c->rootfs_fd = ES_TAKE_FD(s->rootfs_fd);
	if (spec->health) {
		arena_free(c->health_arena);
		c->health_arena = arena_new();
		c->health = ARENA_NEW(c->health_arena, struct docker_health);
		c->health->status = "starting";
	}
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- the list ---- */

static const struct start_step {
	const char *what;
	es_err *(*go)(struct ctr_start *s);
	void (*undo)(struct ctr_start *s);
	enum crash_point done;
} steps[] = {
	{ "root file system", start_rootfs, stop_rootfs, CRASH_START_ROOTFS },
	{ "volumes", start_volumes, stop_volumes, CRASH_START_VOLUMES },
	{ "network", start_network, stop_network, CRASH_START_NETWORK },
	{ "seccomp", start_seccomp, NULL, CRASH_START_SECCOMP },
	{ "bundle", start_bundle, stop_bundle, CRASH_START_BUNDLE },
	{ "monitor", start_monitor, NULL, CRASH_START_MONITOR },
};

static es_err *run_steps(struct ctr_start *s)
{
	for (size_t i = 0; i < ES_N(steps); i++) {
		int64_t began = clock_mono_ns();
		es_err *err = steps[i].go(s);

		log_line(LOG_L_DEBUG, "container %.12s: %s: %lld us", s->c->id, steps[i].what,
			 (long long)(clock_mono_ns() - began) / 1000);
		crash_point(s->c->e->store, steps[i].done);
		if (!err)
			continue;
		while (i-- > 0)
			if (steps[i].undo)
				steps[i].undo(s);
		return err;
	}
	return NULL;
}

static void start_failed(struct ctr *c, const struct ctr_start *s, const es_err *err)
{
	(void)pthread_mutex_lock(&c->lock);
	free(c->error);
	c->error = es_xstrdup(es_err_text(err));
	c->starting = false;
	c->exit_code = s->exit_code ? s->exit_code : 128;
	if (c->status != CTR_CREATED)
		c->status = CTR_EXITED;
	ctr_wake_waits(c, "next-exit", c->exit_code);
	LIST_EACH(at, &c->pending) {
		list_remove(at);
		ctr_pending_free(LIST_ENTRY(at, struct ctr_pending, link));
	}
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
	ctr_save_run(c);
}

es_err *ctr_start_locked(struct ctr *c)
{
	es_autoarena *a = arena_new();
	struct ctr_start s = { .c = c, .a = a, .rootfs_fd = -1, .netns_fd = -1, .seccomp_fd = -1, .run_dirfd = -1 };
	es_err *err;
	bool unclean;

	(void)pthread_mutex_lock(&c->lock);
	unclean = c->unclean;
	(void)pthread_mutex_unlock(&c->lock);
	if (unclean)
		ctr_clean_up(c); /* faster than the clean-up that the end of the last run ordered */
	err = run_steps(&s);
	for (size_t i = 0; i < s.n_fds; i++)
		if (s.fds[i].owned)
			es_close(s.fds[i].from);
	es_close(s.netns_fd);
	es_close(s.seccomp_fd);
	if (err) {
		start_failed(c, &s, err);
		return err;
	}
	ctr_save_run(c);
	crash_point(c->e->store, CRASH_START_SAVED);
	ctr_event_at(c, c->started_at, "start", NULL); /* as the journal has it, so that it is never told twice */
	return ctr_follow(c);
}

void ctr_clean_up(struct ctr *c)
{
	es_autofree char *dir = ctr_run_dir(c);
	int run_dirfd, rootfs_fd;

	exec_clean_all(c);
	ctr_wait_monitor(c);
	ctr_purge(c->e, c->id, c);
	netmgr_down(c->e->nets, c->id);
	(void)pthread_mutex_lock(&c->lock);
	run_dirfd = ES_TAKE_FD(c->run_dirfd);
	rootfs_fd = ES_TAKE_FD(c->rootfs_fd);
	c->unclean = false;
	(void)pthread_mutex_unlock(&c->lock);
	ctr_runtime_detach(c);
	release_volumes(c, run_dirfd < 0); /* without a run there was nothing mounted that anybody was told of */
	es_close(run_dirfd);
	es_close(rootfs_fd); /* the last umount of an overlay syncs its file system: here nobody waits for it */
	log_err(file_remove_tree(c->e->exec_root_fd, dir), "remove %s", dir);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* steprun.c: a build step is started like any container (same defaults, same filter, same network), but nobody has to find
 * it again: its output goes to the build, its end ends it, and it dies with the build. */
#include "engine/steprun.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/ctr_priv.h"
#include "catalog/netmgr.h"
#include "engine/secprofile.h"
#include "spec/oci_runtime.h"
#include "sys/mount.h"
#include "sys/pidfd.h"
#include "sys/spawn.h"

#define FD_LOG 4
#define LOG_MAX (1u << 20)
#define PIECE_BYTES (32u << 10)
#define KILL_RETRY_MS 50

struct steprun {
	struct engine *e;
	const struct runner_step *step;
	const struct runner_sink *sink;
	struct arena *a;
	struct ctr *c;
	struct ctr_start s;
	bool has_network;
	char *bundle;      /* "b/ID" below the exec root: config.json, hosts, hostname, resolv.conf */
	int out[2], err[2]; /* pipes: we read the first end */
	int log_fd, pidfd;
	int status;
	bool is_cancelled;
};

/* The engine's own files of a container; a step's lie in its bundle. */
static const struct {
	const char *name, *at;
} files[] = { { "hostname", "/etc/hostname" }, { "hosts", "/etc/hosts" }, { "resolv.conf", "/etc/resolv.conf" } };

/* ---- the step as a container's record ---- */

/* What a descriptor of our mount namespace shows becomes a mount of its own: the step's namespace can take that. */
static es_err *add_mount(struct steprun *r, const struct runner_mount *m, struct ctr_mount *out)
{
	size_t k = r->s.n_fds;
	int fd;

	if (m->kind == RUNNER_M_TMPFS) {
		*out = (struct ctr_mount){ .type = "tmpfs", .destination = m->target, .rw = true };
		out->options = arena_printf(r->a, "exec,mode=%o%s", m->mode ? m->mode : 01777,
					    m->size_bytes ? arena_printf(r->a, ",size=%llu", (unsigned long long)m->size_bytes) : "");
		return NULL;
	}
	ES_TRY(mount_clone(m->source_fd, "", false, &fd));
	*out = (struct ctr_mount){ .type = "bind", .destination = m->target, .rw = !m->readonly, .propagation = "rprivate" };
	r->s.fds[r->s.n_fds++] = (struct ctr_fd){ .from = fd, .to = CTR_FD_MORE + (int)k, .owned = true };
	field_map_put(r->a, r->s.volume_fds, m->target, arena_printf(r->a, "/proc/self/fd/%d", CTR_FD_MORE + (int)k));
	return NULL;
}

static es_err *fill_mounts(struct steprun *r, struct ctr_record *rec)
{
	struct ctr_mount *mounts = ARENA_ARRAY(r->a, struct ctr_mount, r->step->n_mounts + ES_N(files));

	if (r->step->n_mounts > CTR_FDS_MAX / 2)
		return es_err_new(ES_E_LIMIT, "more than %d mounts in one step", CTR_FDS_MAX / 2);
	r->s.volume_fds = field_map_new(r->a);
	for (size_t k = 0; k < r->step->n_mounts; k++)
		ES_TRY(add_mount(r, &r->step->mounts[k], &mounts[k]));
	rec->mounts = (struct field_list){ .items = mounts, .n = r->step->n_mounts, .set = true };
	return NULL;
}

static struct docker_host_config *host_config(struct steprun *r)
{
	const struct runner_limits *l = &r->step->limits;
	struct docker_host_config *hc = ARENA_NEW(r->a, struct docker_host_config);

	*hc = (struct docker_host_config){
		.network_mode = r->step->network, .memory = l->memory_bytes, .memory_swap = l->memory_swap_bytes,
		.cpu_shares = l->cpu_shares, .cpu_period = l->cpu_period_us, .cpu_quota = l->cpu_quota_us,
		.cpuset_cpus = l->cpuset_cpus, .cpuset_mems = l->cpuset_mems, .shm_size = l->shm_size_bytes,
		.cgroup_parent = l->cgroup_parent, .extra_hosts = (char **)r->step->extra_hosts,
	};
	ctr_fill_defaults(r->e, r->a, hc);
	hc->runtime = ""; /* ours, whatever containers have */
	return hc;
}

static es_err *make_record(struct steprun *r)
{
	struct ctr_record *rec = ARENA_NEW(r->a, struct ctr_record);
	struct docker_config *cfg = ARENA_NEW(r->a, struct docker_config);

	*cfg = (struct docker_config){
		.hostname = arena_strndup(r->a, r->step->id, 12), .user = r->step->user, .env = (char **)r->step->env,
		.working_dir = r->step->workdir,
	};
	*rec = (struct ctr_record){
		.version = CTR_RECORD_VERSION, .id = r->step->id, .name = cfg->hostname, .config = cfg, .host_config = host_config(r),
		.path = r->step->argv[0], .args = (char **)r->step->argv + 1, .image_id = "", .image_name = "",
	};
	ES_TRY(fill_mounts(r, rec));
	ES_TRY(netmgr_endpoints(r->e->nets, r->a, rec->host_config, cfg, NULL, 145, &rec->endpoints));
	r->c = ctr_new(r->e, arena_new(), rec);
	r->s.c = r->c;
	return NULL;
}

/* ---- what it needs ---- */

static es_err *write_files(struct steprun *r, const struct netmgr_sandbox *box)
{
	const char *texts[] = { arena_printf(r->a, "%s\n", r->c->rec->config->hostname), box->hosts, box->resolv_conf };
	struct field_list *list = &r->c->rec->mounts;
	struct ctr_mount *mounts = list->items;

	ES_TRY(file_mkdir_p(r->e->exec_root_fd, r->bundle, 0700));
	for (size_t i = 0; i < ES_N(files); i++) {
		const char *path = arena_printf(r->a, "%s/%s", r->bundle, files[i].name);

		if (!texts[i])
			continue;
		ES_TRY(file_replace(r->e->exec_root_fd, path, texts[i], strlen(texts[i]), 0644, false));
		mounts[list->n++] = (struct ctr_mount){ .type = "bind", .source = arena_printf(r->a, "%s/%s", r->e->cfg->exec_root, path),
							.destination = files[i].at, .rw = true, .propagation = "rprivate" };
	}
	return NULL;
}

static es_err *make_network(struct steprun *r)
{
	const struct ctr_record *rec = r->c->rec;
	struct netmgr_sandbox box = { .netns_fd = -1 };
	const struct netmgr_start in = { .id = rec->id, .name = rec->name, .config = rec->config, .host_config = rec->host_config,
					 .endpoints = rec->endpoints };
	es_err *err;

	ES_TRY(netmgr_up(r->e->nets, r->a, &in, &box));
	r->has_network = true;
	r->s.netns_fd = ES_TAKE_FD(box.netns_fd);
	err = write_files(r, &box);
	netmgr_sandbox_done(&box);
	return err;
}

static es_err *make_bundle(struct steprun *r)
{
	struct oci_spec *spec = ARENA_NEW(r->a, struct oci_spec);
	es_autobuf text = ES_BUF(OCI_RUNTIME_CONFIG_MAX);
	es_autofree char *path = es_xasprintf("%s/config.json", r->bundle);

	ES_TRY(ctr_oci_spec(r->c, r->a, &r->s, spec));
	field_encode_text(&text, oci_spec_fields, spec);
	ES_TRY(es_buf_check(&text));
	return file_replace(r->e->exec_root_fd, path, text.p, text.len, 0600, false);
}

/* The pipes belong to the step's user, so that it may open /dev/stdout again. */
static es_err *make_pipes(struct steprun *r)
{
	if (pipe2(r->out, O_CLOEXEC) || pipe2(r->err, O_CLOEXEC))
		return es_err_sys(errno, "pipe");
	if (fchown(r->out[1], r->s.uid, r->s.gid) || fchown(r->err[1], r->s.uid, r->s.gid))
		return es_err_sys(errno, "chown pipe");
	r->log_fd = memfd_create("log", MFD_CLOEXEC);
	return r->log_fd < 0 ? es_err_sys(errno, "memfd") : NULL;
}

/* ---- the runtime ---- */

/* estiba-run with our root and a short command line; waits. Its complaints are not interesting. */
static void runtime_quietly(struct engine *e, const char *const *more)
{
	es_autofree char *root = es_xasprintf("%s/run", e->cfg->exec_root);
	const char *argv[8] = { e->run_program, "--root", root };
	int status;

	for (size_t i = 0; more[i] && i < 4; i++)
		argv[3 + i] = more[i];
	es_err_drop(spawn_wait(&(struct spawn){ .path = e->run_program, .program_fd = e->run_program_fd, .argv = argv }, &status));
}

static void kill_step(struct steprun *r)
{
	runtime_quietly(r->e, (const char *const[]){ "kill", r->step->id, "KILL", NULL });
}

static es_err *start(struct steprun *r)
{
	es_autofree char *root = es_xasprintf("%s/run", r->e->cfg->exec_root);
	es_autofree char *bundle = es_xasprintf("%s/%s", r->e->cfg->exec_root, r->bundle);
	const char *argv[] = { r->e->run_program, "--root", root, "--log", "/proc/self/fd/4", "--log-format", "json",
			       "--cgroup-manager", r->e->cfg->systemd_cgroup ? "systemd" : "cgroupfs", "run", "--bundle", bundle, r->step->id, NULL };
	struct spawn_fd *fds = ARENA_ARRAY(r->a, struct spawn_fd, r->s.n_fds + 6);
	size_t n = 0;
	pid_t pid;

	fds[n++] = (struct spawn_fd){ r->out[1], 1 };
	fds[n++] = (struct spawn_fd){ r->err[1], 2 };
	fds[n++] = (struct spawn_fd){ r->log_fd, FD_LOG };
	fds[n++] = (struct spawn_fd){ r->step->rootfs_fd, CTR_FD_ROOTFS };
	if (r->s.netns_fd >= 0)
		fds[n++] = (struct spawn_fd){ r->s.netns_fd, CTR_FD_NETNS };
	if (r->s.seccomp_fd >= 0)
		fds[n++] = (struct spawn_fd){ r->s.seccomp_fd, CTR_FD_SECCOMP };
	for (size_t i = 0; i < r->s.n_fds; i++)
		fds[n++] = (struct spawn_fd){ r->s.fds[i].from, r->s.fds[i].to };
	ES_TRY(spawn_start(&(struct spawn){ .path = r->e->run_program, .program_fd = r->e->run_program_fd, .argv = argv, .fds = fds, .n_fds = n }, &pid, &r->pidfd));
	es_close(ES_TAKE_FD(r->out[1]));
	es_close(ES_TAKE_FD(r->err[1]));
	return NULL;
}

/* A runtime that could not start the step says so in its log and then once more on standard error. */
static bool runtime_complained(const struct steprun *r)
{
	char head[512];
	ssize_t n = pread(r->log_fd, head, sizeof head - 1, 0);

	head[n > 0 ? n : 0] = '\0';
	return strstr(head, "\"level\":\"error\"") != NULL;
}

/* One piece of output; the end closes the pipe. */
static void take_output(struct steprun *r, int stream, int *fd, char *piece)
{
	ssize_t n = file_read_some(*fd, piece, PIECE_BYTES);

	if (n <= 0)
		es_close(ES_TAKE_FD(*fd));
	else if (stream == 1 || !runtime_complained(r))
		r->sink->write(r->sink->self, stream, piece, (size_t)n);
}

/* Until the runtime has ended and both pipes are empty. A step that was cancelled before its process was there is killed again
 * until it ends. */
static es_err *follow(struct steprun *r, int cancel_fd)
{
	es_autofree char *piece = es_xmalloc(PIECE_BYTES);
	bool ended = false;

	while (!ended || r->out[0] >= 0 || r->err[0] >= 0) {
		struct pollfd p[] = { { .fd = r->out[0], .events = POLLIN },
				      { .fd = r->err[0], .events = POLLIN },
				      { .fd = ended ? -1 : r->pidfd, .events = POLLIN },
				      { .fd = r->is_cancelled ? -1 : cancel_fd, .events = POLLIN } };

		if (poll(p, ES_N(p), r->is_cancelled && !ended ? KILL_RETRY_MS : -1) < 0 && errno != EINTR)
			return es_err_sys(errno, "poll");
		if (p[0].revents)
			take_output(r, 1, &r->out[0], piece);
		if (p[1].revents)
			take_output(r, 2, &r->err[0], piece);
		if (p[2].revents) {
			ES_TRY(pidfd_reap(r->pidfd, &r->status));
			ended = true;
		}
		r->is_cancelled |= p[3].revents != 0;
		if (r->is_cancelled && !ended)
			kill_step(r);
	}
	return NULL;
}

/* The runtime's own words, when the step could not be started. */
static es_err *runtime_error(struct steprun *r)
{
	es_autofree char *text = NULL;
	const char *message = NULL;
	size_t len;

	if (lseek(r->log_fd, 0, SEEK_SET) < 0)
		return es_err_sys(errno, "log of the runtime");
	ES_TRY(file_read_all(r->log_fd, LOG_MAX, &text, &len));
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct json *doc = NULL;
		es_autoerr es_err *bad = json_parse(r->a, line, strlen(line), &doc);

		if (!bad && str_eq(json_str(json_get(doc, "level")), "error"))
			message = json_str(json_get(doc, "msg"));
	}
	if (!message)
		return NULL;
	return es_err_new(ES_E_INVALID,
			  "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: %s: unknown",
			  message);
}

/* ---- the whole ---- */

static es_err *run_steps(struct steprun *r, int cancel_fd)
{
	ES_TRY(make_record(r));
	ES_TRY(make_network(r));
	ES_TRY(secprofile_filter(r->e, r->a, r->c->rec->host_config, ctr_caps(r->a, r->c->rec->host_config), &r->s.seccomp_fd));
	ES_TRY(make_bundle(r));
	ES_TRY(make_pipes(r));
	ES_TRY(start(r));
	ES_TRY(follow(r, cancel_fd));
	if (r->is_cancelled)
		return es_err_new(ES_E_CANCELLED, "context canceled");
	return runtime_error(r);
}

static void clean_up(struct engine *e, const char *id)
{
	es_autofree char *bundle = es_xasprintf("b/%s", id);

	runtime_quietly(e, (const char *const[]){ "delete", "--force", id, NULL });
	netmgr_down(e->nets, id);
	log_err(file_remove_tree(e->exec_root_fd, bundle), "remove %s", bundle);
}

es_err *steprun_run(void *self, const struct runner_step *step, const struct runner_sink *sink, int cancel_fd, int *ret_status)
{
	es_autoarena *a = arena_new();
	struct steprun r = {
		.e = self, .step = step, .sink = sink, .a = a, .out = { -1, -1 }, .err = { -1, -1 }, .log_fd = -1, .pidfd = -1,
		.s = { .a = a, .rootfs_fd = step->rootfs_fd, .netns_fd = -1, .seccomp_fd = -1, .run_dirfd = -1 },
	};
	int fds[8];
	es_err *err;

	r.bundle = arena_printf(a, "b/%s", step->id);
	err = run_steps(&r, cancel_fd);
	if (r.pidfd >= 0 || r.has_network)
		clean_up(r.e, step->id);
	memcpy(fds, (int[]){ r.out[0], r.out[1], r.err[0], r.err[1], r.log_fd, r.pidfd, r.s.netns_fd, r.s.seccomp_fd }, sizeof fds);
	for (size_t i = 0; i < ES_N(fds); i++)
		es_close(fds[i]);
	for (size_t i = 0; i < r.s.n_fds; i++)
		es_close(r.s.fds[i].from);
	ctr_unref(r.c);
	if (!err)
		*ret_status = r.status;
	return err;
}

void steprun_sweep(struct engine *e)
{
	es_autostrv ids = NULL;
	es_err *err = file_names(e->exec_root_fd, "b", &ids);

	if (err && es_err_class(err) != ES_E_NOT_FOUND)
		log_err(ES_TAKE(err), "sweep of build steps");
	es_err_drop(err);
	for (char **id = ids; id && *id; id++)
		clean_up(e, *id);
}

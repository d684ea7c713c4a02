/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c: exec sessions: a record, a run directory x/ID, and a monitor each. */
#include "engine/exec.h"

#include <fcntl.h>
#include <poll.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "engine/exec_priv.h"
#include "engine/monlink.h"
#include "spec/oci_runtime.h"
#include "sys/pidfd.h"

#define EXEC_CANNOT_START 126 /* docker's, for a missing program too */
#define EXIT_NO_MONITOR 137
#define KILL_WAIT_MS 1000
#define END_WAIT_NS (2 * CLOCK_NS_PER_S)
#define END_POLL_MS 5
#define REMOVE_TRIES 50
#define REMOVE_PAUSE_MS 10
#define EXECS_KEPT_ENDED 64   /* per container: so long can an exit code be asked for */

struct exec {
	struct list link;     /* in the container's list */
	struct list all_link; /* in the engine's list */
	atomic_int refs;
	struct ctr *c;
	char id[65];
	struct arena *arena;
	struct docker_exec_request *req;
	bool started, running, ended;
	int64_t pid, exit_code;
	uint64_t start_ticks, journal_seq;
	int run_dirfd;
};

/* What x/ID/record.json keeps of it across a restart of estibad. */
struct exec_record {
	int64_t version;
	const char *id, *container_id;
	struct docker_exec_request *request;
	bool started, ended;
	int64_t pid, exit_code;
	uint64_t start_ticks;
};

#define T struct exec_record
static const struct field exec_record_fields[] = {
	F_I64(T, version, "version", 0),
	F_STR(T, id, "id", 0),
	F_STR(T, container_id, "container_id", 0),
	F_PTR(T, request, "request", 0, struct docker_exec_request, docker_exec_request_fields),
	F_BOOL(T, started, "started", 0),
	F_BOOL(T, ended, "ended", 0),
	F_I64(T, pid, "pid", 0),
	F_I64(T, exit_code, "exit_code", 0),
	F_U64(T, start_ticks, "start_ticks", 0),
	F_END,
};
#undef T

struct execs {
	pthread_mutex_t lock;
	struct list all;
};

struct execs *execs_new(void)
{
	struct execs *t = ES_NEW(struct execs);

	(void)pthread_mutex_init(&t->lock, NULL);
	list_init(&t->all);
	return t;
}

static void exec_unref(struct exec *x)
{
	if (!x || --x->refs > 0)
		return;
	es_close(x->run_dirfd);
	arena_free(x->arena);
	ctr_unref(x->c);
	free(x);
}

static void exec_unref_p(struct exec **x)
{
	exec_unref(*x);
}

void execs_free(struct execs *t)
{
	if (!t)
		return;
	LIST_EACH(at, &t->all) {
		struct exec *x = LIST_ENTRY(at, struct exec, all_link);

		list_remove(&x->all_link);
		list_remove(&x->link);
		exec_unref(x);
	}
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

static es_err *exec_find(struct engine *e, const char *id, struct exec **ret)
{
	struct exec *found = NULL;
	size_t len = strlen(id);

	(void)pthread_mutex_lock(&e->execs->lock);
	LIST_EACH(at, &e->execs->all) {
		struct exec *x = LIST_ENTRY(at, struct exec, all_link);

		if (len && strncmp(x->id, id, len) == 0) {
			found = x;
			found->refs++;
			break;
		}
	}
	(void)pthread_mutex_unlock(&e->execs->lock);
	if (!found)
		return es_err_new(ES_E_NOT_FOUND, "No such exec instance: %s", id);
	*ret = found;
	return NULL;
}

static char *exec_dir(const struct exec *x)
{
	return es_xasprintf("x/%s", x->id);
}

/* The monitor of a session that has just ended may still be writing its last records there. */
static void remove_dir(struct engine *e, const char *dir)
{
	es_err *err = file_remove_tree(e->exec_root_fd, dir);

	for (int i = 0; i < REMOVE_TRIES && err && es_err_errno(err) == ENOTEMPTY; i++) {
		es_err_free(err);
		poll(NULL, 0, REMOVE_PAUSE_MS);
		err = file_remove_tree(e->exec_root_fd, dir);
	}
	log_err(err, "remove %s", dir);
}

static void forget(struct engine *e, struct exec *x)
{
	es_autofree char *dir = exec_dir(x);
	bool listed;

	(void)pthread_mutex_lock(&e->execs->lock);
	listed = !list_is_empty(&x->all_link);
	list_remove(&x->all_link);
	list_remove(&x->link);
	(void)pthread_mutex_unlock(&e->execs->lock);
	if (!listed)
		return;
	remove_dir(e, dir);
	exec_unref(x);
}

/* The oldest ended sessions beyond the number kept. */
static void trim(struct ctr *c)
{
	for (;;) {
		struct exec *oldest = NULL;
		size_t ended = 0;

		(void)pthread_mutex_lock(&c->e->execs->lock);
		LIST_EACH(at, &c->execs) {
			struct exec *x = LIST_ENTRY(at, struct exec, link);

			ended += x->ended;
			if (x->ended && !oldest)
				oldest = x;
		}
		if (oldest && ended > EXECS_KEPT_ENDED)
			oldest->refs++;
		else
			oldest = NULL;
		(void)pthread_mutex_unlock(&c->e->execs->lock);
		if (!oldest)
			return;
		forget(c->e, oldest);
		exec_unref(oldest);
	}
}

static es_err *save(struct exec *x)
{
	es_autobuf text = ES_BUF(CTR_RECORD_MAX);
	const struct exec_record r = {
		.version = 1, .id = x->id, .container_id = x->c->id, .request = x->req, .started = x->started,
		.ended = x->ended, .pid = x->pid, .exit_code = x->exit_code, .start_ticks = x->start_ticks,
	};

	field_encode_text(&text, exec_record_fields, &r);
	ES_TRY(es_buf_check(&text));
	return file_replace(x->run_dirfd, "record.json", text.p, text.len, 0600, false);
}

static struct exec *exec_new(struct ctr *c, const char *id, struct arena *arena, struct docker_exec_request *req)
{
	struct exec *x = ES_NEW(struct exec);

	x->refs = 1;
	x->c = ctr_ref(c);
	(void)snprintf(x->id, sizeof x->id, "%s", id);
	x->arena = arena;
	x->req = req;
	x->run_dirfd = -1;
	(void)pthread_mutex_lock(&c->e->execs->lock);
	list_append(&c->execs, &x->link);
	list_append(&c->e->execs->all, &x->all_link);
	(void)pthread_mutex_unlock(&c->e->execs->lock);
	return x;
}

static es_err *open_dir(struct exec *x)
{
	es_autofree char *dir = exec_dir(x);
	int root = x->c->e->exec_root_fd;

	ES_TRY(file_mkdir_p(root, dir, 0700));
	x->run_dirfd = openat(root, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return x->run_dirfd < 0 ? es_err_sys(errno, "open %s", dir) : NULL;
}

/* REF: what the client called it. */
static es_err *can_exec(struct ctr *c, const char *ref)
{
	enum ctr_status status;

	ctr_settle(c);
	(void)pthread_mutex_lock(&c->lock);
	status = c->status;
	(void)pthread_mutex_unlock(&c->lock);
	if (status == CTR_PAUSED)
		return es_err_new(ES_E_CONFLICT, "Container %s is paused, unpause the container before exec", ref);
	if (status == CTR_RESTARTING)
		return es_err_new(ES_E_CONFLICT, "Container %s is restarting, wait until the container is running", c->id);
	if (status != CTR_RUNNING)
		return es_err_new(ES_E_CONFLICT, "container %s is not running", c->id);
	return NULL;
}

static char *command_words(struct arena *a, char **cmd)
{
	es_autofree char *joined = strv_join(cmd, " ");

	return arena_strdup(a, joined);
}

es_err *exec_create(struct engine *e, struct arena *a, const char *ctr_ref, const struct docker_exec_request *req, char **ret_id)
{
	es_autoctr *c = NULL;
	struct arena *own;
	struct docker_exec_request *copy;
	es_autofree char *action = NULL;
	struct exec *x;
	char id[65];
	es_err *err;

	ES_TRY(ctr_find(e, ctr_ref, &c));
	if (strv_len(req->cmd) == 0)
		return es_err_new(ES_E_INVALID, "No exec command specified");
	ES_TRY(can_exec(c, ctr_ref));
	own = arena_new();
	copy = ARENA_NEW(own, struct docker_exec_request);
	err = field_copy(own, docker_exec_request_fields, req, copy);
	if (err) {
		arena_free(own);
		return err;
	}
	rand_hex(id, 64);
	x = exec_new(c, id, own, copy);
	err = open_dir(x);
	if (!err)
		err = save(x);
	if (err) {
		forget(e, x);
		return err;
	}
	trim(c);
	action = es_xasprintf("exec_create: %s", command_words(a, copy->cmd));
	ctr_event(c, action, "execID", id, NULL);
	*ret_id = arena_strdup(a, id);
	return NULL;
}

es_err *exec_start_check(struct engine *e, const char *id, bool *ret_tty)
{
	es_auto(exec_unref_p) struct exec *x = NULL;

	ES_TRY(exec_find(e, id, &x));
	if (x->started)
		return es_err_new(ES_E_CONFLICT, x->ended ? "Error: Exec command %s has already run" : "Error: Exec command %s is already running",
				  x->id);
	ES_TRY(can_exec(x->c, x->c->id));
	*ret_tty = x->req->tty;
	return NULL;
}

/* ---- news ---- */

static void exec_ended(struct exec *x, int64_t time_ns, int64_t code)
{
	char text[24];
	const char *extra[] = { "execID", x->id, "exitCode", text, NULL };

	(void)pthread_mutex_lock(&x->c->e->execs->lock);
	if (x->ended) {
		(void)pthread_mutex_unlock(&x->c->e->execs->lock);
		return;
	}
	x->running = false;
	x->ended = true;
	x->exit_code = code;
	(void)pthread_mutex_unlock(&x->c->e->execs->lock);
	log_err(save(x), "exec %.12s: keep its end", x->id);
	(void)snprintf(text, sizeof text, "%lld", (long long)code);
	ctr_event_at(x->c, time_ns, "exec_die", extra);
}

static void on_record(struct exec *x, const struct mon_record *r)
{
	if (r->seq <= x->journal_seq)
		return;
	x->journal_seq = r->seq;
	if (str_eq(r->event, "start")) {
		(void)pthread_mutex_lock(&x->c->e->execs->lock);
		x->pid = r->pid;
		x->start_ticks = r->start_ticks;
		(void)pthread_mutex_unlock(&x->c->e->execs->lock);
	}
	if (r->final)
		exec_ended(x, r->time, r->exit_code);
}

/* Its monitor was killed: what it ran must not go on unseen. */
static void end_process(const struct exec *x)
{
	int pidfd;
	es_err *err = x->pid ? pidfd_of_proven((pid_t)x->pid, x->start_ticks, &pidfd) : es_err_new(ES_E_NOT_FOUND, "not started");

	if (!err) {
		log_line(LOG_L_WARN, "exec %.12s: its monitor is gone; ending what it ran", x->id);
		log_err(pidfd_signal(pidfd, SIGKILL), "exec %.12s: kill", x->id);
		log_err(pidfd_wait_exit(pidfd, KILL_WAIT_MS), "exec %.12s: kill", x->id);
		es_close(pidfd);
	}
	es_err_drop(err);
}

static void take_journal(struct exec *x)
{
	es_autoarena *a = arena_new();
	struct mon_record *list;
	size_t n;
	es_err *err = monlink_journal(a, x->run_dirfd, &list, &n);

	for (size_t i = 0; !err && i < n; i++)
		on_record(x, &list[i]);
	log_err(err, "exec %.12s: journal", x->id);
	if (x->ended)
		return;
	end_process(x);
	exec_ended(x, clock_now_ns(), EXIT_NO_MONITOR);
}

/* The client's stream ends when the journal has the last word, which may not have come to us yet. Who asks after the stream's end
 * gets the exit code. */
static void see_whether_ended(struct exec *x)
{
	es_autoarena *a = arena_new();
	struct mon_record *list;
	size_t n;
	es_err *err = monlink_journal(a, x->run_dirfd, &list, &n);

	for (size_t i = 0; !err && i < n; i++)
		if (list[i].final)
			exec_ended(x, list[i].time, list[i].exit_code);
	log_err(err, "exec %.12s: journal", x->id);
}

static void on_link(void *self, const struct mon_record *record)
{
	struct exec *x = self;

	if (record) {
		on_record(x, record);
		return;
	}
	take_journal(x);
	exec_unref(x);
}

static void exec_follow(struct exec *x)
{
	es_err *err;

	x->refs++;
	err = monlink_watch(x->c->e, x->run_dirfd, x->journal_seq + 1, on_link, x);
	if (err) {
		es_err_free(err);
		on_link(x, NULL); /* it left already; the journal says how */
	}
}

/* ---- start ---- */

static es_err *write_process(struct exec *x, struct arena *a, const char *dir, struct mon_spec *spec)
{
	struct oci_process *p = ARENA_NEW(a, struct oci_process);
	es_autobuf text = ES_BUF(OCI_RUNTIME_CONFIG_MAX);
	struct ctr *c = x->c;
	es_autoclose int root = ctr_root(c);

	if (root < 0)
		return es_err_sys(errno, "root of container %.12s", c->id);
	ES_TRY(ctr_oci_exec(c, a, root, x->req, p));
	spec->uid = p->user.uid;
	spec->gid = p->user.gid;
	field_encode_text(&text, oci_process_fields, p);
	ES_TRY(es_buf_check(&text));
	ES_TRY(file_replace(x->run_dirfd, "process.json", text.p, text.len, 0600, false));
	spec->process = arena_printf(a, "%s/process.json", dir);
	return NULL;
}

static es_err *spawn(struct exec *x, struct arena *a, const char *detach_keys, int client_fd, const void *head, size_t head_len,
		     struct mon_report *report)
{
	struct engine *e = x->c->e;
	char *dir = arena_printf(a, "%s/x/%s", e->cfg->exec_root, x->id);
	const struct docker_exec_request *req = x->req;
	struct mon_attach attach = {
		.fd = CTR_FD_MORE, .in = req->attach_stdin, .out = req->attach_stdout, .err = req->attach_stderr,
		.detach_keys = str_empty(detach_keys) ? req->detach_keys : detach_keys, .head = { .p = head, .n = head_len },
	};
	struct mon_fd program = { CTR_FD_PROGRAM, "program" };
	bool with_program = e->run_program_fd && ctr_runtime_is_ours(x->c);
	struct spawn_fd fds[2];
	size_t n_fds = 0;
	struct mon_spec spec = {
		.version = MON_VERSION, .kind = "exec", .id = x->id, .container_id = x->c->id, .runtime = ctr_runtime_path(x->c),
		.tty = req->tty, .open_stdin = req->attach_stdin, .stdin_once = true,
		.attach = { .items = &attach, .n = client_fd >= 0, .set = true },
		.fds = { .items = &program, .n = with_program, .set = with_program },
	};

	if (client_fd >= 0)
		fds[n_fds++] = (struct spawn_fd){ client_fd, CTR_FD_MORE };
	if (with_program)
		fds[n_fds++] = (struct spawn_fd){ e->run_program_fd, CTR_FD_PROGRAM };

	spec.runtime_args = strv_arena_add(a, strv_arena_add(a, NULL, "--root"), arena_printf(a, "%s/run", e->cfg->exec_root));
	ES_TRY(write_process(x, a, dir, &spec));
	return monlink_spawn(e, a, x->run_dirfd, &spec, fds, n_fds, report);
}

/* Docker's stream for what could not be started: one frame on standard output, or raw with a tty. */
static void tell_client(int fd, bool tty, const char *text)
{
	es_autofree char *line = es_xasprintf("%s\r\n", text);
	size_t n = strlen(line);
	const unsigned char frame[8] = { 1, 0, 0, 0, (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n };

	if (fd < 0)
		return;
	if (!tty)
		(void)!write(fd, frame, sizeof frame);
	(void)!write(fd, line, n);
}

es_err *exec_start(struct engine *e, const char *id, const char *detach_keys, uint16_t width, uint16_t height, int client_fd,
		   const void *head, size_t head_len)
{
	es_auto(exec_unref_p) struct exec *x = NULL;
	es_autoclose int fd = client_fd;
	es_autoarena *a = arena_new();
	es_autofree char *action = NULL;
	struct mon_report report = { 0 };
	es_err *err;

	ES_TRY(exec_find(e, id, &x));
	(void)pthread_mutex_lock(&e->execs->lock);
	err = x->started ? es_err_new(ES_E_CONFLICT, "Error: Exec command %s is already running", x->id) : NULL;
	x->started = true;
	(void)pthread_mutex_unlock(&e->execs->lock);
	ES_TRY(err);
	action = es_xasprintf("exec_start: %s", command_words(a, x->req->cmd));
	ctr_event(x->c, action, "execID", x->id, NULL);
	err = spawn(x, a, detach_keys, fd, head, head_len, &report);
	if (!err && !report.ok)
		err = es_err_new(ES_E_INVALID, "OCI runtime exec failed: %s: unknown", report.message ? report.message : "");
	if (err) {
		tell_client(fd, x->req->tty, es_err_text(err));
		exec_ended(x, clock_now_ns(), EXEC_CANNOT_START);
		return err;
	}
	(void)pthread_mutex_lock(&e->execs->lock);
	x->pid = report.pid;
	x->start_ticks = report.start_ticks;
	x->running = !x->ended;
	(void)pthread_mutex_unlock(&e->execs->lock);
	log_err(save(x), "exec %.12s: keep its start", x->id);
	if (width && height)
		es_err_drop(exec_resize(e, id, width, height));
	exec_follow(x);
	return NULL;
}

es_err *exec_resize(struct engine *e, const char *id, uint16_t width, uint16_t height)
{
	const struct mon_request req = { .op = "resize", .w = width, .h = height };
	es_auto(exec_unref_p) struct exec *x = NULL;
	es_autoarena *a = arena_new();
	struct mon_reply reply;

	ES_TRY(exec_find(e, id, &x));
	if (!x->running)
		return es_err_new(ES_E_CONFLICT, "exec process is not running: %s", id);
	return monlink_ask(a, x->run_dirfd, &req, -1, &reply);
}

es_err *exec_inspect(struct engine *e, struct arena *a, const char *id, struct docker_exec_inspect *ret)
{
	es_auto(exec_unref_p) struct exec *x = NULL;
	const struct docker_exec_request *r;

	ES_TRY(exec_find(e, id, &x));
	if (x->started && !x->ended)
		see_whether_ended(x);
	r = x->req;
	*ret = (struct docker_exec_inspect){
		.id = arena_strdup(a, x->id), .running = x->running,
		.exit_code = { .set = x->ended, .v = x->exit_code },
		.process_config = { .tty = r->tty, .entrypoint = arena_strdup(a, r->cmd[0]), .arguments = strv_arena_dup(a, r->cmd + 1),
				    .privileged = { .set = true, .v = r->privileged }, .user = str_empty(r->user) ? NULL : arena_strdup(a, r->user) },
		.open_stdin = r->attach_stdin, .open_stderr = r->attach_stderr, .open_stdout = r->attach_stdout,
		.container_id = arena_strdup(a, x->c->id),
		.detach_keys = arena_strdup(a, r->detach_keys ? r->detach_keys : ""), .pid = x->running ? x->pid : 0,
	};
	return NULL;
}

/* ---- for the container ---- */

char **exec_ids(const struct ctr *c, struct arena *a)
{
	char **ids = NULL;

	(void)pthread_mutex_lock(&c->e->execs->lock);
	LIST_EACH(at, (struct list *)&c->execs) {
		const struct exec *x = LIST_ENTRY(at, struct exec, link);

		if (!x->ended)
			ids = strv_arena_add(a, ids, x->id);
	}
	(void)pthread_mutex_unlock(&c->e->execs->lock);
	return ids;
}

void exec_forget_all(struct ctr *c)
{
	for (;;) {
		struct exec *x = NULL;

		(void)pthread_mutex_lock(&c->e->execs->lock);
		if (!list_is_empty(&c->execs)) {
			x = LIST_ENTRY(c->execs.next, struct exec, link);
			x->refs++;
		}
		(void)pthread_mutex_unlock(&c->e->execs->lock);
		if (!x)
			return;
		forget(c->e, x);
		exec_unref(x);
	}
}

/* Its processes were killed with the container's first, so its monitor is about to say so. */
static void await_end(struct exec *x)
{
	int64_t deadline = clock_mono_ns() + END_WAIT_NS;

	while (x->started && !x->ended && clock_mono_ns() < deadline) {
		see_whether_ended(x);
		if (!x->ended)
			(void)poll(NULL, 0, END_POLL_MS);
	}
}

void exec_clean_all(struct ctr *c)
{
	es_autofree struct exec **all = NULL;
	size_t n = 0;

	(void)pthread_mutex_lock(&c->e->execs->lock);
	LIST_EACH(at, &c->execs)
		n++;
	all = es_xcalloc(n + 1, sizeof(struct exec *));
	n = 0;
	LIST_EACH(at, &c->execs) {
		all[n] = LIST_ENTRY(at, struct exec, link);
		all[n++]->refs++;
	}
	(void)pthread_mutex_unlock(&c->e->execs->lock);
	for (size_t i = 0; i < n; i++) {
		es_autofree char *dir = exec_dir(all[i]);

		await_end(all[i]);
		if (all[i]->ended)
			log_err(file_remove_tree(c->e->exec_root_fd, dir), "remove %s", dir);
		else
			forget(c->e, all[i]);
		exec_unref(all[i]);
	}
}

/* ---- recovery ---- */

static es_err *recover_one(struct engine *e, const char *id)
{
	es_autofree char *path = es_xasprintf("x/%s/record.json", id), *text = NULL;
	struct arena *a;
	struct exec_record r = { 0 };
	es_autoctr *c = NULL;
	struct exec *x;
	size_t len;
	es_err *err;

	ES_TRY(file_read(e->exec_root_fd, path, CTR_RECORD_MAX, &text, &len));
	a = arena_new();
	err = field_decode_text(a, exec_record_fields, arena_strndup(a, text, len), len, &r);
	if (!err && (!r.request || str_empty(r.container_id) || !str_eq(r.id, id) || strv_len(r.request->cmd) == 0))
		err = es_err_new(ES_E_PROTOCOL, "record is incomplete");
	if (!err)
		err = ctr_find(e, r.container_id, &c);
	if (err) {
		arena_free(a);
		return err;
	}
	x = exec_new(c, id, a, r.request);
	x->started = r.started;
	x->ended = r.ended;
	x->exit_code = r.exit_code;
	x->pid = r.pid;
	x->start_ticks = r.start_ticks;
	err = open_dir(x);
	if (err) {
		forget(e, x);
		return err;
	}
	x->started |= monlink_wait_ready(x->run_dirfd); /* it came to be after the record */
	x->running = x->started && !x->ended;
	if (x->running)
		exec_follow(x);
	return NULL;
}

void exec_recover_all(struct engine *e, bool new_boot)
{
	es_autostrv names = NULL;
	es_err *err = file_names(e->exec_root_fd, "x", &names);

	if (err && es_err_class(err) != ES_E_NOT_FOUND)
		log_line(LOG_L_WARN, "exec sessions: %s", es_err_text(err));
	es_err_drop(err);
	for (size_t i = 0; names && names[i]; i++) {
		es_autofree char *dir = es_xasprintf("x/%s", names[i]);

		err = new_boot ? es_err_new(ES_E_NOT_FOUND, "of another boot") : recover_one(e, names[i]);
		if (err) { /* its container is gone, or the record never came to be: a leftover */
			log_line(LOG_L_DEBUG, "exec %.12s: %s", names[i], es_err_text(err));
			es_err_free(err);
			es_err_drop(file_remove_tree(e->exec_root_fd, dir));
		}
	}
}

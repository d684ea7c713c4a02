/* SPDX-License-Identifier: Apache-2.0 */
/* monitor.c: start, watch, drain, tell, restart, leave. */
#include "monitor/monitor.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "codec/json.h"
#include "monitor/lazy.h"
#include "monitor/monitor_priv.h"
#include "sys/pidfd.h"

#define MONITOR_REST_NS (CLOCK_NS_PER_S / 2) /* so long after the first work memory is given back */
#define MONITOR_SPEC_MEMORY (64u << 10)        /* address space for what is kept of the spec; more is taken from the heap */

/* How long clients may take for the last output, and watchers for the last record, before we leave. */
#define MONITOR_LEAVE_NS (600 * CLOCK_NS_PER_S)

static void begin_start(struct monitor *m);
static void leave(struct monitor *m);

/* There is one of us for each container: what a start, a request or a burst of output took is given back soon. */
static void on_rest(void *self)
{
	struct monitor *m = self;

	if (!relay_trim(&m->relay))
		loop_timer_set(&m->loop, &m->rest_timer, MONITOR_REST_NS);
	journal_trim(&m->journal);
	control_trim(&m->control);
	lazy_trim_stack();
}

void monitor_worked(struct monitor *m)
{
	if (!m->rest_timer.on)
		loop_timer_set(&m->loop, &m->rest_timer, MONITOR_REST_NS);
}

static void on_worked(void *self)
{
	monitor_worked(self);
}

void monitor_record(struct monitor *m, struct mon_record r)
{
	/* A full tmpfs must not end the container: the record is lost for all alike, "status" still has the truth. */
	es_err_drop(journal_append(&m->journal, &r));
	control_tell(&m->control);
}

/* The first start's outcome, once. */
static void report(struct monitor *m, const struct mon_report *r)
{
	es_autobuf text = ES_BUF(MON_RECORD_MAX);

	if (m->reported)
		return;
	m->reported = true;
	field_encode_text(&text, mon_report_rows, r);
	es_buf_addc(&text, '\n');
	es_err_drop(file_write_all(MON_FD_REPORT, es_buf_str(&text), text.len)); /* nobody waits any more: fine */
	close(MON_FD_REPORT);
}

/* Docker's exit codes for a start that failed, by the runtime's words. */
static int64_t failure_code(const struct monitor *m)
{
	static const struct {
		const char *words;
		int64_t code;
	} rows[] = {
		{ "executable file not found", 127 }, { "no such file or directory", 127 },
		{ "failed to run runc create/exec call", 127 }, { "not a directory", 127 },
		{ "permission denied", 126 }, { "is a directory", 126 },
		{ "executable file `", 127 }, { "open executable: Permission denied", 126 }, /* crun's */
	};

	if (m->is_exec)
		return 126;
	for (size_t i = 0; i < ES_N(rows); i++)
		if (strstr(m->error, rows[i].words))
			return rows[i].code;
	return 128;
}

static void reply_to_stops(struct monitor *m)
{
	es_autoarena *a = arena_new();

	control_reply(&m->control, "stop", NULL, requests_status(m, a));
}

/* Start. */

static void start_failed(struct monitor *m, const char *text)
{
	bool first = !m->reported;

	snprintf(m->error, LAUNCH_TEXT_MAX, "%s", text);
	relay_abandon(&m->relay);
	m->state = MONITOR_EXITED;
	m->exit_code = failure_code(m);
	m->finished_at = clock_now_ns();
	monitor_record(m, (struct mon_record){ .event = "start_failed", .time = m->finished_at, .error = m->error,
					       .exit_code = m->exit_code, .final = true });
	report(m, &(struct mon_report){ .ok = false, .message = m->error, .exit_code = m->exit_code,
					.started_at = INT64_MIN });
	reply_to_stops(m);
	if (first)
		loop_stop(&m->loop); /* the clients still belong to estibad, which tells them why */
	else
		leave(m);
}

static bool take_early_exit(struct monitor *m, pid_t pid, int *ret_status)
{
	for (size_t i = 0; i < m->n_exits; i++)
		if (m->exits[i].pid == pid) {
			*ret_status = m->exits[i].status;
			return true;
		}
	return false;
}

static bool reaped_early(void *self, pid_t pid, int *ret_status)
{
	return take_early_exit(self, pid, ret_status);
}

static void watch_oom(struct monitor *m)
{
	es_err *err;

	if (!m->spec.memory_cgroup)
		return;
	err = oom_open(&m->oom_watch, &m->loop, m->spec.memory_cgroup);
	if (err) { /* no memory controller here: kills cannot be told from others */
		es_err_drop(err);
		oom_done(&m->oom_watch);
	}
}

static void process_exited(struct monitor *m, int status);

static void on_started(void *self)
{
	struct monitor *m = self;
	int status = 0;
	bool early;
	es_err *err;

	if (!m->start.ok) {
		start_failed(m, m->start.text);
		return;
	}
	early = take_early_exit(m, m->start.pid, &status);
	m->state = MONITOR_RUNNING;
	m->pid = m->start.pid;
	m->start_ticks = 0;
	m->started_at = clock_now_ns();
	m->started_mono = clock_mono_ns();
	if (m->error[0])
		m->error[0] = '\0';
	m->oom = false;
	if (!early) { /* else it is reaped already */
		es_err_drop(pidfd_start_ticks(m->pid, &m->start_ticks));
		es_err_drop(pidfd_of(m->pid, &m->pidfd));
	}
	monitor_worked(m);
	monitor_record(m, (struct mon_record){ .event = "start", .time = m->started_at, .pid = m->pid,
					       .start_ticks = m->start_ticks, .restart_count = m->restart.count });
	report(m, &(struct mon_report){ .ok = true, .pid = m->pid, .start_ticks = m->start_ticks,
					.started_at = m->started_at });
	err = relay_start(&m->relay, m->start.master);
	if (err)
		es_err_drop(err); /* the streams are as good as closed */
	watch_oom(m);
	if (early) {
		process_exited(m, status);
		return;
	}
	prober_begin(&m->prober);
	if (m->stop_pending)
		monitor_begin_stop(m);
}

static es_err *launch_first_process(struct monitor *m)
{
	const struct mon_spec *spec = &m->spec;
	enum launch_verb verb = m->is_exec ? LAUNCH_EXEC : LAUNCH_RUN;
	const char *what = m->is_exec ? spec->process : spec->bundle;
	int child[3] = { -1, -1, -1 };
	es_err *err = NULL;

	if (!spec->tty)
		err = relay_pipes(&m->relay, child);
	if (!err)
		err = launch_start(&m->start, verb, child, spec->tty, what);
	for (int i = 0; i < 3; i++)
		es_close(child[i]);
	return err;
}

static void begin_start(struct monitor *m)
{
	es_autoerr es_err *err = NULL;

	m->state = MONITOR_STARTING;
	err = launch_first_process(m);
	if (err)
		start_failed(m, es_err_text(err));
}

static void on_restart_timer(void *self)
{
	struct monitor *m = self;

	if (!m->verb.busy && !m->want_delete) /* else deleted() goes on */
		begin_start(m);
}

/* End. */

static void check_oom(void *self)
{
	struct monitor *m = self;

	m->oom = true;
	monitor_record(m, (struct mon_record){ .event = "oom", .pid = m->pid });
}

static void on_drained(void *self);

static void process_exited(struct monitor *m, int status)
{
	m->finished_at = clock_now_ns();
	m->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	m->state = MONITOR_DRAINING;
	loop_timer_cancel(&m->loop, &m->kill_timer);
	prober_stop(&m->prober);
	if (oom_check(&m->oom_watch))
		check_oom(m);
	oom_done(&m->oom_watch);
	m->relay.drained = on_drained;
	relay_drain(&m->relay);
}

static void on_drained(void *self)
{
	struct monitor *m = self;
	int64_t up = clock_mono_ns() - m->started_mono, delay = 0;
	bool again = !m->is_exec && restart_decide(&m->restart, m->exit_code, up, m->by_user, &delay);

	m->state = again ? MONITOR_RESTARTING : MONITOR_EXITED;
	monitor_record(m, (struct mon_record){ .event = m->is_exec ? "exec_die" : "die", .time = m->finished_at, .pid = m->pid,
					       .exit_code = m->exit_code, .oom = m->oom,
					       .restart_count = m->restart.count, .final = !again });
	m->pid = 0;
	es_close(m->pidfd);
	m->pidfd = -1;
	relay_close_clients(&m->relay);
	reply_to_stops(m);
	if (again)
		loop_timer_set(&m->loop, &m->restart_timer, delay);
	if (m->is_exec) {
		leave(m);
	} else {
		m->want_delete = true;
		monitor_next_verb(m);
	}
}

/* Everything is told; clients that are slower than the container was get their time. */
static void maybe_leave(struct monitor *m)
{
	if (m->state == MONITOR_EXITED && m->control.listener.fd < 0 && m->relay.n_clients == 0 && control_is_told(&m->control))
		loop_stop(&m->loop);
}

static void on_leave_timer(void *self)
{
	struct monitor *m = self;

	loop_stop(&m->loop);
}

/* Nothing of the container is left: its id, directory and cgroup may be used again. */
static void leave(struct monitor *m)
{
	control_close_listener(&m->control);
	launch_done(&m->start); /* no start follows: what was kept for one is given back before it is told */
	monitor_record(m, (struct mon_record){ .event = "end", .exit_code = m->exit_code, .final = true });
	loop_timer_set(&m->loop, &m->leave_timer, MONITOR_LEAVE_NS);
	maybe_leave(m);
}

static void on_idle(void *self)
{
	maybe_leave(self);
}

static void on_detached(void *self)
{
	monitor_record(self, (struct mon_record){ .event = "detach" });
}

/* Verbs: pause, resume, delete, one at a time. */

es_err *monitor_verb(struct monitor *m, enum launch_verb verb)
{
	return launch_start(&m->verb, verb, NULL, false, NULL);
}

static void deleted(struct monitor *m)
{
	if (m->state == MONITOR_EXITED)
		leave(m);
	else if (m->state == MONITOR_RESTARTING && !m->restart_timer.on)
		begin_start(m); /* its time came while the old one was still being deleted */
}

void monitor_next_verb(struct monitor *m)
{
	es_err *err = NULL;

	if (m->verb.busy)
		return;
	if (m->want_delete) {
		m->want_delete = m->want_resume = false;
		err = monitor_verb(m, LAUNCH_DELETE);
		if (err)
			deleted(m);
	} else if (m->want_resume) {
		m->want_resume = false;
		if (m->state == MONITOR_PAUSED)
			err = monitor_verb(m, LAUNCH_RESUME);
	}
	es_err_drop(err);
}

static void paused(struct monitor *m, bool on)
{
	m->state = on ? MONITOR_PAUSED : MONITOR_RUNNING;
	if (on)
		prober_stop(&m->prober);
	else
		prober_resume(&m->prober);
	monitor_record(m, (struct mon_record){ .event = on ? "pause" : "unpause", .pid = m->pid });
}

static void on_verb(void *self)
{
	struct monitor *m = self;
	bool lives = m->state == MONITOR_RUNNING || m->state == MONITOR_PAUSED, pause = m->verb.verb == LAUNCH_PAUSE;
	es_autoerr es_err *err = NULL;

	if (m->verb.verb == LAUNCH_DELETE) {
		deleted(m);
		return;
	}
	if (!m->verb.ok)
		err = es_err_new(ES_E_SYSTEM, "%s", m->verb.text);
	else if (!lives)
		err = es_err_new(ES_E_CONFLICT, "container is not running");
	else
		paused(m, pause);
	control_reply(&m->control, pause ? "pause" : "unpause", err, NULL);
	monitor_next_verb(m);
}

/* Signals and stop. */

es_err *monitor_signal(struct monitor *m, int64_t sig, bool ends)
{
	if (m->pidfd < 0 || m->state == MONITOR_DRAINING)
		return es_err_new(ES_E_CONFLICT, "container is not running");
	ES_TRY(pidfd_signal(m->pidfd, (int)sig));
	monitor_record(m, (struct mon_record){ .event = "kill", .pid = m->pid, .signal = sig });
	if (ends) { /* a frozen process does not even die of SIGKILL (cgroup v1) */
		m->want_resume = true;
		monitor_next_verb(m);
	}
	return NULL;
}

static void on_kill_timer(void *self)
{
	struct monitor *m = self;

	es_err_drop(monitor_signal(m, SIGKILL, true)); /* gone already: fine */
}

void monitor_begin_stop(struct monitor *m)
{
	m->stop_pending = false;
	es_err_drop(monitor_signal(m, m->stop_signal, true));
	if (m->state == MONITOR_DRAINING || m->stop_timeout_ns < 0)
		return;
	loop_timer_set(&m->loop, &m->kill_timer, m->stop_timeout_ns);
}

void monitor_cancel_restart(struct monitor *m)
{
	m->by_user = true;
	m->state = MONITOR_EXITED;
	loop_timer_cancel(&m->loop, &m->restart_timer);
	if (!m->verb.busy)
		leave(m); /* else when the old one is deleted */
}

static void health_changed(void *self)
{
	struct monitor *m = self;

	monitor_record(m, (struct mon_record){ .event = "health_status", .pid = m->pid,
					       .health = health_state_name(m->prober.health.state) });
}

/* Children. */

static void remember_exit(struct monitor *m, pid_t pid, int status)
{
	if (!m->start.busy && !m->prober.launch.busy)
		return; /* an orphan of an orphan: nobody asks */
	if (m->n_exits == MONITOR_EXITS)
		memmove(m->exits, m->exits + 1, --m->n_exits * sizeof m->exits[0]);
	m->exits[m->n_exits++] = (struct monitor_exit){ pid, status };
}

static void on_signal(void *self, const struct signalfd_siginfo *si)
{
	struct monitor *m = self;
	int status;
	pid_t pid;

	(void)si;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == m->pid && m->state != MONITOR_DRAINING)
			process_exited(m, status);
		else if (!launch_reaped(&m->start, pid, status) && !launch_reaped(&m->verb, pid, status) &&
			 !prober_reaped(&m->prober, pid, status))
			remember_exit(m, pid, status);
		if (!m->start.busy && !m->prober.launch.busy)
			m->n_exits = 0;
	}
}

/* Set-up. */

static es_err *check_fd(int fd)
{
	if (fd <= MON_FD_REPORT || fcntl(fd, F_GETFD) < 0)
		return es_err_new(ES_E_INVALID, "descriptor %d of " MON_FILE_SPEC " is not open", fd);
	return NULL;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Close what spec.json does not name; what it names does not pass to any child by accident. */
static es_err *sort_out_fds(const struct mon_spec *spec)
{
	size_t n = 0;
	es_autofree int *keep = es_xcalloc(spec->fds.n + spec->attach.n + 1, sizeof *keep);
	unsigned from = MON_FD_REPORT + 1;

	FIELD_LIST_EACH(struct mon_fd, row, &spec->fds)
		keep[n++] = row->fd;
	FIELD_LIST_EACH(struct mon_attach, row, &spec->attach)
		keep[n++] = row->fd;
	for (size_t i = 0; i < n; i++)
		ES_TRY(check_fd(keep[i]));
	qsort(keep, n, sizeof *keep, by_number);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned)keep[i] > from)
			syscall(SYS_close_range, from, (unsigned)keep[i] - 1, 0u);
		from = (unsigned)keep[i] + 1;
	}
	syscall(SYS_close_range, from, ~0u, 0u);
	syscall(SYS_close_range, MON_FD_DIR, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
	return NULL;
}

static es_err *check_spec(const struct mon_spec *spec)
{
	bool is_exec = str_eq(spec->kind, "exec");

	if (spec->version > MON_VERSION)
		return es_err_new(ES_E_UNSUPPORTED, "version %" PRId64 ", this monitor knows %d", spec->version, MON_VERSION);
	if (spec->runtime[0] != '/')
		return es_err_new(ES_E_INVALID, "runtime: not an absolute path");
	if (str_empty(is_exec ? spec->process : spec->bundle))
		return es_err_new(ES_E_INVALID, "no %s", is_exec ? "process" : "bundle");
	if (is_exec && (spec->health || (!str_empty(spec->restart.name) && !str_eq(spec->restart.name, "no"))))
		return es_err_new(ES_E_INVALID, "an exec session has neither health check nor restart policy");
	if (str_eq(spec->log.driver, "json-file") && str_empty(spec->log.path))
		return es_err_new(ES_E_INVALID, "log driver json-file without a path");
	return NULL;
}

static es_err *load_spec(struct monitor *m)
{
	es_autofree char *text = NULL;
	es_autoarena *a = arena_new(); /* of the document, of which little is kept */
	struct mon_spec whole = { 0 };
	size_t len;

	ES_TRY(file_read(MON_FD_DIR, MON_FILE_SPEC, MON_SPEC_MAX, &text, &len));
	ES_TRY(es_err_in(field_decode_text(a, mon_spec_rows, text, len, &whole), MON_FILE_SPEC));
	m->arena = arena_new_in(lazy_new(MONITOR_SPEC_MEMORY), MONITOR_SPEC_MEMORY);
	ES_TRY(field_copy(m->arena, mon_spec_rows, &whole, &m->spec));
	ES_TRY(es_err_in(check_spec(&m->spec), MON_FILE_SPEC));
	m->is_exec = str_eq(m->spec.kind, "exec");
	return sort_out_fds(&m->spec);
}

/* Nothing of whoever started us may reach us: no session, directory, standard streams, or signals that end us. */
static es_err *stand_alone(void)
{
	static const int deaf_to[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return es_err_sys(errno, "open /dev/null");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			return es_err_sys(errno, "standard streams");
	for (size_t i = 0; i < ES_N(deaf_to); i++)
		signal(deaf_to[i], SIG_IGN);
	setsid(); /* EPERM: we lead one already */
	umask(022);
	if (chdir("/") < 0)
		return es_err_sys(errno, "change to /");
	prctl(PR_SET_NAME, "estiba-mon");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return es_err_sys(errno, "become subreaper");
	return NULL;
}

static es_err *attach_early_clients(struct monitor *m)
{
	FIELD_LIST_EACH(struct mon_attach, row, &m->spec.attach)
		ES_TRY(relay_attach(&m->relay, row, row->fd));
	return NULL;
}

static void init_parts(struct monitor *m)
{
	m->error = lazy_new(LAUNCH_TEXT_MAX);
	m->pidfd = -1;
	m->oom_watch.dir_fd = -1;
	m->started_at = m->finished_at = INT64_MIN;
	m->kill_timer = (struct loop_timer){ .fn = on_kill_timer, .self = m };
	m->restart_timer = (struct loop_timer){ .fn = on_restart_timer, .self = m };
	m->leave_timer = (struct loop_timer){ .fn = on_leave_timer, .self = m };
	m->rest_timer = (struct loop_timer){ .fn = on_rest, .self = m };
	m->oom_watch.fn = check_oom;
	m->oom_watch.self = m;
	m->start = (struct launch){ .loop = &m->loop, .spec = &m->spec, .pid_name = "pid", .done = on_started, .self = m };
	m->verb = (struct launch){ .loop = &m->loop, .spec = &m->spec, .pid_name = "verb.pid", .done = on_verb, .self = m };
	m->prober.launch.spec = &m->spec;
	m->prober.changed = health_changed;
	m->prober.reaped_early = reaped_early;
	m->prober.self = m;
	m->relay.detached = on_detached;
	m->relay.idle = on_idle;
	m->relay.worked = on_worked;
	m->relay.self = m;
	m->control.loop = &m->loop;
	m->control.journal = &m->journal;
	m->control.handle = requests_handle;
	m->control.moved = on_idle;
	m->control.self = m;
}

static es_err *set_up(struct monitor *m)
{
	es_autobuf attrs = ES_BUF(MON_SPEC_MAX);
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	ES_TRY(loop_init(&m->loop));
	ES_TRY(loop_signals(&m->loop, &chld, on_signal, m));
	init_parts(m);
	if (m->spec.log.attrs)
		json_write(&attrs, m->spec.log.attrs, 0);
	ES_TRY(restart_set(&m->restart, m->spec.restart.name, m->spec.restart.max_retries));
	ES_TRY(relay_init(&m->relay, &m->loop, &m->spec, attrs.len ? arena_strdup(m->arena, attrs.p) : NULL));
	ES_TRY(launch_init(&m->start, m->arena));
	ES_TRY(launch_init(&m->verb, m->arena));
	ES_TRY(prober_init(&m->prober, &m->loop, m->arena));
	ES_TRY(journal_open(&m->journal, MON_FD_DIR));
	ES_TRY(control_open(&m->control));
	return attach_early_clients(m);
}

es_err *monitor_main(void)
{
	struct monitor *m = lazy_new(sizeof *m);
	es_err *err = stand_alone();

	if (!err)
		err = load_spec(m);
	if (!err)
		err = set_up(m);
	if (err) {
		report(m, &(struct mon_report){ .ok = false, .message = es_err_text(err), .exit_code = 128,
						.started_at = INT64_MIN });
		return err;
	}
	begin_start(m);
	return loop_run(&m->loop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* prober.c: timers, the exec of a probe, its output. */
#include "monitor/prober.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "monitor/lazy.h"

static void schedule(struct prober *p)
{
	loop_timer_set(p->loop, &p->interval, health_interval_ns(&p->health, clock_now_ns()));
}

static void close_output(struct prober *p)
{
	loop_remove(p->loop, &p->out);
	es_close(p->out.fd);
	p->out.fd = -1;
}

/* Everything of the probe but its result. */
static void clear(struct prober *p)
{
	loop_timer_cancel(p->loop, &p->timeout);
	launch_abort(&p->launch);
	close_output(p);
	p->active = false;
	p->pid = 0;
}

static void finish(struct prober *p, int64_t exit_code, const char *text, size_t len)
{
	int64_t start = p->start;

	clear(p);
	if (health_result(&p->health, start, clock_now_ns(), exit_code, text, len))
		p->changed(p->self);
	schedule(p);
}

/* Read what is there: the first MON_HEALTH_OUTPUT_MAX bytes are kept. */
static void read_output(struct prober *p)
{
	for (;;) {
		char waste[512];
		size_t room = MON_HEALTH_OUTPUT_MAX - p->len;
		ssize_t n = read(p->out.fd, room ? p->text + p->len : waste, room ? room : sizeof waste);

		if (n <= 0) {
			if (n == 0 || (errno != EAGAIN && errno != EINTR))
				loop_remove(p->loop, &p->out);
			return;
		}
		if (room)
			p->len += (size_t)n;
		else
			p->cut = true;
	}
}

static void on_output(void *self, uint32_t events)
{
	(void)events;
	read_output(self);
}

static void probe_exited(struct prober *p, int status)
{
	int64_t code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

	read_output(p);
	if (p->cut) {
		memcpy(p->text + p->len, "...", 3);
		p->len += 3;
	}
	finish(p, code, p->text, p->len);
}

static void on_launched(void *self)
{
	struct prober *p = self;
	char text[LAUNCH_TEXT_MAX + 64];
	int status;

	if (!p->launch.ok) {
		int n = snprintf(text, sizeof text, "OCI runtime exec failed: %s: unknown", p->launch.text);

		finish(p, -1, text, (size_t)n);
		return;
	}
	p->pid = p->launch.pid;
	if (p->reaped_early(p->self, p->pid, &status))
		probe_exited(p, status);
}

/* Docker waits for the probe's death, at most as long as the kernel takes for SIGKILL; we do not. */
static void on_timeout(void *self)
{
	struct prober *p = self;
	char text[HEALTH_OUTPUT + 1], duration[40];
	int n;

	read_output(p);
	if (p->pid)
		kill(p->pid, SIGKILL); /* our child, not reaped: the number is its own */
	health_duration(p->health.how.timeout_ns, duration);
	n = snprintf(text, sizeof text, "Health check exceeded timeout (%s)%s%.*s", duration, p->len ? ": " : "", (int)p->len,
		     p->text);
	finish(p, -1, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static es_err *begin_probe(struct prober *p)
{
	int fds[2];
	es_err *err;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return es_err_sys(errno, "pipe");
	p->out.fd = fds[0];
	err = file_set_nonblock(fds[0], true);
	if (!err)
		err = loop_watch(p->loop, &p->out, EPOLLIN);
	if (!err)
		err = launch_start(&p->launch, LAUNCH_EXEC, (int[3]){ -1, fds[1], fds[1] }, false, p->health.how.process);
	es_close(fds[1]);
	return err;
}

static void on_interval(void *self)
{
	struct prober *p = self;
	es_autoerr es_err *err = NULL;

	p->active = true;
	p->start = clock_now_ns();
	p->len = 0;
	p->cut = false;
	loop_timer_set(p->loop, &p->timeout, p->health.how.timeout_ns);
	err = begin_probe(p);
	if (err)
		finish(p, -1, es_err_text(err), strlen(es_err_text(err)));
}

es_err *prober_init(struct prober *p, struct loop *l, struct arena *a)
{
	p->loop = l;
	p->interval = (struct loop_timer){ .fn = on_interval, .self = p };
	p->timeout = (struct loop_timer){ .fn = on_timeout, .self = p };
	p->out = (struct loop_io){ .fd = -1, .fn = on_output, .self = p };
	p->launch.loop = l;
	p->launch.pid_name = "probe.pid";
	p->launch.done = on_launched;
	p->launch.self = p;
	p->text = lazy_new(HEALTH_OUTPUT + 1);
	health_init(&p->health, p->launch.spec->health);
	return launch_init(&p->launch, a);
}

void prober_done(struct prober *p)
{
	launch_done(&p->launch);
}

void prober_begin(struct prober *p)
{
	health_begin(&p->health, clock_now_ns());
	prober_resume(p);
}

void prober_stop(struct prober *p)
{
	loop_timer_cancel(p->loop, &p->interval);
	if (!p->active)
		return;
	if (p->pid)
		kill(p->pid, SIGKILL);
	clear(p);
}

void prober_resume(struct prober *p)
{
	if (p->health.state != HEALTH_NONE)
		schedule(p);
}

bool prober_reaped(struct prober *p, pid_t pid, int status)
{
	if (launch_reaped(&p->launch, pid, status))
		return true;
	if (!p->active || !p->pid || pid != p->pid)
		return false;
	probe_exited(p, status);
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c: epoll, a sorted list of timers, signalfd. */
#include "sys/loop.h"

#include "base/clock.h"

es_err *loop_init(struct loop *l)
{
	memset(l, 0, sizeof *l);
	list_init(&l->timers);
	l->signal_io.fd = -1;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return es_err_sys(errno, "epoll");
	return NULL;
}

void loop_done(struct loop *l)
{
	if (!l->timers.next) /* never initialised */
		return;
	es_close(l->signal_io.fd);
	es_close(l->epoll_fd);
	memset(l, 0, sizeof *l);
}

es_err *loop_watch(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	if (io->on && io->events == events)
		return NULL;
	if (epoll_ctl(l->epoll_fd, io->on ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, io->fd, &ev) < 0)
		return es_err_sys(errno, "watch descriptor %d", io->fd);
	io->on = true;
	io->events = events;
	return NULL;
}

void loop_remove(struct loop *l, struct loop_io *io)
{
	if (!io->on)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->on = false;
	for (int i = l->batch_at; i < l->batch_n; i++)
		if (l->batch[i].data.ptr == io)
			l->batch[i].data.ptr = NULL;
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	(void)l;
	if (t->on)
		list_remove(&t->link);
	t->on = false;
}

void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_ns)
{
	struct list *at;

	loop_timer_cancel(l, t);
	t->due_ns = clock_mono_ns() + (delay_ns > 0 ? delay_ns : 0);
	t->on = true;
	for (at = l->timers.next; at != &l->timers; at = at->next)
		if (LIST_ENTRY(at, struct loop_timer, link)->due_ns > t->due_ns)
			break;
	list_append(at, &t->link); /* before AT */
}

/* Milliseconds until the first timer, rounded up; -1 without any. */
static int timeout_ms(const struct loop *l)
{
	const struct loop_timer *t;
	int64_t left;

	if (list_is_empty(&l->timers))
		return -1;
	t = LIST_ENTRY(l->timers.next, struct loop_timer, link);
	left = t->due_ns - clock_mono_ns();
	if (left <= 0)
		return 0;
	left = (left + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
	return left > 3600 * 1000 ? 3600 * 1000 : (int)left;
}

/* Only those due at NOW: a timer that sets itself again cannot starve the descriptors. */
static void run_timers(struct loop *l)
{
	int64_t now = clock_mono_ns();

	while (!list_is_empty(&l->timers) && !l->stop) {
		struct loop_timer *t = LIST_ENTRY(l->timers.next, struct loop_timer, link);

		if (t->due_ns > now)
			return;
		loop_timer_cancel(l, t);
		t->fn(t->self);
	}
}

static void on_signal(void *self, uint32_t events)
{
	struct loop *l = self;
	struct signalfd_siginfo si;

	(void)events;
	while (read(l->signal_io.fd, &si, sizeof si) == (ssize_t)sizeof si)
		l->signal_fn(l->signal_self, &si);
}

es_err *loop_signals(struct loop *l, const sigset_t *set, void (*fn)(void *self, const struct signalfd_siginfo *si),
		     void *self)
{
	if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
		return es_err_sys(errno, "block signals");
	l->signal_io.fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signal_io.fd < 0)
		return es_err_sys(errno, "signalfd");
	l->signal_fn = fn;
	l->signal_self = self;
	l->signal_io.fn = on_signal;
	l->signal_io.self = l;
	return loop_watch(l, &l->signal_io, EPOLLIN);
}

es_err *loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop) {
		int n = epoll_wait(l->epoll_fd, l->batch, LOOP_BATCH, timeout_ms(l));

		if (n < 0 && errno != EINTR)
			return es_err_sys(errno, "epoll_wait");
		l->batch_n = n > 0 ? n : 0;
		for (l->batch_at = 0; l->batch_at < l->batch_n && !l->stop;) {
			struct epoll_event *ev = &l->batch[l->batch_at++];
			struct loop_io *io = ev->data.ptr;

			if (io)
				io->fn(io->self, ev->events);
		}
		l->batch_n = 0;
		run_timers(l);
	}
	return NULL;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

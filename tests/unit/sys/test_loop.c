/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop.c: timers in order, removed sources stay silent, signals arrive as calls. */
#include "check.h"

#include <unistd.h>

#include "base/clock.h"
#include "sys/loop.h"

struct bench {
	struct loop loop;
	char order[16];
	size_t n;
	struct loop_timer t[3];
	struct loop_io io[2];
	int pipes[2][2];
	int signals;
};

static void mark(struct bench *b, char c)
{
	b->order[b->n++] = c;
}
static void timer_a(void *self)
{
	mark(self, 'a');
}
static void timer_b(void *self)
{
	mark(self, 'b');
}
static void timer_stop(void *self)
{
	struct bench *b = self;

	mark(b, '.');
	loop_stop(&b->loop);
}

static void timers_in_order(void)
{
	struct bench b = { 0 };
	int64_t begin = clock_mono_ns();

	CHECK_OK(loop_init(&b.loop));
	b.t[0] = (struct loop_timer){ .fn = timer_a, .self = &b };
	b.t[1] = (struct loop_timer){ .fn = timer_b, .self = &b };
	b.t[2] = (struct loop_timer){ .fn = timer_stop, .self = &b };
	loop_timer_set(&b.loop, &b.t[2], 30 * CLOCK_NS_PER_MS);
	loop_timer_set(&b.loop, &b.t[0], 20 * CLOCK_NS_PER_MS);
	loop_timer_set(&b.loop, &b.t[1], 5 * CLOCK_NS_PER_MS);
	loop_timer_set(&b.loop, &b.t[0], 1 * CLOCK_NS_PER_MS); /* moved to the front */
	CHECK_OK(loop_run(&b.loop));
	CHECK_STR(b.order, "ab.");
	CHECK(clock_mono_ns() - begin >= 30 * CLOCK_NS_PER_MS);
	loop_done(&b.loop);
}

/* Both pipes are readable in one batch; whoever runs first removes the other. */
static void remove_other(void *self, uint32_t events)
{
	struct bench *b = self;

	CHECK(events & EPOLLIN);
	mark(b, 'x');
	loop_remove(&b->loop, &b->io[0]);
	loop_remove(&b->loop, &b->io[1]);
	loop_timer_set(&b->loop, &b->t[2], 0);
}

static void removed_source_is_silent(void)
{
	struct bench b = { 0 };

	CHECK_OK(loop_init(&b.loop));
	b.t[2] = (struct loop_timer){ .fn = timer_stop, .self = &b };
	for (int i = 0; i < 2; i++) {
		CHECK_INT(pipe(b.pipes[i]), 0);
		CHECK_INT(write(b.pipes[i][1], "1", 1), 1);
		b.io[i] = (struct loop_io){ .fd = b.pipes[i][0], .fn = remove_other, .self = &b };
		CHECK_OK(loop_watch(&b.loop, &b.io[i], EPOLLIN));
	}
	CHECK_OK(loop_run(&b.loop));
	CHECK_STR(b.order, "x.");
	loop_done(&b.loop);
}

static void on_usr1(void *self, const struct signalfd_siginfo *si)
{
	struct bench *b = self;

	CHECK_INT(si->ssi_signo, SIGUSR1);
	b->signals++;
	loop_stop(&b->loop);
}

static void signals_are_calls(void)
{
	struct bench b = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_OK(loop_init(&b.loop));
	CHECK_OK(loop_signals(&b.loop, &set, on_usr1, &b));
	CHECK_INT(kill(getpid(), SIGUSR1), 0);
	CHECK_OK(loop_run(&b.loop));
	CHECK_INT(b.signals, 1);
	loop_done(&b.loop);
}

CHECK_MAIN(TEST(timers_in_order), TEST(removed_source_is_silent), TEST(signals_are_calls))

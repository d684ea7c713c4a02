/* SPDX-License-Identifier: Apache-2.0 */
/* oom.c: memory.events with EPOLLPRI (v2), memory.oom_control with an eventfd (v1). */
#include "monitor/oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "base/file.h"
#include "base/str.h"

/* The number after "oom_kill " in either file, -1 when it cannot be read (the cgroup is gone). */
static int64_t kill_count(const struct oom *o)
{
	char text[512];
	es_autoclose int fd = openat(o->dir_fd, o->file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : file_read_some(fd, text, sizeof text - 1);
	const char *at;

	if (n < 0)
		return -1;
	text[n] = '\0';
	for (at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
		const char *number = str_after(at, "oom_kill ");

		if (number)
			return strtoll(number, NULL, 10);
	}
	return 0;
}

/* systemd takes a group away as soon as it is empty, count and all. On v1 the kernel then pokes the eventfd once for that: what is above
 * it were shortages of memory. */
static bool oom_before_removal(struct oom *o)
{
	uint64_t pokes = 0;

	if (o->io.fd < 0 || o->io.fd == o->file_fd)
		return false;
	return read(o->io.fd, &pokes, sizeof pokes) == (ssize_t)sizeof pokes && pokes + o->early > 1;
}

bool oom_check(struct oom *o)
{
	int64_t now = o->loop && o->dir_fd >= 0 ? kill_count(o) : -1;

	if (now < 0)
		return o->loop && oom_before_removal(o);
	if (now <= o->kills)
		return false;
	o->kills = now;
	return true;
}

static void on_event(void *self, uint32_t events)
{
	struct oom *o = self;
	uint64_t n;

	(void)events;
	if (kill_count(o) < 0) { /* removed: the kernel would tell us so for ever */
		loop_remove(o->loop, &o->io);
		if (oom_before_removal(o))
			o->fn(o->self);
		return;
	}
	if (o->io.fd != o->file_fd) {
		if (read(o->io.fd, &n, sizeof n) != (ssize_t)sizeof n)
			return;
		o->early += n; /* the kernel pokes before it kills */
	}
	if (oom_check(o)) {
		o->early = 0;
		o->fn(o->self);
	}
}

/* v1: tell the kernel which eventfd to poke for which file. */
static es_err *register_eventfd(struct oom *o)
{
	char text[32];

	o->io.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->io.fd < 0)
		return es_err_sys(errno, "eventfd");
	snprintf(text, sizeof text, "%d %d", o->io.fd, o->file_fd);
	return file_put(o->dir_fd, "cgroup.event_control", text);
}

es_err *oom_open(struct oom *o, struct loop *l, const char *dir)
{
	o->loop = l;
	o->io = (struct loop_io){ .fd = -1, .fn = on_event, .self = o };
	o->kills = 0;
	o->early = 0;
	o->file_fd = -1;
	o->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (o->dir_fd < 0)
		return es_err_sys(errno, "open cgroup %s", dir);
	o->file = faccessat(o->dir_fd, "memory.events", F_OK, 0) == 0 ? "memory.events" : "memory.oom_control";
	o->file_fd = openat(o->dir_fd, o->file, O_RDONLY | O_CLOEXEC);
	if (o->file_fd < 0)
		return es_err_sys(errno, "open %s/%s", dir, o->file);
	if (str_eq(o->file, "memory.events"))
		o->io.fd = o->file_fd;
	else
		ES_TRY(register_eventfd(o));
	return loop_watch(l, &o->io, o->io.fd == o->file_fd ? EPOLLPRI : EPOLLIN);
}

void oom_done(struct oom *o)
{
	if (!o->loop)
		return;
	loop_remove(o->loop, &o->io);
	if (o->io.fd != o->file_fd)
		es_close(o->io.fd);
	es_close(o->file_fd);
	es_close(o->dir_fd);
	o->loop = NULL;
}

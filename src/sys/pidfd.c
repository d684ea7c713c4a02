/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd.c: open, prove, signal and reap processes by descriptor. */
#include "sys/pidfd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

/* waitid(2) by descriptor; musl 1.2.3 has no name for it. */
#define PIDFD_P_PIDFD ((idtype_t)3)

es_err *pidfd_of(pid_t pid, int *ret_pidfd)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0u);

	if (fd < 0 && (errno == ESRCH || pid <= 0))
		return es_err_new(ES_E_NOT_FOUND, "no process %d", (int)pid);
	if (fd < 0)
		return es_err_sys(errno, "open process %d", (int)pid);
	*ret_pidfd = fd;
	return NULL;
}

/* The text of /proc/PID/stat after the command's closing parenthesis: " S 1 …". The name may hold anything.
 * NULL with errno: ENOENT and ESRCH when there is no such process. */
static const char *stat_tail(pid_t pid, char *buf, size_t size)
{
	char path[32];
	ssize_t n;
	char *tail;
	es_autoclose int fd = -1;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	n = file_read_some(fd, buf, size - 1);
	if (n == 0)
		errno = ESRCH;
	if (n <= 0)
		return NULL;
	errno = EPROTO;
	buf[n] = '\0';
	tail = strrchr(buf, ')');
	return tail ? tail + 1 : NULL;
}

es_err *pidfd_start_ticks(pid_t pid, uint64_t *ret_ticks)
{
	char buf[1024];
	const char *at = stat_tail(pid, buf, sizeof buf);

	if (!at && errno != ENOENT && errno != ESRCH)
		return es_err_sys(errno, "read /proc/%d/stat", (int)pid);
	if (!at)
		return es_err_new(ES_E_NOT_FOUND, "no process %d", (int)pid);
	for (int field = 2; field < 22; field++) { /* the tail begins before field 3 */
		at = strchr(at, ' ');
		if (!at)
			return es_err_new(ES_E_PROTOCOL, "/proc/%d/stat: fewer than 22 fields", (int)pid);
		at++;
	}
	*ret_ticks = strtoull(at, NULL, 10);
	return NULL;
}

es_err *pidfd_of_proven(pid_t pid, uint64_t start_ticks, int *ret_pidfd)
{
	es_autoclose int fd = -1;
	uint64_t ticks;

	ES_TRY(pidfd_of(pid, &fd));
	ES_TRY(pidfd_start_ticks(pid, &ticks));
	if (ticks != start_ticks)
		return es_err_new(ES_E_NOT_FOUND, "process %d is another one now", (int)pid);
	*ret_pidfd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *pidfd_signal(int pidfd, int sig)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0u) == 0)
		return NULL;
	if (errno == ESRCH)
		return es_err_new(ES_E_NOT_FOUND, "process already finished");
	return es_err_sys(errno, "signal %d", sig);
}

bool pidfd_has_exited(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

es_err *pidfd_wait_exit(int pidfd, int timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int64_t deadline = clock_mono_ns() + timeout_ms * CLOCK_NS_PER_MS;

	for (;;) {
		int n = poll(&p, 1, timeout_ms);

		if (n > 0)
			return NULL;
		if (n < 0 && errno != EINTR)
			return es_err_sys(errno, "wait for process");
		if (n == 0)
			return es_err_new(ES_E_TIMEOUT, "process still runs after %d ms", timeout_ms);
		if (timeout_ms > 0) {
			int64_t left = deadline - clock_mono_ns();

			timeout_ms = left > 0 ? (int)(left / CLOCK_NS_PER_MS) : 0;
		}
	}
}

es_err *pidfd_reap(int pidfd, int *ret_status)
{
	siginfo_t si;

	for (;;) {
		memset(&si, 0, sizeof si);
		if (waitid(PIDFD_P_PIDFD, (id_t)pidfd, &si, WEXITED) == 0)
			break;
		if (errno != EINTR)
			return es_err_sys(errno, "wait for child");
	}
	if (si.si_code == CLD_EXITED)
		*ret_status = (si.si_status & 0xff) << 8;
	else
		*ret_status = (si.si_status & 0x7f) | (si.si_code == CLD_DUMPED ? 0x80 : 0);
	return NULL;
}

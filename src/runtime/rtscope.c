/* SPDX-License-Identifier: Apache-2.0 */
/* rtscope.c: start estiba-systemd, send it a line, read its answer. */
#include "runtime/rtscope.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "runtime/rtconfig.h"
#include "sys/spawn.h"

#define HELPER "estiba-systemd"
#define SYSTEMD_RUNS "/run/systemd/system" /* sd_booted(3) */

bool rtscope_is_built(void)
{
	es_autofree char *path = NULL;
	es_autoerr es_err *err = rtconfig_companion(HELPER, &path);

	return !err;
}

/* Root of a user namespace is served by its user's manager, if the variables that lead there are set. */
bool rtscope_is_users(void)
{
	es_autofree char *map = NULL;
	es_autoerr es_err *err = NULL;
	unsigned inside = 0, outside = 0, n = 0;

	if (geteuid() != 0)
		return true;
	if (!getenv("XDG_RUNTIME_DIR") && !getenv("DBUS_SESSION_BUS_ADDRESS"))
		return false;
	err = file_read(AT_FDCWD, "/proc/self/uid_map", 4096, &map, NULL);
	return !err && sscanf(map, "%u %u %u", &inside, &outside, &n) == 3 && (outside != 0 || n != UINT32_MAX);
}

static es_err *spawn_helper(struct rtscope *ret)
{
	static const char *const kept[] = { "DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "XDG_RUNTIME_DIR" };
	es_autofree char *path = NULL;
	es_autostrv env = NULL;
	es_autoclose int ours = -1, theirs = -1;
	int pair[2];
	es_err *err;

	if (access(SYSTEMD_RUNS, F_OK) < 0)
		return es_err_new(ES_E_UNSUPPORTED, "systemd cgroup driver: systemd does not run here (no " SYSTEMD_RUNS ")");
	err = rtconfig_companion(HELPER, &path);
	if (err) {
		es_err_drop(err);
		return es_err_new(ES_E_UNSUPPORTED, "systemd cgroup driver: " HELPER " is not installed");
	}
	for (size_t i = 0; i < ES_N(kept); i++)
		if (getenv(kept[i]))
			strv_take(&env, es_xasprintf("%s=%s", kept[i], getenv(kept[i])));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return es_err_sys(errno, "socket pair");
	ours = pair[0];
	theirs = pair[1];
	struct spawn_fd fds[] = { { theirs, 0 }, { theirs, 1 } };
	ES_TRY(spawn_start(&(struct spawn){ .path = path, .env = env, .fds = fds, .n_fds = 2, .new_session = true }, &ret->pid, NULL));
	ret->to = ret->from = ES_TAKE_FD(ours);
	return NULL;
}

void rtscope_release(struct rtscope *s)
{
	if (s->pid <= 0)
		return;
	(void)shutdown(s->to, SHUT_RDWR); /* a cloned process may hold a copy of it */
	es_close(s->to);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*s = (struct rtscope){ .to = -1, .from = -1 };
}

static es_err *send_line(const struct rtscope *s, const struct scope_request *r)
{
	es_autobuf b = ES_BUF(SCOPE_LINE_MAX);
	ssize_t n;

	field_encode_text(&b, scope_request_fields, r);
	es_buf_addc(&b, '\n');
	ES_TRY(es_buf_check(&b));
	for (size_t at = 0; at < b.len; at += (size_t)n) {
		n = send(s->to, b.p + at, b.len - at, MSG_NOSIGNAL);
		if (n < 0)
			return es_err_sys(errno, "speak to " HELPER);
	}
	return NULL;
}

static es_err *read_reply(struct arena *a, const struct rtscope *s, struct scope_reply *ret)
{
	es_autobuf b = ES_BUF(SCOPE_LINE_MAX);
	char c;

	for (;;) {
		ssize_t n = file_read_some(s->from, &c, 1);

		if (n < 0)
			return es_err_sys(errno, "hear from " HELPER);
		if (n == 0)
			return es_err_new(ES_E_SYSTEM, HELPER " ended without an answer");
		if (c == '\n')
			break;
		es_buf_addc(&b, c);
		ES_TRY(es_buf_check(&b));
	}
	ES_TRY(es_err_in(field_decode_text(a, scope_reply_fields, es_buf_str(&b), b.len, ret), HELPER));
	if (!ret->ok)
		return es_err_new(ES_E_SYSTEM, "%s", ret->error ? ret->error : "refused");
	return NULL;
}

/* Start a helper and have its first answer. */
static es_err *converse(struct arena *a, struct scope_request *r, struct rtscope *s, struct scope_reply *reply)
{
	es_err *err;

	r->version = SCOPE_VERSION;
	ES_TRY(spawn_helper(s));
	err = send_line(s, r);
	if (!err)
		err = read_reply(a, s, reply);
	if (err)
		rtscope_release(s);
	return err;
}

es_err *rtscope_start(struct arena *a, struct scope_request *r, struct rtscope *ret, const char **ret_cgroup)
{
	struct rtscope s = { .to = -1, .from = -1 };
	struct scope_reply reply = { 0 };

	r->op = "start";
	ES_TRY(converse(a, r, &s, &reply));
	if (str_empty(reply.cgroup) || *reply.cgroup != '/') {
		rtscope_release(&s);
		return es_err_new(ES_E_PROTOCOL, HELPER " named no control group");
	}
	*ret = s;
	*ret_cgroup = reply.cgroup;
	return NULL;
}

es_err *rtscope_open(struct arena *a, const char *unit, bool user, struct rtscope *ret)
{
	struct scope_reply reply = { 0 };

	return converse(a, &(struct scope_request){ .op = "attach", .unit = unit, .user = user }, ret, &reply);
}

int rtscope_attach(const struct rtscope *s, pid_t pid)
{
	static const char fine[] = "{\"ok\":true";
	char line[16], answer[sizeof fine + 2] = "";
	int n = snprintf(line, sizeof line, "%d\n", (int)pid);
	size_t got = 0;
	char c;

	if (s->pid <= 0)
		return ESRCH;
	if (send(s->to, line, (size_t)n, MSG_NOSIGNAL) != n)
		return errno;
	while (file_read_some(s->from, &c, 1) == 1 && c != '\n')
		if (got < sizeof fine - 1)
			answer[got++] = c;
	return strcmp(answer, fine) == 0 ? 0 : EPERM;
}

es_err *rtscope_call(struct arena *a, struct scope_request *r)
{
	struct rtscope s = { .to = -1, .from = -1 };
	struct scope_reply reply = { 0 };

	ES_TRY(converse(a, r, &s, &reply));
	rtscope_release(&s);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rtnotify.c: fetch a descriptor out of the container's process and send it away with its description. */
#include "runtime/rtnotify.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/str.h"
#include "sys/uds.h"

bool rtnotify_wanted(const struct oci_seccomp *p)
{
	FIELD_LIST_EACH(const struct oci_seccomp_rule, r, &p->syscalls)
		if (str_eq(r->action, "SCMP_ACT_NOTIFY"))
			return true;
	return false;
}

static es_err *connect_to(const char *path, int *ret_fd)
{
	es_autofree char *dir = es_xstrdup(path);
	char *slash = strrchr(dir, '/');
	es_autoclose int at = -1;

	if (slash)
		*slash = '\0';
	at = openat(AT_FDCWD, !slash ? "." : *dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return es_err_sys(errno, "open directory of %s", path);
	return uds_connect(at, slash ? slash + 1 : path, SOCK_STREAM, ret_fd);
}

/* The whole text in one message, as a reader expects that asks only once; the rest, if it is too long for that, without descriptors. */
static es_err *send_all(int socket, const char *text, size_t len, int fd)
{
	size_t sent = 0;

	ES_TRY(uds_send(socket, text, len, &fd, 1, 0, &sent));
	return sent < len ? file_write_all(socket, text + sent, len - sent) : NULL;
}

es_err *rtnotify_send(const struct oci_seccomp *p, const struct rtstate *s, const char *status, pid_t pid, int pidfd, int listener)
{
	es_autoarena *a = arena_new();
	es_autofree char *state = rtstate_oci_json(s, status, s->pid ? s->pid : pid);
	es_autoclose int fd = (int)syscall(SYS_pidfd_getfd, pidfd, listener, 0u), socket = -1;
	struct json *v = json_new_object(a), *fds = json_new_array(a), *inner;
	es_autobuf b = ES_BUF(RTSTATE_MAX);

	if (fd < 0)
		return es_err_sys(errno, "linux.seccomp: fetch the listener out of the container's process");
	json_set_str(a, v, "ociVersion", OCI_RUNTIME_VERSION);
	json_append(fds, json_new_str(a, "seccompFd"));
	json_set(a, v, "fds", fds);
	json_set_i64(a, v, "pid", pid);
	if (!str_empty(p->listener_metadata))
		json_set_str(a, v, "metadata", p->listener_metadata);
	ES_TRY(json_parse(a, state, strlen(state), &inner));
	json_set(a, v, "state", inner);
	json_write(&b, v, 0);
	ES_TRY(es_buf_check(&b));
	ES_TRY(es_err_in(connect_to(p->listener_path, &socket), "linux.seccomp.listenerPath"));
	return es_err_in(send_all(socket, b.p, b.len, fd), "linux.seccomp.listenerPath: %s", p->listener_path);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rtstate.c: write, read and believe a container's recorded state. */
#include "runtime/rtstate.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "sys/pidfd.h"
#include "sys/seccomp.h"

#define RTSTATE_SECCOMP "seccomp.bpf"

const struct field rtstate_fields[] = {
	F_I64(struct rtstate, version, "version", FIELD_REQUIRED),
	F_STR(struct rtstate, id, "id", FIELD_REQUIRED),
	F_STR(struct rtstate, bundle, "bundle", FIELD_REQUIRED),
	F_STR(struct rtstate, rootfs, "rootfs", 0),
	F_STR(struct rtstate, oci_version, "ociVersion", FIELD_REQUIRED),
	F_STR(struct rtstate, cgroup, "cgroup", 0),
	F_STR(struct rtstate, unit, "unit", FIELD_OMIT_EMPTY),
	F_BOOL(struct rtstate, user_unit, "user_unit", FIELD_OMIT_EMPTY),
	F_STR(struct rtstate, boot_id, "boot_id", FIELD_REQUIRED),
	F_TIME(struct rtstate, created, "created", 0),
	F_I64(struct rtstate, uid, "uid", 0),
	F_STRV(struct rtstate, namespaces, "namespaces", FIELD_EMPTY_LIST),
	F_PTR(struct rtstate, hooks, "hooks", FIELD_OMIT_EMPTY, struct oci_hooks, oci_hooks_fields),
	F_STR(struct rtstate, rdt_made, "rdt_made", FIELD_OMIT_EMPTY),
	F_STR(struct rtstate, rdt_mon, "rdt_mon", FIELD_OMIT_EMPTY),
	F_STR_MAP(struct rtstate, annotations, "annotations", FIELD_OMIT_EMPTY),
	F_I64(struct rtstate, pid, "pid", FIELD_OMIT_EMPTY),
	F_U64(struct rtstate, start_ticks, "start_ticks", FIELD_OMIT_EMPTY),
	F_END,
};

static const char *const status_names[] = {
	[RTSTATE_CREATING] = "creating", [RTSTATE_CREATED] = "created", [RTSTATE_RUNNING] = "running",
	[RTSTATE_PAUSED] = "paused",     [RTSTATE_STOPPED] = "stopped",
};
_Static_assert(ES_N(status_names) == RTSTATE_STATUS_N, "a status without a name");

const char *rtstate_status_name(enum rtstate_status s)
{
	return status_names[s];
}

es_err *rtstate_check_id(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.");

	if (!*id || id[n] || n > 1024 || str_eq(id, ".") || str_eq(id, ".."))
		return es_err_new(ES_E_INVALID, "invalid container ID format: \"%s\"", id);
	return NULL;
}

es_err *rtstate_make_dir(const char *root, const char *id, int *ret_dir)
{
	es_autofree char *path = es_xasprintf("%s/%s", root, id);
	int rc;

	ES_TRY(rtstate_check_id(id));
	rc = mkdir(path, 0711);
	if (rc < 0 && errno == ENOENT) {
		ES_TRY(file_mkdir_p(AT_FDCWD, root, 0711));
		rc = mkdir(path, 0711);
	}
	if (rc < 0 && errno == EEXIST)
		return es_err_new(ES_E_CONFLICT, "container with given ID already exists");
	if (rc < 0)
		return es_err_sys(errno, "make %s", path);
	*ret_dir = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_dir < 0 ? es_err_sys(errno, "open %s", path) : NULL;
}

es_err *rtstate_open_dir(const char *root, const char *id, int *ret_dir)
{
	es_autofree char *path = es_xasprintf("%s/%s", root, id);
	int fd;

	ES_TRY(rtstate_check_id(id));
	fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return es_err_new(ES_E_NOT_FOUND, "container does not exist");
	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	*ret_dir = fd;
	return NULL;
}

es_err *rtstate_remove_dir(const char *root, const char *id)
{
	es_autoclose int fd = openat(AT_FDCWD, root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	ES_TRY(rtstate_check_id(id));
	if (fd < 0)
		return errno == ENOENT ? NULL : es_err_sys(errno, "open %s", root);
	return file_remove_tree(fd, id);
}

es_err *rtstate_prefix(struct arena *a, const struct rtstate *s, const char **ret_text)
{
	es_autobuf b = ES_BUF(RTSTATE_MAX);
	struct rtstate without = *s;

	without.pid = 0;
	without.start_ticks = 0;
	field_encode_text(&b, rtstate_fields, &without);
	ES_TRY(es_buf_check(&b));
	*ret_text = arena_strndup(a, b.p, b.len - 1); /* without the closing brace */
	return NULL;
}

int rtstate_write(int dir, const char *prefix, pid_t pid, uint64_t start_ticks)
{
	char tail[80];
	int n = snprintf(tail, sizeof tail, ",\"pid\":%d,\"start_ticks\":%llu}\n", (int)pid, (unsigned long long)start_ticks);
	int fd = openat(dir, "state.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t len = strlen(prefix);
	int errnum = 0;

	if (fd < 0)
		return errno;
	if (write(fd, prefix, len) != (ssize_t)len || write(fd, tail, (size_t)n) != n)
		errnum = errno ? errno : ENOSPC;
	else if (renameat(dir, "state.json.new", dir, "state.json") < 0)
		errnum = errno;
	close(fd);
	return errnum;
}

int rtstate_write_seccomp(int dir, const void *program, size_t len)
{
	int fd, errnum = 0;

	if (!program)
		return 0;
	fd = openat(dir, RTSTATE_SECCOMP, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	if (write(fd, program, len) != (ssize_t)len)
		errnum = errno ? errno : ENOSPC;
	close(fd);
	return errnum;
}

es_err *rtstate_read_seccomp(struct arena *a, int dir, const void **ret, size_t *ret_len)
{
	es_autoclose int fd = openat(dir, RTSTATE_SECCOMP, O_RDONLY | O_CLOEXEC);
	void *program = NULL;

	*ret = NULL;
	*ret_len = 0;
	if (fd < 0)
		return errno == ENOENT ? NULL : es_err_sys(errno, "open " RTSTATE_SECCOMP);
	ES_TRY(seccomp_read(fd, &program, ret_len));
	arena_own(a, program);
	*ret = program;
	return NULL;
}

es_err *rtstate_read(struct arena *a, int dir, struct rtstate *ret)
{
	es_autofree char *text = NULL;
	struct rtstate s = { 0 };
	size_t len;
	es_err *err = file_read(dir, "state.json", RTSTATE_MAX, &text, &len);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return es_err_new(ES_E_NOT_FOUND, "container does not exist");
	}
	ES_TRY(err);
	ES_TRY(es_err_in(field_decode_text(a, rtstate_fields, text, len, &s), "state.json"));
	if (s.version > RTSTATE_VERSION)
		return es_err_new(ES_E_UNSUPPORTED, "state.json has version %lld, this program knows up to %d",
				  (long long)s.version, RTSTATE_VERSION);
	*ret = s;
	return NULL;
}

es_err *rtstate_boot_id(char *out)
{
	es_autofree char *text = NULL;

	ES_TRY(file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL));
	snprintf(out, 37, "%s", str_trim(text));
	return NULL;
}

es_err *rtstate_process(const struct rtstate *s, int *ret_pidfd)
{
	es_autoclose int fd = -1;
	char boot[37];

	ES_TRY(rtstate_boot_id(boot));
	if (s->pid <= 0 || !str_eq(boot, s->boot_id))
		return es_err_new(ES_E_NOT_FOUND, "container not running");
	ES_TRY(pidfd_of_proven((pid_t)s->pid, s->start_ticks, &fd));
	if (pidfd_has_exited(fd))
		return es_err_new(ES_E_NOT_FOUND, "container not running");
	*ret_pidfd = ES_TAKE_FD(fd);
	return NULL;
}

enum rtstate_status rtstate_status(const struct rtstate *s, int dir, bool frozen)
{
	es_autoclose int pidfd = -1;
	es_autoerr es_err *err = rtstate_process(s, &pidfd);

	if (err && es_err_class(err) == ES_E_NOT_FOUND)
		return RTSTATE_STOPPED; /* what cannot be looked at (no descriptor, no memory) is not taken for dead */
	if (faccessat(dir, RTSTATE_FIFO, F_OK, 0) == 0)
		return RTSTATE_CREATED;
	return frozen ? RTSTATE_PAUSED : RTSTATE_RUNNING;
}

char *rtstate_oci_json(const struct rtstate *s, const char *status, int64_t pid)
{
	es_autobuf b = ES_BUF(RTSTATE_MAX);
	struct oci_state o = {
		.oci_version = s->oci_version, .id = s->id, .status = status, .pid = pid, .bundle = s->bundle,
		.annotations = s->annotations,
	};

	field_encode_text(&b, oci_state_fields, &o);
	return es_xstrdup(es_buf_str(&b));
}

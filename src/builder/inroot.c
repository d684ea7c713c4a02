/* SPDX-License-Identifier: Apache-2.0 */
/* inroot.c: paths inside a root that strangers filled. */
#include "builder/inroot.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/str.h"

char *inroot_join(struct arena *a, const char *base, const char *path)
{
	char *joined = *path == '/' ? arena_strdup(a, path) : arena_printf(a, "%s/%s", base, path);

	return arena_printf(a, "/%s", str_clean_path(joined));
}

es_err *inroot_open(int root, const char *path, int flags, int *ret_fd)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	long fd;

	if (!(flags & O_PATH))
		how.flags |= O_NONBLOCK | O_NOCTTY;
	do
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
	while (fd < 0 && (errno == EAGAIN || errno == EINTR)); /* EAGAIN: a rename went past */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return es_err_new(ES_E_NOT_FOUND, "%s: %s", path, errno == ENOENT ? "no such file or directory" : "not a directory");
	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	*ret_fd = (int)fd;
	return NULL;
}

es_err *inroot_stat(int root, const char *path, struct stat *ret)
{
	es_autoclose int fd = -1;

	ES_TRY(inroot_open(root, path, O_PATH, &fd));
	return fstat(fd, ret) ? es_err_sys(errno, "stat %s", path) : NULL;
}

/* The directory PREFIX, whose parent is AT; made when it is missing. */
static es_err *enter(int root, int at, const char *prefix, mode_t mode, uid_t uid, gid_t gid, int *ret_fd, bool *ret_made)
{
	const char *slash = strrchr(prefix, '/'), *name = slash ? slash + 1 : prefix;
	es_err *err = inroot_open(root, prefix, O_PATH | O_DIRECTORY, ret_fd);

	*ret_made = false;
	if (!err || es_err_class(err) != ES_E_NOT_FOUND)
		return err;
	if (mkdirat(at, name, mode)) {
		int saved = errno;

		/* it is there, but no directory, or a link to nowhere */
		return saved == EEXIST ? err : (es_err_free(err), es_err_sys(saved, "mkdir %s", prefix));
	}
	es_err_free(err);
	ES_TRY(inroot_open(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, ret_fd));
	*ret_made = true;
	/* mkdirat minds the umask; the mode asked for is meant */
	if (fchmodat(at, name, mode, 0))
		return es_err_sys(errno, "chmod %s", prefix);
	if ((uid || gid) && fchownat(*ret_fd, "", uid, gid, AT_EMPTY_PATH))
		return es_err_sys(errno, "chown %s", prefix);
	return NULL;
}

es_err *inroot_mkdir_p(int root, const char *path, mode_t mode, uid_t uid, gid_t gid, int *ret_fd, bool *ret_made)
{
	es_autofree char *clean = str_clean_path(es_xstrdup(path));
	es_autoclose int at = -1;
	bool made = false;

	ES_TRY(inroot_open(root, "", O_PATH | O_DIRECTORY, &at));
	for (char *end = clean; *clean;) {
		bool last = !*(end += strcspn(end, "/"));
		int next = -1;

		*end = 0;
		es_err *err = enter(root, at, clean, mode, uid, gid, &next, &made);
		es_close(at);
		at = next;
		ES_TRY(err);
		if (last)
			break;
		*end++ = '/';
	}
	if (ret_fd)
		*ret_fd = ES_TAKE_FD(at);
	if (ret_made)
		*ret_made = made;
	return NULL;
}

es_err *inroot_read(int root, const char *path, size_t max, char **ret_text, size_t *ret_len)
{
	es_autoclose int fd = -1;
	struct stat st;

	ES_TRY(inroot_open(root, path, O_RDONLY, &fd));
	if (fstat(fd, &st))
		return es_err_sys(errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return es_err_new(ES_E_INVALID, "%s: not a regular file", path);
	return es_err_in(file_read_all(fd, max, ret_text, ret_len), "%s", path);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fstree.c: digest and copy of trees. Both walk the source the same way: names sorted, links never followed below the top. */
#include "builder/fstree.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/str.h"
#include "builder/inroot.h"

#define XATTR_CAPS "security.capability"
#define XATTR_MAX 256

/* ---- chmod ---- */

/* One clause "ug+rwx" at *S applied to *MODE. */
static bool chmod_clause(const char **s, bool is_dir, mode_t *mode)
{
	mode_t who = 0, bits = 0, all;
	char op;

	for (; **s && strchr("ugoa", **s); (*s)++)
		who |= **s == 'u' ? 04700u : **s == 'g' ? 02070u : **s == 'o' ? 01007u : 07777u;
	all = who ? who : 07777;
	op = **s;
	if (!op || !strchr("+-=", op))
		return false;
	for ((*s)++; **s && **s != ','; (*s)++) {
		switch (**s) {
		case 'r':
			bits |= 0444;
			break;
		case 'w':
			bits |= 0222;
			break;
		case 'x':
			bits |= 0111;
			break;
		case 'X':
			bits |= is_dir || (*mode & 0111) ? 0111 : 0;
			break;
		case 's':
			bits |= 06000;
			break;
		case 't':
			bits |= 01000;
			break;
		default:
			return false;
		}
	}
	bits &= all;
	*mode = op == '+' ? *mode | bits : op == '-' ? *mode & ~bits : (*mode & ~all) | bits;
	return true;
}

es_err *fstree_chmod(const char *text, mode_t mode, bool is_dir, mode_t *ret)
{
	const char *s = text;
	uint64_t octal;

	if (*text >= '0' && *text <= '7') {
		es_autoerr es_err *err = str_to_u64(text, 8, &octal);
		if (err || octal > 07777)
			return es_err_new(ES_E_INVALID, "invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777", text);
		*ret = (mode_t)octal;
		return NULL;
	}
	mode &= 07777;
	do
		if (!chmod_clause(&s, is_dir, &mode))
			return es_err_new(ES_E_INVALID, "invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777", text);
	while (*s++ == ',');
	*ret = mode;
	return NULL;
}

/* ---- the walk ---- */

static int by_name(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

/* Sorted names of the directory FD (taken). */
static es_err *list_names(int fd, char ***ret)
{
	size_t n = 0, cap = 0;
	char **names = NULL;
	DIR *dir = fdopendir(fd);

	if (!dir) {
		es_close(fd);
		return es_err_sys(errno, "read directory");
	}
	for (struct dirent *d; (d = readdir(dir));) {
		if (str_eq(d->d_name, ".") || str_eq(d->d_name, ".."))
			continue;
		if (n + 1 >= cap) {
			cap = cap ? 2 * cap : 32;
			names = es_xrealloc(names, cap * sizeof *names);
		}
		names[n++] = es_xstrdup(d->d_name);
		names[n] = NULL;
	}
	closedir(dir);
	if (n)
		qsort(names, n, sizeof *names, by_name);
	*ret = names;
	return NULL;
}

static bool is_excluded(const struct fstree_from *from, const char *rel)
{
	return from->exclude && *rel && ignore_has(from->exclude, rel);
}

static es_err *open_dir(int at, const char *name, int *ret_fd)
{
	*ret_fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? es_err_sys(errno, "open %s", name) : NULL;
}

static es_err *open_file(int at, const char *name, int *ret_fd)
{
	*ret_fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return *ret_fd < 0 ? es_err_sys(errno, "open %s", name) : NULL;
}

static es_err *read_link(int at, const char *name, char *target, size_t size)
{
	ssize_t n = readlinkat(at, name, target, size - 1);

	if (n < 0)
		return es_err_sys(errno, "read link %s", name);
	target[n] = 0;
	return NULL;
}

static size_t read_caps(int fd, char value[XATTR_MAX])
{
	ssize_t n = fgetxattr(fd, XATTR_CAPS, value, XATTR_MAX);

	return n > 0 ? (size_t)n : 0;
}

/* The top of FROM: its parent and name, after links inside the root were followed. *RET_FD is O_PATH. */
static es_err *open_top(const struct fstree_from *from, int *ret_fd, struct stat *ret_st)
{
	es_autoclose int fd = -1;

	ES_TRY(inroot_open(from->root, from->path, O_PATH, &fd));
	if (fstat(fd, ret_st))
		return es_err_sys(errno, "stat %s", from->path);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

/* A readable descriptor of what an O_PATH one stands for. */
static es_err *reopen(int path_fd, int flags, int *ret_fd)
{
	char self[64];

	snprintf(self, sizeof self, "/proc/self/fd/%d", path_fd);
	*ret_fd = open(self, flags | O_CLOEXEC);
	return *ret_fd < 0 ? es_err_sys(errno, "open") : NULL;
}

/* ---- digest ---- */

static void digest_head(const struct fstree_from *from, const char *rel, const struct stat *st, struct sha256 *d)
{
	char head[128];
	int n = snprintf(head, sizeof head, "%o %lld %u %u", st->st_mode & (S_IFMT | 07777),
			 S_ISREG(st->st_mode) ? (long long)st->st_size : 0LL, from->with_owner ? st->st_uid : 0u,
			 from->with_owner ? st->st_gid : 0u);

	sha256_add(d, rel, strlen(rel) + 1);
	sha256_add(d, head, (size_t)n + 1);
}

static es_err *digest_content(int fd, struct sha256 *d)
{
	enum { PIECE = 1 << 16 };
	es_autofree char *piece = es_xmalloc(PIECE);
	char caps[XATTR_MAX];
	ssize_t n;

	while ((n = file_read_some(fd, piece, PIECE)) > 0)
		sha256_add(d, piece, (size_t)n);
	if (n < 0)
		return es_err_sys(errno, "read");
	sha256_add(d, caps, read_caps(fd, caps));
	return NULL;
}

static es_err *digest_dir(const struct fstree_from *from, int dir_fd, const char *rel, unsigned depth, struct sha256 *d);

static es_err *digest_entry(const struct fstree_from *from, int at, const char *name, const char *rel, unsigned depth,
			    struct sha256 *d)
{
	es_autoclose int fd = -1;
	char target[4096];
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW))
		return es_err_sys(errno, "stat %s", name);
	digest_head(from, rel, &st, d);
	if (S_ISREG(st.st_mode)) {
		ES_TRY(open_file(at, name, &fd));
		return digest_content(fd, d);
	}
	if (S_ISLNK(st.st_mode)) {
		ES_TRY(read_link(at, name, target, sizeof target));
		sha256_add(d, target, strlen(target) + 1);
		return NULL;
	}
	if (!S_ISDIR(st.st_mode))
		return NULL;
	ES_TRY(open_dir(at, name, &fd));
	return digest_dir(from, ES_TAKE_FD(fd), rel, depth + 1, d);
}

static es_err *digest_dir(const struct fstree_from *from, int dir_fd, const char *rel, unsigned depth, struct sha256 *d)
{
	es_autoclose int at = dir_fd;
	es_autostrv names = NULL;
	int list;

	if (depth > FSTREE_DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "more than %d directories deep", FSTREE_DEPTH_MAX);
	ES_TRY(open_dir(at, ".", &list));
	ES_TRY(list_names(list, &names));
	for (char **name = names; name && *name; name++) {
		es_autofree char *path = es_xasprintf("%s%s%s", rel, *rel ? "/" : "", *name);

		if (!is_excluded(from, path))
			ES_TRY(digest_entry(from, at, *name, path, depth, d));
	}
	return NULL;
}

es_err *fstree_digest(const struct fstree_from *from, struct sha256 *digest)
{
	es_autoclose int top = -1;
	struct stat st;
	int fd;

	ES_TRY(open_top(from, &top, &st));
	digest_head(from, "", &st, digest);
	if (S_ISDIR(st.st_mode)) {
		ES_TRY(open_dir(top, ".", &fd));
		return digest_dir(from, fd, "", 0, digest);
	}
	if (!S_ISREG(st.st_mode))
		return NULL;
	ES_TRY(reopen(top, O_RDONLY, &fd));
	es_err *err = digest_content(fd, digest);
	es_close(fd);
	return err;
}

/* ---- copy ---- */

struct copy {
	const struct fstree_from *from;
	const struct fstree_to *to;
};

static es_err *check_cancel(const struct copy *c)
{
	struct pollfd p = { .fd = c->to->cancel_fd, .events = POLLIN };

	if (c->to->cancel_fd >= 0 && poll(&p, 1, 0) > 0)
		return es_err_new(ES_E_CANCELLED, "context canceled");
	return NULL;
}

/* Mode, owner, time of what was just made at AT/NAME. The owner first: changing it takes set-user-ID away, --chmod may
 * give it back. */
static es_err *set_meta(const struct copy *c, int at, const char *name, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	uid_t uid = c->from->with_owner ? st->st_uid : c->to->uid;
	gid_t gid = c->from->with_owner ? st->st_gid : c->to->gid;
	mode_t mode = st->st_mode & 07777;

	if (fchownat(at, name, uid, gid, AT_SYMLINK_NOFOLLOW))
		return es_err_sys(errno, "chown %s", name);
	if (S_ISREG(st->st_mode))
		mode &= ~(mode_t)S_ISUID;
	if (c->to->chmod)
		ES_TRY(fstree_chmod(c->to->chmod, mode, S_ISDIR(st->st_mode), &mode));
	if (!S_ISLNK(st->st_mode) && fchmodat(at, name, mode, 0))
		return es_err_sys(errno, "chmod %s", name);
	if (utimensat(at, name, times, AT_SYMLINK_NOFOLLOW))
		return es_err_sys(errno, "set times of %s", name);
	return NULL;
}

/* Take away what is in the way at AT/NAME, unless it is a directory. */
static es_err *make_room(int at, const char *name)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? NULL : es_err_sys(errno, "stat %s", name);
	if (S_ISDIR(st.st_mode))
		return es_err_new(ES_E_INVALID, "cannot overwrite directory %s with a file", name);
	return unlinkat(at, name, 0) ? es_err_sys(errno, "remove %s", name) : NULL;
}

static es_err *copy_content(int from_fd, int at, const char *name)
{
	es_autoclose int to_fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (to_fd < 0)
		return es_err_sys(errno, "create %s", name);
	return file_pump(from_fd, to_fd, NULL);
}

/* File capabilities go last: a change of owner takes them away. */
static es_err *copy_caps(int from_fd, int at, const char *name)
{
	char caps[XATTR_MAX];
	size_t n = read_caps(from_fd, caps);
	es_autoclose int fd = n ? openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (n && (fd < 0 || fsetxattr(fd, XATTR_CAPS, caps, n, 0)))
		return es_err_sys(errno, "set capabilities of %s", name);
	return NULL;
}

static es_err *copy_file(const struct copy *c, int from_fd, const struct stat *st, int at, const char *name)
{
	ES_TRY(check_cancel(c));
	ES_TRY(make_room(at, name));
	ES_TRY(copy_content(from_fd, at, name));
	ES_TRY(set_meta(c, at, name, st));
	return copy_caps(from_fd, at, name);
}

static es_err *copy_special(const struct copy *c, int from_at, const char *from_name, const struct stat *st, int at,
			    const char *name)
{
	char target[4096];

	if (S_ISSOCK(st->st_mode))
		return NULL; /* nobody listens in an image */
	ES_TRY(make_room(at, name));
	if (S_ISLNK(st->st_mode)) {
		ES_TRY(read_link(from_at, from_name, target, sizeof target));
		if (symlinkat(target, at, name))
			return es_err_sys(errno, "link %s", name);
	} else if (mknodat(at, name, st->st_mode & (S_IFMT | 0777), st->st_rdev)) {
		return es_err_sys(errno, "make node %s", name);
	}
	return set_meta(c, at, name, st);
}

/* The directory REL of the destination, entered by its whole path inside the root: a link to a directory that the image has
 * there (/lib of a merged /usr) is followed, inside the root. *RET_MADE: it is new. */
static es_err *enter_dir(const struct copy *c, const char *rel, int *ret_fd, bool *ret_made)
{
	es_autofree char *path = es_xasprintf("%s/%s", c->to->path, rel);

	return inroot_mkdir_p(c->to->root, path, 0755, c->to->uid, c->to->gid, ret_fd, ret_made);
}

static es_err *copy_dir(const struct copy *c, int from_fd, const char *rel, unsigned depth);

static es_err *copy_entry(const struct copy *c, int from_at, const char *name, const char *rel, int at, unsigned depth)
{
	es_autoclose int fd = -1;
	struct stat st;

	if (fstatat(from_at, name, &st, AT_SYMLINK_NOFOLLOW))
		return es_err_sys(errno, "stat %s", name);
	if (S_ISREG(st.st_mode)) {
		ES_TRY(open_file(from_at, name, &fd));
		return copy_file(c, fd, &st, at, name);
	}
	if (!S_ISDIR(st.st_mode))
		return copy_special(c, from_at, name, &st, at, name);
	ES_TRY(open_dir(from_at, name, &fd));
	return copy_dir(c, fd, rel, depth + 1);
}

/* The contents of FROM_FD into the destination's directory REL. A directory's own metadata is set after its contents, which
 * would change its time; that of the top only when we made it. */
static es_err *copy_dir(const struct copy *c, int from_fd, const char *rel, unsigned depth)
{
	es_autoclose int to_fd = -1;
	es_autostrv names = NULL;
	struct stat st;
	bool made;
	int list;

	if (depth > FSTREE_DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "more than %d directories deep", FSTREE_DEPTH_MAX);
	if (fstat(from_fd, &st))
		return es_err_sys(errno, "stat");
	ES_TRY(check_cancel(c));
	ES_TRY(enter_dir(c, rel, &to_fd, &made));
	ES_TRY(open_dir(from_fd, ".", &list));
	ES_TRY(list_names(list, &names));
	for (char **name = names; name && *name; name++) {
		es_autofree char *path = es_xasprintf("%s%s%s", rel, *rel ? "/" : "", *name);

		if (!is_excluded(c->from, path))
			ES_TRY(copy_entry(c, from_fd, *name, path, to_fd, depth));
	}
	return made || *rel ? set_meta(c, to_fd, ".", &st) : NULL;
}

/* A single file: the last part of the destination is its name. */
static es_err *copy_top_file(const struct copy *c, int top, const struct stat *st)
{
	es_autofree char *path = str_clean_path(es_xstrdup(c->to->path));
	char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	es_autoclose int at = -1, fd = -1;

	if (!*path)
		return es_err_new(ES_E_INVALID, "cannot overwrite directory / with a file");
	if (slash)
		*slash = 0;
	ES_TRY(inroot_mkdir_p(c->to->root, slash ? path : "", 0755, c->to->uid, c->to->gid, &at, NULL));
	if (!S_ISREG(st->st_mode))
		return copy_special(c, top, "", st, at, name);
	ES_TRY(reopen(top, O_RDONLY, &fd));
	return copy_file(c, fd, st, at, name);
}

es_err *fstree_copy(const struct fstree_from *from, const struct fstree_to *to)
{
	const struct copy c = { .from = from, .to = to };
	es_autoclose int top = -1, fd = -1;
	struct stat st;

	ES_TRY(open_top(from, &top, &st));
	if (!S_ISDIR(st.st_mode))
		return copy_top_file(&c, top, &st);
	ES_TRY(open_dir(top, ".", &fd));
	return copy_dir(&c, fd, "", 0);
}

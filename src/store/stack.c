/* SPDX-License-Identifier: Apache-2.0 */
/* stack.c: open the lowers of an overlay and make the skeletons that belong between them. */
#include "store/stack.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/str.h"
#include "store/layertree.h"
#include "store/mounts.h"
#include "store/store_priv.h"
#include "sys/idmap.h"
#include "sys/mount.h"

#define XATTR_BYTES_MAX (64u << 10)
#define OVERLAY_PREFIX "trusted.overlay."
#define OVERLAY_USER_PREFIX "user.overlay."

/* --- looking things up as overlayfs does --- */

bool stack_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Extended attributes of an O_PATH descriptor go through its name in /proc. */
static char *fd_path(int fd, char out[32])
{
	snprintf(out, 32, "/proc/self/fd/%d", fd);
	return out;
}

bool stack_is_opaque(int dir_fd)
{
	char path[32], value[2];

	fd_path(dir_fd, path);
	return (getxattr(path, OVERLAY_PREFIX "opaque", value, sizeof value) == 1 && value[0] == 'y') ||
	       (getxattr(path, OVERLAY_USER_PREFIX "opaque", value, sizeof value) == 1 && value[0] == 'y');
}

enum found { FOUND, ABSENT, HIDDEN };

/* PATH in one lower. ABSENT: look further down; HIDDEN: what is further down does not show. */
static enum found lookup_one(int root, const char *path, struct stat *st, int *ret_fd)
{
	es_autoclose int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
	bool opaque = false;

	if (at < 0)
		return HIDDEN;
	for (const char *p = path;;) {
		size_t n = strcspn(p, "/");
		char name[NAME_MAX + 1];

		if (!n) {
			if (!*p)
				break;
			p++;
			continue;
		}
		if (n > NAME_MAX)
			return HIDDEN;
		memcpy(name, p, n);
		name[n] = '\0';
		p += n;
		int next = str_eq(name, ".") ? fcntl(at, F_DUPFD_CLOEXEC, 0) : openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return errno == ENOENT && !opaque ? ABSENT : HIDDEN;
		es_close(at);
		at = next;
		if (fstat(at, st) < 0 || stack_is_whiteout(st))
			return HIDDEN;
		if (S_ISDIR(st->st_mode))
			opaque |= stack_is_opaque(at);
		else if (*p)
			return HIDDEN;
	}
	if (fstat(at, st) < 0)
		return HIDDEN;
	*ret_fd = ES_TAKE_FD(at);
	return FOUND;
}

bool stack_lookup(const struct stack_lowers *l, const char *path, struct stat *ret_st, int *ret_fd)
{
	for (size_t i = 0; i < l->n; i++) {
		struct stat st;
		int fd;
		enum found found = lookup_one(l->fds[i], path, &st, &fd);

		if (found == ABSENT)
			continue;
		if (found == HIDDEN)
			return false;
		*ret_st = st;
		if (ret_fd)
			*ret_fd = fd;
		else
			close(fd);
		return true;
	}
	return false;
}

static es_err *copy_xattrs(int from_fd, int to_fd)
{
	char from[32], to[32];
	es_autofree char *list = es_xmalloc(XATTR_BYTES_MAX), *value = es_xmalloc(XATTR_BYTES_MAX);
	ssize_t n = listxattr(fd_path(from_fd, from), list, XATTR_BYTES_MAX);

	fd_path(to_fd, to);
	if (n < 0)
		return errno == ENOTSUP ? NULL : es_err_sys(errno, "list extended attributes");
	for (const char *name = list; name < list + n; name += strlen(name) + 1) {
		if (str_starts(name, OVERLAY_PREFIX) || str_starts(name, OVERLAY_USER_PREFIX))
			continue;
		ssize_t len = getxattr(from, name, value, XATTR_BYTES_MAX);
		if (len < 0 || setxattr(to, name, value, (size_t)len, 0) < 0)
			return es_err_sys(errno, "copy extended attribute %s", name);
	}
	return NULL;
}

es_err *stack_copy_attrs(int from_fd, int to_fd)
{
	struct stat st;
	char to[32];

	if (fstat(from_fd, &st) < 0)
		return es_err_sys(errno, "stat a directory");
	fd_path(to_fd, to);
	if (chown(to, st.st_uid, st.st_gid) < 0 || chmod(to, st.st_mode & 07777) < 0)
		return es_err_sys(errno, "set owner and mode");
	ES_TRY(copy_xattrs(from_fd, to_fd));
	if (utimensat(AT_FDCWD, to, (struct timespec[2]){ st.st_atim, st.st_mtim }, 0) < 0)
		return es_err_sys(errno, "set times");
	return NULL;
}

/* --- skeletons --- */

/* mkdirs PATH in SKEL; each directory that is made takes its attributes from what LOWERS show there. */
static es_err *skel_mkdirs(int skel, const struct stack_lowers *l, const char *path, int *ret_fd)
{
	es_autoclose int at = fcntl(skel, F_DUPFD_CLOEXEC, 0);
	char prefix[PATH_MAX];

	for (const char *p = path; at >= 0 && *p; p += strspn(p, "/")) {
		const char *end = p + strcspn(p, "/");
		struct stat st;
		int next, from;
		bool made;
		es_autofree char *name = es_xstrndup(p, (size_t)(end - p));

		if ((size_t)(end - path) >= sizeof prefix)
			return es_err_sys(ENAMETOOLONG, "%s", path);
		memcpy(prefix, path, (size_t)(end - path));
		prefix[end - path] = '\0';
		made = mkdirat(at, name, 0755) == 0;
		if (!made && errno != EEXIST)
			break;
		next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		es_close(at);
		at = next;
		if (made && at >= 0 && stack_lookup(l, prefix, &st, &from)) {
			es_err *err = S_ISDIR(st.st_mode) ? stack_copy_attrs(from, at) : NULL;

			close(from);
			ES_TRY(err);
		}
		p = end;
	}
	if (at < 0)
		return es_err_sys(errno, "make %s", path);
	*ret_fd = ES_TAKE_FD(at);
	return NULL;
}

/* The attributes of the root are those that the lowers below show there. */
static es_err *skel_root(int skel, const struct stack_lowers *l)
{
	return l->n ? stack_copy_attrs(l->fds[0], skel) : NULL;
}

/* What a layer with IMPLIED directories needs above it: BELOW are the lowers under the layer, WITH the same plus the layer. Nothing to
 * mend leaves *RET_USED false. */
static es_err *patch_fill(int skel, char *const *implied, const struct stack_lowers *below, const struct stack_lowers *with, bool *ret_used)
{
	*ret_used = false;
	ES_TRY(skel_root(skel, with));
	for (; *implied; implied++) {
		struct stat st;
		int from, to;
		es_err *err;

		if (!stack_lookup(below, *implied, &st, &from))
			continue;
		if (!S_ISDIR(st.st_mode)) {
			close(from);
			continue;
		}
		err = skel_mkdirs(skel, with, str_eq(*implied, ".") ? "" : *implied, &to);
		if (!err) {
			err = stack_copy_attrs(from, to);
			close(to);
		}
		close(from);
		ES_TRY(err);
		*ret_used = true;
	}
	return NULL;
}

static const struct {
	const char *dir, *name;
	mode_t type;
	const char *link;
} init_points[] = {
	{ "dev", "pts", S_IFDIR, NULL },
	{ "dev", "shm", S_IFDIR, NULL },
	{ "dev", "console", S_IFREG, NULL },
	{ "", "proc", S_IFDIR, NULL },
	{ "", "sys", S_IFDIR, NULL },
	{ "", ".dockerenv", S_IFREG, NULL },
	{ "etc", "resolv.conf", S_IFREG, NULL },
	{ "etc", "hosts", S_IFREG, NULL },
	{ "etc", "hostname", S_IFREG, NULL },
	{ "etc", "mtab", S_IFLNK, "/proc/mounts" },
};

static es_err *init_point(int dir, size_t i)
{
	int r;

	switch (init_points[i].type) {
	case S_IFDIR:
		r = mkdirat(dir, init_points[i].name, 0755);
		break;
	case S_IFLNK:
		r = symlinkat(init_points[i].link, dir, init_points[i].name);
		break;
	default:
		r = openat(dir, init_points[i].name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0755);
		es_close(r);
		break;
	}
	return r < 0 ? es_err_sys(errno, "make %s", init_points[i].name) : NULL;
}

static es_err *init_fill(int skel, const struct stack_lowers *l)
{
	ES_TRY(skel_root(skel, l));
	for (size_t i = 0; i < ES_N(init_points); i++) {
		es_autofree char *path = es_xasprintf("%s/%s", init_points[i].dir, init_points[i].name);
		es_autoclose int dir = -1;
		struct stat st;

		if (stack_lookup(l, path, &st, NULL))
			continue;
		/* A parent that is a link or a file in the image is the image's own affair. */
		if (*init_points[i].dir && stack_lookup(l, init_points[i].dir, &st, NULL) && !S_ISDIR(st.st_mode))
			continue;
		ES_TRY(skel_mkdirs(skel, l, init_points[i].dir, &dir));
		ES_TRY(init_point(dir, i));
	}
	return NULL;
}

struct skel {
	char *const *implied; /* NULL: it is an init skeleton */
	const struct stack_lowers *below, *with;
};

/* Build it under partial/, then rename: NAME appears whole or not at all. A patch that mends nothing becomes an empty file, so
 * that it is not looked for again. */
static es_err *skel_make(struct store *st, const char *name, const struct skel *what)
{
	es_autofree char *partial = store_partial_name();
	bool used = true;
	es_err *err;

	if (mkdirat(st->root_fd, partial, 0755) < 0)
		return es_err_sys(errno, "make %s", partial);
	es_autoclose int fd = openat(st->root_fd, partial, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return es_err_sys(errno, "open %s", partial);
	err = what->implied ? patch_fill(fd, what->implied, what->below, what->with, &used) : init_fill(fd, what->with);
	if (!err && !used)
		err = file_replace(st->root_fd, name, "", 0, 0600, false);
	else if (!err && renameat(st->root_fd, partial, st->root_fd, name) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		err = es_err_sys(errno, "rename to %s", name);
	es_err_drop(store_discard(st, partial)); /* still there after a failure, a lost race or an unused patch */
	return err;
}

/* *RET_FD is -1 when the skeleton is known to be unneeded. */
static es_err *skel_open(struct store *st, const char *chain, const struct skel *what, int *ret_fd)
{
	es_autofree char *name = es_xasprintf("skel/%s.%s", str_after(chain, "sha256:") ? str_after(chain, "sha256:") : chain,
					      what->implied ? "patch" : "init");

	for (int tries = 0; tries < 2; tries++) {
		*ret_fd = openat(mounts_data(st->mounts), name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (*ret_fd >= 0 || errno == ENOTDIR)
			return NULL;
		if (errno != ENOENT)
			break;
		ES_TRY(es_err_in(skel_make(st, name, what), "%s", name));
	}
	return es_err_sys(errno, "open %s", name);
}

/* --- the stack --- */

char **stack_chains(struct arena *a, char *const *stack)
{
	size_t n = strv_len(stack);
	char **chains = ARENA_ARRAY(a, char *, n + 1);

	for (size_t i = 0; i < n; i++) {
		char digest[BLOB_DIGEST_MAX];
		const char *text = i ? arena_printf(a, "%s %s", chains[i - 1], stack[i]) : stack[i];

		/* OCI: the chain ID of one layer is its diffID. */
		chains[i] = arena_strdup(a, i || !blob_is_digest(text) ? blob_digest(text, strlen(text), digest) : text);
	}
	return chains;
}

void stack_close(struct stack_lowers *l)
{
	for (size_t i = 0; i < l->n; i++)
		close(l->fds[i]);
	*l = (struct stack_lowers){ 0 };
}

/* FDS are kept bottom first while building; a view of the first N, top first, is what skeletons are made from. */
struct building {
	int *fds;
	size_t n;
	struct arena *arena;
};

static struct stack_lowers view(const struct building *b, size_t n)
{
	struct stack_lowers l = { ARENA_ARRAY(b->arena, int, n + 1), n };

	for (size_t i = 0; i < n; i++)
		l.fds[i] = b->fds[n - 1 - i];
	return l;
}

static es_err *push_layer(struct store *st, struct building *b, const char *name, const char *chain)
{
	struct stack_lowers below = view(b, b->n), with;
	char **implied;
	int fd;

	ES_TRY(layertree_open(st, b->arena, name, &b->fds[b->n], &implied));
	b->n++;
	if (!implied || !*implied || !below.n)
		return NULL;
	with = view(b, b->n);
	ES_TRY(skel_open(st, chain, &(struct skel){ implied, &below, &with }, &fd));
	if (fd >= 0)
		b->fds[b->n++] = fd;
	return NULL;
}

static es_err *build(struct store *st, struct building *b, char *const *stack, bool init)
{
	char **chains = stack_chains(b->arena, stack);
	size_t n = strv_len(stack);

	for (size_t i = 0; i < n; i++)
		ES_TRY(push_layer(st, b, stack[i], chains[i]));
	if (init) {
		struct stack_lowers with = view(b, b->n);
		int fd;

		ES_TRY(skel_open(st, n ? chains[n - 1] : "scratch", &(struct skel){ NULL, NULL, &with }, &fd));
		b->fds[b->n++] = fd;
	}
	return NULL;
}

es_err *stack_open(struct store *st, struct arena *a, char *const *stack, bool init, struct stack_lowers *ret)
{
	struct building b = { ARENA_ARRAY(a, int, 2 * strv_len(stack) + 2), 0, a };
	es_err *err = build(st, &b, stack, init);

	*ret = view(&b, b.n);
	if (err)
		stack_close(ret);
	return err;
}

/* --- mounting --- */

/* Directories are named by descriptor, so no path of ours shows in the container's mountinfo and none is too long for fsconfig(2),
 * which takes 255 bytes. */
static void add_lowers_each(struct arena *a, char ***params, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*params = strv_arena_add(a, *params, arena_printf(a, "lowerdir+=/proc/self/fd/%d", fds[i]));
}

/* Kernels before 6.7 know only the joined form, and fsconfig's limit makes that some 14 layers. */
static void add_lowers_joined(struct arena *a, char ***params, const int *fds, size_t n)
{
	char *joined = arena_printf(a, "lowerdir=/proc/self/fd/%d", fds[0]);

	for (size_t i = 1; i < n; i++)
		joined = arena_printf(a, "%s:/proc/self/fd/%d", joined, fds[i]);
	*params = strv_arena_add(a, *params, joined);
}

static es_err *overlay(struct arena *a, const int *fds, size_t n, bool joined, const struct stack_mount *m, int *ret_fd)
{
	char **params = NULL;

	(joined ? add_lowers_joined : add_lowers_each)(a, &params, fds, n);
	if (m->upper_fd >= 0) {
		params = strv_arena_add(a, params, arena_printf(a, "upperdir=/proc/self/fd/%d", m->upper_fd));
		params = strv_arena_add(a, params, arena_printf(a, "workdir=/proc/self/fd/%d", m->work_fd));
	}
	params = strv_arena_add(a, params, "xino=off");
	if (m->is_volatile)
		params = strv_arena_add(a, params, "volatile");
	return mount_new("overlay", "overlay", (const char *const *)params, 0, ret_fd);
}

/* On a thread of the mount namespace, where the descriptors come from. */
struct mounting {
	struct arena *a;
	const struct stack_lowers *l;
	const struct stack_mount *m;
	int fd;
};

static es_err *mount_inside(void *arg)
{
	struct mounting *j = arg;
	int *fds = ARENA_ARRAY(j->a, int, j->l->n + 2);
	size_t n = j->l->n;
	es_err *err;

	if (n)
		memcpy(fds, j->l->fds, n * sizeof *fds);
	if (j->m->upper_fd < 0 && n == 0)
		return mount_clone(j->m->empty_fd, "", false, &j->fd);
	if (j->m->upper_fd < 0)
		fds[n++] = j->m->empty_fd;
	err = overlay(j->a, fds, n, false, j->m, &j->fd);
	if (err && es_err_errno(err) == EINVAL) {
		es_err *again = overlay(j->a, fds, n, true, j->m, &j->fd);

		if (!again) {
			es_err_free(err);
			return NULL;
		}
		es_err_free(again);
	}
	return err;
}

es_err *stack_mount(struct store *st, struct arena *a, const struct stack_lowers *l, const struct stack_mount *m, int *ret_fd)
{
	struct mounting j = { a, l, m, -1 };

	if (!idmap_is_identity(m->map))
		return es_err_new(ES_E_UNSUPPORTED, "id maps for root file systems are not supported yet");
	ES_TRY(mounts_run(st->mounts, mount_inside, &j));
	*ret_fd = j.fd;
	return NULL;
}

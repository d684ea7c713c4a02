/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c: hash a layer's tar, unpack it once more, and compare. */
#include "store/verify.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/str.h"
#include "codec/sha256.h"
#include "store/layerform.h"
#include "store/layerprog.h"
#include "store/stack.h"
#include "store/store_priv.h"

#define CHUNK ((size_t)256 << 10)
#define XATTRS_MAX (64u << 10)
#define DEPTH_MAX 4096

/* --- the tar --- */

static es_err *digest_tar(struct store *st, const char *diff_id, char ret[BLOB_DIGEST_MAX], uint64_t *io_bytes)
{
	es_autoclose int fd = -1;
	es_autofree char *chunk = es_xmalloc(CHUNK);
	struct sha256 sum;
	uint64_t left;

	ES_TRY(layers_open_tar(st, diff_id, &fd, &left));
	sha256_init(&sum);
	while (left) {
		ssize_t n = file_read_some(fd, chunk, left < CHUNK ? (size_t)left : CHUNK);

		if (n < 0)
			return es_err_sys(errno, "read the tar of layer %s", diff_id);
		if (!n)
			break;
		sha256_add(&sum, chunk, (size_t)n);
		left -= (uint64_t)n;
		*io_bytes += (uint64_t)n;
	}
	memcpy(ret, "sha256:", strlen("sha256:"));
	sha256_end_hex(&sum, ret + strlen("sha256:"));
	return NULL;
}

/* --- two trees --- */

/* The first difference is told by its path. With REPAIR each is mended by the good tree's own entry, in place: containers may have the
 * directory as a lower, so it cannot be exchanged as a whole. */
struct compare {
	struct store *st;
	struct arena *a;
	bool repair;
	char *chunk[2];
	uint64_t bytes, differences;
	const char *path, *what;
};

static void differs(struct compare *c, const char *path, const char *what)
{
	if (!c->differences++) {
		c->path = arena_strdup(c->a, *path ? path : ".");
		c->what = what;
	}
}

/* NAME of directory IS goes out of sight. */
static es_err *take_away(struct compare *c, int is, const char *name)
{
	es_autofree char *to = store_partial_name();

	if (renameat(is, name, c->st->root_fd, to) < 0)
		return errno == ENOENT ? NULL : es_err_sys(errno, "take %s away", name);
	return store_discard(c->st, to);
}

static es_err *replace(struct compare *c, int good, int is, const char *name, const char *path, const char *what)
{
	differs(c, path, what);
	if (!c->repair)
		return NULL;
	/* A file takes the place of a file at once; a directory must go first. */
	if (renameat(good, name, is, name) < 0) {
		ES_TRY(take_away(c, is, name));
		if (renameat(good, name, is, name) < 0)
			return es_err_sys(errno, "put %s in place", path);
	}
	return NULL;
}

/* Mode, owner and attributes of a directory. */
static es_err *mend_dir(struct compare *c, int good, int is, const char *name, const char *path, const char *what)
{
	es_autofree char *names = es_xmalloc(XATTRS_MAX);
	ssize_t n;

	differs(c, path, what);
	if (!c->repair)
		return NULL;
	es_autoclose int from = openat(good, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	es_autoclose int to = openat(is, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return es_err_sys(errno, "open %s", path);
	n = flistxattr(to, names, XATTRS_MAX);
	for (char *at = names; n > 0 && at < names + n; at += strlen(at) + 1)
		if (fremovexattr(to, at) < 0)
			return es_err_sys(errno, "remove attribute %s of %s", at, path);
	if (stack_is_opaque(from) && fsetxattr(to, "trusted.overlay.opaque", "y", 1, 0) < 0)
		return es_err_sys(errno, "make %s opaque", path);
	return stack_copy_attrs(from, to);
}

static es_err *read_full(int fd, char *bytes, size_t *ret_n)
{
	*ret_n = 0;
	while (*ret_n < CHUNK) {
		ssize_t n = file_read_some(fd, bytes + *ret_n, CHUNK - *ret_n);

		if (n < 0)
			return es_err_sys(errno, "read");
		if (!n)
			return NULL;
		*ret_n += (size_t)n;
	}
	return NULL;
}

static es_err *same_content(struct compare *c, int good, int is, const char *name, const char *path)
{
	es_autoclose int a = openat(good, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	es_autoclose int b = openat(is, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	size_t n, m;

	if (a < 0)
		return es_err_sys(errno, "open %s", path);
	if (b < 0)
		return replace(c, good, is, name, path, "cannot be opened");
	do {
		es_err *err;

		ES_TRY(read_full(a, c->chunk[0], &n));
		err = read_full(b, c->chunk[1], &m);
		if (err) {
			es_err_free(err);
			return replace(c, good, is, name, path, "cannot be read");
		}
		if (n != m || memcmp(c->chunk[0], c->chunk[1], n))
			return replace(c, good, is, name, path, "has other bytes than the tar");
		c->bytes += n;
	} while (n == CHUNK);
	return NULL;
}

static es_err *same_link(struct compare *c, int good, int is, const char *name, const char *path)
{
	ssize_t n = readlinkat(good, name, c->chunk[0], CHUNK), m = readlinkat(is, name, c->chunk[1], CHUNK);

	if (n < 0)
		return es_err_sys(errno, "read the link %s", path);
	return n == m && !memcmp(c->chunk[0], c->chunk[1], (size_t)n) ? NULL : replace(c, good, is, name, path, "points elsewhere than in the tar");
}

/* All attributes of FD (through /proc, for O_PATH) as one text: sorted name=value pairs. */
static es_err *xattrs_of(struct arena *a, int fd, struct es_buf *out)
{
	es_autofree char *names = es_xmalloc(XATTRS_MAX), *value = es_xmalloc(XATTRS_MAX);
	es_autofree char *at = es_xasprintf("/proc/self/fd/%d", fd);
	ssize_t n = listxattr(at, names, XATTRS_MAX);
	char **sorted = NULL;

	if (n < 0)
		return errno == ENOTSUP ? NULL : es_err_sys(errno, "list attributes");
	for (char *name = names; name < names + n; name += strlen(name) + 1)
		sorted = strv_arena_add(a, sorted, name);
	strv_sort(sorted);
	for (; sorted && *sorted; sorted++) {
		ssize_t m = getxattr(at, *sorted, value, XATTRS_MAX);

		if (m < 0)
			return es_err_sys(errno, "read attribute %s", *sorted);
		es_buf_printf(out, "%s=%zd:", *sorted, m);
		es_buf_add(out, value, (size_t)m);
	}
	return es_buf_check(out);
}

static es_err *same_xattrs(struct compare *c, int good, int is, const char *name, bool *ret_same)
{
	es_autoclose int a = openat(good, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	es_autoclose int b = openat(is, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	es_autoarena *scratch = arena_new();
	es_autobuf x = ES_BUF(16u << 20);
	es_autobuf y = ES_BUF(16u << 20);
	es_err *err;

	if (a < 0)
		return es_err_sys(errno, "open %s", name);
	ES_TRY(xattrs_of(scratch, a, &x));
	err = b < 0 ? es_err_sys(errno, "open %s", name) : xattrs_of(scratch, b, &y);
	*ret_same = !err && x.len == y.len && (!x.len || !memcmp(x.p, y.p, x.len));
	es_err_free(err);
	return NULL;
}

/* Times of directories are not compared: those that the tar does not name have the time at which they were made. */
static const char *stat_differs(const struct stat *x, const struct stat *y)
{
	if (x->st_mode != y->st_mode)
		return (x->st_mode & S_IFMT) != (y->st_mode & S_IFMT) ? "is of another type than in the tar" : "has another mode than in the tar";
	if (x->st_uid != y->st_uid || x->st_gid != y->st_gid)
		return "has another owner than in the tar";
	if (S_ISDIR(x->st_mode))
		return NULL;
	if (x->st_size != y->st_size)
		return "has another size than in the tar";
	if (x->st_rdev != y->st_rdev)
		return "is another device than in the tar";
	if (x->st_nlink != y->st_nlink)
		return "has another number of links than in the tar";
	if (x->st_mtim.tv_sec != y->st_mtim.tv_sec && !S_ISCHR(x->st_mode))
		return "has another time than in the tar";
	return NULL;
}

static es_err *same_dir(struct compare *c, int good, int is, const char *path, int depth);

static es_err *same_below(struct compare *c, int good, int is, const char *name, const char *path, int depth)
{
	es_autoclose int a = openat(good, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	es_autoclose int b = openat(is, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (a < 0 || b < 0)
		return es_err_sys(errno, "open %s", path);
	return same_dir(c, a, b, path, depth + 1);
}

static es_err *same_entry(struct compare *c, int good, int is, const char *name, const char *path, int depth)
{
	struct stat x, y;
	const char *what;
	bool same = true;

	if (fstatat(good, name, &x, AT_SYMLINK_NOFOLLOW) < 0)
		return es_err_sys(errno, "look at %s", path);
	if (fstatat(is, name, &y, AT_SYMLINK_NOFOLLOW) < 0)
		return replace(c, good, is, name, path, "is missing");
	what = stat_differs(&x, &y);
	if (!what && !S_ISLNK(x.st_mode))
		ES_TRY(same_xattrs(c, good, is, name, &same));
	if (!same)
		what = "has other attributes than in the tar";
	if (S_ISDIR(x.st_mode) && S_ISDIR(y.st_mode)) {
		if (what)
			ES_TRY(mend_dir(c, good, is, name, path, what));
		return same_below(c, good, is, name, path, depth);
	}
	if (what)
		return replace(c, good, is, name, path, what);
	if (S_ISREG(x.st_mode))
		return same_content(c, good, is, name, path);
	return S_ISLNK(x.st_mode) ? same_link(c, good, is, name, path) : NULL;
}

static es_err *same_dir(struct compare *c, int good, int is, const char *path, int depth)
{
	es_autostrv x = NULL;
	es_autostrv y = NULL;

	if (depth > DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "directories nested deeper than %d", DEPTH_MAX);
	ES_TRY(file_names(good, ".", &x));
	ES_TRY(file_names(is, ".", &y));
	for (size_t i = 0; y && y[i]; i++)
		if (faccessat(good, y[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
			es_autofree char *at = es_xasprintf("%s%s%s", path, *path ? "/" : "", y[i]);

			differs(c, at, "is not in the tar");
			if (c->repair)
				ES_TRY(take_away(c, is, y[i]));
		}
	for (size_t i = 0; x && x[i]; i++) {
		es_autofree char *at = es_xasprintf("%s%s%s", path, *path ? "/" : "", x[i]);

		ES_TRY(same_entry(c, good, is, x[i], at, depth));
	}
	return NULL;
}

/* --- the directory form --- */

static es_err *unpack_again(struct store *st, struct arena *a, const char *diff_id, const char *partial, const char *fs)
{
	static const char *const argv[] = { "estiba-layer", "unpack", NULL };
	es_autoclose int tar = -1, dir = -1;
	struct json *report;
	uint64_t size;

	ES_TRY(layers_open_tar(st, diff_id, &tar, &size));
	if (mkdirat(st->root_fd, partial, 0700) < 0 || mkdirat(st->root_fd, fs, 0755) < 0)
		return es_err_sys(errno, "make %s", fs);
	dir = openat(st->root_fd, fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fchmod(dir, 0755) < 0)
		return es_err_sys(errno, "make %s", fs);
	return layerprog_run(st, a, &(struct layerprog_call){ .argv = argv, .stream_fd = tar, .dir_fd = dir, .out_fd = -1 }, &report);
}

static es_err *verify_dir(struct store *st, struct arena *a, const char *diff_id, const char *partial, bool repair, struct verify_result *r)
{
	es_autofree char *chunks = es_xmalloc(2 * CHUNK);
	struct compare c = { .st = st, .a = a, .repair = repair, .chunk = { chunks, chunks + CHUNK } };
	char *dir = arena_printf(a, "layers/%s", diff_id + strlen("sha256:"));
	es_autoclose int is = openat(st->root_fd, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), good = -1;

	ES_TRY(unpack_again(st, a, diff_id, partial, arena_printf(a, "%s/fs", partial)));
	good = openat(st->root_fd, partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (is < 0 || good < 0)
		return es_err_sys(errno, "open %s", is < 0 ? dir : partial);
	ES_TRY(same_entry(&c, good, is, "fs", "", 0));
	r->bytes += c.bytes;
	if (!c.differences)
		return NULL;
	r->file = str_eq(c.path, ".") ? arena_printf(a, "%s/fs", dir) : arena_printf(a, "%s/fs/%s", dir, c.path);
	r->fault = arena_printf(a, "layer %s is damaged: %s %s", diff_id, r->file, c.what);
	if (c.differences > 1)
		r->fault = arena_printf(a, "%s (and %llu more)", r->fault, (unsigned long long)c.differences - 1);
	r->from_tar = true;
	r->repaired = repair;
	if (repair && syncfs(st->root_fd) < 0)
		return es_err_sys(errno, "sync %s", dir);
	return NULL;
}

/* --- the file form --- */

/* The tar is what it should be; the index behind it must be one that may be mounted. */
static es_err *verify_file(struct store *st, struct arena *a, const char *diff_id, struct verify_result *r)
{
	struct layers_info info;
	es_err *err;

	ES_TRY(layers_stat(st, diff_id, &info));
	err = layerform_check(st, &info);
	if (!err)
		return NULL;
	r->file = arena_printf(a, "layers/%s/layer", diff_id + strlen("sha256:"));
	r->fault = arena_printf(a, "layer %s is damaged: %s", diff_id, es_err_text(err));
	es_err_free(err);
	return NULL;
}

es_err *verify_layer(struct store *st, struct arena *a, const char *diff_id, bool repair, struct verify_result *ret)
{
	es_autofree char *partial = store_partial_name();
	char is[BLOB_DIGEST_MAX];
	enum layers_form form;
	struct layers_doc doc;
	es_err *err;

	*ret = (struct verify_result){ 0 };
	err = digest_tar(st, diff_id, is, &ret->bytes);
	if (err || !str_eq(is, diff_id)) {
		ret->file = arena_printf(a, "layers/%s/layer", diff_id + strlen("sha256:"));
		if (faccessat(st->root_fd, ret->file, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			ret->file = arena_printf(a, "layers/%s/tar", diff_id + strlen("sha256:"));
		ret->fault = err ? arena_printf(a, "layer %s is damaged: %s", diff_id, es_err_text(err))
				 : arena_printf(a, "layer %s is damaged: its tar has digest %s", diff_id, is);
		es_err_free(err);
		return NULL;
	}
	ES_TRY(layers_doc_read(st, a, diff_id, &doc, &form));
	if (form == LAYERS_FILE)
		return verify_file(st, a, diff_id, ret);
	err = verify_dir(st, a, diff_id, partial, repair, ret);
	es_err_drop(store_discard(st, partial));
	return es_err_in(err, "compare layer %s with its tar", diff_id);
}

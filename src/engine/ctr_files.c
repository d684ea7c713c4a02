/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_files.c: files in and out of containers (cp, export, diff): paths are walked by descriptor, archives made in the sandbox. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/str.h"
#include "codec/passwd.h"
#include "engine/ctr_priv.h"
#include "catalog/netmgr.h"
#include "catalog/volume.h"
#include "store/layerprog.h"
#include "store/snapshot.h"
#include "sys/mount.h"

#define T struct ctr_path_stat
const struct field ctr_path_stat_fields[] = {
	F_STR(T, name, "name", 0),
	F_I64(T, size, "size", 0),
	F_U32(T, mode, "mode", 0),
	F_TIME(T, mtime, "mtime", 0),
	F_STR(T, link_target, "linkTarget", 0),
	F_END,
};
#undef T

/* ---- where a path lies ---- */

/* A root to resolve in, and what is left of the path there. */
struct place {
	int root_fd;
	const char *path; /* absolute, in the arena */
	bool read_only;
};

static const char *below(const char *path, const char *dir)
{
	const char *rest = str_after(path, dir);

	return rest && (*rest == '/' || !*rest) ? rest : NULL;
}

/* A container that does not run has no mounts: its root is the overlay, and below a mount's destination its source. */
static es_err *place_at_rest(struct ctr *c, struct arena *a, const char *path, struct place *ret)
{
	const struct ctr_mount *best = NULL;

	FIELD_LIST_EACH(struct ctr_mount, m, &c->rec->mounts)
		if (strcmp(m->type, "tmpfs") != 0 && below(path, m->destination) &&
		    (!best || strlen(m->destination) > strlen(best->destination)))
			best = m;
	if (!best) {
		ret->path = path;
		ret->read_only = c->rec->host_config->readonly_rootfs;
		ret->root_fd = ctr_root(c); /* made ahead, perhaps */
		return ret->root_fd >= 0 ? NULL : snapshot_mount(c->e->store, SNAPSHOT_CONTAINER, c->id, &ret->root_fd);
	}
	ret->path = arena_printf(a, "/%s", below(path, best->destination));
	ret->read_only = !best->rw;
	ret->root_fd = open(best->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return ret->root_fd < 0 ? es_err_sys(errno, "open %s", best->source) : NULL;
}

static es_err *place_of(struct ctr *c, struct arena *a, const char *path, struct place *ret)
{
	const char *absolute = *path == '/' ? path : arena_printf(a, "/%s", path);
	int64_t pid;

	(void)pthread_mutex_lock(&c->lock);
	pid = c->pid;
	(void)pthread_mutex_unlock(&c->lock);
	*ret = (struct place){ .root_fd = -1 };
	if (pid) {
		es_autofree char *root = es_xasprintf("/proc/%lld/root", (long long)pid);

		ret->path = absolute;
		ret->read_only = c->rec->host_config->readonly_rootfs;
		FIELD_LIST_EACH(struct ctr_mount, m, &c->rec->mounts)
			if (below(absolute, m->destination))
				ret->read_only = !m->rw;
		ret->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (ret->root_fd >= 0)
			return NULL; /* else it ended just now */
	}
	return place_at_rest(c, a, absolute, ret);
}

/* ---- stat ---- */

/* Go's os.FileMode from st_mode: permission bits as they are, the kind in bits of its own. */
static uint32_t go_mode(mode_t m)
{
	static const struct {
		mode_t kind;
		uint32_t bits;
	} rows[] = {
		{ S_IFDIR, 1u << 31 }, { S_IFLNK, 1u << 27 }, { S_IFBLK, 1u << 26 },
		{ S_IFCHR, 1u << 26 | 1u << 21 }, { S_IFIFO, 1u << 25 }, { S_IFSOCK, 1u << 24 },
	};
	uint32_t out = m & 0777;

	for (size_t i = 0; i < ES_N(rows); i++)
		if ((m & S_IFMT) == rows[i].kind)
			out |= rows[i].bits;
	return out | (m & S_ISUID ? 1u << 23 : 0) | (m & S_ISGID ? 1u << 22 : 0) | (m & S_ISVTX ? 1u << 20 : 0);
}

/* "/a/b/" → "/a", "b"; the last name itself is not followed unless the path ends in "/" or "/.". */
static void split_path(struct arena *a, const char *path, const char **ret_dir, const char **ret_name, bool *ret_follow)
{
	char *copy = arena_strdup(a, path);
	size_t n = strlen(copy);
	char *slash;

	*ret_follow = false;
	while (n > 1 && (copy[n - 1] == '/' || (copy[n - 1] == '.' && n > 1 && copy[n - 2] == '/'))) {
		copy[--n] = '\0';
		*ret_follow = true;
	}
	slash = strrchr(copy, '/');
	*ret_name = slash && slash[1] ? slash + 1 : "/";
	*ret_dir = slash == copy || !slash ? "/" : (*slash = '\0', copy);
}

static es_err *missing(struct ctr *c, const char *path)
{
	return es_err_new(ES_E_NOT_FOUND, "Could not find the file %s in container %s", path, c->rec->name);
}

static const char *resolved_link(struct arena *a, const char *dir, const char *target)
{
	if (*target == '/')
		return target;
	return arena_printf(a, "%s%s%s", dir, strcmp(dir, "/") == 0 ? "" : "/", target);
}

static es_err *stat_in(struct ctr *c, struct arena *a, const struct place *p, const char *asked, struct ctr_path_stat *ret)
{
	const char *dir, *name;
	bool follow;
	es_autoclose int fd = -1;
	char target[4096];
	struct stat st;
	ssize_t n;

	split_path(a, p->path, &dir, &name, &follow);
	fd = mount_open_in(p->root_fd, p->path, O_PATH | (follow ? 0 : O_NOFOLLOW));
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return missing(c, asked);
	if (fd < 0 || fstat(fd, &st) < 0)
		return es_err_sys(errno, "stat %s", asked);
	*ret = (struct ctr_path_stat){ .name = name, .link_target = "", .size = st.st_size, .mode = go_mode(st.st_mode),
				       .mtime = st.st_mtim.tv_sec * CLOCK_NS_PER_S + st.st_mtim.tv_nsec };
	n = S_ISLNK(st.st_mode) ? readlinkat(fd, "", target, sizeof target - 1) : -1;
	if (n >= 0) {
		target[n] = '\0';
		ret->link_target = resolved_link(a, dir, arena_strdup(a, target));
	}
	return NULL;
}

/* The clients' commands take turns with the container's life: op is held while its overlay may be mounted by us. */
static es_err *with_place(struct engine *e, struct arena *a, const char *ref, const char *path, struct ctr **ret_c, struct place *ret)
{
	struct ctr *c;
	es_err *err;

	if (str_empty(path))
		return es_err_new(ES_E_INVALID, "path cannot be empty");
	ES_TRY(ctr_find(e, ref, &c));
	(void)pthread_mutex_lock(&c->op);
	err = place_of(c, a, path, ret);
	if (err) {
		(void)pthread_mutex_unlock(&c->op);
		ctr_unref(c);
		return err;
	}
	*ret_c = c;
	return NULL;
}

static void leave_place(struct ctr *c, struct place *p)
{
	es_close(p->root_fd);
	(void)pthread_mutex_unlock(&c->op);
	ctr_unref(c);
}

es_err *ctr_archive_stat(struct engine *e, struct arena *a, const char *ref, const char *path, struct ctr_path_stat *ret)
{
	struct place p;
	struct ctr *c;
	es_err *err;

	ES_TRY(with_place(e, a, ref, path, &c, &p));
	err = stat_in(c, a, &p, path, ret);
	leave_place(c, &p);
	return err;
}

/* ---- archives ---- */

static es_err *pack(struct ctr *c, struct arena *a, int root_fd, const char *path, const char *rename, int out_fd)
{
	const char *argv[8] = { "estiba-layer", "pack", "--path", path, NULL };
	const struct layerprog_call call = { .argv = argv, .stream_fd = -1, .dir_fd = root_fd, .out_fd = out_fd };
	struct json *report;

	if (rename) {
		argv[4] = "--rename";
		argv[5] = rename;
	}
	return layerprog_run(c->e->store, a, &call, &report);
}

es_err *ctr_archive_get(struct engine *e, const char *ref, const char *path, int out_fd)
{
	es_autoarena *a = arena_new();
	struct ctr_path_stat st;
	struct place p;
	struct ctr *c;
	es_err *err;

	ES_TRY(with_place(e, a, ref, path, &c, &p));
	err = stat_in(c, a, &p, path, &st);
	if (!err)
		err = pack(c, a, p.root_fd, p.path, st.name, out_fd);
	if (!err)
		ctr_event(c, "archive-path", "path", path, NULL);
	leave_place(c, &p);
	return err;
}

static es_err *check_target(struct ctr *c, const struct place *p, const char *asked)
{
	es_autoclose int fd = mount_open_in(p->root_fd, p->path, O_PATH);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return missing(c, asked);
	if (fd < 0 || fstat(fd, &st) < 0)
		return es_err_sys(errno, "open %s", asked);
	if (!S_ISDIR(st.st_mode))
		return es_err_new(ES_E_INTERNAL, "extraction point is not a directory");
	if (p->read_only)
		return es_err_new(ES_E_FORBIDDEN, "container rootfs is marked read-only");
	return NULL;
}

/* What the unpacker says of the client's archive, in docker's words and with its status. Takes ERR. */
static es_err *archive_error(es_err *err)
{
	if (!err || es_err_class(err) != ES_E_INVALID)
		return err;
	if (!str_ends(es_err_text(err), "unexpected end"))
		return es_err_as(err, ES_E_INTERNAL);
	es_err_free(err);
	return es_err_new(ES_E_INTERNAL, "unexpected EOF");
}

es_err *ctr_archive_put(struct engine *e, const char *ref, const char *path, bool no_overwrite_dir_non_dir, bool copy_uidgid, int in_fd)
{
	es_autoarena *a = arena_new();
	const char *argv[9] = { "estiba-layer", "unpack", "--plain", "--subdir", NULL };
	struct passwd_user user;
	struct layerprog_call call = { .argv = argv, .stream_fd = in_fd, .out_fd = -1 };
	struct json *report;
	struct place p;
	struct ctr *c;
	size_t n = 5;
	es_err *err;

	ES_TRY(with_place(e, a, ref, path, &c, &p));
	argv[4] = p.path;
	if (no_overwrite_dir_non_dir)
		argv[n++] = "--no-overwrite-dir-non-dir";
	call.dir_fd = p.root_fd;
	err = check_target(c, &p, path);
	if (!err && copy_uidgid) /* all of it belongs to whom the container's process belongs to */
		err = ctr_user(a, p.root_fd, c->rec->config->user, NULL, &user);
	if (!err && copy_uidgid) {
		argv[n++] = "--chown";
		argv[n++] = arena_printf(a, "%u:%u", user.uid, user.gid);
	}
	if (!err)
		err = archive_error(layerprog_run(e->store, a, &call, &report));
	if (!err)
		ctr_event(c, "extract-to-dir", "path", path, NULL);
	leave_place(c, &p);
	return err;
}

es_err *ctr_export(struct engine *e, const char *ref, int out_fd)
{
	es_autoarena *a = arena_new();
	es_autoclose int root = -1;
	es_autoctr *c = NULL;
	es_err *err = NULL;

	ES_TRY(ctr_find(e, ref, &c));
	(void)pthread_mutex_lock(&c->op);
	root = ctr_root(c);
	if (root < 0)
		err = snapshot_mount(e->store, SNAPSHOT_CONTAINER, c->id, &root);
	if (!err)
		err = pack(c, a, root, "/", NULL, out_fd);
	(void)pthread_mutex_unlock(&c->op);
	ES_TRY(err);
	ctr_event(c, "export", NULL);
	return NULL;
}

/* ---- diff ---- */

es_err *ctr_changes(struct engine *e, struct arena *a, const char *ref, struct json **ret)
{
	struct json *list = json_new_array(a);
	struct snapshot_changes changes;
	es_autoctr *c = NULL;

	ES_TRY(ctr_find(e, ref, &c));
	ES_TRY(snapshot_diff(e->store, a, SNAPSHOT_CONTAINER, c->id, &changes));
	for (size_t i = 0; i < changes.n; i++) {
		struct json *o = json_new_object(a);

		json_set_i64(a, o, "Kind", changes.items[i].kind);
		json_set_str(a, o, "Path", changes.items[i].path);
		json_append(list, o);
	}
	*ret = list;
	return NULL;
}

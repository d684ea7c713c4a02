/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_cp.c: estiba cp. */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "cli/client.h"
#include "cli/ctxtar.h"
#include "cli/human.h"
#include "cli/outfile.h"
#include "cli/untar.h"
#include "codec/base64.h"

struct values {
	bool archive, follow, quiet;
};

static const struct opt options[] = {
	O_BOOL(struct values, archive, "archive", 'a', .help = "Keep owners"),
	O_BOOL(struct values, follow, "follow-link", 'L', .help = "Copy what a link in SRC_PATH points to"),
	O_BOOL(struct values, quiet, "quiet", 'q', .help = "Do not tell how much was copied"),
	O_END,
};

/* Go's os.FileMode bits in the stat header. */
#define GO_MODE_DIR (INT64_C(1) << 31)
#define GO_MODE_SYMLINK (INT64_C(1) << 27)

struct remote_stat {
	bool is_dir, is_link;
	const char *target;
};

/* HEAD and GET both answer with what the path is. */
static es_err *read_stat(struct cli *c, const struct http_head *head, struct remote_stat *ret)
{
	const char *text = http_field_get(head, "X-Docker-Container-Path-Stat");
	size_t n = text ? strlen(text) : 0;
	char *plain = arena_alloc(c->arena, base64_decoded_max(n) + 1);
	struct json *doc;
	int64_t mode;

	if (!text || !base64_decode(text, n, BASE64_STD, (unsigned char *)plain, &n))
		return es_err_new(ES_E_PROTOCOL, "unable to decode container path stat header");
	ES_TRY(json_parse(c->arena, plain, n, &doc));
	mode = json_i64(json_get(doc, "mode"), 0);
	*ret = (struct remote_stat){ mode & GO_MODE_DIR, mode & GO_MODE_SYMLINK, json_str(json_get(doc, "linkTarget")) };
	return NULL;
}

static es_err *send_path(struct cli *c, const char *method, const char *container, const char *path, struct http_head *ret)
{
	struct client_request r = { .method = method, .path = client_path(c, "/containers/%s/archive", container) };
	es_autobuf query = QUERY;

	query_add(&query, "path", path);
	r.query = es_buf_str(&query);
	return client_send(c, &r, ret);
}

static es_err *remote_stat(struct cli *c, const char *container, const char *path, struct remote_stat *ret)
{
	struct http_head head;
	es_err *err = send_path(c, "HEAD", container, path, &head);

	if (err && es_err_class(err) == ES_E_NOT_FOUND) { /* a HEAD has no message */
		es_err_free(err);
		return es_err_new(ES_E_NOT_FOUND, "Error response from daemon: Could not find the file %s in container %s", path, container);
	}
	ES_TRY(err);
	return read_stat(c, &head, ret);
}

/* A link in the container as the path it points to. */
static const char *resolved(struct cli *c, const char *path, const struct remote_stat *st)
{
	const char *slash = strrchr(path, '/');

	if (!st->is_link || str_empty(st->target))
		return path;
	return *st->target == '/' ? st->target :
				    arena_printf(c->arena, "%.*s/%s", (int)(slash ? slash - path : 0), path, st->target);
}

static bool ends_with_dot(const char *path)
{
	return str_eq(path, ".") || str_ends(path, "/.");
}

static bool means_dir(const char *path)
{
	return str_ends(path, "/") || ends_with_dot(path);
}

/* Cut PATH into what is before its last part and that part, without slashes at its end. In the arena. */
static void split_path(struct cli *c, const char *path, const char **ret_dir, const char **ret_base)
{
	char *copy = arena_strdup(c->arena, path), *slash;
	size_t n = strlen(copy);

	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	slash = strrchr(copy, '/');
	*ret_base = slash ? slash + 1 : copy;
	*ret_dir = !slash ? "." : slash == copy ? "/" : copy;
	if (slash && slash != copy)
		*slash = '\0';
	else if (slash)
		*ret_base = slash + 1;
}

static void tell(struct cli *c, const struct values *v, uint64_t bytes, const char *dest)
{
	char full[PATH_MAX];

	if (*dest && !strchr(dest, ':') && realpath(dest, full))
		dest = full;
	if (!v->quiet && isatty(STDERR_FILENO))
		cli_warn("Successfully copied %s to %s", human_size(c->arena, (double)bytes), dest);
}

/* Out of the container. */

static es_err *open_target(struct cli *c, const char *dest, bool source_is_dir, const char *source, int *ret_fd, const char **ret_name)
{
	const char *dir, *base, *source_dir, *source_base;
	struct stat st;
	bool exists = stat(dest, &st) == 0;

	split_path(c, source, &source_dir, &source_base);
	if (exists && S_ISDIR(st.st_mode)) {
		dir = dest;
		*ret_name = ends_with_dot(source) || str_eq(source_base, "") ? "." : source_base;
	} else {
		if (exists && source_is_dir)
			return es_err_new(ES_E_CONFLICT, "cannot copy directory");
		if (!exists && str_ends(dest, "/") && !source_is_dir)
			return es_err_new(ES_E_NOT_FOUND, "no such directory");
		split_path(c, dest, &dir, &base);
		*ret_name = base;
	}
	*ret_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return es_err_new(ES_E_NOT_FOUND, "invalid output path: directory \"%s\" does not exist", dir);
	return NULL;
}

static es_err *copy_out(struct cli *c, const char *container, const char *source, const char *dest)
{
	const struct values *v = c->values;
	es_autoclose int fd = -1;
	struct remote_stat st;
	struct http_head head;
	const char *name = NULL;
	uint64_t bytes;

	if (v->follow) {
		ES_TRY(remote_stat(c, container, source, &st));
		source = resolved(c, source, &st);
	}
	ES_TRY(send_path(c, "GET", container, source, &head));
	if (str_eq(dest, "-"))
		return outfile_write(client_http(c), NULL);
	ES_TRY(read_stat(c, &head, &st));
	ES_TRY(open_target(c, dest, st.is_dir, source, &fd, &name));
	ES_TRY(untar_body(client_http(c), fd, name, &bytes));
	tell(c, v, bytes, dest);
	return NULL;
}

/* Into the container. */

static es_err *put(struct cli *c, const char *container, const char *dir, struct http_source source)
{
	const struct values *v = c->values;
	struct client_request r = { .method = "PUT", .path = client_path(c, "/containers/%s/archive", container), .content_type = "application/x-tar", .source = source };
	es_autobuf query = QUERY;
	struct http_head head;

	query_add(&query, "path", dir);
	query_add(&query, "noOverwriteDirNonDir", "true");
	query_add(&query, "copyUIDGID", v->archive ? "true" : NULL);
	r.query = es_buf_str(&query);
	return client_send(c, &r, &head);
}

static es_err *open_source(const char *source, bool is_dir, struct ctxtar_what *what, const char *dir, const char *base, int *ret_fd)
{
	*ret_fd = open(is_dir ? source : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return es_err_sys(errno, "open %s", is_dir ? source : dir);
	if (!is_dir)
		what->only = base;
	return NULL;
}

static es_err *send_source(struct cli *c, const char *container, const char *source, const char *dir, const char *name, bool is_dir)
{
	struct ctxtar_what what = { .owners = true, .rename = str_eq(name, ".") ? NULL : name };
	const char *source_dir, *source_base;
	es_autoclose int fd = -1;
	struct ctxtar *tar;
	es_err *err;

	split_path(c, source, &source_dir, &source_base);
	ES_TRY(open_source(source, is_dir, &what, source_dir, source_base, &fd));
	ES_TRY(ctxtar_new(fd, &what, &tar));
	err = put(c, container, dir, (struct http_source){ .read = ctxtar_read, .self = tar });
	if (!err)
		tell(c, c->values, ctxtar_sent(tar), arena_printf(c->arena, "%s:%s", container, c->args[1] + strlen(container) + 1));
	ctxtar_free(tar);
	return err;
}

static es_err *copy_in(struct cli *c, const char *source, const char *container, const char *dest)
{
	const struct values *v = c->values;
	const char *dir, *base, *source_dir, *source_base;
	struct remote_stat remote = { 0 };
	char real[PATH_MAX];
	struct stat st;
	es_err *err = remote_stat(c, container, dest, &remote);
	bool exists = !err;

	if (err && es_err_class(err) != ES_E_NOT_FOUND)
		return err;
	es_err_free(err);
	if (exists && remote.is_link) {
		dest = resolved(c, dest, &remote);
		err = remote_stat(c, container, dest, &remote);
		exists = !err;
		es_err_free(err);
	}
	if (str_eq(source, "-")) {
		if (!exists || !remote.is_dir)
			return es_err_new(ES_E_INVALID, "destination \"%s:%s\" must be a directory", container, dest);
		return put(c, container, dest, (struct http_source){ .from_fd = true, .fd = STDIN_FILENO });
	}
	if (v->follow && realpath(source, real))
		source = arena_strdup(c->arena, real);
	if ((means_dir(source) ? stat(source, &st) : lstat(source, &st)) < 0) {
		if (!getcwd(real, sizeof real) || *source == '/')
			*real = '\0';
		return es_err_new(ES_E_NOT_FOUND, "lstat %s%s%s: no such file or directory", real, *real ? "/" : "", source);
	}
	split_path(c, source, &source_dir, &source_base);
	if (exists && remote.is_dir)
		return send_source(c, container, source, dest, ends_with_dot(source) ? "." : source_base, S_ISDIR(st.st_mode));
	if (exists && S_ISDIR(st.st_mode))
		return es_err_new(ES_E_CONFLICT, "cannot copy directory");
	if (!exists && str_ends(dest, "/") && !S_ISDIR(st.st_mode))
		return es_err_new(ES_E_NOT_FOUND, "no such directory");
	split_path(c, dest, &dir, &base);
	return send_source(c, container, source, str_eq(dir, ".") ? "/" : dir, base, S_ISDIR(st.st_mode));
}

/* "CONTAINER:PATH" cut in two; a path with a slash or a dot in front of the colon is one of ours. */
static void parse(struct cli *c, const char *arg, const char **ret_container, const char **ret_path)
{
	const char *colon = strchr(arg, ':');

	*ret_container = NULL;
	*ret_path = arg;
	if (*arg == '/' || *arg == '.' || !colon || colon == arg)
		return;
	*ret_container = arena_strndup(c->arena, arg, (size_t)(colon - arg));
	*ret_path = colon + 1;
}

static es_err *run(struct cli *c)
{
	const char *from, *from_path, *to, *to_path;

	if (!*c->args[0])
		return es_err_new(ES_E_INVALID, "source can not be empty");
	if (!*c->args[1])
		return es_err_new(ES_E_INVALID, "destination can not be empty");
	parse(c, c->args[0], &from, &from_path);
	parse(c, c->args[1], &to, &to_path);
	if (from && to)
		return es_err_new(ES_E_INVALID, "copying between containers is not supported");
	if (!from && !to)
		return es_err_new(ES_E_INVALID, "must specify at least one container source");
	return from ? copy_out(c, from, from_path, to_path) : copy_in(c, from_path, to, to_path);
}

const struct cmd cmd_cp = {
	.paths = "container cp, cp",
	.usage = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
	.summary = "Copy files into or out of a container",
	.mode = OPT_INTERSPERSED,
	.min_args = 2,
	.max_args = 2,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

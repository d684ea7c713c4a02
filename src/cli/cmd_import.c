/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_import.c: estiba import. */
#include <fcntl.h>
#include <sys/stat.h>

#include "cli/progress.h"
#include "cli/tty.h"
#include "spec/ref.h"

struct values {
	char **changes;
	const char *message, *platform;
};

static const struct opt options[] = {
	O_LIST(struct values, changes, "change", 'c', .help = "Dockerfile instruction for the image"),
	O_STR(struct values, message, "message", 'm', .help = "Message for the image's history"),
	O_STR(struct values, platform, "platform", 0, .help = "Platform of the image"),
	O_END,
};

static es_err *open_source(const char *arg, struct http_source *ret)
{
	struct stat st;
	int fd;

	if (str_starts(arg, "http://") || str_starts(arg, "https://"))
		return NULL; /* the daemon fetches it */
	fd = str_eq(arg, "-") ? dup(STDIN_FILENO) : open(arg, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? es_err_new(ES_E_NOT_FOUND, "open %s: no such file or directory", arg) : es_err_sys(errno, "open %s", arg);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		es_close(fd);
		return es_err_new(ES_E_INVALID, "read %s: is a directory", arg);
	}
	*ret = (struct http_source){ .from_fd = true, .fd = fd };
	return NULL;
}

static es_err *send_import(struct cli *c, const struct values *v, const struct client_request *r)
{
	const struct progress p = { .fd = STDOUT_FILENO, .is_tty = tty_is(STDOUT_FILENO) };
	struct http_head head;

	ES_TRY(client_send(c, r, &head));
	return progress_show(client_http(c), &p, NULL);
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	struct client_request r = { .method = "POST", .path = "/images/create", .content_type = "text/plain" };
	es_autobuf query = QUERY;
	struct ref ref = { 0 };
	es_err *err;

	ES_TRY(open_source(c->args[0], &r.source));
	if (c->n_args > 1)
		ES_TRY(ref_parse(c->arena, c->args[1], &ref));
	for (char **change = v->changes; change && *change; change++)
		query_add(&query, "changes", *change);
	query_add(&query, "fromSrc", r.source.from_fd ? "-" : c->args[0]);
	query_add(&query, "message", v->message);
	query_add(&query, "platform", v->platform);
	if (c->n_args > 1)
		query_add(&query, "repo", c->args[1]);
	r.query = es_buf_str(&query);
	err = send_import(c, v, &r);
	if (r.source.from_fd)
		es_close(r.source.fd);
	return err;
}

const struct cmd cmd_import = {
	.paths = "image import, import",
	.usage = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
	.summary = "Make an image from a tar archive of files",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = -1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

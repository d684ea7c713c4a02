/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_context_move.c: estiba context export and import: a context as a tar of its meta.json. */
#include <fcntl.h>

#include "base/file.h"
#include "cli/client.h"
#include "cli/config.h"
#include "codec/tar.h"

#define META_NAME "meta.json"

/* export */

static es_err *write_fd(void *self, const void *bytes, size_t n)
{
	return file_write_all(*(int *)self, bytes, n);
}

static es_err *put_archive(int fd, const char *meta, size_t len)
{
	struct tar_writer w = { .sink = { .write = write_fd, .self = &fd } };

	ES_TRY(tar_write_header(&w, &(struct tar_entry){ .type = TAR_FILE, .path = META_NAME, .link = "", .mode = 0644, .size = len }));
	ES_TRY(tar_write_data(&w, meta, len));
	ES_TRY(tar_write_header(&w, &(struct tar_entry){ .type = TAR_DIR, .path = "tls/", .link = "", .mode = 0700 }));
	return tar_write_end(&w);
}

static es_err *run_export(struct cli *c)
{
	const char *name = c->args[0], *host, *path = c->args[1] ? c->args[1] : arena_printf(c->arena, "%s.dockercontext", name);
	es_autofree char *meta = NULL;
	es_autoclose int fd = -1;
	size_t len;

	ES_TRY(config_context_check_name(name));
	ES_TRY(config_context_host(c, name, &host)); /* docker's words when it is missing */
	ES_TRY(file_read(AT_FDCWD, config_context_meta_path(c, name), CONFIG_MAX, &meta, &len));
	if (str_eq(path, "-") && isatty(STDOUT_FILENO))
		return es_err_new(ES_E_INVALID, "cowardly refusing to export to a terminal, specify a file path");
	if (str_eq(path, "-"))
		return put_archive(STDOUT_FILENO, meta, len);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return es_err_sys(errno, "open %s", path);
	ES_TRY(put_archive(fd, meta, len));
	cli_warn("Written file \"%s\"", path);
	return NULL;
}

/* import */

struct input {
	int fd;
	char bytes[16384];
};

static es_err *read_fd(void *self, const char **ret_bytes, size_t *ret_n)
{
	struct input *in = self;
	ssize_t n = file_read_some(in->fd, in->bytes, sizeof in->bytes);

	if (n < 0)
		return es_err_sys(errno, "read");
	*ret_bytes = in->bytes;
	*ret_n = (size_t)n;
	return NULL;
}

static es_err *read_entry(struct tar_reader *r, struct es_buf *out)
{
	const char *bytes;
	uint64_t offset;
	size_t n;

	do {
		ES_TRY(tar_data(r, &bytes, &n, &offset));
		es_buf_add(out, bytes, n);
	} while (n && !out->overflow);
	return es_buf_check(out);
}

/* Nothing of the archive becomes a path here. */
static es_err *find_meta(int fd, struct es_buf *out)
{
	struct input *in = es_xcalloc(1, sizeof *in);
	es_autofree void *in_owner = in;
	es_autotar *r = tar_reader_new((struct tar_source){ .read = read_fd, .self = in });
	const struct tar_entry *e;

	in->fd = fd;
	for (;;) {
		ES_TRY(tar_next(r, &e));
		if (!e)
			return out->len ? NULL : es_err_new(ES_E_INVALID, "invalid context: no " META_NAME " found");
		if (e->type == TAR_DIR)
			continue;
		if (!str_eq(e->path, META_NAME))
			return es_err_new(ES_E_UNSUPPORTED, "unexpected context file: %s (TLS material is not supported)", e->path);
		ES_TRY(read_entry(r, out));
	}
}

static es_err *run_import(struct cli *c)
{
	const char *name = c->args[0], *path = c->args[1];
	es_autoclose int opened = -1;
	es_autobuf text = ES_BUF(CONFIG_MAX);
	struct json *doc;

	ES_TRY(config_context_check_name(name));
	if (access(config_context_meta_path(c, name), F_OK) == 0)
		return es_err_new(ES_E_CONFLICT, "context \"%s\" already exists", name);
	if (!str_eq(path, "-")) {
		opened = open(path, O_RDONLY | O_CLOEXEC);
		if (opened < 0)
			return es_err_sys(errno, "open %s", path);
	}
	ES_TRY(find_meta(opened < 0 ? STDIN_FILENO : opened, &text));
	ES_TRY(es_err_in(json_parse(c->arena, es_buf_str(&text), text.len, &doc), META_NAME));
	if (!json_str(json_get(json_get(json_get(doc, "Endpoints"), "docker"), "Host")))
		return es_err_new(ES_E_INVALID, "invalid context: " META_NAME " names no docker endpoint");
	json_set_str(c->arena, doc, "Name", name);
	ES_TRY(config_context_save(c, name, doc));
	cli_puts(name);
	cli_warn("Successfully imported context \"%s\"", name);
	return NULL;
}

const struct cmd cmd_context_export = {
	.paths = "context export",
	.usage = "[OPTIONS] CONTEXT [FILE|-]",
	.summary = "Write a context as a tar to a file or to standard output",
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 2,
	.run = run_export,
};

const struct cmd cmd_context_import = {
	.paths = "context import",
	.usage = "CONTEXT FILE|-",
	.summary = "Make a context from an exported one",
	.mode = OPT_INTERSPERSED,
	.min_args = 2,
	.max_args = 2,
	.run = run_import,
};

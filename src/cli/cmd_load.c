/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_load.c: estiba load. */
#include <fcntl.h>
#include <sys/stat.h>

#include "cli/progress.h"
#include "cli/stream.h"
#include "cli/tty.h"

struct values {
	const char *input;
	bool quiet;
};

static const struct opt options[] = {
	O_STR(struct values, input, "input", 'i', .help = "File to read instead of STDIN"),
	O_BOOL(struct values, quiet, "quiet", 'q', .help = "Do not show progress"),
	O_END,
};

static es_err *open_input(const char *path, int *ret_fd)
{
	struct stat st;

	*ret_fd = str_empty(path) ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (*ret_fd >= 0 && fstat(*ret_fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		es_close(ES_TAKE_FD(*ret_fd));
		return es_err_new(ES_E_INVALID, "read %s: is a directory", str_empty(path) ? "standard input" : path);
	}
	if (*ret_fd >= 0)
		return NULL;
	return errno == ENOENT ? es_err_new(ES_E_NOT_FOUND, "open %s: no such file or directory", path) : es_err_sys(errno, "open %s", path);
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	const struct progress p = { .fd = STDOUT_FILENO, .is_tty = tty_is(STDOUT_FILENO) };
	struct client_request r = { .method = "POST", .path = "/images/load", .content_type = "application/x-tar" };
	es_autoclose int fd = -1;
	struct http_head head;
	const char *type;

	ES_TRY(open_input(v->input, &fd));
	if (str_empty(v->input) && isatty(fd))
		return es_err_new(ES_E_INVALID, "requested load from stdin, but stdin is empty");
	r.query = v->quiet || !p.is_tty ? "quiet=1" : "quiet=0";
	r.source = (struct http_source){ .from_fd = true, .fd = fd };
	ES_TRY(client_send(c, &r, &head));
	type = http_field_get(&head, "Content-Type");
	if (!type || !str_starts(type, "application/json"))
		return stream_copy_body(client_http(c), true);
	return progress_show(client_http(c), &p, NULL);
}

const struct cmd cmd_load = {
	.paths = "image load, load",
	.usage = "[OPTIONS]",
	.summary = "Read images from a tar archive",
	.mode = OPT_INTERSPERSED,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

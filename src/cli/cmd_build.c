/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_build.c: estiba build: pack the context, send it, show the steps. */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/rand.h"
#include "cli/config.h"
#include "cli/ctxtar.h"
#include "cli/human.h"
#include "cli/progress.h"
#include "cli/tty.h"
#include "cli/valuespec.h"
#include "spec/ref.h"

#define DOCKERFILE_MAX (16u << 20)
#define REPORT_NS (100 * CLOCK_NS_PER_MS)

struct values {
	char **hosts, **args, **cache_from, **labels, **security, **tags, **ulimits;
	const char *cgroup_parent, *cpuset_cpus, *cpuset_mems, *file, *iidfile, *isolation, *network, *platform, *target;
	int64_t cpu_period, cpu_quota, cpu_shares, memory, memory_swap, shm_size;
	bool compress, trust, force_rm, no_cache, pull, quiet, rm;
};

static es_err *check_tag(const char *text)
{
	es_autoarena *a = arena_new();
	struct ref r;

	ES_TRY(ref_parse(a, text, &r));
	return NULL;
}

static const struct opt options[] = {
	O_LIST(struct values, hosts, "add-host", 0, .check = value_check_add_host, .help = "Line for /etc/hosts of the steps (name:ip)"),
	O_LIST(struct values, args, "build-arg", 0, .check = value_check_env, .help = "Value of an ARG (K=V, or K to pass yours on)"),
	O_CSV(struct values, cache_from, "cache-from", 0, .help = "Images whose steps may be reused"),
	O_STR(struct values, cgroup_parent, "cgroup-parent", 0, .help = "Control group above those of the steps"),
	O_BOOL(struct values, compress, "compress", 0, .help = "Compress the context with gzip"),
	O_I64(struct values, cpu_period, "cpu-period", 0, .help = "Period of the CPU quota in microseconds"),
	O_I64(struct values, cpu_quota, "cpu-quota", 0, .help = "CPU time in each period in microseconds"),
	O_I64(struct values, cpu_shares, "cpu-shares", 'c', .help = "Share of CPU time when it is scarce"),
	O_STR(struct values, cpuset_cpus, "cpuset-cpus", 0, .help = "CPUs the steps may run on (0-3, 0,1)"),
	O_STR(struct values, cpuset_mems, "cpuset-mems", 0, .help = "Memory nodes the steps may use (0-3, 0,1)"),
	O_BOOL(struct values, trust, "disable-content-trust", 0, .def = "true", .check = value_check_no_trust, .help = "Skip image verification"),
	O_STR(struct values, file, "file", 'f', .help = "Dockerfile (default: \"Dockerfile\" in the context)"),
	O_BOOL(struct values, force_rm, "force-rm", 0, .help = "Remove the steps' containers even after a failure"),
	O_STR(struct values, iidfile, "iidfile", 0, .help = "Write the image's ID into this file"),
	O_STR(struct values, isolation, "isolation", 0, .help = "Isolation technology"),
	O_LIST(struct values, labels, "label", 0, .check = value_check_label, .help = "Label of the image (k=v)"),
	O_BYTES(struct values, memory, "memory", 'm', .help = "Limit of memory of a step"),
	O_CALL(struct values, memory_swap, "memory-swap", 0, .value_name = "bytes", .set = value_set_swap, .help = "Limit of memory and swap together; '-1': no limit of swap"),
	O_STR(struct values, network, "network", 0, .def = "default", .help = "Network of the RUN steps"),
	O_BOOL(struct values, no_cache, "no-cache", 0, .help = "Run every step anew"),
	O_STR(struct values, platform, "platform", 0, .help = "Platform to build for"),
	O_BOOL(struct values, pull, "pull", 0, .help = "Look for newer base images"),
	O_BOOL(struct values, quiet, "quiet", 'q', .help = "Print only the image's ID"),
	O_BOOL(struct values, rm, "rm", 0, .def = "true", .help = "Remove the steps' containers after a success"),
	O_CSV(struct values, security, "security-opt", 0, .help = "Security option of the steps"),
	O_BYTES(struct values, shm_size, "shm-size", 0, .help = "Size of /dev/shm of a step"),
	O_LIST(struct values, tags, "tag", 't', .check = check_tag, .help = "Name, and tag, of the image (name[:tag])"),
	O_STR(struct values, target, "target", 0, .help = "Stage to build"),
	O_LIST(struct values, ulimits, "ulimit", 0, .value_name = "ulimit", .check = value_check_ulimit, .shown = "[]", .help = "Resource limit (name=soft[:hard])"),
	O_END,
};

/* Where the bytes come from. */
struct context {
	int dirfd;             /* -1: none */
	const char *dir;       /* as given */
	const char *remote;    /* the daemon fetches it */
	bool from_stdin;       /* a ready tar */
	const char *dockerfile; /* name inside the context */
	struct ctxtar *tar;
	char *stdin_bytes; /* heap: what was read to tell a tar from a Dockerfile */
	size_t stdin_len;
	bool stdin_given;
	const struct values *values;
	int64_t reported_ns;
};

/* The query. */

/* {"K":"V"}; with NULL_ALONE a "K" without a value takes the caller's variable, or null. */
static void add_map(struct cli *c, struct es_buf *query, const char *name, char *const *items, bool null_alone)
{
	struct json *map = json_new_object(c->arena);
	es_autobuf text = ES_BUF(CLI_TEXT_MAX);

	for (; items && *items; items++) {
		size_t n = strcspn(*items, "=");
		const char *key = arena_strndup(c->arena, *items, n);
		const char *value = (*items)[n] ? *items + n + 1 : null_alone ? getenv(key) : "";

		json_set(c->arena, map, key, json_new_str(c->arena, value));
	}
	json_write(&text, map, JSON_W_SORT_KEYS);
	query_add(query, name, es_buf_str(&text));
}

static void add_list(struct cli *c, struct es_buf *query, const char *name, char *const *items)
{
	struct json *list = json_new_array(c->arena);
	es_autobuf text = ES_BUF(CLI_TEXT_MAX);

	if (!items)
		return;
	for (; *items; items++)
		json_append(list, json_new_str(c->arena, *items));
	json_write(&text, list, 0);
	query_add(query, name, es_buf_str(&text));
}

static void add_number(struct cli *c, struct es_buf *query, const char *name, int64_t v)
{
	query_add(query, name, v ? arena_printf(c->arena, "%lld", (long long)v) : NULL);
}

static es_err *add_ulimits(struct cli *c, struct es_buf *query, const struct values *v)
{
	struct json *list = json_new_array(c->arena);
	es_autobuf text = ES_BUF(CLI_TEXT_MAX);

	if (!v->ulimits)
		return NULL;
	for (char **u = v->ulimits; *u; u++) {
		struct docker_ulimit limit = { 0 };

		ES_TRY(value_ulimit(*u, &limit, c->arena));
		json_append(list, field_encode(c->arena, docker_ulimit_fields, &limit));
	}
	json_write(&text, list, 0);
	query_add(query, "ulimits", es_buf_str(&text));
	return NULL;
}

/* Proxies of the configuration are build arguments that nobody has to write. */
static char **args_with_proxies(struct cli *c, const struct values *v)
{
	const char *host = "default";
	char **args = strv_arena_dup(c->arena, v->args);
	es_err *err = client_host(c, &host);

	es_err_free(err);
	for (char **proxy = config_proxy_env(c, host); proxy && *proxy; proxy++) {
		es_autofree char *key = es_xstrndup(*proxy, strcspn(*proxy, "="));

		if (!strv_env_get(args, key) && !strv_has(args, key))
			args = strv_arena_add(c->arena, args, *proxy);
	}
	return args;
}

static es_err *make_query(struct cli *c, const struct values *v, const struct context *ctx, struct es_buf *q)
{
	add_map(c, q, "buildargs", args_with_proxies(c, v), true);
	add_list(c, q, "cachefrom", v->cache_from);
	query_add(q, "cgroupparent", v->cgroup_parent);
	add_number(c, q, "cpuperiod", v->cpu_period);
	add_number(c, q, "cpuquota", v->cpu_quota);
	query_add(q, "cpusetcpus", v->cpuset_cpus);
	query_add(q, "cpusetmems", v->cpuset_mems);
	add_number(c, q, "cpushares", v->cpu_shares);
	query_add(q, "dockerfile", ctx->dockerfile);
	for (char **h = v->hosts; h && *h; h++)
		query_add(q, "extrahosts", *h);
	query_add_bool(q, "forcerm", v->force_rm);
	query_add(q, "isolation", v->isolation);
	add_map(c, q, "labels", v->labels, false);
	add_number(c, q, "memory", v->memory);
	add_number(c, q, "memswap", v->memory_swap);
	query_add(q, "networkmode", v->network);
	query_add_bool(q, "nocache", v->no_cache);
	query_add(q, "platform", v->platform);
	query_add_bool(q, "pull", v->pull);
	query_add_bool(q, "q", v->quiet);
	query_add(q, "remote", ctx->remote);
	query_add(q, "rm", v->rm ? "1" : "0");
	add_list(c, q, "securityopt", v->security);
	add_number(c, q, "shmsize", v->shm_size);
	for (char **t = v->tags; t && *t; t++)
		query_add(q, "t", *t);
	query_add(q, "target", v->target);
	query_add(q, "version", "1");
	return add_ulimits(c, q, v);
}

/* The context. */

static bool is_remote(const char *text)
{
	static const char *const prefixes[] = { "http://", "https://", "git://", "git@", "github.com/" };

	for (size_t i = 0; i < ES_N(prefixes); i++)
		if (str_starts(text, prefixes[i]))
			return true;
	return false;
}

static es_err *read_stdin(struct context *ctx)
{
	return es_err_in(file_read_all(STDIN_FILENO, DOCKERFILE_MAX, &ctx->stdin_bytes, &ctx->stdin_len), "read standard input");
}

/* A name that no file of the context has, for a Dockerfile from elsewhere. */
static const char *foreign_name(struct cli *c)
{
	char hex[21];

	rand_hex(hex, 20);
	return arena_printf(c->arena, ".dockerfile.%s", hex);
}

/* Standard input is a tar, or else a Dockerfile that needs no context. The first block tells. */
static es_err *open_stdin(struct cli *c, struct context *ctx)
{
	enum { HEAD = 512 };
	es_autobuf head = ES_BUF(HEAD);
	static const unsigned char gzip[] = { 0x1f, 0x8b }, xz[] = { 0xfd, '7', 'z' }, bzip2[] = { 'B', 'Z', 'h' };
	const char *p;

	while (head.len < HEAD) {
		char *room = es_buf_reserve(&head, HEAD - head.len);
		ssize_t n = file_read_some(STDIN_FILENO, room, HEAD - head.len);

		if (n < 0)
			return es_err_sys(errno, "read standard input");
		if (n == 0)
			break;
		es_buf_commit(&head, (size_t)n);
	}
	p = es_buf_str(&head);
	ctx->from_stdin = (head.len == HEAD && memcmp(p + 257, "ustar", 5) == 0) ||
			  (head.len > 3 && (!memcmp(p, gzip, 2) || !memcmp(p, xz, 3) || !memcmp(p, bzip2, 3)));
	ctx->stdin_len = head.len;
	ES_TRY(es_buf_finish(&head, &ctx->stdin_bytes));
	if (ctx->from_stdin)
		return NULL;
	if (ctx->stdin_len == HEAD) {
		es_autofree char *rest = NULL;
		size_t rest_len;

		ES_TRY(file_read_all(STDIN_FILENO, DOCKERFILE_MAX, &rest, &rest_len));
		ctx->stdin_bytes = es_xrealloc(ctx->stdin_bytes, ctx->stdin_len + rest_len + 1);
		memcpy(ctx->stdin_bytes + ctx->stdin_len, rest, rest_len);
		ctx->stdin_len += rest_len;
	}
	ES_TRY(ctxtar_new(-1, &(struct ctxtar_what){ 0 }, &ctx->tar));
	ctx->dockerfile = "Dockerfile";
	ctxtar_add(ctx->tar, ctx->dockerfile, ctx->stdin_bytes, ctx->stdin_len);
	return NULL;
}

/* Where the Dockerfile lies: inside the context (its name there), or outside (its bytes are sent under another name). */
static es_err *find_dockerfile(struct cli *c, struct context *ctx, const char *file, bool *ret_outside)
{
	char dir[PATH_MAX], full[PATH_MAX];
	const char *path = str_empty(file) ? arena_printf(c->arena, "%s/Dockerfile", ctx->dir) : file;
	const char *inside;

	*ret_outside = false;
	if (!realpath(ctx->dir, dir))
		return es_err_sys(errno, "unable to prepare context: %s", ctx->dir);
	if (!realpath(path, full) && *path != '/') /* also meant relative to the context */
		path = arena_printf(c->arena, "%s/%s", dir, path);
	if (!realpath(path, full))
		return es_err_new(ES_E_NOT_FOUND, "unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat %s: no such file or directory",
				  *path == '/' ? path : arena_printf(c->arena, "%s/%s", dir, str_empty(file) ? "Dockerfile" : file));
	inside = str_after(full, dir);
	if (inside && (*inside == '/' || str_eq(dir, "/"))) {
		ctx->dockerfile = arena_strdup(c->arena, inside + (*inside == '/'));
		return NULL;
	}
	*ret_outside = true;
	return file_read(AT_FDCWD, full, DOCKERFILE_MAX, &ctx->stdin_bytes, &ctx->stdin_len);
}

static es_err *read_ignore(struct cli *c, struct context *ctx, struct ignore **ret)
{
	const char *own = ctx->dockerfile ? arena_printf(c->arena, "%s.dockerignore", ctx->dockerfile) : ".dockerignore";
	es_autofree char *text = NULL;
	size_t len;
	es_err *err = file_read(ctx->dirfd, own, IGNORE_BYTES_MAX, &text, &len);

	*ret = NULL;
	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		err = file_read(ctx->dirfd, ".dockerignore", IGNORE_BYTES_MAX, &text, &len);
	}
	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_free(err);
		return NULL;
	}
	ES_TRY(es_err_in(err, "error reading .dockerignore"));
	return es_err_in(ignore_parse(c->arena, text, len, ret), "error reading .dockerignore");
}

static es_err *open_directory(struct cli *c, struct context *ctx, const struct values *v)
{
	bool from_stdin = str_eq(v->file, "-"), outside = from_stdin;
	struct ignore *ignore;
	struct stat st;
	const char *keep[4] = { ".dockerignore", NULL, NULL, NULL };

	if (stat(ctx->dir, &st) < 0)
		return es_err_new(ES_E_NOT_FOUND, "unable to prepare context: path \"%s\" not found", ctx->dir);
	if (!S_ISDIR(st.st_mode))
		return es_err_new(ES_E_INVALID, "unable to prepare context: context must be a directory: %s", ctx->dir);
	ctx->dirfd = open(ctx->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ctx->dirfd < 0)
		return es_err_sys(errno, "unable to prepare context: open %s", ctx->dir);
	if (from_stdin)
		ES_TRY(read_stdin(ctx));
	else
		ES_TRY(find_dockerfile(c, ctx, v->file, &outside));
	ES_TRY(read_ignore(c, ctx, &ignore));
	keep[1] = ctx->dockerfile;
	ES_TRY(es_err_in(ctxtar_new(ctx->dirfd, &(struct ctxtar_what){ .ignore = ignore, .keep = (char *const *)keep }, &ctx->tar), "error checking context"));
	if (outside) {
		ctx->dockerfile = foreign_name(c);
		ctxtar_add(ctx->tar, ctx->dockerfile, ctx->stdin_bytes, ctx->stdin_len);
	}
	return NULL;
}

static es_err *open_context(struct cli *c, struct context *ctx, const struct values *v)
{
	const char *arg = c->args[0];

	if (str_eq(arg, "-") && str_eq(v->file, "-"))
		return es_err_new(ES_E_INVALID, "invalid argument: can't use stdin for both build context and dockerfile");
	if (!str_eq(v->file, "-"))
		ctx->dockerfile = v->file;
	if (str_eq(arg, "-"))
		return open_stdin(c, ctx);
	if (is_remote(arg)) {
		ctx->remote = arg;
		return NULL;
	}
	ctx->dir = arg;
	return open_directory(c, ctx, v);
}

/* Sending, and how much of it was sent. */

static void report(struct context *ctx, bool last)
{
	static const char text[] = "Sending build context to Docker daemon";
	es_autoarena *a = arena_new();
	bool is_tty = isatty(STDOUT_FILENO);
	int64_t now = clock_mono_ns();

	if (ctx->values->quiet || (!last && (!is_tty || now - ctx->reported_ns < REPORT_NS)))
		return;
	ctx->reported_ns = now;
	cli_printf("%s%s %8s\r%s", is_tty ? "\033[2K\r" : "", text, human_size_digits(a, (double)ctxtar_sent(ctx->tar), 4), last ? "\r\n" : "");
}

static es_err *read_context(void *self, void *buf, size_t max, size_t *ret_n)
{
	struct context *ctx = self;

	ES_TRY(ctxtar_read(ctx->tar, buf, max, ret_n));
	report(ctx, *ret_n == 0);
	return NULL;
}

/* The bytes that told the tar, then the rest. */
static es_err *read_stdin_tar(void *self, void *buf, size_t max, size_t *ret_n)
{
	struct context *ctx = self;
	ssize_t n;

	if (!ctx->stdin_given) {
		*ret_n = ctx->stdin_len < max ? ctx->stdin_len : max;
		memcpy(buf, ctx->stdin_bytes, *ret_n);
		ctx->stdin_given = true;
		return NULL;
	}
	n = file_read_some(STDIN_FILENO, buf, max);
	if (n < 0)
		return es_err_sys(errno, "read standard input");
	*ret_n = (size_t)n;
	return NULL;
}

struct result {
	struct cli *cli;
	const char *id;
};

static void take_id(void *self, const struct json *aux)
{
	struct result *r = self;
	const char *id = json_str(json_get(aux, "ID"));

	if (id)
		r->id = arena_strdup(r->cli->arena, id);
}

static es_err *send_build(struct cli *c, struct context *ctx, const struct values *v)
{
	struct result result = { .cli = c };
	es_autobuf quiet = ES_BUF(CLI_TEXT_MAX); /* with -q: the ID, or what a failure printed before */
	const struct progress p = {
		.fd = STDOUT_FILENO, .is_tty = !v->quiet && tty_is(STDOUT_FILENO), .into = v->quiet ? &quiet : NULL, .aux = take_id, .self = &result,
	};
	struct client_request r = { .method = "POST", .path = "/build", .content_type = "application/x-tar" };
	es_autobuf query = QUERY;
	struct http_head head;
	es_err *err;
	int code;

	ES_TRY(make_query(c, v, ctx, &query));
	r.query = es_buf_str(&query);
	ES_TRY(config_auths_header(c, &r.auth_config));
	if (ctx->from_stdin)
		r.source = (struct http_source){ .read = read_stdin_tar, .self = ctx };
	else if (ctx->tar)
		r.source = (struct http_source){ .read = read_context, .self = ctx };
	ES_TRY(client_send(c, &r, &head));
	err = progress_show(client_http(c), &p, &code);
	if (err)
		c->status = code ? code : 1;
	es_err_drop(file_write_all(err ? STDERR_FILENO : STDOUT_FILENO, es_buf_str(&quiet), quiet.len));
	ES_TRY(err);
	if (v->iidfile && !result.id)
		return es_err_new(ES_E_PROTOCOL, "server did not provide an image ID. Cannot write %s", v->iidfile);
	return v->iidfile ? file_replace(AT_FDCWD, v->iidfile, result.id, strlen(result.id), 0666, false) : NULL;
}

static es_err *run(struct cli *c)
{
	const struct values *v = c->values;
	struct context ctx = { .dirfd = -1, .values = v };
	es_err *err;

	if (v->compress)
		return es_err_new(ES_E_UNSUPPORTED, "--compress is not supported: the context travels as it is");
	if (v->iidfile && unlink(v->iidfile) < 0 && errno != ENOENT)
		return es_err_sys(errno, "removing image ID file");
	err = open_context(c, &ctx, v);
	if (!err)
		err = send_build(c, &ctx, v);
	ctxtar_free(ctx.tar);
	free(ctx.stdin_bytes);
	es_close(ctx.dirfd);
	return err;
}

const struct cmd cmd_build = {
	.paths = "image build, build, builder build",
	.usage = "[OPTIONS] PATH | URL | -",
	.summary = "Build an image from a Dockerfile",
	.section = CMD_COMMON,
	.mode = OPT_INTERSPERSED,
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.values_size = sizeof(struct values),
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* test_builder.c: whole builds on a store of their own, with a runner that only touches files. Needs root. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "../store/tmproot.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "builder/builder.h"
#include "spec/oci_image.h"
#include "store/blob.h"
#include "store/layers.h"
#include "store/record.h"

/* A runner whose only program is the shell language of this test: "touch PATH", "fail N", "say TEXT", "cat PATH". */
struct bench {
	struct tmproot tmp;
	struct store *store;
	struct runner runner;
	struct builder *builder;
	struct arena *a;
	struct lease *lease;
	char context[96];
	int context_fd;
	struct es_buf said;
	struct builder_opts opts;
	struct builder_result result;
	int code;
	unsigned runs;
	const char *base_id;
	struct oci_image image;
};

static es_err *fake_run(void *self, const struct runner_step *step, const struct runner_sink *sink, int cancel_fd, int *ret_status)
{
	struct bench *t = self;
	const char *line = step->argv[0] ? step->argv[strv_len(step->argv) - 1] : "", *arg = strchr(line, ' ');
	es_autofree char *text = NULL;
	int fd;

	t->runs++;
	arg = arg ? arg + 1 : "";
	*ret_status = 0;
	if (str_starts(line, "touch ")) {
		fd = openat(step->rootfs_fd, arg, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		CHECK(fd >= 0);
		CHECK_OK(file_write_all(fd, line, strlen(line)));
		close(fd);
	} else if (str_starts(line, "fail ")) {
		*ret_status = atoi(arg) << 8;
	} else if (str_starts(line, "say ")) {
		const char *value = strv_env_get(step->env, arg);

		sink->write(sink->self, 1, value ? value : arg, strlen(value ? value : arg));
	} else if (str_starts(line, "cat ")) {
		CHECK_OK(file_read(step->rootfs_fd, arg, 1000, &text, NULL));
		sink->write(sink->self, 1, text, strlen(text));
	} else if (str_starts(line, "mounted")) {
		struct stat st;

		CHECK_INT(step->n_mounts, 1);
		CHECK(fstat(step->mounts[0].source_fd, &st) == 0);
		sink->write(sink->self, 1, step->mounts[0].target, strlen(step->mounts[0].target));
	} else {
		return es_err_new(ES_E_INVALID, "exec: \"%s\": executable file not found in $PATH", step->argv[0]);
	}
	return NULL;
}

static es_err *fake_image(void *self, const char *ref, const char *platform, bool pull, const struct field_map *auths,
			  const struct runner_sink *sink, int cancel_fd, char **ret_id)
{
	struct bench *t = self;

	if (!str_eq(ref, "base"))
		return es_err_new(ES_E_NOT_FOUND, "pull access denied for %s", ref);
	*ret_id = es_xstrdup(t->base_id);
	return NULL;
}

static es_err *fake_get(void *self, struct arena *a, const char *url, int out_fd, int cancel_fd, const struct fetch_progress *p,
			struct fetch_file *ret)
{
	return es_err_new(ES_E_SYSTEM, "nobody answers at %s", url);
}

static const struct fetch_ops fake_fetch_ops = { .get = fake_get };
static const struct fetch fake_fetch = { .ops = &fake_fetch_ops };
static const struct runner_ops fake_ops = { .run = fake_run, .image = fake_image };

static void say_text(void *self, const char *text, size_t n)
{
	es_buf_add(&((struct bench *)self)->said, text, n);
}
static const char config_head[] = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2020-01-01T00:00:00Z\",\"config\":{\"Env\":[\"PATH=/bin\"],"
				  "\"Cmd\":[\"sh\"],\"OnBuild\":%s},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]},\"history\":[{\"created_by\":\"base\"}]}";

/* An image of one layer: etc/passwd and a file. */
static void make_base(struct bench *t, const char *on_build)
{
	es_autofree char *cmd = es_xasprintf("set -e; mkdir -p %s/w/etc; cd %s/w; echo 'user:x:7:8::/:' > etc/passwd; ln -sf etc link; "
					     "tar -cf ../w.tar .", t->tmp.dir, t->tmp.dir);
	es_autofree char *tar = es_xasprintf("%s/w.tar", t->tmp.dir), *config = NULL;
	char digest[BLOB_DIGEST_MAX];
	struct layers_info info;

	CHECK(system(cmd) == 0);
	es_autoclose int fd = open(tar, O_RDONLY | O_CLOEXEC);
	CHECK_OK(layers_import(t->store, t->lease, fd, NULL, &info));
	config = es_xasprintf(config_head, on_build, info.diff_id);
	CHECK_OK(blob_put(t->store, t->lease, config, strlen(config), NULL, digest));
	t->base_id = arena_strdup(t->a, digest);
}

static void bench_init(struct bench *t, const char *on_build)
{
	*t = (struct bench){ .a = arena_new(), .said = ES_BUF(1 << 20) };
	tmproot_init(&t->tmp);
	CHECK_OK(tmproot_open(&t->tmp, &t->store));
	t->lease = lease_new(t->store);
	t->runner = (struct runner){ .ops = &fake_ops, .self = t };
	t->builder = builder_new(t->store, &t->runner, &fake_fetch);
	snprintf(t->context, sizeof t->context, "%s/context", t->tmp.dir);
	CHECK(mkdir(t->context, 0755) == 0);
	t->context_fd = open(t->context, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_base(t, on_build);
	t->opts = (struct builder_opts){ .rm = true, .cancel_fd = -1 };
}

static void bench_done(struct bench *t)
{
	builder_free(t->builder);
	lease_end(t->lease);
	store_close(t->store);
	close(t->context_fd);
	es_buf_done(&t->said);
	arena_free(t->a);
	tmproot_done(&t->tmp);
}

static void put(struct bench *t, const char *path, const char *text)
{
	es_autofree char *parent = es_xstrdup(path);

	if (strrchr(parent, '/')) {
		*strrchr(parent, '/') = 0;
		CHECK_OK(file_mkdir_p(t->context_fd, parent, 0755));
	}
	CHECK_OK(file_replace(t->context_fd, path, text, strlen(text), 0644, false));
}

static es_err *build(struct bench *t, const char *dockerfile)
{
	const struct builder_out out = { .text = say_text, .json = say_text, .self = t };
	struct builder_opts opts = t->opts;

	put(t, "Dockerfile", dockerfile);
	opts.context_fd = t->context_fd;
	es_buf_reset(&t->said);
	t->runs = 0;
	ES_TRY(builder_run(t->builder, t->a, t->lease, &opts, &out, &t->result, &t->code));
	if (t->result.config_text)
		ES_TRY(oci_image_decode(t->a, t->result.config_text, t->result.config_len, &t->image));
	return NULL;
}

/* Text of PATH in the image just built. */
static const char *in_image(struct bench *t, const char *path)
{
	es_autoclose int root = -1;
	char *text = NULL;

	CHECK_OK(layers_mount(t->store, t->image.rootfs.diff_ids, NULL, &root));
	es_err *err = file_read(root, path, 4096, &text, NULL);
	if (err) {
		es_err_free(err);
		return NULL;
	}
	arena_own(t->a, text);
	return text;
}

static size_t count(struct bench *t, const char *kind, const char *prefix)
{
	struct record_list list;
	size_t n = 0;

	CHECK_OK(record_list(t->store, t->a, kind, NULL, &list));
	for (size_t i = 0; i < list.n; i++)
		n += str_starts(list.items[i].id, prefix);
	return n;
}

static void output_and_config(void)
{
	struct bench t;
	const struct oci_history *h;

	bench_init(&t, "null");
	put(&t, "f.txt", "f\n");
	put(&t, "d/a", "a\n");
	CHECK_OK(build(&t, "FROM base\nARG V=1\nENV E=$V\nCOPY f.txt d/a /many/\nWORKDIR w\nRUN say V\nRUN touch x\n"
			   "USER user\nCMD [\"y\"]\n"));
	const char *said = es_buf_str(&t.said);
	CHECK(str_starts(said, "Step 1/9 : FROM base\n ---> "));
	CHECK(strstr(said, "Step 2/9 : ARG V=1\n ---> Running in "));
	CHECK(strstr(said, "\n1 ---> Removed intermediate container "));
	CHECK(!strstr(said, "Using cache"));
	CHECK_STR(t.image.config.user, "user");
	CHECK_STR(t.image.config.working_dir, "/w");
	CHECK_STR(t.image.config.cmd[0], "y");
	CHECK_STR(strv_env_get(t.image.config.env, "E"), "1");
	CHECK_STR(in_image(&t, "many/a"), "a\n");
	CHECK_STR(in_image(&t, "x"), "touch x");
	CHECK_INT(t.image.history.n, 9);
	h = t.image.history.items;
	CHECK_STR(h[1].created_by, "/bin/sh -c #(nop)  ARG V=1");
	CHECK(h[1].empty_layer);
	CHECK(str_starts(h[3].created_by, "/bin/sh -c #(nop) COPY multi:"));
	CHECK(str_ends(h[3].created_by, " in /many/ "));
	CHECK(!h[3].empty_layer);
	CHECK_STR(h[4].created_by, "/bin/sh -c #(nop) WORKDIR /w");
	CHECK_STR(h[5].created_by, "|1 V=1 /bin/sh -c say V");
	CHECK(h[5].empty_layer); /* it wrote nothing */
	CHECK_INT(count(&t, "snapshot", "step/"), 0);
	bench_done(&t);
}

static void cache(void)
{
	static const char text[] = "FROM base\nCOPY d /d\nRUN touch x\nLABEL a=b\n";
	struct bench t;
	const char *first;

	bench_init(&t, "null");
	put(&t, "d/a", "a");
	CHECK_OK(build(&t, text));
	first = t.result.image_id;
	CHECK_INT(t.runs, 1);
	CHECK_OK(build(&t, text));
	CHECK_INT(t.runs, 0);
	CHECK_STR(t.result.image_id, first);
	CHECK(strstr(es_buf_str(&t.said), " ---> Using cache\n"));
	put(&t, "d/a", "other");
	CHECK_OK(build(&t, text));
	CHECK_INT(t.runs, 1);
	CHECK(!str_eq(t.result.image_id, first));
	put(&t, "d/a", "a");
	t.opts.no_cache = true;
	CHECK_OK(build(&t, text));
	CHECK_INT(t.runs, 1);
	/* an argument that RUN could see is part of its key, one that it could not is not */
	t.opts.no_cache = false;
	struct field_map *args = field_map_new(t.a);
	t.opts.build_args = args;
	CHECK_OK(build(&t, "FROM base\nARG V\nRUN touch x\n"));
	field_map_put(t.a, args, "V", (void *)(uintptr_t) "2");
	CHECK_OK(build(&t, "FROM base\nARG V\nRUN touch x\n"));
	CHECK_INT(t.runs, 1);
	char **ids = NULL;
	uint64_t bytes;
	CHECK_OK(builder_prune(t.builder, t.a, true, &ids, &bytes));
	CHECK(strv_len(ids) > 3);
	CHECK_INT(count(&t, "buildstep", ""), 0);
	bench_done(&t);
}

static void stages(void)
{
	struct bench t;

	bench_init(&t, "null");
	CHECK_OK(build(&t, "ARG B=base\nFROM $B AS one\nRUN touch one\nFROM base AS unused\nRUN fail 9\nFROM one AS two\nRUN touch two\n"
			   "FROM scratch\nCOPY --from=two /one /two /x/\nCOPY --from=0 one /y\nCOPY --from=base /link/passwd /z\n"));
	CHECK(str_starts(es_buf_str(&t.said), "Step 1/9 : ARG B=base\nStep 2/9 : FROM $B AS one\n"));
	CHECK_STR(in_image(&t, "x/two"), "touch two");
	CHECK_STR(in_image(&t, "y"), "touch one");
	CHECK_STR(in_image(&t, "z"), "user:x:7:8::/:\n");
	CHECK(in_image(&t, "etc/passwd") == NULL);
	CHECK_INT(t.image.history.n, 3);
	CHECK_STR(t.image.os, "linux");
	/* the steps of other stages stay as cache until they are pruned */
	CHECK_INT(count(&t, "snapshot", "step/"), 2);
	t.opts.target = "ONE";
	CHECK_OK(build(&t, "FROM base AS one\nRUN touch one\nFROM one\nRUN fail 1\n"));
	CHECK(strstr(es_buf_str(&t.said), "Step 2/2 : RUN touch one\n ---> Using cache\n"));
	t.opts.target = "nosuch";
	CHECK_ERR(build(&t, "FROM base\n"), "target stage \"nosuch\" could not be found");
	CHECK_INT(t.said.len, 0);
	char **ids = NULL;
	uint64_t bytes;
	CHECK_OK(builder_prune(t.builder, t.a, false, &ids, &bytes));
	CHECK_INT(count(&t, "snapshot", "step/"), 0);
	bench_done(&t);
}

static void failures(void)
{
	static const struct { const char *in, *err; int code; } rows[] = {
		{ "FROM base\nRUN fail 7\nRUN touch x\n", "The command '/bin/sh -c fail 7' returned a non-zero code: 7", 7 },
		{ "FROM base\nRUN [\"nosuch\"]\n", "exec: \"nosuch\": executable file not found in $PATH", 0 },
		{ "FROM base\nCOPY nosuch /x\n",
		  "COPY failed: file not found in build context or excluded by .dockerignore: stat nosuch: file does not exist", 0 },
		{ "FROM base\nCOPY *.nosuch /x/\n", "COPY failed: no source files were specified", 0 },
		{ "FROM base\nCOPY d/a d/b /x\n",
		  "When using COPY with more than one source file, the destination must be a directory and end with a /", 0 },
		{ "FROM base\nCOPY --from=7 /x /x\n", "invalid from flag value 7: index out of bounds", 0 },
		{ "FROM base\nCOPY --from=base /nosuch /x\n", "COPY failed: stat nosuch: file does not exist", 0 },
		{ "FROM base\nCOPY ../x /x\n", "COPY failed: forbidden path outside the build context: ../x ()", 0 },
		{ "FROM base\nCOPY --chown=nosuch d/a /x\n", "nosuch", 0 },
		{ "FROM base\nADD http://example.com/x /x\n", "ADD failed: nobody answers at http://example.com/x", 0 },
		{ "FROM base\nADD git@example.com:x /x\n", "adding a git repository is not supported", 0 },
		{ "FROM base\nCOPY --parents d/a /x\n", "--parents option is not supported", 0 },
		{ "FROM --platform=linux/m68k base\n", "does not match the specified platform (linux/m68k)", 0 },
		{ "FROM nosuch\n", "pull access denied for nosuch", 0 },
		{ "FROM scratch\n", "No image was generated. Is your Dockerfile empty?", 0 },
		{ "FROM base\nRUN --mount=type=secret,id=s,required touch x\n", "secret s: not found", 0 },
		{ "FROM base\nRUN --security=insecure touch x\n", "security.insecure is not allowed", 0 },
		{ "FROM base\nEXPOSE x\n", "Invalid containerPort: x", 0 },
	};
	struct bench t;

	bench_init(&t, "null");
	put(&t, "d/a", "a");
	put(&t, "d/b", "b");
	for (size_t i = 0; i < ES_N(rows); i++) {
		CHECK_ERR(build(&t, rows[i].in), rows[i].err);
		CHECK_INT(t.code, rows[i].code);
		CHECK_INT(count(&t, "snapshot", "step/"), 0);
	}
	t.opts.dockerfile = "nosuch";
	CHECK_ERR(build(&t, "FROM base\n"), "Cannot locate specified Dockerfile: nosuch");
	bench_done(&t);
}

static void cancelled(void)
{
	struct bench t;
	int pipefd[2];

	bench_init(&t, "null");
	CHECK(pipe(pipefd) == 0);
	CHECK(write(pipefd[1], "x", 1) == 1);
	t.opts.cancel_fd = pipefd[0];
	CHECK_ERR(build(&t, "FROM base\nRUN touch x\n"), "context canceled");
	CHECK_INT(count(&t, "snapshot", "step/"), 0);
	close(pipefd[0]);
	close(pipefd[1]);
	bench_done(&t);
}

static void labels_triggers_heredocs_and_mounts(void)
{
	struct bench t;
	struct field_map *labels;

	bench_init(&t, "[\"RUN touch trigger\"]");
	labels = field_map_new(t.a);
	field_map_put(t.a, labels, "l", (void *)(uintptr_t) "$x 'y'");
	t.opts.labels = labels;
	put(&t, "d/a", "a");
	CHECK_OK(build(&t, "FROM base\nENV W=world\nCOPY --chown=user --chmod=640 <<A <<'B' /in/\nhello $W\nA\n$W\nB\n"
			   "RUN --mount=type=cache,target=/c,sharing=locked mounted\nRUN --mount=target=/ctx,source=d mounted\n"));
	CHECK(strstr(es_buf_str(&t.said), "# Executing 1 build trigger\n"));
	CHECK(strstr(es_buf_str(&t.said), "Step 6/6 : LABEL l=$x 'y'\n"));
	CHECK(strstr(es_buf_str(&t.said), "/c ---> Removed"));
	CHECK(strstr(es_buf_str(&t.said), "/ctx ---> Removed"));
	CHECK_STR(field_map_get(t.image.config.labels, "l"), "$x 'y'");
	CHECK(t.image.config.on_build == NULL);
	CHECK_STR(in_image(&t, "in/A"), "hello world\n");
	CHECK_STR(in_image(&t, "in/B"), "$W\n");
	CHECK_STR(in_image(&t, "trigger"), "touch trigger");
	/* what the bind mount shows is part of the step's key */
	put(&t, "d/a", "b");
	CHECK_OK(build(&t, "FROM base\nRUN --mount=target=/ctx,source=d mounted\n"));
	put(&t, "d/a", "c");
	CHECK_OK(build(&t, "FROM base\nRUN --mount=target=/ctx,source=d mounted\n"));
	CHECK_INT(t.runs, 1);
	CHECK_OK(build(&t, "FROM base\nRUN --mount=target=/ctx,source=d mounted\n"));
	CHECK_INT(t.runs, 0);
	bench_done(&t);
}

static void only_from_is_the_base_itself(void)
{
	struct bench t;

	bench_init(&t, "null");
	CHECK_OK(build(&t, "FROM base\n"));
	CHECK_STR(t.result.image_id, t.base_id);
	CHECK(t.result.config_text == NULL);
	bench_done(&t);
}

CHECK_MAIN(TEST(output_and_config), TEST(cache), TEST(stages), TEST(failures), TEST(cancelled),
	   TEST(labels_triggers_heredocs_and_mounts), TEST(only_from_is_the_base_itself))

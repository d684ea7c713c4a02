/* SPDX-License-Identifier: Apache-2.0 */
/* test_ctxtar.c: a directory becomes a tar stream by the rules of .dockerignore. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/ctxtar.h"
#include "codec/tar.h"

#include "check.h"

struct bytes {
	struct es_buf all;
	bool given;
};

static es_err *feed(void *self, const char **ret_bytes, size_t *ret_n)
{
	struct bytes *b = self;

	*ret_bytes = es_buf_str(&b->all);
	*ret_n = b->given ? 0 : b->all.len;
	b->given = true;
	return NULL;
}

/* Names of the archive, one blank between, a file's content behind "=". */
static char *pack(struct arena *a, int dir, const struct ctxtar_what *what)
{
	struct bytes b = { .all = ES_BUF(1u << 20) };
	es_autobuf names = ES_BUF(65536);
	const struct tar_entry *e;
	struct tar_reader *r;
	struct ctxtar *t;
	size_t n;

	CHECK_OK(ctxtar_new(dir, what, &t));
	do {
		char *room = es_buf_reserve(&b.all, 700); /* no multiple of a block */

		CHECK(room != NULL);
		CHECK_OK(ctxtar_read(t, room, 700, &n));
		es_buf_commit(&b.all, n);
	} while (n);
	CHECK_INT(ctxtar_sent(t), b.all.len);
	ctxtar_free(t);
	r = tar_reader_new((struct tar_source){ feed, &b });
	for (;;) {
		const char *data;
		uint64_t offset;

		CHECK_OK(tar_next(r, &e));
		if (!e)
			break;
		es_buf_printf(&names, "%s%s", names.len ? " " : "", e->path);
		if (e->type == TAR_SYMLINK)
			es_buf_printf(&names, ">%s", e->link);
		if (e->type == TAR_FILE && e->size && e->size < 100) {
			CHECK_OK(tar_data(r, &data, &n, &offset));
			es_buf_printf(&names, "=%.*s", (int)n, data);
		}
	}
	tar_reader_free(r);
	es_buf_done(&b.all);
	return arena_strdup(a, es_buf_str(&names));
}

static void put(int dir, const char *name, const char *text)
{
	es_autoclose int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK_OK(file_write_all(fd, text, strlen(text)));
}

static void rules(void)
{
	char path[] = "/tmp/ctxtar.XXXXXX";
	es_autoarena *a = arena_new();
	es_autoclose int dir = -1;
	struct ignore *ignore;
	static const char text[] = "*.log\nd\n!d/keep\n";
	static const char *const keep[] = { "x.log", NULL };
	char *const *kept = (char *const *)keep;

	CHECK(mkdtemp(path) != NULL);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(mkdirat(dir, "d", 0755) == 0);
	put(dir, "Dockerfile", "FROM x");
	put(dir, "a.log", "1");
	put(dir, "x.log", "2");
	put(dir, "d/drop", "3");
	put(dir, "d/keep", "4");
	CHECK(symlinkat("/nowhere", dir, "link") == 0);

	CHECK_STR(pack(a, dir, &(struct ctxtar_what){ 0 }), "Dockerfile=FROM x a.log=1 d/ d/drop=3 d/keep=4 link>/nowhere x.log=2");
	CHECK_OK(ignore_parse(a, text, strlen(text), &ignore));
	CHECK_STR(pack(a, dir, &(struct ctxtar_what){ .ignore = ignore }), "Dockerfile=FROM x d/keep=4 link>/nowhere");
	CHECK_STR(pack(a, dir, &(struct ctxtar_what){ .ignore = ignore, .keep = kept }),
		  "Dockerfile=FROM x d/keep=4 link>/nowhere x.log=2");
	CHECK_STR(pack(a, dir, &(struct ctxtar_what){ .only = "a.log", .rename = "b" }), "b=1");
	CHECK_STR(pack(a, dir, &(struct ctxtar_what){ .rename = "top", .ignore = ignore }),
		  "top/ top/Dockerfile=FROM x top/d/keep=4 top/link>/nowhere");
	CHECK_OK(file_remove_tree(AT_FDCWD, path));
}

static void added(void)
{
	es_autoarena *a = arena_new();
	struct ctxtar *t;
	char buf[4096];
	size_t n;

	CHECK_OK(ctxtar_new(-1, &(struct ctxtar_what){ 0 }, &t));
	ctxtar_add(t, "Dockerfile", "", 0);
	CHECK_OK(ctxtar_read(t, buf, sizeof buf, &n));
	CHECK_INT(n, 512);
	CHECK_OK(ctxtar_read(t, buf, sizeof buf, &n));
	CHECK_INT(n, 1024);
	CHECK_OK(ctxtar_read(t, buf, sizeof buf, &n));
	CHECK_INT(n, 0);
	ctxtar_free(t);
}

CHECK_MAIN(TEST(rules), TEST(added))

/* SPDX-License-Identifier: Apache-2.0 */
/* test_fstree.c: paths inside a root, patterns, .dockerignore, digests and copies of trees. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "builder/fstree.h"
#include "builder/ignoredir.h"
#include "codec/goglob.h"
#include "builder/inroot.h"

/* A fresh directory under /tmp; gone with drop_dir. */
static int make_dir(char path[64])
{
	strcpy(path, "/tmp/estiba-fstree-XXXXXX");
	CHECK(mkdtemp(path) != NULL);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static void drop_dir(int fd, const char *path)
{
	close(fd);
	CHECK_OK(file_remove_tree(AT_FDCWD, path));
}

static void put(int dir, const char *path, const char *text)
{
	es_autofree char *parent = es_xstrdup(path);
	char *slash = strrchr(parent, '/');

	if (slash) {
		*slash = 0;
		CHECK_OK(file_mkdir_p(dir, parent, 0755));
	}
	CHECK_OK(file_replace(dir, path, text, strlen(text), 0644, false));
}

static void glob_rows(void)
{
	static const struct { const char *pattern, *name; bool deep, want; } rows[] = {
		{ "*.c", "a.c", false, true },
		{ "*.c", "d/a.c", false, false },
		{ "a?c", "abc", false, true },
		{ "[a-c]x", "bx", false, true },
		{ "[^a-c]x", "bx", false, false },
		{ "[]a]x", "]x", false, true },
		{ "\\*", "*", false, true },
		{ "\\*", "a", false, false },
		{ "*a*b", "xaxxbxb", false, true },
		{ "d/*/x", "d/e/x", false, true },
		{ "d/*/x", "d/e/f/x", false, false },
		{ "**/x", "x", true, true },
		{ "**/x", "a/b/x", true, true },
		{ "**/x", "a/bx", true, false },
		{ "a/**/x", "a/x", true, true },
		{ "a/**/x", "a/b/c/x", true, true },
		{ "a/**", "a/b/c", true, true },
		{ "**", "a/b", true, true },
		{ "**/*.go", "a/b.x/c.go", true, true },
		{ "**/*.go", "a/b.go/c", true, false },
		{ "", "", false, true },
		{ "*", "", false, true },
	};
	for (size_t i = 0; i < ES_N(rows); i++)
		if (goglob_match(rows[i].pattern, rows[i].name, rows[i].deep) != rows[i].want)
			fail_msg("%s against %s: want %d", rows[i].pattern, rows[i].name, rows[i].want);
	CHECK_ERR(goglob_check("[a"), "syntax error in pattern");
	CHECK_ERR(goglob_check("a\\"), "syntax error in pattern");
	CHECK_OK(goglob_check("[a]\\*?"));
}

static void ignore_rows(void)
{
	static const char text[] = "# comment\n\n/node_modules\n*.log\n!keep.log\n**/tmp\ndocs/**/*.md\n!docs/README.md\nout/\n./a/../b\n";
	static const struct { const char *path; bool out; } rows[] = {
		{ "node_modules", true },    { "node_modules/x/y", true }, { "src/node_modules", false },
		{ "x.log", true },           { "keep.log", false },        { "d/x.log", false },
		{ "a/b/tmp/c", true },       { "docs/x/y.md", true },      { "docs/README.md", false },
		{ "out/x", true },           { "b", true },                { "a", false },
	};
	es_autoarena *a = arena_new();
	struct ignore *ig;

	CHECK_OK(ignore_parse(a, text, strlen(text), &ig));
	for (size_t i = 0; i < ES_N(rows); i++)
		if (ignore_has(ig, rows[i].path) != rows[i].out)
			fail_msg("%s: want %d", rows[i].path, rows[i].out);
}

static void ignore_deletes_from_a_context(void)
{
	char path[64];
	int dir = make_dir(path);

	put(dir, "Dockerfile", "x");
	put(dir, ".dockerignore", "*\n!keep\n!sub/k\n.dockerignore\n");
	put(dir, "gone/a", "a");
	put(dir, "keep/b", "b");
	put(dir, "sub/k", "k");
	put(dir, "sub/l", "l");
	CHECK_OK(ignoredir_apply(dir, "Dockerfile"));
	CHECK(faccessat(dir, "gone", F_OK, 0) != 0);
	CHECK(faccessat(dir, "keep/b", F_OK, 0) == 0);
	CHECK(faccessat(dir, "sub/k", F_OK, 0) == 0);
	CHECK(faccessat(dir, "sub/l", F_OK, 0) != 0);
	CHECK(faccessat(dir, "Dockerfile", F_OK, 0) != 0);
	drop_dir(dir, path);
}

static void links_stay_inside_the_root(void)
{
	char path[64];
	int dir = make_dir(path);
	es_autofree char *text = NULL;
	int fd;

	CHECK(symlinkat("/etc", dir, "abs") == 0);
	CHECK(symlinkat("../../../../etc/passwd", dir, "up") == 0);
	CHECK_ERR(inroot_open(dir, "abs/passwd", O_PATH, &fd), "no such file");
	CHECK_ERR(inroot_read(dir, "up", 1000, &text, NULL), "no such file");
	put(dir, "etc/passwd", "inside");
	CHECK_OK(inroot_read(dir, "up", 1000, &text, NULL));
	CHECK_STR(text, "inside");
	CHECK_OK(inroot_mkdir_p(dir, "abs/new/deep", 0755, 0, 0, NULL, NULL));
	CHECK(faccessat(dir, "etc/new/deep", F_OK, 0) == 0);
	CHECK_ERR(inroot_mkdir_p(dir, "up/x", 0755, 0, 0, NULL, NULL), "not a directory");
	CHECK(mkfifoat(dir, "pipe", 0600) == 0);
	es_autofree char *piped = NULL;
	CHECK_ERR(inroot_read(dir, "pipe", 1000, &piped, NULL), "not a regular file");
	drop_dir(dir, path);
}

static void clean_rows(void)
{
	static const struct { const char *base, *path, *want; } rows[] = {
		{ "/", "a", "/a" },         { "/w", "a/./b//c/", "/w/a/b/c" }, { "/w", "/x", "/x" },
		{ "/w", "../../..", "/" },  { "", ".", "/" },                  { "/a/b", "../c", "/a/c" },
	};
	es_autoarena *a = arena_new();

	for (size_t i = 0; i < ES_N(rows); i++)
		CHECK_STR(inroot_join(a, rows[i].base, rows[i].path), rows[i].want);
}

static void digest_of(int dir, const char *path, bool owner, char hex[SHA256_HEX + 1])
{
	struct sha256 s;

	sha256_init(&s);
	CHECK_OK(fstree_digest(&(struct fstree_from){ .root = dir, .path = path, .with_owner = owner }, &s));
	sha256_end_hex(&s, hex);
}

static void digest_sees_content_not_time(void)
{
	char path[64], one[SHA256_HEX + 1], two[SHA256_HEX + 1];
	int dir = make_dir(path);
	struct timespec old[2] = { { 1, 0 }, { 1, 0 } };

	put(dir, "d/a", "text");
	put(dir, "d/e/b", "more");
	CHECK(symlinkat("a", dir, "d/l") == 0);
	digest_of(dir, "d", false, one);
	CHECK(utimensat(dir, "d/a", old, 0) == 0);
	digest_of(dir, "d", false, two);
	CHECK_STR(two, one);
	put(dir, "d/e/b", "MORE");
	digest_of(dir, "d", false, two);
	CHECK(!str_eq(one, two));
	digest_of(dir, "d", false, one);
	CHECK(fchmodat(dir, "d/a", 0755, 0) == 0);
	digest_of(dir, "d", false, two);
	CHECK(!str_eq(one, two));
	digest_of(dir, "d", false, one);
	CHECK(renameat(dir, "d/a", dir, "d/z") == 0);
	digest_of(dir, "d", false, two);
	CHECK(!str_eq(one, two));
	drop_dir(dir, path);
}

static void copy_merges_and_keeps_modes(void)
{
	char from_path[64], to_path[64];
	int from = make_dir(from_path), to = make_dir(to_path);
	struct fstree_to dest = { .root = to, .path = "/dst", .cancel_fd = -1 };
	es_autofree char *text = NULL, *other = NULL;
	struct stat st;

	put(from, "d/a", "new");
	CHECK(fchmodat(from, "d/a", 04755, 0) == 0);
	put(from, "d/sub/b", "b");
	CHECK(fchmodat(from, "d/sub", 0700, 0) == 0);
	CHECK(symlinkat("/nowhere", from, "d/l") == 0);
	put(to, "dst/a", "old");
	put(to, "dst/other", "stays");
	put(to, "real/x", "x");
	CHECK(symlinkat("/real", to, "dst/sub") == 0); /* as /lib of a merged /usr */
	CHECK_OK(fstree_copy(&(struct fstree_from){ .root = from, .path = "d" }, &dest));
	CHECK_OK(inroot_read(to, "dst/a", 100, &text, NULL));
	CHECK_STR(text, "new");
	CHECK(fstatat(to, "dst/a", &st, 0) == 0 && (st.st_mode & 07777) == 0755); /* set-user-ID does not come along */
	CHECK(faccessat(to, "dst/other", F_OK, 0) == 0);
	CHECK_OK(inroot_read(to, "real/b", 100, &other, NULL));
	CHECK(fstatat(to, "dst/l", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
	dest.chmod = "u=rwx,go=r";
	dest.path = "/one/file";
	CHECK_OK(fstree_copy(&(struct fstree_from){ .root = from, .path = "d/a" }, &dest));
	CHECK(fstatat(to, "one/file", &st, 0) == 0 && (st.st_mode & 07777) == 0744);
	dest.path = "/dst";
	CHECK_ERR(fstree_copy(&(struct fstree_from){ .root = from, .path = "d/a" }, &dest), "cannot overwrite directory");
	drop_dir(from, from_path);
	drop_dir(to, to_path);
}

static void chmod_rows(void)
{
	static const struct { const char *text; mode_t in; bool dir; long out; } rows[] = {
		{ "0755", 0, false, 0755 },      { "4755", 0, false, 04755 }, { "u+x", 0644, false, 0744 },
		{ "a-w,u+s", 0666, false, 04444 }, { "go=", 0777, false, 0700 }, { "+X", 0644, true, 0755 },
		{ "+X", 0644, false, 0644 },     { "8", 0, false, -1 },       { "u", 0, false, -1 },
		{ "u+q", 0, false, -1 },         { "77777", 0, false, -1 },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		mode_t mode;

		if (rows[i].out < 0) {
			CHECK_ERR(fstree_chmod(rows[i].text, rows[i].in, rows[i].dir, &mode), "invalid chmod parameter");
			continue;
		}
		CHECK_OK(fstree_chmod(rows[i].text, rows[i].in, rows[i].dir, &mode));
		CHECK_INT(mode, rows[i].out);
	}
}

CHECK_MAIN(TEST(glob_rows), TEST(ignore_rows), TEST(ignore_deletes_from_a_context), TEST(links_stay_inside_the_root),
	   TEST(clean_rows), TEST(digest_sees_content_not_time), TEST(copy_merges_and_keeps_modes), TEST(chmod_rows))

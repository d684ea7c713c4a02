/* SPDX-License-Identifier: Apache-2.0 */
/* test_erofs.c: layer files that the writer makes are whole; every kind of damage is seen before the kernel sees it. */
#include "check.h"

#include <sys/mman.h>

#include "base/file.h"
#include "codec/erofs_check.h"
#include "layer/erofs.h"

#define DIFF_ID "sha256:ffeeddccbbaa99887766554433221100"

struct image {
	uint8_t *bytes;
	size_t n;
	struct erofs_area area;
};

/* "d/a" (a file of 100 bytes at byte 512 of the tar), "d/b" (a link), "e" (a directory, opaque, with an attribute). */
static void make_image(struct image *ret)
{
	static const struct tar_xattr attr = {"user.x", "12", 2};
	static const struct tar_entry entries[] = {
		{.type = TAR_DIR, .path = "d", .link = "", .mode = 0755},
		{.type = TAR_FILE, .path = "d/a", .link = "", .mode = 0644, .size = 100, .data_at = 512},
		{.type = TAR_SYMLINK, .path = "d/b", .link = "a"},
		{.type = TAR_DIR, .path = "e", .link = "", .mode = 0700, .xattrs = &attr, .n_xattrs = 1},
		{.type = TAR_FILE, .path = "e/.wh..wh..opq", .link = ""},
	};
	struct layer_counts counts = {0};
	es_autoerofs *w = erofs_new(&counts);
	es_autoclose int fd = memfd_create("image", MFD_CLOEXEC);
	struct erofs_result r;
	char *text;

	for (size_t i = 0; i < ES_N(entries); i++)
		CHECK_OK(erofs_add(w, &entries[i]));
	CHECK_OK(erofs_write(w, fd, 1024, DIFF_ID, &r));
	CHECK_OK(file_read_all(fd, 1 << 20, &text, &ret->n));
	ret->bytes = (uint8_t *)text;
	CHECK_INT(r.file_size, ret->n);
	CHECK_INT(r.inodes, 5);
	CHECK_INT(r.meta_at, LAYER_FILE_HEAD + 1024);
}

static es_err *check_image(struct image *i)
{
	struct erofs_totals t;

	ES_TRY(erofs_check_head(i->bytes, i->n, &i->area));
	ES_TRY(erofs_check_meta(&i->area, i->bytes + i->area.meta_at, &t));
	CHECK_INT(t.inodes, 5);
	CHECK_INT(t.dirents, 3 * 2 + 4);
	CHECK_INT(t.data, 100);
	return NULL;
}

static void whole(void)
{
	struct image i;

	make_image(&i);
	CHECK_OK(check_image(&i));
	CHECK_STR(i.area.diff_id, DIFF_ID);
	CHECK_INT(i.area.tar_size, 1024);
	free(i.bytes);
}

/* The superblock's checksum as it must be, so that what is behind it is looked at. */
static void set_checksum(struct image *i)
{
	uint8_t *sum = i->bytes + EROFS_SUPER_AT + offsetof(struct erofs_super, checksum);
	uint32_t crc;

	memset(sum, 0, 4);
	crc = htole32(erofs_crc32c(i->bytes + EROFS_SUPER_AT, EROFS_BLOCK));
	memcpy(sum, &crc, 4);
}

/* Inodes in the order in which they are reached: the root, d, e, d/a, d/b. */
enum { ROOT, D, E, A, B, HEAD, SUPER };

static size_t place_of(const struct image *i, int what)
{
	size_t at = i->area.meta_at + 64;

	if (what == HEAD)
		return 0;
	if (what == SUPER)
		return EROFS_SUPER_AT;
	for (int n = 0; n < what; at += EROFS_SLOT) { /* the next slot that holds an inode number */
		struct erofs_inode in;

		memcpy(&in, i->bytes + at + EROFS_SLOT, sizeof in);
		if (in.ino == htole32((uint32_t)n + 2) && in.nlink)
			n++;
	}
	return at;
}

#define INODE(member) offsetof(struct erofs_inode, member)
#define DIRENT(n, member) \
	(sizeof(struct erofs_inode) + (n) * sizeof(struct erofs_dirent) + offsetof(struct erofs_dirent, member))
#define AFTER sizeof(struct erofs_inode)

static void damage_rows(void)
{
	static const struct {
		int what;
		size_t at;
		const char *bytes;
		size_t n;
		const char *error;
	} rows[] = {
		{HEAD, 0, "E", 1, "not a layer file"},
		{HEAD, 16, "\2", 1, "version 2"},
		{HEAD, 24, "\377", 1, "do not fit"},
		{SUPER, offsetof(struct erofs_super, block_bits), "\14", 1, "not one that estiba writes"},
		{SUPER, offsetof(struct erofs_super, extra_devices), "\1", 1, "not one that estiba writes"},
		{SUPER, offsetof(struct erofs_super, incompat), "\5", 1, "not one that estiba writes"},
		{SUPER, offsetof(struct erofs_super, root_nid), "\0\0", 2, "outside of the metadata"},
		{SUPER, offsetof(struct erofs_super, root_nid), "\377\377", 2, "outside of the metadata"},
		{SUPER, offsetof(struct erofs_super, blocks), "\1", 1, "superblock says"},
		{SUPER, offsetof(struct erofs_super, meta_block), "\0\0\0\0", 4, "superblock says"},
		{ROOT, INODE(mode), "\0\0", 2, "unknown kind"},
		{ROOT, INODE(mode), "\244\201", 2, "layout 2"},
		{ROOT, INODE(format), "\0", 1, "unknown kind"},
		{ROOT, INODE(format), "\7", 1, "layout 3"},
		{ROOT, INODE(size), "\0\2", 2, "leaves its inode's block"},
		{ROOT, INODE(size), "\0\0\0\0\0\0\0\200", 8, "leaves its inode's block"},
		{ROOT, INODE(xattr_count), "\377\377", 2, "attributes outside"},
		{ROOT, INODE(xattr_count), "\1\0", 2, "attributes without any"},
		{ROOT, INODE(nlink), "\0", 1, "cannot be"},
		{ROOT, DIRENT(0, name_at), "\15", 1, "damaged directory block"},
		{ROOT, DIRENT(0, name_at), "\0", 1, "damaged directory block"},
		{ROOT, DIRENT(1, name_at), "\377\377", 2, "outside of its block"},
		{ROOT, DIRENT(2, nid), "\377\377\377\377\377\377\377\377", 8, "outside of the metadata"},
		{ROOT, DIRENT(2, nid), "\2", 1, "two names"},
		{ROOT, DIRENT(2, type), "\1", 1, "not its inode's"},
		{ROOT, DIRENT(0, nid), "\7", 1, "leads somewhere else"},
		{ROOT, DIRENT(4, nid), "/", 1, "cannot be"},
		{ROOT, DIRENT(4, nid) + 3, "\0", 1, "cannot be"},
		{ROOT, DIRENT(4, nid) + 3, "e", 1, "not in order"},
		{D, DIRENT(1, nid), "\5", 1, "leads somewhere else"},
		{E, AFTER + 4, "\1", 1, "shared attributes"},
		{E, AFTER + 12, "\377", 1, "cut short"},
		{E, AFTER + 12 + 1, "\1", 1, "no layer may carry"},
		{E, AFTER + 12 + 4, "overlay.rediry", 14, "no layer may carry"},
		{A, INODE(where), "\7", 1, "data outside"},
		{A, INODE(where), "\377\377\377\377", 4, "data outside"},
		{A, INODE(size), "\0\0\0\1", 4, "data outside"},
		{A, INODE(size), "\377\377\377\377\377\377\377\377", 8, "a file of"},
		{A, INODE(format), "\11", 1, "data outside"},
		{A, INODE(format), "\11\0\0\0\244\201\0\0\0\0\0\0\0\1", 14, "a table of chunks"},
		{A, INODE(format), "\5", 1, "layout 2"},
		{B, INODE(size), "\0", 1, "a link of 0 bytes"},
		{B, INODE(size), "\0\20", 2, "a link of 4096 bytes"},
		{B, AFTER, "\0", 1, "a link with a NUL"},
	};

	for (size_t r = 0; r < ES_N(rows); r++) {
		struct image i;
		size_t at;

		make_image(&i);
		CHECK_OK(check_image(&i));
		at = place_of(&i, rows[r].what) + rows[r].at;
		CHECK(memcmp(i.bytes + at, rows[r].bytes, rows[r].n) != 0);
		memcpy(i.bytes + at, rows[r].bytes, rows[r].n);
		if (rows[r].what == SUPER)
			CHECK_ERR(erofs_check_head(i.bytes, i.n, &i.area), NULL); /* by its checksum alone */
		set_checksum(&i);
		CHECK_ERR(check_image(&i), rows[r].error);
		free(i.bytes);
	}
}

static void cut_short(void)
{
	struct image i;

	make_image(&i);
	CHECK_ERR(erofs_check_head(i.bytes, i.n - EROFS_BLOCK, &i.area), "superblock says");
	CHECK_ERR(erofs_check_head(i.bytes, i.n + 1, &i.area), "superblock says");
	free(i.bytes);
}

CHECK_MAIN(TEST(whole), TEST(damage_rows), TEST(cut_short))

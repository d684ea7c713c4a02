/* SPDX-License-Identifier: Apache-2.0 */
/* tar.h: streaming tar reader and writer: ustar, PAX with xattrs, GNU long names and sparse files. No files, only bytes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

#define TAR_BLOCK 512u
#define TAR_PATH_MAX 4096u             /* bytes of a path or link target, as PATH_MAX with its NUL */
#define TAR_EXTENDED_MAX (1u << 20)    /* bytes of one extended header, as in Go's archive/tar */
#define TAR_SPARSE_MAX (1u << 17)      /* pieces of one sparse file */
#define TAR_XATTR_MAX 1024u            /* extended attributes of one entry */

enum tar_type {
	TAR_FILE,
	TAR_HARDLINK,
	TAR_SYMLINK,
	TAR_CHAR,
	TAR_BLOCK_DEVICE,
	TAR_DIR,
	TAR_FIFO,
	TAR_OTHER, /* a type flag of no meaning here; its data can be skipped */
};

struct tar_xattr {
	const char *name; /* "security.capability" */
	const char *value;
	size_t len;
};
struct tar_piece {
	uint64_t offset, len;
};

/* One entry. What it points to is the reader's and lives until the next tar_next. */
struct tar_entry {
	enum tar_type type;
	char flag;         /* the type byte as it stands */
	const char *path;  /* as written: may be absolute, contain "..", end in "/" */
	const char *link;  /* HARDLINK, SYMLINK; else "" */
	mode_t mode;       /* permission bits, 07777 */
	uint32_t uid, gid;
	uint64_t size;     /* of the file; a sparse file's data is shorter */
	uint64_t data_at;  /* where its data begins in the stream; a multiple of TAR_BLOCK; not for writing */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t dev_major, dev_minor;
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
	const struct tar_piece *pieces; /* sparse: where the data goes, in order; NULL: not sparse */
	size_t n_pieces;
};

/* Reading. The source hands out the stream in chunks of any size, borrowed until its next call; *RET_N 0 is the end. */
struct tar_source {
	es_err *(*read)(void *self, const char **ret_bytes, size_t *ret_n);
	void *self;
};
struct tar_reader;

struct tar_reader *tar_reader_new(struct tar_source source);
void tar_reader_free(struct tar_reader *r); /* NULL is fine */
/* The next entry, or NULL in *RET at the end of the archive (two zero blocks, or the end of the stream between entries).
 * Data of the entry before that nobody read is skipped. Errors: ES_E_INVALID names the offset and what is wrong; those of
 * the source as they are. */
es_err *tar_next(struct tar_reader *r, const struct tar_entry **ret) ES_CHECKED;
/* The next bytes of the current entry, borrowed until the next call; *RET_N is 0 behind the last. A sparse file's pieces
 * follow each other without the holes; *RET_OFFSET is where these bytes belong, and they never cross a hole. */
es_err *tar_data(struct tar_reader *r, const char **ret_bytes, size_t *ret_n, uint64_t *ret_offset) ES_CHECKED;

static inline void tar_reader_free_p(struct tar_reader **r)
{
	tar_reader_free(*r);
	*r = NULL;
}
#define es_autotar es_auto(tar_reader_free_p) struct tar_reader

/* Writing. The bytes depend on the entries only. */
struct tar_sink {
	es_err *(*write)(void *self, const void *bytes, size_t n);
	void *self;
};
struct tar_writer {
	struct tar_sink sink;
	uint64_t left; /* data of the current entry */
	unsigned pad;
};
/* A header: ustar where everything fits, else with a PAX header in front, as Go's archive/tar chooses. Pieces are not
 * written. PATH of a directory should end in "/". Then exactly SIZE bytes of a FILE by tar_write_data. */
es_err *tar_write_header(struct tar_writer *w, const struct tar_entry *e) ES_CHECKED;
es_err *tar_write_data(struct tar_writer *w, const void *bytes, size_t n) ES_CHECKED;
/* Two zero blocks. ES_E_INTERNAL when the last entry's data is short. */
es_err *tar_write_end(struct tar_writer *w) ES_CHECKED;

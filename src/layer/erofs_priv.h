/* SPDX-License-Identifier: Apache-2.0 */
/* erofs_priv.h: the tree in memory, between erofs.c that grows it and erofs_write.c that lays it out. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "layer/erofs.h"

struct erofs_node;

/* A name in a directory. A name stays once it was there; without a node nothing is there (any more). */
struct erofs_name {
	struct erofs_node *dir, *node;
	struct erofs_name *next; /* of the same directory */
	uint32_t hash;
	uint8_t len;
	char text[];
};

struct erofs_attr {
	struct erofs_attr *next;
	uint8_t index, name_len;
	uint16_t value_len;
	const char *value;
	char name[];
};

/* A sparse file's data: pieces of the file, and where in the tar each is. */
struct erofs_piece {
	uint64_t offset, len, tar_at;
};
struct erofs_sparse {
	size_t n;
	unsigned chunk_bits; /* decided by erofs_write: EROFS_BLOCK << bits */
	struct erofs_piece pieces[];
};

/* An inode. What is described as "laid out" is erofs_write's. */
struct erofs_node {
	uint16_t mode;
	bool implied, opaque;
	uint8_t layout;  /* laid out: enum erofs_layout */
	uint32_t uid, gid, nlink;
	uint64_t size;   /* of file and link; of a directory laid out */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t device;
	uint32_t nid, block; /* laid out; nid 0: not reached yet */
	uint32_t n_names;    /* laid out: of a directory, with "." and ".." */
	uint32_t depth;      /* of a directory */
	struct erofs_attr *attrs;
	union {
		struct erofs_node *parent; /* directory; the root's is itself */
		uint64_t data_at;          /* file that is not sparse: in the tar */
	};
	union {
		struct erofs_name *names;    /* directory, newest first */
		struct erofs_name **sorted;  /* directory laid out */
		const char *target;          /* link */
		struct erofs_sparse *sparse; /* file; NULL: not sparse */
	};
};

struct erofs {
	struct arena *a;
	struct arena *scratch; /* for the paths of a few thousand entries at a time */
	struct layer_counts *counts;
	struct erofs_node *root;
	uint32_t n_names, n_nodes, n_dirs;
	uint32_t n_added; /* entries since scratch is new */
	/* All names by directory and text: open addressing, a power of two, at most half full. */
	struct erofs_name **table;
	size_t table_size;
	uint64_t seed; /* of the hash: whoever makes an archive does not know it */
	/* The parent that was used last. It cannot have been replaced: only what lies in it was touched. */
	char *parent_path;
	struct erofs_node *parent;
};

es_err *erofs_check_limits(const struct erofs *w) ES_CHECKED;

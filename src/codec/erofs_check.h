/* SPDX-License-Identifier: Apache-2.0 */
/* erofs_check.h: what privileged code makes sure of before the kernel mounts a layer file that a helper wrote. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "codec/erofs_fmt.h"

/* What the first LAYER_FILE_HEAD bytes say; offsets and sizes in bytes of the file. */
struct erofs_area {
	uint64_t tar_size;
	uint64_t meta_at, meta_size; /* a multiple of EROFS_BLOCK each; at most LAYER_FILE_META_MAX */
	uint16_t root_nid;
	char diff_id[72];
};
struct erofs_totals {
	uint64_t inodes, dirents;
	uint64_t data; /* bytes of all regular files, each inode once */
};

/* HEAD is the first LAYER_FILE_HEAD bytes of a file of FILE_SIZE bytes. ES_E_INVALID: not a layer file that estiba wrote,
 * or a damaged one. */
es_err *erofs_check_head(const void *head, uint64_t file_size, struct erofs_area *ret) ES_CHECKED;
/* META is AREA->meta_size bytes of the file from AREA->meta_at, in memory that nobody else writes. Every inode and
 * directory that can be reached is looked at, in time and memory bounded by the metadata's size:
 *  1. every address and length lies inside the file: inodes, directories, links in the metadata, data behind the head;
 *  2. directories form a tree: each has one name, and ".." leads back;
 *  3. names are sorted, distinct, 1 to 255 bytes, without '/' and NUL; a dirent's type is its inode's;
 *  4. attributes are those that a layer may carry; of overlayfs' own only trusted.overlay.opaque = "y" on a directory.
 * RET may be NULL. ES_E_INVALID says which inode breaks what. */
es_err *erofs_check_meta(const struct erofs_area *area, const void *meta, struct erofs_totals *ret) ES_CHECKED;

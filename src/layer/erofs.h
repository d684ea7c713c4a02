/* SPDX-License-Identifier: Apache-2.0 */
/* erofs.h: the entries of a tar as an EROFS file system over the tar itself (doc/format/layer-file.md). */
#pragma once

#include "codec/erofs_fmt.h"
#include "codec/json.h"
#include "codec/tar.h"
#include "layer/layer.h"

#define EROFS_ENTRIES_MAX 5000000u                  /* names, and inodes; some 200 bytes for one of each */
#define EROFS_MEMORY_MAX ((size_t)1 << 30)          /* bytes of them, their texts, attributes and sparse maps */
#define EROFS_DEPTH_MAX 4096u                       /* directories below each other */
#define EROFS_SPARSE_CHUNKS_MAX ((uint64_t)1 << 20) /* of one sparse file */
#define EROFS_COPY_MAX ((uint64_t)64 << 20)         /* bytes of sparse files whose pieces do not lie on blocks */

/* What erofs_write made. */
struct erofs_result {
	uint64_t meta_at, file_size; /* bytes */
	uint64_t inodes;
};
struct erofs;

/* A tree with nothing but its root, to be filled by the entries of a layer's tar in their order, in overlay form: what
 * unpack_all makes in a directory, by the same rules. COUNTS is borrowed. */
struct erofs *erofs_new(struct layer_counts *counts);
void erofs_free(struct erofs *w); /* NULL is fine */
/* Reads no data: E->data_at says where it is. ES_E_INVALID what is wrong with the archive, ES_E_LIMIT one of the maxima
 * above. */
es_err *erofs_add(struct erofs *w, const struct tar_entry *e) ES_CHECKED;
/* Append to IMPLIED (strings in A) the directories that no entry describes, sorted, "." for the root. ES_E_LIMIT:
 * LAYER_IMPLIED_MAX. */
es_err *erofs_implied(struct erofs *w, struct arena *a, struct json *implied) ES_CHECKED;
/* FD is a regular file, open for reading and writing, that has TAR_SIZE bytes of the tar from LAYER_FILE_HEAD on: write
 * the metadata behind them, then the head. The file system's UUID is made of DIFF_ID ("sha256:…"), so that the same tar
 * gives the same file. Once only. */
es_err *erofs_write(struct erofs *w, int fd, uint64_t tar_size, const char *diff_id, struct erofs_result *ret) ES_CHECKED;

static inline void erofs_free_p(struct erofs **w)
{
	erofs_free(*w);
	*w = NULL;
}
#define es_autoerofs es_auto(erofs_free_p) struct erofs

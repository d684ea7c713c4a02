/* SPDX-License-Identifier: Apache-2.0 */
/* tar_priv.h: the block on the tape, shared by the tar reader and writer. */
#pragma once

#include "codec/tar.h"

/* POSIX.1-1988 ustar; GNU uses the prefix for other things. */
struct tar_block {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char sum[8];
	char flag;
	char link[100];
	char magic[6]; /* "ustar\0" POSIX, "ustar " GNU */
	char version[2];
	char uname[32];
	char gname[32];
	char dev_major[8];
	char dev_minor[8];
	char prefix[155];
	char pad[12];
};
_Static_assert(sizeof(struct tar_block) == TAR_BLOCK, "a tar block has 512 bytes");

/* Old GNU sparse files keep their map in the place of the prefix. */
struct tar_gnu_piece {
	char offset[12];
	char len[12];
};
struct tar_gnu_sparse {
	char before[386];
	struct tar_gnu_piece pieces[4];
	char extended;
	char real_size[12];
	char pad[17];
};
_Static_assert(sizeof(struct tar_gnu_sparse) == TAR_BLOCK, "a tar block has 512 bytes");
struct tar_gnu_more {
	struct tar_gnu_piece pieces[21];
	char extended;
	char pad[7];
};
_Static_assert(sizeof(struct tar_gnu_more) == TAR_BLOCK, "a tar block has 512 bytes");

#define TAR_XATTR_PREFIX "SCHILY.xattr."

/* The sum of all bytes, those of the sum itself counted as blanks. */
unsigned tar_sum(const struct tar_block *b);

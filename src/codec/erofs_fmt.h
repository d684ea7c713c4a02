/* SPDX-License-Identifier: Apache-2.0 */
/* erofs_fmt.h: EROFS as it lies on disk: the part of it that layer files use (doc/format/layer-file.md). */
#pragma once

#include <endian.h>
#include <stddef.h>
#include <stdint.h>

/* Source: Linux, Documentation/filesystems/erofs.rst, and the kernel's behaviour from 6.4 on. Every number is
 * little-endian; a node id ("nid") counts slots of 32 bytes from the start of the metadata. */
#define EROFS_MAGIC 0xe0f5e1e2u
#define EROFS_SUPER_AT 1024u
#define EROFS_BLOCK_BITS 9
#define EROFS_BLOCK (1u << EROFS_BLOCK_BITS) /* a tar's unit */
#define EROFS_SLOT 32u
#define EROFS_NAME_MAX 255u
#define EROFS_NULL_BLOCK UINT32_MAX /* a chunk that is a hole */

#define EROFS_COMPAT_CHECKSUM 0x1u
#define EROFS_COMPAT_MTIME 0x2u
#define EROFS_INCOMPAT_CHUNKS 0x4u

struct erofs_super {
	uint32_t magic;
	uint32_t checksum; /* CRC-32C of this block from the superblock on, this field being 0 */
	uint32_t compat;
	uint8_t block_bits;
	uint8_t ext_slots;
	uint16_t root_nid;
	uint64_t inodes;
	uint64_t build_time_s;
	uint32_t build_time_ns;
	uint32_t blocks; /* of the file system */
	uint32_t meta_block;
	uint32_t xattr_block; /* of shared attributes: none here */
	uint8_t uuid[16];
	uint8_t volume_name[16];
	uint32_t incompat;
	uint16_t compression;
	uint16_t extra_devices;
	uint16_t device_slot;
	uint8_t dir_block_bits; /* added to block_bits */
	uint8_t xattr_prefixes;
	uint32_t xattr_prefix_start;
	uint64_t packed_nid;
	uint8_t xattr_filter;
	uint8_t reserved[23];
};
_Static_assert(sizeof(struct erofs_super) == 128, "superblock");

/* Where an inode's data is. */
enum erofs_layout {
	EROFS_PLAIN = 0,  /* blocks in a row */
	EROFS_INLINE = 2, /* blocks in a row, the rest of less than one behind the inode, in the inode's block */
	EROFS_CHUNKS = 4, /* chunks of a power of two of blocks; a table of addresses behind the inode */
};

/* The extended inode, the only kind that has a time and ids above 65535. Attributes follow, then the rest of an INLINE or
 * the table of a CHUNKS inode. */
struct erofs_inode {
	uint16_t format;      /* EROFS_FORMAT(layout) */
	uint16_t xattr_count; /* 0: none; else 1 + bytes of the entries / 4 */
	uint16_t mode;
	uint16_t reserved;
	uint64_t size;
	uint32_t where; /* first block, or device number, or EROFS_CHUNK_BITS of a CHUNKS inode */
	uint32_t ino;   /* for 32-bit stat */
	uint32_t uid, gid;
	uint64_t mtime_s; /* two's complement */
	uint32_t mtime_ns;
	uint32_t nlink;
	uint8_t reserved2[16];
};
_Static_assert(sizeof(struct erofs_inode) == 64, "inode");
#define EROFS_FORMAT(layout) (uint16_t)((layout) << 1 | 1)
#define EROFS_CHUNK_BITS 0x1fu /* a chunk has EROFS_BLOCK << bits bytes */

struct erofs_xattr_head {
	uint32_t filter; /* unused without its feature */
	uint8_t shared;
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct erofs_xattr_head) == 12, "attributes");

/* Followed by the rest of the name, the value, and zeros to a multiple of 4. */
struct erofs_xattr {
	uint8_t name_len;
	uint8_t index; /* what the name begins with */
	uint16_t value_len;
};
_Static_assert(sizeof(struct erofs_xattr) == 4, "attribute");
enum erofs_xattr_index {
	EROFS_XATTR_USER = 1,        /* "user." */
	EROFS_XATTR_ACL = 2,         /* "system.posix_acl_access", and no rest */
	EROFS_XATTR_DEFAULT_ACL = 3, /* "system.posix_acl_default", and no rest */
	EROFS_XATTR_TRUSTED = 4,     /* "trusted." */
	EROFS_XATTR_SECURITY = 6,    /* "security." */
};
#define EROFS_XATTR_SIZE(name_len, value_len) (((size_t)4 + (name_len) + (value_len) + 3) & ~(size_t)3)

/* A directory is a list of blocks; each has its dirents first, then their names, both in the order of the names' bytes
 * over the whole directory, "." and ".." among them. The first dirent's name offset tells how many there are; a name
 * ends where the next one begins, the last one at a NUL or where the block (of the last block: the directory) ends. */
struct erofs_dirent {
	uint64_t nid;
	uint16_t name_at;
	uint8_t type;
	uint8_t reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_dirent) == 12, "dirent");
enum erofs_type {
	EROFS_T_FILE = 1,
	EROFS_T_DIR,
	EROFS_T_CHAR,
	EROFS_T_BLOCK,
	EROFS_T_FIFO,
	EROFS_T_SOCKET,
	EROFS_T_LINK,
};

/* The first bytes of a layer file, in front of the superblock, where the kernel looks at nothing. */
#define LAYER_FILE_MAGIC "estiba layer\n"
#define LAYER_FILE_VERSION 1u
#define LAYER_FILE_HEAD 4096u /* bytes before the tar */
struct layer_file_head {
	char magic[16];
	uint32_t version;
	uint32_t reserved;
	uint64_t tar_size; /* bytes of the tar, which begins at LAYER_FILE_HEAD */
	char diff_id[72];  /* "sha256:…" of the tar, NULs */
};
_Static_assert(sizeof(struct layer_file_head) == 104, "head");

#define LAYER_FILE_META_MAX ((uint64_t)1 << 30) /* bytes of metadata, what was copied for sparse files included */

/* CRC-32C (Castagnoli), reflected, from all ones, not inverted at the end: what the superblock's checksum is. */
static inline uint32_t erofs_crc32c(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint32_t crc = UINT32_MAX;

	while (n-- > 0) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

/* What a mode is in a dirent; 0: nothing that a file system has. */
static inline uint8_t erofs_type_of(unsigned mode)
{
	static const uint8_t types[16] = {
		[010] = EROFS_T_FILE, [004] = EROFS_T_DIR,  [002] = EROFS_T_CHAR, [006] = EROFS_T_BLOCK,
		[001] = EROFS_T_FIFO, [014] = EROFS_T_SOCKET, [012] = EROFS_T_LINK,
	};

	return types[mode >> 12 & 15];
}

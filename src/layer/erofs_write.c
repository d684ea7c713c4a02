/* SPDX-License-Identifier: Apache-2.0 */
/* erofs_write.c: the tree in memory as metadata behind a tar: every place is decided first, then written in one go. */
#include <inttypes.h>
#include <sys/stat.h>

#include "base/str.h"
#include "layer/erofs.h"
#include "layer/erofs_priv.h"

/* The metadata is, in this order: nothing in its first slots (a nid of 0 would be an inode number of 0, which C
 * libraries take for a removed name); inodes with what follows them, directories before what they hold, the root first,
 * since its nid has 16 bits; from the next block on what needs whole blocks: directories, long links, copied chunks. */
#define FIRST_AT 64u
#define INLINE_MAX 448u /* inode, attributes and rest; more is better off in blocks of its own */
#define OUT_SIZE 65536u
#define OPAQUE_NAME "overlay.opaque"

struct plan {
	struct erofs *w;
	struct erofs_node **nodes; /* as they are reached, breadth first: a directory's inodes side by side */
	size_t n;
	struct erofs_name **names; /* of all directories, sorted within each */
	size_t n_names;
	uint64_t meta_at;          /* bytes of the file */
	uint64_t inodes_end, end;  /* bytes of the metadata */
	uint64_t copied;
};

/* Output that gathers and remembers its first failure. */
struct out {
	int fd;
	uint64_t at; /* of the file, where BYTES goes */
	size_t n;
	es_err *err;
	uint8_t bytes[OUT_SIZE];
};

static es_err *pwrite_all(int fd, const void *bytes, size_t n, uint64_t at)
{
	for (size_t done = 0; done < n;) {
		ssize_t w = pwrite(fd, (const char *)bytes + done, n - done, (off_t)(at + done));

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return es_err_sys(errno, "write the layer file");
		done += (size_t)w;
	}
	return NULL;
}

static void out_flush(struct out *o)
{
	if (!o->err)
		o->err = pwrite_all(o->fd, o->bytes, o->n, o->at);
	o->at += o->n;
	o->n = 0;
}

/* BYTES NULL: zeros. */
static void out_add(struct out *o, const void *bytes, uint64_t n)
{
	while (n > 0) {
		size_t here = OUT_SIZE - o->n;

		if (here > n)
			here = (size_t)n;
		if (bytes) {
			memcpy(o->bytes + o->n, bytes, here);
			bytes = (const char *)bytes + here;
		} else {
			memset(o->bytes + o->n, 0, here);
		}
		o->n += here;
		n -= here;
		if (o->n == OUT_SIZE)
			out_flush(o);
	}
}

static void out_pad_to(struct out *o, uint64_t at)
{
	out_add(o, NULL, at - (o->at + o->n));
}

static uint64_t up_to(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/* Order */

static int by_name(const void *x, const void *y)
{
	const struct erofs_name *a = *(struct erofs_name *const *)x, *b = *(struct erofs_name *const *)y;
	int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);

	return order ? order : a->len - b->len;
}

static struct erofs_name *dots(struct plan *p, struct erofs_node *dir, uint8_t len)
{
	struct erofs_name *n = arena_alloc(p->w->a, sizeof *n + len);

	n->node = len == 1 ? dir : dir->parent;
	n->len = len;
	memset(n->text, '.', len);
	return n;
}

/* The names of DIR in order; what they lead to is reached. */
static void reach(struct plan *p, struct erofs_node *dir)
{
	struct erofs_name **first = p->names + p->n_names;
	size_t n = 2;

	first[0] = dots(p, dir, 1);
	first[1] = dots(p, dir, 2);
	for (struct erofs_name *name = dir->names; name; name = name->next)
		if (name->node)
			first[n++] = name;
	qsort(first, n, sizeof *first, by_name);
	dir->sorted = first;
	dir->n_names = (uint32_t)n;
	dir->nlink = 2;
	p->n_names += n;
	for (size_t i = 0; i < n; i++) {
		struct erofs_node *node = first[i]->node;

		if (!first[i]->dir)
			continue; /* "." or ".." */
		if (S_ISDIR(node->mode))
			dir->nlink++;
		if (S_ISDIR(node->mode) || node->nlink++ == 0)
			p->nodes[p->n++] = node;
	}
}

/* Sizes */

static size_t attrs_size(const struct erofs_node *n)
{
	size_t size = n->opaque ? EROFS_XATTR_SIZE(sizeof OPAQUE_NAME - 1, 1) : 0;

	for (const struct erofs_attr *a = n->attrs; a; a = a->next)
		size += EROFS_XATTR_SIZE(a->name_len, a->value_len);
	return size ? size + sizeof(struct erofs_xattr_head) : 0;
}

/* How many names from NAMES on fit into one block; their bytes in *RET_SIZE. */
static size_t block_of_names(struct erofs_name *const *names, size_t n, size_t *ret_size)
{
	size_t size = 0, i = 0;

	for (; i < n && size + sizeof(struct erofs_dirent) + names[i]->len <= EROFS_BLOCK; i++)
		size += sizeof(struct erofs_dirent) + names[i]->len;
	*ret_size = size;
	return i;
}

static uint64_t dir_size(const struct erofs_node *dir)
{
	uint64_t blocks = 0;
	size_t size = 0;

	for (size_t i = 0; i < dir->n_names; blocks++)
		i += block_of_names(dir->sorted + i, dir->n_names - i, &size);
	return (blocks - 1) * EROFS_BLOCK + size;
}

/* Sparse files */

/* Chunks are as large as the pieces allow, and large enough that there are not too many. */
static es_err *choose_chunks(const struct erofs_node *n, struct erofs_sparse *s)
{
	uint64_t edges = 0;

	for (size_t i = 0; i < s->n; i++) {
		uint64_t end = s->pieces[i].offset + s->pieces[i].len;

		edges |= s->pieces[i].offset | (end == n->size ? 0 : end) | (s->pieces[i].tar_at % EROFS_BLOCK);
	}
	s->chunk_bits = 0;
	while (s->chunk_bits < 20 && !(edges & (((uint64_t)EROFS_BLOCK << (s->chunk_bits + 1)) - 1)))
		s->chunk_bits++;
	while (s->chunk_bits <= EROFS_CHUNK_BITS && n->size > EROFS_SPARSE_CHUNKS_MAX * EROFS_BLOCK << s->chunk_bits)
		s->chunk_bits++;
	if (s->chunk_bits > EROFS_CHUNK_BITS)
		return es_err_new(ES_E_LIMIT, "a sparse file of %" PRIu64 " bytes", n->size);
	return NULL;
}

static uint64_t chunk_size(const struct erofs_sparse *s)
{
	return (uint64_t)EROFS_BLOCK << s->chunk_bits;
}

static uint64_t n_chunks(const struct erofs_node *n)
{
	return up_to(n->size, chunk_size(n->sparse)) >> (EROFS_BLOCK_BITS + n->sparse->chunk_bits);
}

enum chunk_kind { CHUNK_HOLE, CHUNK_IN_TAR, CHUNK_COPY };

/* Chunks are asked for in order; *PIECE is where the search goes on. */
static enum chunk_kind chunk_kind(const struct erofs_node *n, uint64_t chunk, size_t *piece, uint64_t *ret_tar_at)
{
	const struct erofs_sparse *s = n->sparse;
	uint64_t from = chunk * chunk_size(s), to = from + chunk_size(s);
	const struct erofs_piece *p;

	if (to > n->size)
		to = n->size;
	while (*piece < s->n && s->pieces[*piece].offset + s->pieces[*piece].len <= from)
		++*piece;
	if (*piece == s->n || s->pieces[*piece].offset >= to)
		return CHUNK_HOLE;
	p = &s->pieces[*piece];
	if (p->offset > from || p->offset + p->len < to || (p->tar_at + from - p->offset) % EROFS_BLOCK)
		return CHUNK_COPY;
	*ret_tar_at = p->tar_at + from - p->offset;
	return CHUNK_IN_TAR;
}

static uint64_t copy_size(const struct erofs_node *n, uint64_t chunk)
{
	uint64_t left = n->size - chunk * chunk_size(n->sparse);

	return up_to(left < chunk_size(n->sparse) ? left : chunk_size(n->sparse), EROFS_BLOCK);
}

static es_err *plan_sparse(struct plan *p, struct erofs_node *n, uint64_t *ret_copied)
{
	uint64_t tar_at;
	size_t piece = 0;

	*ret_copied = 0;
	for (uint64_t i = 0, chunks = n_chunks(n); i < chunks; i++)
		if (chunk_kind(n, i, &piece, &tar_at) == CHUNK_COPY)
			*ret_copied += copy_size(n, i);
	if (*ret_copied > EROFS_COPY_MAX - p->copied)
		return es_err_new(ES_E_LIMIT, "more than %" PRIu64 " bytes of sparse files do not lie on blocks",
				  EROFS_COPY_MAX);
	p->copied += *ret_copied;
	return NULL;
}

/* Places */

/* What follows inode and attributes of N: bytes of a rest that must not leave the inode's block, or of a table. */
static es_err *choose_layout(struct erofs_node *n, size_t *ret_follows)
{
	size_t before = sizeof(struct erofs_inode) + attrs_size(n);
	uint64_t rest = n->size % EROFS_BLOCK;
	bool may_be_inline = S_ISDIR(n->mode) || (S_ISLNK(n->mode) && n->size < EROFS_BLOCK);

	*ret_follows = 0;
	n->layout = EROFS_PLAIN;
	if (S_ISREG(n->mode) && n->sparse) {
		ES_TRY(choose_chunks(n, n->sparse));
		n->layout = EROFS_CHUNKS;
		*ret_follows = (size_t)n_chunks(n) * 4;
	} else if (may_be_inline && rest > 0 && before + rest <= INLINE_MAX) {
		n->layout = EROFS_INLINE;
		*ret_follows = (size_t)rest;
	}
	return NULL;
}

static es_err *place_inode(struct plan *p, struct erofs_node *n)
{
	size_t before = sizeof(struct erofs_inode) + attrs_size(n), follows;

	if (before > UINT16_MAX * 4u)
		return es_err_new(ES_E_LIMIT, "attributes of one file of %zu bytes", before);
	ES_TRY(choose_layout(n, &follows));
	if (n->layout == EROFS_INLINE && p->end % EROFS_BLOCK + before + follows > EROFS_BLOCK)
		p->end = up_to(p->end, EROFS_BLOCK);
	n->nid = (uint32_t)(p->end / EROFS_SLOT);
	p->end = up_to(p->end + before + follows, EROFS_SLOT);
	if (p->end > LAYER_FILE_META_MAX)
		return es_err_new(ES_E_LIMIT, "metadata of more than %" PRIu64 " bytes", LAYER_FILE_META_MAX);
	return NULL;
}

static uint64_t whole_blocks(const struct erofs_node *n)
{
	return n->layout == EROFS_INLINE ? n->size / EROFS_BLOCK * EROFS_BLOCK : up_to(n->size, EROFS_BLOCK);
}

static es_err *place_blocks(struct plan *p, struct erofs_node *n)
{
	uint64_t bytes = 0;

	n->block = 0;
	if (S_ISREG(n->mode) && n->sparse)
		ES_TRY(plan_sparse(p, n, &bytes));
	else if (S_ISDIR(n->mode) || S_ISLNK(n->mode))
		bytes = whole_blocks(n);
	else if (S_ISREG(n->mode) && n->size > 0)
		n->block = (uint32_t)((LAYER_FILE_HEAD + n->data_at) >> EROFS_BLOCK_BITS);
	if (bytes > 0)
		n->block = (uint32_t)((p->meta_at + p->end) >> EROFS_BLOCK_BITS);
	p->end += bytes;
	if (p->end > LAYER_FILE_META_MAX)
		return es_err_new(ES_E_LIMIT, "metadata of more than %" PRIu64 " bytes", LAYER_FILE_META_MAX);
	return NULL;
}

static es_err *make_plan(struct plan *p)
{
	p->nodes[p->n++] = p->w->root;
	for (size_t i = 0; i < p->n; i++)
		if (S_ISDIR(p->nodes[i]->mode)) {
			reach(p, p->nodes[i]);
			p->nodes[i]->size = dir_size(p->nodes[i]);
		}
	p->end = FIRST_AT;
	for (size_t i = 0; i < p->n; i++)
		ES_TRY(place_inode(p, p->nodes[i]));
	p->inodes_end = p->end = up_to(p->end, EROFS_BLOCK);
	for (size_t i = 0; i < p->n; i++)
		ES_TRY(place_blocks(p, p->nodes[i]));
	return NULL;
}

/* Bytes */

static void put_attr(struct out *o, enum erofs_xattr_index index, const char *name, size_t name_len, const char *value,
		     size_t value_len)
{
	struct erofs_xattr x = {(uint8_t)name_len, (uint8_t)index, htole16((uint16_t)value_len)};

	out_add(o, &x, sizeof x);
	out_add(o, name, name_len);
	out_add(o, value, value_len);
	out_add(o, NULL, EROFS_XATTR_SIZE(name_len, value_len) - sizeof x - name_len - value_len);
}

static void put_attrs(struct out *o, const struct erofs_node *n)
{
	if (!n->attrs && !n->opaque)
		return;
	out_add(o, NULL, sizeof(struct erofs_xattr_head));
	if (n->opaque)
		put_attr(o, EROFS_XATTR_TRUSTED, OPAQUE_NAME, sizeof OPAQUE_NAME - 1, "y", 1);
	for (const struct erofs_attr *a = n->attrs; a; a = a->next)
		put_attr(o, a->index, a->name, a->name_len, a->value, a->value_len);
}

/* One block of names, without the zeros behind them. */
static void put_names(struct out *o, struct erofs_name *const *names, size_t n)
{
	size_t at = n * sizeof(struct erofs_dirent);

	for (size_t i = 0; i < n; at += names[i++]->len) {
		struct erofs_dirent d = {
			.nid = htole64(names[i]->node->nid),
			.name_at = htole16((uint16_t)at),
			.type = erofs_type_of(names[i]->node->mode),
		};

		out_add(o, &d, sizeof d);
	}
	for (size_t i = 0; i < n; i++)
		out_add(o, names[i]->text, names[i]->len);
}

/* WHOLE: the blocks of a directory; else the rest that is behind its inode. */
static void put_dir(struct out *o, const struct erofs_node *dir, bool whole)
{
	uint64_t left = whole ? whole_blocks(dir) : dir->size;
	size_t size;

	for (size_t i = 0, n; i < dir->n_names; i += n) {
		n = block_of_names(dir->sorted + i, dir->n_names - i, &size);
		if (whole && left > 0) {
			put_names(o, dir->sorted + i, n);
			out_add(o, NULL, EROFS_BLOCK - size);
			left -= EROFS_BLOCK;
		} else if (!whole && i + n == dir->n_names) {
			put_names(o, dir->sorted + i, n);
		}
	}
}

static void put_chunks(struct out *o, const struct erofs_node *n)
{
	uint32_t copy = n->block;
	uint64_t tar_at = 0;
	size_t piece = 0;

	for (uint64_t i = 0, chunks = n_chunks(n); i < chunks; i++) {
		uint32_t where = EROFS_NULL_BLOCK;

		switch (chunk_kind(n, i, &piece, &tar_at)) {
		case CHUNK_HOLE:
			break;
		case CHUNK_IN_TAR:
			where = (uint32_t)((LAYER_FILE_HEAD + tar_at) >> EROFS_BLOCK_BITS);
			break;
		case CHUNK_COPY:
			where = copy;
			copy += (uint32_t)(copy_size(n, i) >> EROFS_BLOCK_BITS);
			break;
		}
		where = htole32(where);
		out_add(o, &where, sizeof where);
	}
}

static uint32_t where_of(const struct erofs_node *n)
{
	if (S_ISCHR(n->mode) || S_ISBLK(n->mode))
		return n->device;
	return n->layout == EROFS_CHUNKS ? n->sparse->chunk_bits : n->block;
}

static void put_inode(struct out *o, const struct plan *p, size_t number)
{
	const struct erofs_node *n = p->nodes[number];
	size_t attrs = attrs_size(n);
	struct erofs_inode i = {
		.format = htole16(EROFS_FORMAT(n->layout)),
		.xattr_count = htole16(attrs ? (uint16_t)((attrs - sizeof(struct erofs_xattr_head)) / 4 + 1) : 0),
		.mode = htole16(n->mode),
		.size = htole64(n->size),
		.where = htole32(where_of(n)),
		.ino = htole32((uint32_t)number + 1),
		.uid = htole32(n->uid),
		.gid = htole32(n->gid),
		.mtime_s = htole64((uint64_t)n->mtime_s),
		.mtime_ns = htole32(n->mtime_ns),
		.nlink = htole32(n->nlink),
	};

	out_pad_to(o, p->meta_at + (uint64_t)n->nid * EROFS_SLOT);
	out_add(o, &i, sizeof i);
	put_attrs(o, n);
	if (n->layout == EROFS_CHUNKS)
		put_chunks(o, n);
	else if (n->layout == EROFS_INLINE && S_ISDIR(n->mode))
		put_dir(o, n, false);
	else if (n->layout == EROFS_INLINE)
		out_add(o, n->target, n->size);
}

/* The bytes [FROM, TO) of the tar, read back. */
static void put_tar(struct out *o, uint64_t from, uint64_t to)
{
	char bytes[16384];

	while (from < to && !o->err) {
		size_t want = to - from < sizeof bytes ? (size_t)(to - from) : sizeof bytes;
		ssize_t n = pread(o->fd, bytes, want, (off_t)(LAYER_FILE_HEAD + from));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			o->err = es_err_sys(n < 0 ? errno : EIO, "read the tar of the layer file");
			return;
		}
		out_add(o, bytes, (uint64_t)n);
		from += (uint64_t)n;
	}
}

static void put_copies(struct out *o, const struct erofs_node *n)
{
	const struct erofs_sparse *s = n->sparse;
	uint64_t tar_at;
	size_t piece = 0;

	for (uint64_t i = 0, chunks = n_chunks(n); i < chunks; i++) {
		uint64_t at = i * chunk_size(s), end = at + copy_size(n, i);

		if (chunk_kind(n, i, &piece, &tar_at) != CHUNK_COPY)
			continue;
		for (size_t k = piece; k < s->n && s->pieces[k].offset < end; k++) {
			const struct erofs_piece *p = &s->pieces[k];
			uint64_t from = p->offset > at ? p->offset : at;
			uint64_t to = p->offset + p->len < end ? p->offset + p->len : end;

			out_add(o, NULL, from - at);
			put_tar(o, p->tar_at + from - p->offset, p->tar_at + to - p->offset);
			at = to;
		}
		out_add(o, NULL, end - at);
	}
}

static void put_blocks(struct out *o, const struct erofs_node *n)
{
	if (S_ISDIR(n->mode)) {
		put_dir(o, n, true);
	} else if (S_ISLNK(n->mode) && n->layout == EROFS_PLAIN) {
		out_add(o, n->target, n->size);
		out_add(o, NULL, whole_blocks(n) - n->size);
	} else if (S_ISREG(n->mode) && n->sparse) {
		put_copies(o, n);
	}
}

/* Head */

/* The digest's first 16 bytes, marked as a UUID of version 8 (RFC 9562: made by a rule of one's own). */
static void uuid_of(const char *diff_id, uint8_t uuid[16])
{
	const char *hex = strchr(diff_id, ':');
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; hex && i < 32 && hex[i + 1]; i++) {
		const char *d = strchr(digits, hex[i + 1]);

		uuid[i / 2] = (uint8_t)(uuid[i / 2] << 4 | (d ? d - digits : 0));
	}
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

static es_err *put_head(const struct plan *p, int fd, uint64_t tar_size, const char *diff_id, uint64_t size)
{
	uint8_t head[LAYER_FILE_HEAD] = {0};
	struct layer_file_head h = {
		.magic = LAYER_FILE_MAGIC,
		.version = htole32(LAYER_FILE_VERSION),
		.tar_size = htole64(tar_size),
	};
	struct erofs_super s = {
		.magic = htole32(EROFS_MAGIC),
		.compat = htole32(EROFS_COMPAT_CHECKSUM | EROFS_COMPAT_MTIME),
		.block_bits = EROFS_BLOCK_BITS,
		.root_nid = htole16((uint16_t)p->w->root->nid),
		.inodes = htole64(p->n),
		.blocks = htole32((uint32_t)(size >> EROFS_BLOCK_BITS)),
		.meta_block = htole32((uint32_t)(p->meta_at >> EROFS_BLOCK_BITS)),
		.incompat = htole32(EROFS_INCOMPAT_CHUNKS),
	};

	if (strlen(diff_id) >= sizeof h.diff_id)
		return es_err_new(ES_E_INTERNAL, "digest %s", diff_id);
	memcpy(h.diff_id, diff_id, strlen(diff_id));
	uuid_of(diff_id, s.uuid);
	memcpy(head, &h, sizeof h);
	memcpy(head + EROFS_SUPER_AT, &s, sizeof s);
	s.checksum = htole32(erofs_crc32c(head + EROFS_SUPER_AT, EROFS_BLOCK));
	memcpy(head + EROFS_SUPER_AT, &s, sizeof s);
	return pwrite_all(fd, head, sizeof head, 0);
}

static es_err *put_all(const struct plan *p, int fd, uint64_t size)
{
	es_autofree struct out *o = es_xmalloc(sizeof *o);

	*o = (struct out){.fd = fd, .at = p->meta_at};
	for (size_t i = 0; i < p->n; i++)
		put_inode(o, p, i);
	out_pad_to(o, p->meta_at + p->inodes_end);
	for (size_t i = 0; i < p->n; i++)
		put_blocks(o, p->nodes[i]);
	out_pad_to(o, size);
	out_flush(o);
	return o->err;
}

es_err *erofs_write(struct erofs *w, int fd, uint64_t tar_size, const char *diff_id, struct erofs_result *ret)
{
	struct plan p = {.w = w, .meta_at = up_to(LAYER_FILE_HEAD + tar_size, EROFS_BLOCK)};
	uint64_t size;
	es_err *err;

	p.nodes = es_xcalloc(w->n_nodes, sizeof(struct erofs_node *));
	p.names = es_xcalloc((size_t)w->n_names + (size_t)w->n_dirs * 2, sizeof(struct erofs_name *));
	err = make_plan(&p);
	size = p.meta_at + p.end;
	if (!err && size >> EROFS_BLOCK_BITS >= UINT32_MAX)
		err = es_err_new(ES_E_LIMIT, "a layer file of %" PRIu64 " bytes", size);
	if (!err)
		err = put_all(&p, fd, size);
	if (!err)
		err = put_head(&p, fd, tar_size, diff_id, size);
	if (!err)
		*ret = (struct erofs_result){.meta_at = p.meta_at, .file_size = size, .inodes = p.n};
	free(p.nodes);
	free(p.names);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* erofs_check.c: a walk over metadata that may be anything, from memory, without recursion. */
#include "codec/erofs_check.h"

#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/str.h"

struct check {
	const struct erofs_area *area;
	const uint8_t *meta;
	uint64_t used;  /* bytes of the metadata that are claimed: none twice, so there is an end to them */
	uint8_t *seen;  /* a bit per slot: an inode that was looked at */
	uint64_t *todo; /* directories: nid, nid of the parent */
	size_t n_todo, cap_todo;
	struct erofs_totals totals;
};

/* An inode, taken apart and found inside the metadata. */
struct view {
	uint64_t nid, at; /* AT: bytes from the metadata's start */
	unsigned mode, layout;
	uint64_t size;
	uint32_t where;
	uint64_t tail; /* what follows inode and attributes, as AT */
};

static es_err *wrong(uint64_t nid, const char *fmt, ...) ES_PRINTF(2, 3) ES_CHECKED;
static es_err *wrong(uint64_t nid, const char *fmt, ...)
{
	es_autofree char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = es_xvasprintf(fmt, ap);
	va_end(ap);
	return es_err_new(ES_E_INVALID, "layer file: inode %" PRIu64 ": %s", nid, what);
}

/* Head */

static es_err *check_super(const struct erofs_super *s)
{
	const struct erofs_super want = {
		.magic = htole32(EROFS_MAGIC),
		.checksum = s->checksum,
		.compat = htole32(EROFS_COMPAT_CHECKSUM | EROFS_COMPAT_MTIME),
		.block_bits = EROFS_BLOCK_BITS,
		.incompat = htole32(EROFS_INCOMPAT_CHUNKS),
		.root_nid = s->root_nid,
		.inodes = s->inodes,
		.blocks = s->blocks,
		.meta_block = s->meta_block,
	};
	struct erofs_super got = *s;

	memset(got.uuid, 0, sizeof got.uuid);
	if (memcmp(&got, &want, sizeof want) != 0)
		return es_err_new(ES_E_INVALID, "layer file: the superblock is not one that estiba writes");
	return NULL;
}

static es_err *check_sum(const uint8_t *head, const struct erofs_super *s)
{
	uint8_t block[EROFS_BLOCK];

	memcpy(block, head + EROFS_SUPER_AT, sizeof block);
	memset(block + offsetof(struct erofs_super, checksum), 0, sizeof s->checksum);
	if (erofs_crc32c(block, sizeof block) != le32toh(s->checksum))
		return es_err_new(ES_E_INVALID, "layer file: the superblock's checksum does not match");
	return NULL;
}

es_err *erofs_check_head(const void *head, uint64_t file_size, struct erofs_area *ret)
{
	struct layer_file_head h;
	struct erofs_super s;
	struct erofs_area a;
	uint64_t size;

	memcpy(&h, head, sizeof h);
	memcpy(&s, (const uint8_t *)head + EROFS_SUPER_AT, sizeof s);
	if (memcmp(h.magic, LAYER_FILE_MAGIC, sizeof LAYER_FILE_MAGIC) != 0)
		return es_err_new(ES_E_INVALID, "not a layer file, or one that was not finished");
	if (le32toh(h.version) != LAYER_FILE_VERSION)
		return es_err_new(ES_E_INVALID, "layer file of version %" PRIu32, le32toh(h.version));
	if (!memchr(h.diff_id, '\0', sizeof h.diff_id))
		return es_err_new(ES_E_INVALID, "layer file: its head is damaged");
	ES_TRY(check_super(&s));
	ES_TRY(check_sum(head, &s));
	a = (struct erofs_area){
		.tar_size = le64toh(h.tar_size),
		.meta_at = (uint64_t)le32toh(s.meta_block) << EROFS_BLOCK_BITS,
		.root_nid = le16toh(s.root_nid),
	};
	memcpy(a.diff_id, h.diff_id, sizeof a.diff_id);
	size = (uint64_t)le32toh(s.blocks) << EROFS_BLOCK_BITS;
	if (size != file_size || a.meta_at < LAYER_FILE_HEAD || a.meta_at >= size)
		return es_err_new(ES_E_INVALID, "layer file: %" PRIu64 " bytes where the superblock says %" PRIu64,
				  file_size, size);
	a.meta_size = size - a.meta_at;
	if (a.meta_size > LAYER_FILE_META_MAX || a.tar_size > a.meta_at - LAYER_FILE_HEAD ||
	    a.meta_at - LAYER_FILE_HEAD - a.tar_size >= EROFS_BLOCK)
		return es_err_new(ES_E_INVALID, "layer file: its parts do not fit together");
	*ret = a;
	return NULL;
}

/* Claims */

static es_err *claim(struct check *c, const struct view *v, uint64_t at, uint64_t n, const char *what)
{
	if (n > c->area->meta_size || at > c->area->meta_size - n)
		return wrong(v->nid, "%s outside of the metadata", what);
	c->used += n;
	if (c->used > c->area->meta_size)
		return wrong(v->nid, "%s where something else is", what);
	return NULL;
}

/* N bytes from block WHERE, which must lie in the metadata; *RET_AT counts from its start. */
static es_err *claim_blocks(struct check *c, const struct view *v, uint32_t where, uint64_t n, const char *what,
			    uint64_t *ret_at)
{
	uint64_t at = (uint64_t)where << EROFS_BLOCK_BITS;

	*ret_at = 0;
	if (n == 0)
		return NULL;
	if (at < c->area->meta_at)
		return wrong(v->nid, "%s outside of the metadata", what);
	*ret_at = at - c->area->meta_at;
	return claim(c, v, *ret_at, n, what);
}

/* File data: anywhere behind the head. */
static es_err *check_data(const struct check *c, const struct view *v, uint32_t where, uint64_t n)
{
	uint64_t at = (uint64_t)where << EROFS_BLOCK_BITS, end = c->area->meta_at + c->area->meta_size;

	if (n > 0 && (at < LAYER_FILE_HEAD || n > end || at > end - n))
		return wrong(v->nid, "data outside of the file");
	return NULL;
}

/* Attributes */

static bool xattr_allowed(const struct view *v, const struct erofs_xattr *x, const char *name, const char *value)
{
	static const char opaque[] = "overlay.opaque", capability[] = "capability", overlay[] = "overlay.";
	size_t n = x->name_len;

	switch (x->index) {
	case EROFS_XATTR_USER:
		return n > 0 && (n < sizeof overlay - 1 || memcmp(name, overlay, sizeof overlay - 1) != 0);
	case EROFS_XATTR_ACL:
	case EROFS_XATTR_DEFAULT_ACL:
		return n == 0;
	case EROFS_XATTR_TRUSTED:
		return S_ISDIR(v->mode) && n == sizeof opaque - 1 && memcmp(name, opaque, n) == 0 &&
		       le16toh(x->value_len) == 1 && *value == 'y';
	case EROFS_XATTR_SECURITY:
		return n == sizeof capability - 1 && memcmp(name, capability, n) == 0;
	default:
		return false;
	}
}

/* V->tail stands behind the inode and goes behind the attributes. */
static es_err *check_xattrs(struct check *c, struct view *v, unsigned count)
{
	struct erofs_xattr_head head;
	size_t n, size;

	if (count == 0)
		return NULL;
	if (count == 1)
		return wrong(v->nid, "a list of attributes without any");
	n = (size_t)(count - 1) * 4;
	ES_TRY(claim(c, v, v->tail, sizeof head + n, "attributes"));
	memcpy(&head, c->meta + v->tail, sizeof head);
	if (head.shared)
		return wrong(v->nid, "shared attributes");
	v->tail += sizeof head;
	for (; n > 0; n -= size, v->tail += size) {
		const char *name = (const char *)c->meta + v->tail + sizeof(struct erofs_xattr);
		struct erofs_xattr x;

		memcpy(&x, c->meta + v->tail, sizeof x); /* N is a multiple of 4 */
		size = EROFS_XATTR_SIZE(x.name_len, le16toh(x.value_len));
		if (size > n)
			return wrong(v->nid, "an attribute that is cut short");
		if (memchr(name, '\0', x.name_len) || !xattr_allowed(v, &x, name, name + x.name_len))
			return wrong(v->nid, "an attribute that no layer may carry");
	}
	return NULL;
}

/* Inodes */

static es_err *check_chunks(struct check *c, const struct view *v)
{
	unsigned bits = v->where & EROFS_CHUNK_BITS;
	uint64_t chunk = (uint64_t)EROFS_BLOCK << bits, n = v->size / chunk + (v->size % chunk != 0);

	if (v->where & ~EROFS_CHUNK_BITS)
		return wrong(v->nid, "a table of chunks of an unknown kind");
	if (n > c->area->meta_size / 4)
		return wrong(v->nid, "a table of chunks outside of the metadata");
	ES_TRY(claim(c, v, v->tail, n * 4, "a table of chunks"));
	for (uint64_t i = 0; i < n; i++) {
		uint32_t where;

		memcpy(&where, c->meta + v->tail + i * 4, sizeof where);
		where = le32toh(where);
		if (where != EROFS_NULL_BLOCK)
			ES_TRY(check_data(c, v, where, i == n - 1 ? v->size - i * chunk : chunk));
	}
	return NULL;
}

static es_err *check_link(struct check *c, const struct view *v)
{
	uint64_t at = v->tail;

	if (v->size == 0 || v->size >= PATH_MAX)
		return wrong(v->nid, "a link of %" PRIu64 " bytes", v->size);
	if (v->layout == EROFS_PLAIN)
		ES_TRY(claim_blocks(c, v, v->where, v->size, "a link", &at));
	else if (v->layout != EROFS_INLINE || v->at / EROFS_BLOCK != (at + v->size - 1) / EROFS_BLOCK)
		return wrong(v->nid, "a link that is not in its inode's block");
	else
		ES_TRY(claim(c, v, at, v->size, "a link"));
	if (memchr(c->meta + at, '\0', (size_t)v->size))
		return wrong(v->nid, "a link with a NUL");
	return NULL;
}

static es_err *check_file(struct check *c, const struct view *v)
{
	if (v->size > INT64_MAX)
		return wrong(v->nid, "a file of %" PRIu64 " bytes", v->size);
	c->totals.data += v->size;
	if (v->layout == EROFS_CHUNKS)
		return check_chunks(c, v);
	if (v->layout != EROFS_PLAIN)
		return wrong(v->nid, "a file of layout %u", v->layout);
	return check_data(c, v, v->where, v->size);
}

/* Inode and attributes, and for all but directories what they hold. */
static es_err *read_inode(struct check *c, uint64_t nid, struct view *ret)
{
	struct view v = {.nid = nid, .at = nid * EROFS_SLOT};
	struct erofs_inode i;

	if (nid == 0 || nid >= c->area->meta_size / EROFS_SLOT)
		return wrong(nid, "outside of the metadata");
	ES_TRY(claim(c, &v, v.at, sizeof i, "the inode"));
	memcpy(&i, c->meta + v.at, sizeof i);
	v.mode = le16toh(i.mode);
	v.layout = le16toh(i.format) >> 1;
	v.size = le64toh(i.size);
	v.where = le32toh(i.where);
	v.tail = v.at + sizeof i;
	if (!(le16toh(i.format) & 1) || !erofs_type_of(v.mode))
		return wrong(nid, "of an unknown kind");
	if (i.nlink == 0 || le32toh(i.mtime_ns) >= 1000000000)
		return wrong(nid, "a link count or a time that cannot be");
	ES_TRY(check_xattrs(c, &v, le16toh(i.xattr_count)));
	c->totals.inodes++;
	*ret = v;
	if (S_ISREG(v.mode))
		return check_file(c, &v);
	if (S_ISLNK(v.mode))
		return check_link(c, &v);
	if (!S_ISDIR(v.mode) && (v.layout != EROFS_PLAIN || v.size))
		return wrong(nid, "data where there is none");
	return NULL;
}

/* Directories */

static bool first_time(struct check *c, uint64_t nid)
{
	uint8_t bit = (uint8_t)(1 << nid % 8);

	if (c->seen[nid / 8] & bit)
		return false;
	c->seen[nid / 8] |= bit;
	return true;
}

static void push(struct check *c, uint64_t nid, uint64_t parent)
{
	if (c->cap_todo < c->n_todo + 2) {
		c->cap_todo = c->cap_todo ? c->cap_todo * 2 : 256;
		c->todo = es_xrealloc(c->todo, c->cap_todo * sizeof *c->todo);
	}
	c->todo[c->n_todo++] = nid;
	c->todo[c->n_todo++] = parent;
}

/* A directory being read: where it is, and the name that came last. */
struct walk {
	struct view dir;
	uint64_t parent;
	const char *last;
	size_t last_len;
	unsigned dots; /* 1: "." was there, 2: ".." was there */
};

static es_err *check_name(struct walk *w, const char *name, size_t n)
{
	size_t both = n < w->last_len ? n : w->last_len;
	int order = w->last ? memcmp(w->last, name, both) : -1;

	if (n == 0 || n > EROFS_NAME_MAX || memchr(name, '/', n) || memchr(name, '\0', n))
		return wrong(w->dir.nid, "a name that cannot be");
	if (order > 0 || (order == 0 && w->last_len >= n))
		return wrong(w->dir.nid, "names that are not in order");
	w->last = name;
	w->last_len = n;
	return NULL;
}

static es_err *check_dirent(struct check *c, struct walk *w, const struct erofs_dirent *d, const char *name, size_t n)
{
	uint64_t nid = le64toh(d->nid);
	struct erofs_inode i;

	ES_TRY(check_name(w, name, n));
	c->totals.dirents++;
	if (name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.'))) {
		w->dots |= (unsigned)n;
		if (d->type != EROFS_T_DIR || nid != (n == 1 ? w->dir.nid : w->parent))
			return wrong(w->dir.nid, "\"%.*s\" leads somewhere else", (int)n, name);
		return NULL;
	}
	if (nid == 0 || nid >= c->area->meta_size / EROFS_SLOT - 1)
		return wrong(w->dir.nid, "a name whose inode is outside of the metadata");
	memcpy(&i, c->meta + nid * EROFS_SLOT, sizeof i);
	if (d->type != erofs_type_of(le16toh(i.mode)))
		return wrong(w->dir.nid, "a name whose type is not its inode's");
	if (d->type == EROFS_T_DIR) {
		if (!first_time(c, nid))
			return wrong(nid, "a directory with two names");
		push(c, nid, w->dir.nid);
		return NULL;
	}
	return first_time(c, nid) ? read_inode(c, nid, &(struct view){0}) : NULL;
}

/* N bytes of one block, the last of a directory maybe shorter. */
static es_err *check_dir_block(struct check *c, struct walk *w, const uint8_t *block, size_t n)
{
	struct erofs_dirent d, next = {0};
	size_t count, end;

	if (n < sizeof d)
		return wrong(w->dir.nid, "a directory block that is cut short");
	memcpy(&d, block, sizeof d);
	if (d.name_at == 0 || le16toh(d.name_at) % sizeof d || le16toh(d.name_at) > n)
		return wrong(w->dir.nid, "a damaged directory block");
	count = le16toh(d.name_at) / sizeof d;
	for (size_t i = 0; i < count; i++, d = next) {
		size_t at = le16toh(d.name_at);

		if (i + 1 < count)
			memcpy(&next, block + (i + 1) * sizeof d, sizeof next);
		end = i + 1 < count ? le16toh(next.name_at) : n;
		if (at > n || end > n || end < at)
			return wrong(w->dir.nid, "a name outside of its block");
		ES_TRY(check_dirent(c, w, &d, (const char *)block + at,
				    i + 1 < count ? end - at : strnlen((const char *)block + at, n - at)));
	}
	return NULL;
}

static es_err *check_dir(struct check *c, uint64_t nid, uint64_t parent)
{
	struct walk w = {.parent = parent};
	uint64_t rest, whole, at;

	ES_TRY(read_inode(c, nid, &w.dir));
	if (!S_ISDIR(w.dir.mode) || (w.dir.layout != EROFS_PLAIN && w.dir.layout != EROFS_INLINE))
		return wrong(nid, "a directory of layout %u", w.dir.layout);
	rest = w.dir.layout == EROFS_INLINE ? w.dir.size % EROFS_BLOCK : 0;
	whole = w.dir.size - rest;
	if (w.dir.layout == EROFS_INLINE &&
	    (rest == 0 || w.dir.tail / EROFS_BLOCK != (w.dir.tail + rest - 1) / EROFS_BLOCK))
		return wrong(nid, "a directory that leaves its inode's block");
	ES_TRY(claim_blocks(c, &w.dir, w.dir.where, whole, "a directory", &at));
	ES_TRY(claim(c, &w.dir, w.dir.tail, rest, "a directory"));
	for (; whole > 0; at += EROFS_BLOCK) {
		size_t n = whole < EROFS_BLOCK ? (size_t)whole : EROFS_BLOCK;

		ES_TRY(check_dir_block(c, &w, c->meta + at, n));
		whole -= n;
	}
	if (rest > 0)
		ES_TRY(check_dir_block(c, &w, c->meta + w.dir.tail, (size_t)rest));
	return w.dots == 3 ? NULL : wrong(nid, "a directory without \".\" or \"..\"");
}

es_err *erofs_check_meta(const struct erofs_area *area, const void *meta, struct erofs_totals *ret)
{
	struct check c = {.area = area, .meta = meta};
	es_err *err = NULL;

	c.seen = es_xcalloc(1, (size_t)(area->meta_size / EROFS_SLOT / 8 + 1));
	if (area->root_nid < area->meta_size / EROFS_SLOT)
		(void)first_time(&c, area->root_nid);
	push(&c, area->root_nid, area->root_nid);
	while (!err && c.n_todo > 0) {
		c.n_todo -= 2;
		err = check_dir(&c, c.todo[c.n_todo], c.todo[c.n_todo + 1]);
	}
	if (!err && ret)
		*ret = c.totals;
	free(c.seen);
	free(c.todo);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tar_read.c: a stream of blocks to entries. Everything that counts is checked against a named maximum first. */
#include <inttypes.h>

#include "base/str.h"
#include "codec/tar_priv.h"

#define OWNER_MAX UINT32_MAX /* uid_t and gid_t */

/* What extended headers said about the next entry. */
struct extended {
	bool has_path, has_sparse_name, has_link, has_size, has_uid, has_gid, has_mtime;
	uint64_t size;
	uint32_t uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	bool sparse_1_0; /* the map stands before the data */
	uint64_t real_size;
	bool has_real_size;
	uint64_t last_offset; /* sparse 0.0: an offset waits for its length */
	bool has_offset;
};

struct tar_reader {
	struct tar_source source;
	const char *at; /* what is left of the source's chunk */
	size_t n;
	uint64_t offset; /* of AT in the stream */
	uint64_t header; /* where the current entry's header stands, for errors */

	struct tar_entry e;
	uint64_t left; /* data of the entry not yet handed out */
	unsigned pad;  /* zeros behind it */
	size_t piece;  /* sparse: the piece being read, and how far */
	uint64_t piece_done;
	bool ended;

	struct extended x;
	struct es_buf path, link, pax, block;
	struct tar_xattr *xattrs;
	size_t n_xattrs, cap_xattrs;
	struct tar_piece *pieces;
	size_t n_pieces, cap_pieces;
	bool sparse;
};

struct tar_reader *tar_reader_new(struct tar_source source)
{
	struct tar_reader *r = ES_NEW(struct tar_reader);

	r->source = source;
	r->path = r->link = ES_BUF(TAR_EXTENDED_MAX);
	r->pax = ES_BUF(TAR_EXTENDED_MAX);
	r->block = ES_BUF(TAR_BLOCK);
	return r;
}

void tar_reader_free(struct tar_reader *r)
{
	if (!r)
		return;
	es_buf_done(&r->path);
	es_buf_done(&r->link);
	es_buf_done(&r->pax);
	es_buf_done(&r->block);
	free(r->xattrs);
	free(r->pieces);
	free(r);
}

static es_err *wrong(const struct tar_reader *r, const char *fmt, ...) ES_PRINTF(2, 3) ES_CHECKED;
static es_err *wrong(const struct tar_reader *r, const char *fmt, ...)
{
	es_autofree char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = es_xvasprintf(fmt, ap);
	va_end(ap);
	return es_err_new(ES_E_INVALID, "archive at byte %" PRIu64 ": %s", r->header, what);
}

/* Bytes */

/* *RET_N is 0 at the end of the stream. */
static es_err *fill(struct tar_reader *r, size_t *ret_n)
{
	if (r->n == 0)
		ES_TRY(r->source.read(r->source.self, &r->at, &r->n));
	*ret_n = r->n;
	return NULL;
}

static void take(struct tar_reader *r, size_t n)
{
	r->at += n;
	r->n -= n;
	r->offset += n;
}

static es_err *skip(struct tar_reader *r, uint64_t n)
{
	size_t here;

	while (n > 0) {
		ES_TRY(fill(r, &here));
		if (here == 0)
			return wrong(r, "unexpected end");
		if (here > n)
			here = (size_t)n;
		take(r, here);
		n -= here;
	}
	return NULL;
}

/* N bytes appended to B. */
static es_err *read_into(struct tar_reader *r, struct es_buf *b, size_t n)
{
	size_t here;

	while (n > 0) {
		ES_TRY(fill(r, &here));
		if (here == 0)
			return wrong(r, "unexpected end");
		if (here > n)
			here = n;
		es_buf_add(b, r->at, here);
		take(r, here);
		n -= here;
	}
	return NULL;
}

/* A whole block: in the source's chunk where it lies in one piece, else in a copy. NULL at the end of the stream. */
static es_err *read_block(struct tar_reader *r, const void **ret)
{
	size_t here;

	ES_TRY(fill(r, &here));
	*ret = NULL;
	if (here == 0)
		return NULL;
	if (here >= TAR_BLOCK) {
		*ret = r->at;
		take(r, TAR_BLOCK);
		return NULL;
	}
	es_buf_reset(&r->block);
	ES_TRY(read_into(r, &r->block, TAR_BLOCK));
	*ret = r->block.p;
	return NULL;
}

/* Numbers */

static es_err *octal(const struct tar_reader *r, const char *what, const char *s, size_t n, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	while (i < n && s[i] == ' ')
		i++;
	for (; i < n && s[i] >= '0' && s[i] <= '7'; i++) {
		if (v > UINT64_MAX >> 3)
			return wrong(r, "%s is out of range", what);
		v = v << 3 | (uint64_t)(s[i] - '0');
	}
	if (i < n && s[i] != ' ' && s[i] != '\0')
		return wrong(r, "%s is not a number", what);
	if (v > max)
		return wrong(r, "%s %" PRIu64 " is out of range", what, v);
	*ret = v;
	return NULL;
}

/* Octal, or GNU's base 256: the first bit set, then a big-endian number in two's complement. */
static es_err *number(const struct tar_reader *r, const char *what, const char *s, size_t n, uint64_t max,
		      uint64_t *ret)
{
	uint64_t v = 0;

	if (!((unsigned char)s[0] & 0x80))
		return octal(r, what, s, n, max, ret);
	if ((unsigned char)s[0] & 0x40)
		return wrong(r, "%s is negative", what);
	for (size_t i = 0; i < n; i++) {
		if (v >> 56)
			return wrong(r, "%s is out of range", what);
		v = v << 8 | (unsigned char)(i ? s[i] : s[i] & 0x3f);
	}
	if (v > max)
		return wrong(r, "%s %" PRIu64 " is out of range", what, v);
	*ret = v;
	return NULL;
}

/* A time may be negative. */
static es_err *mtime(const struct tar_reader *r, const char s[12], int64_t *ret)
{
	uint64_t v = 0;

	if ((unsigned char)s[0] == 0xff) {
		for (size_t i = 4; i < 12; i++)
			v = v << 8 | (unsigned char)s[i];
		*ret = (int64_t)v;
		return NULL;
	}
	ES_TRY(number(r, "time", s, 12, INT64_MAX, &v));
	*ret = (int64_t)v;
	return NULL;
}

static es_err *decimal(const struct tar_reader *r, const char *what, const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v;
	es_err *err = s[0] >= '0' && s[0] <= '9' ? str_to_u64(s, 10, &v) : es_err_new(ES_E_INVALID, "not a number");

	if (err || v > max) {
		es_err_drop(err);
		return wrong(r, "%s \"%.40s\" is not a number in range", what, s);
	}
	*ret = v;
	return NULL;
}

/* PAX: "-12.5", seconds with a fraction. */
static es_err *pax_time(const struct tar_reader *r, const char *s, int64_t *ret_s, uint32_t *ret_ns)
{
	bool negative = *s == '-';
	uint64_t seconds = 0;
	uint32_t ns = 0, scale = 100000000;
	const char *p = s + negative;

	if (*p < '0' || *p > '9')
		return wrong(r, "time \"%.40s\" is not a number", s);
	for (; *p >= '0' && *p <= '9'; p++) {
		if (seconds > (uint64_t)INT64_MAX / 10 - 10)
			return wrong(r, "time \"%.40s\" is out of range", s);
		seconds = seconds * 10 + (uint64_t)(*p - '0');
	}
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			ns += (uint32_t)(*p - '0') * scale;
	if (*p)
		return wrong(r, "time \"%.40s\" is not a number", s);
	*ret_s = negative ? -(int64_t)seconds : (int64_t)seconds;
	*ret_ns = ns;
	if (negative && ns) {
		*ret_s -= 1;
		*ret_ns = 1000000000 - ns;
	}
	return NULL;
}

/* Sparse maps */

static es_err *add_piece(struct tar_reader *r, uint64_t offset, uint64_t len)
{
	if (r->n_pieces == TAR_SPARSE_MAX)
		return wrong(r, "more than %u pieces in a sparse file", TAR_SPARSE_MAX);
	if (r->n_pieces == r->cap_pieces) {
		r->cap_pieces = r->cap_pieces ? r->cap_pieces * 2 : 16;
		r->pieces = es_xrealloc(r->pieces, r->cap_pieces * sizeof *r->pieces);
	}
	r->pieces[r->n_pieces++] = (struct tar_piece){.offset = offset, .len = len};
	return NULL;
}

/* Pieces are in order, do not overlap, end within the file and are as long together as the data. */
static es_err *check_pieces(const struct tar_reader *r, uint64_t data)
{
	uint64_t end = 0, total = 0;

	for (size_t i = 0; i < r->n_pieces; i++) {
		const struct tar_piece *p = &r->pieces[i];

		if (p->offset < end || p->len > INT64_MAX - p->offset)
			return wrong(r, "sparse map is not in order");
		end = p->offset + p->len;
		total += p->len;
	}
	if (end > r->e.size || total != data)
		return wrong(r, "sparse map does not fit the file");
	return NULL;
}

static es_err *gnu_pieces(struct tar_reader *r, const struct tar_gnu_piece *pieces, size_t n)
{
	uint64_t offset, len;

	for (size_t i = 0; i < n && pieces[i].offset[0] != '\0' && pieces[i].len[0] != '\0'; i++) {
		ES_TRY(number(r, "sparse offset", pieces[i].offset, 12, INT64_MAX, &offset));
		ES_TRY(number(r, "sparse length", pieces[i].len, 12, INT64_MAX, &len));
		ES_TRY(add_piece(r, offset, len));
	}
	return NULL;
}

static es_err *gnu_sparse(struct tar_reader *r, const struct tar_gnu_sparse *b)
{
	bool more = b->extended;

	ES_TRY(number(r, "size", b->real_size, 12, INT64_MAX, &r->e.size));
	r->n_pieces = 0;
	r->sparse = true;
	ES_TRY(gnu_pieces(r, b->pieces, ES_N(b->pieces)));
	while (more) {
		const struct tar_gnu_more *block;

		ES_TRY(read_block(r, (const void **)&block));
		if (!block)
			return wrong(r, "unexpected end");
		more = block->extended;
		ES_TRY(gnu_pieces(r, block->pieces, ES_N(block->pieces)));
	}
	return NULL;
}

/* One decimal line of the map that stands before a 1.0 sparse file's data. */
static es_err *map_line(struct tar_reader *r, const char **at, const char **end, uint64_t *map_left, uint64_t *ret)
{
	uint64_t v = 0;
	int digits = 0;

	for (;;) {
		if (*at == *end) {
			const void *block;

			if (*map_left < TAR_BLOCK)
				return wrong(r, "sparse map is cut short");
			ES_TRY(read_block(r, &block));
			if (!block)
				return wrong(r, "unexpected end");
			*map_left -= TAR_BLOCK;
			*at = block;
			*end = *at + TAR_BLOCK;
		}
		char c = *(*at)++;

		if (c == '\n' && digits > 0)
			break;
		if (c < '0' || c > '9' || ++digits > 18)
			return wrong(r, "sparse map is not a list of numbers");
		v = v * 10 + (uint64_t)(c - '0');
	}
	*ret = v;
	return NULL;
}

static es_err *sparse_1_0(struct tar_reader *r)
{
	const char *at = NULL, *end = NULL;
	uint64_t n, offset, len;

	r->n_pieces = 0;
	ES_TRY(map_line(r, &at, &end, &r->left, &n));
	for (; n > 0; n--) {
		ES_TRY(map_line(r, &at, &end, &r->left, &offset));
		ES_TRY(map_line(r, &at, &end, &r->left, &len));
		ES_TRY(add_piece(r, offset, len));
	}
	return NULL;
}

/* 0.1: "offset,length,offset,length…" in one record. */
static es_err *sparse_0_1(struct tar_reader *r, const char *value)
{
	const char *p = value;

	while (*p) {
		uint64_t v[2];

		for (int i = 0; i < 2; i++) {
			char *end;

			if (*p < '0' || *p > '9')
				return wrong(r, "sparse map is not a list of numbers");
			errno = 0;
			v[i] = strtoull(p, &end, 10);
			if (errno || v[i] > INT64_MAX || (*end && *end != ',') || (i == 0 && !*end))
				return wrong(r, "sparse map is not a list of numbers");
			p = *end ? end + 1 : end;
		}
		ES_TRY(add_piece(r, v[0], v[1]));
	}
	return NULL;
}

/* PAX */

static es_err *set_text(struct tar_reader *r, struct es_buf *b, const char *what, const char *s, size_t n)
{
	if (n >= TAR_PATH_MAX)
		return wrong(r, "%s of %zu bytes is too long", what, n);
	if (memchr(s, '\0', n))
		return wrong(r, "%s contains a NUL", what);
	es_buf_reset(b);
	es_buf_add(b, s, n);
	return NULL;
}

static es_err *add_xattr(struct tar_reader *r, const char *name, const char *value, size_t len)
{
	if (r->n_xattrs == TAR_XATTR_MAX)
		return wrong(r, "more than %u extended attributes", TAR_XATTR_MAX);
	if (r->n_xattrs == r->cap_xattrs) {
		r->cap_xattrs = r->cap_xattrs ? r->cap_xattrs * 2 : 8;
		r->xattrs = es_xrealloc(r->xattrs, r->cap_xattrs * sizeof *r->xattrs);
	}
	r->xattrs[r->n_xattrs++] = (struct tar_xattr){.name = name, .value = value, .len = len};
	return NULL;
}

static es_err *pax_sparse(struct tar_reader *r, const char *key, const char *value, size_t len)
{
	struct extended *x = &r->x;
	uint64_t v;

	if (str_eq(key, "major") || str_eq(key, "minor")) {
		if (str_eq(key, "major") && str_eq(value, "1"))
			r->sparse = x->sparse_1_0 = true;
		return NULL;
	}
	if (str_eq(key, "name")) {
		x->has_path = x->has_sparse_name = true;
		return set_text(r, &r->path, "path", value, len);
	}
	if (str_eq(key, "map")) {
		r->sparse = true;
		r->n_pieces = 0;
		return sparse_0_1(r, value);
	}
	if (str_eq(key, "numblocks")) {
		r->sparse = true;
		return NULL;
	}
	ES_TRY(decimal(r, key, value, INT64_MAX, &v));
	if (str_eq(key, "size") || str_eq(key, "realsize")) {
		x->real_size = v;
		x->has_real_size = true;
	} else if (str_eq(key, "offset")) {
		x->last_offset = v;
		x->has_offset = true;
	} else if (str_eq(key, "numbytes")) {
		if (!x->has_offset)
			return wrong(r, "sparse map without an offset");
		x->has_offset = false;
		r->sparse = true;
		return add_piece(r, x->last_offset, v);
	}
	return NULL;
}

/* An empty value takes back what an earlier record said. */
static es_err *pax_record(struct tar_reader *r, const char *key, const char *value, size_t len)
{
	struct extended *x = &r->x;
	const char *rest;
	uint64_t v;

	if ((rest = str_after(key, TAR_XATTR_PREFIX)))
		return len && *rest ? add_xattr(r, rest, value, len) : NULL;
	if ((rest = str_after(key, "GNU.sparse.")))
		return pax_sparse(r, rest, value, len);
	if (str_eq(key, "path")) {
		if (x->has_sparse_name) /* the real name; the path is one for readers that know no sparse files */
			return NULL;
		x->has_path = len > 0;
		return set_text(r, &r->path, "path", value, len);
	}
	if (str_eq(key, "linkpath")) {
		x->has_link = len > 0;
		return set_text(r, &r->link, "link", value, len);
	}
	if (str_eq(key, "size") && len) {
		x->has_size = true;
		return decimal(r, "size", value, INT64_MAX, &x->size);
	}
	if (str_eq(key, "mtime") && len) {
		x->has_mtime = true;
		return pax_time(r, value, &x->mtime_s, &x->mtime_ns);
	}
	if (str_eq(key, "uid") && len) {
		ES_TRY(decimal(r, "uid", value, OWNER_MAX, &v));
		x->has_uid = true;
		x->uid = (uint32_t)v;
	}
	if (str_eq(key, "gid") && len) {
		ES_TRY(decimal(r, "gid", value, OWNER_MAX, &v));
		x->has_gid = true;
		x->gid = (uint32_t)v;
	}
	return NULL;
}

/* "LENGTH KEY=VALUE\n", the length counting itself. Keys and values stay in r->pax, cut apart by NULs. */
static es_err *pax_records(struct tar_reader *r)
{
	char *at = r->pax.p, *end;

	if (r->pax.len == 0)
		return NULL;
	end = at + r->pax.len;
	while (at < end) {
		char *blank, *equals, *key;
		uint64_t len = 0;

		for (blank = at; blank < end && *blank >= '0' && *blank <= '9' && len < TAR_EXTENDED_MAX; blank++)
			len = len * 10 + (uint64_t)(*blank - '0');
		if (blank == at || blank == end || *blank != ' ' || len > (uint64_t)(end - at) ||
		    len < (uint64_t)(blank - at) + 3 || at[len - 1] != '\n')
			return wrong(r, "extended header is not a list of records");
		key = blank + 1;
		equals = memchr(key, '=', (size_t)(at + len - key));
		if (!equals || equals == key)
			return wrong(r, "extended header has a record without a key");
		*equals = '\0';
		at[len - 1] = '\0';
		ES_TRY(pax_record(r, key, equals + 1, (size_t)(at + len - 1 - (equals + 1))));
		at += len;
	}
	return NULL;
}

/* Headers */

unsigned tar_sum(const struct tar_block *b)
{
	const unsigned char *p = (const unsigned char *)b;
	unsigned sum = 0;

	for (size_t i = 0; i < sizeof *b; i++)
		sum += p[i];
	for (size_t i = 0; i < sizeof b->sum; i++)
		sum += ' ' - (unsigned)(unsigned char)b->sum[i];
	return sum;
}

/* Some old writers summed signed bytes. */
static unsigned signed_sum(const struct tar_block *b)
{
	const signed char *p = (const signed char *)b;
	int sum = 0;

	for (size_t i = 0; i < sizeof *b; i++)
		sum += p[i];
	for (size_t i = 0; i < sizeof b->sum; i++)
		sum += ' ' - (signed char)b->sum[i];
	return (unsigned)sum;
}

static bool is_zero(const void *block)
{
	static const char zeros[TAR_BLOCK];

	return memcmp(block, zeros, TAR_BLOCK) == 0;
}

/* The next header block; NULL at the end of the archive. */
static es_err *next_block(struct tar_reader *r, const struct tar_block **ret)
{
	const void *block;
	uint64_t sum = 0;

	r->header = r->offset;
	ES_TRY(read_block(r, &block));
	if (block && is_zero(block)) {
		ES_TRY(read_block(r, &block));
		if (block && !is_zero(block))
			return wrong(r, "a zero block inside the archive");
		block = NULL;
	}
	*ret = block;
	if (!block)
		return NULL;
	es_autoerr es_err *err = octal(r, "checksum", (*ret)->sum, sizeof(*ret)->sum, UINT32_MAX, &sum);
	if (err || (sum != tar_sum(*ret) && sum != signed_sum(*ret)))
		return wrong(r, "checksum does not match: not a tar archive, or a damaged one");
	return NULL;
}

/* The data of an extended header into INTO; NULL: nobody wants it. */
static es_err *read_extended(struct tar_reader *r, const struct tar_block *b, struct es_buf *into)
{
	uint64_t size;

	ES_TRY(number(r, "size", b->size, sizeof b->size, INT64_MAX, &size));
	if (size >= TAR_EXTENDED_MAX)
		return wrong(r, "extended header of %" PRIu64 " bytes is larger than %u", size, TAR_EXTENDED_MAX);
	if (!into)
		return skip(r, size + -size % TAR_BLOCK);
	es_buf_reset(into);
	ES_TRY(read_into(r, into, (size_t)size));
	return skip(r, -size % TAR_BLOCK);
}

static es_err *gnu_long(struct tar_reader *r, const struct tar_block *b, struct es_buf *into, const char *what)
{
	ES_TRY(read_extended(r, b, into));
	into->len = strnlen(es_buf_str(into), into->len); /* they end in NUL */
	if (into->len >= TAR_PATH_MAX)
		return wrong(r, "%s of %zu bytes is too long", what, into->len);
	return NULL;
}

static void text_of(struct es_buf *b, const char *s, size_t n)
{
	es_buf_reset(b);
	es_buf_add(b, s, strnlen(s, n));
}

static void header_path(struct tar_reader *r, const struct tar_block *b)
{
	bool posix = memcmp(b->magic, "ustar", 6) == 0;
	size_t n =
		posix ? memcmp(b->pad + 8, "tar", 4) == 0 ? 131 : sizeof b->prefix : 0; /* star has times behind 131 */

	if (n && b->prefix[0]) {
		text_of(&r->path, b->prefix, n);
		es_buf_addc(&r->path, '/');
		es_buf_add(&r->path, b->name, strnlen(b->name, sizeof b->name));
	} else {
		text_of(&r->path, b->name, sizeof b->name);
	}
}

static enum tar_type type_of(const struct tar_reader *r, char flag)
{
	switch (flag) {
	case '\0': /* the seventh edition marked directories by a slash */
		return str_ends(es_buf_str(&r->path), "/") ? TAR_DIR : TAR_FILE;
	case '0':
	case '7': /* contiguous */
	case 'S': /* GNU sparse */
		return TAR_FILE;
	case '1':
		return TAR_HARDLINK;
	case '2':
		return TAR_SYMLINK;
	case '3':
		return TAR_CHAR;
	case '4':
		return TAR_BLOCK_DEVICE;
	case '5':
		return TAR_DIR;
	case '6':
		return TAR_FIFO;
	default:
		return TAR_OTHER;
	}
}

static es_err *owner(struct tar_reader *r, const struct tar_block *b)
{
	uint64_t v;

	r->e.uid = r->x.uid;
	r->e.gid = r->x.gid;
	if (!r->x.has_uid) {
		ES_TRY(number(r, "uid", b->uid, sizeof b->uid, OWNER_MAX, &v));
		r->e.uid = (uint32_t)v;
	}
	if (!r->x.has_gid) {
		ES_TRY(number(r, "gid", b->gid, sizeof b->gid, OWNER_MAX, &v));
		r->e.gid = (uint32_t)v;
	}
	return NULL;
}

static es_err *device(struct tar_reader *r, const struct tar_block *b)
{
	uint64_t v;

	if (r->e.type != TAR_CHAR && r->e.type != TAR_BLOCK_DEVICE)
		return NULL;
	ES_TRY(number(r, "device", b->dev_major, sizeof b->dev_major, UINT32_MAX, &v));
	r->e.dev_major = (uint32_t)v;
	ES_TRY(number(r, "device", b->dev_minor, sizeof b->dev_minor, UINT32_MAX, &v));
	r->e.dev_minor = (uint32_t)v;
	return NULL;
}

/* Size of the data, then of the file: links and directories have none whatever their header says. */
static es_err *sizes(struct tar_reader *r, const struct tar_block *b)
{
	uint64_t data = r->x.size;

	if (!r->x.has_size)
		ES_TRY(number(r, "size", b->size, sizeof b->size, INT64_MAX - TAR_BLOCK, &data));
	if (r->e.type != TAR_FILE && r->e.type != TAR_OTHER)
		data = 0;
	r->e.size = r->left = data;
	r->pad = (unsigned)(-data % TAR_BLOCK);
	if (b->flag == 'S')
		ES_TRY(gnu_sparse(r, (const struct tar_gnu_sparse *)(const void *)b));
	else if (r->sparse && r->x.has_real_size)
		r->e.size = r->x.real_size;
	if (r->sparse && r->e.type != TAR_FILE)
		return wrong(r, "a sparse map for something that is no file");
	if (r->sparse && r->x.sparse_1_0)
		ES_TRY(sparse_1_0(r));
	if (!r->sparse)
		return NULL;
	ES_TRY(check_pieces(r, r->left));
	if (r->n_pieces == 0)
		ES_TRY(add_piece(r, 0, 0));
	r->e.pieces = r->pieces;
	r->e.n_pieces = r->n_pieces;
	return NULL;
}

static es_err *entry(struct tar_reader *r, const struct tar_block *header)
{
	struct tar_block copy = *header; /* a sparse map reads further blocks */
	const struct tar_block *b = &copy;
	uint64_t mode;

	if (!r->x.has_path)
		header_path(r, b);
	if (!r->x.has_link)
		text_of(&r->link, b->link, sizeof b->link);
	r->e = (struct tar_entry){.type = type_of(r, b->flag), .flag = b->flag};
	if (r->e.type != TAR_HARDLINK && r->e.type != TAR_SYMLINK)
		es_buf_reset(&r->link);
	r->e.path = es_buf_str(&r->path);
	r->e.link = es_buf_str(&r->link);
	ES_TRY(number(r, "mode", b->mode, sizeof b->mode, UINT32_MAX, &mode));
	r->e.mode = (mode_t)(mode & 07777);
	ES_TRY(owner(r, b));
	ES_TRY(device(r, b));
	r->e.mtime_s = r->x.mtime_s;
	r->e.mtime_ns = r->x.mtime_ns;
	if (!r->x.has_mtime)
		ES_TRY(mtime(r, b->mtime, &r->e.mtime_s));
	ES_TRY(sizes(r, b));
	r->e.data_at = r->offset; /* behind the map of a sparse file */
	r->e.xattrs = r->xattrs;
	r->e.n_xattrs = r->n_xattrs;
	return NULL;
}

es_err *tar_next(struct tar_reader *r, const struct tar_entry **ret)
{
	const struct tar_block *b = NULL;

	*ret = NULL;
	if (r->ended)
		return NULL;
	ES_TRY(skip(r, r->left));
	ES_TRY(skip(r, r->pad));
	r->left = r->pad = 0;
	r->x = (struct extended){0};
	r->n_xattrs = r->n_pieces = r->piece = 0;
	r->piece_done = 0;
	r->sparse = false;
	for (;;) {
		ES_TRY(next_block(r, &b));
		if (!b) {
			r->ended = true;
			return NULL;
		}
		switch (b->flag) {
		case 'x':
			ES_TRY(read_extended(r, b, &r->pax));
			r->n_xattrs = 0; /* they point into the buffer that was just filled */
			ES_TRY(pax_records(r));
			continue;
		case 'g': /* comments of whole archives, such as git's commit: not for one file */
			ES_TRY(read_extended(r, b, NULL));
			continue;
		case 'L':
			ES_TRY(gnu_long(r, b, &r->path, "path"));
			r->x.has_path = true;
			continue;
		case 'K':
			ES_TRY(gnu_long(r, b, &r->link, "link"));
			r->x.has_link = true;
			continue;
		default:
			break;
		}
		break;
	}
	ES_TRY(entry(r, b));
	*ret = &r->e;
	return NULL;
}

es_err *tar_data(struct tar_reader *r, const char **ret_bytes, size_t *ret_n, uint64_t *ret_offset)
{
	uint64_t offset = r->piece_done;
	size_t n;

	*ret_n = 0;
	if (r->left == 0)
		return NULL;
	if (r->e.pieces) {
		while (r->piece_done == r->pieces[r->piece].len) { /* their sum is what is left, so there is one */
			r->piece++;
			r->piece_done = 0;
		}
		offset = r->pieces[r->piece].offset + r->piece_done;
	}
	ES_TRY(fill(r, &n));
	if (n == 0)
		return wrong(r, "unexpected end in %s", r->e.path);
	if (n > r->left)
		n = (size_t)r->left;
	if (r->e.pieces && n > r->pieces[r->piece].len - r->piece_done)
		n = (size_t)(r->pieces[r->piece].len - r->piece_done);
	*ret_bytes = r->at;
	*ret_n = n;
	*ret_offset = offset;
	take(r, n);
	r->left -= n;
	r->piece_done += n;
	return NULL;
}

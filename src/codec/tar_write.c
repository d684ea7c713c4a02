/* SPDX-License-Identifier: Apache-2.0 */
/* tar_write.c: entries to blocks: ustar where everything fits, a PAX header in front where it does not. */
#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"
#include "codec/tar_priv.h"

#define OCTAL_7 07777777u        /* what seven digits hold */
#define OCTAL_11 077777777777ull /* eleven */

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/* N - 1 digits and a NUL; what does not fit is left zero, for the PAX record to say. */
static void put_octal(char *out, size_t n, uint64_t v)
{
	if (v >> (3 * (n - 1)))
		v = 0;
	for (size_t i = n - 1; i-- > 0; v >>= 3)
		out[i] = (char)('0' + (v & 7));
}

/* Cuts PATH at a slash into prefix and name; false when no cut fits. */
static bool put_path(struct tar_block *b, const char *path)
{
	size_t len = strlen(path), cut;

	if (len <= sizeof b->name) {
		memcpy(b->name, path, len);
		return true;
	}
	/* As Go: the last slash that leaves room, a final one not counted. */
	cut = len - 1 < sizeof b->prefix + 1 ? len - 1 : sizeof b->prefix + 1;
	while (cut > 0 && path[cut - 1] != '/')
		cut--;
	if (cut < 2 || len - cut > sizeof b->name || len == cut)
		return false;
	memcpy(b->prefix, path, cut - 1);
	memcpy(b->name, path + cut, len - cut);
	return true;
}

static void put_sum(struct tar_block *b)
{
	(void)snprintf(b->sum, sizeof b->sum, "%06o", tar_sum(b));
	b->sum[7] = ' ';
}

static char flag_of(enum tar_type type)
{
	static const char flags[] = {'0', '1', '2', '3', '4', '5', '6', '0'};

	return flags[type];
}

/* "LENGTH KEY=VALUE\n" */
static void record(struct es_buf *b, const char *key, const char *value, size_t len)
{
	size_t rest = strlen(key) + len + 3, total = rest + 1; /* blank, equals, line end; one digit */
	char digits[24];

	while (total != rest + (size_t)snprintf(digits, sizeof digits, "%zu", total))
		total = rest + strlen(digits);
	es_buf_printf(b, "%zu %s=", total, key);
	es_buf_add(b, value, len);
	es_buf_addc(b, '\n');
}

static void record_number(struct es_buf *b, const char *key, uint64_t v)
{
	char text[24];

	record(b, key, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, v));
}

static void record_time(struct es_buf *b, const struct tar_entry *e)
{
	char text[48];
	int n;
	int64_t s = e->mtime_s;
	uint32_t ns = e->mtime_ns;
	bool negative = s < 0;

	if (negative && ns) { /* -0.5 is one second before zero and half a second on */
		s++;
		ns = 1000000000 - ns;
	}
	n = snprintf(text, sizeof text, "%s%" PRIu64 ".%09u", negative ? "-" : "",
		     negative ? -(uint64_t)s : (uint64_t)s, ns);
	while (text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	record(b, "mtime", text, (size_t)n);
}

static int by_name(const void *x, const void *y)
{
	return strcmp(((const struct tar_xattr *)x)->name, ((const struct tar_xattr *)y)->name);
}

/* Records in the order of their keys: capital letters, so SCHILY.xattr, come first. */
static void records(struct es_buf *b, const struct tar_entry *e, bool path_fits)
{
	es_autofree struct tar_xattr *xattrs = NULL;

	if (e->n_xattrs) {
		xattrs = es_xmemdup(e->xattrs, e->n_xattrs * sizeof *xattrs);
		qsort(xattrs, e->n_xattrs, sizeof *xattrs, by_name);
	}
	for (size_t i = 0; i < e->n_xattrs; i++) {
		es_autofree char *key = es_xasprintf("%s%s", TAR_XATTR_PREFIX, xattrs[i].name);

		record(b, key, xattrs[i].value, xattrs[i].len);
	}
	if (e->gid > OCTAL_7)
		record_number(b, "gid", e->gid);
	if (e->link && (!is_ascii(e->link) || strlen(e->link) > sizeof((struct tar_block *)0)->link))
		record(b, "linkpath", e->link, strlen(e->link));
	if (e->mtime_ns || e->mtime_s < 0 || (uint64_t)e->mtime_s > OCTAL_11)
		record_time(b, e);
	if (!path_fits || !is_ascii(e->path))
		record(b, "path", e->path, strlen(e->path));
	if (e->size > OCTAL_11)
		record_number(b, "size", e->size);
	if (e->uid > OCTAL_7)
		record_number(b, "uid", e->uid);
}

/* The plain ASCII of S, as far as it fits. */
static void put_ascii(char *out, size_t n, const char *s)
{
	for (size_t i = 0; i < n && *s; s++)
		if ((unsigned char)*s < 0x80)
			out[i++] = *s;
}

static void begin_block(struct tar_block *b, char flag)
{
	*b = (struct tar_block){.flag = flag, .magic = "ustar", .version = {'0', '0'}};
}

static es_err *put_extended(struct tar_writer *w, const char *path, const struct es_buf *pax)
{
	static const char zeros[TAR_BLOCK];
	es_autofree char *name = NULL, *copy = es_xstrdup(path);
	struct tar_block b;
	char *slash;

	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	slash = strrchr(copy, '/');
	name = slash ? es_xasprintf("%.*s/PaxHeaders.0/%s", (int)(slash - copy), copy, slash + 1)
		     : es_xasprintf("PaxHeaders.0/%s", copy);
	begin_block(&b, 'x');
	put_ascii(b.name, sizeof b.name, name);
	put_octal(b.mode, sizeof b.mode, 0);
	put_octal(b.uid, sizeof b.uid, 0);
	put_octal(b.gid, sizeof b.gid, 0);
	put_octal(b.size, sizeof b.size, pax->len);
	put_octal(b.mtime, sizeof b.mtime, 0);
	put_sum(&b);
	ES_TRY(w->sink.write(w->sink.self, &b, sizeof b));
	ES_TRY(w->sink.write(w->sink.self, pax->p, pax->len));
	return w->sink.write(w->sink.self, zeros, -pax->len % TAR_BLOCK);
}

es_err *tar_write_header(struct tar_writer *w, const struct tar_entry *e)
{
	es_autobuf pax = ES_BUF(TAR_EXTENDED_MAX);
	uint64_t size = e->type == TAR_FILE ? e->size : 0;
	struct tar_block b;
	bool fits;

	if (w->left)
		return es_err_new(ES_E_INTERNAL, "%" PRIu64 " bytes of the entry before %s are missing", w->left,
				  e->path);
	begin_block(&b, flag_of(e->type));
	fits = put_path(&b, e->path);
	records(&pax, e, fits);
	ES_TRY(es_err_in(es_buf_check(&pax), "extended header of %s", e->path));
	if (pax.len) {
		ES_TRY(put_extended(w, e->path, &pax));
		if (!fits || !is_ascii(e->path)) {
			memset(b.prefix, 0, sizeof b.prefix);
			memset(b.name, 0, sizeof b.name);
			put_ascii(b.name, sizeof b.name, e->path);
		}
	}
	put_octal(b.mode, sizeof b.mode, e->mode & 07777);
	put_octal(b.uid, sizeof b.uid, e->uid);
	put_octal(b.gid, sizeof b.gid, e->gid);
	put_octal(b.size, sizeof b.size, size);
	put_octal(b.mtime, sizeof b.mtime, e->mtime_s < 0 ? 0 : (uint64_t)e->mtime_s);
	if (e->link)
		put_ascii(b.link, sizeof b.link, e->link);
	if (e->type == TAR_CHAR || e->type == TAR_BLOCK_DEVICE) {
		put_octal(b.dev_major, sizeof b.dev_major, e->dev_major);
		put_octal(b.dev_minor, sizeof b.dev_minor, e->dev_minor);
	} else {
		put_octal(b.dev_major, sizeof b.dev_major, 0);
		put_octal(b.dev_minor, sizeof b.dev_minor, 0);
	}
	put_sum(&b);
	w->left = size;
	w->pad = (unsigned)(-size % TAR_BLOCK);
	return w->sink.write(w->sink.self, &b, sizeof b);
}

es_err *tar_write_data(struct tar_writer *w, const void *bytes, size_t n)
{
	static const char zeros[TAR_BLOCK];

	if (n > w->left)
		return es_err_new(ES_E_INTERNAL, "more data than the entry's size");
	ES_TRY(w->sink.write(w->sink.self, bytes, n));
	w->left -= n;
	if (w->left > 0 || w->pad == 0)
		return NULL;
	n = w->pad;
	w->pad = 0;
	return w->sink.write(w->sink.self, zeros, n);
}

es_err *tar_write_end(struct tar_writer *w)
{
	static const char zeros[2 * TAR_BLOCK];

	if (w->left)
		return es_err_new(ES_E_INTERNAL, "%" PRIu64 " bytes of the last entry are missing", w->left);
	return w->sink.write(w->sink.self, zeros, sizeof zeros);
}

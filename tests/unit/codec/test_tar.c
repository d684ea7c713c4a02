/* SPDX-License-Identifier: Apache-2.0 */
/* test_tar.c: entries written and read again in chunks of every size; headers of other writers; damaged ones. */
#include "codec/tar.h"

#include "base/str.h"
#include "check.h"

struct chunks {
	const char *bytes;
	size_t n, at, chunk;
};

static es_err *read_chunk(void *self, const char **ret_bytes, size_t *ret_n)
{
	struct chunks *c = self;

	*ret_bytes = c->bytes + c->at;
	*ret_n = c->n - c->at < c->chunk ? c->n - c->at : c->chunk;
	c->at += *ret_n;
	return NULL;
}

static es_err *append(void *self, const void *bytes, size_t n)
{
	es_buf_add(self, bytes, n);
	return NULL;
}

static const struct tar_xattr xattrs[] = {
	{ "user.b", "2\0\n", 3 },
	{ "security.capability", "\1\0\0\2", 4 },
};
static const char long_name[] =
	"a-directory-with-a-long-name-that-repeats/a-directory-with-a-long-name-that-repeats/"
	"a-directory-with-a-long-name-that-repeats/a-directory-with-a-long-name-that-repeats/"
	"a-directory-with-a-long-name-that-repeats/a-directory-with-a-long-name-that-repeats/file";
static const struct tar_entry entries[] = {
	{ .type = TAR_DIR, .path = "d/", .mode = 01777, .mtime_s = 1700000000 },
	{ .type = TAR_FILE, .path = "d/f", .mode = 04755, .uid = 1000, .gid = 100, .size = 5, .mtime_s = 1, .mtime_ns = 500000000 },
	{ .type = TAR_FILE, .path = "d/empty", .mode = 0600, .mtime_s = -2, .mtime_ns = 250000000 },
	{ .type = TAR_SYMLINK, .path = "d/l", .link = "../../target", .mode = 0777 },
	{ .type = TAR_HARDLINK, .path = "d/h", .link = "d/f", .mode = 0755 },
	{ .type = TAR_CHAR, .path = "d/null", .mode = 0666, .dev_major = 1, .dev_minor = 3 },
	{ .type = TAR_BLOCK_DEVICE, .path = "d/sda", .mode = 0660, .dev_major = 259, .dev_minor = 1048575 },
	{ .type = TAR_FIFO, .path = "d/p", .mode = 0644 },
	{ .type = TAR_FILE, .path = "x", .mode = 0644, .xattrs = xattrs, .n_xattrs = 2, .uid = 4000000000u, .gid = 3000000 },
	{ .type = TAR_FILE, .path = long_name, .mode = 0644, .size = 1024 },
	{ .type = TAR_FILE, .path = "\xc3\xa4/\xc3\xb6", .mode = 0644, .size = 513 },
	{ .type = TAR_SYMLINK, .path = "s", .link = long_name, .mode = 0777 },
};

static void write_all(struct es_buf *out)
{
	struct tar_writer w = { .sink = { append, out } };
	char data[2000];

	memset(data, 'x', sizeof data);
	for (size_t i = 0; i < ES_N(entries); i++) {
		CHECK_OK(tar_write_header(&w, &entries[i]));
		if (entries[i].size) {
			CHECK_OK(tar_write_data(&w, data, (size_t)entries[i].size / 2));
			CHECK_OK(tar_write_data(&w, data, (size_t)(entries[i].size - entries[i].size / 2)));
		}
	}
	CHECK_OK(tar_write_end(&w));
	CHECK_INT(out->len % TAR_BLOCK, 0);
}

static void check_entry(const struct tar_entry *got, const struct tar_entry *want)
{
	CHECK_INT(got->type, want->type);
	CHECK_STR(got->path, want->path);
	CHECK_STR(got->link, want->link ? want->link : "");
	CHECK_INT(got->mode, want->mode);
	CHECK_INT(got->uid, want->uid);
	CHECK_INT(got->gid, want->gid);
	CHECK_INT(got->size, want->size);
	CHECK_INT(got->mtime_s, want->mtime_s);
	CHECK_INT(got->mtime_ns, want->mtime_ns);
	CHECK_INT(got->dev_major, want->dev_major);
	CHECK_INT(got->dev_minor, want->dev_minor);
	CHECK_INT(got->n_xattrs, want->n_xattrs);
	for (size_t i = 0; i < got->n_xattrs; i++) { /* sorted by the writer */
		const struct tar_xattr *x = &want->xattrs[got->n_xattrs - 1 - i];

		CHECK_STR(got->xattrs[i].name, x->name);
		CHECK(got->xattrs[i].len == x->len && memcmp(got->xattrs[i].value, x->value, x->len) == 0);
	}
}

static void there_and_back(void)
{
	static const size_t sizes[] = { 1, 7, 511, 512, 513, 4096, 1 << 20 };
	es_autobuf tape = ES_BUF(1 << 20);

	write_all(&tape);
	for (size_t s = 0; s < ES_N(sizes); s++) {
		struct chunks c = { tape.p, tape.len, 0, sizes[s] };
		es_autotar *r = tar_reader_new((struct tar_source){ read_chunk, &c });
		const struct tar_entry *e;

		for (size_t i = 0; i < ES_N(entries); i++) {
			uint64_t total = 0, offset;
			const char *bytes;
			size_t n;

			CHECK_OK(tar_next(r, &e));
			CHECK(e != NULL);
			check_entry(e, &entries[i]);
			if (i % 2) /* every other one's data is skipped */
				continue;
			for (;;) {
				CHECK_OK(tar_data(r, &bytes, &n, &offset));
				if (n == 0)
					break;
				CHECK_INT(offset, total);
				CHECK(bytes[0] == 'x');
				total += n;
			}
			CHECK_INT(total, e->size);
		}
		CHECK_OK(tar_next(r, &e));
		CHECK(e == NULL);
		CHECK_OK(tar_next(r, &e));
		CHECK(e == NULL);
	}
}

/* Reads all of TAPE; the error or NULL. Names and sizes go to SEEN. */
static es_err *read_all(const char *bytes, size_t n, struct es_buf *seen)
{
	struct chunks c = { bytes, n, 0, 10000 };
	es_autotar *r = tar_reader_new((struct tar_source){ read_chunk, &c });
	const struct tar_entry *e;

	for (;;) {
		const char *data;
		uint64_t offset;
		size_t here;

		ES_TRY(tar_next(r, &e));
		if (!e)
			return NULL;
		es_buf_printf(seen, "%c %s %llu", e->flag, e->path, (unsigned long long)e->size);
		for (;;) {
			ES_TRY(tar_data(r, &data, &here, &offset));
			if (here == 0)
				break;
			if (e->pieces)
				es_buf_printf(seen, " %llu+%zu", (unsigned long long)offset, here);
		}
		es_buf_addc(seen, '\n');
	}
}

static void cut_short(void)
{
	es_autobuf tape = ES_BUF(1 << 20), seen = ES_BUF(1 << 20);

	write_all(&tape);
	for (size_t n = 0; n < tape.len; n += 97) {
		es_err *err = read_all(tape.p, n, &seen);

		if (err)
			CHECK(strstr(es_err_text(err), "unexpected end"));
		es_err_free(err);
	}
}

/* A header block with a right checksum. */
static void block(struct es_buf *out, const char *name, char flag, const char *size, const char *magic)
{
	unsigned char b[TAR_BLOCK] = { 0 };
	unsigned sum = 0;

	memcpy(b, name, strlen(name));
	memcpy(b + 100, "0000644", 7);
	memcpy(b + 108, "0000000", 7);
	memcpy(b + 116, "0000000", 7);
	memcpy(b + 124, size, strlen(size) < 12 ? strlen(size) : 12);
	memcpy(b + 136, "00000000000", 11);
	memcpy(b + 148, "        ", 8);
	b[156] = (unsigned char)flag;
	memcpy(b + 257, magic, 8);
	for (size_t i = 0; i < sizeof b; i++)
		sum += b[i];
	(void)snprintf((char *)b + 148, 8, "%06o", sum);
	es_buf_add(out, b, sizeof b);
}

static void data(struct es_buf *out, const char *text, size_t n)
{
	static const char zeros[TAR_BLOCK];

	es_buf_add(out, text, n);
	es_buf_add(out, zeros, -n % TAR_BLOCK);
}

static void pax_rows(void)
{
	static const struct {
		const char *pax, *want; /* want: what is seen, or the error */
	} rows[] = {
		{ "12 path=abc\n", "0 abc 0\n" },
		{ "12 path=abc\n8 path=\n", "0 name 0\n" },
		{ "14 comment=xy\n", "0 name 0\n" },
		{ "12 path=abc", "not a list of records" },
		{ "13 path=abc\n", "not a list of records" },
		{ "0 path=abc\n", "not a list of records" },
		{ "99999999999999999999 path=abc\n", "not a list of records" },
		{ "11 pathabc\n", "without a key" },
		{ "10 =value\n", "without a key" },
		{ "9 size=x\n", "not a number in range" },
		{ "11 size=-1\n", "not a number in range" },
		{ "28 size=9999999999999999999\n", "not a number in range" },
		{ "18 uid=4294967296\n", "not a number in range" },
		{ "11 mtime=x\n", "time \"x\" is not a number" },
		{ "22 GNU.sparse.major=1\n", "sparse map is cut short" },
		{ "26 GNU.sparse.map=0,5,10,\n", "not a list of numbers" },
		{ "31 GNU.sparse.map=10,5,0,5,1,1\n", "not in order" },
		{ "27 GNU.sparse.numbytes=512\n", "without an offset" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autobuf tape = ES_BUF(1 << 20), seen = ES_BUF(1000);
		es_autoerr es_err *err = NULL;
		char size[32];

		(void)snprintf(size, sizeof size, "%011zo", strlen(rows[i].pax));
		block(&tape, "PaxHeaders.0/x", 'x', size, "ustar\00000");
		data(&tape, rows[i].pax, strlen(rows[i].pax));
		block(&tape, "name", '0', "00000000000", "ustar\00000");
		err = read_all(tape.p, tape.len, &seen);
		if (err)
			CHECK(strstr(es_err_text(err), rows[i].want) || (print_message("%s\n", es_err_text(err)), 0));
		else
			CHECK_STR(es_buf_str(&seen), rows[i].want);
	}
}

static void header_rows(void)
{
	static const struct {
		const char *size;
		char flag;
		const char *magic, *want;
	} rows[] = {
		{ "00000000000", '\0', "\0\0\0\0\0\0\0\0", "seventh edition" },
		{ "\200\0\0\0\0\0\0\0\0\0\0\0", '0', "ustar  \0", "" },
		{ "\377\377\377\377\377\377\377\377\377\377\377\377", '0', "ustar  \0", "size is negative" },
		{ "\200\0\0\0\377\377\377\377\377\377\377\377", '0', "ustar  \0", "out of range" },
		{ "777777777777", '0', "ustar\00000", "unexpected end" },
		{ "0000000000x", '0', "ustar\00000", "size is not a number" },
		{ "00010000000", 'x', "ustar\00000", "extended header of 2097152 bytes is larger" },
		{ "00000010001", 'L', "ustar  \0", "unexpected end" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autobuf tape = ES_BUF(1 << 20), seen = ES_BUF(1000);
		es_autoerr es_err *err = NULL;

		block(&tape, "n", rows[i].flag, rows[i].size, rows[i].magic);
		err = read_all(tape.p, tape.len, &seen);
		if (err && !strstr(es_err_text(err), rows[i].want))
			fail_msg("row %zu: %s", i, es_err_text(err));
		if (!err)
			CHECK(seen.len > 0);
	}
}

static void gnu_long_and_sparse(void)
{
	static const char map[] = "2\n0\n512\n1024\n3\n";
	es_autobuf tape = ES_BUF(1 << 20), seen = ES_BUF(10000), want = ES_BUF(10000);
	char pax[200];

	block(&tape, "././@LongLink", 'L', "00000000401", "ustar  \0");
	data(&tape, long_name, 257);
	block(&tape, "short", '0', "00000000000", "ustar  \0");
	(void)snprintf(pax, sizeof pax, "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n%s%s",
		       "24 GNU.sparse.name=real\n", "28 GNU.sparse.realsize=2000\n");
	CHECK_INT(strlen(pax), 22 + 22 + 24 + 28);
	block(&tape, "PaxHeaders.0/x", 'x', "00000000140", "ustar\00000");
	data(&tape, pax, strlen(pax));
	block(&tape, "GNUSparseFile.0/real", '0', "00000002003", "ustar\00000"); /* 512 of map, 515 of data */
	data(&tape, map, sizeof map - 1);
	data(&tape, "0123", 4);
	data(&tape, "abc", 3);
	es_buf_printf(&want, "0 %.257s 0\n0 real 2000 0+512 1024+3\n", long_name);
	CHECK_OK(read_all(tape.p, tape.len, &seen));
	CHECK_STR(es_buf_str(&seen), es_buf_str(&want));
}

static void damaged(void)
{
	es_autobuf tape = ES_BUF(1 << 20), seen = ES_BUF(1 << 20);

	write_all(&tape);
	tape.p[3] ^= 1;
	CHECK_ERR(read_all(tape.p, tape.len, &seen), "archive at byte 0: checksum does not match");
	CHECK_ERR(read_all("this is no archive", 18, &seen), "unexpected end");
}

CHECK_MAIN(TEST(there_and_back), TEST(cut_short), TEST(pax_rows), TEST(header_rows), TEST(gnu_long_and_sparse),
	   TEST(damaged))

/* SPDX-License-Identifier: Apache-2.0 */
/* layer.c: the modes of estiba-layer, its options, its report. */
#include "layer/layer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/opt.h"
#include "base/str.h"
#include "layer/erofs.h"
#include "layer/intake.h"
#include "layer/sandbox.h"
#include "layer/treepack.h"
#include "layer/unpack.h"
#include "pack/shrink.h"

#define REPORT_MAX ((size_t)4 << 20)

#define T struct layer_options
static const struct opt unpack_opts[] = {
	O_BOOL(T, no_extract, "no-extract", 0, .help = "Read and check the archive, make no files"),
	O_BOOL(T, file, "file", 0,
	       .help = "Descriptor 5 gets a layer file (the tar as a mountable EROFS); nothing is extracted"),
	O_BOOL(T, plain, "plain", 0, .help = "Names that begin with .wh. are ordinary; existing files are replaced"),
	O_BOOL(T, no_overwrite_dir_non_dir, "no-overwrite-dir-non-dir", 0,
	       .help = "Never replace a directory by a file or a file by a directory"),
	O_STR(T, chown, "chown", 0, .value_name = "uid:gid", .help = "Owner of everything"),
	O_BOOL(T, copy_uidgid, "copy-uidgid", 0, .help = "Owners as in the archive: the default, said aloud"),
	O_LIST(T, uid_maps, "uidmap", 0, .value_name = "in:out:size", .help = "Map user ids of the archive"),
	O_LIST(T, gid_maps, "gidmap", 0, .value_name = "in:out:size", .help = "Map group ids of the archive"),
	O_STR(T, subdir, "subdir", 0, .value_name = "path", .help = "Extract there, resolved inside the directory"),
	O_BYTES(T, max_size, "max-size", 0, .def = LAYER_SIZE_MAX, .help = "Largest uncompressed archive"),
	O_U64(T, max_entries, "max-entries", 0, .def = LAYER_ENTRIES_MAX, .help = "Most entries"),
	O_END,
};
static const struct opt pack_opts[] = {
	O_BOOL(T, upper, "upper", 0,
	       .help = "The directory is an overlay's upper; lowers are descriptors 7, 8, … (top first)"),
	O_BOOL(T, plain, "plain", 0, .help = "The tree as it is (the default)"),
	O_BOOL(T, file, "file", 0, .help = "Descriptor 5 gets a layer file instead of a tar; with --upper"),
	O_STR(T, path, "path", 0, .help = "Only this, resolved inside the directory"),
	O_STR(T, rename, "rename", 0, .value_name = "name", .help = "What it is called in the archive"),
	O_END,
};
static const struct opt compress_opts[] = {
	O_STR(T, kind, "kind", 0, .def = "gzip", .help = "gzip, zstd or plain"),
	O_I64(T, size, "size", 0, .def = "-1", .help = "Read exactly so many bytes, and not to the end"),
	O_END,
};
static const struct opt no_opts[] = {O_END};
#undef T

/* Output: a descriptor, counted and hashed. */
struct output {
	int fd;
	struct digest *digest;
	uint64_t bytes;
};

static es_err *output_write(void *self, const void *bytes, size_t n)
{
	struct output *out = self;

	digest_add(out->digest, bytes, n);
	out->bytes += n;
	return es_err_in(file_write_all(out->fd, bytes, n), "write");
}

/* Small writes (headers) and large ones (data) in one size. */
struct gather {
	struct output *out;
	size_t n;
	char bytes[64 << 10];
};

static es_err *gather_flush(struct gather *g)
{
	size_t n = g->n;

	g->n = 0;
	return n ? output_write(g->out, g->bytes, n) : NULL;
}

static es_err *gather_write(void *self, const void *bytes, size_t n)
{
	struct gather *g = self;

	if (n > sizeof g->bytes - g->n)
		ES_TRY(gather_flush(g));
	if (n > sizeof g->bytes)
		return output_write(g->out, bytes, n);
	if (n)
		memcpy(g->bytes + g->n, bytes, n);
	g->n += n;
	return NULL;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void set_digest(struct arena *a, struct json *report, const char *key, struct digest *d)
{
	char text[DIGEST_TEXT_MAX];

	json_set_str(a, report, key, digest_end(d, text));
}

static void set_u64(struct arena *a, struct json *report, const char *key, uint64_t v)
{
	json_set(a, report, key, json_new_u64(a, v));
}

/* Modes */

/* What every form of unpacking reports, once the tar is read. */
static es_err *report_intake(struct intake *in, const struct layer_counts *counts, struct json *implied, struct arena *a,
			     struct json *report)
{
	char digest[DIGEST_TEXT_MAX];

	ES_TRY(intake_drain(in));
	set_digest(a, report, "diff_id", in->digest);
	if (in->expand) {
		json_set_str(a, report, "digest", expand_input_digest(in->expand, digest));
		json_set_str(a, report, "compression", pack_kind_name(expand_kind(in->expand)));
		set_u64(a, report, "size", expand_input_bytes(in->expand));
	} else { /* a tar that was made here */
		json_set_str(a, report, "digest", json_str(json_get(report, "diff_id")));
		set_u64(a, report, "size", in->bytes);
	}
	set_u64(a, report, "tar_size", in->bytes);
	set_u64(a, report, "entries", counts->entries);
	set_u64(a, report, "content_size", counts->content_size);
	if (counts->dropped)
		set_u64(a, report, "dropped", counts->dropped);
	if (implied->n)
		json_set(a, report, "implied", implied);
	return NULL;
}

/* Options that a layer file has no use for: it is the overlay form, with the ids as they are. */
static es_err *check_file_options(const struct layer_options *o)
{
	const struct {
		bool given;
		const char *name;
	} others[] = {
		{o->no_extract, "no-extract"},
		{o->plain, "plain"},
		{o->no_overwrite_dir_non_dir, "no-overwrite-dir-non-dir"},
		{o->has_owner, "chown"},
		{o->subdir != NULL, "subdir"},
		{o->map.n_uids > 0, "uidmap"},
		{o->map.n_gids > 0, "gidmap"},
	};

	for (size_t i = 0; i < ES_N(others); i++)
		if (others[i].given)
			return es_err_new(ES_E_INVALID, "--file does not go with --%s", others[i].name);
	return NULL;
}

/* The tar goes to its place while its entries are read; then what describes it, and the head last: a file that was not
 * finished begins with zeros. */
static es_err *empty_file(void)
{
	struct stat st;

	if (fstat(LAYER_FD_OUT, &st) < 0 || !S_ISREG(st.st_mode))
		return es_err_new(ES_E_INVALID, "--file wants a regular file at descriptor %d", LAYER_FD_OUT);
	if (ftruncate(LAYER_FD_OUT, 0) < 0 || lseek(LAYER_FD_OUT, LAYER_FILE_HEAD, SEEK_SET) < 0)
		return es_err_sys(errno, "write the layer file");
	return NULL;
}

/* An index that would be too large is no fault of the archive: *RET_WHY says so, and the tar is kept all the same. */
static es_err *index_err(es_err *err, es_err **ret_why)
{
	if (!err || es_err_class(err) != ES_E_LIMIT)
		return err;
	*ret_why = err;
	return NULL;
}

static es_err *add_entries(struct tar_reader *r, struct erofs *w, uint64_t max, struct layer_counts *counts,
			   es_err **ret_why)
{
	const struct tar_entry *e;

	for (;;) {
		ES_TRY(tar_next(r, &e));
		if (!e)
			return NULL;
		if (++counts->entries > max)
			return es_err_new(ES_E_LIMIT, "more than %" PRIu64 " entries", max);
		if (!*ret_why)
			ES_TRY(index_err(erofs_add(w, e), ret_why));
	}
}

static es_err *write_index(struct erofs *w, uint64_t tar_size, struct arena *a, struct json *report, es_err **ret_why)
{
	struct erofs_result result;

	ES_TRY(index_err(erofs_write(w, LAYER_FD_OUT, tar_size, json_str(json_get(report, "diff_id")), &result), ret_why));
	if (*ret_why)
		return NULL;
	set_u64(a, report, "meta_offset", result.meta_at);
	set_u64(a, report, "file_size", result.file_size);
	return NULL;
}

/* IN, a tar that goes to its place as it is read, becomes a layer file. */
static es_err *file_of(struct intake *in, struct layer_options *o, struct arena *a, struct json *report)
{
	struct layer_counts counts = {0};
	struct json *implied = json_new_array(a);
	es_autotar *r = tar_reader_new((struct tar_source){intake_read, in});
	es_autoerofs *w = erofs_new(&counts);
	es_autoerr es_err *why = NULL;

	ES_TRY(add_entries(r, w, o->max_entries, &counts, &why));
	if (!why)
		ES_TRY(erofs_implied(w, a, implied));
	ES_TRY(report_intake(in, &counts, implied, a, report));
	if (!why)
		ES_TRY(write_index(w, in->bytes, a, report, &why));
	if (why)
		json_set_str(a, report, "unindexed", es_err_text(why));
	return NULL;
}

static es_err *unpack_file(struct layer_options *o, struct arena *a, struct json *report)
{
	es_autointake in = {0};

	ES_TRY(check_file_options(o));
	ES_TRY(empty_file());
	ES_TRY(sandbox_enter(&(struct sandbox){.root_fd = -1}));
	ES_TRY(intake_open(&in, LAYER_FD_IN, LAYER_FD_OUT, (uint64_t)o->max_size));
	return file_of(&in, o, a, report);
}

static es_err *unpack(struct layer_options *o, struct arena *a, struct json *report)
{
	int dir = o->no_extract ? -1 : LAYER_FD_DIR, copy = is_open(LAYER_FD_OUT) ? LAYER_FD_OUT : -1;
	struct layer_counts counts = {0};
	struct json *implied = json_new_array(a);
	es_autointake in = {0};
	es_autotar *r = NULL;

	if (o->file)
		return unpack_file(o, a, report);
	if (dir >= 0 && !is_open(dir))
		return es_err_new(ES_E_INVALID, "no directory is open at descriptor %d", dir);
	es_autoclose int root = dir < 0 ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && root < 0)
		return es_err_sys(errno, "open descriptor %d as a directory", dir);
	ES_TRY(sandbox_enter(
		&(struct sandbox){.root_fd = root, .writes = true, .trusted_xattrs = !o->plain && root >= 0}));
	ES_TRY(intake_open(&in, LAYER_FD_IN, copy, (uint64_t)o->max_size));
	r = tar_reader_new((struct tar_source){intake_read, &in});
	ES_TRY(unpack_all(r, root, o, a, &counts, implied));
	return report_intake(&in, &counts, implied, a, report);
}

/* What is packed: the tree and, of an upper, what lies below it. */
struct packing {
	struct layer_options *o;
	int root, lowers[LAYER_LOWERS_MAX];
	size_t n;
	struct layer_counts counts;
};

static es_err *pack_put(void *self, const void *bytes, size_t n)
{
	return ahead_put(self, bytes, n);
}

static es_err *pack_run(void *self, struct ahead *to)
{
	struct packing *p = self;
	struct tar_writer w = {.sink = {pack_put, to}};

	return treepack_all(&w, p->root, p->lowers, p->n, p->o, &p->counts);
}

/* One thread packs, the other reads what was packed as if it came from elsewhere: the same tar, the same file. */
static es_err *pack_file(struct packing *p, struct arena *a, struct json *report)
{
	es_autointake in = {0};

	ES_TRY(intake_run(&in, pack_run, p, LAYER_FD_OUT));
	return file_of(&in, p->o, a, report);
}

static es_err *pack_tar(struct packing *p, struct arena *a, struct json *report)
{
	es_autofree struct gather *g = ES_NEW(struct gather);
	struct tar_writer w = {.sink = {gather_write, g}};
	struct output out = {.fd = LAYER_FD_OUT};
	es_err *err;

	g->out = &out;
	out.digest = digest_new();
	err = treepack_all(&w, p->root, p->lowers, p->n, p->o, &p->counts);
	if (!err)
		err = gather_flush(g);
	if (!err) {
		set_digest(a, report, "diff_id", out.digest);
		json_set_str(a, report, "digest", json_str(json_get(report, "diff_id")));
		set_u64(a, report, "size", out.bytes);
		set_u64(a, report, "tar_size", out.bytes);
		set_u64(a, report, "entries", p->counts.entries);
		set_u64(a, report, "content_size", p->counts.content_size);
	}
	digest_free(out.digest);
	return err;
}

static es_err *pack(struct layer_options *o, struct arena *a, struct json *report)
{
	struct packing p = {.o = o};

	if (o->upper && (o->path || o->plain))
		return es_err_new(ES_E_INVALID, "--upper does not go with --plain or --path");
	if (o->rename && !o->path)
		return es_err_new(ES_E_INVALID, "--rename wants --path");
	if (o->file && !o->upper)
		return es_err_new(ES_E_INVALID, "--file wants --upper");
	o->max_entries = UINT64_MAX; /* the index has its own maxima */
	if (o->file)
		ES_TRY(empty_file());
	es_autoclose int root = openat(LAYER_FD_DIR, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return es_err_sys(errno, "open descriptor %d as a directory", LAYER_FD_DIR);
	p.root = root;
	while (o->upper && p.n < LAYER_LOWERS_MAX && is_open(LAYER_FD_LOWERS + (int)p.n) &&
	       LAYER_FD_LOWERS + (int)p.n != root) {
		p.lowers[p.n] = LAYER_FD_LOWERS + (int)p.n;
		p.n++;
	}
	ES_TRY(sandbox_enter(&(struct sandbox){
		.root_fd = root, .read_fds = p.lowers, .n_read_fds = p.n, .trusted_xattrs = o->upper}));
	return o->file ? pack_file(&p, a, report) : pack_tar(&p, a, report);
}

static es_err *kind_parse(const char *name, enum pack_kind *ret)
{
	static const enum pack_kind kinds[] = {PACK_GZIP, PACK_ZSTD, PACK_PLAIN};

	for (size_t i = 0; i < ES_N(kinds); i++)
		if (str_eq(pack_kind_name(kinds[i]), name)) {
			*ret = kinds[i];
			return NULL;
		}
	return es_err_new(ES_E_INVALID, "unknown compression \"%s\"", name);
}

/* The input as it is, in a thread, so that reading, hashing and compressing overlap. */
struct raw {
	int fd;
	int64_t left; /* negative: to the end */
};

static es_err *raw_read(void *self, char *out, size_t size, size_t *ret_n)
{
	struct raw *raw = self;
	size_t want = raw->left >= 0 && (uint64_t)raw->left < size ? (size_t)raw->left : size;
	ssize_t n = want ? file_read_some(raw->fd, out, want) : 0;

	if (n < 0)
		return es_err_sys(errno, "read stream");
	if (n == 0 && raw->left > 0)
		return es_err_new(ES_E_INVALID, "the stream ends %" PRId64 " bytes early", raw->left);
	if (raw->left > 0)
		raw->left -= n;
	*ret_n = (size_t)n;
	return NULL;
}

static es_err *feed(struct shrink *s, struct digest *in, int64_t size, uint64_t *ret_bytes)
{
	struct raw raw = {LAYER_FD_IN, size};
	es_autoahead *ahead = NULL;
	const char *bytes;
	size_t n;

	*ret_bytes = 0;
	ES_TRY(ahead_start(raw_read, &raw, &ahead));
	for (;;) {
		ES_TRY(ahead_read(ahead, &bytes, &n));
		if (n == 0)
			break;
		*ret_bytes += n;
		digest_add(in, bytes, n);
		if (s)
			ES_TRY(shrink_write(s, bytes, n));
	}
	return s ? shrink_end(s) : NULL;
}

static es_err *compress(struct layer_options *o, struct arena *a, struct json *report)
{
	struct output out = {.fd = LAYER_FD_OUT};
	es_autoshrink *s = NULL;
	enum pack_kind kind = PACK_PLAIN;
	struct digest *in;
	uint64_t bytes;
	es_err *err;

	ES_TRY(kind_parse(o->kind, &kind));
	ES_TRY(sandbox_enter(&(struct sandbox){.root_fd = -1}));
	ES_TRY(shrink_new(kind, (struct pack_sink){output_write, &out}, &s));
	in = digest_new();
	out.digest = digest_new();
	err = feed(s, in, o->size, &bytes);
	if (!err) {
		set_digest(a, report, "diff_id", in);
		set_digest(a, report, "digest", out.digest);
		json_set_str(a, report, "compression", o->kind);
		set_u64(a, report, "size", out.bytes);
		set_u64(a, report, "tar_size", bytes);
	}
	digest_free(in);
	digest_free(out.digest);
	return err;
}

static es_err *hash(struct layer_options *o, struct arena *a, struct json *report)
{
	struct digest *in;
	uint64_t bytes;
	es_err *err;

	ES_TRY(sandbox_enter(&(struct sandbox){.root_fd = -1}));
	in = digest_new();
	err = feed(NULL, in, -1, &bytes);
	if (!err) {
		set_digest(a, report, "digest", in);
		set_u64(a, report, "size", bytes);
	}
	digest_free(in);
	return err;
}

static const struct mode {
	const char *name;
	const struct opt *opts;
	es_err *(*run)(struct layer_options *o, struct arena *a, struct json *report);
	const char *help;
} modes[] = {
	{"unpack", unpack_opts, unpack,
	 "descriptor 3 (tar, maybe compressed) into directory 4, or a layer file to 5; the tar to 5; report on 6"},
	{"pack", pack_opts, pack, "directory 4 as a tar to 5; report on 6"},
	{"compress", compress_opts, compress, "3 compressed to 5; report on 6"},
	{"hash", no_opts, hash, "digest of 3; report on 6"},
};

/* Options as texts to what they mean */

static es_err *id_pair(const char *text, uint32_t *ret_uid, uint32_t *ret_gid)
{
	es_autostrv parts = strv_split(text, ':');
	uint64_t uid, gid;

	if (strv_len(parts) != 2)
		return es_err_new(ES_E_INVALID, "\"%s\" is not uid:gid", text);
	ES_TRY(str_to_u64(parts[0], 10, &uid));
	ES_TRY(str_to_u64(parts[1], 10, &gid));
	if (uid >= UINT32_MAX || gid >= UINT32_MAX)
		return es_err_new(ES_E_INVALID, "\"%s\" is not uid:gid", text);
	*ret_uid = (uint32_t)uid;
	*ret_gid = (uint32_t)gid;
	return NULL;
}

static es_err *id_ranges(struct arena *a, char *const *texts, const struct idmap_range **ret, size_t *ret_n)
{
	struct idmap_range *ranges = ARENA_ARRAY(a, struct idmap_range, strv_len(texts) + 1);
	size_t n = 0;

	for (; texts && *texts; texts++, n++) {
		es_autostrv parts = strv_split(*texts, ':');
		uint64_t v[3];

		if (strv_len(parts) != 3)
			return es_err_new(ES_E_INVALID, "\"%s\" is not inside:outside:size", *texts);
		for (int i = 0; i < 3; i++) {
			ES_TRY(str_to_u64(parts[i], 10, &v[i]));
			if (v[i] > UINT32_MAX)
				return es_err_new(ES_E_INVALID, "\"%s\" is out of range", *texts);
		}
		ranges[n] = (struct idmap_range){(uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2]};
	}
	*ret = ranges;
	*ret_n = n;
	return NULL;
}

static es_err *settle(struct layer_options *o, struct arena *a)
{
	if (o->chown && o->copy_uidgid)
		return es_err_new(ES_E_INVALID, "--chown does not go with --copy-uidgid");
	if (o->chown) {
		ES_TRY(id_pair(o->chown, &o->uid, &o->gid));
		o->has_owner = true;
	}
	ES_TRY(id_ranges(a, o->uid_maps, &o->map.uids, &o->map.n_uids));
	return id_ranges(a, o->gid_maps, &o->map.gids, &o->map.n_gids);
}

static es_err *run_mode(const struct mode *m, char **argv, struct arena *a, struct json *report)
{
	struct layer_options o = {0};
	struct opt_result r = {0};
	es_err *err = opt_parse(m->opts, &o, OPT_INTERSPERSED, argv, &r);

	if (!err && r.n_args)
		err = es_err_new(ES_E_INVALID, "unexpected argument \"%s\"", r.args[0]);
	if (!err)
		err = settle(&o, a);
	if (!err)
		err = m->run(&o, a, report);
	opt_result_done(&r);
	opt_values_done(m->opts, &o);
	return err;
}

static void send_report(struct arena *a, struct json *report, const es_err *err)
{
	es_autobuf text = ES_BUF(REPORT_MAX);

	if (err) {
		report = json_new_object(a);
		json_set_str(a, report, "error", es_err_text(err));
		json_set_str(a, report, "class", es_err_class_name(es_err_class(err)));
		if (es_err_errno(err))
			json_set_i64(a, report, "errno", es_err_errno(err));
	}
	json_write(&text, report, JSON_W_NO_HTML_ESCAPE);
	es_buf_addc(&text, '\n');
	es_err_drop(file_write_all(LAYER_FD_REPORT, es_buf_str(&text), text.len)); /* whoever does not listen */
}

static int usage(const char *arg)
{
	if (str_eq(arg, "--version")) {
		printf("estiba-layer version %s\n", ESTIBA_VERSION);
		return 0;
	}
	fprintf(stderr, "usage: estiba-layer MODE [OPTIONS] (doc/format/layer-helper.md)\n");
	for (size_t i = 0; i < ES_N(modes); i++) {
		es_autobuf help = ES_BUF(10000);

		opt_help(modes[i].opts, 0, &help);
		fprintf(stderr, "\n%s: %s\n%s", modes[i].name, modes[i].help, es_buf_str(&help));
	}
	return 2;
}

int layer_main(int argc, char **argv)
{
	es_autoarena *a = arena_new();
	struct json *report = json_new_object(a);

	(void)signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error like another */
	for (size_t i = 0; argc > 1 && i < ES_N(modes); i++) {
		es_autoerr es_err *err = NULL;

		if (!str_eq(argv[1], modes[i].name))
			continue;
		if (!is_open(LAYER_FD_REPORT)) {
			fprintf(stderr, "estiba-layer: nobody listens at descriptor %d\n", LAYER_FD_REPORT);
			return 2;
		}
		err = run_mode(&modes[i], argv + 2, a, report);
		send_report(a, report, err);
		return err ? 1 : 0;
	}
	return usage(argc > 1 ? argv[1] : NULL);
}

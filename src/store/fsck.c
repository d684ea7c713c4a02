/* SPDX-License-Identifier: Apache-2.0 */
/* fsck.c: every byte against its digest, every record against what it leads to, every directory against the records. */
#include "store/fsck.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "codec/json.h"
#include "store/blob.h"
#include "store/layers.h"
#include "store/lease.h"
#include "store/record.h"
#include "store/snapshot.h"
#include "store/store_priv.h"
#include "store/verify.h"

#define HEX "0123456789abcdef"
#define PROBLEMS_MAX 10000u /* one check's; further ones are found when these are gone */

struct check {
	struct store *st;
	struct arena *a;
	const struct fsck_options *opts;
	struct fsck_report *out;
	struct lease *lease;
	struct fsck_problem *problems;
	size_t n, cap;
	struct field_map *bad_layers; /* diffID: struct fsck_problem * of what cannot be made whole */
	struct field_map *bad_blobs;  /* digest: why */
};

static es_err *problem(struct check *c, const struct fsck_problem *p)
{
	struct fsck_problem *old = c->problems;

	if (c->n == PROBLEMS_MAX)
		return es_err_new(ES_E_LIMIT, "more than %u problems", PROBLEMS_MAX);
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 16;
		c->problems = ARENA_ARRAY(c->a, struct fsck_problem, c->cap);
		if (c->n)
			memcpy(c->problems, old, c->n * sizeof *old);
	}
	c->problems[c->n++] = *p;
	c->out->left += !p->repair;
	return NULL;
}

static bool is_hex(const char *name, size_t n)
{
	return strlen(name) == n && strspn(name, HEX) == n;
}

static es_err *stop_if_over(struct check *c)
{
	return c->opts->is_over && c->opts->is_over(c->opts->self) ? es_err_new(ES_E_CANCELLED, "cancelled") : NULL;
}

static es_err *doc_of(struct check *c, const struct record *r, struct json **ret)
{
	return es_err_in(json_parse(c->a, r->json, strlen(r->json), ret), "record of %s %s", r->kind, r->id);
}

static bool has_record(struct check *c, const char *kind, const char *id)
{
	struct record r;
	es_err *err = record_get(c->st, c->a, kind, id, &r);

	es_err_free(err);
	return !err;
}

/* --- layers --- */

/* An error of the look (a full disk) is told like damage, and nothing is done about it. */
static es_err *check_layer(struct check *c, const char *diff_id)
{
	es_autoarena *scratch = arena_new();
	struct verify_result r;
	struct fsck_problem p = { .kind = "layer", .object = diff_id };
	es_err *err = verify_layer(c->st, scratch, diff_id, c->opts->repair, &r);

	c->out->layers++;
	c->out->bytes += (int64_t)r.bytes;
	if (!layers_has(c->st, diff_id)) { /* removed meanwhile */
		es_err_drop(err);
		return NULL;
	}
	if (err) {
		p.text = arena_printf(c->a, "layer %s could not be checked: %s", diff_id, es_err_text(err));
		es_err_free(err);
		return problem(c, &p);
	}
	if (!r.fault)
		return NULL;
	p.text = arena_strdup(c->a, r.fault);
	p.file = arena_strdup(c->a, r.file);
	if (r.repaired)
		p.repair = "made again from its tar";
	if (!r.from_tar) /* told with the images that need it */
		field_map_put(c->a, c->bad_layers, diff_id, memcpy(ARENA_NEW(c->a, struct fsck_problem), &p, sizeof p));
	else
		return problem(c, &p);
	return NULL;
}

static es_err *check_layers(struct check *c)
{
	struct record_list list;

	ES_TRY(record_list(c->st, c->a, "layer", NULL, &list));
	for (size_t i = 0; i < list.n; i++) {
		ES_TRY(stop_if_over(c));
		lease_hold(c->lease, list.items[i].id);
		if (blob_is_digest(list.items[i].id) && layers_has(c->st, list.items[i].id))
			ES_TRY(check_layer(c, list.items[i].id));
	}
	return NULL;
}

/* --- blobs --- */

static es_err *check_blobs(struct check *c)
{
	es_autostrv names = NULL;

	ES_TRY(file_names(c->st->root_fd, "blobs/sha256", &names));
	for (size_t i = 0; names && names[i]; i++) {
		es_autoarena *scratch = arena_new();
		char *digest = arena_printf(c->a, "sha256:%s", names[i]), *bytes;
		size_t n;

		if (!blob_is_digest(digest))
			continue; /* an orphan */
		ES_TRY(stop_if_over(c));
		lease_hold(c->lease, digest);
		es_err *err = blob_read(c->st, scratch, digest, &bytes, &n);
		if (!err) {
			c->out->blobs++;
			c->out->bytes += (int64_t)n;
		} else if (es_err_class(err) != ES_E_NOT_FOUND) {
			field_map_put(c->a, c->bad_blobs, digest, arena_strdup(c->a, es_err_text(err)));
		}
		es_err_free(err);
	}
	return NULL;
}

/* NULL: DIGEST is here and whole. */
static const char *blob_fault(struct check *c, const char *digest)
{
	const char *why = field_map_get(c->bad_blobs, digest);

	if (why)
		return why;
	return blob_has(c->st, digest) ? NULL : arena_printf(c->a, "blob %s is missing", digest);
}

static char *blob_path(struct check *c, const char *digest)
{
	return arena_printf(c->a, "blobs/sha256/%s", blob_is_digest(digest) ? digest + strlen("sha256:") : digest);
}

/* --- images --- */

static es_err *names_of(struct check *c, const char *image_id, char ***ret)
{
	struct record_list tags;

	ES_TRY(record_list(c->st, c->a, "tag", image_id, &tags));
	*ret = NULL;
	for (size_t i = 0; i < tags.n; i++)
		*ret = strv_arena_add(c->a, *ret, tags.items[i].id);
	if (!*ret)
		*ret = strv_arena_add(c->a, NULL, image_id);
	return NULL;
}

static es_err *forget_image(struct check *c, const char *id)
{
	es_autotx *tx = record_tx_new();
	struct record_list tags;

	ES_TRY(record_list(c->st, c->a, "tag", id, &tags));
	for (size_t i = 0; i < tags.n; i++)
		record_tx_delete(tx, "tag", tags.items[i].id);
	record_tx_delete(tx, "image", id);
	return record_commit(c->st, tx);
}

/* The config's layers must be the record's: it is by the record that they are kept. */
static const char *config_fault(struct check *c, const struct record *image, const struct json *layers)
{
	es_autoarena *scratch = arena_new();
	struct json *config, *ids;
	const struct json *have = layers && layers->n ? layers : NULL;
	char *bytes;
	size_t n, i = 0;
	es_err *err = blob_read(c->st, scratch, image->id, &bytes, &n);

	if (!err)
		err = json_parse(scratch, bytes, n, &config);
	if (err) {
		const char *text = arena_strdup(c->a, es_err_text(err));

		es_err_free(err);
		return text;
	}
	ids = json_get(json_get(config, "rootfs"), "diff_ids");
	if ((ids ? ids->n : 0) != (have ? have->n : 0))
		return "its record has other layers than its config";
	JSON_EACH(at, ids) {
		size_t k = 0;

		JSON_EACH(other, have)
			if (k++ == i && !str_eq(json_str(at), json_str(other)))
				return "its record has other layers than its config";
		i++;
	}
	return NULL;
}

/* What makes the image useless: *RET_P is it, or has no text. */
static es_err *image_fault(struct check *c, const struct record *image, const struct json *doc, struct fsck_problem *ret)
{
	const char *why = blob_fault(c, image->id);

	*ret = (struct fsck_problem){ .kind = "image", .object = image->id };
	if (!why)
		why = config_fault(c, image, json_get(doc, "layers"));
	if (why) {
		ret->text = arena_printf(c->a, "image %s: %s", image->id, why);
		ret->file = blob_path(c, image->id);
		return NULL;
	}
	JSON_EACH(at, json_get(doc, "layers")) {
		const struct fsck_problem *bad = json_str(at) ? field_map_get(c->bad_layers, json_str(at)) : NULL;

		if (!json_str(at))
			continue;
		if (bad) {
			*ret = *bad;
			return NULL;
		}
		if (!layers_has(c->st, json_str(at))) {
			*ret = (struct fsck_problem){ .kind = "layer", .object = json_str(at),
						      .text = arena_printf(c->a, "layer %s is missing", json_str(at)) };
			return NULL;
		}
	}
	return NULL;
}

/* A manifest or index that is damaged: the record no longer names it, nor do references. */
static es_err *drop_blob(struct check *c, const struct record *image, struct json *doc, const char *digest)
{
	es_autotx *tx = record_tx_new();
	es_autobuf text = ES_BUF(RECORD_JSON_MAX);
	struct json *blobs = json_new_array(c->a);
	struct record_list tags;
	struct record r = *image;

	JSON_EACH(at, json_get(doc, "blobs"))
		if (!str_eq(json_str(at), digest))
			json_append(blobs, json_copy(c->a, at));
	json_set(c->a, doc, "blobs", blobs);
	json_write(&text, doc, 0);
	ES_TRY(es_buf_check(&text));
	r.json = es_buf_str(&text);
	ES_TRY(record_list(c->st, c->a, "tag", image->id, &tags));
	for (size_t i = 0; i < tags.n; i++)
		if (str_ends(tags.items[i].id, digest))
			record_tx_delete(tx, "tag", tags.items[i].id);
	record_tx_require(tx, "image", image->id);
	record_tx_put(tx, &r);
	ES_TRY(record_commit(c->st, tx));
	return store_discard(c->st, blob_path(c, digest));
}

static es_err *check_manifests(struct check *c, const struct record *image, struct json *doc)
{
	char **digests = NULL;

	JSON_EACH(at, json_get(doc, "blobs"))
		if (json_str(at) && !str_eq(json_str(at), image->id))
			digests = strv_arena_add(c->a, digests, json_str(at));
	for (; digests && *digests; digests++) {
		struct fsck_problem p = { .kind = "blob", .object = *digests, .text = blob_fault(c, *digests), .file = blob_path(c, *digests) };

		if (!p.text)
			continue;
		ES_TRY(names_of(c, image->id, &p.images));
		if (c->opts->repair) {
			ES_TRY(drop_blob(c, image, doc, *digests));
			p.repair = "removed, with the digests that name it";
		}
		ES_TRY(problem(c, &p));
	}
	return NULL;
}

static es_err *check_images(struct check *c)
{
	struct record_list images;

	ES_TRY(record_list(c->st, c->a, "image", NULL, &images));
	for (size_t i = 0; i < images.n; i++) {
		const struct record *image = &images.items[i];
		struct fsck_problem p;
		struct json *doc;

		c->out->images++;
		ES_TRY(doc_of(c, image, &doc));
		ES_TRY(image_fault(c, image, doc, &p));
		if (!p.text) {
			ES_TRY(check_manifests(c, image, doc));
			continue;
		}
		if (!has_record(c, "image", image->id)) /* removed meanwhile */
			continue;
		ES_TRY(names_of(c, image->id, &p.images));
		if (c->opts->repair) {
			ES_TRY(forget_image(c, image->id));
			p.repair = "the image is removed";
		}
		ES_TRY(problem(c, &p));
	}
	return NULL;
}

/* Damaged blobs that no image of the above names. */
static es_err *check_loose_blobs(struct check *c)
{
	for (size_t i = 0; i < c->bad_blobs->n; i++) {
		const char *digest = c->bad_blobs->entries[i].key;
		struct fsck_problem p = { .kind = "blob", .object = digest, .text = c->bad_blobs->entries[i].value, .file = blob_path(c, digest) };
		bool told = false;

		for (size_t k = 0; k < c->n && !told; k++)
			told = str_eq(c->problems[k].object, digest);
		if (told)
			continue;
		if (c->opts->repair) {
			ES_TRY(store_discard(c->st, p.file));
			p.repair = "removed";
		}
		ES_TRY(problem(c, &p));
	}
	return NULL;
}

static es_err *check_tags(struct check *c)
{
	struct record_list tags;

	ES_TRY(record_list(c->st, c->a, "tag", NULL, &tags));
	for (size_t i = 0; i < tags.n; i++) {
		const struct record *tag = &tags.items[i];
		struct fsck_problem p = { .kind = "tag", .object = tag->id, .text = arena_printf(c->a, "tag %s leads to no image", tag->id) };

		if (tag->ref && has_record(c, "image", tag->ref))
			continue;
		if (!has_record(c, "tag", tag->id)) /* both went */
			continue;
		if (c->opts->repair) {
			ES_TRY(record_delete(c->st, "tag", tag->id));
			p.repair = "removed";
		}
		ES_TRY(problem(c, &p));
	}
	return NULL;
}

/* --- what has no owner --- */

/* Was PATH there before anything that is under way now began? Then what is to record it will not come any more. */
static bool is_settled(struct check *c, const char *path, int64_t oldest)
{
	struct stat st, again;

	if (fstatat(c->st->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (st.st_mtim.tv_sec * CLOCK_NS_PER_S + st.st_mtim.tv_nsec >= oldest)
		return false;
	/* Its record may have gone a moment ago, and it will follow. Another one may have its name by then. */
	return lease_removals_over(c->st) && fstatat(c->st->root_fd, path, &again, AT_SYMLINK_NOFOLLOW) == 0 && again.st_ino == st.st_ino &&
	       again.st_mtim.tv_sec == st.st_mtim.tv_sec && again.st_mtim.tv_nsec == st.st_mtim.tv_nsec;
}

static es_err *orphan(struct check *c, const char *path, const char *why)
{
	struct fsck_problem p = { .kind = "orphan", .object = path, .file = path, .text = arena_printf(c->a, "%s %s", path, why) };

	if (c->opts->repair) {
		ES_TRY(store_discard(c->st, path));
		p.repair = "removed";
	}
	return problem(c, &p);
}

/* The places in which every name must have a record. OWNER: kind of that record; PREFIX stands before the name in its id.
 * SHAPE: names have so many hexadecimal digits, 0: any. */
static const struct place {
	const char *dir, *owner, *prefix;
	size_t shape;
} places[] = {
	{ "layers", "layer", "sha256:", 64 },
	{ "containers", "container", "", 64 },
	{ "steps", "snapshot", "step/", 64 },
	{ "volumes", "volume", "", 0 },
	{ "blobs/sha256", NULL, NULL, 64 },
	{ "partial", NULL, NULL, 0 },
};

/* 1. the names, 2. what is under way, 3. the records: whoever was about to record a name of 1 holds a lease in 2, or its record
 * is there in 3. */
static es_err *check_place(struct check *c, const struct place *p)
{
	es_autostrv names = NULL;
	int64_t oldest;

	ES_TRY(file_names(c->st->root_fd, p->dir, &names));
	oldest = lease_oldest(c->st, c->lease);
	for (size_t i = 0; names && names[i]; i++) {
		char *path = arena_printf(c->a, "%s/%s", p->dir, names[i]);
		bool shaped = !p->shape || is_hex(names[i], p->shape);

		if (shaped && p->shape && !p->owner)
			continue; /* a blob; the collection knows which are needed */
		if (shaped && p->owner && has_record(c, p->owner, arena_printf(c->a, "%s%s", p->prefix, names[i])))
			continue;
		if (!is_settled(c, path, oldest))
			continue;
		ES_TRY(orphan(c, path, shaped && p->owner ? "has no record" : p->shape ? "does not belong there" : "was left behind"));
	}
	return NULL;
}

/* tmp/ is empty whenever the janitor has nothing to do. */
static es_err *check_trash(struct check *c)
{
	es_autostrv names = NULL;
	bool settled = store_is_settled(c->st);

	ES_TRY(file_names(c->st->root_fd, "tmp", &names));
	for (size_t i = 0; settled && names && names[i]; i++) {
		char *path = arena_printf(c->a, "tmp/%s", names[i]);
		struct fsck_problem p = { .kind = "trash", .object = path, .file = path, .text = arena_printf(c->a, "%s was left behind", path) };
		struct stat st;

		if (fstatat(c->st->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    st.st_ctim.tv_sec * CLOCK_NS_PER_S + st.st_ctim.tv_nsec >= lease_now() - CLOCK_NS_PER_S)
			continue; /* came just now; the janitor comes too */
		if (c->opts->repair) {
			store_sweep_trash(c->st);
			p.repair = "removed";
		}
		ES_TRY(problem(c, &p));
	}
	return NULL;
}

/* --- snapshots --- */

/* Every step that the build cache needs: as it is found there, and below one that is. */
static es_err *mark_steps(struct check *c, struct field_map *ret)
{
	struct record_list list;

	ES_TRY(record_list(c->st, c->a, "buildstep", NULL, &list));
	for (size_t i = 0; i < list.n; i++) {
		struct json *doc;

		ES_TRY(doc_of(c, &list.items[i], &doc));
		if (json_str(json_get(doc, "layer")))
			field_map_put(c->a, ret, json_str(json_get(doc, "layer")), NULL);
		JSON_EACH(at, json_get(doc, "stack"))
			if (json_str(at))
				field_map_put(c->a, ret, json_str(at), NULL);
	}
	return NULL;
}

/* NULL: all that SNAPSHOT stands on is there. */
static const char *stack_fault(struct check *c, const struct json *doc)
{
	JSON_EACH(at, json_get(doc, "stack")) {
		const char *name = json_str(at), *step = name ? str_after(name, "step:") : NULL;

		if (step && !has_record(c, "snapshot", arena_printf(c->a, "step/%s", step)))
			return arena_printf(c->a, "the step %s below it is missing", step);
		if (!name || step)
			continue;
		if (!layers_has(c->st, name))
			return arena_printf(c->a, "layer %s is missing", name);
		if (field_map_has(c->bad_layers, name))
			return ((const struct fsck_problem *)field_map_get(c->bad_layers, name))->text;
	}
	return NULL;
}

/* The record comes before its directories and goes after them: both are there when nothing is under way. */
static es_err *check_snapshot(struct check *c, const struct record *r, const struct field_map *steps, int64_t oldest)
{
	const char *container = str_after(r->id, "container/"), *step = str_after(r->id, "step/");
	const char *id = container ? container : step;
	char *dir = arena_printf(c->a, "%s/%s", container ? "containers" : "steps", id ? id : ""), *upper = arena_printf(c->a, "%s/upper", dir);
	struct fsck_problem p = { .kind = "snapshot", .object = r->id, .file = dir };
	const char *why = NULL;
	struct json *doc;

	if (!id)
		return NULL;
	ES_TRY(doc_of(c, r, &doc));
	bool owned = container ? has_record(c, "container", id) : field_map_has(steps, arena_printf(c->a, "step:%s", id));
	bool there = faccessat(c->st->root_fd, upper, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	/* Steps that nobody needs any more stay until the last of the builds that run at the same time is over. */
	if (!owned && (container && there ? is_settled(c, dir, oldest) : oldest == INT64_MAX && lease_removals_over(c->st)))
		why = container ? "no container has it" : "no step of the build cache has it";
	else if (!there && oldest == INT64_MAX && lease_removals_over(c->st))
		why = "its directory is missing";
	else if (owned)
		why = stack_fault(c, doc);
	if (!why || !has_record(c, "snapshot", r->id))
		return NULL;
	p.text = arena_printf(c->a, "snapshot %s: %s", r->id, why);
	if (!owned && c->opts->repair) {
		ES_TRY(snapshot_remove(c->st, container ? SNAPSHOT_CONTAINER : SNAPSHOT_STEP, id));
		p.repair = "removed";
	}
	return problem(c, &p);
}

static es_err *check_snapshots(struct check *c)
{
	struct field_map *steps = field_map_new(c->a);
	struct record_list list;
	int64_t oldest;

	ES_TRY(record_list(c->st, c->a, "snapshot", NULL, &list));
	oldest = lease_oldest(c->st, c->lease);
	ES_TRY(mark_steps(c, steps));
	for (size_t i = 0; i < list.n; i++) {
		c->out->snapshots++;
		ES_TRY(check_snapshot(c, &list.items[i], steps, oldest));
	}
	return NULL;
}

/* A record whose directory is gone: nothing that could be made again. */
static es_err *check_owners(struct check *c, const char *kind, const char *dir, const char *below)
{
	struct record_list list;

	ES_TRY(record_list(c->st, c->a, kind, NULL, &list));
	for (size_t i = 0; i < list.n; i++) {
		const struct record *r = &list.items[i];
		struct fsck_problem p = { .kind = kind, .object = r->id, .file = arena_printf(c->a, "%s/%s%s", dir, r->id, below) };

		if (faccessat(c->st->root_fd, p.file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (!lease_removals_over(c->st) || !has_record(c, kind, r->id))
			continue;
		p.text = arena_printf(c->a, "%s %s: its directory is missing; remove it", kind, r->id);
		ES_TRY(problem(c, &p));
	}
	return NULL;
}

/* --- all of it --- */

static es_err *run(struct check *c)
{
	ES_TRY(check_trash(c)); /* before our own makes the janitor come */
	ES_TRY(check_layers(c));
	ES_TRY(check_blobs(c));
	ES_TRY(check_tags(c));
	ES_TRY(check_images(c));
	ES_TRY(check_loose_blobs(c));
	ES_TRY(check_snapshots(c));
	ES_TRY(check_owners(c, "container", "containers", "/upper"));
	ES_TRY(check_owners(c, "volume", "volumes", ""));
	for (size_t i = 0; i < ES_N(places); i++)
		ES_TRY(check_place(c, &places[i]));
	return NULL;
}

/* Layers with a damaged tar that no image has (the images told of the others): their snapshots do. */
static es_err *tell_loose_layers(struct check *c)
{
	for (size_t i = 0; i < c->bad_layers->n; i++) {
		struct fsck_problem p = *(struct fsck_problem *)c->bad_layers->entries[i].value;
		bool told = false;

		for (size_t k = 0; k < c->n && !told; k++)
			told = str_eq(c->problems[k].object, p.object) || (str_eq(c->problems[k].kind, "snapshot") && str_ends(c->problems[k].text, p.text));
		if (told)
			continue;
		if (c->opts->repair && !layers_has(c->st, p.object))
			p.repair = "removed";
		ES_TRY(problem(c, &p));
	}
	return NULL;
}

es_err *fsck_run(struct store *st, struct arena *a, const struct fsck_options *opts, struct fsck_report *ret)
{
	struct check c = { .st = st, .a = a, .opts = opts, .out = ret, .lease = lease_new(st), .bad_layers = field_map_new(a),
			   .bad_blobs = field_map_new(a) };
	es_err *err;

	*ret = (struct fsck_report){ 0 };
	err = run(&c);
	lease_end(c.lease);
	if (!err && opts->repair)
		err = gc_run(st, &ret->garbage);
	if (!err)
		err = tell_loose_layers(&c);
	ret->problems = (struct field_list){ c.problems, c.n, true };
	return err;
}

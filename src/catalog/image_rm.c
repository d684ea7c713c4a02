/* SPDX-License-Identifier: Apache-2.0 */
/* image_rm.c: docker's rules for removing images, and prune. */
#include "base/log.h"
#include "base/str.h"
#include "catalog/image_priv.h"
#include "catalog/image_view.h"
#include "store/crashpoint.h"
#include "store/gc.h"
#include "store/layers.h"

/* The rules, as docker has them:
 *  1. A name is removed by name; the image goes with its last one.
 *  2. The last name of an image that a container uses is only removed by force: else it would be left dangling.
 *  3. When the last tag of a repository goes, the digests of that repository go too.
 *  4. By id: names go along when they are one tag (and digests of its repository); several need force.
 *  5. Hard conflicts, which force does not overcome: a child image, a running container. Soft ones: names (4), stopped containers.
 *  6. After an image its parents go, as long as they have no name, no other child and no container (unless noprune). */
#define SHORT_ID 12

enum conflict {
	CONFLICT_CHILD = 1 << 0,
	CONFLICT_RUNNING = 1 << 1,
	CONFLICT_NAMES = 1 << 2,
	CONFLICT_STOPPED = 1 << 3,
	CONFLICT_HARD = CONFLICT_CHILD | CONFLICT_RUNNING,
	CONFLICT_SOFT = CONFLICT_NAMES | CONFLICT_STOPPED,
};

/* One removal under way. */
struct removal {
	const struct images *im;
	struct arena *a;
	bool force, noprune;
	struct docker_image_deleted *items;
	size_t n, cap;
	uint64_t freed; /* bytes */
};

static void report(struct removal *rm, const char *untagged, const char *deleted)
{
	if (rm->n == rm->cap) {
		struct docker_image_deleted *old = rm->items;

		rm->cap = rm->cap ? 2 * rm->cap : 8;
		rm->items = ARENA_ARRAY(rm->a, struct docker_image_deleted, rm->cap);
		if (rm->n)
			memcpy(rm->items, old, rm->n * sizeof *old);
	}
	rm->items[rm->n++] = (struct docker_image_deleted){ untagged, deleted };
}

static const char *short_id(struct arena *a, const char *id)
{
	const char *hex = str_after(id, "sha256:");

	return arena_printf(a, "%.*s", SHORT_ID, hex ? hex : id);
}

/* --- who uses it --- */

static void users_of(struct removal *rm, const char *id, struct image_user **ret, size_t *ret_n)
{
	*ret = NULL;
	*ret_n = 0;
	if (rm->im->ops && rm->im->ops->users)
		rm->im->ops->users(rm->im->self, rm->a, id, ret, ret_n);
}

static const struct image_user *user(struct removal *rm, const char *id, bool running)
{
	struct image_user *users;
	size_t n;

	users_of(rm, id, &users, &n);
	for (size_t i = 0; i < n; i++)
		if (users[i].running == running)
			return &users[i];
	return NULL;
}

static es_err *has_children(struct removal *rm, const char *id, bool *ret)
{
	struct record_list children;

	ES_TRY(record_list(rm->im->store, rm->a, IMAGE_KIND, id, &children));
	*ret = children.n > 0;
	return NULL;
}

/* What stands in the way, among MASK: *RET_TEXT is NULL when nothing does. */
struct hindrance {
	const char *text;
	bool hard, used;
};

static es_err *hindered(struct removal *rm, const char *id, unsigned mask, struct hindrance *ret)
{
	const struct image_user *u;
	struct image_refs refs;
	bool children = false;

	*ret = (struct hindrance){ 0 };
	if (mask & CONFLICT_CHILD)
		ES_TRY(has_children(rm, id, &children));
	if (children) {
		*ret = (struct hindrance){ "image has dependent child images", true, false };
	} else if (mask & CONFLICT_RUNNING && (u = user(rm, id, true))) {
		*ret = (struct hindrance){ arena_printf(rm->a, "image is being used by running container %s", short_id(rm->a, u->container_id)),
					   true, true };
	} else if (mask & CONFLICT_NAMES) {
		ES_TRY(image_refs_of(rm->im, rm->a, id, &refs));
		if (refs.n)
			*ret = (struct hindrance){ "image is referenced in multiple repositories", false, false };
	}
	if (!ret->text && mask & CONFLICT_STOPPED && (u = user(rm, id, false)))
		*ret = (struct hindrance){ arena_printf(rm->a, "image is being used by stopped container %s", short_id(rm->a, u->container_id)),
					   false, true };
	return NULL;
}

static es_err *conflict(struct removal *rm, const char *id, const struct hindrance *h)
{
	return es_err_new(ES_E_CONFLICT, "conflict: unable to delete %s (%s) - %s", short_id(rm->a, id),
			  h->hard ? "cannot be forced" : "must be forced", h->text);
}

/* --- names --- */

/* All names in one repository and at most one tag among them. */
static bool is_single(struct arena *a, const struct image_refs *refs)
{
	const struct ref *first = NULL;
	size_t tags = 0;

	for (size_t i = 0; i < refs->n; i++)
		if (!refs->items[i].digest && ++tags == 1)
			first = &refs->items[i];
	if (!first)
		first = refs->n ? &refs->items[0] : NULL;
	for (size_t i = 0; i < refs->n; i++)
		if (!str_eq(ref_name(a, &refs->items[i]), ref_name(a, first)))
			return false;
	return refs->n && tags <= 1;
}

static es_err *untag(struct removal *rm, const struct ref *ref, const char *id)
{
	ES_TRY(record_delete(rm->im->store, IMAGE_TAG_KIND, ref_full(rm->a, ref)));
	crash_point(rm->im->store, CRASH_RMI_UNTAGGED);
	report(rm, ref_familiar(rm->a, ref), NULL);
	image_event(rm->im, "untag", id, id);
	return NULL;
}

static es_err *untag_all(struct removal *rm, const char *id)
{
	struct image_refs refs;

	ES_TRY(image_refs_of(rm->im, rm->a, id, &refs));
	for (size_t i = 0; i < refs.n; i++)
		ES_TRY(untag(rm, &refs.items[i], id));
	return NULL;
}

/* Rule 3. */
static es_err *untag_digests(struct removal *rm, const struct ref *gone, const char *id)
{
	const char *name = ref_name(rm->a, gone);
	struct image_refs refs;

	ES_TRY(image_refs_of(rm->im, rm->a, id, &refs));
	for (size_t i = 0; i < refs.n; i++)
		if (!refs.items[i].digest && str_eq(ref_name(rm->a, &refs.items[i]), name))
			return NULL;
	for (size_t i = 0; i < refs.n; i++)
		if (refs.items[i].digest && str_eq(ref_name(rm->a, &refs.items[i]), name))
			ES_TRY(untag(rm, &refs.items[i], id));
	return NULL;
}

/* --- the image itself --- */

/* Chain ids that other images and snapshots stand on. */
static es_err *mark_used(struct removal *rm, const char *kind, const char *member, struct field_map *used)
{
	struct record_list list;

	ES_TRY(record_list(rm->im->store, rm->a, kind, NULL, &list));
	for (size_t i = 0; i < list.n; i++) {
		struct json *doc;
		char **stack = NULL;

		ES_TRY(json_parse(rm->a, list.items[i].json, strlen(list.items[i].json), &doc));
		JSON_EACH(at, json_get(doc, member)) {
			char *chain = arena_alloc(rm->a, BLOB_DIGEST_MAX);

			stack = strv_arena_add(rm->a, stack, json_str(at));
			field_map_put(rm->a, used, layers_chain_id(stack, chain), rm);
		}
	}
	return NULL;
}

/* Report the layers that nobody else stands on, top first, as docker does; the collector takes them from the disk. */
static es_err *report_layers(struct removal *rm, char *const *layers)
{
	struct field_map *used = field_map_new(rm->a);
	size_t n = strv_len(layers);

	ES_TRY(mark_used(rm, IMAGE_KIND, "layers", used));
	ES_TRY(mark_used(rm, "snapshot", "stack", used));
	for (; n > 0; n--) {
		char **stack = strv_arena_dup(rm->a, layers), *chain = arena_alloc(rm->a, BLOB_DIGEST_MAX);
		struct layers_info info;

		stack[n] = NULL;
		if (field_map_has(used, layers_chain_id(stack, chain)))
			break;
		report(rm, NULL, chain);
		es_err *err = layers_stat(rm->im->store, layers[n - 1], &info);
		if (!err)
			rm->freed += info.content_size;
		es_err_free(err);
	}
	return NULL;
}

static es_err *delete_record(struct removal *rm, const char *id)
{
	es_autotx *tx = record_tx_new();

	/* A name or a child given in this very moment keeps it. */
	record_tx_require_no_ref(tx, IMAGE_TAG_KIND, id);
	record_tx_require_no_ref(tx, IMAGE_KIND, id);
	record_tx_delete(tx, IMAGE_KIND, id);
	return record_commit(rm->im->store, tx);
}

/* One image; *RET_PARENT is what may go next, or NULL. */
static es_err *delete_one(struct removal *rm, const char *id, bool force, bool quiet, const char **ret_parent)
{
	struct hindrance h;
	struct image_refs refs;
	struct image_doc doc;
	char **mounts;
	struct record r;

	*ret_parent = NULL;
	ES_TRY(hindered(rm, id, force ? CONFLICT_HARD : CONFLICT_HARD | CONFLICT_SOFT, &h));
	if (h.text) {
		ES_TRY(image_refs_of(rm->im, rm->a, id, &refs));
		/* Quiet (a name was removed, or this is a parent): only what is dangling and in nobody's use is worth an error. */
		return quiet && (refs.n || h.used || h.hard) ? NULL : conflict(rm, id, &h);
	}
	ES_TRY(image_mounts_of(rm->im, rm->a, id, &mounts));
	if (mounts && !rm->force) /* a parent on the way; what was asked for is refused before */
		return NULL;
	if (mounts)
		ES_TRY(image_unmount(rm->im, rm->a, id, &mounts));
	ES_TRY(record_get(rm->im->store, rm->a, IMAGE_KIND, id, &r));
	ES_TRY(image_doc_read(rm->a, &r, &doc));
	ES_TRY(untag_all(rm, id));
	ES_TRY(delete_record(rm, id));
	crash_point(rm->im->store, CRASH_RMI_FORGOTTEN);
	image_event(rm->im, "delete", id, id);
	report(rm, NULL, id);
	ES_TRY(report_layers(rm, doc.layers));
	*ret_parent = doc.parent;
	return NULL;
}

static es_err *delete_chain(struct removal *rm, const char *id, bool quiet)
{
	const char *parent;

	ES_TRY(delete_one(rm, id, rm->force, quiet, &parent));
	while (!rm->noprune && parent) {
		struct image_refs refs;
		es_err *err = image_refs_of(rm->im, rm->a, parent, &refs);
		struct record r;

		ES_TRY(err);
		err = record_get(rm->im->store, rm->a, IMAGE_KIND, parent, &r);
		if (err || refs.n) { /* a parent that was never here, or one with a name */
			es_err_free(err);
			return NULL;
		}
		ES_TRY(delete_one(rm, parent, false, true, &parent));
	}
	return NULL;
}

static es_err *remove_by_name(struct removal *rm, const char *word, const char *id, const struct image_refs *before)
{
	const struct image_user *u = NULL;
	struct image_refs after;
	struct ref ref;

	if (!rm->force && is_single(rm->a, before)) {
		u = user(rm, id, true);
		if (!u)
			u = user(rm, id, false);
	}
	if (u)
		return es_err_new(ES_E_CONFLICT,
				  "conflict: unable to remove repository reference \"%s\" (must force) - container %s is using its referenced image %s",
				  word, short_id(rm->a, u->container_id), short_id(rm->a, id));
	ES_TRY(ref_parse(rm->a, word, &ref));
	ref_default_tag(&ref);
	if (ref.digest)
		ref.tag = NULL;
	ES_TRY(untag(rm, &ref, id));
	if (!ref.digest)
		ES_TRY(untag_digests(rm, &ref, id));
	ES_TRY(image_refs_of(rm->im, rm->a, id, &after));
	return after.n ? NULL : delete_chain(rm, id, true);
}

static es_err *remove_by_id(struct removal *rm, const char *id, const struct image_refs *refs)
{
	struct hindrance h;

	if (is_single(rm->a, refs)) {
		ES_TRY(hindered(rm, id, rm->force ? CONFLICT_HARD : CONFLICT_HARD | CONFLICT_STOPPED, &h));
		if (h.text)
			return conflict(rm, id, &h);
		ES_TRY(untag_all(rm, id));
	}
	return delete_chain(rm, id, false);
}

/* An image that the user has mounted goes by force only; names go as long as one is left. */
static es_err *refuse_mounted(struct removal *rm, const char *word, const char *id, const struct image_refs *refs)
{
	char **mounts;

	if (rm->force || (refs->n && !is_single(rm->a, refs)))
		return NULL;
	ES_TRY(image_mounts_of(rm->im, rm->a, id, &mounts));
	return mounts ? es_err_new(ES_E_CONFLICT, "conflict: unable to remove image \"%s\" (must force) - it is mounted on %s", word, mounts[0]) : NULL;
}

static es_err *remove_one(struct removal *rm, const char *word)
{
	struct image_refs refs;
	const char *id;

	ES_TRY(image_resolve(rm->im, rm->a, word, &id));
	ES_TRY(image_refs_of(rm->im, rm->a, id, &refs));
	ES_TRY(refuse_mounted(rm, word, id, &refs));
	return image_is_id_prefix(id, word) ? remove_by_id(rm, id, &refs) : remove_by_name(rm, word, id, &refs);
}

/* Content goes after the answer's facts are settled; a collection that fails is tried again by the next one. */
static void collect(const struct images *im)
{
	log_err(gc_run(im->store, NULL), "collect garbage");
	crash_point(im->store, CRASH_RMI_COLLECTED);
}

es_err *image_remove(const struct images *im, struct arena *a, const char *word, bool force, bool noprune, struct field_list *ret)
{
	struct removal rm = { .im = im, .a = a, .force = force, .noprune = noprune };
	es_err *err = remove_one(&rm, word);

	if (rm.n)
		collect(im);
	if (!err)
		*ret = (struct field_list){ rm.items, rm.n, true };
	return err;
}

/* --- prune --- */

static bool is_dangling(const struct image_refs *refs)
{
	for (size_t i = 0; i < refs->n; i++)
		if (!refs->items[i].digest)
			return false;
	return true;
}

/* A conflict only means that this one stays. */
static es_err *prune_try(struct removal *rm, const char *word)
{
	es_err *err = remove_one(rm, word);

	if (err && (es_err_class(err) == ES_E_CONFLICT || es_err_class(err) == ES_E_NOT_FOUND)) {
		es_err_drop(err);
		return NULL;
	}
	return err;
}

static es_err *prune_one(struct removal *rm, const struct record *r, const struct filters *f, bool dangling_only, int64_t until)
{
	struct image_doc doc;
	struct image_refs refs;
	bool children;

	ES_TRY(image_doc_read(rm->a, r, &doc));
	if (doc.created > until || !filters_match_labels(f, "label", doc.labels) || !filters_match_labels(f, "label!", doc.labels))
		return NULL;
	ES_TRY(image_refs_of(rm->im, rm->a, r->id, &refs));
	ES_TRY(has_children(rm, r->id, &children));
	if (children || (dangling_only && !is_dangling(&refs)))
		return NULL;
	if (!refs.n)
		return prune_try(rm, r->id);
	for (size_t i = 0; i < refs.n; i++)
		ES_TRY(prune_try(rm, ref_full(rm->a, &refs.items[i])));
	return NULL;
}

es_err *image_prune(const struct images *im, struct arena *a, const struct filters *f, struct docker_image_pruned *ret)
{
	struct removal rm = { .im = im, .a = a };
	struct record_list images;
	bool dangling_only;
	int64_t until;

	ES_TRY(image_filters_check(f, true));
	ES_TRY(filters_bool(f, "dangling", true, &dangling_only));
	ES_TRY(image_until(f, &until));
	ES_TRY(record_list(im->store, a, IMAGE_KIND, NULL, &images));
	/* Children first: the newest are last in the list. */
	for (size_t i = images.n; i-- > 0;) {
		ES_TRY(prune_one(&rm, &images.items[i], f, dangling_only, until));
		if (rm.n)
			crash_point(im->store, CRASH_IMAGE_PRUNED);
	}
	if (rm.n)
		collect(im);
	*ret = (struct docker_image_pruned){ { rm.items, rm.n, rm.n > 0 }, rm.freed };
	return NULL;
}

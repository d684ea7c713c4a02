/* SPDX-License-Identifier: Apache-2.0 */
/* image_list.c: what the API tells of images: the list with its filters, inspect, history. */
#include <fnmatch.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/str.h"
#include "catalog/image_priv.h"
#include "store/layers.h"

static const char *const list_filters[] = { "before", "dangling", "label", "label!", "reference", "since", "until", NULL };
static const char *const prune_filters[] = { "dangling", "label", "label!", "until", NULL };

es_err *image_filters_check(const struct filters *f, bool for_prune)
{
	bool ignored;

	ES_TRY(filters_check(f, for_prune ? prune_filters : list_filters));
	return filters_bool(f, "dangling", false, &ignored);
}

/* One image while the list is made. */
struct row {
	const char *id;
	struct image_doc doc;
	char **tags, **digests; /* familiar; those that the reference filter lets through */
	bool named;             /* has any reference at all */
	bool is_parent;
};

struct rows {
	struct row *items;
	size_t n;
};

static int row_by_id(const void *x, const void *y)
{
	return strcmp(((const struct row *)x)->id, ((const struct row *)y)->id);
}

static struct row *row_find(const struct rows *rows, const char *id)
{
	struct row key = { .id = id };

	return id && rows->n ? bsearch(&key, rows->items, rows->n, sizeof key, row_by_id) : NULL;
}

/* Go's path.Match: "*" and "?" do not cross "/". */
static bool matches(const char *pattern, const char *text)
{
	return fnmatch(pattern, text, FNM_PATHNAME) == 0;
}

static bool ref_passes(struct arena *a, const struct filters *f, const struct ref *ref)
{
	char **patterns = filters_get(f, "reference");

	if (!patterns)
		return true;
	for (; *patterns; patterns++)
		if (matches(*patterns, ref_familiar(a, ref)) || matches(*patterns, ref_familiar_name(a, ref)))
			return true;
	return false;
}

static es_err *rows_read(const struct images *im, struct arena *a, struct rows *ret)
{
	struct record_list images;

	ES_TRY(record_list(im->store, a, IMAGE_KIND, NULL, &images));
	*ret = (struct rows){ ARENA_ARRAY(a, struct row, images.n + 1), images.n };
	for (size_t i = 0; i < images.n; i++) {
		ret->items[i].id = images.items[i].id;
		ES_TRY(image_doc_read(a, &images.items[i], &ret->items[i].doc));
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof *ret->items, row_by_id);
	for (size_t i = 0; i < ret->n; i++) {
		struct row *parent = row_find(ret, ret->items[i].doc.parent);

		if (parent)
			parent->is_parent = true;
	}
	return NULL;
}

static es_err *rows_name(const struct images *im, struct arena *a, const struct filters *f, const struct rows *rows)
{
	struct record_list tags;

	ES_TRY(record_list(im->store, a, IMAGE_TAG_KIND, NULL, &tags));
	for (size_t i = 0; i < tags.n; i++) {
		struct row *row = row_find(rows, tags.items[i].ref);
		struct ref ref;

		if (!row)
			continue;
		ES_TRY(ref_parse(a, tags.items[i].id, &ref));
		row->named = true;
		if (!ref_passes(a, f, &ref))
			continue;
		char ***list = ref.digest ? &row->digests : &row->tags;
		*list = strv_arena_add(a, *list, ref_familiar(a, &ref));
	}
	return NULL;
}

/* The filters that need more than the row itself, worked out once. */
struct limits {
	int64_t before, since, until; /* ns */
	bool dangling, dangling_given;
};

/* Go durations are back from now; else a time. */
static es_err *until_parse(const char *text, int64_t *ret)
{
	int64_t d;
	es_err *err = str_to_duration(text, &d);

	if (!err) {
		*ret = clock_now_ns() - d;
		return NULL;
	}
	es_err_drop(err);
	err = str_to_i64(text, 10, &d);
	if (!err) {
		*ret = d * CLOCK_NS_PER_S;
		return NULL;
	}
	es_err_drop(err);
	return clock_parse(text, ret);
}

es_err *image_until(const struct filters *f, int64_t *ret)
{
	char **v = filters_get(f, "until");

	*ret = INT64_MAX;
	if (!v || !*v)
		return NULL;
	if (v[1])
		return es_err_new(ES_E_INVALID, "more than one until filter specified");
	return until_parse(*v, ret);
}

static es_err *created_of(const struct images *im, struct arena *a, const struct filters *f, const char *name, int64_t *io)
{
	char **v = filters_get(f, name);

	for (; v && *v; v++) {
		struct image_doc doc;
		struct record r;
		const char *id;

		ES_TRY(image_resolve(im, a, *v, &id));
		ES_TRY(record_get(im->store, a, IMAGE_KIND, id, &r));
		ES_TRY(image_doc_read(a, &r, &doc));
		*io = doc.created;
	}
	return NULL;
}

static es_err *limits_read(const struct images *im, struct arena *a, const struct filters *f, struct limits *ret)
{
	*ret = (struct limits){ .before = INT64_MAX, .since = INT64_MIN, .dangling_given = filters_has(f, "dangling") };
	ES_TRY(filters_bool(f, "dangling", false, &ret->dangling));
	ES_TRY(created_of(im, a, f, "before", &ret->before));
	ES_TRY(created_of(im, a, f, "since", &ret->since));
	return image_until(f, &ret->until);
}

/* moby's rules: what has no name shows when it is nobody's parent or with --all, and never under a reference filter or dangling=false. */
static bool row_shows(const struct row *row, const struct limits *l, const struct image_list_options *opts)
{
	const struct filters *f = opts->filters;
	int64_t created = row->doc.created;

	if ((l->before != INT64_MAX && created >= l->before) || (l->since != INT64_MIN && created <= l->since) || created > l->until)
		return false;
	if (!filters_match_labels(f, "label", row->doc.labels) || !filters_match_labels(f, "label!", row->doc.labels))
		return false;
	if (row->tags || row->digests)
		return !l->dangling || !row->tags;
	if (row->named || filters_has(f, "reference") || (l->dangling_given && !l->dangling))
		return false;
	return opts->all || !row->is_parent;
}

/* Bytes of layers that other images have too. */
static int64_t shared_size(const struct images *im, const struct rows *rows, const struct row *row)
{
	int64_t bytes = 0;

	for (char **layer = row->doc.layers; layer && *layer; layer++) {
		struct layers_info info;
		bool shared = false;

		for (size_t i = 0; i < rows->n && !shared; i++)
			shared = &rows->items[i] != row && strv_has(rows->items[i].doc.layers, *layer);
		es_err *err = shared ? layers_stat(im->store, *layer, &info) : NULL;
		if (shared && !err)
			bytes += (int64_t)info.content_size;
		es_err_free(err);
	}
	return bytes;
}

static void summarise(const struct images *im, struct arena *a, const struct rows *rows, const struct row *row,
		      const struct image_list_options *opts, struct docker_image_summary *ret)
{
	*ret = (struct docker_image_summary){
		.containers = -1,
		.created = row->doc.created == INT64_MIN ? -62135596800 : row->doc.created / CLOCK_NS_PER_S,
		.id = row->id,
		.labels = row->doc.labels,
		.parent_id = row->doc.parent,
		.repo_digests = row->digests,
		.repo_tags = row->tags,
		.shared_size = opts->shared_size ? shared_size(im, rows, row) : -1,
		.size = row->doc.size,
		.virtual_size = { opts->version < 144 && row->doc.size > 0, row->doc.size },
	};
	if (!row->tags && !row->digests && opts->version < 143) {
		ret->repo_tags = strv_arena_add(a, NULL, "<none>:<none>");
		ret->repo_digests = strv_arena_add(a, NULL, "<none>@<none>");
	}
}

static int newest_first(const void *x, const void *y)
{
	const struct row *a = *(const struct row *const *)x, *b = *(const struct row *const *)y;

	if (a->doc.created != b->doc.created)
		return a->doc.created < b->doc.created ? 1 : -1;
	return strcmp(a->id, b->id);
}

es_err *image_list(const struct images *im, struct arena *a, const struct image_list_options *opts, struct field_list *ret)
{
	struct docker_image_summary *items;
	const struct row **shown;
	struct limits limits;
	struct rows rows;
	size_t n = 0;

	ES_TRY(image_filters_check(opts->filters, false));
	ES_TRY(limits_read(im, a, opts->filters, &limits));
	ES_TRY(rows_read(im, a, &rows));
	ES_TRY(rows_name(im, a, opts->filters, &rows));
	shown = ARENA_ARRAY(a, const struct row *, rows.n + 1);
	for (size_t i = 0; i < rows.n; i++)
		if (row_shows(&rows.items[i], &limits, opts))
			shown[n++] = &rows.items[i];
	if (n)
		qsort(shown, n, sizeof *shown, newest_first);
	items = ARENA_ARRAY(a, struct docker_image_summary, n + 1);
	for (size_t i = 0; i < n; i++)
		summarise(im, a, &rows, shown[i], opts, &items[i]);
	*ret = (struct field_list){ items, n, true };
	return NULL;
}

/* --- the list as text --- */

#define TEXT_MAX (64u << 20)
#define CACHED_MAX (4u << 20) /* bytes of a text that is kept */

struct image_cache {
	pthread_mutex_t lock;
	uint64_t images, tags; /* changes of the records when it was made */
	bool all;
	unsigned version;
	char *text; /* NULL: none */
	size_t len;
};

struct image_cache *image_cache_new(void)
{
	struct image_cache *c = ES_NEW(struct image_cache);

	(void)pthread_mutex_init(&c->lock, NULL);
	return c;
}

void image_cache_free(struct image_cache *c)
{
	if (!c)
		return;
	(void)pthread_mutex_destroy(&c->lock);
	free(c->text);
	free(c);
}

static bool cache_get(struct image_cache *c, const struct image_cache *want, struct arena *a, const char **ret_text, size_t *ret_len)
{
	bool hit;

	(void)pthread_mutex_lock(&c->lock);
	hit = c->text && c->images == want->images && c->tags == want->tags && c->all == want->all && c->version == want->version;
	if (hit) {
		*ret_text = arena_strndup(a, c->text, c->len);
		*ret_len = c->len;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return hit;
}

static void cache_put(struct image_cache *c, const struct image_cache *made, const char *text, size_t len)
{
	if (len > CACHED_MAX)
		return;
	(void)pthread_mutex_lock(&c->lock);
	free(c->text);
	c->text = es_xmalloc(len + 1);
	memcpy(c->text, text, len);
	c->len = len;
	c->images = made->images;
	c->tags = made->tags;
	c->all = made->all;
	c->version = made->version;
	(void)pthread_mutex_unlock(&c->lock);
}

es_err *image_list_text(const struct images *im, struct arena *a, const struct image_list_options *opts, const char **ret_text, size_t *ret_len)
{
	/* The counters are read before the records: what is kept is never older than they say. */
	const struct image_cache now = { .images = record_changes(im->store, IMAGE_KIND), .tags = record_changes(im->store, IMAGE_TAG_KIND),
					 .all = opts->all, .version = opts->version };
	bool plain = im->cache && !opts->shared_size && (!opts->filters->map || !opts->filters->map->n);
	es_autobuf b = ES_BUF(TEXT_MAX);
	struct field_list list;

	if (plain && cache_get(im->cache, &now, a, ret_text, ret_len))
		return NULL;
	ES_TRY(image_list(im, a, opts, &list));
	es_buf_addc(&b, '[');
	for (size_t i = 0; i < list.n; i++) {
		if (i)
			es_buf_addc(&b, ',');
		field_encode_text(&b, docker_image_summary_fields, (const struct docker_image_summary *)list.items + i);
	}
	es_buf_addc(&b, ']');
	ES_TRY(es_buf_check(&b));
	if (plain)
		cache_put(im->cache, &now, b.p, b.len);
	*ret_text = arena_strndup(a, b.p, b.len);
	*ret_len = b.len;
	return NULL;
}

es_err *image_count(const struct images *im, size_t *ret)
{
	es_autoarena *a = arena_new();
	struct record_list images;

	ES_TRY(record_list(im->store, a, IMAGE_KIND, NULL, &images));
	*ret = images.n;
	return NULL;
}

es_err *image_layers_size(const struct images *im, int64_t *ret_bytes)
{
	es_autoarena *a = arena_new();
	struct rows rows;
	struct field_map *seen = field_map_new(a);

	ES_TRY(rows_read(im, a, &rows));
	*ret_bytes = 0;
	for (size_t i = 0; i < rows.n; i++)
		for (char **layer = rows.items[i].doc.layers; layer && *layer; layer++) {
			struct layers_info info;

			if (field_map_has(seen, *layer))
				continue;
			field_map_put(a, seen, *layer, NULL);
			ES_TRY(layers_stat(im->store, *layer, &info));
			*ret_bytes += (int64_t)info.content_size;
		}
	return NULL;
}

/* --- inspect --- */

/* docker's overlay2 names four directories; ours are the store's. Top first, as in overlayfs's lowerdir. */
static struct docker_graph_driver graph_of(const struct images *im, struct arena *a, char *const *layers)
{
	struct docker_graph_driver g = { .name = "overlay2", .data = field_map_new(a) };
	const char *root = store_root(im->store), *lower = NULL, *top = NULL;
	size_t n = strv_len(layers);

	for (size_t i = n; i-- > 0;) {
		const char *dir = arena_printf(a, "%s/layers/%s", root, layers[i] + strlen("sha256:"));

		if (!top)
			top = dir;
		else
			lower = lower ? arena_printf(a, "%s:%s/fs", lower, dir) : arena_printf(a, "%s/fs", dir);
	}
	if (!top)
		return g;
	if (lower)
		field_map_put(a, g.data, "LowerDir", (void *)(uintptr_t)lower);
	field_map_put(a, g.data, "MergedDir", arena_printf(a, "%s/merged", top));
	field_map_put(a, g.data, "UpperDir", arena_printf(a, "%s/fs", top));
	field_map_put(a, g.data, "WorkDir", arena_printf(a, "%s/work", top));
	return g;
}

es_err *image_inspect(const struct images *im, struct arena *a, const char *word, unsigned version, struct docker_image_inspect *ret)
{
	struct image img;

	ES_TRY(image_get(im, a, word, &img));
	*ret = (struct docker_image_inspect){
		.id = img.id,
		.repo_tags = img.tags,
		.repo_digests = img.digests,
		.parent = img.parent,
		.comment = img.config.comment,
		.created = img.config.created,
		.docker_version = img.config.docker_version,
		.author = img.config.author,
		.config = img.config.config,
		.architecture = img.config.architecture,
		.variant = img.config.variant,
		.os = img.config.os,
		.os_version = img.config.os_version,
		.size = img.size,
		.virtual_size = { version < 144, img.size },
		.graph_driver = graph_of(im, a, img.layers),
		.rootfs = { img.config.rootfs.type, img.layers },
		.metadata = { img.tagged },
	};
	if (str_empty(ret->comment) && img.config.history.n)
		ret->comment = ((struct oci_history *)img.config.history.items)[img.config.history.n - 1].comment;
	if (version < 145) {
		ret->container = "";
		ret->container_config = ARENA_NEW(a, struct docker_config);
	}
	return NULL;
}

/* --- history --- */

/* The image itself is the newest entry; its parents here name older ones, one entry each. */
static es_err *name_entries(const struct images *im, struct arena *a, const struct image *img, struct docker_image_history *items, size_t n)
{
	const char *id = img->id, *parent = img->parent;

	for (size_t i = 0; i < n && id; i++) {
		struct image_refs refs;
		struct image_doc doc;
		struct record r;

		items[i].id = id;
		ES_TRY(image_refs_of(im, a, id, &refs));
		for (size_t k = 0; k < refs.n; k++)
			if (!refs.items[k].digest)
				items[i].tags = strv_arena_add(a, items[i].tags, ref_familiar(a, &refs.items[k]));
		id = parent;
		es_err *err = id ? record_get(im->store, a, IMAGE_KIND, id, &r) : NULL;
		if (!err && id)
			err = image_doc_read(a, &r, &doc);
		if (err)
			id = NULL;
		parent = id ? doc.parent : NULL;
		es_err_free(err);
	}
	return NULL;
}

es_err *image_history(const struct images *im, struct arena *a, const char *word, struct field_list *ret)
{
	struct image img;
	struct docker_image_history *items;
	size_t at = 0, layer = 0, n;

	ES_TRY(image_get(im, a, word, &img));
	n = img.config.history.n;
	items = ARENA_ARRAY(a, struct docker_image_history, n + 1);
	FIELD_LIST_EACH(struct oci_history, h, &img.config.history) {
		struct docker_image_history *item = &items[n - 1 - at++];
		struct layers_info info = { 0 };

		if (!h->empty_layer)
			ES_TRY(layers_stat(im->store, img.layers[layer++], &info));
		*item = (struct docker_image_history){
			.comment = h->comment,
			.created = h->created == INT64_MIN ? -62135596800 : h->created / CLOCK_NS_PER_S,
			.created_by = h->created_by,
			.id = "<missing>",
			.size = (int64_t)info.content_size,
		};
	}
	ES_TRY(name_entries(im, a, &img, items, n));
	*ret = (struct field_list){ items, n, true };
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* erofs.c: a tar's entries to a tree in memory, by the rules that overlayfs and docker have for layers. */
#include "layer/erofs.h"

#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/rand.h"
#include "base/str.h"
#include "layer/erofs_priv.h"
#include "layer/name.h"
#include "layer/xattr.h"

#define SCRATCH_ENTRIES 4096
#define LINKS_MAX 40 /* symbolic links on one way, as the kernel has it */
#define TABLE_MIN 1024

es_err *erofs_check_limits(const struct erofs *w)
{
	if (w->n_nodes > EROFS_ENTRIES_MAX || w->n_names > EROFS_ENTRIES_MAX)
		return es_err_new(ES_E_LIMIT, "more than %u entries in a layer file", EROFS_ENTRIES_MAX);
	if (arena_used(w->a) > EROFS_MEMORY_MAX)
		return es_err_new(ES_E_LIMIT, "names and attributes of more than %zu bytes", EROFS_MEMORY_MAX);
	return NULL;
}

static struct erofs_node *new_node(struct erofs *w, unsigned mode)
{
	struct erofs_node *n = ARENA_NEW(w->a, struct erofs_node);

	n->mode = (uint16_t)mode;
	w->n_nodes++;
	return n;
}

static struct erofs_node *new_dir(struct erofs *w, struct erofs_node *parent)
{
	struct erofs_node *n = new_node(w, S_IFDIR | 0755);

	n->parent = parent ? parent : n;
	n->depth = parent ? parent->depth + 1 : 0;
	n->implied = true;
	w->n_dirs++;
	return n;
}

struct erofs *erofs_new(struct layer_counts *counts)
{
	struct erofs *w = ES_NEW(struct erofs);

	w->a = arena_new();
	w->scratch = arena_new();
	w->counts = counts;
	w->table_size = TABLE_MIN;
	w->table = es_xcalloc(w->table_size, sizeof(struct erofs_name *));
	rand_bytes(&w->seed, sizeof w->seed);
	w->root = new_dir(w, NULL);
	return w;
}

void erofs_free(struct erofs *w)
{
	if (!w)
		return;
	arena_free(w->a);
	arena_free(w->scratch);
	free(w->table);
	free(w->parent_path);
	free(w);
}

/* Names */

static uint64_t mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide m = (wide)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint32_t hash_of(const struct erofs *w, const struct erofs_node *dir, const char *text, size_t len)
{
	uint64_t h = mix(w->seed ^ (uint64_t)(uintptr_t)dir, UINT64_C(0x9e3779b97f4a7c15)) + len;

	while (len > 0) {
		uint64_t word = 0;
		size_t n = len < sizeof word ? len : sizeof word;

		memcpy(&word, text, n);
		h = mix(h ^ word, w->seed | 1) + UINT64_C(0xd6e8feb86659fd93);
		text += n;
		len -= n;
	}
	h = mix(h, UINT64_C(0x9e3779b97f4a7c15));
	return (uint32_t)h;
}

/* The slot of a name, or the empty one where it belongs. */
static struct erofs_name **slot_of(const struct erofs *w, const struct erofs_node *dir, uint32_t hash, const char *text,
				   size_t len)
{
	for (size_t i = hash & (w->table_size - 1);; i = (i + 1) & (w->table_size - 1)) {
		const struct erofs_name *n = w->table[i];

		if (!n || (n->hash == hash && n->dir == dir && n->len == len && memcmp(n->text, text, len) == 0))
			return &w->table[i];
	}
}

static void grow_table(struct erofs *w)
{
	struct erofs_name **old = w->table;
	size_t old_size = w->table_size;

	w->table_size *= 2;
	w->table = es_xcalloc(w->table_size, sizeof(struct erofs_name *));
	for (size_t i = 0; i < old_size; i++)
		if (old[i])
			*slot_of(w, old[i]->dir, old[i]->hash, old[i]->text, old[i]->len) = old[i];
	free(old);
}

/* NULL in *RET: nothing is there. TEXT needs no NUL. */
static struct erofs_node *look_up(const struct erofs *w, const struct erofs_node *dir, const char *text, size_t len)
{
	const struct erofs_name *n = *slot_of(w, dir, hash_of(w, dir, text, len), text, len);

	return n ? n->node : NULL;
}

/* The name, made when it was never there. */
static es_err *get_name(struct erofs *w, struct erofs_node *dir, const char *text, size_t len, struct erofs_name **ret)
{
	uint32_t hash = hash_of(w, dir, text, len);
	struct erofs_name **slot = slot_of(w, dir, hash, text, len), *n;

	if (*slot) {
		*ret = *slot;
		return NULL;
	}
	if (len > EROFS_NAME_MAX)
		return es_err_new(ES_E_INVALID, "\"%.40s…\": a name of %zu bytes", text, len);
	ES_TRY(erofs_check_limits(w));
	n = arena_alloc(w->a, sizeof *n + len);
	n->dir = dir;
	n->hash = hash;
	n->len = (uint8_t)len;
	memcpy(n->text, text, len);
	n->next = dir->names;
	dir->names = n;
	*slot = *ret = n;
	if (++w->n_names > w->table_size / 2)
		grow_table(w);
	return NULL;
}

/* Ways */

static es_err *too_deep(void)
{
	return es_err_new(ES_E_LIMIT, "more than %u directories below each other", EROFS_DEPTH_MAX);
}

/* What is at PATH, seen from the directory FROM, links followed as below a chroot; with MAKE, directories that are
 * missing are made (not those that a link names). */
static es_err *walk(struct erofs *w, struct erofs_node *from, const char *path, bool make, unsigned *links,
		    struct erofs_node **ret)
{
	struct erofs_node *d = from;

	for (size_t len; *path; path += len) {
		struct erofs_node *next;
		struct erofs_name *name;

		len = strcspn(path, "/");
		if (len == 0) {
			len = 1; /* a slash */
			continue;
		}
		if (len == 1 && path[0] == '.')
			continue;
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			d = d->parent;
			continue;
		}
		next = look_up(w, d, path, len);
		if (!next && !make)
			return es_err_new(ES_E_INVALID, "no directory %.*s", (int)len, path);
		if (!next) {
			if (d->depth >= EROFS_DEPTH_MAX)
				return too_deep();
			ES_TRY(get_name(w, d, path, len, &name));
			name->node = next = new_dir(w, d);
		} else if (S_ISLNK(next->mode)) {
			if (++*links > LINKS_MAX)
				return es_err_new(ES_E_INVALID, "too many links");
			ES_TRY(walk(w, *next->target == '/' ? w->root : d, next->target, false, links, &next));
		}
		if (!S_ISDIR(next->mode))
			return es_err_new(ES_E_INVALID, "%.*s is not a directory", (int)len, path);
		d = next;
	}
	*ret = d;
	return NULL;
}

/* The parent of a cleaned path other than "."; MAKE as above. */
static es_err *find_parent(struct erofs *w, const char *path, bool make, struct erofs_node **ret)
{
	size_t len = (size_t)(name_base(path) - path);
	unsigned links = 0;

	if (make && w->parent_path && strlen(w->parent_path) == len && memcmp(w->parent_path, path, len) == 0) {
		*ret = w->parent;
		return NULL;
	}
	ES_TRY(walk(w, w->root, arena_strndup(w->scratch, path, len), make, &links, ret));
	if (make) {
		free(w->parent_path);
		w->parent_path = es_xstrndup(path, len);
		w->parent = *ret;
	}
	return NULL;
}

/* Attributes */

/* What the kernel would refuse to set is refused here: it would be found when the file is used. */
static bool acl_is_whole(const char *value, size_t len)
{
	return len >= 4 && (len - 4) % 8 == 0 && memcmp(value, "\2\0\0\0", 4) == 0;
}

static bool capability_is_whole(const char *value, size_t len)
{
	static const uint8_t sizes[] = {0, 12, 20, 24}; /* by revision */

	return len >= 4 && value[3] >= 1 && value[3] <= 3 && len == sizes[(int)value[3]];
}

static const struct attr_kind {
	const char *prefix; /* a whole name, or one with a dot at its end */
	enum erofs_xattr_index index;
	bool (*is_whole)(const char *value, size_t len); /* NULL: any value */
	bool on_others;                                  /* than files and directories */
	const char *rest;                                /* of the name; NULL: what follows the prefix */
} attr_kinds[] = {
	{"user.", EROFS_XATTR_USER, NULL, false, NULL},
	{"system.posix_acl_access", EROFS_XATTR_ACL, acl_is_whole, true, ""},
	{"system.posix_acl_default", EROFS_XATTR_DEFAULT_ACL, acl_is_whole, false, ""},
	{"security.capability", EROFS_XATTR_SECURITY, capability_is_whole, true, "capability"},
};

static es_err *add_attr(struct erofs *w, struct erofs_node *n, const struct attr_kind *k, const struct tar_xattr *x)
{
	const char *name = k->rest ? k->rest : x->name + strlen(k->prefix);
	size_t len = strlen(name);
	struct erofs_attr *a = n->attrs;

	if (len > EROFS_NAME_MAX || x->len > UINT16_MAX)
		return es_err_new(ES_E_INVALID, "attribute %.40s is too long", x->name);
	if (k->is_whole && !k->is_whole(x->value, x->len))
		return es_err_new(ES_E_INVALID, "attribute %s has a value that it cannot have", x->name);
	while (a && (a->index != k->index || a->name_len != len || memcmp(a->name, name, len) != 0))
		a = a->next;
	if (!a) {
		a = arena_alloc(w->a, sizeof *a + len);
		a->index = (uint8_t)k->index;
		a->name_len = (uint8_t)len;
		memcpy(a->name, name, len);
		a->next = n->attrs;
		n->attrs = a;
	}
	a->value = arena_strndup(w->a, x->value, x->len);
	a->value_len = (uint16_t)x->len;
	return erofs_check_limits(w);
}

static es_err *set_attrs(struct erofs *w, struct erofs_node *n, const struct tar_entry *e)
{
	for (size_t i = 0; i < e->n_xattrs; i++) {
		const struct tar_xattr *x = &e->xattrs[i];
		const struct attr_kind *k = NULL;

		for (size_t j = 0; xattr_is_portable(x->name) && j < ES_N(attr_kinds) && !k; j++)
			if (str_starts(x->name, attr_kinds[j].prefix))
				k = &attr_kinds[j];
		if (!k)
			w->counts->dropped++;
		else if (k->on_others || S_ISREG(n->mode) || S_ISDIR(n->mode))
			ES_TRY(add_attr(w, n, k, x));
	}
	return NULL;
}

static es_err *set_all(struct erofs *w, struct erofs_node *n, const struct tar_entry *e)
{
	n->mode = (uint16_t)((n->mode & S_IFMT) | (S_ISLNK(n->mode) ? 0777 : e->mode));
	n->uid = e->uid;
	n->gid = e->gid;
	n->mtime_s = e->mtime_s;
	n->mtime_ns = e->mtime_ns;
	n->implied = false;
	return set_attrs(w, n, e);
}

/* Entries */

/* Pieces without bytes are left out; what is left is in order and does not overlap (the reader saw to it). */
static es_err *set_sparse(struct erofs *w, struct erofs_node *n, const struct tar_entry *e)
{
	struct erofs_sparse *s = arena_alloc(w->a, sizeof *s + e->n_pieces * sizeof s->pieces[0]);
	uint64_t at = e->data_at;

	for (size_t i = 0; i < e->n_pieces; at += e->pieces[i++].len)
		if (e->pieces[i].len > 0)
			s->pieces[s->n++] = (struct erofs_piece){e->pieces[i].offset, e->pieces[i].len, at};
	if (s->n != 1 || s->pieces[0].offset != 0 || s->pieces[0].len != e->size)
		n->sparse = s;
	return erofs_check_limits(w);
}

static es_err *make_file(struct erofs *w, const struct tar_entry *e, struct erofs_node **ret)
{
	struct erofs_node *n = new_node(w, S_IFREG);

	n->size = e->size;
	n->data_at = e->data_at;
	w->counts->content_size += e->size;
	*ret = n;
	return e->pieces ? set_sparse(w, n, e) : NULL;
}

static es_err *make_symlink(struct erofs *w, const struct tar_entry *e, struct erofs_node **ret)
{
	struct erofs_node *n = new_node(w, S_IFLNK);

	n->size = strlen(e->link);
	if (n->size == 0 || n->size >= PATH_MAX)
		return es_err_new(ES_E_INVALID, "a link to a path of %" PRIu64 " bytes", n->size);
	n->target = arena_strdup(w->a, e->link);
	w->counts->content_size += n->size;
	*ret = n;
	return NULL;
}

/* NULL in *RET: the device is one that overlayfs would take for a whiteout, which layers spell otherwise. */
static es_err *make_device(struct erofs *w, const struct tar_entry *e, struct erofs_node **ret)
{
	uint32_t major = e->dev_major, minor = e->dev_minor;

	if (e->type == TAR_CHAR && major == 0 && minor == 0) {
		w->counts->dropped++;
		return NULL;
	}
	if (major > 0xfff || minor > 0xfffff)
		return es_err_new(ES_E_INVALID, "device %" PRIu32 ":%" PRIu32, major, minor);
	*ret = new_node(w, e->type == TAR_CHAR ? S_IFCHR : S_IFBLK);
	(*ret)->device = (minor & 0xff) | major << 8 | (minor & ~UINT32_C(0xff)) << 12;
	return NULL;
}

static es_err *find_hardlink(struct erofs *w, const struct tar_entry *e, const char *path, struct erofs_node **ret)
{
	const char *target = name_clean(w->scratch, e->link), *name;
	struct erofs_node *dir, *n = NULL;
	es_err *err;

	if (!target)
		return es_err_new(ES_E_INVALID, "\"%s\" is outside of the root", e->link);
	if (str_eq(target, "."))
		return es_err_new(ES_E_INVALID, "its target is the root");
	if (str_eq(target, path))
		return es_err_new(ES_E_INVALID, "it is its own target");
	name = name_base(target);
	err = find_parent(w, target, false, &dir);
	if (!err)
		n = look_up(w, dir, name, strlen(name));
	es_err_drop(err);
	if (!n)
		return es_err_new(ES_E_INVALID, "no %s before it", target);
	if (S_ISDIR(n->mode))
		return es_err_new(ES_E_INVALID, "%s is a directory", target);
	*ret = n;
	return NULL;
}

static bool is_whiteout(const struct erofs_node *n)
{
	return S_ISCHR(n->mode) && n->device == 0;
}

/* A directory stays for a directory; one in the place of a whiteout hides what the whiteout hid. */
static struct erofs_node *dir_at(struct erofs *w, const struct erofs_name *name)
{
	struct erofs_node *old = name->node, *n;

	if (old && S_ISDIR(old->mode))
		return old;
	n = new_dir(w, name->dir);
	n->opaque = old && is_whiteout(old);
	return n;
}

static es_err *make_entry(struct erofs *w, const struct tar_entry *e, const char *path)
{
	struct erofs_node *dir, *n = NULL;
	struct erofs_name *name;

	if (e->type == TAR_HARDLINK) /* before its place is cleared, as nothing else can be between the two */
		ES_TRY(es_err_in(find_hardlink(w, e, path, &n), "hard link %s", path));
	ES_TRY(find_parent(w, path, true, &dir));
	ES_TRY(get_name(w, dir, name_base(path), strlen(name_base(path)), &name));
	switch (e->type) {
	case TAR_FILE:
		ES_TRY(make_file(w, e, &n));
		break;
	case TAR_SYMLINK:
		ES_TRY(make_symlink(w, e, &n));
		break;
	case TAR_DIR:
		if (dir->depth >= EROFS_DEPTH_MAX)
			return too_deep();
		n = dir_at(w, name);
		break;
	case TAR_CHAR:
	case TAR_BLOCK_DEVICE:
		ES_TRY(make_device(w, e, &n));
		break;
	case TAR_FIFO:
		n = new_node(w, S_IFIFO);
		break;
	case TAR_HARDLINK:
		name->node = n;
		return NULL;
	case TAR_OTHER:
		return es_err_new(ES_E_INVALID, "entries of type '%c' are not known", e->flag);
	}
	name->node = n;
	return n ? set_all(w, n, e) : NULL;
}

/* ".wh.NAME": NAME of the layers below is gone. Whatever this layer itself has there stays. */
static es_err *make_whiteout(struct erofs *w, const char *path)
{
	const char *text = name_base(path) + strlen(WHITEOUT);
	struct erofs_node *dir;
	struct erofs_name *name;

	if (!*text || str_eq(text, ".") || str_eq(text, ".."))
		return es_err_new(ES_E_INVALID, "whiteout \"%s\" names nothing", path);
	ES_TRY(find_parent(w, path, true, &dir));
	ES_TRY(get_name(w, dir, text, strlen(text), &name));
	if (!name->node)
		name->node = new_node(w, S_IFCHR);
	else if (S_ISDIR(name->node->mode))
		name->node->opaque = true;
	return NULL;
}

static es_err *overlay_name(struct erofs *w, const char *path)
{
	const char *name = name_base(path);
	struct erofs_node *dir;

	if (str_eq(name, OPAQUE)) {
		ES_TRY(find_parent(w, path, true, &dir));
		dir->opaque = true;
		return NULL;
	}
	return str_starts(name, WHITEOUT_META) ? NULL : make_whiteout(w, path);
}

es_err *erofs_add(struct erofs *w, const struct tar_entry *e)
{
	const char *path;

	if (++w->n_added > SCRATCH_ENTRIES) {
		arena_free(w->scratch);
		w->scratch = arena_new();
		w->n_added = 0;
	}
	path = name_clean(w->scratch, e->path);
	if (!path)
		return es_err_new(ES_E_INVALID, "\"%s\" is outside of the root", e->path);
	if (str_eq(path, ".") && e->type != TAR_DIR)
		return es_err_new(ES_E_INVALID, "the root is to become something else than a directory");
	if (str_eq(path, "."))
		return set_all(w, w->root, e);
	if (str_starts(name_base(path), WHITEOUT))
		return es_err_in(overlay_name(w, path), "%s", path);
	return e->type == TAR_HARDLINK ? make_entry(w, e, path) : es_err_in(make_entry(w, e, path), "%s", path);
}

/* Directories without an entry */

static int by_text(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* A directory on the way down: names not yet looked at, and how long its own path is. */
struct level {
	const struct erofs_name *next;
	size_t path_len;
};

/* Depth first without recursion. */
static es_err *collect(const struct erofs *w, struct arena *a, char **paths, size_t *n)
{
	es_autofree struct level *levels = es_xcalloc(EROFS_DEPTH_MAX + 2, sizeof *levels);
	es_autobuf path = ES_BUF((size_t)(EROFS_DEPTH_MAX + 1) * (EROFS_NAME_MAX + 1));

	levels[0].next = w->root->names;
	for (size_t depth = 1; depth > 0;) {
		struct level *l = &levels[depth - 1];
		const struct erofs_name *name = l->next;

		if (!name) {
			depth--;
			continue;
		}
		l->next = name->next;
		if (!name->node || !S_ISDIR(name->node->mode))
			continue;
		path.len = l->path_len;
		es_buf_adds(&path, path.len ? "/" : "");
		es_buf_add(&path, name->text, name->len);
		levels[depth++] = (struct level){name->node->names, path.len};
		if (!name->node->implied)
			continue;
		if (*n == LAYER_IMPLIED_MAX)
			return es_err_new(ES_E_LIMIT, "more than %u directories without an entry", LAYER_IMPLIED_MAX);
		paths[(*n)++] = arena_strdup(a, es_buf_str(&path));
	}
	return es_buf_check(&path);
}

es_err *erofs_implied(struct erofs *w, struct arena *a, struct json *implied)
{
	es_autofree char **paths = es_xcalloc(LAYER_IMPLIED_MAX + 1, sizeof *paths);
	size_t n = 0;

	if (w->root->implied)
		paths[n++] = arena_strdup(a, ".");
	ES_TRY(collect(w, a, paths, &n));
	qsort(paths, n, sizeof *paths, by_text);
	for (size_t i = 0; i < n; i++)
		json_append(implied, json_new_str(a, paths[i]));
	return NULL;
}

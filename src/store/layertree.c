/* SPDX-License-Identifier: Apache-2.0 */
/* layertree.c: open the trees of layers, mount layer files once, and remember both. */
#include "store/layertree.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/str.h"
#include "store/layerform.h"
#include "store/mounts.h"
#include "store/store_priv.h"
#include "sys/loopdev.h"

#define BUCKETS 256u  /* by the first byte of a digest */
#define KNOWN_MAX 8192u /* trees that are kept open; beyond that each is opened when it is needed */

/* A remembered layer. A container of 60 layers asks for 60 of these: one look here instead of a query, an open and a mount. */
struct known {
	struct list link;
	char hex[65];
	int fd;
	char **implied;
};

struct layertree {
	pthread_mutex_t lock; /* held while a layer is mounted: once is enough */
	struct list buckets[BUCKETS];
	size_t n;
	bool by_loop; /* the kernel takes no file there */
};

struct layertree *layertree_new(void)
{
	struct layertree *t = ES_NEW(struct layertree);

	pthread_mutex_init(&t->lock, NULL);
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&t->buckets[i]);
	return t;
}

static void forget(struct layertree *t, struct known *k)
{
	list_remove(&k->link);
	t->n--;
	es_close(k->fd);
	strv_free(k->implied);
	free(k);
}

void layertree_free(struct layertree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_EACH(at, &t->buckets[i])
			forget(t, LIST_ENTRY(at, struct known, link));
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct list *bucket(struct layertree *t, const char *hex)
{
	unsigned n = 0;

	for (int i = 0; i < 2; i++)
		n = n << 4 | (unsigned)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
	return &t->buckets[n % BUCKETS];
}

static struct known *find(struct layertree *t, const char *hex)
{
	LIST_EACH(at, bucket(t, hex))
		if (str_eq(LIST_ENTRY(at, struct known, link)->hex, hex))
			return LIST_ENTRY(at, struct known, link);
	return NULL;
}

/* FD is borrowed. */
static void remember(struct layertree *t, const char *hex, int fd, char *const *implied)
{
	struct known *k;

	if (t->n >= KNOWN_MAX)
		return;
	k = ES_NEW(struct known);
	snprintf(k->hex, sizeof k->hex, "%s", hex);
	k->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	for (; implied && *implied; implied++)
		strv_add(&k->implied, *implied);
	list_append(bucket(t, hex), &k->link);
	t->n++;
}

/* --- mounting --- */

bool layertree_cannot_mount(const es_err *err)
{
	switch (es_err_errno(err)) {
	case ENOTBLK: /* the kernel, or this file system, has no files as devices */
	case ENODEV:  /* no EROFS */
	case EPERM:
	case EACCES: /* not for who runs us */
		return true;
	default:
		return false;
	}
}

static es_err *mount_by_loop(struct store *st, const char *name, const char *path, int *ret_fd)
{
	es_autoclose int file = openat(st->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), device = -1;
	char source[32];

	if (file < 0)
		return es_err_sys(errno, "open %s/%s", st->root, path);
	ES_TRY(loopdev_new(file, &device));
	snprintf(source, sizeof source, "/proc/self/fd/%d", device);
	return mounts_layer(st->mounts, name, source, ret_fd);
}

/* The lock is taken, or nobody else can know NAME. */
static es_err *mount_file(struct store *st, const char *name, const char *dir, int *ret_fd)
{
	es_autofree char *source = es_xasprintf("/data/%s/layer", dir);
	bool loop_only = st->form == STORE_FORM_LOOP;
	es_err *err;

	if (!loop_only && !st->tree->by_loop) {
		err = mounts_layer(st->mounts, name, source, ret_fd);
		if (!err || es_err_errno(err) != ENOTBLK || st->form == STORE_FORM_FILE)
			return err;
		es_err_free(err);
	}
	ES_TRY(mount_by_loop(st, name, source + strlen("/data/"), ret_fd));
	st->tree->by_loop = true;
	return NULL;
}

es_err *layertree_mount(struct store *st, const char *name, const char *dir, int *ret_fd)
{
	es_err *err;

	pthread_mutex_lock(&st->tree->lock);
	err = mount_file(st, name, dir, ret_fd);
	pthread_mutex_unlock(&st->tree->lock);
	return err;
}

/* --- opening --- */

static es_err *open_directory(struct store *st, const char *name, const char *path, int *ret_fd)
{
	*ret_fd = openat(mounts_data(st->mounts), path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_fd < 0)
		return errno == ENOENT ? es_err_new(ES_E_NOT_FOUND, "no layer %s", name) : es_err_sys(errno, "open layer %s", name);
	return NULL;
}

/* A data root that came from a machine, or a kernel, that could mount it. */
static es_err *to_directory(struct store *st, struct arena *a, const char *diff_id, const char *dir, struct layers_doc *doc)
{
	struct layerform_made made = { .info = { .tar_size = doc->tar_size } };

	snprintf(made.info.diff_id, sizeof made.info.diff_id, "%s", diff_id);
	ES_TRY(layerform_extract(st, a, dir, &made));
	ES_TRY(layerform_sync(st, dir, LAYERS_DIRECTORY));
	doc->implied = made.implied;
	return layers_doc_write(st, diff_id, doc, LAYERS_DIRECTORY);
}

static es_err *open_file(struct store *st, struct arena *a, const char *diff_id, const char *hex, struct layers_doc *doc, int *ret_fd)
{
	const char *dir = arena_printf(a, "layers/%s", hex);
	es_err *err = mount_file(st, hex, dir, ret_fd);

	if (!err || !layertree_cannot_mount(err))
		return err;
	log_err(err, "layer %s becomes a directory", diff_id);
	ES_TRY(es_err_in(to_directory(st, a, diff_id, dir, doc), "layer %s", diff_id));
	return open_directory(st, diff_id, arena_printf(a, "%s/fs", dir), ret_fd);
}

/* The lock is taken. */
static es_err *open_new(struct store *st, struct arena *a, const char *diff_id, const char *hex, int *ret_fd, char ***ret_implied)
{
	enum layers_form form;
	struct layers_doc doc;

	ES_TRY(layers_doc_read(st, a, diff_id, &doc, &form));
	if (form == LAYERS_FILE)
		ES_TRY(open_file(st, a, diff_id, hex, &doc, ret_fd));
	else
		ES_TRY(open_directory(st, diff_id, arena_printf(a, "layers/%s/fs", hex), ret_fd));
	remember(st->tree, hex, *ret_fd, doc.implied);
	*ret_implied = doc.implied;
	return NULL;
}

static es_err *open_known(struct arena *a, const struct known *k, int *ret_fd, char ***ret_implied)
{
	*ret_fd = fcntl(k->fd, F_DUPFD_CLOEXEC, 0);
	if (*ret_fd < 0)
		return es_err_sys(errno, "duplicate a descriptor");
	*ret_implied = NULL;
	for (char *const *p = k->implied; p && *p; p++)
		*ret_implied = strv_arena_add(a, *ret_implied, *p);
	return NULL;
}

es_err *layertree_open(struct store *st, struct arena *a, const char *name, int *ret_fd, char ***ret_implied)
{
	const char *hex = blob_is_digest(name) ? str_after(name, "sha256:") : NULL;
	const struct known *k;
	char *path;
	es_err *err;

	if (!hex) {
		ES_TRY(layers_dir_path(st, a, name, &path));
		*ret_implied = NULL;
		return open_directory(st, name, path, ret_fd);
	}
	pthread_mutex_lock(&st->tree->lock);
	k = find(st->tree, hex);
	err = k ? open_known(a, k, ret_fd, ret_implied) : open_new(st, a, name, hex, ret_fd, ret_implied);
	pthread_mutex_unlock(&st->tree->lock);
	return err;
}

es_err *layertree_forget(struct store *st, const char *diff_id)
{
	const char *hex = diff_id + strlen("sha256:");
	struct known *k;
	es_err *err;

	pthread_mutex_lock(&st->tree->lock);
	k = find(st->tree, hex);
	if (k)
		forget(st->tree, k);
	err = mounts_drop(st->mounts, hex);
	pthread_mutex_unlock(&st->tree->lock);
	return err;
}

static bool is_recorded(void *self, const char *hex)
{
	es_autofree char *digest = es_xasprintf("sha256:%s", hex);

	return layers_has(self, digest);
}

es_err *layertree_sweep(struct store *st)
{
	return mounts_sweep(st->mounts, is_recorded, st);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* store.c: open and close a data root, and the thread that removes what was discarded. */
#include "store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/thread.h"
#include "store/gc.h"
#include "store/layertree.h"
#include "store/mounts.h"
#include "store/store_priv.h"

#define VERSION_FILE "version"
#define BOOT_FILE "boot_id"
#define SMALL_FILE_MAX 256u
#define NAME_RANDOM 16
#define JANITOR_NICE 10

static const struct {
	const char *path;
	mode_t mode;
} root_dirs[] = {
	{ "blobs/sha256", 0700 }, { "layers", 0700 },  { "containers", 0710 }, { "steps", 0700 },
	{ "volumes", 0701 },	  { "partial", 0700 }, { "tmp", 0700 },	      { "skel", 0700 },
	{ "skel/empty", 0755 },
};

int store_root_fd(const struct store *st)
{
	return st->root_fd;
}

es_err *store_form_parse(const char *name, enum store_form *ret)
{
	static const char *const names[] = {
		[STORE_FORM_AUTO] = "auto", [STORE_FORM_FILE] = "file", [STORE_FORM_LOOP] = "loop", [STORE_FORM_DIRECTORY] = "directory"
	};
	_Static_assert(ES_N(names) == STORE_FORM_N, "a form without a name");

	for (int i = 0; i < STORE_FORM_N; i++)
		if (str_eq(names[i], name)) {
			*ret = (enum store_form)i;
			return NULL;
		}
	return es_err_new(ES_E_INVALID, "\"%s\" is none of auto, file, loop, directory", name);
}

const char *store_root(const struct store *st)
{
	return st->root;
}

void store_keep_mounts(struct store *st)
{
	st->keeps_mounts = true;
}

bool store_is_new_boot(const struct store *st)
{
	return st->new_boot;
}

char *store_partial_name(void)
{
	char word[NAME_RANDOM + 1];

	rand_hex(word, NAME_RANDOM);
	return es_xasprintf("partial/%s", word);
}

es_err *store_sync_dir(struct store *st, const char *path)
{
	es_autoclose int fd = openat(st->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return es_err_sys(errno, "sync %s/%s", st->root, path);
	return NULL;
}

/* --- discarding --- */

/* Everything in tmp/ is trash by definition; renaming into it is what makes a thing disappear. */
static void trash_empty(struct store *st)
{
	es_autoclose int fd = openat(st->root_fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return;
	fd = -1;
	for (struct dirent *e; !atomic_load(&st->closing) && (e = readdir(dir));) {
		es_err *err = NULL;

		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			err = file_remove_tree_until(dirfd(dir), e->d_name, &st->closing);
		if (err && es_err_class(err) == ES_E_CANCELLED) /* the next open goes on */
			es_err_free(err);
		else
			log_err(err, "remove %s/tmp/%s", st->root, e->d_name);
	}
	closedir(dir);
}

static void *janitor_main(void *arg)
{
	struct store *st = arg;

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), JANITOR_NICE); /* of this thread alone; what it removes was a container, others start */
	pthread_mutex_lock(&st->trash_lock);
	for (;;) {
		unsigned long asked = st->trash_asked;

		if (asked == st->trash_done) {
			if (st->closing)
				break;
			pthread_cond_wait(&st->trash_cond, &st->trash_lock);
			continue;
		}
		pthread_mutex_unlock(&st->trash_lock);
		trash_empty(st);
		crash_point(st, CRASH_TRASH_EMPTIED);
		pthread_mutex_lock(&st->trash_lock);
		st->trash_done = asked;
		pthread_cond_broadcast(&st->trash_cond);
	}
	pthread_mutex_unlock(&st->trash_lock);
	return NULL;
}

void store_sweep_trash(struct store *st)
{
	pthread_mutex_lock(&st->trash_lock);
	st->trash_asked++;
	pthread_cond_broadcast(&st->trash_cond);
	pthread_mutex_unlock(&st->trash_lock);
}

bool store_is_settled(struct store *st)
{
	pthread_mutex_lock(&st->trash_lock);
	bool settled = st->trash_done == st->trash_asked;
	pthread_mutex_unlock(&st->trash_lock);
	return settled;
}

es_err *store_discard(struct store *st, const char *path)
{
	char to[sizeof "tmp/" + NAME_RANDOM] = "tmp/";

	rand_hex(to + strlen(to), NAME_RANDOM);
	if (renameat(st->root_fd, path, st->root_fd, to) < 0)
		return errno == ENOENT ? NULL : es_err_sys(errno, "discard %s/%s", st->root, path);
	crash_point(st, CRASH_DISCARDED);
	store_sweep_trash(st);
	return NULL;
}

void store_settle(struct store *st)
{
	pthread_mutex_lock(&st->trash_lock);
	for (unsigned long asked = st->trash_asked; st->trash_done < asked;)
		pthread_cond_wait(&st->trash_cond, &st->trash_lock);
	pthread_mutex_unlock(&st->trash_lock);
}

static es_err *janitor_start(struct store *st)
{
	ES_TRY(thread_start(&st->janitor, 0, janitor_main, st));
	st->janitor_runs = true;
	return NULL;
}

static void janitor_stop(struct store *st)
{
	if (!st->janitor_runs)
		return;
	pthread_mutex_lock(&st->trash_lock);
	st->closing = true;
	pthread_cond_broadcast(&st->trash_cond);
	pthread_mutex_unlock(&st->trash_lock);
	pthread_join(st->janitor, NULL);
}

/* --- opening --- */

static es_err *root_lock(struct store *st)
{
	ES_TRY(file_mkdir_p(AT_FDCWD, st->root, STORE_DIR_MODE));
	st->root_fd = open(st->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->root_fd < 0)
		return es_err_sys(errno, "open %s", st->root);
	if (flock(st->root_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? es_err_new(ES_E_CONFLICT, "data root %s is in use by another daemon", st->root)
					    : es_err_sys(errno, "lock %s", st->root);
	return NULL;
}

/* *RET is 0 for a fresh root. */
static es_err *version_read(struct store *st, int64_t *ret)
{
	es_autofree char *text = NULL;
	es_err *err = file_read(st->root_fd, VERSION_FILE, SMALL_FILE_MAX, &text, NULL);

	*ret = 0;
	if (err && es_err_class(err) == ES_E_NOT_FOUND) {
		es_err_drop(err);
		return NULL;
	}
	ES_TRY(err);
	ES_TRY(es_err_in(str_to_i64(str_trim(text), 10, ret), "%s/" VERSION_FILE, st->root));
	if (*ret > STORE_FORMAT)
		return es_err_new(ES_E_UNSUPPORTED, "data root %s has format %lld, newer than %d, the newest that this program knows",
				  st->root, (long long)*ret, STORE_FORMAT);
	return NULL;
}

static es_err *version_write(struct store *st)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d\n", STORE_FORMAT);

	return file_replace(st->root_fd, VERSION_FILE, text, (size_t)n, 0644, true);
}

/* What partial/ and tmp/ hold at this moment was left by a crash. */
static es_err *sweep_leftovers(struct store *st)
{
	ES_TRY(store_discard(st, "partial"));
	crash_point(st, CRASH_OPEN_EMPTIED);
	if (mkdirat(st->root_fd, "partial", 0700) < 0)
		return es_err_sys(errno, "make %s/partial", st->root);
	return NULL;
}

static es_err *boot_check(struct store *st)
{
	es_autofree char *now = NULL, *then = NULL, *path = es_xasprintf("%s/" BOOT_FILE, st->exec_root);

	ES_TRY(file_mkdir_p(AT_FDCWD, st->exec_root, STORE_DIR_MODE));
	ES_TRY(file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", SMALL_FILE_MAX, &now, NULL));
	es_err_drop(file_read(AT_FDCWD, path, SMALL_FILE_MAX, &then, NULL));
	if (str_eq(now, then))
		return NULL;
	st->new_boot = true;
	static const char *const stale[] = { "run.db", "run.db-wal", "run.db-shm" };
	for (size_t i = 0; i < ES_N(stale); i++) {
		es_autofree char *victim = es_xasprintf("%s/%s", st->exec_root, stale[i]);

		if (unlink(victim) < 0 && errno != ENOENT)
			return es_err_sys(errno, "remove %s", victim);
	}
	return file_replace(AT_FDCWD, path, now, strlen(now), 0644, false);
}

static es_err *open_steps(struct store *st, const struct store_options *opts)
{
	int64_t version;

	if (opts->layer_program)
		st->layer_program = es_xstrdup(opts->layer_program);
	ES_TRY(crash_arm(st, opts->crash_at, false));
	ES_TRY(root_lock(st));
	ES_TRY(version_read(st, &version));
	for (size_t i = 0; i < ES_N(root_dirs); i++)
		ES_TRY(file_mkdir_p(st->root_fd, root_dirs[i].path, root_dirs[i].mode));
	ES_TRY(boot_check(st));
	ES_TRY(record_db_open(st));
	ES_TRY(mounts_open(st->root, st->root_fd, st->exec_root, &st->mounts));
	if (version != STORE_FORMAT)
		ES_TRY(version_write(st));
	ES_TRY(janitor_start(st));
	ES_TRY(sweep_leftovers(st));
	ES_TRY(layertree_sweep(st));
	ES_TRY(gc_sweep_snapshots(st));
	ES_TRY(gc_run(st, NULL)); /* content whose record a crash prevented */
	crash_point(st, CRASH_OPEN_SWEPT);
	store_sweep_trash(st); /* also what an earlier life left in tmp/ */
	return NULL;
}

es_err *store_open(const struct store_options *opts, struct store **ret)
{
	struct store *st = ES_NEW(struct store);
	es_err *err;

	st->root = es_xstrdup(opts->data_root);
	st->exec_root = es_xstrdup(opts->exec_root);
	st->root_fd = -1;
	st->form = opts->layer_form;
	st->tree = layertree_new();
	list_init(&st->leases);
	pthread_mutex_init(&st->probe_lock, NULL);
	pthread_mutex_init(&st->content_lock, NULL);
	pthread_mutex_init(&st->quota_lock, NULL);
	pthread_mutex_init(&st->trash_lock, NULL);
	pthread_cond_init(&st->trash_cond, NULL);
	err = open_steps(st, opts);
	if (err) {
		store_close(st);
		return err;
	}
	*ret = st;
	return NULL;
}

void store_close(struct store *st)
{
	if (!st)
		return;
	record_db_close(st);
	janitor_stop(st);
	layertree_free(st->tree);
	mounts_close(st->mounts, st->keeps_mounts);
	pthread_mutex_destroy(&st->probe_lock);
	pthread_cond_destroy(&st->trash_cond);
	pthread_mutex_destroy(&st->trash_lock);
	pthread_mutex_destroy(&st->quota_lock);
	pthread_mutex_destroy(&st->content_lock);
	es_close(st->root_fd);
	free(st->layer_program);
	free(st->exec_root);
	free(st->root);
	free(st);
}

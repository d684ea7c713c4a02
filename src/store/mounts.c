/* SPDX-License-Identifier: Apache-2.0 */
/* mounts.c: make or find the pinned mount namespace, keep threads in it, mount and unmount layers there. */
#include "store/mounts.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "base/thread.h"
#include "sys/mount.h"
#include "sys/ns.h"

#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif
#define THREADS 2 /* one may hang in a slow unmount */
#define STACK_BYTES (256u << 10)
#define PIN_DIR "mounts"
#define PIN "ns"
#define ID_BATCH 4096
#define LAYERS_DIR "/l"
#define DATA_DIR "/data"

struct job {
	struct list link;
	es_err *(*fn)(void *arg);
	void *arg;
	es_err *err;
	pthread_cond_t *done; /* NULL: nobody waits; the job is the heap's */
	bool is_done;
};

struct mounts {
	bool inside;
	char *pin_dir; /* EXEC/mounts */
	int ns_fd, data_fd, layers_fd;
	pthread_t threads[THREADS];
	size_t n_threads;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct list jobs;
	bool ending;
};

/* --- threads --- */

static es_err *enter(int ns_fd)
{
	if (unshare(CLONE_FS) < 0)
		return es_err_sys(errno, "unshare the working directory");
	return ns_join(NS_MOUNT, ns_fd);
}

static void finish(struct mounts *m, struct job *j, es_err *err)
{
	if (!j->done) {
		log_err(err, "in the mount namespace of layers");
		free(j);
		return;
	}
	pthread_mutex_lock(&m->lock);
	j->err = err;
	j->is_done = true;
	pthread_cond_signal(j->done);
	pthread_mutex_unlock(&m->lock);
}

/* The next job; NULL at the end, when there are none left. */
static struct job *next_job(struct mounts *m)
{
	struct job *j = NULL;

	pthread_mutex_lock(&m->lock);
	while (list_is_empty(&m->jobs) && !m->ending)
		pthread_cond_wait(&m->work, &m->lock);
	if (!list_is_empty(&m->jobs)) {
		j = LIST_ENTRY(m->jobs.next, struct job, link);
		list_remove(&j->link);
	}
	pthread_mutex_unlock(&m->lock);
	return j;
}

static void *thread_main(void *arg)
{
	struct mounts *m = arg;
	es_err *failed = enter(m->ns_fd);

	log_err(failed, "enter the mount namespace of layers");
	for (struct job *j; (j = next_job(m));)
		finish(m, j, failed ? es_err_new(ES_E_SYSTEM, "cannot enter the mount namespace of layers") : j->fn(j->arg));
	return NULL;
}

static void submit(struct mounts *m, struct job *j)
{
	pthread_mutex_lock(&m->lock);
	list_append(&m->jobs, &j->link);
	pthread_cond_signal(&m->work);
	pthread_mutex_unlock(&m->lock);
}

es_err *mounts_run(struct mounts *m, es_err *(*fn)(void *arg), void *arg)
{
	pthread_cond_t done = PTHREAD_COND_INITIALIZER;
	struct job j = { .fn = fn, .arg = arg, .done = &done };

	if (!m->inside)
		return fn(arg);
	submit(m, &j);
	pthread_mutex_lock(&m->lock);
	while (!j.is_done)
		pthread_cond_wait(&done, &m->lock);
	pthread_mutex_unlock(&m->lock);
	pthread_cond_destroy(&done);
	return j.err;
}

bool mounts_is_private(const struct mounts *m)
{
	return m->inside;
}

int mounts_data(const struct mounts *m)
{
	return m->data_fd;
}

/* --- making and finding --- */

/* What happens once, on a thread that ends afterwards. */
struct visit {
	const char *data_root, *exec_root;
	int root_fd;
	int ns_fd; /* -1: make one */
	bool again; /* the first could not be pinned */
	int data_fd, layers_fd;
	es_err *err;
};

static es_err *attach_below(int mount_fd, int root, const char *name)
{
	es_autoclose int target = openat(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (target < 0)
		return es_err_sys(errno, "open /%s", name);
	return es_err_in(mount_attach(mount_fd, target), "/%s", name);
}

/* A copy of everything, out of which the new root is pivoted: then the copy goes. */
static es_err *furnish(struct visit *v)
{
	static const char *const params[] = { "mode=0700", NULL };
	static const char *const dirs[] = { "data", "proc", "l" };
	es_autoclose int data = -1, proc = -1, root = -1, at = -1;

	ES_TRY(mount_propagate_all(MS_PRIVATE));
	ES_TRY(mount_clone(AT_FDCWD, v->data_root, false, &data));
	ES_TRY(mount_clone(AT_FDCWD, "/proc", true, &proc));
	ES_TRY(mount_new("tmpfs", "estiba", params, 0, &root));
	for (size_t i = 0; i < ES_N(dirs); i++)
		if (mkdirat(root, dirs[i], 0700) < 0)
			return es_err_sys(errno, "make /%s", dirs[i]);
	at = open(v->exec_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return es_err_sys(errno, "open %s", v->exec_root);
	ES_TRY(mount_attach(root, at));
	ES_TRY(attach_below(data, root, "data"));
	ES_TRY(attach_below(proc, root, "proc"));
	return mount_pivot(root);
}

/* A mount namespace is pinned only in one with a smaller number, and Linux 6.18 hands numbers out to processors by the batch: a new one may
 * be smaller than ours, which another processor made. The batch behind this one is larger than all that were given. */
static void pass_batch(void)
{
	int cpu = sched_getcpu();
	cpu_set_t here;

	CPU_ZERO(&here);
	if (cpu >= 0)
		CPU_SET((unsigned)cpu, &here);
	(void)sched_setaffinity(0, sizeof here, &here); /* of this thread, which ends soon */
	for (int i = 0; i < ID_BATCH; i++)
		if (unshare(CLONE_NEWUTS) < 0)
			break;
}

static es_err *make(struct visit *v)
{
	if (v->again)
		pass_batch();
	if (unshare(CLONE_NEWNS) < 0)
		return es_err_sys(errno, "make a mount namespace");
	ES_TRY(furnish(v));
	v->ns_fd = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return v->ns_fd < 0 ? es_err_sys(errno, "open /proc/thread-self/ns/mnt") : NULL;
}

/* ES_E_CONFLICT: it is another data root's. */
static es_err *look(struct visit *v)
{
	struct stat there, here;

	v->data_fd = open(DATA_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	v->layers_fd = open(LAYERS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->data_fd < 0 || v->layers_fd < 0 || fstat(v->data_fd, &there) < 0 || fstat(v->root_fd, &here) < 0)
		return es_err_new(ES_E_CONFLICT, "not a mount namespace of layers");
	if (there.st_dev != here.st_dev || there.st_ino != here.st_ino)
		return es_err_new(ES_E_CONFLICT, "the mount namespace of another data root");
	return NULL;
}

static void *visit_main(void *arg)
{
	struct visit *v = arg;

	v->err = v->ns_fd >= 0 ? enter(v->ns_fd) : make(v);
	if (!v->err)
		v->err = look(v);
	return NULL;
}

static es_err *visit(struct visit *v)
{
	pthread_t t;

	ES_TRY(thread_start(&t, STACK_BYTES, visit_main, v));
	pthread_join(t, NULL);
	return v->err;
}

static void visit_done(struct visit *v)
{
	es_close(v->ns_fd);
	es_close(v->data_fd);
	es_close(v->layers_fd);
	v->ns_fd = v->data_fd = v->layers_fd = -1;
}

/* --- the pin --- */

static es_err *unpin(struct mounts *m)
{
	es_autofree char *pin = es_xasprintf("%s/" PIN, m->pin_dir);

	/* The directory's own mount takes the pin along. */
	while (umount2(m->pin_dir, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	if (errno != EINVAL && errno != ENOENT && errno != EPERM)
		return es_err_sys(errno, "unmount %s", m->pin_dir);
	(void)unlink(pin);
	if (rmdir(m->pin_dir) < 0 && errno != ENOENT)
		return es_err_sys(errno, "remove %s", m->pin_dir);
	return NULL;
}

/* A private mount first: the kernel lets no mount namespace into a shared one. */
static es_err *pin(struct mounts *m)
{
	const struct mount_attr_change private = { .propagation = MS_PRIVATE };
	es_autofree char *path = es_xasprintf("%s/" PIN, m->pin_dir), *ns = es_xasprintf("/proc/self/fd/%d", m->ns_fd);
	es_autoclose int dir = -1, target = -1, file = -1;

	if (mkdir(m->pin_dir, 0700) < 0)
		return es_err_sys(errno, "make %s", m->pin_dir);
	ES_TRY(mount_clone(AT_FDCWD, m->pin_dir, false, &dir));
	target = open(m->pin_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return es_err_sys(errno, "open %s", m->pin_dir);
	ES_TRY(mount_attach(dir, target));
	ES_TRY(mount_change(dir, &private));
	file = openat(dir, PIN, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (file < 0)
		return es_err_sys(errno, "make %s", path);
	if (mount(ns, path, NULL, MS_BIND, NULL) < 0)
		return es_err_sys(errno, "pin a mount namespace at %s", path);
	return NULL;
}

/* -1: none is pinned (any more). */
static int pinned(const struct mounts *m)
{
	es_autofree char *path = es_xasprintf("%s/" PIN, m->pin_dir);
	es_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct statfs fs;
	int ns = -1;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC)
		return -1;
	es_err_drop(ns_open(NS_MOUNT, path, &ns));
	return ns;
}

static es_err *find_or_make(struct mounts *m, struct visit *v)
{
	v->ns_fd = pinned(m);
	if (v->ns_fd >= 0) {
		es_err *err = visit(v);

		if (!err)
			return NULL;
		log_err(err, "%s/" PIN " is made anew", m->pin_dir);
		visit_done(v);
		v->err = NULL;
	}
	for (;;) {
		es_err *err;

		ES_TRY(unpin(m));
		ES_TRY(visit(v));
		m->ns_fd = v->ns_fd;
		err = pin(m);
		if (!err || v->again || es_err_errno(err) != EINVAL)
			return err;
		es_err_free(err);
		visit_done(v);
		v->again = true;
	}
}

/* Once for each: without the right to make namespaces everything but layer files works. */
static es_err *open_here(struct mounts *m, int root_fd, es_err *why)
{
	log_err(why, "no mount namespace for layers");
	m->ns_fd = -1;
	m->data_fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
	return m->data_fd < 0 ? es_err_sys(errno, "duplicate a descriptor") : NULL;
}

static es_err *start(struct mounts *m, const char *data_root, int root_fd, const char *exec_root)
{
	struct visit v = { .data_root = data_root, .exec_root = exec_root, .root_fd = root_fd, .ns_fd = -1, .data_fd = -1, .layers_fd = -1 };
	es_err *err = find_or_make(m, &v);

	if (err) {
		visit_done(&v);
		es_err_drop(unpin(m));
		return open_here(m, root_fd, err);
	}
	m->ns_fd = v.ns_fd;
	m->data_fd = v.data_fd;
	m->layers_fd = v.layers_fd;
	m->inside = true;
	for (; m->n_threads < THREADS; m->n_threads++)
		ES_TRY(thread_start(&m->threads[m->n_threads], STACK_BYTES, thread_main, m));
	return NULL;
}

es_err *mounts_open(const char *data_root, int root_fd, const char *exec_root, struct mounts **ret)
{
	struct mounts *m = ES_NEW(struct mounts);
	es_err *err;

	m->pin_dir = es_xasprintf("%s/" PIN_DIR, exec_root);
	m->ns_fd = m->data_fd = m->layers_fd = -1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->work, NULL);
	list_init(&m->jobs);
	err = start(m, data_root, root_fd, exec_root);
	if (err) {
		mounts_close(m, true);
		return err;
	}
	*ret = m;
	return NULL;
}

void mounts_close(struct mounts *m, bool keep)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	m->ending = true;
	pthread_cond_broadcast(&m->work);
	pthread_mutex_unlock(&m->lock);
	while (m->n_threads > 0)
		pthread_join(m->threads[--m->n_threads], NULL);
	if (m->inside && !keep)
		log_err(unpin(m), "mount namespace of layers");
	es_close(m->layers_fd);
	es_close(m->data_fd);
	es_close(m->ns_fd); /* without pin and threads the namespace goes here, and its mounts with it */
	pthread_cond_destroy(&m->work);
	pthread_mutex_destroy(&m->lock);
	free(m->pin_dir);
	free(m);
}

/* --- layers --- */

struct layer_job {
	struct mounts *m;
	const char *name, *source;
	int fd;
};

static es_err *is_mounted(int fd, bool *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) < 0)
		return es_err_sys(errno, "look at a mount point");
	*ret = st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return NULL;
}

static es_err *mount_layer(void *arg)
{
	static const char *const params[] = { "ro", NULL }; /* a loop device that is read-only is refused otherwise */
	struct layer_job *j = arg;
	es_autoclose int at = -1, fd = -1;
	bool there;

	if (j->source && mkdirat(j->m->layers_fd, j->name, 0700) < 0 && errno != EEXIST)
		return es_err_sys(errno, "make " LAYERS_DIR "/%s", j->name);
	at = openat(j->m->layers_fd, j->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0)
		return errno == ENOENT ? es_err_new(ES_E_NOT_FOUND, "layer %s is not mounted", j->name)
				       : es_err_sys(errno, "open " LAYERS_DIR "/%s", j->name);
	ES_TRY(is_mounted(at, &there));
	if (there) {
		j->fd = ES_TAKE_FD(at);
		return NULL;
	}
	if (!j->source)
		return es_err_new(ES_E_NOT_FOUND, "layer %s is not mounted", j->name);
	ES_TRY(mount_new("erofs", j->source, params, MOUNT_READ_ONLY, &fd));
	ES_TRY(mount_attach(fd, at));
	j->fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *mounts_layer(struct mounts *m, const char *name, const char *source, int *ret_fd)
{
	struct layer_job j = { .m = m, .name = name, .source = source, .fd = -1 };

	bool there = false;
	int fd;

	if (!m->inside)
		return es_err_sys(EPERM, "mount layer %s", name);
	/* No need to go inside for what is there. */
	fd = openat(m->layers_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		es_err_drop(is_mounted(fd, &there));
		if (there) {
			*ret_fd = fd;
			return NULL;
		}
		close(fd);
	}
	ES_TRY(es_err_in(mounts_run(m, mount_layer, &j), "layer %s", name));
	*ret_fd = j.fd;
	return NULL;
}

static es_err *close_last(void *arg)
{
	int *fd = arg;

	es_close(*fd);
	free(fd);
	return NULL;
}

/* While a descriptor holds the mount, taking it away costs nothing; the close does the work, and nobody waits for that. */
static void close_later(struct mounts *m, int fd)
{
	struct job *j = ES_NEW(struct job);
	int *arg = ES_NEW(int);

	*arg = fd;
	*j = (struct job){ .fn = close_last, .arg = arg };
	submit(m, j);
}

static es_err *drop_layer(void *arg)
{
	struct layer_job *j = arg;
	es_autofree char *path = es_xasprintf(LAYERS_DIR "/%s", j->name);
	bool there = false;
	int at = openat(j->m->layers_fd, j->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (at < 0)
		return errno == ENOENT ? NULL : es_err_sys(errno, "open %s", path);
	es_err *err = is_mounted(at, &there);
	if (!err && there && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		err = es_err_sys(errno, "unmount %s", path);
	close_later(j->m, at);
	if (!err && unlinkat(j->m->layers_fd, j->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		err = es_err_sys(errno, "remove %s", path);
	return err;
}

es_err *mounts_drop(struct mounts *m, const char *name)
{
	struct layer_job j = { .m = m, .name = name };

	return m->inside ? mounts_run(m, drop_layer, &j) : NULL;
}

es_err *mounts_sweep(struct mounts *m, bool (*keep)(void *self, const char *name), void *self)
{
	es_err *err = NULL;

	if (!m->inside)
		return NULL;
	int fd = openat(m->layers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		es_close(fd);
		return es_err_sys(errno, "list mounted layers");
	}
	for (struct dirent *e; !err && (e = readdir(dir));)
		if (e->d_name[0] != '.' && !keep(self, e->d_name))
			err = mounts_drop(m, e->d_name);
	closedir(dir);
	return err;
}

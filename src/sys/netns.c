/* SPDX-License-Identifier: Apache-2.0 */
/* netns.c: network namespaces as descriptors. */
#include "sys/netns.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif
#define STACK_BYTES (256u << 10)
#define PATH_BYTES 320 /* "/proc/self/fd/N/" and a file name */

struct job {
	int enter;   /* namespace to enter, or -1: a new one */
	es_err *(*fn)(void *arg);
	void *arg;
	int made_fd; /* the new one */
	es_err *err;
};

static es_err *inside(struct job *j)
{
	if (j->enter >= 0 && setns(j->enter, CLONE_NEWNET) < 0)
		return es_err_sys(errno, "enter network namespace");
	if (j->enter < 0 && unshare(CLONE_NEWNET) < 0)
		return es_err_sys(errno, "make network namespace");
	if (j->fn)
		ES_TRY(j->fn(j->arg));
	return j->enter < 0 ? netns_own(&j->made_fd) : NULL;
}

static void *thread(void *arg)
{
	struct job *j = arg;

	j->err = inside(j);
	return NULL;
}

/* A thread, and not setns there and back: if the way back failed, the caller's thread would go on in a stranger's network. */
static es_err *on_thread(struct job *j)
{
	pthread_attr_t attr;
	pthread_t t;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&t, &attr, thread, j);
	pthread_attr_destroy(&attr);
	if (rc)
		return es_err_sys(rc, "thread for a network namespace");
	pthread_join(t, NULL);
	return j->err;
}

es_err *netns_run(int ns_fd, es_err *(*fn)(void *arg), void *arg)
{
	struct job j = { .enter = ns_fd, .fn = fn, .arg = arg };

	return on_thread(&j);
}

es_err *netns_new(es_err *(*setup)(void *arg), void *arg, int *ret_fd)
{
	struct job j = { .enter = -1, .fn = setup, .arg = arg, .made_fd = -1 };

	ES_TRY(on_thread(&j));
	*ret_fd = j.made_fd;
	return NULL;
}

es_err *netns_own(int *ret_fd)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return es_err_sys(errno, "open /proc/thread-self/ns/net");
	*ret_fd = fd;
	return NULL;
}

static void path_of(int dirfd, const char *name, char out[PATH_BYTES])
{
	(void)snprintf(out, PATH_BYTES, "/proc/self/fd/%d/%s", dirfd, name);
}

es_err *netns_pin(int ns_fd, int dirfd, const char *name)
{
	es_autoclose int file = openat(dirfd, name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
	char from[PATH_BYTES], to[PATH_BYTES];

	if (file < 0)
		return es_err_sys(errno, "make %s", name);
	(void)snprintf(from, sizeof from, "/proc/self/fd/%d", ns_fd);
	path_of(dirfd, name, to);
	if (mount(from, to, NULL, MS_BIND, NULL) < 0) {
		int errnum = errno;

		(void)unlinkat(dirfd, name, 0);
		return es_err_sys(errnum, "pin network namespace %s", name);
	}
	return NULL;
}

es_err *netns_open(int dirfd, const char *name, int *ret_fd)
{
	es_autoclose int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct statfs fs;

	if (fd < 0 && errno != ENOENT)
		return es_err_sys(errno, "open network namespace %s", name);
	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC)
		return es_err_new(ES_E_NOT_FOUND, "no network namespace %s", name);
	*ret_fd = ES_TAKE_FD(fd);
	return NULL;
}

es_err *netns_unpin(int dirfd, const char *name)
{
	char path[PATH_BYTES];

	path_of(dirfd, name, path);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return es_err_sys(errno, "unpin network namespace %s", name);
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return es_err_sys(errno, "remove %s", name);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* mntns.c: the kernel copies a mount only for who is in its namespace, so a thread goes there and does not come back. */
#include "sys/mntns.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include "sys/mount.h"

#define STACK_BYTES (256u << 10)

struct job {
	int ns_fd;
	const char *path;
	int made_fd;
	es_err *err;
};

static es_err *inside(struct job *j)
{
	if (unshare(CLONE_FS) < 0 || setns(j->ns_fd, CLONE_NEWNS) < 0)
		return es_err_sys(errno, "enter mount namespace");
	return mount_clone(AT_FDCWD, j->path, false, &j->made_fd);
}

static void *thread(void *arg)
{
	struct job *j = arg;

	j->err = inside(j);
	return NULL;
}

es_err *mntns_clone(int ns_fd, const char *path, int *ret_fd)
{
	struct job j = { .ns_fd = ns_fd, .path = path, .made_fd = -1 };
	pthread_attr_t attr;
	pthread_t t;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&t, &attr, thread, &j);
	pthread_attr_destroy(&attr);
	if (rc)
		return es_err_sys(rc, "thread for a mount namespace");
	pthread_join(t, NULL);
	if (!j.err)
		*ret_fd = j.made_fd;
	return j.err;
}

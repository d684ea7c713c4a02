/* SPDX-License-Identifier: Apache-2.0 */
/* keep.c: a second mount namespace, entered for a clone and left again. */
#include "monitor/keep.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "spec/mon.h"

/* The kernel's names; musl has none. */
#define KEEP_OPEN_TREE_CLONE 1u
#define KEEP_AT_EMPTY_PATH 0x1000u
#define KEEP_MOVE_EMPTY_PATH 4u
#define KEEP_DIR_TEXT "3" /* MON_FD_DIR */
_Static_assert(MON_FD_DIR == 3, "the text above");

static int clone_mount(int fd)
{
	return (int)syscall(SYS_open_tree, fd, "", O_CLOEXEC | KEEP_OPEN_TREE_CLONE | KEEP_AT_EMPTY_PATH);
}

static es_err *open_here(int *ret_ns, int *ret_root)
{
	es_autoclose int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (ns < 0 || root < 0)
		return es_err_sys(errno, "open the monitor's mount namespace");
	*ret_ns = ES_TAKE_FD(ns);
	*ret_root = ES_TAKE_FD(root);
	return NULL;
}

/* setns(2) makes the namespace's root ours; a daemon in a chroot has another one. */
static es_err *go(int ns, int root)
{
	if (setns(ns, CLONE_NEWNS) < 0 || fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return es_err_sys(errno, "change the monitor's mount namespace");
	return NULL;
}

static es_err *enter(struct keep *k)
{
	es_err *err;

	if (k->own_ns >= 0)
		return go(k->own_ns, k->own_root);
	ES_TRY(open_here(&k->host_ns, &k->host_root));
	if (unshare(CLONE_NEWNS) < 0)
		return es_err_sys(errno, "mount namespace of the monitor");
	err = mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ? es_err_sys(errno, "mount namespace of the monitor") : NULL;
	return err ? err : open_here(&k->own_ns, &k->own_root);
}

/* A directory, or a file for the mount of one. */
static es_err *make_place(int fd, const char *name)
{
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return es_err_sys(errno, "look at a mount");
	rc = S_ISDIR(st.st_mode) ? mkdirat(MON_FD_DIR, name, 0700) : mknodat(MON_FD_DIR, name, S_IFREG | 0600, 0);
	return rc < 0 && errno != EEXIST ? es_err_sys(errno, "make %s", name) : NULL;
}

/* By path: the descriptor of the run directory is of the host's namespace. */
static es_err *attach(int fd)
{
	char dir[PATH_MAX], name[16];
	ssize_t n = readlink("/proc/self/fd/" KEEP_DIR_TEXT, dir, sizeof dir - sizeof name - 1);

	if (n < 0)
		return es_err_sys(errno, "find the run directory");
	snprintf(name, sizeof name, "m%d", fd);
	snprintf(dir + n, sizeof dir - (size_t)n, "/%s", name);
	ES_TRY(make_place(fd, name));
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, dir, KEEP_MOVE_EMPTY_PATH) < 0)
		return es_err_sys(errno, "attach a mount for restarts");
	return NULL;
}

static es_err *clone_inside(int fd, int *ret)
{
	*ret = clone_mount(fd);
	if (*ret < 0 && errno == EINVAL) {
		ES_TRY(attach(fd));
		*ret = clone_mount(fd);
	}
	return *ret < 0 ? es_err_sys(errno, "clone a mount for restarts") : NULL;
}

es_err *keep_clone(struct keep *k, int fd, bool single, int *ret)
{
	int clone = clone_mount(fd);
	es_err *err, *back;

	if (clone < 0 && errno != EINVAL)
		return es_err_sys(errno, "clone a mount");
	if (clone < 0 && !single) {
		err = enter(k);
		if (!err)
			err = clone_inside(fd, &clone);
		back = k->host_ns >= 0 ? go(k->host_ns, k->host_root) : NULL;
		if (err)
			es_err_drop(back);
		else
			err = back;
		if (err) {
			es_close(clone);
			return err;
		}
	}
	*ret = clone;
	return NULL;
}

void keep_done(struct keep *k)
{
	es_close(k->host_ns);
	es_close(k->host_root);
	es_close(k->own_root);
	es_close(k->own_ns);
	*k = (struct keep)KEEP_INIT;
}

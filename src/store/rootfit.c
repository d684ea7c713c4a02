/* SPDX-License-Identifier: Apache-2.0 */
/* rootfit.c: try an overlay there, unless the file system is known to be good. */
#include "store/rootfit.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "sys/mount.h"

#define PROBE ".overlay-probe"
#define XFS_MAGIC 0x58465342UL

static const struct {
	unsigned long magic;
	const char *name;
	bool good;
} systems[] = {
	{ EXT4_SUPER_MAGIC, "ext4", true },        { XFS_MAGIC, "xfs", true },         { BTRFS_SUPER_MAGIC, "btrfs", true },
	{ TMPFS_MAGIC, "tmpfs", true },            { F2FS_SUPER_MAGIC, "f2fs", true }, { OVERLAYFS_SUPER_MAGIC, "overlay", false },
	{ MSDOS_SUPER_MAGIC, "vfat", false },      { NFS_SUPER_MAGIC, "nfs", false },  { FUSE_SUPER_MAGIC, "fuse", false },
	{ ECRYPTFS_SUPER_MAGIC, "ecryptfs", false },
};

static es_err *try_overlay(int dir)
{
	static const char *const names[] = { "lower", "upper", "work" };
	char words[3][48];
	int fds[3] = { -1, -1, -1 }, mount = -1;
	es_err *err = file_mkdir_p(dir, PROBE, 0700);

	for (size_t i = 0; i < 3 && !err; i++) {
		es_autofree char *path = es_xasprintf(PROBE "/%s", names[i]);

		err = file_mkdir_p(dir, path, 0700);
		if (err)
			break;
		fds[i] = openat(dir, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fds[i] < 0)
			err = es_err_sys(errno, "open %s", path);
		(void)snprintf(words[i], sizeof words[i], "%s%s=/proc/self/fd/%d", names[i], "dir", fds[i]);
	}
	if (!err)
		err = mount_new("overlay", "overlay", (const char *const[]){ words[0], words[1], words[2], NULL }, 0, &mount);
	es_close(mount);
	for (size_t i = 0; i < 3; i++)
		es_close(fds[i]);
	es_err_drop(file_remove_tree(dir, PROBE));
	return err;
}

es_err *rootfit_check(const char *path)
{
	es_autoclose int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *name = "this file system";
	struct statfs st;
	es_err *err;
	int errnum;

	if (dir < 0 || fstatfs(dir, &st) < 0)
		return es_err_sys(errno, "open %s", path);
	for (size_t i = 0; i < ES_N(systems); i++) {
		if (systems[i].magic != (unsigned long)st.f_type)
			continue;
		if (systems[i].good)
			return NULL;
		name = systems[i].name;
	}
	err = try_overlay(dir);
	errnum = err ? es_err_errno(err) : 0;
	es_err_drop(err);
	if (errnum != EINVAL)
		return NULL;
	return es_err_new(ES_E_UNSUPPORTED, "data root %s is on %s, which cannot hold what containers write: a volume or another file system is needed there",
			  path, name);
}

const char *rootfit_name(int fd)
{
	struct statfs st;

	if (fstatfs(fd, &st) == 0)
		for (size_t i = 0; i < ES_N(systems); i++)
			if (systems[i].magic == (unsigned long)st.f_type)
				return systems[i].name;
	return "another file system";
}

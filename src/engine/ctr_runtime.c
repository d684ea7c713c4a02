/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_runtime.c: which program runs a container, and paths instead of descriptors for one that is not ours. */
#include <fcntl.h>
#include <sys/mount.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/ctr_priv.h"
#include "store/store.h"
#include "sys/mount.h"

/* Its place in the data root; heap. */
static char *merged_dir(const struct ctr *c)
{
	es_autofree char *dir = ctr_dir(c);

	return es_xasprintf("%s/merged", dir);
}

static const char *other_runtime(const struct ctr *c)
{
	return field_map_get(c->e->cfg->runtimes, c->rec->host_config->runtime);
}

bool ctr_runtime_is_ours(const struct ctr *c)
{
	return !other_runtime(c);
}

const char *ctr_runtime_path(const struct ctr *c)
{
	const char *other = other_runtime(c);

	return other ? other : c->e->run_program;
}

es_err *ctr_runtime_attach(struct ctr *c, int rootfs_fd)
{
	es_autofree char *dir = merged_dir(c);
	es_autoclose int target = -1;

	if (ctr_runtime_is_ours(c))
		return NULL;
	ctr_runtime_detach(c); /* of a run whose end nobody saw */
	ES_TRY(file_mkdir_p(store_root_fd(c->e->store), dir, 0700));
	target = openat(store_root_fd(c->e->store), dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return es_err_sys(errno, "open %s", dir);
	return es_err_in(mount_attach(rootfs_fd, target), "%s", dir);
}

void ctr_runtime_detach(struct ctr *c)
{
	es_autofree char *dir = merged_dir(c), *path = es_xasprintf("%s/%s", store_root(c->e->store), dir);

	if (ctr_runtime_is_ours(c))
		return;
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	if (errno != EINVAL && errno != ENOENT)
		log_err(es_err_sys(errno, "unmount"), "%s", path);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* landlock.c: a set of rules over file trees, built and enforced. */
#include "sys/landlock.h"

#include <linux/landlock.h>
#include <sys/syscall.h>

es_err *landlock_begin(long min_abi, struct landlock *ret)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = { 0 };

	*ret = (struct landlock){ .fd = -1, .abi = abi };
	if (abi < min_abi)
		return NULL;
	attr.handled_access_fs = (UINT64_C(1) << (abi >= 3 ? 15 : abi == 2 ? 14 : 13)) - 1;
	ret->all = attr.handled_access_fs;
	ret->fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	return ret->fd < 0 ? es_err_sys(errno, "landlock") : NULL;
}

es_err *landlock_allow(const struct landlock *l, int fd, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };

	if (l->fd >= 0 && syscall(SYS_landlock_add_rule, l->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return es_err_sys(errno, "landlock rule");
	return NULL;
}

es_err *landlock_enforce(struct landlock *l)
{
	es_autoclose int fd = ES_TAKE_FD(l->fd);

	if (fd >= 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return es_err_sys(errno, "landlock");
	return NULL;
}

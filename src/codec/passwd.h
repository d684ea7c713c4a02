/* SPDX-License-Identifier: Apache-2.0 */
/* passwd.h: lines of a container's /etc/passwd and /etc/group, which are a stranger's bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

#define PASSWD_FILE_MAX ((size_t)1 << 20) /* bytes of either file that are read */

struct passwd_user {
	uint32_t uid, gid;
	const char *name, *home; /* NULL: not known (a number without a line) */
	uint32_t *groups;        /* of group's member lists and of extra ones; in the arena */
	size_t n_groups;
};

/* USER as an image config has it: "", "name", "1000", "name:group", "1000:100". PASSWD and GROUP: the files' texts, NULL when they do
 * not exist. EXTRA: names or numbers of further groups (HostConfig.GroupAdd), NULL-terminated or NULL. As runc and docker: a number needs no
 * line; a name does. Errors are ES_E_INVALID in docker's words: "unable to find user x: no matching entries in passwd file". */
es_err *passwd_lookup(struct arena *a, const char *user, const char *passwd, const char *group, char *const *extra,
		      struct passwd_user *ret) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* xattr.c: the list. */
#include "layer/xattr.h"

#include "base/str.h"

bool xattr_is_portable(const char *name)
{
	static const char *const names[] = {"security.capability", "system.posix_acl_access",
					    "system.posix_acl_default"};

	for (size_t i = 0; i < ES_N(names); i++)
		if (str_eq(name, names[i]))
			return true;
	return str_starts(name, "user.") && !str_starts(name, "user.overlay.");
}

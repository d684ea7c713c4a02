/* SPDX-License-Identifier: Apache-2.0 */
/* xattr.h: which extended attributes a layer may carry, both ways. */
#pragma once

#include <stdbool.h>

/* user.*, file capabilities and POSIX ACLs. Not trusted.* (overlayfs reads orders there), not user.overlay.* (the same for
 * unprivileged overlays), not the host's security labels. */
bool xattr_is_portable(const char *name);

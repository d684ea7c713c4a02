/* SPDX-License-Identifier: Apache-2.0 */
/* name.h: names in a layer's tar: cleaned paths, and those that are orders to the union file system. */
#pragma once

#include "base/arena.h"

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh." /* aufs' own; the opaque mark is one of them */
#define OPAQUE ".wh..wh..opq"
#define OPAQUE_XATTR "trusted.overlay.opaque"

/* As Go's path.Clean on a path made relative. NULL when it leaves the root; "." for the root. */
char *name_clean(struct arena *a, const char *path);
/* What is behind the last slash. */
const char *name_base(const char *path);

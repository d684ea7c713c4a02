/* SPDX-License-Identifier: Apache-2.0 */
/* volume_priv.h: what volume.c wants from volume_data.c. */
#pragma once

#include "codec/field.h"

/* Bytes that the tree PATH takes on the disk; other mounts inside it are not counted, hard links once each. */
es_err *volume_tree_size(int at, const char *path, uint64_t *ret_bytes) ES_CHECKED;
/* The mount that the driver options type, o and device describe, on the directory TARGET (O_PATH). */
es_err *volume_mount_options(const struct field_map *options, int target) ES_CHECKED;
bool volume_is_mounted(int at, const char *path);

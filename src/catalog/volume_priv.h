/* SPDX-License-Identifier: Apache-2.0 */
/* volume_priv.h: what volume.c wants from volume_data.c. */
#pragma once

#include "codec/field.h"

/* Bytes that the tree PATH takes on the disk; other mounts inside it are not counted, hard links once each. */
es_err *volume_tree_size(int at, const char *path, uint64_t *ret_bytes) ES_CHECKED;
/* The mount that the driver options type, o and device describe, on the directory TARGET (O_PATH). */
es_err *volume_mount_options(const struct field_map *options, int target) ES_CHECKED;
bool volume_is_mounted(int at, const char *path);
/* But for lost+found. */
es_err *volume_is_empty(int fd, bool *ret) ES_CHECKED;
/* Copy-up: what the directory SRC_FD has into the empty directory DST_FD: content, owners, modes, times, xattrs, links. DST not empty:
 * nothing is done. The owner and mode of SRC become DST's. After an error DST is empty. */
es_err *volume_copy_up(int src_fd, int dst_fd) ES_CHECKED;
/* The entries of the directory FROM_FD into TO_FD (of one file system), then its owner and mode. What is there already stays. Can be done
 * again after it was cut short. */
es_err *volume_move_up(int from_fd, int to_fd) ES_CHECKED;

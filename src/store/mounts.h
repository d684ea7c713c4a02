/* SPDX-License-Identifier: Apache-2.0 */
/* mounts.h: inside this room: the private mount namespace in which layers are mounted and overlays are made. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Theory. overlayfs takes its layers from the mount namespace of whoever makes the overlay; a layer file must be mounted once only, for two
 * mounts of it share no page cache, and must stay mounted while estibad is away. So there is one namespace per exec root, made by the
 * first estibad of a boot and pinned at EXEC/mounts/ns, where the next one finds it, whatever became of the first. Threads of estibad live
 * in it (a process with threads does not fork). The host's mount table shows two lines (EXEC/mounts is a mount of its own, since the
 * kernel pins a mount namespace on a private mount only), and what hundreds of layers cost is paid by nobody outside.
 *
 * It holds nothing of the host's tree but what it needs:
 *   /          a tmpfs
 *   /data      the data root
 *   /proc      so that a descriptor has a path (/proc/self/fd/N), short and the same for every layer
 *   /l/NAME    the mounted layers
 *
 * Without the right to make namespaces there is none: jobs run on the caller's thread and no layer can be mounted. */
struct mounts;

/* ROOT_FD is DATA_ROOT, borrowed. A pinned namespace of another data root is replaced. */
es_err *mounts_open(const char *data_root, int root_fd, const char *exec_root, struct mounts **ret) ES_CHECKED;
/* KEEP: the namespace stays pinned with its mounts, for overlays that are still in use; else they go. NULL is fine. */
void mounts_close(struct mounts *m, bool keep);
bool mounts_is_private(const struct mounts *m); /* there is a namespace */

/* The data root as it is seen inside (O_PATH, borrowed): what overlays are made of is opened below it. Any thread may use it. */
int mounts_data(const struct mounts *m);
/* Run FN(ARG) on a thread inside and wait for it. It may not call mounts_run itself. */
es_err *mounts_run(struct mounts *m, es_err *(*fn)(void *arg), void *arg) ES_CHECKED;

/* The EROFS in SOURCE (a path inside, or "/proc/self/fd/N"), mounted read-only at /l/NAME: *RET_FD (O_PATH, the caller's) is its root. If
 * something is mounted there already, that. SOURCE NULL: only then, else ES_E_NOT_FOUND. The kernel's refusal is ES_E_SYSTEM with errno:
 * ENOTBLK when it does not take a file there, ENODEV when it knows no EROFS. */
es_err *mounts_layer(struct mounts *m, const char *name, const char *source, int *ret_fd) ES_CHECKED;
/* Unmount /l/NAME; missing is success. What it held in memory is given back a moment later, by a thread inside. */
es_err *mounts_drop(struct mounts *m, const char *name) ES_CHECKED;
/* Drop what KEEP does not want. */
es_err *mounts_sweep(struct mounts *m, bool (*keep)(void *self, const char *name), void *self) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* stack.h: inside this room: a stack of layers as open directories, with the small directories that mend it. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "store/layers.h"

/* The lower directories of an overlay, top first. O_PATH descriptors. Frozen steps and layers are directories here; two kinds of
 * skeleton are added between them (skel/CHAIN.patch, skel/CHAIN.init):
 *  - patch, above a layer whose tar lacks parents ("tmp/x" without "tmp/"): overlayfs would show the unpacker's invented 0755
 *    directory over a lower's 1777. The patch repeats those directories with the mode, owner and xattrs they have below.
 *  - init, on top of what runs: the mount points that every container gets (/proc, /etc/hosts …), so that they are neither in
 *    the diff nor in the next layer. */
struct stack_lowers {
	int *fds;
	size_t n;
};

/* STACK as in layers.h. INIT asks for the init skeleton. */
es_err *stack_open(struct store *st, struct arena *a, char *const *stack, bool init, struct stack_lowers *ret) ES_CHECKED;
void stack_close(struct stack_lowers *l); /* zeroed is fine */
#define es_autolowers es_auto(stack_close) struct stack_lowers

/* What the overlay of LOWERS shows at PATH (relative, no links followed): false when nothing. RET_FD (O_PATH, may be NULL) is the
 * topmost object, whose attributes show. */
bool stack_lookup(const struct stack_lowers *l, const char *path, struct stat *ret_st, int *ret_fd);
/* Copy mode, owner, mtime and xattrs (not overlay's) between two directories. */
es_err *stack_copy_attrs(int from_fd, int to_fd) ES_CHECKED;
bool stack_is_whiteout(const struct stat *st);
bool stack_is_opaque(int dir_fd); /* O_PATH is fine */
/* Chain ids of all prefixes: ret[i] names STACK[0..i]; in A. */
char **stack_chains(struct arena *a, char *const *stack);

/* An overlay of L as a detached mount. UPPER_FD and WORK_FD -1: read-only, EMPTY_FD (an empty directory) makes up the number of lowers
 * that overlayfs wants. */
struct stack_mount {
	int upper_fd, work_fd, empty_fd;
	bool is_volatile;
	const struct idmap *map;
};
es_err *stack_mount(struct store *st, struct arena *a, const struct stack_lowers *l, const struct stack_mount *m, int *ret_fd) ES_CHECKED;

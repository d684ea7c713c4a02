/* SPDX-License-Identifier: Apache-2.0 */
/* fstree.h: files and directories of one root: their digest, and their copy into another root. By descriptor only. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "codec/ignore.h"
#include "codec/sha256.h"

#define FSTREE_DEPTH_MAX 200

struct fstree_from {
	int root;
	const char *path;             /* inside ROOT, cleaned; links in it are followed inside ROOT */
	const struct ignore *exclude; /* --exclude, relative to PATH; NULL: nothing */
	bool with_owner;              /* owners count (COPY --from without --chown) */
};

struct fstree_to {
	int root;
	const char *path;  /* where the file, or the directory's contents, go; parents are made */
	uid_t uid;
	gid_t gid;         /* of everything that is made, unless the source's owners count */
	const char *chmod; /* "0755", "u+x,go-w"; NULL: the source's mode, without set-user-ID as docker's COPY */
	int cancel_fd;     /* -1: never */
};

/* Add names, types, modes, sizes, contents, links (and owners) of everything in FROM to DIGEST; times do not count. */
es_err *fstree_digest(const struct fstree_from *from, struct sha256 *digest) ES_CHECKED;
/* Copy; what is in the way is replaced, directories are merged. ES_E_CANCELLED, ES_E_SYSTEM. */
es_err *fstree_copy(const struct fstree_from *from, const struct fstree_to *to) ES_CHECKED;
/* MODE changed as chmod(1) would by TEXT (octal or symbolic); ES_E_INVALID. */
es_err *fstree_chmod(const char *text, mode_t mode, bool is_dir, mode_t *ret) ES_CHECKED;

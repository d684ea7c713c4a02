/* SPDX-License-Identifier: Apache-2.0 */
/* layers.h: image layers by diffID: bring one in, mount a stack of them, give one's tar back. The form on disk is hidden. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/blob.h"
#include "store/lease.h"
#include "store/store.h"

struct idmap; /* sys/idmap.h; NULL everywhere: identity. A map is refused (ES_E_UNSUPPORTED) until idmapped mounts are in */

struct layers_info {
	char diff_id[BLOB_DIGEST_MAX]; /* of the uncompressed tar: the layer's name */
	char digest[BLOB_DIGEST_MAX];  /* of the stream it came as; equal to diff_id when that was a plain tar */
	uint64_t size;                 /* bytes of that stream */
	uint64_t tar_size;             /* bytes of the uncompressed tar */
	uint64_t content_size;         /* bytes in regular files and in symbolic links: what docker calls the layer's size */
	uint64_t entries;
};

/* What a layer must turn out to be. NULL: not known. */
struct layers_want {
	const char *diff_id;
	const char *digest;
};

/* Read FD (borrowed; tar, or tar in gzip or zstd) to its end through estiba-layer and keep the layer; LEASE holds it. Digests
 * are compared before the layer becomes visible. A layer that is there already is left as it is (FD is read all the same when
 * its diffID is not known). Nothing remains of a failure. RET may be NULL.
 * Errors: ES_E_INVALID (not a tar, malicious, wrong digest), ES_E_LIMIT, ES_E_SYSTEM (disk full: errno). */
es_err *layers_import(struct store *st, struct lease *lease, int fd, const struct layers_want *want, struct layers_info *ret) ES_CHECKED;

/* An archive that is not a layer (what `load` reads) into a private directory, partial/X: *RET_PARTIAL (in A) is for store_discard(),
 * *RET_DIR_FD the caller's. Strangers' names and types stand in it: nothing in it is to be followed or opened blindly. */
es_err *layers_unpack_plain(struct store *st, struct arena *a, int fd, const char **ret_partial, int *ret_dir_fd) ES_CHECKED;

bool layers_has(struct store *st, const char *diff_id);
/* ES_E_NOT_FOUND. */
es_err *layers_stat(struct store *st, const char *diff_id, struct layers_info *ret) ES_CHECKED;
/* The uncompressed tar, byte for byte: RET_FD is positioned at its first byte and RET_SIZE bytes long (what follows them in the
 * file is none of the caller's business). For save and push. */
es_err *layers_open_tar(struct store *st, const char *diff_id, int *ret_fd, uint64_t *ret_size) ES_CHECKED;

/* The chain ID of a stack (OCI image spec): names a stack of layers as a whole. STACK is bottom first, not empty. */
char *layers_chain_id(char *const *stack, char *ret);

/* A read-only view of a STACK (bottom first: diffIDs or "step:ID" of a frozen snapshot) as a detached mount descriptor,
 * known to no mount table; it goes when the descriptor and what was attached from it are closed. For COPY --from, image mount,
 * and mounts of type image. An empty stack is an empty directory. */
es_err *layers_mount(struct store *st, char *const *stack, const struct idmap *map, int *ret_fd) ES_CHECKED;

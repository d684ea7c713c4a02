/* SPDX-License-Identifier: Apache-2.0 */
/* layer.h: the program estiba-layer: strangers' bytes to trees and trees to bytes. doc/format/layer-helper.md is its contract. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/json.h"
#include "sys/idmap.h"

/* The descriptors it is given. */
enum layer_fd { LAYER_FD_IN = 3, LAYER_FD_DIR = 4, LAYER_FD_OUT = 5, LAYER_FD_REPORT = 6, LAYER_FD_LOWERS = 7 };

#define LAYER_LOWERS_MAX 500u
#define LAYER_IMPLIED_MAX 20000u             /* directories of one layer that no entry describes */
#define LAYER_SIZE_MAX "1t"                  /* bytes of an uncompressed tar, unless --max-size says otherwise */
#define LAYER_ENTRIES_MAX "10000000"         /* unless --max-entries says otherwise */

struct layer_options {
	/* unpack */
	bool no_extract, file, plain, no_overwrite_dir_non_dir, copy_uidgid;
	const char *chown; /* "uid:gid" */
	const char *subdir;
	char **uid_maps, **gid_maps; /* "inside:outside:size" */
	int64_t max_size;
	uint64_t max_entries;
	/* pack */
	bool upper;
	const char *path, *rename;
	/* compress */
	const char *kind;
	int64_t size;
	/* made of the texts above */
	bool has_owner;
	uint32_t uid, gid;
	struct idmap map;
};

/* What the report says besides digests. */
struct layer_counts {
	uint64_t entries, content_size, dropped;
};

int layer_main(int argc, char **argv);

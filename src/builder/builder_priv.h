/* SPDX-License-Identifier: Apache-2.0 */
/* builder_priv.h: what the files of one build share. */
#pragma once

#include "builder/buildconf.h"
#include "builder/builder.h"
#include "builder/dockerfile.h"
#include "codec/sha256.h"
#include "spec/oci_image.h"
#include "store/layers.h"

#define BUILD_ID 64 /* hexadecimal digits of a step's id and of a key */
#define BUILD_MOUNTS_DIR "buildcache" /* below the store's root: directories of RUN --mount=type=cache */

/* One entry of the image's history that this build adds. */
struct build_step {
	char key[BUILD_ID + 1]; /* names the step in the cache */
	int64_t created_ns;
	const char *created_by;
	const char *layer; /* diffID or "step:ID"; NULL: config only */
	char **stack;      /* below the layer */
	const char *author;
};

/* What a stage has become so far. */
struct build_stage {
	bool needed, is_done;
	struct buildconf conf;
	struct oci_image base;     /* zero: scratch */
	const char *base_id;       /* NULL: scratch */
	char **stack;              /* layers, bottom first: diffIDs and "step:ID" */
	struct build_step **steps; /* since the base image; stages that start from a stage share its steps */
	size_t n_steps;
	char key[BUILD_ID + 1];
};

struct build {
	struct builder *builder;
	struct arena *a;
	struct store *store;
	struct lease *lease;
	const struct builder_opts *opts;
	const struct builder_out *out;
	struct dockerfile df;
	struct buildargs args;
	struct build_stage *stages;
	size_t at;      /* stage that runs */
	size_t target;
	unsigned step, steps_total;
	const char *platform;
	int tmp_fd;     /* private directory for inline files; -1: not made */
	char *tmp_name; /* below the store's root */
	int *ret_code;
};

static inline struct build_stage *build_here(struct build *b)
{
	return &b->stages[b->at];
}

/* builder.c */
const struct runner *builder_runner(const struct builder *b);
const struct fetch *builder_fetch(const struct builder *b);
void build_say(struct build *b, const char *fmt, ...) ES_PRINTF(2, 3);
es_err *build_check_cancel(const struct build *b) ES_CHECKED;
/* A writable view of the stage's stack; ID (BUILD_ID + 1 bytes) is written. RUNS: a container will run in it. End it with one of
 * the two below. */
es_err *build_open_step(struct build *b, bool runs, char *id, int *ret_mount) ES_CHECKED;
void build_drop_step(struct build *b, const char *id, int mount);
es_err *build_keep_step(struct build *b, const char *id, int mount, const char **ret_layer) ES_CHECKED;
/* Layers of a COPY --from or RUN --mount from=: a stage, an index, or an image. NOT_STAGE: its number is no stage. */
es_err *build_find_from(struct build *b, const char *from, char ***ret_stack) ES_CHECKED;
/* A private directory of this build for files that have no other place. */
es_err *build_tmp(struct build *b, int *ret_fd) ES_CHECKED;
/* buildurl.c: a URL of ADD becomes a file of the build's own directory, as docker makes it: named by the URL or else by the answer, mode
 * 0600, of the time that the answer tells. CHECKSUM (NULL: any) is "sha256:…". *RET_NAMED: false if it has no name of its own. */
es_err *buildurl_fetch(struct build *b, const char *url, const char *checksum, size_t n, const char **ret_path, bool *ret_named) ES_CHECKED;
bool buildurl_is(const char *text);
es_err *build_expand(struct build *b, const char *text, const char **ret) ES_CHECKED;

/* buildcache.c: keys are SHA-256 over the parent's key, the words of history and the digest of what was copied. */
void buildcache_key(const char *parent, const char *words, const char *digest, char *ret_key);
/* Is the step KEY there with all that it needs? Fills created_ns and layer; the lease holds the layer. */
bool buildcache_find(struct build *b, const char *key, struct build_step *step);
es_err *buildcache_put(struct build *b, const struct build_step *step, bool durable) ES_CHECKED;
/* Remove every snapshot of a step that no record leads to. Only while no build runs. */
es_err *buildcache_sweep(struct store *st, uint64_t *ret_bytes) ES_CHECKED;
/* Remove the directories of all cache mounts. Only while no build runs. */
es_err *buildcache_drop_mounts(struct store *st, uint64_t *ret_bytes) ES_CHECKED;
/* Delete records: all, or only those of steps that are no image's layer. */
es_err *buildcache_forget(struct store *st, struct arena *a, bool all, char ***ret_ids) ES_CHECKED;

/* buildcopy.c: COPY and ADD. */
struct buildcopy;
/* Find the sources; *RET_WORDS for history; *RET_DIGEST of all of them. */
es_err *buildcopy_plan(struct build *b, const struct df_instr *i, struct buildcopy **ret, const char **ret_words,
		       const char **ret_digest) ES_CHECKED;
es_err *buildcopy_run(struct build *b, struct buildcopy *c, int root) ES_CHECKED;
void buildcopy_free(struct buildcopy *c);

/* buildrun.c: RUN. */
struct buildrun;
es_err *buildrun_plan(struct build *b, const struct df_instr *i, struct buildrun **ret, const char **ret_words,
		      const char **ret_digest) ES_CHECKED;
es_err *buildrun_run(struct build *b, struct buildrun *r, const char *id, int root) ES_CHECKED;
void buildrun_free(struct buildrun *r);

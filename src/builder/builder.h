/* SPDX-License-Identifier: Apache-2.0 */
/* builder.h: build an image from a Dockerfile and a context directory, step by step, with a cache of steps. */
#pragma once

#include "codec/field.h"
#include "spec/fetch.h"
#include "spec/runner.h"
#include "store/lease.h"
#include "store/store.h"

/* The builder of one store: thread-safe; several builds may run. */
struct builder;
struct builder *builder_new(struct store *st, const struct runner *runner, const struct fetch *fetch); /* all borrowed */
void builder_free(struct builder *b); /* no build runs any more; NULL is fine */

/* Strings and descriptors are borrowed. */
struct builder_opts {
	int context_fd;         /* a private directory; what .dockerignore names is deleted from it */
	const char *dockerfile; /* its path inside the context; NULL: "Dockerfile" */
	const struct field_map *build_args; /* name → value, or NULL */
	const struct field_map *labels;     /* added to the target stage as one more LABEL */
	const char *target;     /* stage to stop at; NULL or "": the last */
	const char *platform;   /* "os/arch[/variant]"; NULL or "": ours */
	const char *network;    /* of RUN without --network; NULL or "": "default" */
	char *const *extra_hosts;
	struct runner_limits limits;
	const struct field_map *auths; /* for pulls: runner_ops.image's */
	bool no_cache, pull;
	bool rm;                /* say " ---> Removed intermediate container", as docker does with rm=1 */
	int cancel_fd;          /* readable: stop; -1: never */
};

/* What is said on the way. Called from one thread at a time. */
struct builder_out {
	void (*text)(void *self, const char *text, size_t n); /* becomes {"stream":…} */
	void (*json)(void *self, const char *line, size_t n); /* a progress object of a pull, as it is */
	void *self;
};

struct builder_result {
	const char *image_id;    /* "sha256:…" */
	const char *config_text; /* of a new image, whose layers the lease holds; NULL: the image is one that exists */
	size_t config_len;
	const char *base_id;     /* the image it is made from; NULL: scratch */
	char **unused_args;      /* --build-arg that nothing declared */
};

/* Build. Nothing is tagged or recorded as an image: the caller does that while LEASE holds what the image needs. Finished steps
 * stay as cache; of an unfinished one nothing stays. *RET_CODE is written on failure too: the exit code of a RUN that failed, else 0.
 * Errors are docker's words; before the first word was said, the class is meant for an HTTP status. ES_E_CANCELLED. */
es_err *builder_run(struct builder *b, struct arena *a, struct lease *lease, const struct builder_opts *opts,
		    const struct builder_out *out, struct builder_result *ret, int *ret_code) ES_CHECKED;

/* Forget cached steps: all of them, with the directories of cache mounts, or only steps that no image has as a layer. While builds
 * run, records go at once and what they led to when the last build ends; cache mounts stay. *RET_IDS (in A, NULL: none) are their names. */
es_err *builder_prune(struct builder *b, struct arena *a, bool all, char ***ret_ids, uint64_t *ret_bytes) ES_CHECKED;

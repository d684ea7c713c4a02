/* SPDX-License-Identifier: Apache-2.0 */
/* imgbuild.h: POST /build and what belongs to it: a context, a build, an image with its names. */
#pragma once

#include "builder/builder.h"
#include "engine/engine.h"
#include "store/gc.h"

/* The engine's one builder. */
es_err *imgbuild_open(struct engine *e) ES_CHECKED; /* sweeps what an interrupted daemon left */
void imgbuild_close(struct engine *e);

struct imgbuild_opts {
	struct builder_opts build; /* context_fd is ours to set */
	char *const *tags;         /* as the user wrote them; checked before anything is said */
	bool quiet;                /* say nothing but the image's id */
	bool cache_from;           /* images were named as caches: they are not used, and that is said */
};

/* Lines of the answer: JSON objects of docker's progress stream. Called from one thread at a time; once the client has left,
 * build.cancel_fd is expected to become readable. */
struct imgbuild_out {
	void (*line)(void *self, const char *json);
	void *self;
};

/* Read the context from TAR_FD (borrowed; tar, plain or compressed) to its end, build, name the image. An error before the first
 * line has the class of an HTTP status. *RET_CODE: the exit code of a RUN that failed, also on failure; 0: none. */
es_err *imgbuild_run(struct engine *e, struct arena *a, const struct imgbuild_opts *opts, int tar_fd,
		     const struct imgbuild_out *out, int *ret_code) ES_CHECKED;
es_err *imgbuild_prune(struct engine *e, struct arena *a, bool all, char ***ret_ids, uint64_t *ret_bytes, struct gc_result *ret) ES_CHECKED;

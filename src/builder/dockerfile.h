/* SPDX-License-Identifier: Apache-2.0 */
/* dockerfile.h: a whole Dockerfile as stages of typed instructions. */
#pragma once

#include "builder/dfinstr.h"

#define DOCKERFILE_INSTRS_MAX 10000

struct df_stage {
	const struct df_instr *from; /* its FROM */
	const char *name;            /* in lower case; NULL when it has none */
	struct df_instr *instrs;     /* what follows the FROM */
	size_t n_instrs;
};

struct dockerfile {
	struct df_directives directives;
	struct df_instr *instrs; /* all, in order; stages point into it */
	size_t n_instrs;
	size_t n_global_args; /* the first ones: ARGs before the first FROM */
	struct df_stage *stages;
	size_t n_stages;
};

/* TEXT lives as long as A. NAME is how messages call the file. Errors are ES_E_INVALID in docker's words: "the Dockerfile
 * (NAME) cannot be empty", "failed to parse NAME: …", "dockerfile parse error on line 3: …". */
es_err *dockerfile_parse(struct arena *a, const char *name, const char *text, size_t len, struct dockerfile *ret) ES_CHECKED;
/* One ONBUILD trigger. Errors: as above. */
es_err *dockerfile_parse_trigger(struct arena *a, const char *text, struct df_instr *ret) ES_CHECKED;
/* Index of the stage called NAME (without case; the last one of that name below LIMIT) or, as a number, of that index
 * below LIMIT; -1 when there is none. */
int dockerfile_find_stage(const struct dockerfile *df, const char *name, size_t limit);

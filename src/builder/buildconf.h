/* SPDX-License-Identifier: Apache-2.0 */
/* buildconf.h: what instructions do to an image's config, and the words that history keeps of them. */
#pragma once

#include "builder/buildargs.h"
#include "builder/dfinstr.h"
#include "spec/docker_ctr.h"

struct buildconf {
	struct docker_config config;
	const char *author;
	bool cmd_set; /* CMD was seen in this stage: a later ENTRYPOINT leaves it alone */
};

/* Apply an instruction that only changes the config: all but FROM, RUN, COPY, ADD; of WORKDIR the config's part. *RET_COMMENT is
 * what follows "#(nop) " in history. ES_E_INVALID in docker's words. */
es_err *buildconf_apply(struct arena *a, struct buildconf *c, struct buildargs *args, const struct df_instr *i, char escape,
			const char **ret_comment) ES_CHECKED;
/* The shell that shell forms run with: SHELL, or /bin/sh -c. */
char *const *buildconf_shell(const struct buildconf *c);
/* The argv of a shell or exec form. */
char **buildconf_argv(struct arena *a, const struct buildconf *c, const struct df_instr *i);
/* Expand one word with ENV and ARG of this point. */
es_err *buildconf_expand(struct arena *a, const struct buildconf *c, const struct buildargs *args, char escape,
			 const char *text, const char **ret) ES_CHECKED;
/* PATH when the config has none, as docker gives to images made from scratch. */
void buildconf_default_path(struct arena *a, struct buildconf *c);

/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_dockerfile.c: any bytes as a Dockerfile, and its words expanded. */
#include <stdint.h>

#include "builder/dfword.h"
#include "builder/dockerfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void expand(struct arena *a, char escape, const char *text)
{
	static char *env[] = { (char *)"A=value with blanks", (char *)"B=", (char *)"V=1.2.3/x", NULL };
	const struct dfword_ctx ctx = { .escape = escape, .env = env };
	const char *word;
	char **words;

	es_err_drop(dfword_expand(a, &ctx, text, &word));
	es_err_drop(dfword_split(a, &ctx, text, &words));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoarena *a = arena_new();
	struct dockerfile df;
	es_err *err = dockerfile_parse(a, "Dockerfile", (const char *)bytes, n, &df);

	for (size_t i = 0; !err && i < df.n_instrs; i++) {
		for (char **arg = df.instrs[i].args; arg && *arg; arg++)
			expand(a, df.directives.escape, *arg);
		for (size_t k = 0; k < df.instrs[i].n_pairs; k++)
			expand(a, df.directives.escape, df.instrs[i].pairs[k].value ? df.instrs[i].pairs[k].value : "");
	}
	es_err_drop(err);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* dockerfile.c: read all lines, then cut them into stages. */
#include "builder/dockerfile.h"

#include "base/str.h"

static es_err *parse_line(struct arena *a, const char *name, const struct df_line *line, char escape, struct df_instr *ret)
{
	bool syntax;
	es_err *err = dfinstr_parse(a, line, escape, ret, &syntax);

	if (syntax)
		return es_err_in(err, "failed to parse %s", name);
	return es_err_in(err, "dockerfile parse error on line %u", line->line);
}

/* The lines are read before any instruction is judged: docker reports a broken here-document first. */
static es_err *read_lines(struct dflex *lx, struct df_line **ret, size_t *ret_n)
{
	size_t n = 0, cap = 0;
	struct df_line *lines = NULL, line;

	for (bool end;;) {
		ES_TRY(dflex_next(lx, &line, &end));
		if (end)
			break;
		if (n == DOCKERFILE_INSTRS_MAX)
			return es_err_new(ES_E_LIMIT, "more than %d instructions", DOCKERFILE_INSTRS_MAX);
		if (n == cap) {
			struct df_line *more = ARENA_ARRAY(lx->arena, struct df_line, cap ? 2 * cap : 64);

			if (n)
				memcpy(more, lines, n * sizeof *lines);
			cap = cap ? 2 * cap : 64;
			lines = more;
		}
		lines[n++] = line;
	}
	if (!n)
		return es_err_new(ES_E_INVALID, "file with no instructions");
	*ret = lines;
	*ret_n = n;
	return NULL;
}

static es_err *cut_stages(struct arena *a, struct dockerfile *df)
{
	size_t n = 0;

	for (size_t i = 0; i < df->n_instrs; i++)
		n += df->instrs[i].kind == DF_FROM;
	df->stages = ARENA_ARRAY(a, struct df_stage, n + 1);
	for (size_t i = 0; i < df->n_instrs; i++) {
		struct df_instr *instr = &df->instrs[i];

		if (instr->kind == DF_FROM)
			df->stages[df->n_stages++] =
				(struct df_stage){ .from = instr, .name = instr->stage_name, .instrs = instr + 1 };
		else if (df->n_stages)
			df->stages[df->n_stages - 1].n_instrs++;
		else if (instr->kind == DF_ARG)
			df->n_global_args++;
		else
			return es_err_new(ES_E_INVALID, "no build stage in current context");
	}
	if (!df->n_stages)
		return es_err_new(ES_E_INVALID, "no build stage in current context");
	return NULL;
}

es_err *dockerfile_parse(struct arena *a, const char *name, const char *text, size_t len, struct dockerfile *ret)
{
	struct dockerfile df = { 0 };
	struct df_line *lines = NULL;
	struct dflex lx;
	size_t n = 0;

	if (!len)
		return es_err_new(ES_E_INVALID, "the Dockerfile (%s) cannot be empty", name);
	ES_TRY(es_err_in(dflex_init(&lx, a, text, len), "failed to parse %s", name));
	ES_TRY(es_err_in(read_lines(&lx, &lines, &n), "failed to parse %s", name));
	df.directives = lx.directives;
	df.instrs = ARENA_ARRAY(a, struct df_instr, n);
	df.n_instrs = n;
	for (size_t i = 0; i < n; i++)
		ES_TRY(parse_line(a, name, &lines[i], lx.directives.escape, &df.instrs[i]));
	ES_TRY(cut_stages(a, &df));
	*ret = df;
	return NULL;
}

es_err *dockerfile_parse_trigger(struct arena *a, const char *text, struct df_instr *ret)
{
	struct dflex lx;
	struct df_line line;
	bool end;

	ES_TRY(dflex_init(&lx, a, text, strlen(text)));
	ES_TRY(dflex_next(&lx, &line, &end));
	if (end)
		return es_err_new(ES_E_INVALID, "file with no instructions");
	return parse_line(a, "ONBUILD", &line, lx.directives.escape, ret);
}

int dockerfile_find_stage(const struct dockerfile *df, const char *name, size_t limit)
{
	int64_t index;

	for (size_t i = limit; i-- > 0;)
		if (df->stages[i].name && str_eq_nocase(df->stages[i].name, name))
			return (int)i;
	es_autoerr es_err *err = str_to_i64(name, 10, &index);
	return !err && index >= 0 && (size_t)index < limit ? (int)index : -1;
}

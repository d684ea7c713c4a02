/* SPDX-License-Identifier: Apache-2.0 */
/* test_dockerfile.c: rows of Dockerfiles and what they read as. */
#include "check.h"

#include "base/buf.h"
#include "base/str.h"
#include "builder/dfword.h"
#include "builder/dockerfile.h"

static void word_rows(void)
{
	static char *env[] = { (char *)"A=x", (char *)"E=", (char *)"P=foo.tar.gz", (char *)"S=a b", (char *)"D=/usr/lib/x", NULL };
	static const struct { const char *in, *out; unsigned flags; const char *err; } rows[] = {
		{ "plain", "plain", 0, NULL },
		{ "$A-${A}-$NO-", "x-x--", 0, NULL },
		{ "'$A' \"$A\"", "$A x", 0, NULL },
		{ "\\$A", "$A", 0, NULL },
		{ "a\\ b", "a b", 0, NULL },
		{ "\"a\\\"b\\n\"", "a\"b\\n", 0, NULL },
		{ "${NO:-d}${E:-d}${E-d}${A:-d}", "ddx", 0, NULL },
		{ "${A:+p}${E:+p}${E+p}${NO+p}", "pp", 0, NULL },
		{ "${NO:-${A}y}", "xy", 0, NULL },
		{ "${NO:-'a}b'}", "a}b", 0, NULL },
		{ "${P%.*}", "foo.tar", 0, NULL },
		{ "${P%%.*}", "foo", 0, NULL },
		{ "${P#*.}", "tar.gz", 0, NULL },
		{ "${P##*.}", "gz", 0, NULL },
		{ "${D##*/}", "x", 0, NULL },
		{ "${D%/*}", "/usr/lib", 0, NULL },
		{ "${P/o/0}", "f0o.tar.gz", 0, NULL },
		{ "${P//o/0}", "f00.tar.gz", 0, NULL },
		{ "${P//./}", "footargz", 0, NULL },
		{ "${P/\\*/x}", "foo.tar.gz", 0, NULL },
		{ "${P#???}", ".tar.gz", 0, NULL },
		{ "$", "$", 0, NULL },
		{ "a$", "a$", 0, NULL },
		{ "$A\\n'q'", "x\\n'q'", DFWORD_RAW_QUOTES, NULL },
		{ "\\$A", "$A", DFWORD_RAW_QUOTES, NULL },
		{ "${A:?}", "x", 0, NULL },
		{ "${NO:?gone}", NULL, 0, "NO: gone" },
		{ "${NO?}", NULL, 0, "NO: not allowed to be unset" },
		{ "${A", NULL, 0, "missing '}'" },
		{ "${}", NULL, 0, "bad substitution" },
		{ "${A:#x}", NULL, 0, "unsupported modifier (:#)" },
		{ "${A^}", NULL, 0, "unsupported modifier (^)" },
		{ "'a", NULL, 0, "matching single-quote" },
		{ "\"a", NULL, 0, "matching double-quote" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct dfword_ctx ctx = { .escape = '\\', .flags = rows[i].flags, .env = env };
		const char *out;

		if (rows[i].err) {
			CHECK_ERR(dfword_expand(a, &ctx, rows[i].in, &out), rows[i].err);
			continue;
		}
		CHECK_OK(dfword_expand(a, &ctx, rows[i].in, &out));
		CHECK_STR(out, rows[i].out);
	}
}

static void word_splits(void)
{
	static char *env[] = { (char *)"S=a b", NULL };
	struct dfword_ctx ctx = { .escape = '\\', .env = env };
	es_autoarena *a = arena_new();
	char **words;

	CHECK_OK(dfword_split(a, &ctx, " $S \"$S\" '' x\\ y ", &words));
	es_autofree char *joined = strv_join(words, "|");
	CHECK_STR(joined, "a|b|a b||x y");
}

static void dump_list(struct es_buf *b, const char *what, char *const *v)
{
	for (size_t i = 0; v && v[i]; i++)
		es_buf_printf(b, "%s%s", i ? "|" : what, v[i]);
}

/* A one-line form of an instruction, for comparing. */
static void dump(struct es_buf *b, const struct df_instr *i)
{
	es_buf_printf(b, "%s", dfinstr_name(i->kind));
	if (i->from)
		es_buf_printf(b, " from=%s", i->from);
	if (i->chown)
		es_buf_printf(b, " chown=%s", i->chown);
	if (i->image)
		es_buf_printf(b, " image=%s as=%s", i->image, i->stage_name ? i->stage_name : "-");
	else
		dump_list(b, i->shell ? " sh:" : " ", i->args);
	for (size_t k = 0; k < i->n_pairs; k++)
		es_buf_printf(b, " [%s]=[%s]", i->pairs[k].key, i->pairs[k].value ? i->pairs[k].value : "(none)");
	if (i->dest)
		es_buf_printf(b, " -> %s", i->dest);
	for (size_t k = 0; k < i->n_heredocs; k++)
		es_buf_printf(b, " <<%s%s:%s", i->heredocs[k].name, i->heredocs[k].expand ? "" : "!", i->heredocs[k].body);
	es_buf_adds(b, ";");
}

static void instruction_rows(void)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "RUN echo a \\\n  # inner\n\n  && echo b", "RUN sh:echo a   && echo b;" },
		{ "run [\"a\", \"b c\"]", "RUN a|b c;" },
		{ "RUN [\"a\" b]", "RUN sh:[\"a\" b];" },
		{ "RUN --network=none --mount=type=cache,target=/c x", "RUN sh:x;" },
		{ "ENV a=b c=\"d e\" f=g\\ h", "ENV [a]=[b] [c]=[\"d e\"] [f]=[g\\ h];" },
		{ "ENV a b  c", "ENV [a]=[b  c];" },
		{ "ENV a=", "ENV [a]=[];" },
		{ "ARG a b=c", "ARG [a]=[(none)] [b]=[c];" },
		{ "LABEL a=b", "LABEL [a]=[b];" },
		{ "COPY a b c/", "COPY a|b -> c/;" },
		{ "COPY --from=x --chown=1:2 [\"a b\", \"c\"]", "COPY from=x chown=1:2 a b -> c;" },
		{ "COPY <<EOF /x\n$A # text\nEOF", "COPY <<EOF -> /x <<EOF:$A # text\n;" },
		{ "COPY <<-'EOF' <<B /x\n\t\tone\n\tEOF\ntwo\nB", "COPY <<-'EOF'|<<B -> /x <<EOF!:one\n <<B:two\n;" },
		{ "RUN <<EOF\necho \\\n1\nEOF", "RUN sh:echo \\\n1\n;" },
		{ "RUN cat <<EOF\nx\nEOF", "RUN sh:cat <<EOF\nx\nEOF\n;" },
		{ "RUN <<EOF\n#!/bin/awk\nEOF", "RUN sh:<<EOF <<EOF:#!/bin/awk\n;" },
		{ "RUN echo $((1<<2))", "RUN sh:echo $((1<<2));" },
		{ "EXPOSE 80 2/udp 10", "EXPOSE 10|2/udp|80;" },
		{ "VOLUME /a /b", "VOLUME /a|/b;" },
		{ "VOLUME [\"/a b\"]", "VOLUME /a b;" },
		{ "WORKDIR /a b", "WORKDIR /a b;" },
		{ "CMD a b", "CMD sh:a b;" },
		{ "CMD []", "CMD;" },
		{ "ONBUILD COPY x /x", "ONBUILD COPY x /x;" },
		{ "ONBUILD RUN <<E\nbody\nE", "ONBUILD RUN <<E\nbody\nE\n;" },
		{ "HEALTHCHECK --interval=5s CMD a b", "HEALTHCHECK sh:a b;" },
		{ "HEALTHCHECK none", "HEALTHCHECK;" },
		{ "SHELL [\"/bin/bash\", \"-c\"]", "SHELL /bin/bash|-c;" },
		{ "STOPSIGNAL 9", "STOPSIGNAL 9;" },
		{ "USER $u", "USER $u;" },
		{ "MAINTAINER some body", "MAINTAINER some body;" },
		{ "FROM --platform=linux/amd64 b AS Two", "FROM image=b as=two;" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		es_autofree char *text = es_xasprintf("FROM x\n%s\n", rows[i].in);
		es_autobuf b = ES_BUF(10000);
		struct dockerfile df;

		CHECK_OK(dockerfile_parse(a, "Dockerfile", text, strlen(text), &df));
		CHECK_INT(df.n_instrs, 2);
		dump(&b, &df.instrs[1]);
		CHECK_STR(es_buf_str(&b), rows[i].out);
	}
}

static void error_rows(void)
{
	static const struct { const char *in, *err; } rows[] = {
		{ "", "the Dockerfile (D) cannot be empty" },
		{ "# x\n", "failed to parse D: file with no instructions" },
		{ "RUN x\n", "no build stage in current context" },
		{ "ARG a\n", "no build stage in current context" },
		{ "FROM\n", "dockerfile parse error on line 1: FROM requires either one or three arguments" },
		{ "FROM a b\n", "FROM requires either one or three arguments" },
		{ "FROM a as 1x\n", "invalid name for build stage: \"1x\", name can't start with a number or contain symbols" },
		{ "FROM --nosuch=x b\n", "dockerfile parse error on line 1: unknown flag: nosuch" },
		{ "FROM a\n\nFOO bar\n", "dockerfile parse error on line 3: unknown instruction: FOO" },
		{ "FROM a\nENV A\n", "failed to parse D: ENV must have two arguments" },
		{ "FROM a\nENV A=1 B\n", "Syntax error - can't find = in \"B\". Must be of the form: name=value" },
		{ "FROM a\nENV =1\n", "dockerfile parse error on line 2: ENV names can not be blank" },
		{ "FROM a\nLABEL x\n", "failed to parse D: LABEL must have two arguments" },
		{ "FROM a\nHEALTHCHECK --interval=x CMD a\n", "dockerfile parse error on line 2: time: invalid duration \"x\"" },
		{ "FROM a\nHEALTHCHECK FOO\n", "Unknown type \"FOO\" in HEALTHCHECK (try CMD)" },
		{ "FROM a\nHEALTHCHECK CMD\n", "Missing command after HEALTHCHECK CMD" },
		{ "FROM a\nSHELL sh -c\n", "dockerfile parse error on line 2: SHELL requires the arguments to be in JSON form" },
		{ "FROM a\nONBUILD ONBUILD RUN x\n", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed" },
		{ "FROM a\nONBUILD FROM x\n", "FROM isn't allowed as an ONBUILD trigger" },
		{ "FROM a\nCOPY x\n", "COPY requires at least two arguments, but only one was provided" },
		{ "FROM a\nUSER\n", "USER requires exactly one argument" },
		{ "FROM a\nRUN\n", "RUN requires at least one argument" },
		{ "FROM a\nRUN <<E\nx\n", "failed to parse D: unterminated heredoc" },
		{ "FROM a\nRUN [\"a\", 1]\n", "arrays must be comprised of strings only" },
		{ "FROM a\nCOPY --from=x --from=y a b\n", "duplicate flag specified: from" },
		{ "FROM a\nCOPY --link=maybe a b\n", "expecting boolean value for flag link, not: maybe" },
		{ "FROM a\nCOPY --from a b\n", "missing a value on flag: from" },
		{ "FROM a\nRUN --mount=type=foo,target=/x y\n", "unsupported mount type \"foo\"" },
		{ "FROM a\nRUN --mount=type=tmpfs,src=/x,target=/y z\n", "unexpected key 'src' for mount type 'tmpfs'" },
		{ "FROM a\nRUN --mount=nosuch=1 z\n", "unexpected key 'nosuch' in 'nosuch=1'" },
		{ "FROM a\nRUN --network=mars z\n", "unsupported network mode mars" },
		{ "# escape=x\nFROM a\n", "invalid ESCAPE 'x'. Must be ` or \\" },
		{ "# escape=`\n# escape=`\nFROM a\n", "only one escape parser directive can be used" },
	};
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		struct dockerfile df;

		CHECK_ERR(dockerfile_parse(a, "D", rows[i].in, strlen(rows[i].in), &df), rows[i].err);
	}
}

static void directives_stages_and_lines(void)
{
	static const char text[] = "\xef\xbb\xbf#!/usr/bin/env x\n# syntax=docker/dockerfile:1.6-labs\n#escape=`\n# note\n"
				   "ARG V=1\nFROM a:$V AS One\r\nRUN a `\r\n b\nFROM one\nCOPY c:\\x d\n";
	es_autoarena *a = arena_new();
	struct dockerfile df;

	CHECK_OK(dockerfile_parse(a, "D", text, strlen(text), &df));
	CHECK_STR(df.directives.syntax, "docker/dockerfile:1.6-labs");
	CHECK_INT(df.directives.escape, '`');
	CHECK_INT(df.n_stages, 2);
	CHECK_INT(df.n_global_args, 1);
	CHECK_STR(df.stages[0].name, "one");
	CHECK_STR(df.stages[0].instrs[0].text, "RUN a  b");
	CHECK_INT(df.stages[0].instrs[0].line, 7);
	CHECK_INT(df.stages[0].instrs[0].last_line, 8);
	CHECK_STR(df.stages[1].instrs[0].args[0], "c:\\x");
	CHECK_INT(dockerfile_find_stage(&df, "ONE", 1), 0);
	CHECK_INT(dockerfile_find_stage(&df, "0", 1), 0);
	CHECK_INT(dockerfile_find_stage(&df, "1", 1), -1);
	CHECK_INT(dockerfile_find_stage(&df, "nosuch", 2), -1);
}

CHECK_MAIN(TEST(word_rows), TEST(word_splits), TEST(instruction_rows), TEST(error_rows), TEST(directives_stages_and_lines))

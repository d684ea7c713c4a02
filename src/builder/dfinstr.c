/* SPDX-License-Identifier: Apache-2.0 */
/* dfinstr.c: one instruction: its flags, the shape of its arguments, and what it may not be. Tables first. */
#include "builder/dfinstr.h"

#include <ctype.h>

#include "base/str.h"
#include "codec/json.h"

#define ARGS_MAX 4096 /* words of one instruction */

static es_err *shape_argv(struct arena *a, char escape, const char *rest, struct df_instr *i);
static es_err *shape_list(struct arena *a, char escape, const char *rest, struct df_instr *i);
static es_err *shape_words(struct arena *a, char escape, const char *rest, struct df_instr *i);
static es_err *shape_one(struct arena *a, char escape, const char *rest, struct df_instr *i);
static es_err *shape_pairs(struct arena *a, char escape, const char *rest, struct df_instr *i);
static es_err *shape_args(struct arena *a, char escape, const char *rest, struct df_instr *i);

static es_err *check_copy(struct arena *a, char escape, struct df_instr *i);
static es_err *check_from(struct arena *a, char escape, struct df_instr *i);
static es_err *check_health(struct arena *a, char escape, struct df_instr *i);
static es_err *check_pairs(struct arena *a, char escape, struct df_instr *i);
static es_err *check_onbuild(struct arena *a, char escape, struct df_instr *i);
static es_err *check_run(struct arena *a, char escape, struct df_instr *i);
static es_err *check_shell(struct arena *a, char escape, struct df_instr *i);
static es_err *check_expose(struct arena *a, char escape, struct df_instr *i);
static es_err *check_volume(struct arena *a, char escape, struct df_instr *i);

/* Every instruction: how its arguments are cut into words, how many it wants, and its own check. */
static const struct instr_row {
	const char *name;
	es_err *(*shape)(struct arena *a, char escape, const char *rest, struct df_instr *i);
	enum { ANY, ONE, SOME } wants;
	es_err *(*check)(struct arena *a, char escape, struct df_instr *i);
} instrs[] = {
	[DF_ADD] = { "ADD", shape_list, ANY, check_copy },
	[DF_ARG] = { "ARG", shape_args, SOME, check_pairs },
	[DF_CMD] = { "CMD", shape_argv, ANY, NULL },
	[DF_COPY] = { "COPY", shape_list, ANY, check_copy },
	[DF_ENTRYPOINT] = { "ENTRYPOINT", shape_argv, ANY, NULL },
	[DF_ENV] = { "ENV", shape_pairs, SOME, check_pairs },
	[DF_EXPOSE] = { "EXPOSE", shape_words, SOME, check_expose },
	[DF_FROM] = { "FROM", shape_words, ANY, check_from },
	[DF_HEALTHCHECK] = { "HEALTHCHECK", shape_one, SOME, check_health },
	[DF_LABEL] = { "LABEL", shape_pairs, SOME, check_pairs },
	[DF_MAINTAINER] = { "MAINTAINER", shape_one, ONE, NULL },
	[DF_ONBUILD] = { "ONBUILD", shape_one, SOME, check_onbuild },
	[DF_RUN] = { "RUN", shape_argv, SOME, check_run },
	[DF_SHELL] = { "SHELL", shape_argv, ANY, check_shell },
	[DF_STOPSIGNAL] = { "STOPSIGNAL", shape_one, ONE, NULL },
	[DF_USER] = { "USER", shape_one, ONE, NULL },
	[DF_VOLUME] = { "VOLUME", shape_list, SOME, check_volume },
	[DF_WORKDIR] = { "WORKDIR", shape_one, ONE, NULL },
};
_Static_assert(ES_N(instrs) == DF_KIND_N, "an instruction without a row");

/* Every flag of every instruction. */
#define AT(member) offsetof(struct df_instr, member)
#define IN(kind) (1u << (kind))
#define COPIES (IN(DF_COPY) | IN(DF_ADD))
static const struct flag_row {
	const char *name;
	unsigned where; /* IN(kind) | … */
	enum { STR, BOOL, LIST } type;
	size_t offset;
} flags[] = {
	{ "platform", IN(DF_FROM), STR, AT(platform) },
	{ "mount", IN(DF_RUN), LIST, AT(mount_texts) },
	{ "network", IN(DF_RUN), STR, AT(network) },
	{ "security", IN(DF_RUN), STR, AT(security) },
	{ "device", IN(DF_RUN), LIST, AT(devices) },
	{ "from", IN(DF_COPY), STR, AT(from) },
	{ "chown", COPIES, STR, AT(chown) },
	{ "chmod", COPIES, STR, AT(chmod) },
	{ "link", COPIES, BOOL, AT(link) },
	{ "exclude", COPIES, LIST, AT(excludes) },
	{ "parents", IN(DF_COPY), BOOL, AT(parents) },
	{ "checksum", IN(DF_ADD), STR, AT(checksum) },
	{ "keep-git-dir", IN(DF_ADD), BOOL, AT(keep_git_dir) },
	{ "unpack", IN(DF_ADD), BOOL, AT(unpack) },
	{ "interval", IN(DF_HEALTHCHECK), STR, AT(interval) },
	{ "timeout", IN(DF_HEALTHCHECK), STR, AT(timeout) },
	{ "start-period", IN(DF_HEALTHCHECK), STR, AT(start_period) },
	{ "start-interval", IN(DF_HEALTHCHECK), STR, AT(start_interval) },
	{ "retries", IN(DF_HEALTHCHECK), STR, AT(retries) },
};

const char *dfinstr_name(enum df_kind kind)
{
	return instrs[kind].name;
}

/* ---- flags ---- */

static es_err *set_flag(struct arena *a, const struct flag_row *row, const char *value, struct df_instr *i)
{
	void *at = (char *)i + row->offset;

	if (row->type == BOOL) {
		if (value && !str_eq_nocase(value, "true") && !str_eq_nocase(value, "false"))
			return es_err_new(ES_E_INVALID, "expecting boolean value for flag %s, not: %s", row->name, value);
		*(bool *)at = !value || str_eq_nocase(value, "true");
		if (row->offset == AT(unpack))
			i->unpack_given = true;
		return NULL;
	}
	if (!value)
		return es_err_new(ES_E_INVALID, "missing a value on flag: %s", row->name);
	if (row->type == STR)
		*(const char **)at = value;
	else
		*(char ***)at = strv_arena_add(a, *(char ***)at, value);
	return NULL;
}

static es_err *read_flag(struct arena *a, const char *word, unsigned *seen, struct df_instr *i)
{
	const char *eq = strchr(word, '='), *value = eq ? eq + 1 : NULL;
	const char *name = arena_strndup(a, word + 2, eq ? (size_t)(eq - word - 2) : strlen(word + 2));

	for (size_t k = 0; k < ES_N(flags); k++) {
		if (!(flags[k].where & IN(i->kind)) || !str_eq(flags[k].name, name))
			continue;
		if (flags[k].type != LIST && (*seen & 1u << k))
			return es_err_new(ES_E_INVALID, "duplicate flag specified: %s", name);
		*seen |= 1u << k;
		return set_flag(a, &flags[k], value, i);
	}
	return es_err_new(ES_E_INVALID, "unknown flag: %s", name);
}

/* One "--flag" at *REST, quotes and escapes taken off; false when there is none (left). "--" alone ends the flags. */
static bool next_flag(struct arena *a, char escape, const char **rest, const char **ret_word)
{
	const char *s = *rest;
	char *word, *w, quote = 0;

	while (isspace((unsigned char)*s))
		s++;
	if (s[0] != '-' || s[1] != '-')
		return false;
	word = w = ARENA_ARRAY(a, char, strlen(s) + 1);
	for (; *s && (quote || !isspace((unsigned char)*s)); s++) {
		if (quote ? *s == quote : *s == '"' || *s == '\'')
			quote = quote ? 0 : *s;
		else if (*s == escape && s[1])
			*w++ = *++s;
		else
			*w++ = *s;
	}
	while (isspace((unsigned char)*s))
		s++;
	*rest = s;
	*ret_word = word;
	return !str_eq(word, "--");
}

/* ---- the shapes of arguments ---- */

/* Words at blanks, nothing else is special. */
static es_err *shape_words(struct arena *a, char escape, const char *rest, struct df_instr *i)
{
	size_t n = 0;

	i->args = ARENA_ARRAY(a, char *, ARGS_MAX + 1);
	for (const char *s = rest; *s;) {
		const char *start;

		while (isspace((unsigned char)*s))
			s++;
		for (start = s; *s && !isspace((unsigned char)*s);)
			s++;
		if (s > start && n == ARGS_MAX)
			return es_err_new(ES_E_LIMIT, "more than %d words in one instruction", ARGS_MAX);
		if (s > start)
			i->args[n++] = arena_strndup(a, start, (size_t)(s - start));
	}
	return NULL;
}

/* The rest of the line as it is. */
static es_err *shape_one(struct arena *a, char escape, const char *rest, struct df_instr *i)
{
	if (*rest)
		i->args = strv_arena_add(a, NULL, rest);
	return NULL;
}

/* A JSON array of strings; *RET false when REST is none, which makes it plain text. */
static es_err *read_json(struct arena *a, const char *rest, struct df_instr *i, bool *ret)
{
	struct json *doc;
	size_t n = 0;

	*ret = false;
	if (*rest != '[')
		return NULL;
	es_autoerr es_err *err = json_parse(a, rest, strlen(rest), &doc);
	if (err)
		return NULL;
	if (doc->n > ARGS_MAX)
		return es_err_new(ES_E_LIMIT, "more than %d words in one instruction", ARGS_MAX);
	i->args = ARENA_ARRAY(a, char *, doc->n + 1);
	JSON_EACH(v, doc) {
		if (v->type != JSON_STRING)
			return es_err_new(ES_E_INVALID,
					  "when using JSON array syntax, arrays must be comprised of strings only");
		i->args[n++] = arena_strdup(a, v->text);
	}
	*ret = true;
	return NULL;
}

static es_err *shape_argv(struct arena *a, char escape, const char *rest, struct df_instr *i)
{
	bool json;

	ES_TRY(read_json(a, rest, i, &json));
	if (json)
		return NULL;
	i->shell = true;
	return shape_one(a, escape, rest, i);
}

static es_err *shape_list(struct arena *a, char escape, const char *rest, struct df_instr *i)
{
	bool json;

	ES_TRY(read_json(a, rest, i, &json));
	return json ? NULL : shape_words(a, escape, rest, i);
}

/* The next word of *S with its quotes: blanks inside them do not end it. NULL at the end. */
static char *quoted_word(struct arena *a, char escape, const char **s)
{
	const char *p = *s, *start;
	char quote = 0;

	while (isspace((unsigned char)*p))
		p++;
	for (start = p; *p && (quote || !isspace((unsigned char)*p)); p++) {
		if (*p == escape && quote != '\'' && p[1])
			p++;
		else if (quote ? *p == quote : *p == '"' || *p == '\'')
			quote = quote ? 0 : *p;
	}
	*s = p;
	return p > start ? arena_strndup(a, start, (size_t)(p - start)) : NULL;
}

static es_err *add_pair(struct arena *a, const char *key, const char *value, struct df_instr *i)
{
	if (i->n_pairs == ARGS_MAX)
		return es_err_new(ES_E_LIMIT, "more than %d words in one instruction", ARGS_MAX);
	if (!i->pairs)
		i->pairs = ARENA_ARRAY(a, struct df_pair, ARGS_MAX);
	i->pairs[i->n_pairs++] = (struct df_pair){ key, value };
	return NULL;
}

/* k=v k2=v2 …, or the old "k the rest is the value". */
static es_err *shape_pairs(struct arena *a, char escape, const char *rest, struct df_instr *i)
{
	const char *s = rest, *key, *value;
	char *word = quoted_word(a, escape, &s), *eq;

	if (word && !strchr(word, '=')) {
		dflex_split_name(a, rest, &key, &value);
		if (!*value)
			return es_err_new(ES_E_INVALID, "%s must have two arguments", instrs[i->kind].name);
		return add_pair(a, key, value, i);
	}
	for (; word; word = quoted_word(a, escape, &s)) {
		eq = strchr(word, '=');
		if (!eq)
			return es_err_new(ES_E_INVALID,
					  "Syntax error - can't find = in \"%s\". Must be of the form: name=value", word);
		*eq = 0;
		ES_TRY(add_pair(a, word, eq + 1, i));
	}
	return NULL;
}

static es_err *shape_args(struct arena *a, char escape, const char *rest, struct df_instr *i)
{
	for (char *word; (word = quoted_word(a, escape, &rest));) {
		char *eq = strchr(word, '=');

		if (eq)
			*eq = 0;
		ES_TRY(add_pair(a, word, eq ? eq + 1 : NULL, i));
	}
	return NULL;
}

/* ---- what one instruction may not be ---- */

static es_err *check_pairs(struct arena *a, char escape, struct df_instr *i)
{
	for (size_t k = 0; k < i->n_pairs; k++)
		if (!*i->pairs[k].key)
			return es_err_new(ES_E_INVALID, "%s names can not be blank", instrs[i->kind].name);
	return NULL;
}

static es_err *check_copy(struct arena *a, char escape, struct df_instr *i)
{
	size_t n = strv_len(i->args);

	if (n == 0)
		return es_err_new(ES_E_INVALID, "%s requires at least one argument", instrs[i->kind].name);
	if (n == 1)
		return es_err_new(ES_E_INVALID,
				  "%s requires at least two arguments, but only one was provided. Destination could not be determined.",
				  instrs[i->kind].name);
	i->dest = i->args[n - 1];
	i->args[n - 1] = NULL;
	return NULL;
}

static bool is_stage_name(const char *s)
{
	if (!islower((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && !strchr("-_.", *s))
			return false;
	return true;
}

static es_err *check_from(struct arena *a, char escape, struct df_instr *i)
{
	size_t n = strv_len(i->args);

	if (n != 1 && !(n == 3 && str_eq_nocase(i->args[1], "AS")))
		return es_err_new(ES_E_INVALID, "FROM requires either one or three arguments");
	i->image = i->args[0];
	if (n == 1)
		return NULL;
	i->stage_name = str_lower(arena_strdup(a, i->args[2]));
	if (!is_stage_name(i->stage_name))
		return es_err_new(ES_E_INVALID,
				  "invalid name for build stage: \"%s\", name can't start with a number or contain symbols",
				  i->args[2]);
	return NULL;
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

static es_err *check_expose(struct arena *a, char escape, struct df_instr *i)
{
	qsort(i->args, strv_len(i->args), sizeof i->args[0], by_text);
	return NULL;
}

static es_err *check_volume(struct arena *a, char escape, struct df_instr *i)
{
	for (char **v = i->args; v && *v; v++) {
		*v = str_trim(*v);
		if (!**v)
			return es_err_new(ES_E_INVALID, "VOLUME specified can not be an empty string");
	}
	return NULL;
}

static es_err *check_shell(struct arena *a, char escape, struct df_instr *i)
{
	if (i->shell && i->args)
		return es_err_new(ES_E_INVALID, "SHELL requires the arguments to be in JSON form");
	if (!strv_len(i->args))
		return es_err_new(ES_E_INVALID, "SHELL requires at least one argument");
	return NULL;
}

static es_err *read_duration(const char *name, const char *text, int64_t *ret_ns)
{
	if (!text)
		return NULL;
	es_autoerr es_err *err = str_to_duration(text, ret_ns);
	if (err)
		return es_err_new(ES_E_INVALID, "time: invalid duration \"%s\"", text);
	if (*ret_ns != 0 && *ret_ns < 1000000)
		return es_err_new(ES_E_INVALID, "Interval \"%s\" cannot be less than 1ms", name);
	return NULL;
}

static es_err *read_retries(struct df_instr *i)
{
	if (!i->retries)
		return NULL;
	es_autoerr es_err *err = str_to_i64(i->retries, 10, &i->retries_n);
	if (err || i->retries_n > INT32_MAX)
		return es_err_new(ES_E_INVALID, "strconv.ParseInt: parsing \"%s\": invalid syntax", i->retries);
	if (i->retries_n < 0)
		return es_err_new(ES_E_INVALID, "--retries cannot be negative (%lld)", (long long)i->retries_n);
	return NULL;
}

static es_err *check_health(struct arena *a, char escape, struct df_instr *i)
{
	const char *type, *rest;

	dflex_split_name(a, i->args[0], &type, &rest);
	if (str_eq_nocase(type, "NONE")) {
		if (*rest)
			return es_err_new(ES_E_INVALID, "HEALTHCHECK NONE takes no arguments");
		i->none = true;
		i->args = NULL;
		return NULL;
	}
	if (!str_eq_nocase(type, "CMD"))
		return es_err_new(ES_E_INVALID, "Unknown type \"%s\" in HEALTHCHECK (try CMD)", type);
	i->args = NULL;
	ES_TRY(shape_argv(a, escape, rest, i));
	if (!strv_len(i->args))
		return es_err_new(ES_E_INVALID, "Missing command after HEALTHCHECK CMD");
	ES_TRY(read_duration("interval", i->interval, &i->interval_ns));
	ES_TRY(read_duration("timeout", i->timeout, &i->timeout_ns));
	ES_TRY(read_duration("start-period", i->start_period, &i->start_period_ns));
	ES_TRY(read_duration("start-interval", i->start_interval, &i->start_interval_ns));
	return read_retries(i);
}

/* The trigger with its here-documents, as it is kept in the image. */
static const char *with_heredocs(struct arena *a, const char *text, const struct df_instr *i)
{
	es_autobuf b = ES_BUF(2 * DFLEX_BYTES_MAX);

	es_buf_printf(&b, "%s%s", text, i->n_heredocs ? "\n" : "");
	for (size_t k = 0; k < i->n_heredocs; k++)
		es_buf_printf(&b, "%s%s\n", i->heredocs[k].body, i->heredocs[k].name);
	return arena_strdup(a, es_buf_str(&b));
}

static es_err *check_onbuild(struct arena *a, char escape, struct df_instr *i)
{
	const char *name, *rest;

	dflex_split_name(a, i->args[0], &name, &rest);
	if (str_eq_nocase(name, "ONBUILD"))
		return es_err_new(ES_E_INVALID, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	if (str_eq_nocase(name, "FROM") || str_eq_nocase(name, "MAINTAINER"))
		return es_err_new(ES_E_INVALID, "%s isn't allowed as an ONBUILD trigger",
				  str_eq_nocase(name, "FROM") ? "FROM" : "MAINTAINER");
	i->args = strv_arena_add(a, NULL, with_heredocs(a, i->args[0], i));
	i->n_heredocs = 0;
	return NULL;
}

/* RUN <<EOF alone runs its body: by the shell, or by its own interpreter when it starts with "#!". Otherwise the shell
 * reads the here-documents itself, as the user wrote them. */
static es_err *fold_heredocs(struct arena *a, char escape, struct df_instr *i)
{
	struct df_heredoc h;

	if (!i->n_heredocs)
		return NULL;
	if (i->n_heredocs > 1 || !dflex_heredoc_word(a, i->args[0], escape, &h)) {
		i->args = strv_arena_add(a, NULL, with_heredocs(a, i->args[0], i));
		i->n_heredocs = 0;
	} else if (!str_starts(i->heredocs[0].body, "#!")) {
		i->args = strv_arena_add(a, NULL, i->heredocs[0].body);
		i->n_heredocs = 0;
	}
	return NULL;
}

static es_err *check_run(struct arena *a, char escape, struct df_instr *i)
{
	static const char *const networks[] = { "default", "none", "host", NULL };
	static const char *const securities[] = { "sandbox", "insecure", NULL };

	if (i->network && !strv_has((char *const *)networks, i->network))
		return es_err_new(ES_E_INVALID, "unsupported network mode %s", i->network);
	if (i->security && !strv_has((char *const *)securities, i->security))
		return es_err_new(ES_E_INVALID, "security %s is not valid", i->security);
	i->n_mounts = strv_len(i->mount_texts);
	i->mounts = ARENA_ARRAY(a, struct df_mount, i->n_mounts + 1);
	for (size_t k = 0; k < i->n_mounts; k++)
		ES_TRY(dfmount_parse(a, i->mount_texts[k], &i->mounts[k]));
	return i->shell ? fold_heredocs(a, escape, i) : NULL;
}

/* ---- the whole ---- */

static es_err *find_kind(const char *name, enum df_kind *ret)
{
	for (int k = 0; k < DF_KIND_N; k++)
		if (str_eq_nocase(instrs[k].name, name)) {
			*ret = (enum df_kind)k;
			return NULL;
		}
	return es_err_new(ES_E_INVALID, "unknown instruction: %s", name);
}

es_err *dfinstr_parse(struct arena *a, const struct df_line *line, char escape, struct df_instr *ret, bool *ret_syntax)
{
	struct df_instr i = { .line = line->line, .last_line = line->last_line, .text = line->text,
			      .heredocs = line->heredocs, .n_heredocs = line->n_heredocs };
	es_autoerr es_err *flag_err = NULL;
	const char *name, *rest, *word;
	unsigned seen = 0;
	es_err *err;
	size_t n;

	*ret_syntax = false;
	dflex_split_name(a, line->text, &name, &rest);
	ES_TRY(find_kind(name, &i.kind));
	while (next_flag(a, escape, &rest, &word))
		if (!flag_err)
			flag_err = read_flag(a, word, &seen, &i);
	err = instrs[i.kind].shape(a, escape, rest, &i);
	*ret_syntax = err != NULL;
	ES_TRY(err);
	if (flag_err)
		return ES_TAKE(flag_err);
	n = i.n_pairs ? i.n_pairs : strv_len(i.args);
	if (instrs[i.kind].wants == ONE && n != 1)
		return es_err_new(ES_E_INVALID, "%s requires exactly one argument", instrs[i.kind].name);
	if (instrs[i.kind].wants == SOME && n == 0)
		return es_err_new(ES_E_INVALID, "%s requires at least one argument", instrs[i.kind].name);
	if (instrs[i.kind].check)
		ES_TRY(instrs[i.kind].check(a, escape, &i));
	*ret = i;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* dfword.c: words of a Dockerfile: a recursive reader over a cursor, and the glob patterns of ${v#p}, ${v%p}, ${v/p/r}. */
#include "builder/dfword.h"

#include <ctype.h>

#include "base/buf.h"
#include "base/str.h"

#define DEPTH_MAX 32         /* ${a:-${b:-…}} */
#define PATTERN_MAX 1024     /* tokens of one pattern */

/* Words in the making. With SPLIT, a blank outside of quotes ends one. */
struct out {
	struct arena *a;
	struct es_buf word;
	bool split, open; /* OPEN: there is a word, if only an empty quoted one */
	char **words;
};

struct cur {
	const char *p;
	const struct dfword_ctx *ctx;
	unsigned depth;
	bool keep_escapes; /* inside a pattern the matcher takes them off */
};

static es_err *read_until(struct cur *c, char stop, struct out *o);

static void out_char(struct out *o, char ch)
{
	es_buf_addc(&o->word, ch);
	o->open = true;
}

static void out_end_word(struct out *o)
{
	if (!o->open)
		return;
	o->words = strv_arena_add(o->a, o->words, es_buf_str(&o->word));
	es_buf_reset(&o->word);
	o->open = false;
}

/* Text that came from a variable outside of quotes: its blanks split. */
static void out_value(struct out *o, const char *s)
{
	for (; *s; s++) {
		if (o->split && isspace((unsigned char)*s))
			out_end_word(o);
		else
			out_char(o, *s);
	}
}

static bool is_name_start(char ch)
{
	return isalpha((unsigned char)ch) || ch == '_';
}

/* NAME of $NAME: an identifier, a run of digits, or one special character. Empty when there is none. */
static const char *read_name(struct cur *c, struct arena *a)
{
	const char *start = c->p;

	if (is_name_start(*c->p))
		while (is_name_start(*c->p) || isdigit((unsigned char)*c->p))
			c->p++;
	else if (isdigit((unsigned char)*c->p))
		while (isdigit((unsigned char)*c->p))
			c->p++;
	else if (*c->p && strchr("@*#?-$!", *c->p))
		c->p++;
	return arena_strndup(a, start, (size_t)(c->p - start));
}

/* ---- patterns ---- */

struct token {
	enum { T_CHAR, T_ONE, T_MANY } kind;
	char ch;
};

static es_err *pattern_parse(struct arena *a, const char *text, char escape, struct token **ret, size_t *ret_n)
{
	size_t n = 0, max = strlen(text);
	struct token *t;

	if (max > PATTERN_MAX)
		return es_err_new(ES_E_LIMIT, "pattern of more than %d characters in a substitution", PATTERN_MAX);
	t = ARENA_ARRAY(a, struct token, max + 1);
	for (; *text; text++) {
		if (*text == escape && text[1])
			t[n++] = (struct token){ T_CHAR, *++text };
		else if (*text == '*')
			t[n++] = (struct token){ T_MANY, 0 };
		else if (*text == '?')
			t[n++] = (struct token){ T_ONE, 0 };
		else
			t[n++] = (struct token){ T_CHAR, *text };
	}
	*ret = t;
	*ret_n = n;
	return NULL;
}

static void reverse(char *s, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		char ch = s[i];

		s[i] = s[n - 1 - i];
		s[n - 1 - i] = ch;
	}
}

/* Length of the shortest or longest prefix of S that the whole pattern matches, -1 for none. All positions of the
 * pattern are walked at once, so the time is bounded by the product of the lengths. */
static long match_prefix(const struct token *t, size_t n, const char *s, bool longest)
{
	bool at[PATTERN_MAX + 1] = { true };
	long found = -1;

	for (size_t i = 0;; i++) {
		bool alive = false;

		for (size_t k = 0; k < n; k++) /* "*" may match nothing */
			if (at[k] && t[k].kind == T_MANY)
				at[k + 1] = true;
		if (at[n]) {
			found = (long)i;
			if (!longest)
				return found;
		}
		if (!s[i])
			return found;
		for (size_t k = n + 1; k-- > 0;) {
			bool stay = k < n && at[k] && t[k].kind == T_MANY;
			bool come = k > 0 && at[k - 1] &&
				    (t[k - 1].kind == T_ONE || (t[k - 1].kind == T_CHAR && t[k - 1].ch == s[i]));

			at[k] = stay || come;
			alive |= at[k];
		}
		if (!alive)
			return found;
	}
}

static es_err *cut_prefix(struct arena *a, const char *value, const char *pattern, char escape, bool longest,
			  const char **ret)
{
	struct token *t;
	size_t n;
	long len;

	ES_TRY(pattern_parse(a, pattern, escape, &t, &n));
	len = match_prefix(t, n, value, longest);
	*ret = len > 0 ? value + len : value;
	return NULL;
}

/* A suffix is a prefix of everything turned round. */
static es_err *cut_suffix(struct arena *a, const char *value, const char *pattern, char escape, bool longest,
			  const char **ret)
{
	char *turned = arena_strdup(a, value);
	size_t len = strlen(value), n;
	struct token *t;
	long cut;

	ES_TRY(pattern_parse(a, pattern, escape, &t, &n));
	for (size_t i = 0; i < n / 2; i++) {
		struct token x = t[i];

		t[i] = t[n - 1 - i];
		t[n - 1 - i] = x;
	}
	reverse(turned, len);
	cut = match_prefix(t, n, turned, longest);
	*ret = cut > 0 ? arena_strndup(a, value, len - (size_t)cut) : value;
	return NULL;
}

static es_err *replace(struct arena *a, const char *value, const char *pattern, const char *with, char escape, bool all,
		       const char **ret)
{
	es_autobuf b = ES_BUF(DFWORD_MAX);
	struct token *t;
	bool done = false;
	size_t n;

	ES_TRY(pattern_parse(a, pattern, escape, &t, &n));
	while (*value) {
		long len = done ? -1 : match_prefix(t, n, value, true);

		if (len <= 0) {
			es_buf_addc(&b, *value++);
			continue;
		}
		es_buf_adds(&b, with);
		value += len;
		done = !all;
	}
	ES_TRY(es_buf_check(&b));
	*ret = arena_strdup(a, es_buf_str(&b));
	return NULL;
}

/* ---- ${…} ---- */

/* Read a nested word up to STOP, expanded, as one string. */
static es_err *read_nested(struct cur *c, struct arena *a, char stop, bool keep_escapes, const char **ret)
{
	struct out o = { .a = a, .word = ES_BUF(DFWORD_MAX) };
	bool kept = c->keep_escapes;
	es_err *err;

	if (c->depth >= DEPTH_MAX)
		return es_err_new(ES_E_LIMIT, "substitutions nested more than %d deep", DEPTH_MAX);
	c->depth++;
	c->keep_escapes = keep_escapes;
	err = read_until(c, stop, &o);
	c->keep_escapes = kept;
	c->depth--;
	if (!err)
		err = es_buf_check(&o.word);
	if (!err)
		*ret = arena_strdup(a, es_buf_str(&o.word));
	es_buf_done(&o.word);
	return err;
}

static es_err *read_replace(struct cur *c, struct arena *a, const char *value, const char **ret)
{
	bool all = *c->p == '/';
	const char *pattern, *with;

	if (all)
		c->p++;
	ES_TRY(read_nested(c, a, '/', true, &pattern));
	ES_TRY(read_nested(c, a, '}', false, &with));
	return replace(a, value ? value : "", pattern, with, c->ctx->escape, all, ret);
}

static es_err *unset_error(const char *name, const char *word, bool null_is_unset)
{
	if (*word)
		return es_err_new(ES_E_INVALID, "%s: %s", name, word);
	return es_err_new(ES_E_INVALID, "%s: not allowed to be %s", name, null_is_unset ? "empty" : "unset");
}

/* What follows ${NAME: one operator and its word. VALUE is NULL when NAME is unset. */
static es_err *read_operator(struct cur *c, struct arena *a, const char *name, const char *value, const char **ret)
{
	bool null_is_unset = *c->p == ':', cut, set, twice;
	const char *word;
	char op;

	if (null_is_unset)
		c->p++;
	op = *c->p;
	if (!op)
		return es_err_new(ES_E_INVALID, "syntax error: missing '}'");
	c->p++;
	cut = op == '#' || op == '%';
	if (!strchr("+-?#%/", op) || (null_is_unset && (cut || op == '/')))
		return es_err_new(ES_E_INVALID, "unsupported modifier (%s%c) in substitution", null_is_unset ? ":" : "", op);
	if (op == '/')
		return read_replace(c, a, value, ret);
	twice = cut && *c->p == op;
	if (twice)
		c->p++;
	ES_TRY(read_nested(c, a, '}', cut, &word));
	set = value && (*value || !null_is_unset);
	switch (op) {
	case '-':
		*ret = set ? value : word;
		return NULL;
	case '+':
		*ret = set ? word : "";
		return NULL;
	case '?':
		if (!set)
			return unset_error(name, word, null_is_unset);
		*ret = value;
		return NULL;
	case '#':
		return cut_prefix(a, value ? value : "", word, c->ctx->escape, twice, ret);
	default:
		return cut_suffix(a, value ? value : "", word, c->ctx->escape, twice, ret);
	}
}

/* At "$": *RET is what it stands for. */
static es_err *read_dollar(struct cur *c, struct arena *a, const char **ret)
{
	const char *name, *value;

	c->p++;
	if (*c->p != '{') {
		name = read_name(c, a);
		value = strv_env_get(c->ctx->env, name);
		*ret = !*name ? "$" : value ? value : "";
		return NULL;
	}
	c->p++;
	name = read_name(c, a);
	if (!*c->p)
		return es_err_new(ES_E_INVALID, "syntax error: missing '}'");
	if (!*name)
		return es_err_new(ES_E_INVALID, "syntax error: bad substitution");
	value = strv_env_get(c->ctx->env, name);
	if (*c->p == '}') {
		c->p++;
		*ret = value ? value : "";
		return NULL;
	}
	return read_operator(c, a, name, value, ret);
}

static es_err *read_single_quoted(struct cur *c, struct out *o)
{
	const char *end = strchr(c->p + 1, '\'');

	if (!end)
		return es_err_new(ES_E_INVALID, "unexpected end of statement while looking for matching single-quote");
	o->open = true;
	for (c->p++; c->p < end; c->p++)
		out_char(o, *c->p);
	c->p++;
	return NULL;
}

static es_err *read_double_quoted(struct cur *c, struct out *o)
{
	const char *value;

	o->open = true;
	for (c->p++; *c->p != '"';) {
		if (!*c->p)
			return es_err_new(ES_E_INVALID,
					  "unexpected end of statement while looking for matching double-quote");
		if (*c->p == '$' && !(c->ctx->flags & DFWORD_NO_EXPAND)) {
			ES_TRY(read_dollar(c, o->a, &value));
			for (; *value; value++) /* quoted: its blanks do not split */
				out_char(o, *value);
			continue;
		}
		/* an escape counts only before what is special here */
		if (*c->p == c->ctx->escape && c->p[1] && (strchr("\"$", c->p[1]) || c->p[1] == c->ctx->escape))
			c->p++;
		out_char(o, *c->p++);
	}
	c->p++;
	return NULL;
}

static void read_escaped(struct cur *c, struct out *o)
{
	bool raw = c->ctx->flags & DFWORD_RAW_QUOTES;

	c->p++;
	if (!*c->p)
		return;
	/* a here-document's body is a shell's: there only "$" and the escape itself need one */
	if (c->keep_escapes || (raw && *c->p != '$' && *c->p != c->ctx->escape))
		out_char(o, c->p[-1]);
	out_char(o, *c->p++);
}

/* The heart: everything up to STOP (0: to the end), which is eaten. */
static es_err *read_until(struct cur *c, char stop, struct out *o)
{
	bool quotes = !(c->ctx->flags & DFWORD_RAW_QUOTES), expand = !(c->ctx->flags & DFWORD_NO_EXPAND);
	const char *value;

	while (*c->p && *c->p != stop) {
		if (*c->p == '\'' && quotes) {
			ES_TRY(read_single_quoted(c, o));
		} else if (*c->p == '"' && quotes) {
			ES_TRY(read_double_quoted(c, o));
		} else if (*c->p == '$' && expand) {
			ES_TRY(read_dollar(c, o->a, &value));
			out_value(o, value);
		} else if (*c->p == c->ctx->escape) {
			read_escaped(c, o);
		} else if (o->split && isspace((unsigned char)*c->p)) {
			out_end_word(o);
			c->p++;
		} else {
			out_char(o, *c->p++);
		}
	}
	if (stop && !*c->p)
		return es_err_new(ES_E_INVALID, "syntax error: missing '%c'%s", stop, stop == '/' ? " in ${}" : "");
	if (stop)
		c->p++;
	return NULL;
}

es_err *dfword_expand(struct arena *a, const struct dfword_ctx *ctx, const char *text, const char **ret)
{
	struct cur c = { .p = text, .ctx = ctx };

	return read_nested(&c, a, 0, false, ret);
}

es_err *dfword_split(struct arena *a, const struct dfword_ctx *ctx, const char *text, char ***ret)
{
	struct cur c = { .p = text, .ctx = ctx };
	struct out o = { .a = a, .word = ES_BUF(DFWORD_MAX), .split = true };
	es_err *err = read_until(&c, 0, &o);

	if (!err)
		err = es_buf_check(&o.word);
	out_end_word(&o);
	es_buf_done(&o.word);
	if (!err)
		*ret = o.words;
	return err;
}

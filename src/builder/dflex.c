/* SPDX-License-Identifier: Apache-2.0 */
/* dflex.c: the lines of a Dockerfile. */
#include "builder/dflex.h"

#include <ctype.h>

#include "base/buf.h"
#include "base/str.h"
#include "builder/dfword.h"

/* Comments and blank lines inside a continuation are dropped; inside a here-document everything is text. */

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\v' || ch == '\f' || ch == '\r';
}

/* One physical line without its newline (and without the CR before it), NULL at the end. */
static char *next_line(struct dflex *lx)
{
	const char *start = lx->p, *nl;
	size_t n;

	if (lx->p >= lx->end)
		return NULL;
	nl = memchr(start, '\n', (size_t)(lx->end - start));
	lx->p = nl ? nl + 1 : lx->end;
	lx->line++;
	n = (size_t)((nl ? nl : lx->end) - start);
	if (n && start[n - 1] == '\r')
		n--;
	return arena_strndup(lx->arena, start, n);
}

static const char *skip_blanks(const char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

/* ---- directives ---- */

static es_err *set_once(const char **at, const char *key, const char *value)
{
	if (*at)
		return es_err_new(ES_E_INVALID, "only one %s parser directive can be used", key);
	*at = value;
	return NULL;
}

/* "# key=value" at the top; *RET is false when LINE is none, which ends the directives. */
static es_err *read_directive(struct dflex *lx, const char *line, const char **escape, bool *ret)
{
	const char *s = skip_blanks(line), *eq;
	char *key, *value;

	*ret = false;
	if (s[0] == '#')
		s++;
	else if (s[0] == '/' && s[1] == '/')
		s += 2;
	else
		return NULL;
	eq = strchr(s, '=');
	if (!eq)
		return NULL;
	key = str_lower(str_trim(arena_strndup(lx->arena, s, (size_t)(eq - s))));
	value = str_trim(arena_strdup(lx->arena, eq + 1));
	if (!*key || !*value || !isalpha((unsigned char)*key))
		return NULL;
	for (const char *k = key; *k; k++)
		if (!isalnum((unsigned char)*k))
			return NULL;
	*ret = true;
	if (str_eq(key, "syntax"))
		return set_once(&lx->directives.syntax, key, value);
	if (str_eq(key, "check"))
		return set_once(&lx->directives.check, key, value);
	if (str_eq(key, "escape")) {
		ES_TRY(set_once(escape, key, value));
		if (!str_eq(value, "\\") && !str_eq(value, "`"))
			return es_err_new(ES_E_INVALID, "invalid ESCAPE '%s'. Must be ` or \\", value);
		lx->directives.escape = value[0];
		return NULL;
	}
	*ret = false; /* an unknown key is a comment */
	return NULL;
}

es_err *dflex_init(struct dflex *lx, struct arena *a, const char *text, size_t len)
{
	const char *escape = NULL;
	bool more = true;

	if (len > DFLEX_BYTES_MAX)
		return es_err_new(ES_E_LIMIT, "Dockerfile of more than %u bytes", DFLEX_BYTES_MAX);
	*lx = (struct dflex){ .arena = a, .p = text, .end = text + len, .directives = { .escape = '\\' } };
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		lx->p += 3;
	if (lx->end - lx->p >= 2 && memcmp(lx->p, "#!", 2) == 0)
		(void)next_line(lx);
	while (more) {
		struct dflex here = *lx;
		const char *line = next_line(lx);

		more = false;
		if (line)
			ES_TRY(read_directive(lx, line, &escape, &more));
		if (!more) { /* give the line back */
			lx->p = here.p;
			lx->line = here.line;
		}
	}
	return NULL;
}

/* ---- continuations ---- */

/* Cut the escape character (and blanks after it) from the end of S; true when there was one. An escaped escape is none. */
static bool cut_continuation(char *s, char escape)
{
	size_t n = strlen(s);

	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (!n || s[n - 1] != escape || (n > 1 && s[n - 2] == escape))
		return false;
	s[n - 1] = 0;
	return true;
}

/* Join the lines that continue FIRST. */
static es_err *read_continued(struct dflex *lx, char *first, const char **ret)
{
	es_autobuf b = ES_BUF(DFLEX_BYTES_MAX);
	bool more = cut_continuation(first, lx->directives.escape);
	char *line;

	es_buf_adds(&b, first);
	while (more && (line = next_line(lx))) {
		const char *s = skip_blanks(line);

		if (!*s || *s == '#')
			continue;
		more = cut_continuation(line, lx->directives.escape);
		es_buf_adds(&b, line);
	}
	ES_TRY(es_buf_check(&b));
	*ret = str_trim(arena_strdup(lx->arena, es_buf_str(&b)));
	return NULL;
}

void dflex_split_name(struct arena *a, const char *text, const char **ret_name, const char **ret_rest)
{
	const char *end = text;

	while (*end && !isspace((unsigned char)*end))
		end++;
	*ret_name = arena_strndup(a, text, (size_t)(end - text));
	*ret_rest = str_trim(arena_strdup(a, end));
}

/* ---- here-documents ---- */

/* Instructions that may have one; ONBUILD of such an instruction too. */
static bool may_have_heredoc(struct arena *a, const char *text)
{
	const char *name, *rest;

	dflex_split_name(a, text, &name, &rest);
	if (str_eq_nocase(name, "ONBUILD"))
		dflex_split_name(a, rest, &name, &rest);
	return *rest != '[' && (str_eq_nocase(name, "RUN") || str_eq_nocase(name, "COPY") || str_eq_nocase(name, "ADD"));
}

bool dflex_heredoc_word(struct arena *a, const char *word, char escape, struct df_heredoc *ret)
{
	struct dfword_ctx plain = { .escape = escape, .flags = DFWORD_NO_EXPAND };
	const char *s = word, *name;
	unsigned fd = 0;

	for (; isdigit((unsigned char)*s) && fd < 1000; s++)
		fd = fd * 10 + (unsigned)(*s - '0');
	if (s[0] != '<' || s[1] != '<')
		return false;
	s += 2;
	*ret = (struct df_heredoc){ .chomp = *s == '-', .fd = fd };
	s += ret->chomp;
	if (!*s || strchr(s, '<'))
		return false;
	es_autoerr es_err *err = dfword_expand(a, &plain, s, &name);

	if (err || !*name)
		return false;
	ret->name = name;
	ret->expand = str_eq(name, s);
	return true;
}

static es_err *read_body(struct dflex *lx, struct df_heredoc *h)
{
	es_autobuf b = ES_BUF(DFLEX_BYTES_MAX);
	char *line;

	while ((line = next_line(lx))) {
		const char *s = line;

		while (h->chomp && *s == '\t')
			s++;
		if (str_eq(s, h->name)) {
			h->body = arena_strdup(lx->arena, es_buf_str(&b));
			return es_buf_check(&b);
		}
		es_buf_adds(&b, s);
		es_buf_addc(&b, '\n');
	}
	return es_err_new(ES_E_INVALID, "unterminated heredoc");
}

/* The next word of *S, quotes kept: blanks inside quotes do not end it. NULL at the end. */
static const char *raw_word(struct arena *a, const char **s, char escape)
{
	const char *p = *s, *start;
	char quote = 0;

	while (isspace((unsigned char)*p))
		p++;
	for (start = p; *p && (quote || !isspace((unsigned char)*p)); p++) {
		if (quote ? *p == quote : *p == '"' || *p == '\'')
			quote = quote ? 0 : *p;
		else if (*p == escape && quote != '\'' && p[1])
			p++;
	}
	*s = p;
	return p > start ? arena_strndup(a, start, (size_t)(p - start)) : NULL;
}

static es_err *read_heredocs(struct dflex *lx, struct df_line *line)
{
	struct df_heredoc h;

	for (const char *at = line->text, *word; (word = raw_word(lx->arena, &at, lx->directives.escape));) {
		if (!dflex_heredoc_word(lx->arena, word, lx->directives.escape, &h))
			continue;
		if (line->n_heredocs == DFLEX_HEREDOCS_MAX)
			return es_err_new(ES_E_LIMIT, "more than %d heredocs in one instruction", DFLEX_HEREDOCS_MAX);
		ES_TRY(read_body(lx, &h));
		if (!line->heredocs)
			line->heredocs = ARENA_ARRAY(lx->arena, struct df_heredoc, DFLEX_HEREDOCS_MAX);
		line->heredocs[line->n_heredocs++] = h;
	}
	return NULL;
}

es_err *dflex_next(struct dflex *lx, struct df_line *ret, bool *ret_end)
{
	struct df_line line = { 0 };
	const char *s;
	char *first;

	do {
		first = next_line(lx);
		if (!first) {
			*ret_end = true;
			return NULL;
		}
		s = skip_blanks(first);
		line.line = lx->line;
		/* a lone escape is an empty line that goes on: nothing */
	} while (!*s || *s == '#' || (s[0] == lx->directives.escape && !*skip_blanks(s + 1)));
	ES_TRY(read_continued(lx, arena_strdup(lx->arena, s), &line.text));
	if (strstr(line.text, "<<") && may_have_heredoc(lx->arena, line.text))
		ES_TRY(read_heredocs(lx, &line));
	line.last_line = lx->line;
	*ret = line;
	*ret_end = false;
	return NULL;
}

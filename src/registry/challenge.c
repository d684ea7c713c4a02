/* SPDX-License-Identifier: Apache-2.0 */
/* challenge.c: challenges = scheme [ parameters ] { "," … }; a name followed by "=" belongs to the scheme before it. */
#include "registry/challenge.h"

#include "base/str.h"

static const char token_chars[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static void skip_blanks(const char **at)
{
	*at += strspn(*at, " \t");
}

/* NULL: no token here. */
static char *take_token(struct arena *a, const char **at)
{
	size_t n = strspn(*at, token_chars);
	char *token = n ? arena_strndup(a, *at, n) : NULL;

	*at += n;
	return token;
}

/* NULL: the closing quote is missing. */
static char *take_quoted(struct arena *a, const char **at)
{
	char *out = arena_alloc(a, strlen(*at) + 1);
	size_t n = 0;

	for (const char *p = *at + 1; *p; p++) {
		if (*p == '"') {
			*at = p + 1;
			return out;
		}
		if (*p == '\\' && p[1])
			p++;
		out[n++] = *p;
	}
	return NULL;
}

static char *take_value(struct arena *a, const char **at)
{
	skip_blanks(at);
	return **at == '"' ? take_quoted(a, at) : take_token(a, at);
}

static void set(struct challenge *c, const char *name, const char *value)
{
	const struct {
		const char *name;
		const char **to;
	} rows[] = {
		{ "realm", &c->realm }, { "service", &c->service }, { "scope", &c->scope },
		{ "error", &c->error }, { "error_description", &c->error_description },
	};

	for (size_t i = 0; i < ES_N(rows); i++)
		if (str_eq_nocase(rows[i].name, name))
			*rows[i].to = value;
}

size_t challenge_parse(struct arena *a, const char *value, struct challenge *ret)
{
	const char *at = value;
	size_t n = 0;

	for (;;) {
		at += strspn(at, " \t,");
		char *word = take_token(a, &at), *text;
		if (!word)
			return n;
		skip_blanks(&at);
		if (*at != '=') {
			if (n == CHALLENGES_MAX)
				return n;
			ret[n++] = (struct challenge){ .scheme = str_lower(word) };
			continue;
		}
		at++;
		text = take_value(a, &at);
		if (!text || !n) /* a token68, a broken quote, or a parameter of nothing */
			return n;
		set(&ret[n - 1], word, text);
	}
}

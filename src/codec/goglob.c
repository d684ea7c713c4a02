/* SPDX-License-Identifier: Apache-2.0 */
/* goglob.c: path patterns as Go's filepath.Match reads them. */
#include "codec/goglob.h"

#include <string.h>

/* The character at *P, its backslash taken off; *P moves behind it. */
static unsigned char literal(const char **p)
{
	if (**p == '\\' && (*p)[1])
		(*p)++;
	return (unsigned char)*(*p)++;
}

/* *P stands behind "[": does the class have CH? *P moves behind "]". */
static bool in_class(const char **p, unsigned char ch)
{
	bool negated = **p == '^', found = false;

	*p += negated;
	for (bool first = true; **p && (first || **p != ']'); first = false) {
		unsigned char low = literal(p), high = low;

		if (**p == '-' && (*p)[1] && (*p)[1] != ']') {
			(*p)++;
			high = literal(p);
		}
		found |= ch >= low && ch <= high;
	}
	if (**p)
		(*p)++;
	return found != negated;
}

/* One element of PATTERN that is no star against one character. */
static bool match_one(const char **p, unsigned char ch)
{
	switch (**p) {
	case '?':
		(*p)++;
		return ch != '/';
	case '[':
		(*p)++;
		return in_class(p, ch) && ch != '/';
	default:
		return literal(p) == ch;
	}
}

/* Greedy with one point to come back to per kind of star: going back to the last star is enough, except that one that may
 * not cross a slash falls back to the last one that may. */
bool goglob_match(const char *pattern, const char *name, bool deep)
{
	const char *p = pattern, *s = name;
	struct {
		const char *p, *s;
	} back = { 0 }, deep_back = { 0 };

	for (;;) {
		if (deep && p[0] == '*' && p[1] == '*') {
			p += 2;
			if (*p == '/' && (s == name || s[-1] == '/'))
				p++; /* "**" + "/" may be nothing at a component's start … */
			deep_back.p = p;
			deep_back.s = s;
			back.p = NULL;
			continue;
		}
		if (*p == '*') {
			back.p = ++p;
			back.s = s;
			continue;
		}
		if (!*p && !*s)
			return true;
		if (*p && *s && match_one(&p, (unsigned char)*s)) {
			s++;
			continue;
		}
		if (back.p && *back.s && *back.s != '/') {
			p = back.p;
			s = ++back.s;
		} else if (deep_back.p && *deep_back.s) {
			p = deep_back.p;
			s = ++deep_back.s;
			/* … and otherwise ends at one */
			if (p > pattern && p[-1] == '/')
				while (*s && s[-1] != '/')
					s++;
			deep_back.s = s;
			back.p = NULL;
		} else {
			return false;
		}
	}
}

es_err *goglob_check(const char *pattern)
{
	for (const char *p = pattern; *p; p++) {
		if (*p == '\\' && !*++p)
			return es_err_new(ES_E_INVALID, "syntax error in pattern");
		if (*p != '[')
			continue;
		p += p[1] == '^' ? 2 : 1;
		for (bool first = true; first || *p != ']'; first = false, p++) {
			if (*p == '\\')
				p++;
			if (!*p || (first && *p == ']'))
				return es_err_new(ES_E_INVALID, "syntax error in pattern");
		}
	}
	return NULL;
}

bool goglob_is_pattern(const char *text)
{
	return strpbrk(text, "*?[\\") != NULL;
}

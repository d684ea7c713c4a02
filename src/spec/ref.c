/* SPDX-License-Identifier: Apache-2.0 */
/* ref.c: the grammar of image references, one small function per production. */
#include "spec/ref.h"

#include <ctype.h>

#include "base/str.h"

#define NAME_MAX_LEN 255u /* domain and path */
#define TAG_MAX_LEN 128u
#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DOMAIN "index.docker.io"
#define OFFICIAL "library/"
#define ID_LEN 64u

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_lower_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static size_t span(const char *s, bool (*is)(char c))
{
	size_t n = 0;

	while (is(s[n]))
		n++;
	return n;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Each of the following takes the production off the front of *S and says whether it was there. */

/* alnum (alnum | "-")* alnum?, not ending in "-" */
static bool domain_component(const char **s)
{
	const char *p = *s;

	if (!is_alnum(*p))
		return false;
	while (is_alnum(*p) || *p == '-')
		p++;
	if (p[-1] == '-')
		return false;
	*s = p;
	return true;
}

static bool domain_ipv6(const char **s)
{
	const char *p = *s;

	if (*p++ != '[')
		return false;
	while (isxdigit((unsigned char)*p) || *p == ':')
		p++;
	if (*p != ']' || p == *s + 1)
		return false;
	*s = p + 1;
	return true;
}

static bool domain(const char **s)
{
	if (**s == '[') {
		if (!domain_ipv6(s))
			return false;
	} else {
		do
			if (!domain_component(s))
				return false;
		while (**s == '.' && (*s)++);
	}
	if (**s != ':')
		return true;
	size_t n = span(*s + 1, is_digit);
	*s += 1 + n;
	return n > 0;
}

/* [a-z0-9]+ (("." | "_" | "__" | "-"+) [a-z0-9]+)* */
static bool path_component(const char **s)
{
	const char *p = *s;
	size_t n = span(p, is_lower_alnum);

	if (!n)
		return false;
	for (p += n;; p += n) {
		size_t sep = *p == '.' ? 1 : *p == '_' ? (p[1] == '_' ? 2 : 1) : strspn(p, "-");

		if (!sep)
			break;
		n = span(p + sep, is_lower_alnum);
		if (!n)
			return false;
		p += sep;
	}
	*s = p;
	return true;
}

static bool path(const char **s)
{
	do
		if (!path_component(s))
			return false;
	while (**s == '/' && (*s)++);
	return true;
}

static bool tag(const char **s)
{
	size_t n = 1;

	if (!is_alnum(**s) && **s != '_')
		return false;
	while (is_alnum((*s)[n]) || ((*s)[n] && strchr("_.-", (*s)[n])))
		n++;
	*s += n;
	return n <= TAG_MAX_LEN;
}

bool ref_is_tag(const char *text)
{
	return tag(&text) && !*text;
}

bool ref_is_digest(const char *text)
{
	static const struct {
		const char *prefix;
		size_t digits;
	} algorithms[] = { { "sha256:", 64 }, { "sha384:", 96 }, { "sha512:", 128 } };

	for (size_t i = 0; i < ES_N(algorithms); i++) {
		const char *hex = str_after(text, algorithms[i].prefix);

		if (hex)
			return span(hex, is_lower_hex) == algorithms[i].digits && !hex[algorithms[i].digits];
	}
	return false;
}

bool ref_is_full_id(const char *text)
{
	const char *hex = str_after(text, "sha256:");

	if (!hex)
		hex = text;
	return span(hex, is_lower_hex) == ID_LEN && !hex[ID_LEN];
}

bool ref_is_short_id(const char *text)
{
	size_t n = span(text, is_lower_hex);

	return n > 0 && n <= ID_LEN && !text[n];
}

/* "a/b": the part before the first "/" is a domain when it could not be a path component of docker.io. */
static bool reads_as_domain(const char *text)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : 0;

	for (size_t i = 0; i < n; i++)
		if (text[i] == '.' || text[i] == ':' || isupper((unsigned char)text[i]))
			return true;
	return str_starts(text, "localhost/");
}

static const char *split_domain(struct arena *a, const char *text, const char **ret_domain)
{
	size_t n = strcspn(text, "/");

	if (!reads_as_domain(text)) {
		*ret_domain = DEFAULT_DOMAIN;
		return text;
	}
	*ret_domain = arena_strndup(a, text, n);
	if (str_eq(*ret_domain, LEGACY_DOMAIN))
		*ret_domain = DEFAULT_DOMAIN;
	return text + n + 1;
}

static es_err *bad_format(void)
{
	return es_err_new(ES_E_INVALID, "invalid reference format");
}

/* REST is what follows the domain. */
static es_err *parse_rest(struct arena *a, const char *rest, struct ref *r)
{
	const char *p = rest, *start;

	if (!path(&p))
		return bad_format();
	r->path = arena_strndup(a, rest, (size_t)(p - rest));
	if (*p == ':') {
		start = ++p;
		if (!tag(&p))
			return bad_format();
		r->tag = arena_strndup(a, start, (size_t)(p - start));
	}
	if (*p == '@') {
		if (!ref_is_digest(p + 1))
			return bad_format();
		r->digest = arena_strdup(a, p + 1);
	} else if (*p) {
		return bad_format();
	}
	return NULL;
}

es_err *ref_parse(struct arena *a, const char *text, struct ref *ret)
{
	struct ref r = { 0 };
	const char *rest, *p;
	size_t name_len;

	if (span(text, is_lower_hex) == ID_LEN && !text[ID_LEN])
		return es_err_new(ES_E_INVALID, "invalid repository name (%s), cannot specify 64-byte hexadecimal strings", text);
	rest = split_domain(a, text, &r.domain);
	if (str_eq(r.domain, DEFAULT_DOMAIN) && !strchr(rest, '/'))
		rest = arena_printf(a, OFFICIAL "%s", rest);
	name_len = strcspn(rest, ":@");
	for (size_t i = 0; i < name_len; i++)
		if (isupper((unsigned char)rest[i]))
			return es_err_new(ES_E_INVALID, "invalid reference format: repository name (%.*s) must be lowercase", (int)strcspn(rest, ":"),
					  rest);
	p = r.domain;
	if (!domain(&p) || *p)
		return bad_format();
	ES_TRY(parse_rest(a, rest, &r));
	if (strlen(r.domain) + 1 + strlen(r.path) > NAME_MAX_LEN)
		return es_err_new(ES_E_INVALID, "invalid reference format: repository name must not be more than %u characters", NAME_MAX_LEN);
	*ret = r;
	return NULL;
}

void ref_default_tag(struct ref *r)
{
	if (!r->tag && !r->digest)
		r->tag = "latest";
}

char *ref_name(struct arena *a, const struct ref *r)
{
	return arena_printf(a, "%s/%s", r->domain, r->path);
}

char *ref_familiar_name(struct arena *a, const struct ref *r)
{
	const char *short_path;

	if (!str_eq(r->domain, DEFAULT_DOMAIN))
		return ref_name(a, r);
	short_path = str_after(r->path, OFFICIAL);
	if (!short_path || strchr(short_path, '/'))
		short_path = r->path;
	/* A short form that would read as something else (docker.io/a.b/c, docker.io/library/<64 digits>) stays long. */
	return reads_as_domain(short_path) || ref_is_full_id(short_path) ? ref_name(a, r) : arena_strdup(a, short_path);
}

static char *with_rest(struct arena *a, const char *name, const struct ref *r)
{
	return arena_printf(a, "%s%s%s%s%s", name, r->tag ? ":" : "", r->tag ? r->tag : "", r->digest ? "@" : "",
			    r->digest ? r->digest : "");
}

char *ref_full(struct arena *a, const struct ref *r)
{
	return with_rest(a, ref_name(a, r), r);
}

char *ref_familiar(struct arena *a, const struct ref *r)
{
	return with_rest(a, ref_familiar_name(a, r), r);
}

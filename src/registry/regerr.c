/* SPDX-License-Identifier: Apache-2.0 */
/* regerr.c: error codes of the distribution-spec, and how docker's client reads what is not one. */
#include "registry/regerr.h"

#include <ctype.h>

#include "base/str.h"
#include "codec/json.h"

#define CODE_MAX 64u
#define SHOWN_MAX 1024u

static const struct {
	long status;
	const char *text;
} status_texts[] = {
	{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" }, { 409, "Conflict" }, { 410, "Gone" }, { 413, "Request Entity Too Large" },
	{ 416, "Requested Range Not Satisfiable" }, { 418, "I'm a teapot" }, { 429, "Too Many Requests" },
	{ 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 502, "Bad Gateway" }, { 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
};

const char *regerr_status_text(long status)
{
	for (size_t i = 0; i < ES_N(status_texts); i++)
		if (status_texts[i].status == status)
			return status_texts[i].text;
	return "";
}

/* Code, class, and the message where a registry gives none. */
static const struct {
	const char *code;
	enum es_err_class class;
	const char *message;
} codes[] = {
	{ "UNAUTHORIZED", ES_E_UNAUTHORIZED, "authentication required" },
	{ "DENIED", ES_E_FORBIDDEN, "requested access to the resource is denied" },
	{ "MANIFEST_UNKNOWN", ES_E_NOT_FOUND, "manifest unknown" },
	{ "NAME_UNKNOWN", ES_E_NOT_FOUND, "repository name not known to registry" },
	{ "BLOB_UNKNOWN", ES_E_NOT_FOUND, "blob unknown to registry" },
	{ "TOOMANYREQUESTS", ES_E_UNAVAILABLE, "too many requests" },
	{ "UNAVAILABLE", ES_E_UNAVAILABLE, "service unavailable" },
};

/* "MANIFEST_UNKNOWN" is shown as "manifest unknown". */
static es_err *of_code(const char *code, const char *message)
{
	enum es_err_class class = ES_E_PROTOCOL;
	char shown[CODE_MAX + 1];
	size_t n = 0;

	for (size_t i = 0; i < ES_N(codes); i++)
		if (str_eq_nocase(codes[i].code, code)) {
			class = codes[i].class;
			message = str_empty(message) ? codes[i].message : message;
		}
	for (; code[n] && n < CODE_MAX; n++)
		shown[n] = code[n] == '_' ? ' ' : (char)tolower((unsigned char)code[n]);
	shown[n] = '\0';
	return es_err_new(class, "%s: %.*s", shown, (int)SHOWN_MAX, message ? message : "");
}

static es_err *of_body(struct arena *a, const char *body, size_t n)
{
	struct json *doc, *first;
	es_err *err = json_parse(a, body, n, &doc);
	const char *code;

	if (err) {
		es_err_free(err);
		return NULL;
	}
	first = json_at(json_get(doc, "errors"), 0);
	code = json_str(json_get(first, "code"));
	return code ? of_code(code, json_str(json_get(first, "message"))) : NULL;
}

static es_err *of_challenges(const struct challenge *c, size_t n)
{
	static const struct {
		const char *error, *code;
	} rows[] = { { "invalid_token", "UNAUTHORIZED" }, { "insufficient_scope", "DENIED" } };

	for (; n > 0; c++, n--)
		for (size_t i = 0; i < ES_N(rows); i++)
			if (str_eq(c->scheme, "bearer") && str_eq(c->error, rows[i].error))
				return of_code(rows[i].code, c->error_description);
	return NULL;
}

es_err *regerr_reply(long status, const char *body, size_t n, const struct challenge *c, size_t n_c)
{
	es_autoarena *a = arena_new();
	es_err *err = status < 500 ? of_challenges(c, n_c) : NULL;

	if (!err && status < 500)
		err = of_body(a, body, n);
	if (err)
		return err;
	if (status >= 500)
		return es_err_new(ES_E_UNAVAILABLE, "received unexpected HTTP status: %ld %s", status, regerr_status_text(status));
	if (status == 401)
		return of_code("UNAUTHORIZED", NULL);
	return es_err_new(status == 404 ? ES_E_NOT_FOUND : status == 403 ? ES_E_FORBIDDEN : status == 429 ? ES_E_UNAVAILABLE : ES_E_PROTOCOL,
			  "error parsing HTTP %ld response body: no error details found in HTTP response body: \"%.*s\"", status,
			  (int)(n < SHOWN_MAX ? n : SHOWN_MAX), body);
}

es_err *regerr_at(es_err *err, const char *method, const char *url)
{
	char verb[16] = "";

	for (size_t i = 0; method[i] && i + 1 < sizeof verb; i++)
		verb[i] = (char)(i ? tolower((unsigned char)method[i]) : toupper((unsigned char)method[i]));
	return es_err_in(err, "%s \"%s\"", verb, url);
}

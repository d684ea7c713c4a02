/* SPDX-License-Identifier: Apache-2.0 */
/* err.c: error values and the table that says what each class looks like from outside. */
#include "base/err.h"

#include <stdio.h>

struct es_err {
	enum es_err_class class;
	int errnum;
	char *text;
};

static const struct {
	const char *name;
	int http;
} classes[] = {
	[ES_E_INVALID] = { "invalid", 400 },
	[ES_E_UNAUTHORIZED] = { "unauthorized", 401 },
	[ES_E_FORBIDDEN] = { "forbidden", 403 },
	[ES_E_NOT_FOUND] = { "not-found", 404 },
	[ES_E_CONFLICT] = { "conflict", 409 },
	[ES_E_NOT_MODIFIED] = { "not-modified", 304 },
	[ES_E_LIMIT] = { "limit", 500 },
	[ES_E_UNSUPPORTED] = { "unsupported", 501 },
	[ES_E_UNAVAILABLE] = { "unavailable", 503 },
	[ES_E_TIMEOUT] = { "timeout", 500 },
	[ES_E_CANCELLED] = { "cancelled", 499 },
	[ES_E_PROTOCOL] = { "protocol", 500 },
	[ES_E_SYSTEM] = { "system", 500 },
	[ES_E_INTERNAL] = { "internal", 500 },
};
_Static_assert(ES_N(classes) == ES_E_N, "a class without a row");

static es_err *make(enum es_err_class class, int errnum, char *text)
{
	es_err *err = ES_NEW(es_err);

	err->class = class;
	err->errnum = errnum;
	err->text = text;
	return err;
}

es_err *es_err_new(enum es_err_class class, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = es_xvasprintf(fmt, ap);
	va_end(ap);
	return make(class, 0, text);
}

es_err *es_err_with_errno(es_err *err, int errnum)
{
	if (err)
		err->errnum = errnum;
	return err;
}

es_err *es_err_sys(int errnum, const char *fmt, ...)
{
	es_autofree char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = es_xvasprintf(fmt, ap);
	va_end(ap);
	return make(ES_E_SYSTEM, errnum, es_xasprintf("%s: %s", what, strerror(errnum)));
}

es_err *es_err_in(es_err *err, const char *fmt, ...)
{
	es_autofree char *where = NULL;
	va_list ap;
	char *text;

	if (!err)
		return NULL;
	va_start(ap, fmt);
	where = es_xvasprintf(fmt, ap);
	va_end(ap);
	text = es_xasprintf("%s: %s", where, err->text);
	free(err->text);
	err->text = text;
	return err;
}

es_err *es_err_as(es_err *err, enum es_err_class class)
{
	if (err)
		err->class = class;
	return err;
}

es_err *es_err_dup(const es_err *err)
{
	return err ? make(err->class, err->errnum, es_xstrdup(err->text)) : NULL;
}

void es_err_free(es_err *err)
{
	if (!err)
		return;
	free(err->text);
	free(err);
}

enum es_err_class es_err_class(const es_err *err)
{
	return err->class;
}

const char *es_err_text(const es_err *err)
{
	return err->text;
}

int es_err_errno(const es_err *err)
{
	return err->errnum;
}

int es_err_http(const es_err *err)
{
	return classes[err->class].http;
}

const char *es_err_class_name(enum es_err_class class)
{
	return class < ES_E_N ? classes[class].name : classes[ES_E_INTERNAL].name;
}

enum es_err_class es_err_class_parse(const char *name)
{
	for (size_t i = 0; i < ES_N(classes); i++)
		if (strcmp(classes[i].name, name) == 0)
			return (enum es_err_class)i;
	return ES_E_INTERNAL;
}

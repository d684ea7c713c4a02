/* SPDX-License-Identifier: Apache-2.0 */
/* err.h: the error value that every fallible function returns; NULL is success. */
#pragma once

#include "base/mem.h"

/* The class decides what the outside sees: one table (err.c) maps it to an HTTP status and an exit code. */
enum es_err_class {
	ES_E_INVALID,      /* the caller's input is wrong                    400 */
	ES_E_UNAUTHORIZED, /* credentials are missing or wrong               401 */
	ES_E_FORBIDDEN,    /* understood and refused                         403 */
	ES_E_NOT_FOUND,    /* the named thing does not exist                 404 */
	ES_E_CONFLICT,     /* the thing's state or name does not allow it    409 */
	ES_E_NOT_MODIFIED, /* already so; no body is sent                    304 */
	ES_E_LIMIT,        /* a named maximum was reached                    500 */
	ES_E_UNSUPPORTED,  /* this kernel or build cannot                    501 */
	ES_E_UNAVAILABLE,  /* not now                                        503 */
	ES_E_TIMEOUT,      /* took too long                                  500 */
	ES_E_CANCELLED,    /* the client went away or asked to stop          499 */
	ES_E_PROTOCOL,     /* a peer said something that it may not say      500 */
	ES_E_SYSTEM,       /* a system call failed; es_err_errno() tells     500 */
	ES_E_INTERNAL,     /* ours                                           500 */
	ES_E_N
};

typedef struct es_err es_err;

/* Make an error. The text reads from the outside in, lower case, no full stop, no "failed to". */
es_err *es_err_new(enum es_err_class class, const char *fmt, ...) ES_CHECKED ES_PRINTF(2, 3);
/* Make an error from an errno value; the text gets ": strerror". ENOENT does not become NOT_FOUND by
 * itself: whoever knows the noun decides. */
es_err *es_err_sys(int errnum, const char *fmt, ...) ES_CHECKED ES_PRINTF(2, 3);
/* Put "FMT: " before the text of ERR; NULL stays NULL. Takes ERR and returns it. */
es_err *es_err_in(es_err *err, const char *fmt, ...) ES_CHECKED ES_PRINTF(2, 3);
/* Change the class, keeping the text; NULL stays NULL. */
es_err *es_err_as(es_err *err, enum es_err_class class) ES_CHECKED;
/* Remember an errno value that is not in the text; NULL stays NULL. Takes ERR and returns it. */
es_err *es_err_with_errno(es_err *err, int errnum) ES_CHECKED;
/* A copy on the heap; NULL stays NULL. */
es_err *es_err_dup(const es_err *err) ES_CHECKED;
/* NULL is fine. */
void es_err_free(es_err *err);

enum es_err_class es_err_class(const es_err *err);
const char *es_err_text(const es_err *err); /* borrowed from ERR */
int es_err_errno(const es_err *err);        /* 0 when it did not come from a system call */
int es_err_http(const es_err *err);         /* HTTP status */
/* Text for a class, as used in logs and machine-readable errors: "not-found". */
const char *es_err_class_name(enum es_err_class class);
/* Inverse of es_err_class_name; ES_E_INTERNAL for an unknown name. */
enum es_err_class es_err_class_parse(const char *name);

/* Forget an error on purpose (clean-up that must not hide the first one). NULL is fine. */
static inline void es_err_drop(es_err *err)
{
	es_err_free(err);
}

static inline void es_err_free_p(es_err **err)
{
	es_err_free(*err);
	*err = NULL;
}
#define es_autoerr __attribute__((cleanup(es_err_free_p)))

/* Hand a failure up. The only macro that returns. */
#define ES_TRY(step)                  \
	do {                          \
		es_err *err_ = (step); \
		if (err_)             \
			return err_;  \
	} while (0)

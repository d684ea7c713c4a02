/* SPDX-License-Identifier: Apache-2.0 */
/* gotmpl.h: Go's text/template over JSON values, with docker's functions, for --format. */
#pragma once

#include "codec/field.h"

#define GOTMPL_TEXT_MAX ((size_t)1 << 20) /* bytes of a template */
#define GOTMPL_DEPTH_MAX 100              /* nested actions, parentheses and template calls */

/* A parsed template; lives in the arena it was parsed in, never changes, may be executed by several threads. */
struct gotmpl;

/* A method of a typed document: {{.Label "key"}}. */
struct gotmpl_method {
	const char *name; /* NULL ends a list */
	size_t n_args;
	/* OBJECT is what the method is called on. *RET lives in A. */
	es_err *(*call)(void *self, struct arena *a, const struct json *object, const struct json *const *args,
			struct json **ret);
};

/* What Go calls a struct type. Its fields are the rows, or, without rows, whatever members the object has. Any other
 * name is an error: "can't evaluate field X in type NAME". */
struct gotmpl_type {
	const char *name;                    /* "*formatter.ContainerContext" */
	const struct field *rows;            /* borrowed; nested rows make nested types */
	const struct gotmpl_method *methods; /* may be NULL */
};

enum gotmpl_flags {
	GOTMPL_MISSING_KEY_ERROR = 1 << 0, /* Go's missingkey=error: a map without the key is an error, not "<no value>" */
	GOTMPL_HEADER = 1 << 1,            /* docker's table headers: json, split, join, title, lower, upper, truncate return
					      their first argument */
	GOTMPL_FLOATS = 1 << 2,            /* numbers of untyped values are float64 (Go without UseNumber): 1e+06 */
	GOTMPL_POINTERS = 1 << 3,          /* nulls of untyped values are Go's nil pointers: "<nil>", not "<no value>" */
};

/* How the document is to be seen. All zero: a raw document, every object a map. */
struct gotmpl_env {
	const struct gotmpl_type *type; /* of the document itself; NULL: untyped */
	/* Go's name for the nested struct that ROWS describe, for error texts; may be NULL. */
	const char *(*type_name)(void *self, const struct field *rows);
	void *self; /* handed to methods and type_name */
	unsigned flags;
};

/* NAME is what error texts call the template: "" mostly. Errors are ES_E_INVALID with Go's text, without docker's
 * "template parsing error: " in front: template: NAME:1: function "x" not defined. */
es_err *gotmpl_parse(struct arena *a, const char *name, const char *text, size_t len, struct gotmpl **ret) ES_CHECKED;
/* Appends to OUT; after an error OUT holds what came before it, as in Go. Errors: ES_E_INVALID with Go's text:
 * template: NAME:1:2: executing "NAME" at <.X>: map has no entry for key "X"; ES_E_LIMIT when OUT is full. */
es_err *gotmpl_exec(const struct gotmpl *t, const struct gotmpl_env *env, const struct json *data,
		    struct es_buf *out) ES_CHECKED;
/* Whether a field called NAME appears anywhere (so that what is costly to find out is asked for only then). */
bool gotmpl_mentions(const struct gotmpl *t, const char *name);

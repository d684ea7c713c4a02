/* SPDX-License-Identifier: Apache-2.0 */
/* gotmpl_priv.h: what the parser, the interpreter and the functions of gotmpl share. */
#pragma once

#include "codec/gotmpl.h"

enum node_kind {
	NODE_TEXT,
	NODE_ACTION, /* pipe */
	NODE_IF,     /* pipe, body, otherwise */
	NODE_RANGE,
	NODE_WITH,
	NODE_TEMPLATE, /* text is the name, value the quoted one; pipe may be NULL */
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_END, /* these two only while parsing */
	NODE_ELSE,
	NODE_PIPE,    /* declared variables in names, commands in first */
	NODE_COMMAND, /* operands in first */
	NODE_FIELD,   /* .A.B: names */
	NODE_VARIABLE, /* $x.A: names, the first with its $ */
	NODE_CHAIN,   /* (pipe).A: pipe or operand in first, names */
	NODE_IDENT,   /* a function's name */
	NODE_DOT,
	NODE_NIL,
	NODE_BOOL,
	NODE_NUMBER,
	NODE_STRING, /* text: decoded; source: as written */
};

struct node {
	enum node_kind kind;
	size_t pos; /* byte offset in the template */
	const char *text;
	size_t len;
	const char *source; /* literals: as written */
	const char **names;
	size_t n_names;
	bool assigns; /* pipe: $x = instead of $x := */
	struct node *first, *last, *next;
	size_t n;
	struct node *pipe, *body, *otherwise; /* body, otherwise: first of a list */
};

struct named {
	const char *name;
	struct node *body;
	struct named *next;
};

struct gotmpl {
	const char *name;
	const char *text; /* NUL-terminated copy */
	size_t len;
	struct node *body;
	struct named *named; /* define and block */
	char **mentioned;
};

/* "NAME:LINE:COLUMN" of an offset, as Go's ErrorContext. */
void gotmpl_place(const struct gotmpl *t, size_t pos, struct es_buf *out);
/* A node as Go prints it in error texts. */
void gotmpl_node_text(struct es_buf *out, const struct node *n);

/* Values */

enum val_kind {
	VAL_NONE, /* Go's zero reflect.Value: "<no value>" */
	VAL_NIL,
	VAL_BOOL,
	VAL_INT,
	VAL_FLOAT,
	VAL_STR,
	VAL_LIST,
	VAL_MAP,
	VAL_STRUCT,
};

struct val {
	enum val_kind kind;
	bool b;
	bool pointer;  /* NIL: of a typed pointer */
	bool duration; /* INT: nanoseconds */
	bool untyped;  /* from a raw document: Go's interface {} */
	int64_t i;
	double f;
	const char *s; /* STR; INT and FLOAT that do not fit their type or are printed as written: the text */
	size_t len;
	const struct json *j;     /* LIST, MAP, STRUCT */
	const struct field *row;  /* typed containers: what the elements are */
	bool inner;               /* of a LIST_MAP row: this is one of the lists */
	const struct field *rows; /* STRUCT */
	const struct gotmpl_type *type;
};

struct exec {
	const struct gotmpl *t;
	const struct gotmpl_env *env;
	struct arena *a;
	struct es_buf *out;
	const struct node *at; /* for errors */
	const char *executing;
	struct var {
		const char *name;
		struct val v;
	} *vars;
	size_t n_vars, cap_vars;
	int depth;
	enum { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;
};

es_err *exec_error(struct exec *x, const char *fmt, ...) ES_PRINTF(2, 3) ES_CHECKED;
struct val val_str(const char *s, size_t n);
struct val val_int(int64_t i);
struct val val_bool(bool b);
/* A value of an untyped document. */
struct val val_json(const struct exec *x, const struct json *j);
/* The child J of the list or map V. */
struct val val_child(const struct exec *x, const struct val *v, const struct json *j);
bool val_truth(const struct val *v);
const char *val_type_name(const struct exec *x, const struct val *v);
/* As fmt.Fprint; TOP: a value that stands alone, else one inside another. */
void val_print(struct exec *x, struct es_buf *out, const struct val *v, bool top);
/* As encoding/json. */
void val_write_json(struct exec *x, struct es_buf *out, const struct val *v);
/* The members of a map in Go's order; arena. */
const struct json **val_sorted(struct exec *x, const struct json *map);

/* Functions: SIGNATURE has a letter per argument (s string, i integer, v any); a final * repeats the last one any number
 * of times, including none. */
struct gotmpl_func {
	const char *name;
	const char *signature;
	es_err *(*call)(struct exec *x, const struct val *args, size_t n, struct val *ret); /* text: what went wrong */
};
const struct gotmpl_func *gotmpl_func_find(const char *name);

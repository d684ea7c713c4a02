/* SPDX-License-Identifier: Apache-2.0 */
/* format.h: --format of the list commands: a table of columns (template name, header, getter) and docker's modes. */
#pragma once

#include "cli/cmd.h"

struct format_row {
	struct cli *cli;
	const struct json *doc; /* the object as the daemon sent it */
	bool full;              /* --no-trunc */
	void *self;             /* the command's own */
};

struct format_column {
	const char *name;   /* in templates: "ID" */
	const char *header; /* in tables: "CONTAINER ID" */
	/* The cell; NULL is "", FORMAT_NIL is Go's nil. In the arena. */
	const char *(*get)(const struct format_row *row);
};

#define FORMAT_NIL ((const char *)-1)

struct format {
	const char *type; /* Go's name, for error texts: "*formatter.ContainerContext" */
	const struct format_column *columns; /* a row with name NULL ends them */
	const char *table; /* template of the table: "{{.ID}}\t{{.Image}}" */
	const char *quiet; /* with -q; NULL: "{{.ID}}" */
	const char *raw;   /* --format raw; NULL: none */
	const char *config_key; /* default in config.json: "psFormat"; may be NULL */
	const char *(*label)(const struct format_row *row, const char *key); /* {{.Label "k"}}; NULL: docs' "Labels" */
	const char *error_prefix; /* NULL: "failed to execute template" */
	bool bools; /* values "true" and "false" are JSON booleans */
};

struct format_list {
	const struct format *format;
	const char *given; /* --format */
	bool quiet, full;
	void *self;
};

/* The template that is used: --format, the configuration's, or the table. In the arena; with "table " in front for tables. */
const char *format_template(struct cli *c, const struct format_list *l);
/* Run --format (or the configuration's) on an object without anything in it, for its errors: docker's ps does that first. */
es_err *format_check(struct cli *c, const struct format_list *l) ES_CHECKED;
/* Does the template mention a field (so that the daemon must be asked for it)? */
bool format_mentions(struct cli *c, const struct format_list *l, const char *field);
/* DOC as the template sees it: one member per column. */
struct json *format_document(struct cli *c, const struct format_list *l, const struct json *doc);
/* Print DOCS. ES_E_INVALID with docker's texts for a bad template. */
es_err *format_print(struct cli *c, const struct format_list *l, const struct json *const *docs, size_t n) ES_CHECKED;
/* The same for an array of the daemon. */
es_err *format_print_array(struct cli *c, const struct format_list *l, const struct json *array) ES_CHECKED;
/* One text without printing it (stats draws it). */
es_err *format_text(struct cli *c, const struct format_list *l, const struct json *const *docs, size_t n, struct es_buf *out) ES_CHECKED;

/* Labels as "a=1,b=2". */
const char *format_labels(struct cli *c, const struct json *labels);
/* "\t" and "\n" in arguments are meant. In the arena. */
char *format_unescape(struct cli *c, const char *text);
#define FORMAT_HELP                                                                                           \
	"How to print: 'table' (columns with headers), 'table TEMPLATE', 'json', or a Go template"

/* SPDX-License-Identifier: Apache-2.0 */
/* opt.h: option tables: one row names an option, says where its value goes, and is its help and its completion too. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum opt_kind {
	OPT_BOOL,     /* bool; --x, --x=false */
	OPT_STR,      /* const char *, borrowed from the arguments (or from the row's default) */
	OPT_I64,      /* int64_t; 0x and 0 prefixes as in Go */
	OPT_U64,      /* uint64_t */
	OPT_U16,      /* uint16_t */
	OPT_DURATION, /* int64_t nanoseconds, "1m30s" */
	OPT_BYTES,    /* int64_t bytes, "64m" */
	OPT_LIST,     /* char **, repeatable */
	OPT_CSV,      /* char **, repeatable and comma-separated */
	OPT_CALL,     /* anything: the row's set() stores it */
	OPT_TABLE,    /* not an option: the rows of another table, for a struct inside this one */
};

enum opt_flags {
	OPT_HIDDEN = 1 << 0, /* works, but neither help nor completion shows it */
};

struct opt {
	const char *name; /* without dashes; NULL ends a table */
	char letter;      /* short form; 0: none */
	enum opt_kind kind;
	unsigned flags;
	size_t offset;          /* of the value in the caller's struct */
	const char *value_name; /* as help shows it; NULL: the kind's own word */
	const char *def;        /* default, written as a user would; NULL: nothing is stored */
	const char *shown;      /* default as help shows it, where it is not def's own text; "" shows none */
	const char *help;
	const char *deprecated;             /* what to do instead; also hides the row */
	es_err *(*check)(const char *text); /* of one value, before it is stored; may be NULL */
	es_err *(*set)(const char *text, void *at);
	const struct opt *sub; /* OPT_TABLE */
};

/* Rows: the compiler checks that the member has the row's type. What follows the letter are further members of struct opt,
 * such as .help = "…". */
#define OPT_AT(type, member, want) \
	(offsetof(type, member) + 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)0)->member), want) ? 1 : -1]))
#define OPT_ROW_(n, l, k, at, ...) { .name = n, .letter = l, .kind = k, .offset = at, __VA_ARGS__ }
#define O_BOOL(type, member, n, l, ...) OPT_ROW_(n, l, OPT_BOOL, OPT_AT(type, member, bool), __VA_ARGS__)
#define O_STR(type, member, n, l, ...) OPT_ROW_(n, l, OPT_STR, OPT_AT(type, member, const char *), __VA_ARGS__)
#define O_I64(type, member, n, l, ...) OPT_ROW_(n, l, OPT_I64, OPT_AT(type, member, int64_t), __VA_ARGS__)
#define O_U64(type, member, n, l, ...) OPT_ROW_(n, l, OPT_U64, OPT_AT(type, member, uint64_t), __VA_ARGS__)
#define O_U16(type, member, n, l, ...) OPT_ROW_(n, l, OPT_U16, OPT_AT(type, member, uint16_t), __VA_ARGS__)
#define O_DURATION(type, member, n, l, ...) OPT_ROW_(n, l, OPT_DURATION, OPT_AT(type, member, int64_t), __VA_ARGS__)
#define O_BYTES(type, member, n, l, ...) OPT_ROW_(n, l, OPT_BYTES, OPT_AT(type, member, int64_t), __VA_ARGS__)
#define O_LIST(type, member, n, l, ...) OPT_ROW_(n, l, OPT_LIST, OPT_AT(type, member, char **), __VA_ARGS__)
#define O_CSV(type, member, n, l, ...) OPT_ROW_(n, l, OPT_CSV, OPT_AT(type, member, char **), __VA_ARGS__)
#define O_CALL(type, member, n, l, ...) OPT_ROW_(n, l, OPT_CALL, offsetof(type, member), __VA_ARGS__)
#define O_TABLE(type, member, rows) { .name = "", .kind = OPT_TABLE, .offset = offsetof(type, member), .sub = rows }
#define O_END { .name = NULL }

struct opt_result {
	char **args; /* NULL-terminated positional arguments, borrowed from ARGV; the vector is the result's */
	size_t n_args;
	const struct opt **seen; /* rows that were given, in order */
	size_t n_seen;
	struct es_buf notes; /* lines for standard error: deprecations */
};

enum opt_mode {
	OPT_INTERSPERSED, /* options may stand behind positional arguments */
	OPT_FIRST,        /* the first positional argument ends the options (docker run IMAGE …) */
};

/* Store the defaults of ROWS into the zeroed struct at VALUES, then parse ARGV (NULL-terminated, without the program's
 * name) as pflag does: --x=v, --x v, -xv, -x v, -abc, "--". Errors are ES_E_INVALID with pflag's texts:
 * unknown flag: --x · unknown shorthand flag: 'x' in -xy · flag needs an argument: --x ·
 * invalid argument "v" for "-m, --memory" flag: why. On an error VALUES and RET hold what was read so far: both are always
 * to be released. */
es_err *opt_parse(const struct opt *rows, void *values, enum opt_mode mode, char *const *argv, struct opt_result *ret) ES_CHECKED;
void opt_result_done(struct opt_result *r);
/* Free the lists that opt_parse made in VALUES. */
void opt_values_done(const struct opt *rows, void *values);
/* Was the option given (whatever its value)? */
bool opt_seen(const struct opt_result *r, const char *name);
/* Set one option as if "--NAME=TEXT" had been given; ES_E_NOT_FOUND for an unknown name. For configuration files. */
es_err *opt_set(const struct opt *rows, void *values, const char *name, const char *text) ES_CHECKED;

/* Append the visible options sorted by name, in pflag's layout, wrapped at WIDTH columns (0: not wrapped). */
void opt_help(const struct opt *rows, size_t width, struct es_buf *out);
/* The rows flat and sorted by name, without the tables between; *RET is the caller's, returns how many. */
size_t opt_sorted(const struct opt *rows, const struct opt ***ret);
/* Does a row have the letter? */
bool opt_has_letter(const struct opt *rows, char letter);
bool opt_is_visible(const struct opt *row);
/* The word help shows for the value: "string", "list", "" for a bool. */
const char *opt_value_name(const struct opt *row);

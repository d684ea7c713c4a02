/* SPDX-License-Identifier: Apache-2.0 */
/* dflex.h: the lines of a Dockerfile: directives, comments, continuations, here-documents. Bytes and a cursor, no files. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

#define DFLEX_BYTES_MAX (2u << 20) /* of a Dockerfile */
#define DFLEX_HEREDOCS_MAX 64       /* of one instruction */

struct df_heredoc {
	const char *name; /* the word after "<<", without quotes */
	const char *body;
	bool expand; /* the word was not quoted: $variables count in COPY and ADD */
	bool chomp;  /* "<<-": leading tabs are cut */
	unsigned fd; /* of "n<<" */
};

/* One logical line: an instruction as written, continuations joined. */
struct df_line {
	unsigned line, last_line; /* from 1 */
	const char *text;         /* without the here-documents' bodies */
	struct df_heredoc *heredocs;
	size_t n_heredocs;
};

struct df_directives {
	char escape; /* '\\' unless told */
	const char *syntax, *check; /* NULL when absent; any value is taken: this front end is the only one */
};

struct dflex {
	struct arena *arena; /* borrowed; all results live there */
	const char *p, *end;
	unsigned line; /* lines read so far */
	struct df_directives directives;
};

/* Start at the first byte: takes a byte order mark, a "#!" line and the directives. ES_E_INVALID for a second directive
 * of one name or an escape that is neither \ nor `. TEXT is borrowed for the life of the lexer. */
es_err *dflex_init(struct dflex *lx, struct arena *a, const char *text, size_t len) ES_CHECKED;
/* The next instruction, or *RET_END at the end of the file. Errors: ES_E_INVALID: "unterminated heredoc". */
es_err *dflex_next(struct dflex *lx, struct df_line *ret, bool *ret_end) ES_CHECKED;
/* Is WORD "n<<-NAME"? Fills all but the body. A quoted NAME asks for a body that is not expanded. */
bool dflex_heredoc_word(struct arena *a, const char *word, char escape, struct df_heredoc *ret);
/* Split "NAME rest" at the first blank; both in A. */
void dflex_split_name(struct arena *a, const char *text, const char **ret_name, const char **ret_rest);

/* SPDX-License-Identifier: Apache-2.0 */
/* tty.h: the caller's terminal: raw mode, size, questions, signals as a descriptor. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "base/err.h"

struct tty {
	bool raw;
	struct termios before;
};

bool tty_is(int fd);
/* Standard input becomes raw until tty_restore(). Nothing happens when it is no terminal. */
void tty_make_raw(struct tty *t);
void tty_restore(struct tty *t);
/* Rows and columns of the terminal on standard output; false when there is none. */
bool tty_size(unsigned *ret_rows, unsigned *ret_columns);
/* Read a line from standard input without its newline; ECHO false: as passwords are typed. Heap. */
es_err *tty_ask(const char *prompt, bool echo, char **ret) ES_CHECKED;
/* "yes" or "y" to PROMPT on standard input (any case). */
bool tty_confirm(const char *prompt);

/* Block the signals that are passed on to containers, and read them from the returned descriptor instead (-1: failed). */
int tty_signals(bool with_winch_only);

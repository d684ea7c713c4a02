/* SPDX-License-Identifier: Apache-2.0 */
/* pty.h: pseudo terminals: open a pair, size it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* A pair from the devpts of this mount namespace; both CLOEXEC, without becoming our controlling terminal. */
es_err *pty_open(int *ret_master, int *ret_slave) ES_CHECKED;
/* TIOCSWINSZ; WIDTH and HEIGHT are cells. */
es_err *pty_resize(int fd, uint16_t width, uint16_t height) ES_CHECKED;
es_err *pty_size(int fd, uint16_t *ret_width, uint16_t *ret_height) ES_CHECKED;
bool pty_is_tty(int fd);

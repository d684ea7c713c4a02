/* SPDX-License-Identifier: Apache-2.0 */
/* log.h: the one log sink of a program; rooms return errors, mains and long-lived threads log. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum log_level { LOG_L_ERROR, LOG_L_WARN, LOG_L_INFO, LOG_L_DEBUG };

/* FD is borrowed for the life of the program; JSON writes one object per line instead of text. */
void log_setup(int fd, enum log_level level, bool json);
bool log_is_on(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) ES_PRINTF(2, 3);
/* Logs "FMT: text" at WARN and frees ERR; nothing for NULL. */
void log_err(es_err *err, const char *fmt, ...) ES_PRINTF(2, 3);
es_err *log_level_parse(const char *name, enum log_level *ret) ES_CHECKED;

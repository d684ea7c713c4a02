/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h: the daemon's streams of JSON messages (pull, push, build, load, import) shown on a terminal or a pipe. */
#pragma once

#include "cli/client.h"

struct progress {
	int fd;      /* where it is shown; -1: nowhere, or INTO */
	struct es_buf *into;
	bool is_tty; /* lines are redrawn in place */
	/* Each "aux" value; may be NULL. */
	void (*aux)(void *self, const struct json *aux);
	void *self;
};

/* Read the body of the answer to its end. A message with an error ends it: its text is the error, its code the status that
 * *RET_CODE gets (may be NULL; else 0). */
es_err *progress_show(struct http_client *http, const struct progress *p, int *ret_code) ES_CHECKED;
/* "[====>     ]  12.3MB/45MB"; "" when there is nothing to show. COLUMNS of the terminal. In the arena. */
char *progress_bar(struct arena *a, int64_t current, int64_t total, size_t columns);

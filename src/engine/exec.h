/* SPDX-License-Identifier: Apache-2.0 */
/* exec.h: further processes inside a running container; each has a monitor of its own. */
#pragma once

#include "engine/ctr.h"

/* *RET_ID is 64 hexadecimal digits, in A. ES_E_CONFLICT "container X is not running" / "is paused". */
es_err *exec_create(struct engine *e, struct arena *a, const char *ctr_ref, const struct docker_exec_request *req,
		    char **ret_id) ES_CHECKED;
/* Before hijacking: does it exist, was it started already? *RET_TTY: raw stream. */
es_err *exec_start_check(struct engine *e, const char *id, bool *ret_tty) ES_CHECKED;
/* CLIENT_FD is taken (-1: detached) with the bytes already read from it. Returns when the process runs. A program that cannot
 * be started: the error text goes to the client's stream (as docker does), the exec's exit code becomes 126 or 127,
 * and the error is returned as well. WIDTH and HEIGHT: first size of the terminal, 0: none. */
es_err *exec_start(struct engine *e, const char *id, const char *detach_keys, uint16_t width, uint16_t height, int client_fd,
		   const void *head, size_t head_len) ES_CHECKED;
es_err *exec_resize(struct engine *e, const char *id, uint16_t width, uint16_t height) ES_CHECKED;
/* "No such exec instance: ID" */
es_err *exec_inspect(struct engine *e, struct arena *a, const char *id, struct docker_exec_inspect *ret) ES_CHECKED;

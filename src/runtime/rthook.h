/* SPDX-License-Identifier: Apache-2.0 */
/* rthook.h: run the hooks of one stage, with the container's state on their standard input. */
#pragma once

#include "spec/oci_runtime.h"

/* In order, in the directory CWD (NULL: ours); the first that fails (status, signal, timeout) stops and is the error, with what it
 * wrote. ENV is for hooks that name no environment; NULL: none. */
es_err *rthook_run(const struct field_list *hooks, const char *stage, const char *state_json, char *const *env, const char *cwd) ES_CHECKED;
/* poststart and poststop: a failure is a warning and the rest still run. */
void rthook_run_lenient(const struct field_list *hooks, const char *stage, const char *state_json, const char *cwd);

/* SPDX-License-Identifier: Apache-2.0 */
/* thread.h: start a thread to which no signal is delivered. */
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "base/err.h"

/* Signals belong to the threads that a program means them for: FN(ARG) runs with all of them blocked. STACK_BYTES 0: the system's
 * default. ES_E_SYSTEM. */
es_err *thread_start(pthread_t *ret, size_t stack_bytes, void *(*fn)(void *arg), void *arg) ES_CHECKED;

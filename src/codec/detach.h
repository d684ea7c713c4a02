/* SPDX-License-Identifier: Apache-2.0 */
/* detach.h: the key sequence by which a terminal user leaves a container running. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define DETACH_KEYS_MAX 16
#define DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"

/* Invariant: the last AT bytes seen are the first AT keys, and have not been passed on. */
struct detach {
	uint8_t keys[DETACH_KEYS_MAX];
	size_t n, at;
};

/* TEXT is keys separated by commas, each one character or ctrl- and one of a-z @ [ \ ] ^ _; NULL or "": the default. */
es_err *detach_parse(const char *text, struct detach *ret) ES_CHECKED;
/* Pass N bytes of input on to OUT (room for N + DETACH_KEYS_MAX) and return how many that are; bytes that may begin
 * the sequence are held back until they turn out not to. *RET_DETACHED: the sequence is complete; what follows it is
 * not passed on. */
size_t detach_feed(struct detach *d, const char *in, size_t n, char *out, bool *ret_detached);

/* SPDX-License-Identifier: Apache-2.0 */
/* layerprog.h: run estiba-layer, the sandboxed program that turns strangers' bytes into trees and trees into tars. */
#pragma once

#include "codec/json.h"
#include "store/layers.h"

/* Its descriptors (doc/format/layer-helper.md); -1: not given. */
struct layerprog_call {
	const char *const *argv; /* { "estiba-layer", MODE, …, NULL } */
	int stream_fd; /* 3: what it reads */
	int dir_fd;    /* 4: the tree */
	int out_fd;    /* 5: the tar it writes */
	const int *lower_fds; /* 7, 8, …: lowers, top first, for pack --upper */
	size_t n_lowers;
};

#define LAYERPROG_LOWERS_MAX 500u

/* Runs to the end. *RET is its report, in A. A report that says {"error","class"} becomes that error; a program that dies without
 * a report ES_E_SYSTEM. */
es_err *layerprog_run(struct store *st, struct arena *a, const struct layerprog_call *call, struct json **ret) ES_CHECKED;
/* The figures of a report. */
es_err *layerprog_info(const struct json *report, struct layers_info *ret) ES_CHECKED;

/* SPDX-License-Identifier: Apache-2.0 */
/* untar.h: a tar stream from a container into a directory of ours: nothing in it can lead outside. */
#pragma once

#include "wire/http_client.h"

/* Extract the body of HTTP's answer below DIRFD. The first part of every path becomes NAME ("." puts what is inside it straight
 * into the directory). Owners are the caller's, modes and times the archive's. *RET_BYTES is the length of
 * the stream. */
es_err *untar_body(struct http_client *http, int dirfd, const char *name, uint64_t *ret_bytes) ES_CHECKED;

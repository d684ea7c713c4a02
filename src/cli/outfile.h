/* SPDX-License-Identifier: Apache-2.0 */
/* outfile.h: an answer's body into a file or standard output (save, export). */
#pragma once

#include "cli/client.h"

/* Refuse to write an archive to a terminal, and a PATH whose directory does not exist. WHAT: "save image". */
es_err *outfile_check(const char *path, const char *what) ES_CHECKED;
/* Write the rest of the body; a file appears under its name only when it is whole. PATH NULL or "": standard output. */
es_err *outfile_write(struct http_client *http, const char *path) ES_CHECKED;

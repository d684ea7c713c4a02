/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.h: print the daemon's documents: as one indented array, or through a template each. */
#pragma once

#include "cli/client.h"

/* Fetch the object NAME; *RET is its document. */
typedef es_err *(*inspect_get)(struct cli *c, const char *name, struct json **ret);

/* Print every name's object. Missing ones are reported and the rest still printed; a bad template ends with status 64. */
es_err *inspect_print(struct cli *c, char *const *names, const char *format, inspect_get get) ES_CHECKED;
/* The getters that the typed inspects use. */
es_err *inspect_get_container(struct cli *c, const char *name, struct json **ret) ES_CHECKED;
es_err *inspect_get_image(struct cli *c, const char *name, struct json **ret) ES_CHECKED;
es_err *inspect_get_network(struct cli *c, const char *name, struct json **ret) ES_CHECKED;
es_err *inspect_get_volume(struct cli *c, const char *name, struct json **ret) ES_CHECKED;

#define INSPECT_FORMAT_HELP "How to print: 'json' for one line, or a Go template"

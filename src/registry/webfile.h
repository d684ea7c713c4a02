/* SPDX-License-Identifier: Apache-2.0 */
/* webfile.h: one file of the web, for ADD and import. */
#pragma once

#include "registry/remote.h"

struct webfile {
	const char *name;     /* from Content-Disposition, in A; NULL */
	const char *modified; /* Last-Modified as it came; NULL */
};

/* The bytes of URL to FD. ES_E_NOT_FOUND, ES_E_INVALID, ES_E_UNAUTHORIZED, ES_E_FORBIDDEN by the answer's status, in docker's words;
 * ES_E_CANCELLED when nobody reads FD. */
es_err *webfile_get(struct arena *a, const struct transfer_config *cfg, const char *url, int fd, const struct remote_progress *p,
		    struct webfile *ret) ES_CHECKED;
/* The "filename" of a Content-Disposition, without directories; NULL: none that could be a file's. */
char *webfile_name(struct arena *a, const char *disposition);
